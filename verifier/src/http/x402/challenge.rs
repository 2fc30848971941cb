//! Reads the payment of a request, asks for one with 402, and refuses one.

use axum::http::{HeaderMap, Method, StatusCode};
use farthing_wire::x402::{
    HeaderError, PAYMENT_SIGNATURE, PaymentPayload, PaymentRequired, ResourceInfo, SettleResponse,
    X402_VERSION, decode_header,
};

use super::idempotency;
use super::payment_required::PaymentRequiredAnswer;
use crate::http::error::ApiError;
use crate::payment::{Payments, RefusedPayment};
use crate::prices::Quoted;

/// Alternative name of the request's payment header. A request with both headers is refused, because it would be
/// ambiguous.
const PAYMENT_INFO: &str = "payment-info";

/// Whether a request has a payment header, well-formed or not.
pub(crate) fn pays(headers: &HeaderMap) -> bool {
    headers.contains_key(PAYMENT_SIGNATURE) || headers.contains_key(PAYMENT_INFO)
}

/// The payment in a request's headers, if there is one.
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

/// The requested resource, as a 402 names it.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    pub(crate) method: Method,
    pub(crate) url: String,
}

/// The 402 that asks for a payment, for a request without one.
pub(crate) fn required<Q: Quoted>(
    payments: &Payments,
    quotes: &[Q],
    resource: Resource,
) -> ApiError {
    let error = ApiError::payment_required();
    challenge(payments, quotes, resource, error, None)
}

/// The error for a refused payment. A 402 repeats how to pay, with the channel state that the client may know.
pub(crate) fn refused<Q: Quoted>(
    payments: &Payments,
    quotes: &[Q],
    resource: Resource,
    refused: &RefusedPayment,
) -> ApiError {
    let error = ApiError::from(&refused.error);
    if error.status == StatusCode::PAYMENT_REQUIRED {
        challenge(payments, quotes, resource, error, Some(refused))
    } else {
        error
    }
}

/// Adds the `PAYMENT-RESPONSE` header of a refused payment to an error.
pub(crate) fn refusal(payments: &Payments, mut error: ApiError) -> ApiError {
    let response = refusal_response(payments, error.code, error.message.clone());
    error.headers.refuse(&response);
    error
}

/// The refusal of a payment, as x402 writes it.
pub(crate) fn refusal_response(payments: &Payments, code: &str, message: String) -> SettleResponse {
    SettleResponse {
        success: false,
        error_reason: Some(code.to_owned()),
        error_message: Some(message),
        payer: None,
        transaction: String::new(),
        network: payments.offer().network.clone(),
        amount: None,
        extra: None,
    }
}

fn challenge<Q: Quoted>(
    payments: &Payments,
    quotes: &[Q],
    Resource { method, url }: Resource,
    mut error: ApiError,
    refused: Option<&RefusedPayment>,
) -> ApiError {
    // All quotes are for the same resource and differ only in price, so the first describes it.
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
        accepts: payments.offer().requirements(quotes, refused),
        extensions: Some(idempotency::extension()),
    };
    error.headers.required = Some(PaymentRequiredAnswer { method, required });
    error
}
