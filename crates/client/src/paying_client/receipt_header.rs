//! The receipt in the header of an answer.

use farthing_wire::x402::{PAYMENT_RESPONSE, ReceiptExtra, SettleResponse, decode_header};
use reqwest::header::HeaderMap;

/// The payment's outcome from the header, if the header is present and readable.
pub(super) fn receipt_header(headers: &HeaderMap) -> Option<ReceiptExtra> {
    let value = headers.get(PAYMENT_RESPONSE)?;
    let response: SettleResponse = decode_header(value.as_bytes()).ok()?;
    response.extra
}
