//! The load: requests of every lane, half of them streams, until the process dies or the load is stopped.

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
use super::lane::PayingLane;
use super::oracle::Told;
use super::{PATIENCE, Result};

/// Number of in-flight requests of a lane, so that its vouchers can arrive out of order.
const IN_FLIGHT_PER_LANE: usize = 2;
/// Pause after a refusal.
const PAUSE: Duration = Duration::from_millis(5);

/// The body of a request.
#[must_use]
pub fn body(question: &str, stream: bool) -> Value {
    json!({
        "model": MODEL,
        "messages": [{"role": "user", "content": question}],
        "max_tokens": MAX_OUTPUT_TOKENS,
        "stream": stream,
    })
}

/// The outcomes of a load.
#[derive(Debug, Default)]
pub struct Tally {
    /// Number of requests that were accepted, as far as the client was told.
    pub accepted: u64,
    /// Number of requests that were in flight when the process died.
    pub cut: u64,
    /// Number of refusals by their code.
    pub refused: BTreeMap<String, u64>,
}

impl Tally {
    /// Adds the counts of another tally.
    pub fn add(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.cut += other.cut;
        for (code, count) in other.refused {
            *self.refused.entry(code).or_default() += count;
        }
    }
}

/// A running load.
#[derive(Debug)]
pub struct Load {
    workers: JoinSet<Result<Tally>>,
    accepted: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Load {
    /// Starts a load in which every lane pays the gateway at this URL.
    #[must_use]
    pub fn start(lanes: &[Arc<PayingLane>], client: &Arc<Client>, url: &str) -> Self {
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
                // One worker of a lane begins with a stream, the other with a non-streamed answer.
                load.workers.spawn(worker.run(number % 2 == 0));
            }
        }
        load
    }

    /// Waits until `count` requests were accepted since the last call.
    ///
    /// # Errors
    /// If that takes too long.
    pub async fn accepted(&self, count: u64) -> Result<()> {
        let enough = self.accepted.acquire_many(u32::try_from(count)?);
        let permits = timeout(PATIENCE, enough)
            .await
            .map_err(|_| "timeout: the gateway accepts fewer requests than expected")??;
        permits.forget();
        Ok(())
    }

    /// Stops the load and waits for its in-flight requests, which end by themselves or when the process dies.
    ///
    /// # Errors
    /// If a lane could not pay, or got an implausible receipt.
    pub async fn end(mut self) -> Result<Tally> {
        self.stop.cancel();
        let mut sum = Tally::default();
        while let Some(tally) = self.workers.join_next().await {
            sum.add(tally??);
        }
        Ok(sum)
    }
}

/// A worker, which sends one request after the other.
struct Worker {
    lane: Arc<PayingLane>,
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
            // The length of the answer depends on the question.
            let body = body(&format!("Question {number}?"), stream);
            stream = !stream;
            // Every other pair of requests has idempotency keys.
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
