//! The idempotency key of a client's request, and the digest that tells different requests with the same key apart.
//!
//! An idempotency key is the header `Idempotency-Key` or the x402 extension `payment-identifier`, from 16 to 128
//! visible ASCII characters. Both share one namespace per lane and generation.

use axum::http::{HeaderMap, Method, Uri};
use farthing_wire::idempotency::{
    IDEMPOTENCY_KEY, IdempotencyKey, InvalidKey, MAX_KEY_LENGTH, MIN_KEY_LENGTH, PAYMENT_IDENTIFIER,
};
use farthing_wire::receipt::request_digest;
use farthing_wire::x402::PaymentPayload;
use serde_json::{Value, json};

use crate::http::error::ApiError;
use crate::payment::ClientKey;

/// The idempotency key of a request, if it has one, with the digest of the request.
pub(crate) fn client_key(
    headers: &HeaderMap,
    payment: &PaymentPayload,
    digest: [u8; 32],
) -> Result<Option<ClientKey>, ApiError> {
    let text = match (from_header(headers)?, from_extension(payment)?) {
        (Some(header), Some(extension)) if header != extension => {
            return Err(invalid(
                "the Idempotency-Key header and the payment-identifier extension differ: give one of them",
            ));
        }
        (header, extension) => header.or(extension),
    };
    Ok(text.map(|text| ClientKey {
        text: text.to_string(),
        digest,
    }))
}

/// The x402 extension by which a 402 says that idempotency keys are supported.
pub(crate) fn extension() -> Value {
    json!({
        PAYMENT_IDENTIFIER: {
            "info": { "required": false },
            "schema": {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "properties": {
                    "required": { "type": "boolean" },
                    "id": {
                        "type": "string",
                        "minLength": MIN_KEY_LENGTH,
                        "maxLength": MAX_KEY_LENGTH,
                        "pattern": "^[a-zA-Z0-9_-]+$",
                    },
                },
                "required": ["required"],
            },
        },
    })
}

fn from_header(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, ApiError> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(invalid("give the Idempotency-Key header once"));
    }
    checked(value.to_str().ok()).map(Some)
}

/// The idempotency key in the `payment-identifier` extension of a payment.
pub(super) fn from_extension(payment: &PaymentPayload) -> Result<Option<IdempotencyKey>, ApiError> {
    let extensions = payment.extensions.as_ref();
    let id =
        extensions.and_then(|extensions| extensions.get(PAYMENT_IDENTIFIER)?.pointer("/info/id"));
    id.map(|id| checked(id.as_str())).transpose()
}

fn checked(text: Option<&str>) -> Result<IdempotencyKey, ApiError> {
    text.unwrap_or_default()
        .parse()
        .map_err(|error: InvalidKey| invalid(&error.to_string()))
}

fn invalid(message: &str) -> ApiError {
    ApiError::new(
        axum::http::StatusCode::BAD_REQUEST,
        "idempotency_key_invalid",
        message,
    )
}

/// Digest of a request: its method, path, query and body.
pub(crate) fn digest(method: &Method, uri: &Uri, body: &[u8]) -> [u8; 32] {
    let query = uri.query().unwrap_or_default();
    request_digest(method.as_str(), uri.path(), query, body)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::http::HeaderValue;
    use farthing_protocol::BaseUnits;
    use farthing_wire::x402::PaymentRequirements;

    use super::*;

    fn payment(extensions: Option<Value>) -> PaymentPayload {
        PaymentPayload {
            x402_version: 2,
            payload: Value::Null,
            accepted: PaymentRequirements {
                scheme: String::new(),
                network: String::new(),
                amount: BaseUnits::ZERO,
                asset: String::new(),
                pay_to: String::new(),
                max_timeout_seconds: 1,
                extra: Value::Null,
            },
            resource: None,
            extensions,
        }
    }

    fn key(header: Option<&str>, id: Option<Value>) -> Result<Option<String>, &'static str> {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            let value = HeaderValue::from_str(header).expect("a header value");
            headers.insert(IDEMPOTENCY_KEY, value);
        }
        let extensions =
            id.map(|id| json!({"payment-identifier": {"info": {"required": false, "id": id}}}));
        client_key(&headers, &payment(extensions), [0; 32])
            .map(|key| key.map(|key| key.text))
            .map_err(|error| error.code)
    }

    #[test]
    fn a_key_is_in_either_place() {
        const KEY: &str = "0123456789abcdef";
        assert_eq!(key(None, None), Ok(None));
        assert_eq!(key(Some(KEY), None), Ok(Some(KEY.to_owned())));
        assert_eq!(key(None, Some(json!(KEY))), Ok(Some(KEY.to_owned())));
        assert_eq!(key(Some(KEY), Some(json!(KEY))), Ok(Some(KEY.to_owned())));
    }

    #[test]
    fn refuses_what_is_no_key() {
        const INVALID: Result<Option<String>, &str> = Err("idempotency_key_invalid");
        let long = "x".repeat(129);
        for text in ["", "0123456789abcde", "0123456789 abcdef", long.as_str()] {
            assert_eq!(key(Some(text), None), INVALID, "{text}");
            assert_eq!(key(None, Some(json!(text))), INVALID, "{text}");
        }
        assert_eq!(key(None, Some(json!(1_234_567_890_123_456_u64))), INVALID);
        let differ = key(Some("0123456789abcdef"), Some(json!("0123456789abcdeg")));
        assert_eq!(differ, INVALID);
        let mut twice = HeaderMap::new();
        for _ in 0..2 {
            twice.append(
                IDEMPOTENCY_KEY,
                HeaderValue::from_static("0123456789abcdef"),
            );
        }
        let error = from_header(&twice).expect_err("one key is enough");
        assert_eq!(error.code, "idempotency_key_invalid");
    }

    #[test]
    fn every_part_of_a_request_counts() {
        let requests = [
            (Method::POST, "/v1/a", "b"),
            (Method::GET, "/v1/a", "b"),
            (Method::POST, "/v1/ab", ""),
            (Method::POST, "/v1/a?b", ""),
            (Method::POST, "/v1/a?", "b?"),
            (Method::POST, "/v1/a", ""),
        ];
        let digests: BTreeSet<[u8; 32]> = requests
            .iter()
            .map(|(method, uri, body)| digest(method, &Uri::from_static(uri), body.as_bytes()))
            .collect();
        assert_eq!(digests.len(), requests.len());
    }
}
