//! Payments that were verified and are not settled in time are released, whether or not anybody asks for anything.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::durable_ledger::DurableLedger;

/// How often it is looked for them.
const INTERVAL: Duration = Duration::from_secs(1);

/// Releases them until it is cancelled.
pub(super) fn spawn_releases(durable_ledger: &Arc<DurableLedger>, cancel: CancellationToken) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let durable_ledger = Arc::clone(durable_ledger);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                _ = ticks.tick() => durable_ledger.release_expired(),
            }
        }
    });
}
