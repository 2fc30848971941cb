//! The verifier's configuration from three sources. Flags take precedence over environment variables
//! `FARTHING_<TABLE>_<KEY>`, and these over the configuration file.
//!
//! Unknown keys are errors in every source, and every error names the line, the variable or the flag. Settings that
//! follow from the cluster (network, mint, program) may be omitted.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use farthing_verifier::Config;
use farthing_verifier::config::ConfigError;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use solana_sdk::pubkey::Pubkey;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use crate::commands::serve::args::ServeArgs;
use crate::connection::Connection;
use crate::error::CliError;

/// The configuration file that is read if none is given.
const DEFAULT_FILE: &str = "farthing.toml";
/// Prefix of environment variables with settings.
const PREFIX: &str = "FARTHING_";
/// Tables of the configuration; in a variable's name the table follows the prefix.
const TABLES: [&str; 7] = [
    "http",
    "pricing",
    "store",
    "chain",
    "settler",
    "facilitator",
    "admin",
];
/// Variables that begin with the name of a table but belong to a command-line flag.
const FLAG_VARIABLES: [&str; 1] = ["FARTHING_SETTLER_KEY"];
/// Keys with secret values, which must not be quoted in errors.
const SECRET_KEYS: [&str; 3] = ["upstream_api_key", "bearer_token", "rpc_url"];
/// Keys whose values are always strings, even if they look like numbers: amounts of USDC, and secrets.
const STRING_KEYS: [&str; 6] = [
    "min_amount",
    "min_claim",
    "min_deposit",
    SECRET_KEYS[0],
    SECRET_KEYS[1],
    SECRET_KEYS[2],
];

/// Settings whose values have the right types. Not `Debug`, because they contain secrets.
pub struct Settings {
    file: Option<File>,
    overlay: Overlay,
    config: Config,
}

/// A configuration file as it was read.
#[derive(Default)]
struct File {
    path: PathBuf,
    text: String,
}

/// Settings from the environment and from flags, which override the file.
#[derive(Default)]
struct Overlay {
    values: BTreeMap<(String, String), Laid>,
}

/// One overriding value, with the name of the variable or flag that it comes from.
struct Laid {
    value: Value,
    from: String,
}

/// The file and its overrides as one text, so that every value has a position in it.
struct Whole<'a> {
    file: Option<&'a File>,
    text: String,
    /// The positions of the overrides in the text, with the variable or flag of each, and the override at its position.
    laid: Vec<(Range<usize>, &'a str, String)>,
}

impl Settings {
    /// Reads file and environment and applies the flags over both.
    ///
    /// # Errors
    /// If the file cannot be read or is not TOML, or if a key is unknown or has a value of the wrong type: the message
    /// names the line, the variable or the flag.
    pub fn read(args: &ServeArgs) -> Result<Self, CliError> {
        let (file, mut overlay) = sources(args.config.as_deref())?;
        overlay.flags(args)?;
        Self::of(file, overlay)
    }

    /// Path of the verifier's store according to this configuration.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn store_path(config: Option<&Path>) -> Result<PathBuf, CliError> {
        Ok(Self::without_flags(config)?.config.store.path)
    }

    /// Reads file and environment.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn without_flags(config: Option<&Path>) -> Result<Self, CliError> {
        let (file, overlay) = sources(config)?;
        Self::of(file, overlay)
    }

    fn of(file: Option<File>, overlay: Overlay) -> Result<Self, CliError> {
        let config = Whole::new(file.as_ref(), &overlay).config()?;
        Ok(Self {
            file,
            overlay,
            config,
        })
    }

    /// URL of the Solana RPC node.
    ///
    /// # Errors
    /// If it is not configured.
    pub fn rpc_url(&self) -> Result<String, CliError> {
        let url = self.config.rpc_url();
        if url.is_empty() {
            return Err(CliError::usage(
                "give a Solana RPC node with --rpc-url, FARTHING_RPC_URL or chain.rpc_url in farthing.toml",
            ));
        }
        Ok(url.to_owned())
    }

    /// The configured program, if any.
    #[must_use]
    pub fn program(&self) -> Option<Pubkey> {
        let whole = Whole::new(self.file.as_ref(), &self.overlay);
        whole
            .place_of("chain.program")
            .map(|_| self.config.chain.program)
    }

    /// The whole configuration, completed by the settings that follow from the cluster.
    ///
    /// # Errors
    /// If a setting is missing or contradicts the cluster.
    pub fn into_config(mut self, connection: &Connection) -> Result<Config, CliError> {
        let chain = &mut self.config.chain;
        if !chain.network.is_empty() && chain.network != connection.network {
            return Err(CliError::usage(format!(
                "chain.network is {}, but the node belongs to {}: correct one of them",
                chain.network, connection.network
            )));
        }
        chain.network.clone_from(&connection.network);
        chain.program = *connection.program();
        if chain.mint == Pubkey::default() {
            chain.mint = connection.mint(None)?;
        }
        let whole = Whole::new(self.file.as_ref(), &self.overlay);
        self.config.check().map_err(|error| whole.explain(&error))?;
        Ok(self.config)
    }

    /// The configuration as read: not validated, and without the settings that follow from the cluster.
    #[must_use]
    pub fn into_unchecked(self) -> Config {
        self.config
    }
}

fn sources(config: Option<&Path>) -> Result<(Option<File>, Overlay), CliError> {
    let default = Path::new(DEFAULT_FILE);
    let path = config.or_else(|| default.exists().then_some(default));
    let file = path.map(File::read).transpose()?;
    let mut overlay = Overlay::default();
    overlay.environment(
        env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }),
    );
    Ok((file, overlay))
}

impl File {
    fn read(path: &Path) -> Result<Self, CliError> {
        let text = fs::read_to_string(path)
            .map_err(|error| CliError::usage(format!("cannot read {}: {error}", path.display())))?;
        let path = path.to_owned();
        Ok(Self { path, text })
    }
}

impl Overlay {
    fn lay(&mut self, table: &str, key: &str, value: Value, from: String) {
        let laid = Laid { value, from };
        self.values.insert((table.to_owned(), key.to_owned()), laid);
    }

    fn environment(&mut self, variables: impl Iterator<Item = (String, String)>) {
        for (name, value) in variables {
            let Some(rest) = name.strip_prefix(PREFIX) else {
                continue;
            };
            let rest = rest.to_ascii_lowercase();
            let found = TABLES.iter().find_map(|table| {
                let key = rest.strip_prefix(table)?.strip_prefix('_')?;
                Some((*table, key))
            });
            if let Some((table, key)) = found
                && !FLAG_VARIABLES.contains(&name.as_str())
            {
                self.lay(table, key, environment_value(key, &value), name);
            }
        }
    }

    fn flags(&mut self, args: &ServeArgs) -> Result<(), CliError> {
        let store = args.store.as_ref().map(|path| {
            let path = path.to_str().map(str::to_owned);
            path.ok_or_else(|| CliError::usage("--store must be valid UTF-8"))
        });
        let address = |address: Option<std::net::SocketAddr>| address.map(|it| it.to_string());
        let key = |key: Option<Pubkey>| key.map(|key| key.to_string());
        for (table, name, flag, value) in [
            ("http", "listen", "--listen", address(args.listen)),
            ("http", "upstream", "--upstream", args.upstream.clone()),
            (
                "admin",
                "listen",
                "--admin-listen",
                address(args.admin_listen),
            ),
            ("chain", "rpc_url", "--rpc-url", args.rpc_url.clone()),
            ("chain", "payee", "--payee", key(args.payee)),
            ("chain", "program", "--program", key(args.program)),
            ("chain", "mint", "--mint", key(args.mint)),
            ("store", "path", "--store", store.transpose()?),
        ] {
            if let Some(value) = value {
                self.lay(table, name, Value::from(value), flag.to_owned());
            }
        }
        Ok(())
    }
}

/// Converts the text of an environment variable: it becomes an integer, a boolean or an array if it is one in TOML, and
/// a string otherwise.
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

impl<'a> Whole<'a> {
    fn new(file: Option<&'a File>, overlay: &'a Overlay) -> Self {
        let mut text = file.map_or_else(String::new, |file| file.text.clone());
        let mut laid = Vec::new();
        for ((table, key), Laid { value, from }) in &overlay.values {
            text.push('\n');
            let start = text.len();
            // The name of a variable may be anything; a quoted key takes it.
            let _ = write!(text, "{table}.{} = {value}", Value::from(key.as_str()));
            // Spaces before it give every part of the override its position in the whole text, which tells it from the
            // file's.
            let padded = format!("{}{}", " ".repeat(start), &text[start..]);
            laid.push((start..text.len(), from.as_str(), padded));
        }
        Self { file, text, laid }
    }

    /// The file's table with the overrides applied.
    fn table(&self) -> Result<Spanned<DeTable<'_>>, toml::de::Error> {
        let length = self.file.map_or(0, |file| file.text.len());
        let mut table = DeTable::parse(&self.text[..length])?;
        for (range, _, padded) in &self.laid {
            let laid = DeTable::parse(padded)?;
            for (name, inner) in laid.into_inner() {
                let empty = || Spanned::new(range.clone(), DeValue::Table(DeTable::new()));
                let within = table.get_mut().entry(name).or_insert_with(empty);
                if let (DeValue::Table(within), DeValue::Table(inner)) =
                    (within.get_mut(), inner.into_inner())
                {
                    for (key, value) in inner {
                        // Removed first, so that the key has its new position as well.
                        within.remove(&key);
                        within.insert(key, value);
                    }
                }
            }
        }
        Ok(table)
    }

    fn config(&self) -> Result<Config, CliError> {
        let table = self.table().map_err(|error| self.at(&error))?;
        Config::deserialize(table.into_deserializer()).map_err(|error| self.at(&error))
    }

    /// Position of a key's value in the text, if it has one.
    fn place_of(&self, key: &str) -> Option<Range<usize>> {
        let mut table = self.table().ok()?.into_inner();
        let mut names = key.split('.').peekable();
        loop {
            let (_, value) = table.remove_entry(names.next()?)?;
            if names.peek().is_none() {
                return Some(value.span());
            }
            let DeValue::Table(inner) = value.into_inner() else {
                return None;
            };
            table = inner;
        }
    }

    /// Converts a TOML error to one that says where the wrong value is and, unlike the original, quotes no secret.
    fn at(&self, error: &toml::de::Error) -> CliError {
        let span = error.span().unwrap_or(0..0);
        let line = self.text[..span.start.min(self.text.len())]
            .matches('\n')
            .count();
        let of_line = self.text.lines().nth(line).unwrap_or_default();
        let key = of_line
            .split_once('=')
            .map(|(key, _)| key.trim().trim_matches('"'));
        // A message about a key quotes no value.
        let is_about_value = !error.message().starts_with("unknown field");
        let secret = SECRET_KEYS
            .iter()
            .find(|key| is_about_value && of_line.contains(**key));
        let message = match (secret, key) {
            (Some(secret), _) => format!("{secret} must be a string in double quotes"),
            (None, Some(key)) if !self.is_laid(&span) => format!("{key}: {}", error.message()),
            (None, _) => error.message().to_owned(),
        };
        CliError::usage(format!("{}: {message}", self.place(&span)))
    }

    fn is_laid(&self, span: &Range<usize>) -> bool {
        self.laid
            .iter()
            .any(|(range, ..)| range.contains(&span.start))
    }

    /// The line, the variable or the flag at a position of the text.
    fn place(&self, span: &Range<usize>) -> String {
        let laid = self
            .laid
            .iter()
            .find(|(range, ..)| range.contains(&span.start));
        match (laid, self.file) {
            (Some((_, from, _)), _) => (*from).to_owned(),
            (None, Some(file)) => {
                let line = file.text[..span.start.min(file.text.len())]
                    .matches('\n')
                    .count();
                format!("{}, line {}", file.path.display(), line + 1)
            }
            (None, None) => format!("there is no {DEFAULT_FILE} in this directory"),
        }
    }

    /// Converts a validation error to one that says where the invalid value is.
    fn explain(&self, error: &ConfigError) -> CliError {
        let place = match error {
            ConfigError::Value { key, .. } => self.place_of(key),
            ConfigError::Toml(_) => None,
        };
        let place = match (place, self.file) {
            (Some(span), _) => self.place(&span),
            (None, Some(file)) => format!(
                "{}, combined with FARTHING_* and flags",
                file.path.display()
            ),
            (None, None) => {
                format!("FARTHING_* and flags (there is no {DEFAULT_FILE} in this directory)")
            }
        };
        CliError::usage(format!("{place}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY_ADDRESS: &str = "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU";

    fn file(text: &str) -> File {
        File {
            path: PathBuf::from("farthing.toml"),
            text: text.to_owned(),
        }
    }

    #[test]
    fn the_environment_overrides_the_file_with_the_right_types() {
        let file = file(
            "[http]\nupstream = \"http://file\"\nmax_body_bytes = 1\n[chain]\nmin_deposit = \"1\"",
        );
        let mut overlay = Overlay::default();
        let variables = [
            ("FARTHING_HTTP_UPSTREAM", "http://environment"),
            ("FARTHING_HTTP_MAX_BODY_BYTES", "2"),
            ("FARTHING_CHAIN_MIN_DEPOSIT", "5"),
            ("FARTHING_PRICING_FREE_MODELS", "[\"a\"]"),
            ("FARTHING_HTTP_LISTEN", "127.0.0.1:0"),
            ("FARTHING_FACILITATOR_BEARER_TOKEN", "0123"),
            ("FARTHING_RPC_URL", "a flag's"),
            ("FARTHING_SETTLER_KEY", "a flag's"),
            ("PATH", "/bin"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        overlay.environment(variables.into_iter());
        let config = Whole::new(Some(&file), &overlay).config();
        let config = config.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(config.http.upstream.as_deref(), Some("http://environment"));
        assert_eq!(config.http.max_body_bytes.as_u64(), 2);
        assert_eq!(config.http.listen.port(), 0);
        assert_eq!(config.chain.min_deposit.0.0, 5_000_000);
        assert_eq!(config.pricing.free_models, ["a"]);
        assert!(config.facilitator.is_some());
        assert_eq!(config.rpc_url(), "");
    }

    /// The error of a file with these overrides, if there is one.
    fn wrong_with(text: &str, over: &[(&str, &str, &str)]) -> Option<String> {
        let mut overlay = Overlay::default();
        for (table, key, value) in over {
            overlay.lay(table, key, Value::from(*value), format!("--{key}"));
        }
        let settings = Settings::of(Some(file(text)), overlay);
        settings.err().map(|error| error.to_string())
    }

    #[test]
    fn what_is_wrong_in_the_file_is_told_with_its_line_and_its_key() {
        let complete = "[http]\nupstream = \"http://x\"\n";
        for text in ["", complete, "[chain]\npoll_interval_ms = 5"] {
            let wrong = wrong_with(text, &[]);
            assert_eq!(wrong, None, "the rest may come from elsewhere");
        }
        for (more, line, named) in [
            ("upsteam = 1\n", 3, "upsteam"),
            ("max_body_bytes = [1]\n", 3, "max_body_bytes"),
            ("[chain]\npayee = \"0\"\n", 4, "payee"),
            // A missing key earlier in the file does not hide this error.
            (
                "[chain]\nmin_deposit = \"1\"\n[store]\npth = \"x\"\n",
                6,
                "pth",
            ),
            (
                "[pricing.models.x]\nmax_output_tokens = 5\n",
                3,
                "input_per_million",
            ),
            ("[stoer]\n", 3, "stoer"),
            ("[http\n", 3, ""),
        ] {
            // Without and with an override by a flag.
            for over in [&[][..], &[("store", "path", "x")]] {
                let error = wrong_with(&format!("{complete}{more}"), over).expect("it is wrong");
                let place = format!("farthing.toml, line {line}");
                assert!(error.contains(&place) && error.contains(named), "{error}");
            }
        }
        for place in [
            "upstream_api_key =",
            "[facilitator]\nbearer_token =",
            "[facilitator]\n\"bearer_token\"=",
            "[chain]\nrpc_url =",
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
    fn a_key_that_only_looks_like_a_secret_is_an_unknown_one() {
        for line in ["rpc_urls = \"x\"", "lisen = \"x\" # see rpc_url"] {
            let error = wrong_with(&format!("[http]\n{line}\n"), &[]).expect("an unknown key");
            assert!(
                error.contains("line 2") && error.contains("unknown field"),
                "{error}"
            );
        }
    }

    #[test]
    fn an_error_of_an_override_is_not_about_the_one_before() {
        let rpc_url = ("chain", "rpc_url", "http://127.0.0.1:1");
        let listen = ("http", "listen", "abc");
        let error = wrong_with("", &[rpc_url, listen]).expect("no address");
        assert!(
            error.starts_with("--listen: ") && !error.contains("rpc_url"),
            "{error}"
        );
        let mut overlay = Overlay::default();
        let list = Value::Array(vec![Value::from("a"), Value::from(1)]);
        overlay.lay(
            "pricing",
            "free_models",
            list,
            "FARTHING_PRICING_FREE_MODELS".to_owned(),
        );
        let text = "[http]\nupstream = \"http://x\"\n";
        let error = Settings::of(Some(file(text)), overlay)
            .err()
            .expect("no string");
        let error = error.to_string();
        assert!(
            error.starts_with("FARTHING_PRICING_FREE_MODELS: "),
            "{error}"
        );
        let odd = ("http", "a b.c", "x");
        let error = wrong_with("", &[rpc_url, odd]).expect("an unknown key");
        assert!(error.starts_with("--a b.c: unknown field"), "{error}");
    }

    #[test]
    fn what_lies_over_the_file_counts_instead() {
        let file = "[chain]\npayee = \"0\"\n[http]\nupstream = \"http://x\"\n";
        let payee = ("chain", "payee", ANY_ADDRESS);
        assert_eq!(wrong_with(file, &[payee]), None);
        let wrong = ("chain", "mint", "0");
        let error = wrong_with(file, &[payee, wrong]).expect("no address");
        assert!(error.starts_with("--mint: "), "{error}");
        let misspelt = ("http", "upsteam", "http://x");
        let error = wrong_with(file, &[payee, misspelt]).expect("an unknown key");
        assert!(
            error.starts_with("--upsteam: unknown field `upsteam`"),
            "{error}"
        );
    }

    #[test]
    fn a_value_that_makes_no_sense_has_a_line_too() {
        let file = file("[http]\nupstream = \"http://x\"\nmax_connections = 0\n");
        let overlay = Overlay::default();
        let whole = Whole::new(Some(&file), &overlay);
        let config = whole.config().unwrap_or_else(|error| panic!("{error}"));
        let error = config.check().expect_err("nobody could connect");
        let error = whole.explain(&error).to_string();
        let expected = "farthing.toml, line 3: http.max_connections: must be at least 1";
        assert_eq!(error, expected);
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
