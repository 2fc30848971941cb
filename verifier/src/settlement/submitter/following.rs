//! Follows settlements that were sent until they are final, have failed, or can no longer land.

use std::sync::atomic::Ordering;

use farthing_chain::ChainError;
use farthing_protocol::BaseUnits;

use super::Settler;
use super::pending::{Fate, Pending};
use crate::crash_point::CrashPoint;
use crate::ports::Delivery;
use crate::record::Record;

impl Settler {
    /// Queries the status of the pending transactions, and sends those again that the cluster has not seen yet.
    pub(super) async fn follow_up(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let fates = match self.fates().await {
            Ok(fates) => fates,
            Err(error) => {
                tracing::warn!(%error, "cannot query the status of pending settlements; retrying");
                return;
            }
        };
        for (mut pending, fate) in std::mem::take(&mut self.pending).into_iter().zip(fates) {
            match fate {
                Fate::Final => self.finalized(&pending),
                Fate::Failed(reason) => {
                    self.figures.failed.fetch_add(1, Ordering::Relaxed);
                    self.ended(&pending);
                    self.failed(pending.record.channel, reason);
                }
                Fate::Expired => {
                    self.figures.expired.fetch_add(1, Ordering::Relaxed);
                    self.ended(&pending);
                    match pending.refusal.take() {
                        Some(reason) => self.failed(pending.record.channel, reason),
                        None => tracing::warn!(
                            signature = %pending.record.signature,
                            "a settlement expired before it landed; its lanes are planned again"
                        ),
                    }
                }
                Fate::Seen => self.pending.push(pending),
                Fate::Unseen => {
                    let since_sent = self.clock.now().since(pending.sent_at);
                    if since_sent >= self.pace.rebroadcast_interval {
                        self.send(&mut pending, Delivery::Again).await;
                    }
                    self.pending.push(pending);
                }
            }
        }
    }

    async fn fates(&self) -> Result<Vec<Fate>, ChainError> {
        // The height is read before the statuses: a transaction that had expired at that height, and has no status
        // afterwards, can no longer land.
        let height = self.source.finalized_block_height().await?;
        let signatures: Vec<_> = self
            .pending
            .iter()
            .map(|pending| pending.record.signature)
            .collect();
        let statuses = self.source.statuses(&signatures).await?;
        if statuses.len() != signatures.len() {
            let message = "the number of statuses differs from the number requested";
            return Err(ChainError::Unusable(message.to_owned()));
        }
        let fates = self.pending.iter().zip(statuses);
        Ok(fates
            .map(|(pending, status)| pending.fate(status, height))
            .collect())
    }

    fn ended(&self, pending: &Pending) {
        // Not waited for: if the record is lost in a crash, the settlement is only followed once more.
        drop(
            self.durable_ledger
                .record(vec![Record::SettlementEnded(pending.record.signature)]),
        );
    }

    fn finalized(&mut self, pending: &Pending) {
        let record = &pending.record;
        for (key, claim) in pending.lanes().zip(&record.claims) {
            self.durable_ledger
                .settled(key, claim.debit_to, pending.planned_at);
        }
        CrashPoint::SettlementFinal.pass();
        self.ended(pending);
        self.backoff.remove(&record.channel);
        let claims = record.claims.iter();
        let owed = claims.fold(0_u64, |sum, claim| sum.saturating_add(claim.owed.0));
        self.figures.finalized(owed);
        tracing::info!(
            signature = %record.signature,
            claims = record.claims.len(),
            base_units = owed,
            "a settlement is final"
        );
        self.with_report(|report| {
            report.transactions.push(record.signature);
            report.base_units = BaseUnits(report.base_units.0.saturating_add(owed));
        });
    }
}
