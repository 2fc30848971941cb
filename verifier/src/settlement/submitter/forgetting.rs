//! Removes channels that are gone from the ledger.

use super::Settler;
use crate::ledger::Kept;
use crate::settlement::figures::Lost;

impl Settler {
    /// Removes the channels that are gone for good, unless they have unsettled charges that could have been claimed.
    pub(super) async fn forget_gone_channels(&mut self) {
        for gone in self.channels.gone_for_good().await {
            let (domain, channel) = (gone.domain, gone.address);
            let is_followed = |pending: &super::Pending| pending.record.domain == domain;
            if self.pending.iter().any(is_followed) {
                continue;
            }
            let min_claim = self.policy.min_claim;
            match self
                .durable_ledger
                .forget(domain, gone.seen.as_deref(), min_claim)
            {
                Ok(()) => {
                    self.channels.forgotten(domain);
                    tracing::info!(%channel, "removed a closed channel from the ledger");
                }
                Err(Kept::Owed(base_units)) => {
                    let since = self.lost.get(&domain).map(|lost| lost.since);
                    let lost = Lost {
                        amount: base_units,
                        since: since.unwrap_or_else(|| self.clock.now()),
                    };
                    self.lost.insert(domain, lost);
                    tracing::error!(
                        %channel,
                        %base_units,
                        "channel closed with unsettled charges; its lanes are kept"
                    );
                }
                Err(Kept::InFlight) => {}
            }
        }
        // A channel that came back is settled like any other.
        self.lost.retain(|domain, _| self.channels.is_gone(*domain));
    }
}
