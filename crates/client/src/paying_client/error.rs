//! Why a request could not be paid, and what to do next.

use farthing_protocol::BaseUnits;
use farthing_wire::amount::Usdc;
use farthing_wire::causes::with_causes;
use farthing_wire::idempotency::{IdempotencyKey, PAYMENT_IDENTIFIER};
use farthing_wire::x402::{HeaderError, PAYMENT_REQUIRED, PaymentRequired, decode_header};
use serde_json::Value;

use super::notary::DisputedReceipt;
use crate::payer::{PayerError, ReceiptError, ResynchroniseError};

/// Longest part of an unexpected answer that an error shows, in characters.
const MAX_SHOWN: usize = 500;
/// Longest body of a 402 that is read for its message, in bytes.
const MAX_REFUSAL_BODY: usize = 64 * 1024;

/// Why a request could not be paid.
#[derive(Debug, thiserror::Error)]
pub enum PayError {
    /// The client was set up with what cannot be.
    #[error("{0}")]
    Configuration(String),
    /// The provider cannot be reached or broke off.
    #[error("the provider cannot be reached: {0}; check the URL")]
    Transport(String),
    /// The connection broke, and asking again did not bring the rest of the answer.
    #[error("the answer was lost: {reason}; {}", cost(*charged))]
    AnswerLost {
        /// What happened last.
        reason: String,
        /// The key by which the provider knows the request: asked again with it, it is not charged again.
        key: IdempotencyKey,
        /// What the request cost, if the provider said so.
        charged: Option<BaseUnits>,
    },
    /// The lane cannot pay.
    #[error(transparent)]
    Lane(#[from] PayerError),
    /// None of the provider's offers is on this client's terms.
    #[error("the provider's terms differ from this client's: {0}")]
    Terms(String),
    /// The request may cost more than allowed.
    #[error(
        "the request may cost {} USDC, the limit is {} USDC: raise the limit or ask for less",
        Usdc(*maximum),
        Usdc(*limit)
    )]
    TooExpensive {
        /// What it may cost.
        maximum: BaseUnits,
        /// What it may cost at most.
        limit: BaseUnits,
    },
    /// The provider refused the payment.
    #[error("the provider refused the payment ({code}): {message}")]
    Refused {
        /// The provider's code, in snake case.
        code: String,
        /// Its message.
        message: String,
    },
    /// A 402 without readable terms.
    #[error("the provider asks for payment without readable terms: {0}")]
    UnreadableTerms(#[from] HeaderError),
    /// The provider's state of the lane is not believed.
    #[error(transparent)]
    Resynchronise(#[from] ResynchroniseError),
    /// The provider's receipt is not believed.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// What the provider signed is not what it says.
    #[error(transparent)]
    SignedReceipt(#[from] DisputedReceipt),
    /// An answer longer than is kept.
    #[error("the answer is longer than {0} bytes: read it as a stream")]
    AnswerTooLong(usize),
    /// The provider answered a request for its price or its keys with something else.
    #[error("the provider answered {status}: {body}")]
    Unexpected {
        /// HTTP status.
        status: u16,
        /// The beginning of the body.
        body: String,
    },
}

fn cost(charged: Option<BaseUnits>) -> String {
    match charged {
        Some(charged) => format!("the request cost {} USDC", Usdc(charged)),
        None => "what the request cost is not known".to_owned(),
    }
}

impl PayError {
    /// The error that an answer is none that was expected.
    pub(super) fn unexpected(status: u16, body: &[u8]) -> Self {
        let body = String::from_utf8_lossy(body);
        Self::Unexpected {
            status,
            body: body.chars().take(MAX_SHOWN).collect(),
        }
    }

    /// Stable, in snake case; a provider's own code if it refused the payment.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Configuration(_) => "configuration",
            Self::Transport(_) => "provider_unreachable",
            Self::AnswerLost { .. } => "answer_lost",
            Self::Lane(_) => "lane_cannot_pay",
            Self::Terms(_) | Self::UnreadableTerms(_) => "terms",
            Self::TooExpensive { .. } => "too_expensive",
            Self::Refused { code, .. } => code,
            Self::Resynchronise(_) => "state_not_trusted",
            Self::Receipt(_) | Self::SignedReceipt(_) => "receipt_disputed",
            Self::AnswerTooLong(_) => "answer_too_long",
            Self::Unexpected { .. } => "unexpected_answer",
        }
    }

    pub(super) fn transport(error: reqwest::Error) -> Self {
        Self::Transport(Self::describe(error))
    }

    /// A transport error with its causes: the outermost message alone says nothing.
    pub(super) fn describe(error: reqwest::Error) -> String {
        with_causes(&error.without_url())
    }
}

/// A 402.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) required: PaymentRequired,
    pub(super) code: String,
    message: String,
    /// Whether another voucher may do.
    pub(super) may_retry: bool,
}

impl Refusal {
    pub(super) async fn read(mut response: reqwest::Response) -> Result<Self, PayError> {
        let header = response
            .headers()
            .get(PAYMENT_REQUIRED)
            .map(|value| decode_header::<PaymentRequired>(value.as_bytes()));
        let mut body = Vec::new();
        // The header says all; the body is for people.
        while let Ok(Some(chunk)) = response.chunk().await {
            if body.len() + chunk.len() > MAX_REFUSAL_BODY {
                break;
            }
            body.extend_from_slice(&chunk);
        }
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let message = body
            .pointer("/error/message")
            .and_then(Value::as_str)
            .unwrap_or("no reason given")
            .to_owned();
        let Some(required) = header else {
            return Err(PayError::Terms(format!(
                "it sent no {PAYMENT_REQUIRED} header ({message})"
            )));
        };
        let required = required?;
        Ok(Self {
            code: required
                .error
                .clone()
                .unwrap_or_else(|| "payment_required".to_owned()),
            required,
            message,
            may_retry: false,
        })
    }

    /// Whether the provider says that it knows a key again.
    pub(super) fn knows_keys(&self) -> bool {
        let extensions = self.required.extensions.as_ref();
        extensions.is_some_and(|extensions| extensions.get(PAYMENT_IDENTIFIER).is_some())
    }

    pub(super) fn into_error(self) -> PayError {
        PayError::Refused {
            code: self.code,
            message: self.message,
        }
    }
}
