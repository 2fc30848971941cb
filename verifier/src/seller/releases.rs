//! Background task that releases held payments which were verified but not settled before their hold expired.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::durable_ledger::DurableLedger;

/// Interval at which expired holds are released.
const INTERVAL: Duration = Duration::from_secs(1);

/// Spawns the task that releases expired holds until it is cancelled.
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
