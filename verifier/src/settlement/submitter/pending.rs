//! A settlement that was recorded and whose outcome is not known yet.

use solana_sdk::transaction::Transaction;

use crate::ports::{Moment, TransactionStatus};
use crate::record::{ClaimRecord, LaneKey, SettlementRecord};
use crate::settlement::planner::PlannedSettlement;

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) record: SettlementRecord,
    pub(super) transaction: Transaction,
    pub(super) planned_at: Moment,
    pub(super) sent_at: Moment,
    /// Why the node's simulation refused it. It may still land, so it is followed until it expires.
    pub(super) refusal: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// Landed, final.
    Final,
    /// Landed and failed, final.
    Failed(String),
    /// Landed, not final.
    Seen,
    /// Not seen, may still land.
    Unseen,
    /// Not seen, cannot land any more.
    Expired,
}

impl Pending {
    pub(super) fn new(
        plan: &PlannedSettlement,
        transaction: Transaction,
        last_valid_block_height: u64,
        planned_at: Moment,
    ) -> Self {
        let claims = plan.claims.iter().map(|claim| ClaimRecord {
            lane: claim.lane,
            generation: claim.generation,
            debit_to: claim.charged,
            owed: claim.owed,
        });
        Self {
            record: SettlementRecord {
                signature: transaction.signatures[0],
                last_valid_block_height,
                transaction: bincode::serialize(&transaction)
                    .expect("a transaction serialises to memory"),
                channel: plan.facts.address,
                domain: plan.facts.domain,
                claims: claims.collect(),
            },
            transaction,
            planned_at,
            sent_at: planned_at,
            refusal: None,
        }
    }

    /// A settlement recorded before a restart; `None` if its transaction cannot be read.
    pub(super) fn resumed(record: SettlementRecord, now: Moment) -> Option<Self> {
        let transaction: Transaction = bincode::deserialize(&record.transaction).ok()?;
        Some(Self {
            record,
            transaction,
            planned_at: now,
            // So that it is sent again at once.
            sent_at: Moment::default(),
            refusal: None,
        })
    }

    /// Its lanes, in the order of its claims.
    pub(super) fn lanes(&self) -> impl Iterator<Item = LaneKey> + '_ {
        self.record.claims.iter().map(|claim| LaneKey {
            domain: self.record.domain,
            lane: claim.lane,
            generation: claim.generation,
        })
    }

    /// The fate of the transaction by its `status`, which was queried after the finalized block height was `height`.
    pub(super) fn fate(&self, status: Option<TransactionStatus>, height: u64) -> Fate {
        match status {
            Some(TransactionStatus {
                finalized: true,
                error: None,
            }) => Fate::Final,
            Some(TransactionStatus {
                finalized: true,
                error: Some(reason),
            }) => Fate::Failed(reason),
            Some(_) => Fate::Seen,
            None if height > self.record.last_valid_block_height => Fate::Expired,
            None => Fate::Unseen,
        }
    }
}
