//! Metrics for Prometheus: the size and age of the ledger's contents, the state of the store and of the chain readings,
//! what was charged and settled, and the outcomes of requests.
//!
//! Each component counts its own work, with atomics; a scrape collects the figures. A scrape iterates over no lanes and
//! holds the ledger's lock only for a few reads. Label values are constants of this program and never come from a
//! client, so that clients cannot increase their number. `http/admin.rs` serves the metrics; `docs/operate.md` explains
//! each one.

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

pub(crate) use requests::{Counting, Outcome, RequestKind, Requests, Served};

/// The components from which a scrape reads.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) durable_ledger: Arc<DurableLedger>,
    pub(crate) channels: Arc<Channels>,
    pub(crate) settlement: Arc<crate::settlement::figures::SettlementFigures>,
    pub(crate) requests: Arc<Requests>,
    /// Permits for requests in flight.
    pub(crate) permits: Arc<Semaphore>,
    /// Total number of these permits.
    pub(crate) max_requests: usize,
    /// Path of the store's file.
    pub(crate) store_path: PathBuf,
}

/// The registry of all metrics.
#[derive(Debug)]
pub(crate) struct Metrics(Registry);

impl Metrics {
    pub(crate) fn new(sources: Sources) -> Self {
        let mut registry = Registry::with_prefix("farthing");
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "Version of the running program", version);
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

    /// The current values, in the text format of OpenMetrics 1.0.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.0)
            .expect("a string takes what is written");
        text
    }
}
