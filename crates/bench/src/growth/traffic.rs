//! Paid requests without HTTP: each is reserved durably and then charged durably.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use farthing_protocol::{BaseUnits, Voucher};
use farthing_verifier::chain::view::MAX_LANES_SERVED;
use farthing_verifier::durable_ledger::DurableLedger;
use farthing_verifier::ledger::{ChannelFacts, OutcomeLimits, VerifiedVoucher};
use farthing_verifier::ports::SystemClock;
use farthing_verifier::record::Remembered;
use farthing_verifier::store::RedbStore;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinHandle;

use super::population::{Channel, MAXIMUM, Population};

/// Number of requests in flight at the same time.
const IN_FLIGHT: u64 = 256;
/// Interval at which the number of completed requests is checked.
const PAUSE: Duration = Duration::from_millis(5);

/// The amounts that a lane's agent knows, in base units. The next voucher must cover what was charged and is in flight,
/// and exceed what was signed.
#[derive(Debug, Clone, Copy)]
struct Payer {
    charged: u64,
    in_flight: u64,
    signed: u64,
}

/// An open ledger and the agents that pay.
pub(super) struct Traffic {
    ledger: Arc<DurableLedger>,
    channels: Vec<Channel>,
    facts: Vec<Arc<ChannelFacts>>,
    /// The lanes that pay, each with the amounts that its agent knows.
    payers: Vec<(usize, Mutex<Payer>)>,
    completed: AtomicU64,
}

impl Traffic {
    /// Opens the ledger and reads the state of these lanes.
    ///
    /// # Errors
    /// If the store cannot be opened, or a lane is missing from it.
    pub(super) fn open(
        path: &Path,
        population: Population,
        lanes: impl IntoIterator<Item = usize>,
    ) -> io::Result<Arc<Self>> {
        let store = RedbStore::open(path).map_err(io::Error::other)?;
        let clock = Arc::new(SystemClock::default());
        let (ledger, _) = DurableLedger::open(Box::new(store), OutcomeLimits::default(), clock)
            .map_err(io::Error::other)?;
        let channels: Vec<Channel> = population.channels().collect();
        let facts = population.facts();
        let mut payers = Vec::new();
        for lane in lanes {
            let channel = &channels[lane / MAX_LANES_SERVED];
            let key = channel.key(lane % MAX_LANES_SERVED);
            let known = ledger.lane(&facts[channel.number], key);
            let known = known.ok_or_else(|| io::Error::other("a lane is not in the store"))?;
            let payer = Payer {
                charged: known.charged.0,
                in_flight: 0,
                signed: known.authorized.0,
            };
            payers.push((lane, Mutex::new(payer)));
        }
        Ok(Arc::new(Self {
            ledger,
            channels,
            facts,
            payers,
            completed: AtomicU64::new(0),
        }))
    }

    /// Number of requests that were charged so far.
    pub(super) fn completed(&self) -> u64 {
        self.completed.load(Ordering::Relaxed)
    }

    /// Number of lanes that pay.
    pub(super) fn payers(&self) -> usize {
        self.payers.len()
    }

    /// Serves at least this number of requests.
    ///
    /// # Errors
    /// If a request is not accepted.
    pub(super) async fn serve(self: &Arc<Self>, requests: u64) -> io::Result<()> {
        let enough = self.completed() + requests;
        let running = self.start(0);
        while self.completed() < enough && !running.has_failed() {
            tokio::time::sleep(PAUSE).await;
        }
        running.stop().await
    }

    /// Starts agents that pay, each request from a randomly chosen lane.
    pub(super) fn start(self: &Arc<Self>, seed: u64) -> Running {
        let stopped = Arc::new(AtomicBool::new(false));
        let agent = |number: u64| {
            let traffic = Arc::clone(self);
            let stopped = Arc::clone(&stopped);
            let mut random = StdRng::seed_from_u64(seed * IN_FLIGHT + number);
            async move {
                while !stopped.load(Ordering::Relaxed) {
                    let payer = random.gen_range(0..traffic.payers.len());
                    // Requests are metered, so the charge is usually less than the maximum.
                    let actual = BaseUnits(random.gen_range(MAXIMUM.0 / 5..=MAXIMUM.0));
                    traffic.pay(payer, actual).await.map_err(io::Error::other)?;
                }
                Ok(())
            }
        };
        let agents = (0..IN_FLIGHT).map(|number| tokio::spawn(agent(number)));
        Running {
            agents: agents.collect(),
            stopped,
        }
    }

    async fn pay(
        &self,
        number: usize,
        actual: BaseUnits,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let (lane, payer) = &self.payers[number];
        let channel = &self.channels[lane / MAX_LANES_SERVED];
        let facts = &self.facts[channel.number];
        let key = channel.key(lane % MAX_LANES_SERVED);
        // Signing and reserving happen under one lock, because a lane's vouchers must arrive in order.
        let (reservation, durable) = {
            let mut payer = lock(payer);
            let needed = payer.charged + payer.in_flight + MAXIMUM.0;
            payer.signed = needed.max(payer.signed + 1);
            payer.in_flight += MAXIMUM.0;
            let mut signature = [0; 64];
            signature[..8].copy_from_slice(&payer.signed.to_le_bytes());
            signature[32..40].copy_from_slice(&payer.signed.to_be_bytes());
            let voucher = VerifiedVoucher {
                voucher: Voucher {
                    domain: key.domain,
                    lane: key.lane,
                    generation: key.generation,
                    authorized: BaseUnits(payer.signed),
                },
                signature,
            };
            let reserved = self.ledger.reserve(facts, &voucher, MAXIMUM, None)?;
            let Ok((reservation, durable)) = reserved else {
                return Err(
                    "the ledger treated a request without an idempotency key as a retry".into(),
                );
            };
            (reservation, durable)
        };
        durable.durable().await?;
        let (snapshot, durable) = reservation.complete(actual, Remembered::default())?;
        durable.durable().await?;
        let mut payer = lock(payer);
        payer.charged = payer.charged.max(snapshot.charged.0);
        payer.in_flight -= MAXIMUM.0;
        self.completed.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Closes the ledger.
    pub(super) fn close(&self) {
        self.ledger.close();
    }
}

/// Locks a payer, even if another thread panicked: its amounts are still valid bounds.
fn lock(payer: &Mutex<Payer>) -> MutexGuard<'_, Payer> {
    payer.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Agents that pay until they are stopped.
pub(super) struct Running {
    agents: Vec<JoinHandle<io::Result<()>>>,
    stopped: Arc<AtomicBool>,
}

impl Running {
    /// Whether an agent has ended by itself, which means that it failed.
    fn has_failed(&self) -> bool {
        self.agents.iter().any(JoinHandle::is_finished)
    }

    /// Stops the agents and waits for the in-flight requests.
    ///
    /// # Errors
    /// If any request was not accepted.
    pub(super) async fn stop(self) -> io::Result<()> {
        self.stopped.store(true, Ordering::Relaxed);
        for agent in self.agents {
            agent.await??;
        }
        Ok(())
    }
}

/// Runs a future on a runtime with as many threads as the verifier's.
///
/// # Errors
/// If the runtime cannot be created, or the future fails.
pub(super) fn run<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(work)
}
