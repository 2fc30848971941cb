//! Measures the start of a whole verifier: the time from the store's file to the first paid answer.

use std::hint::black_box;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use farthing_chain::{PROGRAM_ID, USDC_MINT_DEVNET};
use farthing_protocol::BaseUnits;
use farthing_tests::gateway::account::{ChannelSpec, LaneSpec, escrow_account};
use farthing_tests::gateway::world::{MODEL, chat, lane_key};
use farthing_tests::gateway::{Agent, FakeChain, Upstream};
use farthing_verifier::config::{
    AdminConfig, ChainConfig, HttpConfig, ModelConfig, PricingConfig, StoreConfig, UsdcAmount,
};
use farthing_verifier::ports::SystemClock;
use farthing_verifier::store::RedbStore;
use farthing_verifier::{Config, Keys, Ports, start_with};
use farthing_wire::x402::{
    NETWORK_DEVNET, PAYMENT_REQUIRED, PAYMENT_SIGNATURE, PaymentRequired, decode_header,
};
use serde::{Deserialize, Serialize};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;

use super::distant::DistantChain;
use super::population::{Channel, MAXIMUM, Population, genesis_hash};
use super::{process, traffic};
use crate::figures::median;

/// Interval at which it is checked whether every channel has been read.
const PAUSE: Duration = Duration::from_millis(1);
/// Number of scrapes of the metrics.
const SCRAPES: usize = 101;

/// Measurements of one start.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Serving {
    /// Time until `/healthz` answers.
    pub(super) healthy_ms: f64,
    /// Time until the first paid request is answered. Its channel is the one that is looked up last.
    pub(super) paid_ms: f64,
    /// Time until every channel with records was read from the chain, so that no request has to wait for that.
    pub(super) resolved_ms: f64,
    /// Median time of a scrape of the metrics, over HTTP.
    pub(super) scrape_ms: f64,
    /// Peak memory, including the simulated chain's accounts.
    pub(super) peak_bytes: u64,
}

/// Starts a verifier in this process and pays it, with a higher voucher in every round.
///
/// # Errors
/// If the verifier does not start, or refuses the request.
pub(super) fn measure(
    path: &Path,
    lanes: usize,
    round_trip_ms: u64,
    round: u64,
) -> io::Result<Serving> {
    traffic::run(start(path, Population::new(lanes), round_trip_ms, round))
}

async fn start(
    path: &Path,
    population: Population,
    round_trip_ms: u64,
    round: u64,
) -> io::Result<Serving> {
    let (settler, payee) = (Keypair::new(), Pubkey::new_unique());
    let upstream = Upstream::start().await;
    let config = config(&upstream, path, payee);
    let chain = FakeChain::new(genesis_hash());
    for channel in population.channels() {
        chain.put(channel.address, account(&channel, payee, settler.pubkey()));
        chain.put(channel.escrow(), escrow_account(&config.chain.token()));
    }
    let chain = DistantChain {
        chain,
        round_trip: Duration::from_millis(round_trip_ms),
    };
    let http = reqwest::Client::builder()
        .no_proxy()
        .build()
        .map_err(io::Error::other)?;

    let started = Instant::now();
    let elapsed = || started.elapsed().as_secs_f64() * 1_000.0;
    let ports = Ports {
        clock: Arc::new(SystemClock::default()),
        chain: Arc::new(chain),
        store: Box::new(RedbStore::open(path).map_err(io::Error::other)?),
    };
    let verifier = start_with(config, Keys { settler }, ports)
        .await
        .map_err(io::Error::other)?;
    let admin = verifier.admin_address();
    let admin = admin.ok_or_else(|| io::Error::other("the verifier has no admin address"))?;
    let health = http.get(format!("http://{admin}/healthz")).send();
    expect_success(health.await.map_err(io::Error::other)?).await?;
    let healthy_ms = elapsed();
    let last = population.channels().last();
    let last = last.expect("a population has channels");
    pay(&http, &verifier.url(), &last, round).await?;
    let paid_ms = elapsed();
    while !verifier.is_resolved() {
        tokio::time::sleep(PAUSE).await;
    }
    let resolved_ms = elapsed();
    let scrape_ms = scrape(&http, verifier.admin_address()).await?;
    let peak_bytes = process::memory()?.peak;
    verifier.shutdown().await.map_err(io::Error::other)?;
    Ok(Serving {
        healthy_ms,
        paid_ms,
        resolved_ms,
        scrape_ms,
        peak_bytes,
    })
}

/// Buys one answer with the channel's first lane.
async fn pay(http: &reqwest::Client, url: &str, channel: &Channel, round: u64) -> io::Result<()> {
    let url = format!("{url}/v1/chat/completions");
    let body = chat(MODEL, false);
    let unpaid = http.post(&url).json(&body).send().await;
    let unpaid = unpaid.map_err(io::Error::other)?;
    let header = unpaid.headers().get(PAYMENT_REQUIRED);
    let header = header
        .ok_or_else(|| io::Error::other("the answer to an unpaid request has no payment terms"))?;
    let required: PaymentRequired = decode_header(header.as_bytes()).map_err(io::Error::other)?;
    let agent = Agent {
        key: lane_key(0),
        channel: channel.address,
        domain: channel.domain,
        lane: 0,
        generation: 0,
    };
    let ceiling = channel.facts().lanes[0].debited.0 + (2 + round) * MAXIMUM.0;
    let payment = agent.pay(&required.accepts[0], ceiling);
    let request = http
        .post(&url)
        .json(&body)
        .header(PAYMENT_SIGNATURE, payment);
    expect_success(request.send().await.map_err(io::Error::other)?).await
}

/// Median time of a scrape, in milliseconds.
async fn scrape(http: &reqwest::Client, address: Option<SocketAddr>) -> io::Result<f64> {
    let address = address.ok_or_else(|| io::Error::other("the verifier serves no metrics"))?;
    let url = format!("http://{address}/metrics");
    let mut milliseconds = Vec::with_capacity(SCRAPES);
    for _ in 0..SCRAPES {
        let started = Instant::now();
        let answer = http.get(&url).send().await.map_err(io::Error::other)?;
        let text = answer.text().await.map_err(io::Error::other)?;
        milliseconds.push(started.elapsed().as_secs_f64() * 1_000.0);
        black_box(text);
    }
    Ok(median(milliseconds))
}

async fn expect_success(answer: reqwest::Response) -> io::Result<()> {
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let reason = answer.text().await.map_err(io::Error::other)?;
    Err(io::Error::other(format!("{status}: {reason}")))
}

fn account(channel: &Channel, payee: Pubkey, settler: Pubkey) -> solana_sdk::account::Account {
    let facts = channel.facts();
    let signer = lane_key(0).verifying_key().to_bytes();
    let lanes = facts.lanes.iter().map(|lane| LaneSpec {
        signer,
        cap: lane.cap.0,
        debited: lane.debited.0,
        revoked: false,
        generation: 0,
    });
    ChannelSpec {
        owner: PROGRAM_ID,
        escrow: facts.escrow,
        payee,
        settler,
        grace_seconds: facts.grace_seconds,
        deposit: facts.deposit.0,
        closing: false,
        opened_slot: Channel::opened_slot(),
        domain: channel.domain.0,
        lanes: lanes.collect(),
    }
    .account()
}

fn config(upstream: &Upstream, store: &Path, payee: Pubkey) -> Config {
    let model = ModelConfig {
        input_per_million: UsdcAmount(BaseUnits(1_000_000)),
        output_per_million: UsdcAmount(BaseUnits(2_000_000)),
        max_output_tokens: 100,
        ..ModelConfig::default()
    };
    Config {
        http: HttpConfig::new(upstream.url()),
        pricing: PricingConfig {
            models: [(MODEL.to_owned(), model)].into(),
            free_models: Vec::new(),
            ..PricingConfig::default()
        },
        store: StoreConfig::new(store),
        chain: ChainConfig::new(
            "http://127.0.0.1:1",
            NETWORK_DEVNET,
            USDC_MINT_DEVNET,
            payee,
        ),
        admin: AdminConfig {
            listen: Some(([127, 0, 0, 1], 0).into()),
        },
        ..Config::default()
    }
}
