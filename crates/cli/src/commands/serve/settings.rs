//! The verifier's configuration from three places: flags over `FARTHING_<SECTION>_<KEY>` over the file.
//!
//! Unknown keys are errors wherever they come from. What the cluster implies (network, mint, program) may
//! be left out.

use std::env;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use farthing_verifier::Config;
use serde::Deserialize;
use solana_sdk::pubkey::Pubkey;
use toml::{Table, Value};

use crate::cli::ServeArgs;
use crate::connection::Connection;
use crate::error::CliError;

/// The file that is read if none is named.
const DEFAULT_FILE: &str = "farthing.toml";
/// The ledger's database if none is named.
const DEFAULT_STORE: &str = "farthing.redb";
/// What environment variables start with.
const PREFIX: &str = "FARTHING_";
/// The sections, which follow the prefix.
const SECTIONS: [&str; 6] = [
    "http",
    "pricing",
    "store",
    "chain",
    "settler",
    "facilitator",
];
/// Starts like a section and is a flag's.
const FLAG_VARIABLES: [&str; 1] = ["FARTHING_SETTLER_KEY"];
/// What no error may quote.
const SECRET_KEYS: [&str; 2] = ["upstream_api_key", "bearer_token"];
/// Strings that may look like numbers: amounts of USDC, and secrets.
const STRING_KEYS: [&str; 5] = [
    "min_amount",
    "min_claim",
    "min_deposit",
    SECRET_KEYS[0],
    SECRET_KEYS[1],
];

/// What must be there to serve, with any value of the right type: in its place whatever else is wrong is found.
const ADDED: [(&str, &str, &str); 5] = [
    ("store", "path", ""),
    ("chain", "rpc_url", ""),
    ("chain", "network", ""),
    ("chain", "mint", ANY_ADDRESS),
    ("chain", "payee", ANY_ADDRESS),
];
const ANY_ADDRESS: &str = "11111111111111111111111111111111";

/// Settings whose values are not checked yet. Not `Debug`: secrets are among them.
pub struct Settings {
    file: Option<File>,
    table: Table,
}

/// A file as it was read.
struct File {
    path: PathBuf,
    text: String,
}

impl Settings {
    /// Reads file and environment and lays the flags over both.
    ///
    /// # Errors
    /// If the file cannot be read or is not TOML, or if a key is unknown or has a value of the wrong type: the message
    /// names the line.
    pub fn read(args: &ServeArgs) -> Result<Self, CliError> {
        let mut settings = Self::unchecked(args.config.as_deref())?;
        overlay_flags(&mut settings.table, args)?;
        settings.check_types()?;
        Ok(settings)
    }

    /// Where the verifier of this configuration has its store.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn store_path(config: Option<&Path>) -> Result<PathBuf, CliError> {
        let path = Self::without_flags(config)?.string("store", "path");
        Ok(path.unwrap_or_else(|| DEFAULT_STORE.to_owned()).into())
    }

    /// Reads file and environment.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn without_flags(config: Option<&Path>) -> Result<Self, CliError> {
        let settings = Self::unchecked(config)?;
        settings.check_types()?;
        Ok(settings)
    }

    fn unchecked(config: Option<&Path>) -> Result<Self, CliError> {
        let default = Path::new(DEFAULT_FILE);
        let path = config.or_else(|| default.exists().then_some(default));
        let file = path.map(File::read).transpose()?;
        let mut table = file.as_ref().map_or(Ok(Table::new()), File::table)?;
        let variables = env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        overlay_environment(&mut table, variables)?;
        Ok(Self { file, table })
    }

    /// Requires known keys and values of the right types, of what is there. What is not there is needed only to serve.
    fn check_types(&self) -> Result<(), CliError> {
        let mut table = self.table.clone();
        section_mut(&mut table, "http")?;
        for (section, key, value) in ADDED {
            default(&mut table, section, key, value)?;
        }
        match Config::deserialize(Value::Table(table)) {
            Err(error) if !error.message().starts_with("missing field") => {
                Err(self.explain(&error))
            }
            _ => Ok(()),
        }
    }

    /// Says where the wrong value is: at which line of the file, if it is there.
    fn explain(&self, error: &toml::de::Error) -> CliError {
        let text = error.to_string();
        let of_file = self.file.as_ref().and_then(|file| {
            let found = toml::from_str::<Config>(&file.text).err()?;
            let (_, key) = line_of(&file.text, &found);
            let same = found.message() == error.message() && text.contains(key.unwrap_or_default());
            same.then(|| at_line(&file.path.display(), &file.text, &found))
        });
        CliError::usage(of_file.unwrap_or_else(|| {
            let text = text.trim().replace('\n', " ");
            // The text ends with the key's path.
            let is_at = |key: &&&str| text.ends_with(&format!(".{key}`"));
            match SECRET_KEYS.iter().find(is_at) {
                Some(secret) => format!("{secret} must be a string"),
                None => format!("{}: {text}", self.places()),
            }
        }))
    }

    /// Where settings come from.
    fn places(&self) -> String {
        match &self.file {
            Some(file) => format!("{}, FARTHING_* and flags together", file.path.display()),
            None => format!("there is no {DEFAULT_FILE} here; FARTHING_* and flags together"),
        }
    }

    /// The node.
    ///
    /// # Errors
    /// If it is not named.
    pub fn rpc_url(&self) -> Result<String, CliError> {
        self.string("chain", "rpc_url").ok_or_else(|| {
            CliError::usage(
                "name a Solana RPC node with --rpc-url, FARTHING_RPC_URL or chain.rpc_url in farthing.toml",
            )
        })
    }

    /// The program, if one is named.
    ///
    /// # Errors
    /// If it is not an address.
    pub fn program(&self) -> Result<Option<Pubkey>, CliError> {
        self.string("chain", "program")
            .map(|text| {
                text.parse()
                    .map_err(|_| CliError::usage("chain.program is not an address"))
            })
            .transpose()
    }

    /// The whole configuration, completed by what the cluster implies.
    ///
    /// # Errors
    /// If something is missing, unknown or contradicts the cluster.
    pub fn into_config(mut self, connection: &Connection) -> Result<Config, CliError> {
        let network = self.string("chain", "network");
        if let Some(network) = network.filter(|network| *network != connection.network) {
            return Err(CliError::usage(format!(
                "chain.network is {network}, but the node belongs to {}: correct one of them",
                connection.network
            )));
        }
        let table = &mut self.table;
        default(table, "chain", "network", &connection.network)?;
        let program = connection.program().to_string();
        default(table, "chain", "program", &program)?;
        if self.string("chain", "mint").is_none() {
            let mint = connection.mint(None)?.to_string();
            default(&mut self.table, "chain", "mint", &mint)?;
        }
        default(&mut self.table, "store", "path", DEFAULT_STORE)?;
        let config = Config::deserialize(Value::Table(self.table.clone()))
            .map_err(|error| self.explain(&error))?;
        config
            .check()
            .map_err(|error| CliError::usage(format!("{}: {error}", self.places())))?;
        Ok(config)
    }

    fn string(&self, section: &str, key: &str) -> Option<String> {
        let value = self.table.get(section)?.as_table()?.get(key)?;
        value.as_str().map(str::to_owned)
    }
}

fn default(table: &mut Table, section: &str, key: &str, value: &str) -> Result<(), CliError> {
    section_mut(table, section)?
        .entry(key)
        .or_insert_with(|| Value::from(value));
    Ok(())
}

impl File {
    fn read(path: &Path) -> Result<Self, CliError> {
        let text = fs::read_to_string(path)
            .map_err(|error| CliError::usage(format!("cannot read {}: {error}", path.display())))?;
        let path = path.to_owned();
        Ok(Self { path, text })
    }

    fn table(&self) -> Result<Table, CliError> {
        toml::from_str(&self.text)
            .map_err(|error| CliError::usage(at_line(&self.path.display(), &self.text, &error)))
    }
}

/// The line of an error, and its key, if there is one.
fn line_of<'a>(text: &'a str, error: &toml::de::Error) -> (usize, Option<&'a str>) {
    let start = error.span().map_or(0, |span| span.start).min(text.len());
    let before = &text.as_bytes()[..start];
    let line = before.iter().filter(|byte| **byte == b'\n').count();
    let of_line = text.lines().nth(line).unwrap_or_default();
    let key = of_line.split_once('=').map(|(key, _)| key);
    let key = key.map(|key| key.trim().trim_matches('"'));
    (line + 1, key)
}

/// Names the line of an error, and its key, without quoting it, as the error itself would: the line may hold a secret.
fn at_line(place: &impl Display, text: &str, error: &toml::de::Error) -> String {
    let (line, key) = line_of(text, error);
    let of_line = text.lines().nth(line - 1).unwrap_or_default();
    if let Some(secret) = SECRET_KEYS.iter().find(|key| of_line.contains(**key)) {
        return format!("{place}, line {line}: {secret} must be a string in double quotes");
    }
    let key = key.map_or_else(String::new, |key| format!(", {key}"));
    format!("{place}, line {line}{key}: {}", error.message())
}

fn section_mut<'a>(table: &'a mut Table, section: &str) -> Result<&'a mut Table, CliError> {
    table
        .entry(section)
        .or_insert_with(|| Value::Table(Table::new()))
        .as_table_mut()
        .ok_or_else(|| CliError::usage(format!("{section} must be a section, as [{section}]")))
}

fn overlay_environment(
    table: &mut Table,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<(), CliError> {
    for (name, value) in variables {
        let Some(rest) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let rest = rest.to_ascii_lowercase();
        let found = SECTIONS
            .iter()
            .find_map(|section| Some((*section, rest.strip_prefix(section)?.strip_prefix('_')?)));
        if let Some((section, key)) = found
            && !FLAG_VARIABLES.contains(&name.as_str())
        {
            let value = environment_value(key, &value);
            section_mut(table, section)?.insert(key.to_owned(), value);
        }
    }
    Ok(())
}

/// The environment has only text: what reads as a TOML number, boolean or array is one, the rest is a
/// string.
fn environment_value(key: &str, text: &str) -> Value {
    let string = || Value::from(text);
    if STRING_KEYS.contains(&key) {
        return string();
    }
    let parsed = toml::from_str::<Table>(&format!("value = {text}"))
        .ok()
        .and_then(|mut table| table.remove("value"));
    match parsed {
        Some(value @ (Value::Integer(_) | Value::Boolean(_) | Value::Array(_))) => value,
        _ => string(),
    }
}

fn overlay_flags(table: &mut Table, args: &ServeArgs) -> Result<(), CliError> {
    let store = args
        .store
        .as_ref()
        .map(|path| {
            path.to_str()
                .map(str::to_owned)
                .ok_or_else(|| CliError::usage("--store must be valid UTF-8"))
        })
        .transpose()?;
    for (section, key, value) in [
        (
            "http",
            "listen",
            args.listen.map(|address| address.to_string()),
        ),
        (
            "http",
            "metrics_listen",
            args.metrics_listen.map(|address| address.to_string()),
        ),
        ("http", "upstream", args.upstream.clone()),
        ("chain", "rpc_url", args.rpc_url.clone()),
        ("chain", "payee", args.payee.map(|key| key.to_string())),
        ("chain", "program", args.program.map(|key| key.to_string())),
        ("chain", "mint", args.mint.map(|key| key.to_string())),
        ("store", "path", store),
    ] {
        if let Some(value) = value {
            section_mut(table, section)?.insert(key.to_owned(), Value::from(value));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlaid(variables: &[(&str, &str)]) -> Table {
        let mut table: Table = toml::from_str(
            "[http]\nupstream = \"http://file\"\nmax_body_bytes = 1\n[chain]\nmin_deposit = \"1\"",
        )
        .expect("TOML");
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        overlay_environment(&mut table, variables).expect("sections are tables");
        table
    }

    #[test]
    fn the_environment_overrides_the_file_with_the_right_types() {
        let table = overlaid(&[
            ("FARTHING_HTTP_UPSTREAM", "http://environment"),
            ("FARTHING_HTTP_MAX_BODY_BYTES", "2"),
            ("FARTHING_CHAIN_MIN_DEPOSIT", "5"),
            ("FARTHING_PRICING_FREE_MODELS", "[\"a\"]"),
            ("FARTHING_HTTP_LISTEN", "127.0.0.1:0"),
            ("FARTHING_FACILITATOR_BEARER_TOKEN", "0123"),
            ("FARTHING_RPC_URL", "a flag's"),
            ("FARTHING_SETTLER_KEY", "a flag's"),
            ("PATH", "/bin"),
        ]);
        let expected = "\
            [http]\nupstream = \"http://environment\"\nmax_body_bytes = 2\nlisten = \"127.0.0.1:0\"\n\
            [chain]\nmin_deposit = \"5\"\n[pricing]\nfree_models = [\"a\"]\n\
            [facilitator]\nbearer_token = \"0123\"";
        assert_eq!(table, toml::from_str::<Table>(expected).expect("TOML"));
    }

    /// What is wrong with a file, alone or with what is laid over it.
    fn wrong_with(text: &str, over: &[(&str, &str, &str)]) -> Option<String> {
        let path = PathBuf::from("farthing.toml");
        let text = text.to_owned();
        let file = File { path, text };
        let checked = file.table().and_then(|mut table| {
            for (section, key, value) in over {
                let value = Value::from(*value);
                section_mut(&mut table, section)?.insert((*key).to_owned(), value);
            }
            let file = Some(file);
            Settings { file, table }.check_types()
        });
        checked.err().map(|error| error.to_string())
    }

    #[test]
    fn what_is_wrong_in_the_file_is_told_with_its_line_and_its_key() {
        let complete = "[http]\nupstream = \"http://x\"\n";
        for text in ["", complete, "[pricing.models.x]\n"] {
            let wrong = wrong_with(text, &[]);
            assert_eq!(wrong, None, "the rest may come from elsewhere");
        }
        for (more, line, named) in [
            ("upsteam = 1\n", 3, "upsteam"),
            ("max_body_bytes = \"many\"\n", 3, "max_body_bytes"),
            ("[chain]\npayee = \"0\"\n", 4, "payee"),
            ("[http\n", 3, ""),
        ] {
            let error = wrong_with(&format!("{complete}{more}"), &[]).expect("it is wrong");
            let place = format!("farthing.toml, line {line}");
            assert!(error.contains(&place) && error.contains(named), "{error}");
        }
        for place in [
            "upstream_api_key =",
            "[facilitator]\nbearer_token =",
            "[facilitator]\n\"bearer_token\"=",
        ] {
            for secret in ["sk-424242", "424242", "\"sk-424242"] {
                let text = format!("{complete}{place} {secret}\n");
                let line = format!("line {}", text.lines().count());
                let error = wrong_with(&text, &[]).expect("not a string");
                assert!(
                    error.contains(&line) && !error.contains("424242"),
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn what_lies_over_the_file_counts_instead() {
        let file = "[chain]\npayee = \"0\"\n[http]\nupstream = \"http://x\"\n";
        let payee = ("chain", "payee", ANY_ADDRESS);
        assert_eq!(wrong_with(file, &[payee]), None);
        let wrong = ("chain", "mint", "0");
        let error = wrong_with(file, &[payee, wrong]).expect("no address");
        assert!(error.contains("`chain.mint`"), "{error}");
        let misspelt = ("http", "upsteam", "http://x");
        let error = wrong_with(file, &[payee, misspelt]).expect("an unknown key");
        assert!(error.contains("unknown field `upsteam`"), "{error}");
    }

    #[test]
    fn a_secret_that_only_all_together_find_is_not_quoted() {
        let first = "[chain]\nmint = \"0\"\n[http]\nupstream_api_key = 424242\n";
        let error = wrong_with(first, &[("chain", "mint", ANY_ADDRESS)]).expect("no string");
        let expected = "upstream_api_key must be a string";
        assert!(
            error.contains(expected) && !error.contains("424242"),
            "{error}"
        );
    }
}
