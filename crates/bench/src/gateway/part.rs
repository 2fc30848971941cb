//! A server as a process of its own: this program again, told to be one part. It says where it listens, and ends when
//! whoever started it closes its stdin.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::routing::get;
use axum::serve::Listener;
use axum::{Json, Router};
use clap::Subcommand;
use farthing_chain::USDC_MINT_DEVNET;
use farthing_cli::demo_model::{
    self, DemoModel, FREE_MODEL, LONG_MODEL, Latency, MAX_LONG_OUTPUT_TOKENS, MAX_OUTPUT_TOKENS,
    MODEL,
};
use farthing_protocol::BaseUnits;
use farthing_verifier::config::{
    ChainConfig, HttpConfig, ModelConfig, PricingConfig, RequestsConfig, SettlerConfig,
    StoreConfig, UsdcAmount,
};
use farthing_verifier::ports::SystemClock;
use farthing_verifier::store::RedbStore;
use farthing_verifier::{Config, Keys, Ports, RoutePrice, Seller, SellerConfig, start_with};
use farthing_wire::x402::NETWORK_DEVNET;
use serde_json::{Value, json};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;

use super::{Result, swarm};

/// Says where a server listens; what follows it is the URL.
pub const LISTENING: &str = "listening on ";
/// What the application asks for a look at the weather.
const PRICE: BaseUnits = BaseUnits(1_000);

/// A server.
#[derive(Debug, Clone, Subcommand)]
pub enum GatewayPart {
    /// The upstream
    Model {
        /// Milliseconds until it answers
        latency_ms: u64,
        /// Milliseconds between tokens
        #[arg(default_value_t = 0)]
        per_token_ms: u64,
    },
    /// The gateway
    Verifier {
        /// The upstream's URL
        upstream: String,
        /// The store
        store: PathBuf,
    },
    /// An application that sells its handler through the layer
    Layer {
        /// The store
        store: PathBuf,
    },
}

impl GatewayPart {
    /// Serves in this process.
    ///
    /// # Errors
    /// If it does not start, or does not end as it should.
    pub fn serve(self) -> io::Result<()> {
        let runtime = tokio::runtime::Runtime::new()?;
        let served = runtime.block_on(async {
            match self {
                Self::Model {
                    latency_ms,
                    per_token_ms,
                } => model(latency_ms, per_token_ms).await,
                Self::Verifier { upstream, store } => verifier(&upstream, &store).await,
                Self::Layer { store } => layer(&store).await,
            }
        });
        served.map_err(io::Error::other)
    }
}

async fn model(latency_ms: u64, per_token_ms: u64) -> Result<()> {
    let model = DemoModel::start(Latency {
        first_token: Duration::from_millis(latency_ms),
        per_token: Duration::from_millis(per_token_ms),
    });
    let model = model.await?;
    until_closed(&model.url()).await?;
    model.shutdown().await;
    Ok(())
}

async fn verifier(upstream: &str, store: &Path) -> Result<()> {
    let price = ModelConfig {
        input_per_million: UsdcAmount(BaseUnits(2_500_000)),
        output_per_million: UsdcAmount(BaseUnits(10_000_000)),
        max_output_tokens: MAX_OUTPUT_TOKENS,
        ..ModelConfig::default()
    };
    let long = ModelConfig {
        max_output_tokens: MAX_LONG_OUTPUT_TOKENS,
        ..price.clone()
    };
    let (keys, chain) = (keys(), chain());
    let config = Config {
        http: HttpConfig::new(upstream),
        pricing: PricingConfig {
            models: [(MODEL.to_owned(), price), (LONG_MODEL.to_owned(), long)].into(),
            free_models: vec![FREE_MODEL.to_owned()],
            ..PricingConfig::default()
        },
        store: StoreConfig::new(store),
        chain: chain.clone(),
        ..Config::default()
    };
    let ports = ports(store, &chain, &keys)?;
    let verifier = start_with(config, keys, ports).await?;
    until_closed(&verifier.url()).await?;
    verifier.shutdown().await?;
    Ok(())
}

async fn layer(store: &Path) -> Result<()> {
    let (keys, chain) = (keys(), chain());
    let config = SellerConfig {
        requests: RequestsConfig::default(),
        store: StoreConfig::new(store),
        chain: chain.clone(),
        settler: SettlerConfig::default(),
    };
    let ports = ports(store, &chain, &keys)?;
    let seller = Seller::start_with(config, keys, ports).await?;
    let layer = seller.layer(RoutePrice::per_request(PRICE));
    let application = Router::new().route("/weather", get(weather).route_layer(layer));
    let listener = demo_model::listen()?;
    let url = format!("http://{}", listener.local_addr()?);
    let server = tokio::spawn(async move { axum::serve(listener, application).await });
    until_closed(&url).await?;
    server.abort();
    seller.shutdown().await?;
    Ok(())
}

async fn weather() -> Json<Value> {
    Json(json!({"weather": "sunny"}))
}

fn keys() -> Keys {
    Keys {
        settler: Keypair::new(),
    }
}

/// The node is never asked: the chain is in memory.
fn chain() -> ChainConfig {
    let nowhere = "http://127.0.0.1:1";
    ChainConfig::new(
        nowhere,
        NETWORK_DEVNET,
        USDC_MINT_DEVNET,
        Pubkey::new_unique(),
    )
}

fn ports(store: &Path, chain: &ChainConfig, keys: &Keys) -> Result<Ports> {
    Ok(Ports {
        clock: Arc::new(SystemClock::default()),
        chain: swarm::chain(&chain.token(), chain.payee, keys.settler.pubkey()),
        store: Box::new(RedbStore::open(store)?),
    })
}

/// Says where this process listens, and waits for its end.
async fn until_closed(url: &str) -> Result<()> {
    println!("{LISTENING}{url}");
    let closed = tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new()));
    closed.await??;
    Ok(())
}
