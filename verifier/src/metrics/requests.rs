//! What became of requests, and how whoever serves them keeps up.
//!
//! What is served is counted without a lock and without an allocation. A refusal looks its counter up.

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

/// Where answers are counted, by what it took to begin them: from a cache to a queue.
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

/// What a request asks for. Of routes there is one, because whatever has a price with a star, and every path of an
/// application, is for strangers to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A model, at one of its endpoints.
    Model(Endpoint),
    /// A plain route, or a handler of an application.
    Route,
    /// What a server asks that sells by itself.
    Facilitator,
}

impl Asked {
    /// Of what is served here.
    const SERVED: usize = Endpoint::ALL.len() + 1;

    fn all_served() -> [Self; Self::SERVED] {
        std::array::from_fn(|index| {
            Endpoint::ALL
                .get(index)
                .copied()
                .map_or(Self::Route, Self::Model)
        })
    }

    /// Its place among what is served here.
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

/// How a request ended. Answers carry it as an extension, until they are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Served(Served),
    /// With an error of ours, by its code; or with what was done for another server.
    Named(&'static str),
    /// Not yet: it is a stream, which is counted when it ends.
    Streams,
}

/// How a request ended that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Served {
    /// For a payment.
    Paid,
    /// For nothing.
    Free,
    /// As the first time.
    Replayed,
    /// With an error of the service's own, which costs nothing.
    UpstreamError,
    /// Not to its end, because the client went away.
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

/// Both are words of this program: the path of an endpoint, `route` or `facilitator`; an outcome's name, or an error's
/// code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    endpoint: &'static str,
    outcome: &'static str,
}

/// The requests since the start.
#[derive(Debug)]
pub(crate) struct Requests {
    ended: Family<Labels, Counter>,
    /// Those of `ended` that need not be looked up: by what was asked for, then by how it was served.
    served: [[Counter; Served::ALL.len()]; Asked::SERVED],
    input_tokens: Counter,
    output_tokens: Counter,
    first_byte: Histogram,
}

impl Default for Requests {
    fn default() -> Self {
        let ended = Family::<Labels, Counter>::default();
        let served = Asked::all_served().map(|asked| {
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
    /// Counts a request when it ends, however it does.
    pub(crate) fn begin(self: &Arc<Self>, asked: Asked) -> Counting {
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

    /// Counts what the service took to begin an answer.
    pub(crate) fn answered_after(&self, duration: Duration) {
        self.first_byte.observe(duration);
    }

    fn count(&self, asked: Asked, outcome: Outcome) {
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

/// A request that is counted once. Dropped before its end, it is one whose client went away.
#[derive(Debug)]
pub(crate) struct Counting {
    requests: Arc<Requests>,
    asked: Asked,
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
        let help = "Requests by endpoint and by how they ended: served as named here, or refused, or cut off, with \
                    the error of that code";
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
        let help = "Requests in flight, streams and those that are not paid for included";
        page.gauge("requests_in_flight", help, None, in_flight)?;
        let tokens = [
            ("input", requests.input_tokens.get()),
            ("output", requests.output_tokens.get()),
        ];
        let help = "Tokens that were charged for";
        page.counters("tokens", help, "direction", tokens)?;
        let help = "Time until the upstream, or the application's handler, began its answer";
        page.histogram("upstream_first_byte", help, &requests.first_byte)
    }
}
