//! The verifier's configuration: one small struct per concern, read from TOML.
//!
//! Unknown keys are errors, so that a misspelt limit is never a missing limit. Amounts are decimal
//! USDC strings here and [`BaseUnits`](farthing_protocol::BaseUnits) everywhere else. What must not
//! live here: reading files or the environment, which is the command line's part.

mod chain;
mod http;
mod pricing;
mod settler;
mod store;
mod usdc;

use serde::Deserialize;

pub use chain::ChainConfig;
pub(crate) use http::ANY_ORIGIN;
pub use http::HttpConfig;
pub use pricing::{ModelConfig, PricingConfig, TierConfig};
pub use settler::SettlerConfig;
pub use store::StoreConfig;
pub use usdc::UsdcAmount;

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The server and its upstream.
    pub http: HttpConfig,
    /// What is sold.
    pub pricing: PricingConfig,
    /// Where the ledger is kept.
    pub store: StoreConfig,
    /// Which chain, which program, which channels.
    pub chain: ChainConfig,
    /// When to settle.
    #[serde(default)]
    pub settler: SettlerConfig,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not TOML, an unknown key, a missing key or a value of the wrong type. The message names the
    /// line.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// A value that is well formed and makes no sense.
    #[error("{key}: {reason}")]
    Value {
        /// The key, as `section.key`.
        key: &'static str,
        /// What is wrong and what would be right.
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

    /// Checks what types alone cannot.
    ///
    /// # Errors
    /// [`ConfigError::Value`] names the first key that is wrong.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.http.check()?;
        self.pricing.check()?;
        self.store.check()?;
        self.chain.check()?;
        self.settler.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"
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
        let prices = config.pricing.prices();
        let price = prices.tiers[0].models.of("demo").expect("it is listed");
        assert_eq!(price.input_per_million.0, 150_000);
        assert_eq!(price.per_request.0, 0);
        assert_eq!(config.chain.min_grace_seconds, 172_800);
        assert_eq!(
            config.chain.token(),
            farthing_client::chain::Token::classic(config.chain.mint)
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

        let mut pricing = String::new();
        for block in blocks(include_str!("../../docs/sell.md")) {
            // The table itself comes before its parts.
            pricing = match block.strip_prefix("[pricing]\n") {
                Some(table) => format!("[pricing]\n{table}{pricing}"),
                None => format!("{pricing}{block}"),
            };
        }
        let rest = MINIMAL.split("[pricing").next().expect("text");
        let tables = MINIMAL.find("[store]").expect("it is there");
        let whole = format!("{rest}{pricing}{}", &MINIMAL[tables..]);
        let config = Config::from_toml(&whole).expect("the documentation's prices are complete");
        assert_eq!(config.pricing.tiers.len(), 1);
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
    fn refuses_values_that_make_no_sense() {
        for (from, to, key) in [
            ("http://127.0.0.1:9000", "ftp://x", "http.upstream"),
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
                "[pricing.tiers.standard.models.demo]\nmax_output_tokens = 1\n[store]",
                "pricing.tiers",
            ),
            (
                "[store]",
                "[pricing.tiers.fast]\nmodels = {}\n[store]",
                "pricing.tiers",
            ),
            (
                "[store]",
                "[pricing.tiers.fast]\nmodels.x.max_output_tokens = 1\nupstream_headers = {\"a b\" = \"c\"}\n[store]",
                "pricing.tiers",
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
        ] {
            match Config::from_toml(&MINIMAL.replace(from, to)) {
                Err(ConfigError::Value { key: named, .. }) => assert_eq!(named, key),
                other => panic!("{to}: {other:?}"),
            }
        }
    }

    #[test]
    fn never_prints_the_upstream_key() {
        let text = MINIMAL.replace("[http]", "[http]\n        upstream_api_key = \"sk-secret\"");
        let config = Config::from_toml(&text).expect("the key is optional and allowed");
        assert!(!format!("{config:?}").contains("sk-secret"));
    }
}
