//! Builds payments and reads their outcomes without the client library, for the clients of trials and benchmarks.

use farthing_client::payer::SignedVoucher;
use farthing_wire::x402::{
    EscrowPayload, PAYMENT_RESPONSE, STREAM_RECEIPT_PREFIX, SettleResponse, X402_VERSION,
    decode_header, encode_header,
};
use reqwest::header::HeaderMap;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use solana_sdk::pubkey::Pubkey;

/// The scheme's payload for a voucher of a channel's lane.
#[must_use]
pub fn payload(channel: Pubkey, signed: &SignedVoucher) -> EscrowPayload {
    EscrowPayload::Voucher {
        channel,
        lane: signed.voucher.lane.0,
        generation: signed.voucher.generation.0,
        authorized: signed.voucher.authorized,
        signature: signed.signature,
    }
}

/// The payment header for an accepted offer. The offer is passed as JSON, so that it is serialised once for many
/// payments.
///
/// # Panics
/// Never: a payload is JSON.
#[must_use]
pub fn header(chosen: &RawValue, payload: &impl Serialize) -> String {
    let payload = to_raw_value(payload).expect("a payload is JSON");
    encode_header(&Payment {
        x402_version: X402_VERSION,
        payload: &payload,
        accepted: chosen,
    })
}

/// A `PaymentPayload` whose parts are already serialised to JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payment<'a> {
    x402_version: u8,
    payload: &'a RawValue,
    accepted: &'a RawValue,
}

/// A decoded header of an answer, if it is present and well formed.
#[must_use]
pub fn told<T: DeserializeOwned>(headers: &HeaderMap, name: &str) -> Option<T> {
    decode_header(headers.get(name)?.as_bytes()).ok()
}

/// The outcome of the payment, from the answer's headers.
#[must_use]
pub fn outcome(headers: &HeaderMap) -> Option<SettleResponse> {
    told(headers, PAYMENT_RESPONSE)
}

/// The receipt at the end of a stream, if its whole line has arrived.
#[must_use]
pub fn stream_receipt(stream: &[u8]) -> Option<SettleResponse> {
    let lines = stream.split_inclusive(|byte| *byte == b'\n');
    let encoded = lines
        .filter_map(|line| line.strip_suffix(b"\n"))
        .filter_map(|line| line.strip_prefix(STREAM_RECEIPT_PREFIX.as_bytes()))
        .next_back()?;
    decode_header(encoded).ok()
}

#[cfg(test)]
mod tests {
    use farthing_protocol::BaseUnits;
    use farthing_wire::x402::{PaymentState, ReceiptExtra};

    use super::*;

    fn receipt(charged: u64) -> SettleResponse {
        SettleResponse {
            success: true,
            error_reason: None,
            error_message: None,
            payer: None,
            transaction: String::new(),
            network: String::new(),
            amount: None,
            extra: Some(ReceiptExtra {
                state: PaymentState::Charged,
                charged: BaseUnits(charged),
                charged_total: BaseUnits(charged),
                reserved: BaseUnits::ZERO,
                authorized: BaseUnits(charged),
                deposit: BaseUnits(charged),
                receipt: None,
            }),
        }
    }

    #[test]
    fn a_receipt_counts_when_its_line_has_arrived() {
        let line = format!("{STREAM_RECEIPT_PREFIX}{}\n", encode_header(&receipt(7)));
        let stream = format!("data: [DONE]\n\n{line}\n");
        assert_eq!(stream_receipt(stream.as_bytes()), Some(receipt(7)));
        let end = stream.find(&line).expect("the line") + line.len();
        assert!(stream_receipt(&stream.as_bytes()[..end]).is_some());
        assert!(stream_receipt(&stream.as_bytes()[..end - 1]).is_none());
    }
}
