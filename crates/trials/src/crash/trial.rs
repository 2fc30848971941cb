//! Runs one kill after the other, and the comparisons after each.

use std::sync::Arc;

use farthing_protocol::BaseUnits;
use farthing_verifier::record::StoredState;
use farthing_verifier::store::{RedbStore, audit};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::Result;
use super::client::Client;
use super::lane::PayingLane;
use super::load::{Load, Tally, body};
use super::oracle::{Fault, Kind, LaneBooks, compared};
use super::plan::Death;
use super::process::Process;
use super::report::CrashReport;
use super::world::World;

/// Number of used vouchers that are presented again after every start.
const REPLAYS: usize = 16;
/// Approximate number of a lane's vouchers that the last killed process accepted.
const LAST_VALUES: usize = 8;
/// Number of lanes that are queried concurrently.
const CONCURRENT_QUESTIONS: usize = 16;

/// A running trial.
pub struct Trial {
    /// The environment that survives the kills.
    pub world: World,
    /// Chooses the vouchers that are presented again.
    pub rng: StdRng,
    /// The results so far.
    pub report: CrashReport,
    client: Option<Arc<Client>>,
}

impl Trial {
    /// A trial in a new world.
    #[must_use]
    pub fn new(world: World, rng: StdRng, report: CrashReport) -> Self {
        Self {
            world,
            rng,
            report,
            client: None,
        }
    }

    /// Starts a process, lets it serve until it is killed, and compares its ledger with what its clients were told.
    ///
    /// # Errors
    /// If the process ends in another way or gives unexpected answers.
    pub async fn die(&mut self, death: Death) -> Result<()> {
        let passage = match death {
            Death::At(passage) => Some(passage),
            Death::AnyMoment { .. } => None,
        };
        let mut in_flight = false;
        if let Some(process) = self.world.processes.start(passage).await? {
            let serves = passage.is_none_or(|passage| !passage.from_start);
            match self.compare_restored(&process, serves).await {
                Ok(client) => {
                    let tally = self.die_under_load(process, &client, death).await?;
                    in_flight = tally.cut > 0;
                    self.report.tally.add(tally);
                }
                // The process was killed during the start, before any paid request.
                Err(_) if passage.is_some_and(|passage| passage.from_start) => {
                    process.died().await?;
                }
                Err(error) => return Err(error),
            }
        }
        let point = passage.map(|passage| passage.point);
        self.report.died(point, in_flight);
        self.compare_books()?;
        Ok(())
    }

    async fn die_under_load(
        &self,
        mut process: Process,
        client: &Arc<Client>,
        death: Death,
    ) -> Result<Tally> {
        let load = Load::start(&self.world.lanes, client, &process.url);
        process.arm().await;
        match death {
            Death::At(_) => process.died().await?,
            Death::AnyMoment { accepted, delay } => {
                load.accepted(accepted).await?;
                tokio::time::sleep(delay).await;
                process.kill().await?;
            }
        }
        load.end().await
    }

    /// Starts a process, lets it answer `requests`, shut down and settle everything, and compares the chain with what
    /// the clients were told.
    ///
    /// # Errors
    /// If the process does not shut down successfully, or if the chain does not answer.
    pub async fn end(&mut self, requests: u64) -> Result<()> {
        let Some(process) = self.world.processes.start(None).await? else {
            return Err("a process was killed, but not by this trial".into());
        };
        let client = self.compare_restored(&process, true).await?;
        let load = Load::start(&self.world.lanes, &client, &process.url);
        load.accepted(requests).await?;
        let tally = load.end().await?;
        self.report.tally.add(tally);
        process.stop().await?;
        let state = self.compare_books()?;
        for (what, count) in [
            ("reservations", state.reservations.len()),
            ("settlements", state.settlements.len()),
        ] {
            if count > 0 {
                let what = format!("{count} {what} are left at the end");
                self.report.add([Fault::new(Kind::Leaked, what)]);
            }
        }
        self.compare_chain().await
    }

    async fn client(&mut self, url: &str) -> Result<Arc<Client>> {
        if let Some(client) = &self.client {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(Client::learn(url, &question()).await?);
        self.client = Some(Arc::clone(&client));
        Ok(client)
    }

    /// Compares the state of every lane as reported by a restarted process, before the load begins, and presents used
    /// vouchers again. If the process is going to serve paid requests, the last requests with idempotency keys are
    /// retried as well.
    async fn compare_restored(&mut self, process: &Process, serves: bool) -> Result<Arc<Client>> {
        self.report.restarts.push(process.ready_in);
        for lane in &self.world.lanes {
            lane.history().restarted();
        }
        let url = &process.url;
        let client = self.client(url).await?;
        let replayed: Vec<(Arc<PayingLane>, u64)> = self
            .world
            .lanes
            .choose_multiple(&mut self.rng, REPLAYS)
            .map(|lane| (Arc::clone(lane), self.rng.r#gen()))
            .collect();
        let question = &question();
        let restored = stream::iter(&self.world.lanes)
            .map(|lane| lane.compare(&client, url, question))
            .buffer_unordered(CONCURRENT_QUESTIONS)
            .try_collect::<Vec<_>>();
        let again = stream::iter(&replayed)
            .map(|(lane, choice)| {
                lane.replay(&client, url, question, |values| chosen(values, *choice))
            })
            .buffer_unordered(CONCURRENT_QUESTIONS)
            .try_collect::<Vec<_>>();
        let (restored, again) = tokio::try_join!(restored, again)?;
        self.report.add(restored.into_iter().flatten());
        self.report.add(again.into_iter().flatten());
        if serves {
            let asked = stream::iter(&self.world.lanes)
                .map(|lane| lane.ask_again(&client, url))
                .buffer_unordered(CONCURRENT_QUESTIONS)
                .try_collect::<Vec<_>>();
            for (replays, faults) in asked.await? {
                self.report.replays += replays;
                self.report.add(faults);
            }
        }
        Ok(client)
    }

    /// Reads the store of a killed process, as the next one will find it, and compares it with the clients' histories.
    fn compare_books(&mut self) -> Result<StoredState> {
        let mut store = RedbStore::open_read_only(&self.world.store)?;
        let (state, findings) = audit(&mut store)?;
        let findings = findings.into_iter();
        // An inconsistent record counts as lost, because the right record is missing.
        self.report
            .add(findings.map(|finding| Fault::new(Kind::Lost, finding.to_string())));
        let books = LaneBooks::of(&state);
        let unused = LaneBooks::default();
        for lane in &self.world.lanes {
            let books = books.get(&lane.id).unwrap_or(&unused);
            lane.died(books);
            let faults = lane.history().died(books);
            self.report.add(faults);
        }
        Ok(state)
    }

    /// Compares the debits and payments on the chain with what is owed.
    async fn compare_chain(&mut self) -> Result<()> {
        let debited = self.world.debited().await?;
        let mut owed = 0;
        for (lane, debited) in self.world.lanes.iter().zip(debited) {
            let history = lane.history();
            owed += history.owed().0;
            self.report.add(history.settled(debited));
        }
        let balance = self.world.payee_balance().await?;
        self.report
            .add(compared("the payee received", balance, BaseUnits(owed)));
        Ok(())
    }
}

/// Chooses one of the used values; half of the time one of the last.
fn chosen(values: &[BaseUnits], choice: u64) -> Option<BaseUnits> {
    let last = &values[values.len().saturating_sub(LAST_VALUES)..];
    let from = if choice.is_multiple_of(2) {
        last
    } else {
        values
    };
    let index = (choice / 2).checked_rem(from.len() as u64)?;
    from.get(usize::try_from(index).ok()?).copied()
}

/// A request body for requests whose answer does not matter.
fn question() -> serde_json::Value {
    body("What does one inference cost?", false)
}
