//! The contents of a 402: the header of x402 version 2, the body of version 1, and the header `Payment-Methods`.
//!
//! One JSON body serves two kinds of clients: OpenAI's clients read `error.code` and `error.message`, clients of x402
//! version 1 read `x402Version` and `accepts` (ADR 15).

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use farthing_protocol::BaseUnits;
use farthing_wire::x402::{
    NETWORK_DEVNET, NETWORK_MAINNET, PAYMENT_REQUIRED, PaymentRequired, PaymentRequirements,
    encode_header,
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use serde_with::{DisplayFromStr, serde_as};
use sfv::{KeyRef, ListSerializer, StringRef, TokenRef};

/// Header with one item for each way to pay, so that clients can choose one without decoding base64.
pub(crate) const PAYMENT_METHODS: HeaderName = HeaderName::from_static("payment-methods");
/// The x402 version whose clients read the body.
const VERSION_1: u8 = 1;

/// The payment that a 402 asks for. The response carries it as an extension.
#[derive(Debug, Clone)]
pub(crate) struct PaymentRequiredAnswer {
    /// Method of the request.
    pub(crate) method: Method,
    pub(crate) required: PaymentRequired,
}

impl PaymentRequiredAnswer {
    pub(super) fn write_to(&self, headers: &mut HeaderMap) {
        headers.insert(PAYMENT_REQUIRED, base64_header(&self.required));
        if let Some(methods) = payment_methods(&self.required.accepts) {
            headers.insert(PAYMENT_METHODS, methods);
        }
    }

    /// Adds the fields of x402 version 1 to the body. Version 1 has network names only for Solana's public clusters, so
    /// nothing is added on other clusters, where its clients cannot pay.
    pub(crate) fn add_version_1(&self, body: &mut Map<String, Value>) {
        let ways = self.required.accepts.iter();
        let accepts: Vec<Version1> = ways.filter_map(|way| Version1::of(way, self)).collect();
        if !accepts.is_empty() {
            body.insert("x402Version".to_owned(), VERSION_1.into());
            body.insert("accepts".to_owned(), json!(accepts));
        }
    }
}

/// One way to pay, as version 1 writes it.
#[serde_as]
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Version1<'a> {
    scheme: &'a str,
    network: &'static str,
    #[serde_as(as = "DisplayFromStr")]
    max_amount_required: BaseUnits,
    resource: &'a str,
    description: &'a str,
    mime_type: &'a str,
    /// How to send the request. The reference clients of version 1 reject `null` here.
    output_schema: Value,
    pay_to: &'a str,
    max_timeout_seconds: u64,
    asset: &'a str,
    extra: &'a Value,
}

impl<'a> Version1<'a> {
    fn of(way: &'a PaymentRequirements, answer: &'a PaymentRequiredAnswer) -> Option<Self> {
        let resource = &answer.required.resource;
        let network = match way.network.as_str() {
            NETWORK_MAINNET => "solana",
            NETWORK_DEVNET => "solana-devnet",
            _ => return None,
        };
        Some(Self {
            scheme: &way.scheme,
            network,
            max_amount_required: way.amount,
            resource: &resource.url,
            description: resource.description.as_deref().unwrap_or_default(),
            mime_type: resource.mime_type.as_deref().unwrap_or_default(),
            output_schema: json!({"input": {"type": "http", "method": answer.method.as_str()}}),
            pay_to: &way.pay_to,
            max_timeout_seconds: way.max_timeout_seconds,
            asset: &way.asset,
            extra: &way.extra,
        })
    }
}

/// The value of `Payment-Methods`, a structured field (RFC 9651): `scheme;network="…";amount="…";asset="…"`. A way to
/// pay that cannot be written as one is left out; it is still in `PAYMENT-REQUIRED`.
fn payment_methods(ways: &[PaymentRequirements]) -> Option<HeaderValue> {
    let mut list = ListSerializer::new();
    for way in ways {
        let amount = way.amount.to_string();
        let Ok(scheme) = TokenRef::from_str(&way.scheme) else {
            continue;
        };
        let parameters = [
            ("network", StringRef::from_str(&way.network)),
            ("amount", StringRef::from_str(&amount)),
            ("asset", StringRef::from_str(&way.asset)),
        ];
        let parameters = parameters.into_iter();
        let parameters =
            parameters.filter_map(|(name, value)| Some((KeyRef::constant(name), value.ok()?)));
        list.bare_item(scheme).parameters(parameters);
    }
    HeaderValue::try_from(list.finish()?).ok()
}

/// A header's value: base64 of JSON.
pub(super) fn base64_header<T: Serialize>(value: &T) -> HeaderValue {
    HeaderValue::try_from(encode_header(value)).expect("base64 is a header value")
}

#[cfg(test)]
mod tests {
    use farthing_wire::x402::ResourceInfo;

    use super::*;

    fn required(network: &str) -> PaymentRequired {
        PaymentRequired {
            x402_version: 2,
            error: None,
            resource: ResourceInfo {
                url: "https://api.example.com/v1/chat/completions".to_owned(),
                description: None,
                mime_type: None,
            },
            accepts: vec![PaymentRequirements {
                scheme: "prepaid-escrow".to_owned(),
                network: network.to_owned(),
                amount: BaseUnits(239),
                asset: "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU".to_owned(),
                pay_to: "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM".to_owned(),
                max_timeout_seconds: 300,
                extra: json!({"program": "p"}),
            }],
            extensions: None,
        }
    }

    fn version_1(network: &str) -> Map<String, Value> {
        let mut body = Map::new();
        let answer = PaymentRequiredAnswer {
            method: Method::POST,
            required: required(network),
        };
        answer.add_version_1(&mut body);
        body
    }

    #[test]
    fn version_1_has_its_own_names() {
        for (network, name) in [
            (NETWORK_MAINNET, "solana"),
            (NETWORK_DEVNET, "solana-devnet"),
        ] {
            let expected = json!({
                "x402Version": 1,
                "accepts": [{
                    "scheme": "prepaid-escrow",
                    "network": name,
                    "maxAmountRequired": "239",
                    "resource": "https://api.example.com/v1/chat/completions",
                    "description": "",
                    "mimeType": "",
                    "outputSchema": {"input": {"type": "http", "method": "POST"}},
                    "payTo": "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM",
                    "maxTimeoutSeconds": 300,
                    "asset": "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU",
                    "extra": {"program": "p"},
                }],
            });
            assert_eq!(Value::Object(version_1(network)), expected);
        }
        assert!(version_1("solana:somewhere-else").is_empty());
    }

    #[test]
    fn methods_are_a_structured_field() {
        let mut ways = required(NETWORK_DEVNET).accepts;
        let methods = payment_methods(&ways).expect("there is one way");
        let expected = "prepaid-escrow;network=\"solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1\";amount=\"239\";\
                        asset=\"4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU\"";
        assert_eq!(methods, expected);
        ways[0].scheme = "no token".to_owned();
        assert_eq!(payment_methods(&ways), None);
    }
}
