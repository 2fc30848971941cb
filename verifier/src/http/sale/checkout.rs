//! The checkout: reads every request that is sold or given away, and collects its payment. Serving the request is the
//! service's task.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{OriginalUri, Request};
use axum::http::header::{CONTENT_LENGTH, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use bytes::Bytes;
use farthing_wire::x402::PaymentPayload;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::http::error::ApiError;
use crate::http::x402::challenge::{self, Resource};
use crate::http::x402::idempotency;
use crate::metering::Paces;
use crate::metrics::Requests;
use crate::payment::{Admission, ClientKey, Payments};
use crate::ports::Clock;
use crate::prices::Quoted;
use crate::receipts::Issuer;

/// The state that all sales share.
#[derive(Debug)]
pub(crate) struct Checkout {
    pub(crate) payments: Payments,
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: CheckoutLimits,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) requests: Arc<Requests>,
    /// How fast models answer.
    pub(crate) paces: Arc<Paces>,
    pub(crate) public_url: Option<String>,
    /// Cancelled when the drain begins: no new request is served from then on.
    pub(crate) draining: CancellationToken,
    /// Cancelled when the drain has timed out: requests still in flight are cut off.
    pub(crate) cut_off: CancellationToken,
    /// Tracks the requests in flight, and tasks that continue after their request was answered.
    pub(crate) tasks: TaskTracker,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct CheckoutLimits {
    /// Maximum length of the body of a request with a payment.
    pub(crate) max_body_bytes: usize,
    /// Maximum length of the body of a request without one.
    pub(crate) max_unpaid_body_bytes: usize,
    pub(crate) body_timeout: Duration,
    /// Maximum length of an answer that is not a stream.
    pub(crate) max_answer_bytes: usize,
    /// Maximum time for which an answer may pause, and for which a client may stop reading one.
    pub(crate) idle_timeout: Duration,
    /// Time after which a silent stream gets a comment; zero sends none.
    pub(crate) keep_alive_interval: Duration,
    pub(crate) checkpoint_interval: Duration,
    /// Maximum length of an answer that is stored for idempotent retries.
    pub(crate) max_stored_answer_bytes: usize,
}

/// Counts a request as in flight until this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    _in_flight: TaskTrackerToken,
}

/// A request whose body was read completely. Nothing was changed for it yet.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) head: Parts,
    pub(crate) body: Bytes,
    pub(crate) place: Place,
    payment: Option<BroughtPayment>,
}

/// The well-formed payment of a request.
#[derive(Debug)]
struct BroughtPayment {
    payload: PaymentPayload,
    /// Digest of the request.
    request_digest: [u8; 32],
    key: Option<ClientKey>,
}

impl Checkout {
    /// Reads a request completely.
    ///
    /// # Errors
    /// [`ApiError`] if too many requests are in flight, reading the body times out, or the payment is malformed.
    pub(crate) async fn take_in(&self, request: Request) -> Result<Arrived, ApiError> {
        let place = self.place()?;
        let (head, body) = request.into_parts();
        let payload = challenge::payment(&head.headers)?;
        let body = self
            .read_body(&head.headers, body, payload.is_some())
            .await?;
        // The digest is only needed for paid requests.
        let payment = payload
            .map(|payload| {
                let digest = idempotency::digest(&head.method, original_uri(&head), &body);
                let key = idempotency::client_key(&head.headers, &payload, digest)?;
                Ok::<_, ApiError>(BroughtPayment {
                    payload,
                    request_digest: digest,
                    key,
                })
            })
            .transpose()?;
        Ok(Arrived {
            head,
            body,
            place,
            payment,
        })
    }

    /// Counts a new request as in flight; fails once the drain has begun.
    pub(crate) fn place(&self) -> Result<Place, ApiError> {
        // Counted before the check for a drain, so that a drain either waits for this request or refuses it.
        let in_flight = self.tasks.token();
        if self.draining.is_cancelled() {
            return Err(ApiError::shutting_down());
        }
        self.place_counted(in_flight)
    }

    /// Counts a request as in flight even during a drain, for requests that complete something which began before it.
    pub(crate) fn place_to_end(&self) -> Result<Place, ApiError> {
        self.place_counted(self.tasks.token())
    }

    fn place_counted(&self, in_flight: TaskTrackerToken) -> Result<Place, ApiError> {
        let permit = Arc::clone(&self.permits).try_acquire_owned();
        Ok(Place {
            _permit: permit.map_err(|_| ApiError::overloaded())?,
            _in_flight: in_flight,
        })
    }

    /// Accepts the request's payment for one of the quotes.
    ///
    /// # Errors
    /// [`ApiError`] if the payment is refused, or a 402 if there is none; nothing was changed.
    pub(crate) async fn collect<Q: Quoted>(
        &self,
        arrived: &Arrived,
        quotes: &[Q],
    ) -> Result<Admission, ApiError> {
        let resource = || Resource {
            method: arrived.head.method.clone(),
            url: self.url_of(&arrived.head),
        };
        let Some(payment) = &arrived.payment else {
            return Err(challenge::required(&self.payments, quotes, resource()));
        };
        let accepting = self.payments.accept(
            &payment.payload,
            payment.request_digest,
            payment.key.as_ref(),
            quotes,
        );
        accepting
            .await
            .map_err(|refused| challenge::refused(&self.payments, quotes, resource(), &refused))
    }

    pub(crate) async fn read_body(
        &self,
        headers: &HeaderMap,
        body: Body,
        is_paid: bool,
    ) -> Result<Bytes, ApiError> {
        let limits = self.limits;
        let (limit, too_large): (usize, fn(usize) -> ApiError) = if is_paid {
            (limits.max_body_bytes, ApiError::body_too_large)
        } else {
            let limit = limits.max_unpaid_body_bytes.min(limits.max_body_bytes);
            (limit, ApiError::unpaid_body_too_large)
        };
        let announced = headers
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok())
            .and_then(|length| length.parse::<usize>().ok());
        if announced.is_some_and(|length| length > limit) {
            return Err(too_large(limit));
        }
        let reading = Limited::new(body, limit).collect();
        match tokio::time::timeout(limits.body_timeout, reading).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(limit)),
            // Usually the client has disconnected, so that it sees no answer anyway.
            Ok(Err(_)) => Err(ApiError::body_malformed()),
            Err(_) => Err(ApiError::body_incomplete()),
        }
    }

    fn url_of(&self, head: &Parts) -> String {
        self.url(&head.headers, original_uri(head).path())
    }

    /// The URL under which clients reach a path.
    pub(crate) fn url(&self, headers: &HeaderMap, path: &str) -> String {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        match (&self.public_url, host) {
            (Some(base), _) => format!("{}{path}", base.trim_end_matches('/')),
            (None, Some(host)) => format!("http://{host}{path}"),
            (None, None) => path.to_owned(),
        }
    }
}

/// The URI as the client sent it: a nested router sees only a part of the path in `Parts::uri`.
pub(crate) fn original_uri(head: &Parts) -> &Uri {
    let original = head.extensions.get::<OriginalUri>();
    original.map_or(&head.uri, |OriginalUri(uri)| uri)
}
