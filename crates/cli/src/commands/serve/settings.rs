//! The verifier's configuration from three places: flags over `FARTHING_<SECTION>_<KEY>` over the file.
//!
//! Unknown keys are errors wherever they come from. What the cluster implies (network, mint, program) may
//! be left out.

use std::env;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use farthing_verifier::{Config, ConfigError};
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

/// Settings that are not checked yet. Not `Debug`: secrets are among them.
pub struct Settings {
    file: Option<PathBuf>,
    table: Table,
}

impl Settings {
    /// Reads file and environment and lays the flags over both.
    ///
    /// # Errors
    /// If the file cannot be read, is not TOML, or has unknown keys: the message names the line.
    pub fn read(args: &ServeArgs) -> Result<Self, CliError> {
        let mut settings = Self::without_flags(args.config.as_deref())?;
        overlay_flags(&mut settings.table, args)?;
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
        let default = Path::new(DEFAULT_FILE);
        let file = config.or_else(|| default.exists().then_some(default));
        let mut table = match file {
            Some(path) => read_file(path)?,
            None => Table::new(),
        };
        let variables = env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        overlay_environment(&mut table, variables)?;
        let file = file.map(Path::to_owned);
        Ok(Self { file, table })
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
        self.default("chain", "network", &connection.network)?;
        self.default("chain", "program", &connection.program().to_string())?;
        if self.string("chain", "mint").is_none() {
            let mint = connection.mint(None)?;
            self.default("chain", "mint", &mint.to_string())?;
        }
        self.default("store", "path", DEFAULT_STORE)?;
        let place = self.file.as_deref().map_or_else(
            || "configuration".to_owned(),
            |file| file.display().to_string(),
        );
        let config = Config::deserialize(Value::Table(self.table)).map_err(|error| {
            CliError::usage(format!("{place}, FARTHING_* and flags together: {error}"))
        })?;
        config
            .check()
            .map_err(|error| CliError::usage(format!("{place}: {error}")))?;
        Ok(config)
    }

    fn string(&self, section: &str, key: &str) -> Option<String> {
        let value = self.table.get(section)?.as_table()?.get(key)?;
        value.as_str().map(str::to_owned)
    }

    fn default(&mut self, section: &str, key: &str, value: &str) -> Result<(), CliError> {
        section_mut(&mut self.table, section)?
            .entry(key)
            .or_insert_with(|| Value::from(value));
        Ok(())
    }
}

fn read_file(path: &Path) -> Result<Table, CliError> {
    let place = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| CliError::usage(format!("cannot read {place}: {error}")))?;
    let refused = |error: toml::de::Error| CliError::usage(at_line(&place, &text, &error));
    let table: Table = toml::from_str(&text).map_err(refused)?;
    // Only here do errors have lines. What is missing may still come from elsewhere.
    match Config::from_toml(&text) {
        Err(ConfigError::Toml(error)) if !error.message().starts_with("missing field") => {
            Err(refused(error))
        }
        _ => Ok(table),
    }
}

/// Names the line of an error without quoting it, as the error itself would: the line may hold a key.
fn at_line(place: &impl Display, text: &str, error: &toml::de::Error) -> String {
    let start = error.span().map_or(0, |span| span.start).min(text.len());
    let before = &text.as_bytes()[..start];
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let of_line = text.lines().nth(line - 1).unwrap_or_default();
    if let Some(secret) = SECRET_KEYS.iter().find(|key| of_line.contains(**key)) {
        return format!("{place}, line {line}: {secret} must be a string in double quotes");
    }
    format!("{place}, line {line}: {}", error.message())
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

    #[test]
    fn an_unknown_key_of_the_file_is_an_error_with_its_line() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("farthing.toml");
        fs::write(&path, "[http]\nupstream = \"http://x\"\nupsteam = 1\n").expect("writable");
        let error = read_file(&path).expect_err("unknown key").to_string();
        assert!(
            error.contains("line 3") && error.contains("upsteam"),
            "{error}"
        );
        fs::write(&path, "[http]\nupstream = \"http://x\"\n").expect("writable");
        assert!(read_file(&path).is_ok(), "the rest may come from elsewhere");
        fs::write(&path, "[http\n").expect("writable");
        assert!(read_file(&path).is_err());
        for place in [
            "upstream_api_key =",
            "[facilitator]\nbearer_token =",
            "[facilitator]\n\"bearer_token\"=",
        ] {
            for secret in ["sk-424242", "424242", "\"sk-424242"] {
                let text = format!("[http]\nupstream = \"http://x\"\n{place} {secret}\n");
                let line = format!("line {}", text.lines().count());
                fs::write(&path, text).expect("writable");
                let error = read_file(&path).expect_err("not a string").to_string();
                assert!(
                    error.contains(&line) && !error.contains("424242"),
                    "{error}"
                );
            }
        }
    }
}
