//! The headers `PAYMENT-REQUIRED` and `PAYMENT-RESPONSE` of an answer.

use axum::http::{HeaderMap, HeaderValue};
use farthing_wire::x402::{PAYMENT_RESPONSE, SettleResponse};

use super::payment_required::{PaymentRequiredAnswer, base64_header};

/// The payment headers of an answer.
#[derive(Debug, Default)]
pub(crate) struct PaymentHeaders {
    /// The payment that a 402 asks for; `None` for other answers.
    pub(crate) required: Option<PaymentRequiredAnswer>,
    response: Option<HeaderValue>,
}

impl PaymentHeaders {
    pub(crate) fn receipt(receipt: &SettleResponse) -> Self {
        Self {
            required: None,
            response: Some(base64_header(receipt)),
        }
    }

    /// Sets the `PAYMENT-RESPONSE` header of a refused payment.
    pub(crate) fn refuse(&mut self, refusal: &SettleResponse) {
        self.response = Some(base64_header(refusal));
    }

    pub(crate) fn write_to(self, headers: &mut HeaderMap) {
        if let Some(required) = &self.required {
            required.write_to(headers);
        }
        if let Some(response) = self.response {
            headers.insert(PAYMENT_RESPONSE, response);
        }
    }
}
