//! Requests over many connections, and how long their answers took.
//!
//! Arrivals at a rate are an open loop: they come when they come, whether or not those before them were answered, and an
//! answer's time counts from its request's arrival. Waiting for a free connection is therefore in it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use super::caller::{Answer, Caller};
use super::process::processor_time;
use super::{PATIENCE, Result};

/// How long a side runs at a time.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// What is not counted at its beginning.
    pub warm_up: Duration,
    /// What is counted.
    pub span: Duration,
}

/// When requests arrive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Arrivals {
    /// So many that every connection always has one in flight.
    Endless,
    /// So many a second, independent of one another: the gaps between them are distributed exponentially.
    PerSecond(f64),
}

impl Arrivals {
    /// Requests of one connection that are signed before a turn. What it needs beyond that is signed in it.
    const fn prepared(self) -> usize {
        match self {
            Self::Endless => 128,
            Self::PerSecond(_) => 8,
        }
    }
}

/// What was counted.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Requests that were answered.
    pub answered: u64,
    /// In how many seconds.
    pub seconds: f64,
    /// From arrival to the last byte.
    pub whole: Vec<Duration>,
    /// From arrival to the first byte of the body.
    pub first_byte: Vec<Duration>,
    /// What the watched process took of the processor.
    pub processor: Duration,
}

impl Tally {
    /// Adds another one.
    pub fn add(&mut self, other: Self) {
        self.answered += other.answered;
        self.seconds += other.seconds;
        self.whole.extend(other.whole);
        self.first_byte.extend(other.first_byte);
        self.processor += other.processor;
    }

    /// Answers a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.answered as f64 / self.seconds
    }
}

/// One request, as its caller saw it.
struct Timing {
    arrived: Instant,
    first_byte: Instant,
    done: Instant,
}

/// Sends requests, each caller over a connection of its own, for one turn, and watches a process meanwhile.
///
/// # Errors
/// If a connection breaks, or an answer is not what its caller expects.
pub async fn run(
    server: SocketAddr,
    callers: &mut Vec<Box<dyn Caller>>,
    arrivals: Arrivals,
    turn: Turn,
    watched: u32,
) -> Result<Tally> {
    prepare(callers, arrivals.prepared())?;
    let mut connections = Vec::new();
    for caller in callers.drain(..) {
        connections.push((connect(server).await?, caller));
    }
    let begin = Instant::now();
    let from = begin + turn.warm_up;
    let until = from + turn.span;
    let source = Source::new(arrivals, until);
    let tasks: Vec<_> = connections
        .into_iter()
        .map(|(connection, caller)| tokio::spawn(call(connection, caller, source.clone())))
        .collect();
    tokio::time::sleep_until(from.into()).await;
    let before = processor_time(watched)?;
    tokio::time::sleep_until(until.into()).await;
    let mut tally = Tally {
        seconds: turn.span.as_secs_f64(),
        processor: processor_time(watched)?.saturating_sub(before),
        ..Tally::default()
    };
    for task in tasks {
        let (mut caller, timings) = timeout(PATIENCE, task).await???;
        caller.book()?;
        callers.push(caller);
        for timing in timings {
            tally.answered += u64::from((from..until).contains(&timing.done));
            if (from..until).contains(&timing.arrived) {
                tally.whole.push(timing.done - timing.arrived);
                tally.first_byte.push(timing.first_byte - timing.arrived);
            }
        }
    }
    Ok(tally)
}

/// Lets all callers sign, on as many threads as there are.
fn prepare(callers: &mut [Box<dyn Caller>], requests: usize) -> Result<()> {
    let threads = thread::available_parallelism()?.get();
    let share = callers.len().div_ceil(threads).max(1);
    tokio::task::block_in_place(|| {
        thread::scope(|scope| {
            let shares: Vec<_> = callers
                .chunks_mut(share)
                .map(|callers| {
                    scope.spawn(|| {
                        callers
                            .iter_mut()
                            .try_for_each(|caller| caller.prepare(requests))
                    })
                })
                .collect();
            shares.into_iter().try_for_each(|share| {
                share
                    .join()
                    .expect("nothing panics where payments are signed")
            })
        })
    })
}

type Connection = SendRequest<Full<Bytes>>;

/// Opens a connection.
///
/// # Errors
/// If nobody accepts it.
pub async fn connect(server: SocketAddr) -> Result<Connection> {
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Whoever waits for an answer is told when it breaks.
    tokio::spawn(connection);
    Ok(sender)
}

async fn call(
    mut connection: Connection,
    mut caller: Box<dyn Caller>,
    source: Source,
) -> Result<(Box<dyn Caller>, Vec<Timing>)> {
    let mut timings = Vec::new();
    while let Some(arrived) = source.next().await {
        let request = caller.request()?;
        connection.ready().await?;
        let response = connection.send_request(request).await?;
        let (answer, first_byte) = read(response).await?;
        let done = Instant::now();
        timings.push(Timing {
            arrived,
            first_byte: first_byte.unwrap_or(done),
            done,
        });
        caller.answered(answer)?;
    }
    Ok((caller, timings))
}

/// Reads an answer to its end, and says when the first byte of its body came.
///
/// # Errors
/// If it breaks off.
pub async fn read(response: hyper::Response<Incoming>) -> Result<(Answer, Option<Instant>)> {
    let (head, mut incoming) = response.into_parts();
    let (mut body, mut first_byte) = (Vec::new(), None);
    while let Some(frame) = incoming.frame().await {
        if let Ok(data) = frame?.into_data() {
            first_byte.get_or_insert_with(Instant::now);
            body.extend_from_slice(&data);
        }
    }
    let answer = Answer {
        status: head.status,
        headers: head.headers,
        body,
    };
    Ok((answer, first_byte))
}

/// Where connections get their next request from.
#[derive(Clone)]
enum Source {
    Endless { until: Instant },
    Arriving(Arc<Mutex<UnboundedReceiver<Instant>>>),
}

impl Source {
    fn new(arrivals: Arrivals, until: Instant) -> Self {
        let Arrivals::PerSecond(rate) = arrivals else {
            return Self::Endless { until };
        };
        let (sender, receiver) = unbounded_channel();
        // A thread, since the runtime's timers are a millisecond wide.
        thread::spawn(move || {
            let mut random = StdRng::from_entropy();
            let mut next = Instant::now();
            loop {
                let gap = -(1.0 - random.r#gen::<f64>()).ln() / rate;
                next += Duration::from_secs_f64(gap);
                if next >= until {
                    break;
                }
                thread::sleep(next.saturating_duration_since(Instant::now()));
                if sender.send(next).is_err() {
                    break;
                }
            }
        });
        Self::Arriving(Arc::new(Mutex::new(receiver)))
    }

    /// When the next request arrived; `None` if none comes any more.
    async fn next(&self) -> Option<Instant> {
        match self {
            Self::Endless { until } => Some(Instant::now()).filter(|now| now < until),
            Self::Arriving(arrivals) => arrivals.lock().await.recv().await,
        }
    }
}
