//! Metrics of requests: their outcomes, the requests in flight, the charged tokens, and the time to the first byte.
//!
//! Served requests are counted without a lock and without an allocation. The counter of an error is looked up by its
//! code.

use std::sync::Arc;
use std::time::Duration;

use farthing_wire::pricing::Endpoint;
use farthing_wire::receipt::CountedUsage;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tokio::sync::Semaphore;

use super::page::Page;
use crate::histogram::Histogram;

/// Buckets of the time to the first byte, from answers of a cache to those that wait in a queue.
const FIRST_BYTE_BOUNDS: &[Duration] = &[
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(120),
];

/// What a request asks for, as a label value. All plain routes share one value, because clients choose the paths of
/// routes with wildcards and of applications, and could create any number of labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestKind {
    /// A model, at one of its endpoints.
    Model(Endpoint),
    /// A plain route, or a handler of an application.
    Route,
    /// A facilitator request of another server.
    Facilitator,
}

impl RequestKind {
    /// Number of label values for requests that are served here.
    const SERVED: usize = Endpoint::ALL.len() + 1;

    fn all_served() -> [Self; Self::SERVED] {
        std::array::from_fn(|index| {
            Endpoint::ALL
                .get(index)
                .copied()
                .map_or(Self::Route, Self::Model)
        })
    }

    /// Index among the label values for requests that are served here.
    const fn index(self) -> Option<usize> {
        match self {
            Self::Model(endpoint) => Some(endpoint as usize),
            Self::Route => Some(Endpoint::ALL.len()),
            Self::Facilitator => None,
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Model(endpoint) => endpoint.path(),
            Self::Route => "route",
            Self::Facilitator => "facilitator",
        }
    }
}

/// The outcome of a request. A response carries it as an extension until it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Served(Served),
    /// Ended with an error that this server made, named by its code; or completed for another server (`verified`,
    /// `settled`).
    Named(&'static str),
    /// Not ended yet: the answer is a stream, which is counted when it ends.
    Streams,
}

/// The outcome of a request that was served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Served {
    /// Served for a payment.
    Paid,
    /// Served for free.
    Free,
    /// Answered with the stored answer of an earlier request.
    Replayed,
    /// Answered with an error of the service, which is not charged.
    UpstreamError,
    /// Not completed, because the client disconnected.
    ClientGone,
}

impl Served {
    const ALL: [Self; 5] = [
        Self::Paid,
        Self::Free,
        Self::Replayed,
        Self::UpstreamError,
        Self::ClientGone,
    ];

    const fn outcome(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Free => "free",
            Self::Replayed => "replayed",
            Self::UpstreamError => "upstream_error",
            Self::ClientGone => "client_gone",
        }
    }
}

/// Labels of the request counter. The endpoint is the path of a model endpoint, `route` or `facilitator`; the outcome
/// is the name of an outcome or an error code. None of them comes from a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    endpoint: &'static str,
    outcome: &'static str,
}

/// Counters of all requests since the start.
#[derive(Debug)]
pub(crate) struct Requests {
    ended: Family<Labels, Counter>,
    /// Counters of `ended` for served requests, which need no lookup: indexed by [`RequestKind`], then by [`Served`].
    served: [[Counter; Served::ALL.len()]; RequestKind::SERVED],
    input_tokens: Counter,
    output_tokens: Counter,
    first_byte: Histogram,
}

impl Default for Requests {
    fn default() -> Self {
        let ended = Family::<Labels, Counter>::default();
        let served = RequestKind::all_served().map(|asked| {
            Served::ALL.map(|served| {
                ended.get_or_create_owned(&Labels {
                    endpoint: asked.label(),
                    outcome: served.outcome(),
                })
            })
        });
        Self {
            ended,
            served,
            input_tokens: Counter::default(),
            output_tokens: Counter::default(),
            first_byte: Histogram::new(FIRST_BYTE_BOUNDS),
        }
    }
}

impl Requests {
    /// Begins to count a request; it is counted when it ends or when the result is dropped.
    pub(crate) fn begin(self: &Arc<Self>, asked: RequestKind) -> Counting {
        Counting {
            requests: Arc::clone(self),
            asked,
            ended: false,
        }
    }

    /// Counts the tokens that were charged for.
    pub(crate) fn charged(&self, usage: &CountedUsage) {
        self.input_tokens.inc_by(usage.input_tokens);
        self.output_tokens.inc_by(usage.output_tokens);
    }

    /// Records the time that the service took to begin an answer.
    pub(crate) fn answered_after(&self, duration: Duration) {
        self.first_byte.observe(duration);
    }

    fn count(&self, asked: RequestKind, outcome: Outcome) {
        let name = match (asked.index(), outcome) {
            (_, Outcome::Streams) => return,
            (Some(index), Outcome::Served(served)) => {
                self.served[index][served as usize].inc();
                return;
            }
            (None, Outcome::Served(served)) => served.outcome(),
            (_, Outcome::Named(name)) => name,
        };
        let labels = Labels {
            endpoint: asked.label(),
            outcome: name,
        };
        self.ended.get_or_create(&labels).inc();
    }
}

/// Counts a request once. If it is dropped before [`Self::ended`], the request is counted as disconnected by its
/// client.
#[derive(Debug)]
pub(crate) struct Counting {
    requests: Arc<Requests>,
    asked: RequestKind,
    ended: bool,
}

impl Counting {
    pub(crate) fn ended(mut self, outcome: Outcome) {
        self.ended = true;
        self.requests.count(self.asked, outcome);
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        if !self.ended {
            let outcome = Outcome::Served(Served::ClientGone);
            self.requests.count(self.asked, outcome);
        }
    }
}

#[derive(Debug)]
pub(super) struct RequestsCollector {
    pub(super) requests: Arc<Requests>,
    pub(super) permits: Arc<Semaphore>,
    pub(super) max_requests: usize,
}

impl Collector for RequestsCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let requests = &self.requests;
        let help = "Requests by endpoint and outcome: paid, free, replayed, upstream_error, client_gone, \
                    verified, settled, or the code of the error that ended them";
        let ended = encoder.encode_descriptor(
            "requests",
            help,
            None,
            <Family<Labels, Counter> as TypedMetric>::TYPE,
        )?;
        requests.ended.encode(ended)?;
        let mut page = Page::new(encoder);
        let in_flight = self
            .max_requests
            .saturating_sub(self.permits.available_permits());
        let help = "Requests in flight, including streams and free requests";
        page.gauge("requests_in_flight", help, None, in_flight)?;
        let tokens = [
            ("input", requests.input_tokens.get()),
            ("output", requests.output_tokens.get()),
        ];
        let help = "Tokens that were charged, by direction";
        page.counters("tokens", help, "direction", tokens)?;
        let help = "Time until the upstream or the application's handler began its answer";
        page.histogram("upstream_first_byte", help, &requests.first_byte)
    }
}
