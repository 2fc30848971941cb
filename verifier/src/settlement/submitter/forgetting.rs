//! Letting go of the books of channels that are gone.

use super::Settler;
use crate::ledger::Kept;
use crate::settlement::figures::Lost;

impl Settler {
    /// Forgets the channels that are gone for good, unless they owe what could have been claimed.
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
                    tracing::info!(%channel, "forgot a channel that is closed");
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
                        "a channel is closed and was charged what nobody is known to have paid, its books are kept"
                    );
                }
                Err(Kept::InFlight) => {}
            }
        }
        // One that came back is settled as any other.
        self.lost.retain(|domain, _| self.channels.is_gone(*domain));
    }
}
