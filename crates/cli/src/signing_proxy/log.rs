//! What is told of each request: never its text, its key or its payment.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use axum::http::Uri;
use farthing_client::paying_client::Receipt;
use farthing_protocol::BaseUnits;
use farthing_wire::amount::Usdc;
use farthing_wire::pricing::{RequestBody, model_of};
use farthing_wire::receipt::Sold;
use serde::Serialize;

/// Most characters of a model's name or a path that are told.
const MAX_SHOWN: usize = 200;

/// Is told about every request that was sent to the provider, and has ended.
pub trait RequestLog: fmt::Debug + Send + Sync {
    /// Such a request has ended.
    fn served(&self, served: &Served);
}

/// A request that has ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Served {
    event: &'static str,
    /// The lane's name, if the proxy has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<String>,
    /// The model, or the path of another route.
    what: String,
    /// HTTP status.
    status: u16,
    /// Input and output tokens, as the receipt says.
    #[serde(skip_serializing_if = "Option::is_none")]
    input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens: Option<u64>,
    /// What it cost, in base units; missing if that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    charged: Option<u64>,
    milliseconds: u64,
}

impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(lane) = &self.lane {
            write!(f, "{lane} ")?;
        }
        write!(f, "{} {}", self.what, self.status)?;
        if let (Some(input), Some(output)) = (self.input_tokens, self.output_tokens) {
            write!(f, ", {input} + {output} tokens")?;
        }
        match self.charged {
            Some(charged) => write!(f, ", {} USDC", Usdc(BaseUnits(charged)))?,
            None => f.write_str(", no receipt")?,
        }
        write!(f, ", {} ms", self.milliseconds)
    }
}

/// A request, as far as it is told.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    lane: Arc<str>,
    what: Arc<str>,
    since: Instant,
}

impl Asked {
    /// A request of a lane; `of_model` is the body of one to a model.
    pub(super) fn new(lane: Arc<str>, uri: &Uri, of_model: Option<&axum::body::Bytes>) -> Self {
        let model = of_model.and_then(|body| {
            let body = RequestBody::parse(body.clone()).ok()?;
            model_of(&body).ok().map(str::to_owned)
        });
        // A client chooses it, and it must not write lines of its own.
        let what = model.unwrap_or_else(|| uri.path().to_owned());
        let what: String = what
            .chars()
            .filter(|character| !character.is_control())
            .take(MAX_SHOWN)
            .collect();
        Self {
            lane,
            what: what.into(),
            since: Instant::now(),
        }
    }

    pub(super) fn served(&self, status: u16, receipt: Option<&Receipt>) -> Served {
        let signed = receipt.and_then(|receipt| receipt.signed.as_ref());
        let usage = signed.and_then(|signed| match &signed.claims.sold {
            Some(Sold::Tokens(sold)) => Some(sold.usage),
            _ => None,
        });
        let milliseconds = self.since.elapsed().as_millis();
        Served {
            event: "request",
            lane: (!self.lane.is_empty()).then(|| self.lane.to_string()),
            what: self.what.to_string(),
            status,
            input_tokens: usage.map(|usage| usage.input_tokens),
            output_tokens: usage.map(|usage| usage.output_tokens),
            charged: receipt.map(|receipt| receipt.charged.0),
            milliseconds: u64::try_from(milliseconds).unwrap_or(u64::MAX),
        }
    }
}
