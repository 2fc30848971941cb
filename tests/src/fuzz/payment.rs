//! Fuzz target for the x402 headers, which a verifier reads from clients and a client reads from a provider.
//!
//! Every input is read or refused with a printable error. A header that is read has a single base64 encoding, and its
//! value is written and read again as the same value, including the parts that belong to the scheme.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use farthing_wire::x402::{
    EscrowExtra, EscrowPayload, HeaderError, MAX_HEADER_LENGTH, PaymentPayload, PaymentRequired,
    PaymentRequirements, SettleResponse, decode_header, encode_header,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Set in the first byte if the rest is a header as it arrives, and not the JSON inside.
pub const ENCODED: u8 = 0x80;

/// The headers by the first byte's other bits.
pub const HEADERS: [&str; 3] = ["signature", "required", "response"];

/// The first byte says which header it is and whether it is encoded.
///
/// # Panics
/// If a property is violated.
pub fn run(data: &[u8]) {
    let Some((&selector, data)) = data.split_first() else {
        return;
    };
    let header = if selector & ENCODED == 0 {
        STANDARD.encode(data).into_bytes()
    } else {
        data.to_vec()
    };
    match HEADERS[usize::from(selector & !ENCODED) % HEADERS.len()] {
        "signature" => {
            if let Some(payment) = read::<PaymentPayload>(&header) {
                same_again::<EscrowPayload>(&payment.payload);
                requirements(&payment.accepted);
            }
        }
        "required" => {
            if let Some(required) = read::<PaymentRequired>(&header) {
                required.accepts.iter().for_each(requirements);
            }
        }
        _ => {
            read::<SettleResponse>(&header);
        }
    }
}

fn read<T: DeserializeOwned + Serialize>(header: &[u8]) -> Option<T> {
    let read: T = match decode_header(header) {
        Ok(read) => read,
        Err(error) => {
            let is_long = header.len() > MAX_HEADER_LENGTH;
            assert_eq!(is_long, matches!(error, HeaderError::TooLong), "{error}");
            return None;
        }
    };
    let json = STANDARD.decode(header).expect("it was decoded before");
    assert_eq!(STANDARD.encode(json).as_bytes(), header);
    let written = encode_header(&read);
    // Escapes and defaults can make it longer than what may be read.
    if written.len() <= MAX_HEADER_LENGTH {
        let again: T = decode_header(written.as_bytes()).expect("what is written can be read");
        assert_eq!(comparable(&again), comparable(&read));
    }
    Some(read)
}

fn requirements(requirements: &PaymentRequirements) {
    let read = requirements.escrow_extra();
    assert_eq!(
        read.is_ok(),
        same_again::<EscrowExtra>(&requirements.extra).is_some()
    );
}

/// What of a value belongs to the scheme, if anything does.
fn same_again<T: DeserializeOwned + Serialize>(value: &Value) -> Option<T> {
    let read: T = serde_json::from_value(value.clone()).ok()?;
    let written = serde_json::to_value(&read).expect("envelope types serialise to JSON");
    let again: T = serde_json::from_value(written).expect("what is written can be read");
    assert_eq!(comparable(&again), comparable(&read));
    Some(read)
}

/// A value without its fractions: only fields that this protocol does not read have any, and JSON libraries
/// read the last digit of some differently each time.
fn comparable<T: Serialize>(value: &T) -> Value {
    fn without_fractions(value: &mut Value) {
        match value {
            Value::Number(number) if number.is_f64() => *value = Value::Null,
            Value::Array(items) => items.iter_mut().for_each(without_fractions),
            Value::Object(fields) => fields.values_mut().for_each(without_fractions),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(value).expect("envelope types serialise to JSON");
    without_fractions(&mut value);
    value
}
