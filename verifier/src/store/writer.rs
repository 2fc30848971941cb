//! Group commit: one thread owns the store, and writes everything that was queued since its last commit in one
//! transaction.
//!
//! A commit begins when a task waits for it. Records that no task waits for yet, such as a reservation while the
//! upstream is working, are written with the next commit, or after [`PATIENCE`]. Under load a commit carries many
//! requests, so that throughput is not limited by the disk's flush rate; without load a request waits for one commit
//! and nothing else.

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

/// The most batches in one transaction.
const MAX_BATCHES_PER_COMMIT: usize = 4_096;
/// With this many batches waiting, no new request is accepted; requests in flight may still end. A request has at most
/// three batches waiting, so the queue is bounded by this limit and the number of requests in flight.
const MAX_QUEUED_BATCHES: usize = 65_536;

/// How long queued records stay in memory if no task waits for them.
const PATIENCE: Duration = Duration::from_millis(2);
/// From this many batches in a commit on, the writer is busy: requests arrive faster than one commit each can serve.
/// Before the next commit it lets batches gather, and the processor serves requests meanwhile.
const BUSY_BATCHES: usize = 8;
/// With this many batches queued during a commit, the writer does not wait for more.
const ENOUGH_BATCHES: usize = 16;
/// The longest time to let batches gather, for each batch of the last commit: the delay grows with the load, where it
/// matters less to a request.
const GATHERING_PER_BATCH: Duration = Duration::from_micros(60);
/// The longest time to let batches gather in total.
const MAX_GATHERING: Duration = Duration::from_millis(8);
/// How often the writer checks how many batches have gathered.
const GATHERING_STEP: Duration = Duration::from_micros(500);

/// The store failed, now or earlier. It is not known whether waiting records are durable, and nothing is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store failed, nothing is served until the verifier is restarted")]
pub struct StoreFailed;

/// Stands for queued records, and tells when they are durable.
#[derive(Debug)]
#[must_use = "the records of a ticket are durable only when `durable` returns"]
pub struct Ticket(Option<Queued>);

/// A batch's place in the queue.
#[derive(Debug)]
struct Queued {
    /// The number of this batch: how many batches must be committed until it is durable.
    number: u64,
    durable: oneshot::Receiver<()>,
    bell: Arc<Bell>,
}

impl Ticket {
    /// Asks the writer to write these records and everything queued before them now, and waits until they are durable.
    ///
    /// # Errors
    /// [`StoreFailed`] if the store failed, so that it is not known whether they are durable.
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

/// Wakes the writer when a task waits for a batch.
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

/// The highest number of a batch that a task waits for; batches are numbered from 1 in the order of the queue.
#[derive(Debug, Default)]
struct Wanted(AtomicU64);

impl Wanted {
    /// Waits until a task waits for a batch that is not committed yet, but no longer than `patience`.
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

/// Bounds of the histogram of commit durations: from the flush of an SSD to a failing disk.
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

/// The writer's state and counters, shared with metrics.
#[derive(Debug)]
pub(crate) struct Activity {
    failed: AtomicBool,
    queued: AtomicUsize,
    /// Batches that were committed.
    pub(crate) batches: AtomicU64,
    /// Records that were committed.
    pub(crate) records: AtomicU64,
    /// Durations of the commits that succeeded.
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
    /// How many batches wait, including those of the commit under way.
    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Whether the store failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }
}

/// Handle of the thread that writes to the store.
#[derive(Debug)]
pub struct Writer {
    sender: Sender<Message>,
    /// How many batches were queued so far.
    numbered: AtomicU64,
    bell: Arc<Bell>,
    activity: Arc<Activity>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the writing thread.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub fn start(store: Box<dyn Store>) -> std::io::Result<Self> {
        Self::start_with(store, PATIENCE)
    }

    /// Starts the writing thread with another `patience` than [`PATIENCE`].
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

    /// Queues records that are written in one commit. The order of the calls is the order of writing.
    pub fn enqueue(&self, records: Vec<Record>) -> Ticket {
        let (done, durable) = oneshot::channel();
        self.activity.queued.fetch_add(1, Ordering::Relaxed);
        // Of two batches that are queued concurrently, each may get the other's number. The one with the lower number
        // then waits for `PATIENCE` at worst.
        let number = self.numbered.fetch_add(1, Ordering::Relaxed) + 1;
        let sent = self.sender.send(Message::Batch { records, done });
        Ticket(sent.is_ok().then(|| Queued {
            number,
            durable,
            bell: Arc::clone(&self.bell),
        }))
    }

    /// Reads the stored answer and receipt of an outcome. Everything queued before is durable when this returns.
    ///
    /// # Errors
    /// [`StoreFailed`] if the store failed, now or earlier.
    pub async fn remembered(&self, id: ReservationId) -> Result<Remembered, StoreFailed> {
        let (reader, remembered) = oneshot::channel();
        self.sender
            .send(Message::Remembered { id, reader })
            .map_err(|_| StoreFailed)?;
        self.bell.ring(self.numbered.load(Ordering::Relaxed));
        remembered.await.map_err(|_| StoreFailed)
    }

    /// Whether new requests may be accepted: the store has not failed, and the queue is not full.
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

    /// Writes what is queued, then closes the store. Anything queued afterwards fails.
    pub fn close(&self) {
        // A failed send means that the thread has ended already.
        let _ = self.sender.send(Message::Stop);
        self.bell.ring(u64::MAX);
        let thread = self.thread.lock().ok().and_then(|mut thread| thread.take());
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the store's writer thread panicked");
        }
    }
}

/// Marks the store as failed when the writing thread ends, for whatever reason, including a panic in the database.
struct FailsAtTheEnd<'a>(&'a Activity);

impl Drop for FailsAtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.failed.store(true, Ordering::Release);
    }
}

/// Lets batches gather if the last commit had many, until there are as many again or the time is over.
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
    // A read of a stored answer and receipt, made after the commit of everything queued before it.
    let mut asking = None;
    // Dropped before the waiting senders, so that a task that sees its ticket fail also sees the writer failed.
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
                tracing::error!(%error, "the store failed, nothing is served until the verifier is restarted");
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
                // A failed send means that the task does not wait any longer.
                let _ = done.send(());
            }
        }
        if let Some((id, _)) = &asking {
            let remembered = match store.remembered(*id) {
                Ok(remembered) => remembered,
                Err(error) => {
                    tracing::error!(%error, "the store failed, nothing is served until the verifier is restarted");
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
