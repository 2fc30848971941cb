//! The demo's gateway: the verifier as `farthing serve` runs it, configured for a local chain.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use farthing_chain::{PROGRAM_ID, USDC_MINT_DEVNET};
use farthing_protocol::BaseUnits;
use farthing_protocol::limits::MIN_GRACE_SECONDS;
use farthing_verifier::config::{
    AdminConfig, ChainConfig, HttpConfig, ModelConfig, PricingConfig, SettlerConfig, StoreConfig,
    UsdcAmount,
};
use farthing_verifier::{Config, Keys, Verifier};
use farthing_wire::pricing::ModelPrice;
use farthing_wire::x402::NETWORK_DEVNET;

use super::DevError;
use super::economy::Economy;
use crate::demo_model::MAX_OUTPUT_TOKENS;

/// Name of the store's file in the world's folder.
pub const LEDGER: &str = "ledger.redb";
/// 2.50 USDC per million input tokens.
const INPUT_PER_MILLION: BaseUnits = BaseUnits(2_500_000);
/// 10 USDC per million output tokens.
const OUTPUT_PER_MILLION: BaseUnits = BaseUnits(10_000_000);
/// Interval at which the gateway polls the chain: short, because the local chain makes 40 slots a second.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Age after which unsettled charges are settled: short, so that a run of a few seconds has more than one round.
const MAX_AGE: Duration = Duration::from_secs(1);

/// The upstream and the models that the demo's gateway sells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sale {
    /// The upstream's base URL.
    pub upstream: String,
    /// Name of the model that is sold.
    pub model: String,
    /// Name of a free model, if the upstream has one.
    pub free_model: Option<String>,
}

impl Sale {
    /// Price of the sold model, as used by clients.
    #[must_use]
    pub fn price(&self) -> ModelPrice {
        ModelPrice {
            input_per_million: INPUT_PER_MILLION,
            output_per_million: OUTPUT_PER_MILLION,
            ..ModelPrice::free(MAX_OUTPUT_TOKENS)
        }
    }
}

fn model_config() -> ModelConfig {
    ModelConfig {
        input_per_million: UsdcAmount(INPUT_PER_MILLION),
        output_per_million: UsdcAmount(OUTPUT_PER_MILLION),
        max_output_tokens: MAX_OUTPUT_TOKENS,
        ..ModelConfig::default()
    }
}

/// The gateway's configuration for a sale: it pays the economy's payee and has its ledger in `folder`.
#[must_use]
pub fn config(sale: &Sale, economy: &Economy, rpc_url: &str, folder: &Path) -> Config {
    Config {
        http: HttpConfig::new(&sale.upstream),
        upstream: Vec::new(),
        pricing: PricingConfig {
            models: [(sale.model.clone(), model_config())].into(),
            free_models: sale.free_model.iter().cloned().collect(),
            free_max_output_tokens: Some(MAX_OUTPUT_TOKENS),
            ..PricingConfig::default()
        },
        store: StoreConfig::new(folder.join(LEDGER)),
        chain: ChainConfig {
            program: PROGRAM_ID,
            min_grace_seconds: MIN_GRACE_SECONDS,
            poll_interval: POLL_INTERVAL,
            ..ChainConfig::new(rpc_url, NETWORK_DEVNET, USDC_MINT_DEVNET, economy.payee())
        },
        settler: SettlerConfig {
            max_age: MAX_AGE,
            poll_interval: POLL_INTERVAL,
            ..SettlerConfig::default()
        },
        admin: AdminConfig {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        },
        facilitator: None,
    }
}

/// Starts the gateway on a free port of 127.0.0.1.
///
/// # Errors
/// [`DevError::Gateway`] if it does not start.
pub async fn start(config: Config, economy: &Economy) -> Result<Verifier, DevError> {
    let keys = Keys {
        settler: economy.settler().insecure_clone(),
    };
    Ok(farthing_verifier::start(config, keys).await?)
}
