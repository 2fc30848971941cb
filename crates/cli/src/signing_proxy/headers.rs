//! Which headers pass: all but those of one connection, credentials and payments.

use axum::http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, ORIGIN,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, REFERER, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use axum::http::{HeaderMap, HeaderName};

/// Headers of one connection.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];
/// Headers of a client that the provider does not get: its credentials for this proxy, those that are set anew, and
/// those of a browser.
const NOT_SENT: [HeaderName; 16] = [
    AUTHORIZATION,
    super::access::API_KEY,
    COOKIE,
    HOST,
    CONTENT_LENGTH,
    ACCEPT_ENCODING,
    ORIGIN,
    REFERER,
    HeaderName::from_static("expect"),
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("payment-signature"),
    HeaderName::from_static("payment-info"),
    HeaderName::from_static("x-payment"),
    HeaderName::from_static("farthing-signature"),
];
/// Headers of the provider that the client does not get: about its payment, and those that are set anew.
const NOT_RETURNED: [HeaderName; 6] = [
    CONTENT_LENGTH,
    SET_COOKIE,
    HeaderName::from_static("payment-required"),
    HeaderName::from_static("payment-response"),
    HeaderName::from_static("x-payment-response"),
    HeaderName::from_static("payment-methods"),
];

/// The headers of a client that are passed to the provider.
pub(super) fn to_provider(client: &HeaderMap) -> HeaderMap {
    passing(client, |name| {
        !NOT_SENT.contains(name) && !name.as_str().starts_with("sec-")
    })
}

/// The headers of the provider that are passed to the client.
pub(super) fn to_client(provider: &HeaderMap) -> HeaderMap {
    passing(provider, |name| {
        !NOT_RETURNED.contains(name) && !name.as_str().starts_with("access-control-")
    })
}

fn passing(headers: &HeaderMap, passes: impl Fn(&HeaderName) -> bool) -> HeaderMap {
    let named = headers.get_all(CONNECTION).iter();
    let named: Vec<String> = named
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let mut passing = HeaderMap::new();
    for (name, value) in headers {
        let is_of_connection =
            HOP_BY_HOP.contains(name) || named.iter().any(|other| other == name.as_str());
        if !is_of_connection && passes(name) {
            passing.append(name.clone(), value.clone());
        }
    }
    passing
}
