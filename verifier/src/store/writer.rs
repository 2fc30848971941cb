//! Group commit: one thread owns the store and takes everything that was queued since its last
//! commit into one transaction.
//!
//! A commit begins when somebody waits for it. What nobody waits for yet, such as a reservation while the upstream thinks,
//! goes with the next one, or after [`PATIENCE`]. Under load a commit carries many requests, so that throughput does not
//! end where the disk's flushes do; without load a request waits for one commit and nothing else.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Store;
use crate::crash_point::CrashPoint;
use crate::histogram::Histogram;
use crate::record::{Record, Remembered, ReservationId};

/// The most batches of one transaction.
const MAX_BATCHES_PER_COMMIT: usize = 4_096;
/// With more batches waiting than this nothing new is begun; what was begun may still end. A request
/// has at most three batches waiting, so the queue is bounded by this and the requests in flight.
const MAX_QUEUED_BATCHES: usize = 65_536;

/// How long what was queued stays in memory if nobody waits for it.
const PATIENCE: Duration = Duration::from_millis(2);
/// A commit of so many batches says that requests come faster than a commit for each can serve: the next one lets
/// batches gather, and the processor serves requests meanwhile.
const BUSY_BATCHES: usize = 8;
/// With so many batches queued during a commit there is nothing to wait for.
const ENOUGH_BATCHES: usize = 16;
/// For how long at most, for each batch of the commit before: the more requests come, the fewer of them notice.
const GATHERING_PER_BATCH: Duration = Duration::from_micros(60);
/// And for no longer than this.
const MAX_GATHERING: Duration = Duration::from_millis(8);
/// How often a gathering writer looks how many there are.
const GATHERING_STEP: Duration = Duration::from_micros(500);

/// The store failed, now or earlier. Nothing is known of what was waiting, and nothing is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store failed, nothing is served until the verifier is started again")]
pub struct StoreFailed;

/// A claim on durability.
#[derive(Debug)]
#[must_use = "what a ticket stands for is durable only when it says so"]
pub struct Ticket(Option<Queued>);

/// A batch's place in the queue.
#[derive(Debug)]
struct Queued {
    /// How many batches must be durable for this one to be.
    number: u64,
    durable: oneshot::Receiver<()>,
    bell: Arc<Bell>,
}

impl Ticket {
    /// Asks for what was queued, and everything before it, to be written now, and waits until it is durable.
    ///
    /// # Errors
    /// [`StoreFailed`] if that is not known.
    pub fn durable(self) -> impl Future<Output = Result<(), StoreFailed>> {
        if let Some(queued) = &self.0 {
            queued.bell.ring(queued.number);
        }
        async {
            let queued = self.0.ok_or(StoreFailed)?;
            queued.durable.await.map_err(|_| StoreFailed)
        }
    }
}

/// Calls the writer when somebody waits.
#[derive(Debug)]
struct Bell {
    wanted: Arc<Wanted>,
    writer: Thread,
}

impl Bell {
    fn ring(&self, batches: u64) {
        if self.wanted.0.fetch_max(batches, Ordering::SeqCst) < batches {
            self.writer.unpark();
        }
    }
}

/// How many batches somebody waits for, of all that were ever queued.
#[derive(Debug, Default)]
struct Wanted(AtomicU64);

impl Wanted {
    /// Waits until it is more than were committed, but no longer than this.
    fn wait(&self, committed: u64, patience: Duration) {
        let deadline = Instant::now() + patience;
        while self.0.load(Ordering::SeqCst) <= committed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::park_timeout(left);
        }
    }
}

enum Message {
    Batch {
        records: Vec<Record>,
        done: oneshot::Sender<()>,
    },
    Remembered {
        id: ReservationId,
        reader: oneshot::Sender<Remembered>,
    },
    Stop,
}

/// Where commits are counted, by what they took: an SSD's flush is at its beginning, a failing disk at its end.
const COMMIT_BOUNDS: &[Duration] = &[
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(5),
];

/// What the writer does, for everybody to see.
#[derive(Debug)]
pub(crate) struct Activity {
    failed: AtomicBool,
    queued: AtomicUsize,
    /// Batches that were committed.
    pub(crate) batches: AtomicU64,
    /// Their records.
    pub(crate) records: AtomicU64,
    /// Commits that succeeded, by what they took.
    pub(crate) commits: Histogram,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            failed: AtomicBool::default(),
            queued: AtomicUsize::default(),
            batches: AtomicU64::default(),
            records: AtomicU64::default(),
            commits: Histogram::new(COMMIT_BOUNDS),
        }
    }
}

impl Activity {
    /// Batches that wait, those of the commit under way included.
    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Whether the store failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }
}

/// The one who writes.
#[derive(Debug)]
pub struct Writer {
    sender: Sender<Message>,
    /// Batches that were queued so far.
    numbered: AtomicU64,
    bell: Arc<Bell>,
    activity: Arc<Activity>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the writing thread.
    ///
    /// # Errors
    /// If the system has no thread to give.
    pub fn start(store: Box<dyn Store>) -> std::io::Result<Self> {
        Self::start_with(store, PATIENCE)
    }

    /// Starts one with another patience.
    pub(super) fn start_with(store: Box<dyn Store>, patience: Duration) -> std::io::Result<Self> {
        let (sender, receiver) = channel();
        let activity = Arc::new(Activity::default());
        let wanted = Arc::new(Wanted::default());
        let thread = thread::Builder::new()
            .name("farthing-store".to_owned())
            .spawn({
                let (activity, wanted) = (Arc::clone(&activity), Arc::clone(&wanted));
                move || write_all(store, &receiver, &wanted, patience, &activity)
            })?;
        let writer = thread.thread().clone();
        Ok(Self {
            sender,
            numbered: AtomicU64::new(0),
            bell: Arc::new(Bell { wanted, writer }),
            activity,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Queues records that are written together. The order of calls is the order of writing.
    pub fn enqueue(&self, records: Vec<Record>) -> Ticket {
        let (done, durable) = oneshot::channel();
        self.activity.queued.fetch_add(1, Ordering::Relaxed);
        // Two that are queued at once may have each other's number. The one with the lower then waits for
        // `PATIENCE` at worst.
        let number = self.numbered.fetch_add(1, Ordering::Relaxed) + 1;
        let sent = self.sender.send(Message::Batch { records, done });
        Ticket(sent.is_ok().then(|| Queued {
            number,
            durable,
            bell: Arc::clone(&self.bell),
        }))
    }

    /// Reads what is kept beside an outcome. Everything that was queued before is durable when it is returned.
    ///
    /// # Errors
    /// [`StoreFailed`] if it cannot be read, or if that is not known.
    pub async fn remembered(&self, id: ReservationId) -> Result<Remembered, StoreFailed> {
        let (reader, remembered) = oneshot::channel();
        self.sender
            .send(Message::Remembered { id, reader })
            .map_err(|_| StoreFailed)?;
        self.bell.ring(self.numbered.load(Ordering::Relaxed));
        remembered.await.map_err(|_| StoreFailed)
    }

    /// Whether new work may begin: the store has not failed and keeps up.
    #[must_use]
    pub fn is_available(&self) -> bool {
        !self.has_failed() && self.activity.queued() < MAX_QUEUED_BATCHES
    }

    /// Whether the store failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.activity.has_failed()
    }

    pub(crate) fn activity(&self) -> &Activity {
        &self.activity
    }

    /// Writes what is queued, then closes the store. Whatever is queued afterwards fails.
    pub fn close(&self) {
        // A failed send means that the thread has ended already.
        let _ = self.sender.send(Message::Stop);
        self.bell.ring(u64::MAX);
        let thread = self.thread.lock().ok().and_then(|mut thread| thread.take());
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the store's thread panicked");
        }
    }
}

/// However the thread ends, by a panic of the database's too, the store has failed.
struct FailsAtTheEnd<'a>(&'a Activity);

impl Drop for FailsAtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.failed.store(true, Ordering::Release);
    }
}

/// Lets batches gather if the last commit had many, until there are as many again.
fn gather(last: usize, activity: &Activity) {
    if last < BUSY_BATCHES || activity.queued() >= ENOUGH_BATCHES {
        return;
    }
    let share = GATHERING_PER_BATCH.saturating_mul(u32::try_from(last).unwrap_or(u32::MAX));
    let deadline = Instant::now() + share.min(MAX_GATHERING);
    while activity.queued() < last {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        thread::sleep(left.min(GATHERING_STEP));
    }
}

fn write_all(
    mut store: Box<dyn Store>,
    receiver: &Receiver<Message>,
    wanted: &Wanted,
    patience: Duration,
    activity: &Activity,
) {
    let mut committed = 0;
    let mut last = 0;
    let mut records = Vec::new();
    let mut waiting = Vec::new();
    // Whoever asks for what is kept waits for what was queued before.
    let mut asking = None;
    // Dropped before who waits, so that whoever hears of a failure finds the writer failed.
    let _end = FailsAtTheEnd(activity);
    while let Ok(first) = receiver.recv() {
        if matches!(first, Message::Batch { .. }) {
            wanted.wait(committed, patience);
            gather(last, activity);
        }
        let mut stop = false;
        let mut next = Some(first);
        while let Some(message) = next.take() {
            match message {
                Message::Batch {
                    records: batch,
                    done,
                } => {
                    records.extend(batch);
                    waiting.push(done);
                }
                Message::Remembered { id, reader } => {
                    asking = Some((id, reader));
                    break;
                }
                Message::Stop => {
                    stop = true;
                    break;
                }
            }
            if waiting.len() < MAX_BATCHES_PER_COMMIT {
                next = receiver.try_recv().ok();
            }
        }
        if !waiting.is_empty() {
            CrashPoint::BeforeCommit.pass();
            let began = Instant::now();
            let outcome = store.commit(&records);
            activity.queued.fetch_sub(waiting.len(), Ordering::Relaxed);
            if let Err(error) = outcome {
                // Dropping the queue fails every ticket in it, and every later one.
                tracing::error!(%error, "the store failed, nothing is served any longer");
                return;
            }
            activity.commits.observe(began.elapsed());
            committed += waiting.len() as u64;
            last = waiting.len();
            activity
                .batches
                .fetch_add(waiting.len() as u64, Ordering::Relaxed);
            activity
                .records
                .fetch_add(records.len() as u64, Ordering::Relaxed);
            records.clear();
            CrashPoint::AfterCommit.pass();
            for done in waiting.drain(..) {
                // Whoever does not wait any longer needs no answer.
                let _ = done.send(());
            }
        }
        if let Some((id, _)) = &asking {
            let remembered = match store.remembered(*id) {
                Ok(remembered) => remembered,
                Err(error) => {
                    tracing::error!(%error, "the store failed, nothing is served any longer");
                    return;
                }
            };
            if let Some((_, reader)) = asking.take() {
                let _ = reader.send(remembered);
            }
        }
        if stop {
            return;
        }
    }
}
