//! Streams of server-sent events: every event is metered and passed on as soon as it is complete, and the receipt is
//! the last line.
//!
//! A stream that its source cuts off ends with an aborted connection after the receipt, so that no client takes the
//! part for the whole answer.

use std::io;
use std::panic::AssertUnwindSafe;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, Stream, StreamExt, stream};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::asking::Asking;
use super::bill::Bill;
use super::checkout::{Checkout, Place};
use super::event_stream::{Ending, receipt_line};
use super::replay::kept;
use crate::crash_point::CrashPoint;
use crate::http::error::ApiError;
use crate::metering::Metering;
use crate::metrics::{Counting, Outcome, RequestKind};

/// Maximum number of chunks that are buffered for a slow client; beyond it the service is not read further.
const CHUNKS_IN_FLIGHT: usize = 16;

/// Comment that is sent while the upstream is silent.
const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

/// Limits and handles that a stream needs.
struct Surroundings {
    idle_timeout: Duration,
    /// Time after which a silent stream gets a comment; zero sends none.
    keep_alive_interval: Duration,
    checkpoint_interval: Duration,
    /// Maximum length of a stream that is stored for idempotent retries, in bytes.
    max_stored_bytes: usize,
    /// Cancelled when the drain at shutdown has timed out.
    cut_off: CancellationToken,
    /// Counts the stream as a request in flight until it ends.
    place: Place,
}

/// Event that a client gets when the stream has used up what is reserved.
const RESERVE_SPENT: &str = concat!(
    "data: {\"error\":{\"code\":\"reserve_spent\",\"message\":\"the answer exceeds what was ",
    "requested and paid for: it ends here\",\"type\":\"server_error\",\"param\":null}}\n\n"
);

/// Passes an event stream on to the client. Nothing is sent before the reservation is durable.
pub(crate) async fn relay(
    checkout: &Checkout,
    response: Response,
    asked: RequestKind,
    mut bill: Bill,
    metering: Metering,
    place: Place,
    asking: Asking,
) -> Result<Response, ApiError> {
    let payment = bill.reserved().await?;
    let (mut head, body) = response.into_parts();
    let copy = bill.is_repeatable().then(|| Copy {
        status: head.status,
        headers: head.headers.clone(),
        body: Vec::new(),
    });
    payment.write_to(&mut head.headers);
    let (sender, receiver) = mpsc::channel(CHUNKS_IN_FLIGHT);
    let pump = Pump {
        source: body.into_data_stream(),
        bill,
        metering,
        line_is_open: false,
        copy,
        sender,
        counting: checkout.requests.begin(asked),
        asking,
        first_output: None,
        client_is_gone: false,
        surroundings: Surroundings {
            idle_timeout: checkout.limits.idle_timeout,
            keep_alive_interval: checkout.limits.keep_alive_interval,
            checkpoint_interval: checkout.limits.checkpoint_interval,
            max_stored_bytes: checkout.limits.max_stored_answer_bytes,
            cut_off: checkout.cut_off.clone(),
            place,
        },
    };
    checkout.tasks.spawn(pump.run());
    head.extensions.insert(Outcome::Streams);
    Ok(Response::from_parts(
        head,
        Body::from_stream(chunks(receiver)),
    ))
}

/// The body of the response. It is pending once before an error, so that the server flushes the preceding chunks.
fn chunks(
    mut receiver: mpsc::Receiver<io::Result<Bytes>>,
) -> impl Stream<Item = io::Result<Bytes>> {
    let mut held = None;
    stream::poll_fn(move |context| {
        if let Some(error) = held.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match receiver.poll_recv(context) {
            Poll::Ready(Some(Err(error))) => {
                held = Some(error);
                context.waker().wake_by_ref();
                Poll::Pending
            }
            other => other,
        }
    })
}

struct Pump {
    source: BodyDataStream,
    bill: Bill,
    metering: Metering,
    /// Whether the last byte that was passed on did not end a line.
    line_is_open: bool,
    /// Copy of what was passed on, unless it is too long to store or cannot be retried.
    copy: Option<Copy>,
    sender: mpsc::Sender<io::Result<Bytes>>,
    counting: Counting,
    asking: Asking,
    /// Time from the request to the first output.
    first_output: Option<Duration>,
    /// Whether the client has disconnected from a stream that is finished without it.
    client_is_gone: bool,
    surroundings: Surroundings,
}

/// Copy of the stream as it was passed on, to be stored for idempotent retries.
struct Copy {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Pump {
    async fn run(mut self) {
        let ending = self.pass_all().await;
        let produced = match ending {
            Ending::Complete => self.metering.complete(),
            Ending::ClientGone => self.metering.left(self.asking.estimate()),
            Ending::ReserveSpent => self.metering.stopped(),
            _ => self.metering.cut(),
        };
        if ending == Ending::Complete {
            self.asking.streamed(self.first_output, &produced);
        } else {
            tracing::info!(?ending, "stream ended early");
        }
        let spent = (ending == Ending::ReserveSpent)
            .then(|| self.keep(Bytes::from_static(RESERVE_SPENT.as_bytes())))
            .map(Ok);
        // Stops the service: the rest of its answer is not needed.
        drop(self.source);
        let answer = self.copy.map(|copy| {
            let is_whole = !ending.is_cut();
            kept(copy.status, &copy.headers, &copy.body, is_whole)
        });
        let served = self.bill.served();
        let last = match self.bill.settle(produced, answer).await {
            Ok(receipt) => {
                self.counting.ended(ending.outcome(served));
                receipt.map(|receipt| Ok(receipt_line(&receipt, self.line_is_open, ending)))
            }
            Err(failed) => {
                let outcome = Ending::StoreFailed.outcome(served);
                self.counting.ended(outcome);
                Some(Err(aborted(&failed.to_string())))
            }
        };
        let cut = ending
            .is_cut()
            .then(|| Err(aborted("the answer is incomplete")));
        for item in [spent, last, cut].into_iter().flatten() {
            // A client that disconnected or stopped reading misses its receipt; the charge is stored all the same.
            let _ = timeout(self.surroundings.idle_timeout, self.sender.send(item)).await;
        }
        CrashPoint::StreamReceiptPassed.pass();
        drop(self.surroundings.place);
    }

    /// Meters bytes of the service and returns those that are passed on.
    fn passing(&mut self, bytes: &Bytes) -> Bytes {
        let mut passing = BytesMut::new();
        for part in self.metering.feed(bytes) {
            passing.extend_from_slice(&part);
        }
        self.keep(passing.freeze())
    }

    /// Adds bytes to the copy for retries; drops the copy once it is too long.
    fn keep(&mut self, passing: Bytes) -> Bytes {
        let limit = self.surroundings.max_stored_bytes;
        self.copy = self
            .copy
            .take()
            .filter(|copy| copy.body.len() + passing.len() <= limit);
        if let Some(copy) = &mut self.copy {
            copy.body.extend_from_slice(&passing);
        }
        passing
    }

    async fn pass_all(&mut self) -> Ending {
        let mut ticks = tokio::time::interval(self.surroundings.checkpoint_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_byte_at = Instant::now();
        let mut last_passed_at = last_byte_at;
        self.bill.if_dropped(&self.metering.begun());
        let keep_alive = self.surroundings.keep_alive_interval;
        loop {
            let silent_at = last_passed_at + keep_alive;
            let may_interject = !keep_alive.is_zero()
                && !self.line_is_open
                && !self.client_is_gone
                && self.metering.is_between_events();
            let deadline = last_byte_at + self.surroundings.idle_timeout;
            let chunk = tokio::select! {
                () = self.sender.closed(), if !self.client_is_gone => {
                    if !self.asking.finishes_alone() {
                        return Ending::ClientGone;
                    }
                    self.client_is_gone = true;
                    continue;
                }
                () = sleep_until(silent_at), if may_interject => {
                    last_passed_at = Instant::now();
                    let comment = self.keep(Bytes::from_static(KEEP_ALIVE));
                    if !self.pass(comment).await {
                        return Ending::ClientGone;
                    }
                    continue;
                }
                () = self.surroundings.cut_off.cancelled() => return Ending::ShuttingDown,
                _ = ticks.tick() => {
                    if self.bill.store_has_failed() {
                        return Ending::StoreFailed;
                    }
                    // Not waited for: the next checkpoint follows after an interval, and the queue keeps the order.
                    drop(self.bill.checkpoint());
                    CrashPoint::StreamCheckpointed.pass();
                    continue;
                }
                chunk = timeout_at(deadline, AssertUnwindSafe(self.source.next()).catch_unwind()) => chunk,
            };
            let bytes = match chunk {
                Ok(Ok(Some(Ok(bytes)))) => bytes,
                Ok(Ok(None)) => {
                    let rest = self.metering.rest();
                    let rest = self.keep(rest);
                    let passed = rest.is_empty() || self.pass(rest).await;
                    return if passed {
                        Ending::Complete
                    } else {
                        Ending::ClientGone
                    };
                }
                // The service's stream failed or panicked.
                Ok(Ok(Some(Err(_))) | Err(_)) => return Ending::SourceCut,
                Err(_) => return Ending::SourceTimeout,
            };
            last_byte_at = Instant::now();
            let bytes = self.passing(&bytes);
            if self.first_output.is_none() && self.metering.has_begun() {
                self.first_output = Some(self.asking.elapsed());
            }
            if bytes.is_empty() {
                continue;
            }
            last_passed_at = last_byte_at;
            self.bill.if_dropped(&self.metering.stopped());
            if !self.pass(bytes).await {
                return Ending::ClientGone;
            }
            if self.metering.is_spent() {
                return Ending::ReserveSpent;
            }
        }
    }

    /// Sends bytes to the client. `false` if it disconnected or stopped reading, unless the stream is finished without
    /// it.
    async fn pass(&mut self, bytes: Bytes) -> bool {
        self.line_is_open = !bytes.ends_with(b"\n");
        if self.client_is_gone {
            return true;
        }
        let passed = timeout(self.surroundings.idle_timeout, self.sender.send(Ok(bytes)));
        let has_passed = matches!(passed.await, Ok(Ok(())));
        self.client_is_gone = !has_passed && self.asking.finishes_alone();
        has_passed || self.client_is_gone
    }
}

fn aborted(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, reason)
}
