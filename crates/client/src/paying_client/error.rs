//! Why a request could not be paid, and what to do next.

use farthing_protocol::BaseUnits;
use farthing_wire::amount::Usdc;
use farthing_wire::causes::with_causes;
use farthing_wire::idempotency::{IdempotencyKey, PAYMENT_IDENTIFIER};
use farthing_wire::x402::{HeaderError, PAYMENT_REQUIRED, PaymentRequired, decode_header};
use serde_json::Value;

use super::budget::BudgetSpent;
use super::notary::DisputedReceipt;
use crate::payer::{PayerError, ReceiptError, ResynchroniseError};

/// Longest part of an unexpected answer that an error shows, in characters.
const MAX_SHOWN: usize = 500;
/// Longest body of a 402 that is read for its message, in bytes.
const MAX_REFUSAL_BODY: usize = 64 * 1024;

/// Why a request could not be paid.
#[derive(Debug, thiserror::Error)]
pub enum PayError {
    /// The client's configuration is invalid.
    #[error("{0}")]
    Configuration(String),
    /// The provider cannot be reached, or the connection broke.
    #[error("the provider cannot be reached: {0}; check the URL")]
    Transport(String),
    /// The connection broke, and retrying did not return the rest of the answer.
    #[error("the answer was lost: {reason}; {}", cost(*charged))]
    AnswerLost {
        /// What happened last.
        reason: String,
        /// The idempotency key of the request: a retry with this key is not charged again.
        key: IdempotencyKey,
        /// What the request cost, if the provider said so.
        charged: Option<BaseUnits>,
    },
    /// The lane cannot pay.
    #[error(transparent)]
    Lane(#[from] PayerError),
    /// None of the provider's offers meets this client's terms.
    #[error("the provider's terms differ from this client's: {0}")]
    Terms(String),
    /// The request may cost more than allowed.
    #[error(
        "the request may cost {} USDC, the limit is {} USDC: raise the limit or ask for less",
        Usdc(*maximum),
        Usdc(*limit)
    )]
    TooExpensive {
        /// The most that the request may cost.
        maximum: BaseUnits,
        /// The configured limit.
        limit: BaseUnits,
    },
    /// A budget does not cover the request.
    #[error(transparent)]
    Budget(#[from] BudgetSpent),
    /// The provider's price rose by more than it may.
    #[error(
        "the price of this request rose from {} to {} USDC, more than {factor} times: check the provider's prices, and \
         restart this client to accept them",
        Usdc(*before),
        Usdc(*now)
    )]
    PriceJumped {
        /// The earlier price.
        before: BaseUnits,
        /// The new price.
        now: BaseUnits,
        /// The factor by which a price may rise.
        factor: u32,
    },
    /// The provider refused the payment.
    #[error("the provider refused the payment ({code}): {message}")]
    Refused {
        /// The provider's code, in snake case.
        code: String,
        /// Its message.
        message: String,
    },
    /// The terms of a 402 cannot be read.
    #[error("the provider requires a payment, but its terms cannot be read: {0}")]
    UnreadableTerms(#[from] HeaderError),
    /// The provider's report of the lane's state is not trusted.
    #[error(transparent)]
    Resynchronise(#[from] ResynchroniseError),
    /// The provider's receipt is not trusted.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// The provider's signed receipt is invalid, or does not match its answer.
    #[error(transparent)]
    SignedReceipt(#[from] DisputedReceipt),
    /// The answer is too long to be read as a whole.
    #[error("the answer is longer than {0} bytes: read it as a stream")]
    AnswerTooLong(usize),
    /// The provider answered a query for its terms, its keys or the lane's state with something else.
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
        None => "the cost of the request is not known".to_owned(),
    }
}

impl PayError {
    /// The error for an unexpected answer.
    pub(super) fn unexpected(status: u16, body: &[u8]) -> Self {
        let body = String::from_utf8_lossy(body);
        Self::Unexpected {
            status,
            body: body.chars().take(MAX_SHOWN).collect(),
        }
    }

    /// Whether a query for a lane's state was answered that nobody has paid from its channel yet.
    pub(super) fn says_channel_unknown(&self) -> bool {
        matches!(self, Self::Unexpected { status: 404, body } if body.contains("\"channel_unknown\""))
    }

    /// A stable code of the error, in snake case; the provider's own code if it refused the payment.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Configuration(_) => "configuration",
            Self::Transport(_) => "provider_unreachable",
            Self::AnswerLost { .. } => "answer_lost",
            Self::Lane(_) => "lane_cannot_pay",
            Self::Terms(_) | Self::UnreadableTerms(_) => "terms",
            Self::TooExpensive { .. } => "too_expensive",
            Self::Budget(_) => "budget_spent",
            Self::PriceJumped { .. } => "price_jumped",
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

/// The content of a 402.
#[derive(Debug)]
pub(super) struct RefusedAttempt {
    pub(super) required: PaymentRequired,
    pub(super) code: String,
    message: String,
    /// Whether a retry with another voucher may succeed.
    pub(super) may_retry: bool,
}

impl RefusedAttempt {
    pub(super) async fn read(mut response: reqwest::Response) -> Result<Self, PayError> {
        let header = response
            .headers()
            .get(PAYMENT_REQUIRED)
            .map(|value| decode_header::<PaymentRequired>(value.as_bytes()));
        let mut body = Vec::new();
        // The header contains the terms; the body is read only for its message.
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

    /// Whether the provider says that it supports idempotency keys.
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
