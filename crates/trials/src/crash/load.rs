//! The load: requests of every lane, half of them streams, until the process dies or enough is enough.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use farthing_cli::demo_model::{MAX_OUTPUT_TOKENS, MODEL};
use farthing_wire::idempotency::IdempotencyKey;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::client::{Client, Ending};
use super::lane::Lane;
use super::oracle::Told;
use super::{PATIENCE, Result};

/// Requests of a lane that are in flight at the same time: their vouchers overtake one another.
const IN_FLIGHT_PER_LANE: usize = 2;
/// Pause after a refusal.
const PAUSE: Duration = Duration::from_millis(5);

/// A request's body.
#[must_use]
pub fn body(question: &str, stream: bool) -> Value {
    json!({
        "model": MODEL,
        "messages": [{"role": "user", "content": question}],
        "max_tokens": MAX_OUTPUT_TOKENS,
        "stream": stream,
    })
}

/// What came of a load.
#[derive(Debug, Default)]
pub struct Tally {
    /// Requests whose acceptance the client was told of.
    pub accepted: u64,
    /// Requests that were in flight when the process died.
    pub cut: u64,
    /// Refusals by their code.
    pub refused: BTreeMap<String, u64>,
}

impl Tally {
    /// Adds another one.
    pub fn add(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.cut += other.cut;
        for (code, count) in other.refused {
            *self.refused.entry(code).or_default() += count;
        }
    }
}

/// A load that runs.
#[derive(Debug)]
pub struct Load {
    workers: JoinSet<Result<Tally>>,
    accepted: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Load {
    /// Begins: every lane pays the gateway at this URL.
    #[must_use]
    pub fn start(lanes: &[Arc<Lane>], client: &Arc<Client>, url: &str) -> Self {
        let mut load = Self {
            workers: JoinSet::new(),
            accepted: Arc::new(Semaphore::new(0)),
            stop: CancellationToken::new(),
        };
        for lane in lanes {
            for number in 0..IN_FLIGHT_PER_LANE {
                let worker = Worker {
                    lane: Arc::clone(lane),
                    client: Arc::clone(client),
                    url: url.to_owned(),
                    accepted: Arc::clone(&load.accepted),
                    stop: load.stop.clone(),
                };
                // One begins with a stream, the other with a whole answer.
                load.workers.spawn(worker.run(number % 2 == 0));
            }
        }
        load
    }

    /// Waits until so many requests were accepted since the last call.
    ///
    /// # Errors
    /// If that takes too long.
    pub async fn accepted(&self, count: u64) -> Result<()> {
        let enough = self.accepted.acquire_many(u32::try_from(count)?);
        let permits = timeout(PATIENCE, enough)
            .await
            .map_err(|_| "the gateway does not accept as many requests as it should")??;
        permits.forget();
        Ok(())
    }

    /// Ends: what is in flight ends by itself, or with the process.
    ///
    /// # Errors
    /// If a lane could not pay, or was told what cannot be.
    pub async fn end(mut self) -> Result<Tally> {
        self.stop.cancel();
        let mut sum = Tally::default();
        while let Some(tally) = self.workers.join_next().await {
            sum.add(tally??);
        }
        Ok(sum)
    }
}

/// Who asks, one request after the other.
struct Worker {
    lane: Arc<Lane>,
    client: Arc<Client>,
    url: String,
    accepted: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Worker {
    async fn run(self, mut stream: bool) -> Result<Tally> {
        let mut tally = Tally::default();
        for number in 0_u64.. {
            if self.stop.is_cancelled() {
                break;
            }
            // Answers differ in length with their questions.
            let body = body(&format!("Question {number}?"), stream);
            stream = !stream;
            // Every other pair of requests has keys.
            let key = (number % 4 < 2).then(IdempotencyKey::random);
            let pay = self.lane.pay(
                &self.client,
                &self.url,
                &body,
                key.as_ref().map(IdempotencyKey::as_str),
            );
            let answer = pay.await?;
            match answer.told {
                Told::Charged { .. } | Told::Reserved => {
                    tally.accepted += 1;
                    self.accepted.add_permits(1);
                }
                Told::Refused => {
                    let code = answer.refusal.unwrap_or_default();
                    *tally.refused.entry(code).or_default() += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                Told::Nothing => {}
            }
            match answer.ending {
                Ending::Whole => {}
                Ending::Cut => {
                    tally.cut += 1;
                    break;
                }
                Ending::NotConnected => break,
            }
        }
        Ok(tally)
    }
}
