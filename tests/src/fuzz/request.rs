//! Fuzz target for request bodies that are priced.
//!
//! At every endpoint a body has a price, or an error that names a field. The maximum is the price of the bounds, and
//! nothing within the bounds costs more; the bound on input covers every byte of text that is asked; the body that is sent
//! upstream has the same price, so that client and verifier may each price either; and what the gateway does not set in it
//! has the client's bytes.

use std::collections::BTreeMap;

use farthing_protocol::BaseUnits;
use farthing_wire::pricing::{
    Endpoint, ModelPrice, PriceList, Quote, QuoteError, RequestBody, Usage,
};
use serde_json::Value;
use serde_json::value::RawValue;

/// A model whose requests may hold images.
pub const WITH_IMAGES: &str = "sees";
/// A model whose requests may not.
pub const TEXT_ONLY: &str = "reads";
/// A model so dear that amounts exceed 64 bits.
pub const DEAR: &str = "dear";

/// Fields with the text that a model reads.
const ASKED: [&str; 6] = [
    "messages",
    "prompt",
    "suffix",
    "input",
    "instructions",
    "system",
];
/// Fields that the gateway sets.
const SET: [&str; 5] = [
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "stream_options",
    "store",
];

/// The bytes are a body.
///
/// # Panics
/// If a property is violated.
pub fn run(data: &[u8]) {
    let Ok(body) = RequestBody::parse(data.to_vec()) else {
        return;
    };
    let list = prices();
    for endpoint in Endpoint::ALL {
        match list.quote(endpoint, &body) {
            Ok(quote) => check(endpoint, &list, &body, &quote),
            Err(QuoteError::Invalid { param, message }) => {
                assert!(!param.is_empty() && !message.is_empty());
            }
            Err(QuoteError::NotBounded { param, .. }) => assert_ne!(param, "model"),
            Err(QuoteError::ModelNotPriced { model }) => {
                assert!(!list.models.contains_key(&model));
            }
            Err(QuoteError::TooExpensive) => assert_eq!(body.fields()["model"], DEAR),
        }
    }
}

fn check(endpoint: Endpoint, list: &PriceList, body: &RequestBody, quote: &Quote) {
    assert_eq!(list.models.get(&quote.model), Some(&quote.price));
    assert!(quote.maximum >= quote.price.minimum);
    let charge = |prompt_tokens, completion_tokens| {
        let usage = Usage {
            prompt_tokens,
            completion_tokens,
            ..Usage::default()
        };
        quote.price.charge(usage, BaseUnits(u64::MAX))
    };
    let bounds = quote.bounds;
    assert_eq!(
        charge(bounds.prompt_tokens, bounds.completion_tokens),
        quote.maximum
    );
    for part in [0, 1, 2, 3] {
        let charge = charge(
            bounds.prompt_tokens / 4 * part,
            bounds.completion_tokens / 4 * part,
        );
        assert!(charge <= quote.maximum);
    }
    // Images are the only content that does not count by its bytes.
    if quote.price.tokens_per_image.is_none() {
        let asked = ASKED.iter().filter_map(|name| body.fields().get(*name));
        let asked: u64 = asked.map(text).sum();
        // To count tokens costs none.
        assert!(endpoint == Endpoint::CountTokens || bounds.prompt_tokens >= asked);
    }

    let sent = RequestBody::parse(body.with(&quote.changes)).expect("what is sent is a body");
    let kept = |body: &RequestBody| {
        let mut fields = raw(body);
        fields.retain(|name, _| !SET.contains(&name.as_str()));
        fields
    };
    assert_eq!(kept(&sent), kept(body));
    let again = list.quote(endpoint, &sent).expect("with a price");
    assert_eq!((again.bounds, again.maximum), (quote.bounds, quote.maximum));
    assert_eq!(again.changes, [], "and needs no further change");
}

/// The text of each field's value.
fn raw(body: &RequestBody) -> BTreeMap<String, String> {
    let fields: BTreeMap<String, Box<RawValue>> =
        serde_json::from_slice(body.bytes()).expect("a body is an object");
    let fields = fields.into_iter();
    fields
        .map(|(name, value)| (name, value.get().to_owned()))
        .collect()
}

/// Bytes of all strings.
fn text(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.len() as u64,
        Value::Array(items) => items.iter().map(text).sum(),
        Value::Object(fields) => fields.values().map(text).sum(),
        _ => 0,
    }
}

fn prices() -> PriceList {
    let cheap = ModelPrice {
        input_per_million: BaseUnits(150_000),
        output_per_million: BaseUnits(600_000),
        per_request: BaseUnits(3),
        minimum: BaseUnits(10),
        ..ModelPrice::free(4_096)
    };
    let with_images = ModelPrice {
        tokens_per_image: Some(1_000),
        ..cheap
    };
    let dear = ModelPrice {
        input_per_million: BaseUnits(u64::MAX),
        output_per_million: BaseUnits(u64::MAX),
        per_request: BaseUnits(u64::MAX / 2),
        max_output_tokens: u32::MAX,
        ..cheap
    };
    let models = [(TEXT_ONLY, cheap), (WITH_IMAGES, with_images), (DEAR, dear)];
    PriceList {
        models: BTreeMap::from(models.map(|(name, price)| (name.to_owned(), price))),
        ..PriceList::default()
    }
}
