//! Sends settlements and follows them.
//!
//! Signature, last valid block height and claims are durable before a transaction is sent. While the cluster has not
//! seen it, it is sent again; its lanes are planned again only after it failed for good or can no longer land. After a
//! restart the recorded settlements are followed first. No database transaction is open during a request to the chain.

mod following;
mod forgetting;
mod handle;
mod pending;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use farthing_protocol::Domain;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Keypair;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::figures::{Lost, SettlementFigures};
use super::planner::{Owing, PlannedSettlement, Policy, Situation, plan};
use super::report::{SettleError, SettlementReport};
use super::transaction::{SettlementTerms, build};
use crate::chain::Channels;
use crate::crash_point::CrashPoint;
use crate::durable_ledger::DurableLedger;
use crate::ports::{ChainSource, Clock, Delivery, Moment};
use crate::record::{LaneKey, Record, SettlementRecord};
use handle::Waiter;
use pending::Pending;

pub use handle::SettlerHandle;

/// First pause after a channel's settlement failed; it doubles with each further failure.
const FIRST_BACKOFF: Duration = Duration::from_secs(2);
/// The longest pause.
const MAX_BACKOFF: Duration = Duration::from_secs(300);
/// Failures in a row after which a caller that waits for settlement gets an error.
const FAILURES_BEFORE_GIVING_UP: u32 = 3;
/// The most calls of [`SettlerHandle::settle_now`] that wait at a time.
const MAX_WAITING: usize = 64;

/// Intervals and limits of settlement.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How often the planner runs and the status of pending transactions is queried.
    pub poll_interval: Duration,
    /// How often a pending transaction is sent again.
    pub rebroadcast_interval: Duration,
    /// The most transactions pending at the same time.
    pub max_pending: usize,
}

#[derive(Debug)]
struct Backoff {
    failures: u32,
    reason: String,
    retry_at: Moment,
}

/// The settling task's state.
pub struct Settler {
    durable_ledger: Arc<DurableLedger>,
    channels: Arc<Channels>,
    source: Arc<dyn ChainSource>,
    clock: Arc<dyn Clock>,
    keypair: Arc<Keypair>,
    terms: SettlementTerms,
    policy: Policy,
    pace: Pace,
    pending: Vec<Pending>,
    backoff: HashMap<Pubkey, Backoff>,
    /// The lost amounts of channels that are gone, which the ledger keeps because of them.
    lost: HashMap<Domain, Lost>,
    report: Arc<Mutex<SettlementReport>>,
    figures: Arc<SettlementFigures>,
}

/// Everything that a [`Settler`] works with.
pub struct SettlerParts {
    /// The ledger with the unsettled charges.
    pub durable_ledger: Arc<DurableLedger>,
    /// The state of the channels on the chain.
    pub channels: Arc<Channels>,
    /// The cluster to send to.
    pub source: Arc<dyn ChainSource>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The settler's key. It can take nothing for itself.
    pub keypair: Arc<Keypair>,
    /// What is the same for every settlement.
    pub terms: SettlementTerms,
    /// When to settle.
    pub policy: Policy,
    /// Intervals and limits.
    pub pace: Pace,
}

impl Settler {
    /// A settler that first follows the settlements that were pending when the last process ended.
    #[must_use]
    pub fn new(parts: SettlerParts, unfinished: Vec<SettlementRecord>) -> Self {
        let now = parts.clock.now();
        let (readable, unreadable): (Vec<_>, Vec<_>) = unfinished
            .into_iter()
            .map(|record| (record.signature, Pending::resumed(record, now)))
            .partition(|(_, pending)| pending.is_some());
        for (signature, _) in unreadable {
            tracing::error!(%signature, "a recorded settlement cannot be decoded; its lanes are planned again");
            drop(
                parts
                    .durable_ledger
                    .record(vec![Record::SettlementEnded(signature)]),
            );
        }
        Self {
            durable_ledger: parts.durable_ledger,
            channels: parts.channels,
            source: parts.source,
            clock: parts.clock,
            keypair: parts.keypair,
            terms: parts.terms,
            policy: parts.policy,
            pace: parts.pace,
            pending: readable
                .into_iter()
                .filter_map(|(_, pending)| pending)
                .collect(),
            backoff: HashMap::new(),
            lost: HashMap::new(),
            report: Arc::default(),
            figures: Arc::default(),
        }
    }

    /// Runs until cancelled, or until the store fails.
    pub fn spawn(
        mut self,
        cancel: CancellationToken,
    ) -> (SettlerHandle, tokio::task::JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        let handle = SettlerHandle {
            waiters: sender,
            report: Arc::clone(&self.report),
            figures: Arc::clone(&self.figures),
        };
        let task = tokio::spawn(async move {
            tokio::select! {
                () = self.run(receiver) => {}
                () = cancel.cancelled() => {}
            }
        });
        (handle, task)
    }

    async fn run(&mut self, mut requests: mpsc::Receiver<Waiter>) {
        let mut ticks = tokio::time::interval(self.pace.poll_interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut waiters: Vec<Waiter> = Vec::new();
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                request = requests.recv() => match request {
                    Some(waiter) => waiters.push(waiter),
                    None => return,
                },
            }
            while waiters.len() < MAX_WAITING {
                match requests.try_recv() {
                    Ok(waiter) => waiters.push(waiter),
                    Err(_) => break,
                }
            }
            if self.durable_ledger.has_failed() {
                tracing::error!("settlement stops because the store failed; restart the verifier");
                return;
            }
            let outcome = self.step(!waiters.is_empty()).await;
            if let Some(outcome) = outcome {
                for waiter in waiters.drain(..) {
                    // A failed send means that the caller does not wait any longer.
                    let _ = waiter.send(outcome.clone());
                }
            }
        }
    }

    /// One round: follows pending settlements, removes channels that are gone, and plans and sends new settlements.
    /// With `everything`, returns the outcome once nothing is left to do.
    async fn step(&mut self, everything: bool) -> Option<Result<(), SettleError>> {
        self.follow_up().await;
        self.forget_settled_failures();
        self.forget_gone_channels().await;
        let plans = self.plan(everything);
        let nothing_planned = plans.is_empty();
        self.begin(plans).await;
        let pending = self.pending.len();
        self.figures.pending.store(pending, Ordering::Relaxed);
        if !everything {
            return None;
        }
        let hopeless = self
            .backoff
            .iter_mut()
            .find(|(_, backoff)| backoff.failures >= FAILURES_BEFORE_GIVING_UP);
        if let Some((channel, backoff)) = hopeless {
            // The next call to settle everything starts with fresh attempts.
            backoff.failures = 0;
            return Some(Err(SettleError::Failed {
                channel: *channel,
                reason: backoff.reason.clone(),
            }));
        }
        let is_done = nothing_planned
            && self.pending.is_empty()
            && self.backoff.is_empty()
            && self.channels.is_resolved();
        is_done.then_some(Ok(()))
    }

    /// Ends the backoff of channels that have nothing unsettled any more, or are gone.
    fn forget_settled_failures(&mut self) {
        let (durable_ledger, channels) = (&self.durable_ledger, &self.channels);
        self.backoff.retain(|address, _| {
            channels.known(address).is_some_and(|facts| {
                !facts.gone && durable_ledger.read(|ledger| !ledger.unsettled(&facts).is_empty())
            })
        });
    }

    fn plan(&self, everything: bool) -> Vec<PlannedSettlement> {
        let busy: HashSet<LaneKey> = self.pending.iter().flat_map(Pending::lanes).collect();
        let now = self.clock.now();
        let situation = Situation {
            now,
            chain_time: self.channels.chain_time(),
            busy: &busy,
            everything,
        };
        let ready = |address: &Pubkey| {
            let backoff = self.backoff.get(address);
            backoff.is_none_or(|backoff| backoff.retry_at <= now)
        };
        let channels = self.channels.all();
        // The ledger is locked for one channel at a time, so that no request waits for all of them.
        let owing = channels.into_iter().map(|facts| Owing {
            lanes: self.durable_ledger.read(|ledger| ledger.unsettled(&facts)),
            facts,
        });
        let mut owing: Vec<Owing> = owing.filter(|owing| !owing.lanes.is_empty()).collect();
        self.figures.see(&owing, self.lost.values());
        owing.retain(|owing| ready(&owing.facts.address));
        plan(&self.policy, &situation, owing)
    }

    /// Builds, records and sends as many plans as may be pending.
    async fn begin(&mut self, plans: Vec<PlannedSettlement>) {
        let room = self.pace.max_pending.saturating_sub(self.pending.len());
        if plans.is_empty() || room == 0 {
            return;
        }
        let blockhash = match self.source.recent_blockhash().await {
            Ok(blockhash) => blockhash,
            Err(error) => {
                tracing::warn!(%error, "cannot get a recent blockhash; settlement is retried at the next poll");
                return;
            }
        };
        let mut begun = false;
        for plan in plans.into_iter().take(room) {
            let planned_at = self.clock.now();
            match build(&self.terms, &plan, &self.keypair, &blockhash) {
                Ok(transaction) => {
                    let height = blockhash.last_valid_block_height;
                    let pending = Pending::new(&plan, transaction, height, planned_at);
                    begun |= self.submit(pending).await;
                }
                Err(error) => self.failed(plan.facts.address, error.to_string()),
            }
        }
        if begun {
            self.with_report(|report| report.rounds += 1);
        }
    }

    /// Records a settlement and sends it. Returns whether it was recorded.
    async fn submit(&mut self, mut pending: Pending) -> bool {
        let record = Record::Settlement(pending.record.clone());
        if self
            .durable_ledger
            .record(vec![record])
            .durable()
            .await
            .is_err()
        {
            return false;
        }
        CrashPoint::SettlementRecorded.pass();
        self.figures.sent.fetch_add(1, Ordering::Relaxed);
        self.send(&mut pending, Delivery::First).await;
        CrashPoint::SettlementSent.pass();
        self.pending.push(pending);
        true
    }

    async fn send(&self, pending: &mut Pending, delivery: Delivery) {
        pending.sent_at = self.clock.now();
        let signature = pending.record.signature;
        match self.source.send(&pending.transaction, delivery).await {
            Ok(()) => {
                let claims = pending.record.claims.len();
                tracing::debug!(%signature, claims, ?delivery, "sent a settlement");
            }
            Err(error) if error.is_final() => {
                let reason = error.to_string();
                tracing::error!(%signature, reason, "the node refused a settlement; waiting until it lands or expires");
                pending.refusal = Some(reason);
            }
            Err(error) => tracing::warn!(%signature, %error, "cannot send a settlement; retrying"),
        }
    }

    fn failed(&mut self, channel: Pubkey, reason: String) {
        tracing::error!(%channel, reason, "settling a channel failed; retrying after a pause");
        let failures = self
            .backoff
            .get(&channel)
            .map_or(0, |backoff| backoff.failures)
            .saturating_add(1);
        let pause = FIRST_BACKOFF.saturating_mul(1 << failures.min(16)) / 2;
        let backoff = Backoff {
            failures,
            reason,
            retry_at: self.clock.now().after(pause.min(MAX_BACKOFF)),
        };
        self.backoff.insert(channel, backoff);
    }

    fn with_report(&self, change: impl FnOnce(&mut SettlementReport)) {
        let mut report = self
            .report
            .lock()
            .expect("nothing panics while the report is locked");
        change(&mut report);
    }
}
