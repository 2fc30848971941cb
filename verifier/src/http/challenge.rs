//! The x402 headers: reading a payment, asking for one, and answering one.

mod terms;

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use farthing_protocol::BaseUnits;
use farthing_wire::x402::{
    HeaderError, PAYMENT_RESPONSE, PAYMENT_SIGNATURE, PaymentPayload, PaymentRequired,
    PaymentState, ReceiptExtra, ResourceInfo, SettleResponse, X402_VERSION, decode_header,
    encode_header,
};
use serde::Serialize;
use solana_sdk::pubkey::Pubkey;

use super::error::ApiError;
use super::idempotency;
use crate::gateway::{Gateway, Refused};
use crate::prices::Quoted;
use crate::record::LaneSnapshot;

pub(crate) use terms::{PAYMENT_METHODS, Terms};

/// Another name of the request's header. Both at once would leave open which one pays.
const PAYMENT_INFO: &str = "payment-info";

/// The payment headers of an answer.
#[derive(Debug, Default)]
pub(crate) struct PaymentHeaders {
    /// What a 402 asks for.
    pub(crate) terms: Option<Terms>,
    response: Option<HeaderValue>,
}

impl PaymentHeaders {
    pub(crate) fn receipt(receipt: &SettleResponse) -> Self {
        Self {
            terms: None,
            response: Some(header(receipt)),
        }
    }

    pub(crate) fn write_to(self, headers: &mut HeaderMap) {
        if let Some(terms) = &self.terms {
            terms.write_to(headers);
        }
        if let Some(response) = self.response {
            headers.insert(PAYMENT_RESPONSE, response);
        }
    }
}

fn header<T: Serialize>(value: &T) -> HeaderValue {
    HeaderValue::try_from(encode_header(value)).expect("base64 is a header value")
}

/// Whether a request means to pay, however badly.
pub(crate) fn pays(headers: &HeaderMap) -> bool {
    headers.contains_key(PAYMENT_SIGNATURE) || headers.contains_key(PAYMENT_INFO)
}

/// The payment that a request brings, if it brings one.
pub(crate) fn payment(headers: &HeaderMap) -> Result<Option<PaymentPayload>, ApiError> {
    let name = match (
        headers.contains_key(PAYMENT_SIGNATURE),
        headers.contains_key(PAYMENT_INFO),
    ) {
        (true, true) => {
            return Err(ApiError::payment_header(
                "give either PAYMENT-SIGNATURE or Payment-Info",
            ));
        }
        (_, false) => PAYMENT_SIGNATURE,
        (false, true) => PAYMENT_INFO,
    };
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(ApiError::payment_header("give the payment's header once"));
    }
    match decode_header(value.as_bytes()) {
        Ok(payload) => Ok(Some(payload)),
        Err(error @ HeaderError::TooLong) => {
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            Err(ApiError::new(
                status,
                "headers_too_large",
                error.to_string(),
            ))
        }
        Err(error) => Err(ApiError::payment_header(error.to_string())),
    }
}

/// What was asked for, as far as a 402 tells it.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    pub(crate) method: Method,
    pub(crate) url: String,
}

/// Asks for a payment.
pub(crate) fn required<Q: Quoted>(gateway: &Gateway, quotes: &[Q], resource: Resource) -> ApiError {
    let error = ApiError::payment_required();
    challenge(gateway, quotes, resource, error, None)
}

/// Refuses a payment. A 402 says again how to pay, with what the client may know of its channel.
pub(crate) fn refused<Q: Quoted>(
    gateway: &Gateway,
    quotes: &[Q],
    resource: Resource,
    refused: &Refused,
) -> ApiError {
    let error = ApiError::from(&refused.error);
    if error.status == StatusCode::PAYMENT_REQUIRED {
        challenge(gateway, quotes, resource, error, Some(refused))
    } else {
        error
    }
}

/// Marks an error as the refusal of a payment.
pub(crate) fn refusal(gateway: &Gateway, mut error: ApiError) -> ApiError {
    let response = refusal_response(gateway, error.code, error.message.clone());
    error.headers.response = Some(header(&response));
    error
}

/// The refusal of a payment, in x402's shape.
pub(crate) fn refusal_response(gateway: &Gateway, code: &str, message: String) -> SettleResponse {
    SettleResponse {
        success: false,
        error_reason: Some(code.to_owned()),
        error_message: Some(message),
        payer: None,
        transaction: String::new(),
        network: gateway.offer().network.clone(),
        amount: None,
        extra: None,
    }
}

fn challenge<Q: Quoted>(
    gateway: &Gateway,
    quotes: &[Q],
    Resource { method, url }: Resource,
    mut error: ApiError,
    refused: Option<&Refused>,
) -> ApiError {
    // The ways to pay differ in their price alone.
    let quote = quotes.first();
    let mime_type = quote.and_then(Quoted::mime_type);
    let required = PaymentRequired {
        x402_version: X402_VERSION,
        error: Some(error.code.to_owned()),
        resource: ResourceInfo {
            url,
            description: quote.map(Quoted::description),
            mime_type: mime_type.map(str::to_owned),
        },
        accepts: gateway.requirements(quotes, refused),
        extensions: Some(idempotency::extension()),
    };
    error.headers.terms = Some(Terms { method, required });
    error
}

/// The final word on a payment: what it was charged, and the signed receipt.
#[derive(Debug)]
pub(crate) struct Final {
    pub(crate) charged: BaseUnits,
    pub(crate) receipt: String,
}

/// What an accepted payment came to: `end` is `None` while the answer runs.
pub(crate) fn receipt(
    network: &str,
    payer: &Pubkey,
    lane: &LaneSnapshot,
    end: Option<Final>,
) -> SettleResponse {
    let state = match end {
        Some(_) => PaymentState::Charged,
        None => PaymentState::Reserved,
    };
    let charged = end.as_ref().map(|end| end.charged);
    SettleResponse {
        success: true,
        error_reason: None,
        error_message: None,
        payer: Some(payer.to_string()),
        transaction: String::new(),
        network: network.to_owned(),
        amount: charged,
        extra: Some(ReceiptExtra {
            state,
            charged: charged.unwrap_or_default(),
            charged_total: lane.charged,
            reserved: lane.reserved,
            authorized: lane.authorized,
            deposit: lane.deposit,
            receipt: end.map(|end| end.receipt),
        }),
    }
}
