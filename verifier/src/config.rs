//! The verifier's configuration: one small struct per concern, read from TOML.
//!
//! Unknown keys are errors, so that a misspelt limit is never silently missing. Amounts are decimal USDC strings here
//! and [`BaseUnits`](farthing_protocol::BaseUnits) everywhere else. This module must not read files or the environment:
//! the command line does.

mod admin;
mod chain;
mod describe;
mod facilitator;
mod http;
mod pricing;
mod requests;
mod routes;
mod settler;
mod store;
mod units;
mod upstream;
mod url;
mod usdc;

use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::prices::Prices;

pub use admin::AdminConfig;
pub use chain::ChainConfig;
pub use describe::{KeyDescription, TableDescription, describe, reference_page};
pub use facilitator::FacilitatorConfig;
pub(crate) use http::ANY_ORIGIN;
pub use http::HttpConfig;
pub use pricing::{AboveLimit, ModelConfig, PricingConfig, TierConfig, ToolConfig};
pub use requests::RequestsConfig;
pub use routes::RouteConfig;
pub use settler::SettlerConfig;
pub use store::StoreConfig;
pub(crate) use units::in_memory;
pub use upstream::UpstreamConfig;
pub use usdc::UsdcAmount;

/// The whole configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The HTTP server, its limits, and the upstream.
    pub http: HttpConfig,
    /// Servers that answer what is sold, besides `http.upstream`.
    pub upstream: Vec<UpstreamConfig>,
    /// Prices of everything that is sold.
    pub pricing: PricingConfig,
    /// The database of the ledger, and the stored answers.
    pub store: StoreConfig,
    /// The cluster, the program, and the channels that are served.
    pub chain: ChainConfig,
    /// When charges are settled on-chain.
    pub settler: SettlerConfig,
    /// The x402 facilitator, through which other servers sell; off without this table.
    pub facilitator: Option<FacilitatorConfig>,
    /// The operator's address for metrics and health checks.
    pub admin: AdminConfig,
}

/// The configuration of a [`Seller`](crate::Seller). It has no server and no prices, because the application defines
/// its own.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SellerConfig {
    /// Limits on requests.
    pub requests: RequestsConfig,
    /// The database of the ledger, and the stored answers.
    pub store: StoreConfig,
    /// The cluster, the program, and the channels that are served.
    pub chain: ChainConfig,
    /// When charges are settled on-chain.
    pub settler: SettlerConfig,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The text is not TOML, or has an unknown key, a missing key or a value of the wrong type. The message names the
    /// line.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// A value has the right type but is not allowed.
    #[error("{key}: {reason}")]
    Value {
        /// The key, as `section.key`.
        key: &'static str,
        /// What is wrong with the value, and what is allowed.
        reason: String,
    },
}

impl ConfigError {
    pub(crate) fn value(key: &'static str, reason: impl Into<String>) -> Self {
        Self::Value {
            key,
            reason: reason.into(),
        }
    }
}

/// More places than any machine has memory for.
const MAX_PLACES: usize = 10_000_000;

/// Bounds a number of things that may happen at the same time.
fn check_places(key: &'static str, places: usize) -> Result<(), ConfigError> {
    if (1..=MAX_PLACES).contains(&places) {
        return Ok(());
    }
    Err(ConfigError::value(
        key,
        format!("must be between 1 and {MAX_PLACES}"),
    ))
}

impl Config {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// [`ConfigError`] names the line or the key that is wrong.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text)?;
        config.check()?;
        Ok(config)
    }

    /// Checks constraints on the values that their types do not express.
    ///
    /// # Errors
    /// [`ConfigError::Value`] names the first key that is wrong.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.http.check()?;
        upstream::check(&self.upstream)?;
        self.admin.check(self.http.listen)?;
        self.check_sale()?;
        self.pricing.check()?;
        self.store.check()?;
        self.chain.check()?;
        self.settler.check()?;
        self.facilitator
            .as_ref()
            .map_or(Ok(()), FacilitatorConfig::check)
    }

    /// Checks that something is sold, through this verifier's upstream or by other servers through its facilitator.
    fn check_sale(&self) -> Result<(), ConfigError> {
        let has_upstream = !self.upstreams().is_empty();
        match (has_upstream, self.pricing.is_empty()) {
            (false, false) => Err(ConfigError::value(
                "http.upstream",
                "set the URL of the upstream that serves what [pricing] sells",
            )),
            (_, true) if has_upstream || self.facilitator.is_none() => Err(ConfigError::value(
                "pricing.models",
                "list at least one model, as [pricing.models.\"name\"], or a route, as [pricing.routes.\"POST /path\"]",
            )),
            _ => Ok(()),
        }
    }

    /// All upstreams: that of `[http]` first, if there is one, since it is the short form for one.
    #[must_use]
    pub fn upstreams(&self) -> Vec<UpstreamConfig> {
        let http = self.http.upstream.iter().map(|url| UpstreamConfig {
            name: "default".to_owned(),
            url: url.clone(),
            api_key: self.http.upstream_api_key.clone(),
            dialect: self.http.upstream_dialect,
            models: Vec::new(),
        });
        http.chain(self.upstream.iter().cloned()).collect()
    }

    /// The prices in the form in which requests are priced with them.
    #[must_use]
    pub fn prices(&self) -> Prices {
        self.pricing.prices(&self.upstreams())
    }

    /// The RPC node's URL, which may contain an access key; empty if it is not set.
    #[must_use]
    pub fn rpc_url(&self) -> &str {
        self.chain.rpc_url.expose_secret()
    }

    /// The part of the configuration that does not concern the server and its prices.
    pub(crate) fn seller(&self) -> SellerConfig {
        SellerConfig {
            requests: self.http.requests(),
            store: self.store.clone(),
            chain: self.chain.clone(),
            settler: self.settler.clone(),
        }
    }
}

impl SellerConfig {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// [`ConfigError`] names the line or the key that is wrong.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text)?;
        config.check()?;
        Ok(config)
    }

    /// Checks constraints on the values that their types do not express.
    ///
    /// # Errors
    /// [`ConfigError::Value`] names the first key that is wrong.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.requests.check()?;
        self.store.check()?;
        self.chain.check()?;
        self.settler.check()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(super) const MINIMAL: &str = r#"
        [http]
        upstream = "http://127.0.0.1:9000"
        [pricing.models.demo]
        input_per_million = "0.15"
        output_per_million = "0.60"
        max_output_tokens = 256
        [store]
        path = "farthing.redb"
        [chain]
        rpc_url = "http://127.0.0.1:8899"
        network = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1"
        mint = "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU"
        payee = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"
    "#;

    #[test]
    fn reads_what_it_needs_and_defaults_the_rest() {
        let config = Config::from_toml(MINIMAL).expect("the minimal configuration is complete");
        let prices = config.prices();
        let sold = prices.tiers[0].models.of("demo").expect("it is listed");
        assert_eq!(sold.price.input_per_million.0, 150_000);
        assert_eq!(sold.price.per_request.0, 0);
        assert_eq!(config.chain.min_grace_seconds, 172_800);
        assert_eq!(
            config.chain.token(),
            farthing_chain::Token::classic(config.chain.mint)
        );
    }

    /// The TOML blocks of a page of the documentation.
    fn blocks(page: &str) -> Vec<String> {
        let blocks = page.split("```toml\n").skip(1);
        blocks
            .filter_map(|block| block.split("```").next())
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn the_documentation_shows_configurations_that_work() {
        let cluster =
            "network = \"solana:x\"\nmint = \"4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU\"\n";
        let readme = blocks(include_str!("../../README.md"));
        let payee = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM";
        let whole = format!(
            "{}{cluster}",
            readme[0].replace("<the wallet that earns>", payee)
        );
        Config::from_toml(&whole).expect("the README's configuration is complete");

        let metrics = blocks(include_str!("../../docs/operate.md"));
        let config = Config::from_toml(&format!("{MINIMAL}\n{}", metrics[0]));
        let config = config.expect("the operator's address is documented");
        assert!(config.admin.listen.is_some());

        // The table itself comes before its parts.
        let (mut table, mut parts) = (String::new(), String::new());
        let mut upstreams = String::new();
        for block in blocks(include_str!("../../docs/sell.md")) {
            match block.strip_prefix("[pricing]\n") {
                Some(keys) => table.push_str(keys),
                None if block.starts_with("[[upstream]]") => upstreams.push_str(&block),
                None => parts.push_str(&block),
            }
        }
        let pricing = format!("[pricing]\n{table}{parts}");
        let rest = MINIMAL.split("[pricing").next().expect("text");
        let tables = MINIMAL.find("[store]").expect("it is there");
        let whole = format!("{rest}{pricing}{}", &MINIMAL[tables..]);
        let config = Config::from_toml(&whole).expect("the documentation's prices are complete");
        assert_eq!(config.pricing.tiers.len(), 1);
        assert_eq!(config.pricing.routes.len(), 7);
        let without = MINIMAL.lines().filter(|line| !line.contains("upstream"));
        let several = format!("{}\n{upstreams}", without.collect::<Vec<_>>().join("\n"));
        let config = Config::from_toml(&several).expect("several upstreams are documented");
        assert_eq!(config.upstreams().len(), 2);
    }

    #[test]
    fn names_the_line_of_an_unknown_key() {
        let text = MINIMAL.replace("[store]", "[store]\n        pth = \"x\"");
        let error = Config::from_toml(&text).expect_err("unknown keys are refused");
        let message = error.to_string();
        assert!(message.contains("line 9"), "{message}");
        assert!(message.contains("pth"), "{message}");
    }

    #[test]
    fn a_price_that_was_forgotten_is_asked_for() {
        for (price, name) in [
            ("input_per_million = \"0.15\"\n", "input_per_million"),
            ("output_per_million = \"0.60\"\n", "output_per_million"),
        ] {
            assert!(MINIMAL.contains(price));
            let text = MINIMAL.replace(price, "");
            let error = Config::from_toml(&text).expect_err("it would be given away");
            let message = error.to_string();
            assert!(
                message.contains(&format!("missing field `{name}`")),
                "{message}"
            );
            assert!(message.contains("line "), "{message}");
        }
    }

    #[test]
    fn names_the_line_of_a_price_that_makes_no_sense() {
        for (from, to) in [
            ("max_output_tokens = 256", "max_output_tokens = 0"),
            (
                "output_per_million = \"0.60\"",
                "output_per_million = \"0.6000001\"",
            ),
            (
                "output_per_million = \"0.60\"",
                "output_per_million = \"-1\"",
            ),
        ] {
            let text = MINIMAL.replace(from, to);
            let line = text.lines().position(|line| line.contains(to));
            let line = format!("line {}", line.expect("it is there") + 1);
            let error = Config::from_toml(&text).expect_err("it makes no sense");
            assert!(error.to_string().contains(&line), "{error}");
        }
    }

    #[test]
    fn names_the_line_of_a_route_that_makes_no_sense() {
        for (route, reason) in [
            (
                "[pricing.routes.\"/v1/x\"]\nper_request = \"1\"",
                "a route is a method",
            ),
            (
                "[pricing.routes.\"GET /v1/a*\"]\nper_request = \"1\"",
                "the path of a route",
            ),
            ("[pricing.routes.\"GET /v1/x\"]", "name a price"),
            (
                "[pricing.routes.\"GET /v1/x\"]\nper_million_answer_bytes = \"1\"",
                "max_answer_bytes",
            ),
            (
                "[pricing.routes.\"GET /v1/x\"]\nper_request = \"1\"\nmax_answer_bytes = 0",
                "at least 1",
            ),
            (
                "[pricing.routes.\"GET /v1/x\"]\nper_request = \"0.0000001\"",
                "6 decimal places",
            ),
            (
                "[pricing.routes.\"GET /v1/x\"]\nper_reqest = \"1\"",
                "per_reqest",
            ),
            (
                "[pricing]\nfree_routes = [\"OPTIONS /x\"]",
                "a route is a method",
            ),
        ] {
            let text = MINIMAL.replace("[pricing.models", &format!("{route}\n[pricing.models"));
            let error = Config::from_toml(&text)
                .expect_err("it makes no sense")
                .to_string();
            assert!(error.contains(reason), "{route}: {error}");
            // The line of the table, or the one within it.
            let first = 1 + MINIMAL
                .lines()
                .take_while(|line| !line.contains("[pricing"))
                .count();
            let lines = first..first + route.lines().count();
            let is_named = |line: usize| error.contains(&format!("line {line},"));
            assert!(lines.into_iter().any(is_named), "{route}: {error}");
        }
    }

    #[test]
    fn refuses_values_that_make_no_sense() {
        for (from, to, key) in [
            ("http://127.0.0.1:9000", "ftp://x", "http.upstream"),
            (
                "http://127.0.0.1:9000",
                "http://user:word@x",
                "http.upstream",
            ),
            (
                "http://127.0.0.1:9000",
                "http://x/?key=word",
                "http.upstream",
            ),
            (
                "[http]",
                "[http]\nmax_connections = 2305843009213693952",
                "http.max_connections",
            ),
            (
                "[chain]",
                "[chain]\nmax_concurrent_lookups = 0",
                "chain.max_concurrent_lookups",
            ),
            (
                "[store]",
                "[admin]\nlisten = \"127.0.0.1:8402\"\n[store]",
                "admin.listen",
            ),
            (
                "[http]",
                "[http]\ncors_origins = [\"https://app.example.com/\"]",
                "http.cors_origins",
            ),
            (
                "[chain]",
                "[chain]\ntoken_program = \"11111111111111111111111111111111\"",
                "chain.token_program",
            ),
            (
                "[store]",
                "[pricing.tiers.standard]\nmodels.demo = {input_per_million = \"1\", output_per_million = \"1\", max_output_tokens = 1}\n[store]",
                "pricing.tiers",
            ),
            (
                "[store]",
                "[pricing.tiers.fast]\nmodels = {}\n[store]",
                "pricing.tiers",
            ),
            (
                "[store]",
                "[pricing.tiers.fast]\nmodels.x = {input_per_million = \"1\", output_per_million = \"1\", max_output_tokens = 1}\nupstream_headers = {\"a b\" = \"c\"}\n[store]",
                "pricing.tiers",
            ),
            (
                "[store]",
                "[pricing.routes.\"GET /v1/models\"]\nper_request = \"1\"\n[store]",
                "pricing.routes",
            ),
            (
                "[store]",
                "[pricing.routes.\"POST /v1/responses\"]\nper_request = \"1\"\n[store]",
                "pricing.routes",
            ),
            (
                "        [pricing.models",
                "[pricing]\nfree_routes = [\"GET /x\"]\n[pricing.routes.\"GET /x\"]\nminimum = \"1\"\n[pricing.models",
                "pricing.free_routes",
            ),
            (
                "[chain]",
                "[chain]\nmin_grace_seconds = 899",
                "chain.min_grace_seconds",
            ),
            (
                "[store]",
                "[store]\ncheckpoint_interval_ms = 0",
                "store.checkpoint_interval_ms",
            ),
            (
                "[store]",
                "[facilitator]\nbearer_token = \"thirty-one-characters-are-weak.\"\n[store]",
                "facilitator.bearer_token",
            ),
            (
                "[store]",
                "[facilitator]\nbearer_token = \"thirty-two characters with spaces\"\n[store]",
                "facilitator.bearer_token",
            ),
            (
                "[store]",
                "[facilitator]\nbearer_token = \"0123456789abcdef0123456789abcdef\"\nmax_held_payments = 0\n[store]",
                "facilitator.max_held_payments",
            ),
        ] {
            match Config::from_toml(&MINIMAL.replace(from, to)) {
                Err(ConfigError::Value { key: named, .. }) => assert_eq!(named, key),
                other => panic!("{to}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_seller_needs_neither_server_nor_prices() {
        let tables = &MINIMAL[MINIMAL.find("[store]").expect("it is there")..];
        let config = SellerConfig::from_toml(tables).expect("it is complete");
        assert_eq!(config.requests.max_body_bytes.as_u64(), 32 * 1024 * 1024);
        let whole = SellerConfig::from_toml(MINIMAL).expect_err("it sells no upstream");
        assert!(whole.to_string().contains("http"), "{whole}");
        for (requests, named) in [
            ("max_body_bytes = 0", "requests.max_body_bytes"),
            ("public_url = \"x\"", "requests.public_url"),
        ] {
            let text = format!("[requests]\n{requests}\n{tables}");
            match SellerConfig::from_toml(&text) {
                Err(ConfigError::Value { key, .. }) => assert_eq!(key, named),
                other => panic!("{requests}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_facilitator_needs_neither_upstream_nor_prices() {
        let tables = &MINIMAL[MINIMAL.find("[store]").expect("it is there")..];
        let token = "0123456789abcdef0123456789abcdef";
        let facilitator = format!("[facilitator]\nbearer_token = \"{token}\"\n");
        let upstream = "upstream = \"http://127.0.0.1:9000\"";
        let model = "[pricing.models.demo]\ninput_per_million = \"1\"\noutput_per_million = \"1\"\nmax_output_tokens = 1\n";
        for (text, refused) in [
            (format!("[http]\n{facilitator}{tables}"), None),
            (format!("[http]\n{tables}"), Some("pricing.models")),
            (
                format!("[http]\n{upstream}\n{facilitator}{tables}"),
                Some("pricing.models"),
            ),
            (
                format!("[http]\n{model}{facilitator}{tables}"),
                Some("http.upstream"),
            ),
        ] {
            match (Config::from_toml(&text), refused) {
                (Ok(_), None) => {}
                (Err(ConfigError::Value { key, .. }), Some(named)) => assert_eq!(key, named),
                (other, _) => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn never_prints_the_facilitators_token() {
        let token = "0123456789abcdef0123456789abcdef";
        let text = MINIMAL.replace(
            "[store]",
            &format!("[facilitator]\nbearer_token = \"{token}\"\n[store]"),
        );
        let config = Config::from_toml(&text).expect("the table is optional and allowed");
        assert!(!format!("{config:?}").contains(token));
        let short = text.replace(token, "secret");
        let error = Config::from_toml(&short).expect_err("it is too short");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn never_prints_the_upstream_key() {
        let text = MINIMAL.replace("[http]", "[http]\n        upstream_api_key = \"sk-secret\"");
        let config = Config::from_toml(&text).expect("the key is optional and allowed");
        assert!(!format!("{config:?}").contains("sk-secret"));
    }
}
