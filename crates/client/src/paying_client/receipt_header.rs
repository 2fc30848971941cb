//! The receipt in the header of an answer.

use farthing_wire::x402::{PAYMENT_RESPONSE, ReceiptExtra, SettleResponse, decode_header};
use reqwest::header::HeaderMap;

/// What the header says of the payment, if it is there and readable.
pub(super) fn receipt_header(headers: &HeaderMap) -> Option<ReceiptExtra> {
    let value = headers.get(PAYMENT_RESPONSE)?;
    let response: SettleResponse = decode_header(value.as_bytes()).ok()?;
    response.extra
}
