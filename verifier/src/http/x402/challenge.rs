//! Reading a payment, asking for one, and refusing one.

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

/// Another name of the request's header. Both at once would leave open which one pays.
const PAYMENT_INFO: &str = "payment-info";

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
pub(crate) fn required<Q: Quoted>(
    payments: &Payments,
    quotes: &[Q],
    resource: Resource,
) -> ApiError {
    let error = ApiError::payment_required();
    challenge(payments, quotes, resource, error, None)
}

/// Refuses a payment. A 402 says again how to pay, with what the client may know of its channel.
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

/// Marks an error as the refusal of a payment.
pub(crate) fn refusal(payments: &Payments, mut error: ApiError) -> ApiError {
    let response = refusal_response(payments, error.code, error.message.clone());
    error.headers.refuse(&response);
    error
}

/// The refusal of a payment, in x402's shape.
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
        accepts: payments.offer().requirements(quotes, refused),
        extensions: Some(idempotency::extension()),
    };
    error.headers.required = Some(PaymentRequiredAnswer { method, required });
    error
}
