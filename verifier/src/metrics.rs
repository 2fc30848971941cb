//! What an operator's Prometheus reads: how much the books hold and since when, how the store and the chain keep up,
//! what was earned, and what became of requests.
//!
//! Whoever does the work counts it, with atomics; a scrape puts the figures together. It looks at no lane and takes
//! the ledger's lock for a few reads. Labels are words of this program and never of a client, so that nobody can
//! make more of them. `http/metrics.rs` serves it; `docs/operate.md` says what each is for.

mod chain;
mod ledger;
mod page;
mod requests;
mod settlement;
mod store;

use std::path::PathBuf;
use std::sync::Arc;

use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;

use crate::chain::Channels;
use crate::durable_ledger::DurableLedger;
use crate::ports::Clock;

pub(crate) use requests::{Asked, Counting, Outcome, Requests, Served};

/// Whom a scrape asks.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) durable_ledger: Arc<DurableLedger>,
    pub(crate) channels: Arc<Channels>,
    pub(crate) settlement: Arc<crate::settlement::figures::Figures>,
    pub(crate) requests: Arc<Requests>,
    /// Places for requests in flight.
    pub(crate) permits: Arc<Semaphore>,
    /// How many there are.
    pub(crate) max_requests: usize,
    /// The store's file.
    pub(crate) store_path: PathBuf,
}

/// Everything that is measured.
#[derive(Debug)]
pub(crate) struct Metrics(Registry);

impl Metrics {
    pub(crate) fn new(sources: Sources) -> Self {
        let mut registry = Registry::with_prefix("farthing");
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version that runs", version);
        let Sources {
            clock,
            durable_ledger,
            channels,
            settlement,
            requests,
            permits,
            max_requests,
            store_path,
        } = sources;
        registry.register_collector(Box::new(ledger::LedgerCollector {
            durable_ledger: Arc::clone(&durable_ledger),
            clock: Arc::clone(&clock),
        }));
        registry.register_collector(Box::new(store::StoreCollector {
            durable_ledger,
            path: store_path,
        }));
        registry.register_collector(Box::new(settlement::SettlementCollector {
            figures: settlement,
            clock,
        }));
        registry.register_collector(Box::new(chain::ChainCollector(channels)));
        registry.register_collector(Box::new(requests::RequestsCollector {
            requests,
            permits,
            max_requests,
        }));
        Self(registry)
    }

    /// The figures of this moment, in the text format of OpenMetrics 1.0.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.0)
            .expect("a string takes what is written");
        text
    }
}
