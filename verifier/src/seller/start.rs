//! Starts a seller from its configuration: makes every component with its settings.

use std::sync::Arc;

use farthing_chain::{ChainClient, ChainError};
use farthing_protocol::LaneIndex;
use secrecy::ExposeSecret;
use solana_sdk::hash::Hash;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::releases::spawn_releases;
use super::{Keys, Ports, Seller, StartError};
use crate::chain::watcher::ChannelLimits;
use crate::chain::{Channels, Criteria};
use crate::config::{SellerConfig, in_memory};
use crate::durable_ledger::DurableLedger;
use crate::http::sale::checkout::{Checkout, CheckoutLimits};
use crate::metrics::{Metrics, Sources};
use crate::payment::{Payments, ProviderOffer};
use crate::ports::{ChainSource, Clock, SystemClock};
use crate::prices::Prices;
use crate::receipts::Issuer;
use crate::settlement::Settler;
use crate::settlement::planner::Policy;
use crate::settlement::submitter::{Pace, SettlerParts};
use crate::settlement::transaction::SettlementTerms;
use crate::store::RedbStore;

/// The system's clock, the configured RPC node and the configured store.
pub(super) fn system_ports(config: &SellerConfig) -> Result<Ports, StartError> {
    let chain = &config.chain;
    let chain = ChainClient::with_timeout(
        chain.rpc_url.expose_secret(),
        chain.program,
        chain.rpc_timeout,
    );
    Ok(Ports {
        clock: Arc::new(SystemClock::default()),
        chain: Arc::new(chain),
        store: Box::new(RedbStore::open(&config.store.path)?),
    })
}

/// Starts with the given clock, chain and store. The configuration must have been checked.
pub(super) async fn start(
    config: SellerConfig,
    keys: Keys,
    ports: Ports,
    prices: Prices,
) -> Result<Seller, StartError> {
    let genesis_hash = ports.chain.genesis_hash().await?;
    let (durable_ledger, unfinished) = DurableLedger::open(
        ports.store,
        config.store.outcome_limits(),
        Arc::clone(&ports.clock),
    )?;
    let criteria = criteria(&config, genesis_hash, keys.settler.pubkey());
    let with_books: Vec<_> = durable_ledger.read(|ledger| ledger.channels().collect());
    let channels = Arc::new(Channels::new(
        Arc::clone(&ports.chain),
        Arc::clone(&ports.clock),
        criteria,
        channel_limits(&config),
        with_books,
    ));
    if let Err(error) = require_current(&durable_ledger, &channels).await {
        // Closes the store, so that another process can open it to repair it.
        durable_ledger.close();
        return Err(error);
    }
    let settler_key = Arc::new(keys.settler);
    let issuer = Issuer::new(
        &settler_key,
        config.chain.network.clone(),
        criteria.program,
        Arc::clone(&ports.clock),
    );
    let offer = offer(&config, &criteria, prices);
    let payments = Payments::new(offer, Arc::clone(&durable_ledger), Arc::clone(&channels));
    let checkout = Arc::new(checkout(
        &config,
        payments,
        issuer,
        Arc::clone(&ports.clock),
    ));
    let background = CancellationToken::new();
    let settler = settler(
        &config,
        settler_key,
        &ports.clock,
        &ports.chain,
        &durable_ledger,
        &channels,
    );
    let (settler, settler_task) = Settler::new(settler, unfinished).spawn(background.clone());
    spawn_watcher(&config, &channels, background.clone());
    spawn_releases(&durable_ledger, background.clone());
    let metrics = Metrics::new(Sources {
        clock: ports.clock,
        durable_ledger: Arc::clone(&durable_ledger),
        channels: Arc::clone(&channels),
        settlement: settler.figures(),
        requests: Arc::clone(&checkout.requests),
        permits: Arc::clone(&checkout.permits),
        max_requests: config.requests.max_concurrent_requests,
        store_path: config.store.path.clone(),
    });
    Ok(Seller {
        checkout,
        metrics: Arc::new(metrics),
        durable_ledger,
        channels,
        settler,
        settler_task,
        background,
        drain_timeout: config.requests.drain_timeout,
        settle_timeout: config.settler.shutdown_timeout,
    })
}

/// Requires that the store is not behind the chain in any of its channels.
async fn require_current(
    durable_ledger: &DurableLedger,
    channels: &Channels,
) -> Result<(), StartError> {
    channels.poll().await;
    if !channels.is_resolved() {
        let message = "it did not return the channels of the store";
        return Err(ChainError::Unusable(message.to_owned()).into());
    }
    let behind: Vec<(Pubkey, LaneIndex)> = durable_ledger.read(|ledger| {
        let known = channels.all();
        let lanes = known.iter().flat_map(|facts| {
            let lanes = ledger.behind(facts).into_iter();
            lanes.map(|lane| (facts.address, lane))
        });
        lanes.collect()
    });
    match behind.iter().min() {
        None => Ok(()),
        Some((channel, first)) => Err(StartError::StoreBehindChain {
            lanes: behind.len(),
            channel: *channel,
            first: *first,
        }),
    }
}

fn criteria(config: &SellerConfig, genesis_hash: Hash, settler: Pubkey) -> Criteria {
    Criteria {
        program: config.chain.program,
        genesis_hash,
        settler,
        payee: config.chain.payee,
        token: config.chain.token(),
        min_grace_seconds: config.chain.min_grace_seconds,
        min_deposit: config.chain.min_deposit.0,
    }
}

fn channel_limits(config: &SellerConfig) -> ChannelLimits {
    ChannelLimits {
        max_snapshot_age: config.chain.max_snapshot_age,
        unknown_cache: config.chain.unknown_cache,
        max_concurrent_lookups: config.chain.max_concurrent_lookups,
        max_channels: config.chain.max_channels,
    }
}

fn offer(config: &SellerConfig, criteria: &Criteria, prices: Prices) -> ProviderOffer {
    ProviderOffer {
        network: config.chain.network.clone(),
        program: criteria.program,
        mint: criteria.token.mint,
        payee: criteria.payee,
        settler: criteria.settler,
        min_grace_seconds: criteria.min_grace_seconds,
        min_deposit: criteria.min_deposit,
        prices,
    }
}

fn checkout(
    config: &SellerConfig,
    payments: Payments,
    issuer: Issuer,
    clock: Arc<dyn Clock>,
) -> Checkout {
    let requests = &config.requests;
    Checkout {
        payments,
        issuer: Arc::new(issuer),
        clock,
        limits: CheckoutLimits {
            max_body_bytes: in_memory(requests.max_body_bytes),
            max_unpaid_body_bytes: in_memory(requests.max_unpaid_body_bytes),
            body_timeout: requests.body_timeout,
            max_answer_bytes: in_memory(requests.max_answer_bytes),
            idle_timeout: requests.idle_timeout,
            keep_alive_interval: requests.keep_alive_interval,
            checkpoint_interval: config.store.checkpoint_interval,
            max_stored_answer_bytes: in_memory(config.store.max_stored_answer_bytes),
        },
        permits: Arc::new(Semaphore::new(requests.max_concurrent_requests)),
        requests: Arc::default(),
        paces: Arc::default(),
        public_url: requests.public_url.clone(),
        draining: CancellationToken::new(),
        cut_off: CancellationToken::new(),
        tasks: TaskTracker::new(),
    }
}

fn settler(
    config: &SellerConfig,
    keypair: Arc<Keypair>,
    clock: &Arc<dyn Clock>,
    chain: &Arc<dyn ChainSource>,
    durable_ledger: &Arc<DurableLedger>,
    channels: &Arc<Channels>,
) -> SettlerParts {
    SettlerParts {
        durable_ledger: Arc::clone(durable_ledger),
        channels: Arc::clone(channels),
        source: Arc::clone(chain),
        clock: Arc::clone(clock),
        keypair,
        terms: SettlementTerms {
            program: config.chain.program,
            payee: config.chain.payee,
            token: config.chain.token(),
            compute_unit_price_micro_lamports: config.settler.compute_unit_price_micro_lamports,
        },
        policy: Policy {
            min_amount: config.settler.min_amount.0,
            max_age: config.settler.max_age,
            min_claim: config.settler.min_claim.0,
        },
        pace: Pace {
            poll_interval: config.settler.poll_interval,
            rebroadcast_interval: config.settler.rebroadcast_interval,
            max_pending: config.settler.max_pending_transactions,
        },
    }
}

fn spawn_watcher(config: &SellerConfig, channels: &Arc<Channels>, cancel: CancellationToken) {
    let interval = config.chain.poll_interval;
    // The first poll is one interval away, because the channels were just read.
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + interval, interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let channels = Arc::clone(channels);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                () = async { ticks.tick().await; channels.poll().await } => {}
            }
        }
    });
}
