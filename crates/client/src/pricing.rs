//! The price of a request, from its body: one function for client and verifier.
//!
//! Before: [`PriceList::quote`] bounds the tokens that a body can cost and gives the maximum. After:
//! [`ModelPrice::charge`] applies the same prices to the upstream's usage. Both end in
//! [`TokenPrice::of`], which is monotone, so a charge within the bounds never exceeds the maximum.
//!
//! Only fields whose cost can be bounded are sold; the rest is refused by name. The bound on input is
//! the bytes of all text plus 16 per message: no byte-level tokenizer produces more tokens than bytes,
//! and chat templates add a few tokens per message.

use std::collections::BTreeMap;

use farthing_protocol::BaseUnits;
use farthing_protocol::price::TokenPrice;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use serde_with::{DisplayFromStr, serde_as};

/// Tokens that a chat template may add to a message.
const TEMPLATE_TOKENS_PER_MESSAGE: u64 = 16;
/// The most messages of one request.
const MAX_MESSAGES: usize = 4_096;
/// The most choices (`n`) of one request.
const MAX_CHOICES: u64 = 16;
/// Deepest nesting of content whose text is counted.
const MAX_DEPTH: usize = 16;

/// Fields of a chat completion that cost nothing beyond the tokens they are bounded by.
const CHAT_FIELDS: &[&str] = &[
    "model",
    "messages",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "response_format",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning_effort",
    "user",
    "metadata",
];

/// Prices of one model.
#[serde_as]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelPrice {
    /// Base units per million input tokens.
    #[serde_as(as = "DisplayFromStr")]
    pub input_per_million: BaseUnits,
    /// Base units per million output tokens.
    #[serde_as(as = "DisplayFromStr")]
    pub output_per_million: BaseUnits,
    /// Base units per request, added to the tokens' price.
    #[serde_as(as = "DisplayFromStr")]
    pub per_request: BaseUnits,
    /// The least that a request costs, in base units.
    #[serde_as(as = "DisplayFromStr")]
    pub minimum: BaseUnits,
    /// The most tokens that one choice may have; the default of a body that names none.
    pub max_output_tokens: u32,
    /// The most tokens that one inline image may cost; images are refused without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_image: Option<u32>,
}

impl ModelPrice {
    fn token_price(&self) -> TokenPrice {
        TokenPrice {
            input_per_million: self.input_per_million,
            output_per_million: self.output_per_million,
            per_request: self.per_request,
            minimum: self.minimum,
        }
    }

    /// What `usage` costs, at most `maximum`: a client never pays more than it reserved, whatever
    /// the upstream reports.
    #[must_use]
    pub fn charge(&self, usage: Usage, maximum: BaseUnits) -> BaseUnits {
        self.token_price()
            .of(usage.prompt_tokens, usage.completion_tokens)
            .map_or(maximum, |charge| charge.min(maximum))
    }
}

/// Tokens that an upstream reports, in the OpenAI API's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Input tokens.
    pub prompt_tokens: u64,
    /// Output tokens.
    #[serde(default)]
    pub completion_tokens: u64,
}

/// Prices by model name. Models that are not listed are not sold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PriceList {
    /// Prices by model name.
    #[serde(default)]
    pub models: BTreeMap<String, ModelPrice>,
}

/// A request body with the most that it can cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Quote {
    /// The model.
    pub model: String,
    /// Its price.
    pub price: ModelPrice,
    /// Whether the answer is a stream of server-sent events.
    pub stream: bool,
    /// The most input and output tokens.
    pub bounds: Usage,
    /// The most that the request can cost, in base units.
    pub maximum: BaseUnits,
    /// The body to send upstream: the same with its output bound and, for a stream, with usage
    /// asked for.
    pub upstream_body: Value,
}

/// Why a body has no price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuoteError {
    /// The body is not an object, or a field has the wrong type or value.
    #[error("{message}")]
    Invalid {
        /// The offending field.
        param: String,
        /// What is wrong and what would be right.
        message: String,
    },
    /// A field whose cost cannot be bounded.
    #[error("\"{param}\" is not sold here: its cost has no bound that this provider configured")]
    NotBounded {
        /// The offending field.
        param: String,
    },
    /// The model is not listed.
    #[error("model \"{model}\" is not sold here")]
    ModelNotPriced {
        /// The model that was asked for.
        model: String,
    },
    /// The maximum exceeds 64 bits of base units.
    #[error("the request could cost more than 64 bits of base units")]
    TooExpensive,
}

fn invalid(param: &str, message: impl Into<String>) -> QuoteError {
    QuoteError::Invalid {
        param: param.to_owned(),
        message: message.into(),
    }
}

fn not_bounded(param: impl Into<String>) -> QuoteError {
    QuoteError::NotBounded {
        param: param.into(),
    }
}

impl PriceList {
    /// The most that a chat completion with this body can cost, and the body to send upstream.
    ///
    /// # Errors
    /// [`QuoteError`] names the field that is malformed, unbounded or not sold.
    pub fn quote(&self, body: &Value) -> Result<Quote, QuoteError> {
        let fields = body
            .as_object()
            .ok_or_else(|| invalid("body", "the body must be a JSON object"))?;
        let model = fields
            .get("model")
            .and_then(Value::as_str)
            .ok_or_else(|| invalid("model", "\"model\" must be a string"))?;
        let price = *self
            .models
            .get(model)
            .ok_or_else(|| QuoteError::ModelNotPriced {
                model: model.to_owned(),
            })?;
        if let Some(unknown) = fields
            .keys()
            .find(|key| !CHAT_FIELDS.contains(&key.as_str()))
        {
            return Err(not_bounded(unknown.as_str()));
        }
        let stream = optional(fields, "stream", Value::as_bool, "a boolean")?.unwrap_or(false);
        let (output_field, output_per_choice) = output_bound(fields, &price)?;
        let bounds = Usage {
            prompt_tokens: input_bound(fields, &price)?,
            completion_tokens: output_per_choice * choices(fields)?,
        };
        let maximum = price
            .token_price()
            .of(bounds.prompt_tokens, bounds.completion_tokens)
            .ok_or(QuoteError::TooExpensive)?;
        Ok(Quote {
            model: model.to_owned(),
            price,
            stream,
            bounds,
            maximum,
            upstream_body: upstream_body(fields, output_field, output_per_choice, stream)?,
        })
    }
}

/// A field that may be missing or null, else must be what `read` accepts.
fn optional<T>(
    fields: &Map<String, Value>,
    param: &str,
    read: impl Fn(&Value) -> Option<T>,
    expected: &str,
) -> Result<Option<T>, QuoteError> {
    match fields.get(param) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => read(value)
            .map(Some)
            .ok_or_else(|| invalid(param, format!("\"{param}\" must be {expected}"))),
    }
}

/// The output tokens per choice, and the field that says so.
fn output_bound(
    fields: &Map<String, Value>,
    price: &ModelPrice,
) -> Result<(&'static str, u64), QuoteError> {
    let limit = u64::from(price.max_output_tokens);
    let read = |param| optional(fields, param, Value::as_u64, "a positive whole number");
    let (param, tokens) = match (read("max_completion_tokens")?, read("max_tokens")?) {
        (Some(_), Some(_)) => {
            return Err(invalid(
                "max_tokens",
                "give either \"max_tokens\" or \"max_completion_tokens\"",
            ));
        }
        (Some(tokens), None) => ("max_completion_tokens", tokens),
        (None, Some(tokens)) => ("max_tokens", tokens),
        (None, None) => ("max_tokens", limit),
    };
    if tokens == 0 || tokens > limit {
        return Err(invalid(
            param,
            format!("\"{param}\" must be between 1 and {limit} for this model"),
        ));
    }
    Ok((param, tokens))
}

fn choices(fields: &Map<String, Value>) -> Result<u64, QuoteError> {
    let choices = optional(fields, "n", Value::as_u64, "a whole number")?.unwrap_or(1);
    if (1..=MAX_CHOICES).contains(&choices) {
        Ok(choices)
    } else {
        Err(invalid(
            "n",
            format!("\"n\" must be between 1 and {MAX_CHOICES}"),
        ))
    }
}

fn input_bound(fields: &Map<String, Value>, price: &ModelPrice) -> Result<u64, QuoteError> {
    let messages = fields
        .get("messages")
        .and_then(Value::as_array)
        .filter(|messages| !messages.is_empty() && messages.len() <= MAX_MESSAGES)
        .ok_or_else(|| {
            invalid(
                "messages",
                format!("\"messages\" must be an array of 1 to {MAX_MESSAGES} messages"),
            )
        })?;
    let mut tokens = 0;
    for message in messages {
        tokens += TEMPLATE_TOKENS_PER_MESSAGE + message_bound(message, price)?;
    }
    // Templates write these as JSON into the prompt.
    for param in ["tools", "tool_choice", "response_format"] {
        if let Some(value) = fields.get(param).filter(|value| !value.is_null()) {
            tokens += value.to_string().len() as u64;
        }
    }
    Ok(tokens)
}

fn message_bound(message: &Value, price: &ModelPrice) -> Result<u64, QuoteError> {
    let fields = message
        .as_object()
        .ok_or_else(|| invalid("messages", "each message must be a JSON object"))?;
    let mut tokens = 0;
    for (name, value) in fields {
        tokens += match (name.as_str(), value) {
            ("content", Value::Array(parts)) => {
                let mut sum = 0;
                for part in parts {
                    sum += part_bound(part, price)?;
                }
                sum
            }
            ("audio", Value::Object(_)) => return Err(not_bounded("messages.audio")),
            _ => text_bytes(value, MAX_DEPTH)?,
        };
    }
    Ok(tokens)
}

fn part_bound(part: &Value, price: &ModelPrice) -> Result<u64, QuoteError> {
    match part.get("type").and_then(Value::as_str) {
        Some("text" | "refusal") => text_bytes(part, MAX_DEPTH),
        Some("image_url") => {
            let url = part.pointer("/image_url/url").and_then(Value::as_str);
            match (price.tokens_per_image, url) {
                (Some(tokens), Some(url)) if url.starts_with("data:") => Ok(u64::from(tokens)),
                // A remote file would make the upstream fetch what nobody has seen.
                _ => Err(not_bounded("messages.content.image_url")),
            }
        }
        other => Err(not_bounded(format!(
            "messages.content.{}",
            other.unwrap_or("type")
        ))),
    }
}

/// Bytes of all text in a value: strings, and names of fields, since tool calls carry both.
fn text_bytes(value: &Value, depth: usize) -> Result<u64, QuoteError> {
    if depth == 0 {
        return Err(invalid("messages", "messages are nested too deeply"));
    }
    Ok(match value {
        Value::Null | Value::Bool(_) => 0,
        Value::Number(number) => number.to_string().len() as u64,
        Value::String(text) => text.len() as u64,
        Value::Array(items) => {
            let mut sum = 0;
            for item in items {
                sum += text_bytes(item, depth - 1)?;
            }
            sum
        }
        Value::Object(fields) => {
            let mut sum = 0;
            for (name, item) in fields {
                sum += name.len() as u64 + text_bytes(item, depth - 1)?;
            }
            sum
        }
    })
}

fn upstream_body(
    fields: &Map<String, Value>,
    output_field: &str,
    output_tokens: u64,
    stream: bool,
) -> Result<Value, QuoteError> {
    let mut body = fields.clone();
    body.insert(output_field.to_owned(), output_tokens.into());
    if stream {
        let options = body
            .entry("stream_options")
            .or_insert_with(|| Value::Object(Map::new()));
        if options.is_null() {
            *options = Value::Object(Map::new());
        }
        options
            .as_object_mut()
            .ok_or_else(|| invalid("stream_options", "\"stream_options\" must be an object"))?
            .insert("include_usage".to_owned(), Value::Bool(true));
    }
    Ok(Value::Object(body))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn list() -> PriceList {
        let price = ModelPrice {
            input_per_million: BaseUnits(1_000_000),
            output_per_million: BaseUnits(2_000_000),
            per_request: BaseUnits(10),
            minimum: BaseUnits(50),
            max_output_tokens: 100,
            tokens_per_image: None,
        };
        PriceList {
            models: BTreeMap::from([("m".to_owned(), price)]),
        }
    }

    fn chat(extra: Value) -> Value {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]});
        for (name, value) in extra.as_object().expect("test fields are an object") {
            body[name] = value.clone();
        }
        body
    }

    #[test]
    fn refuses_what_has_no_bound_and_names_it() {
        for (body, param) in [
            (
                chat(json!({"web_search_options": {}})),
                "web_search_options",
            ),
            (chat(json!({"audio": {}})), "audio"),
            (
                chat(json!({"messages": [{"role": "user", "content": [
                    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}]})),
                "messages.content.image_url",
            ),
            (
                chat(json!({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]})),
                "messages.content.input_audio",
            ),
        ] {
            assert_eq!(list().quote(&body), Err(not_bounded(param)));
        }
    }

    #[test]
    fn refuses_what_is_malformed_and_names_it() {
        for (body, expected) in [
            (json!([]), "body"),
            (json!({"messages": []}), "model"),
            (json!({"model": "m"}), "messages"),
            (chat(json!({"messages": []})), "messages"),
            (chat(json!({"messages": ["hi"]})), "messages"),
            (chat(json!({"max_tokens": 0})), "max_tokens"),
            (chat(json!({"max_tokens": 101})), "max_tokens"),
            (chat(json!({"max_tokens": -1})), "max_tokens"),
            (
                chat(json!({"max_tokens": 5, "max_completion_tokens": 5})),
                "max_tokens",
            ),
            (chat(json!({"n": 0})), "n"),
            (chat(json!({"n": 17})), "n"),
            (chat(json!({"stream": "yes"})), "stream"),
            (
                chat(json!({"stream": true, "stream_options": 1})),
                "stream_options",
            ),
        ] {
            match list().quote(&body) {
                Err(QuoteError::Invalid { param, .. }) => assert_eq!(param, expected),
                other => panic!("{body}: {other:?}"),
            }
        }
        let unknown = list().quote(&json!({"model": "x", "messages": []}));
        assert_eq!(
            unknown,
            Err(QuoteError::ModelNotPriced { model: "x".into() })
        );
    }

    #[test]
    fn bounds_input_by_bytes_and_output_by_the_model() {
        let quote = list()
            .quote(&chat(json!({})))
            .expect("a plain chat has a price");
        // "user" and "hello" and the template.
        assert_eq!(quote.bounds.prompt_tokens, 4 + 5 + 16);
        assert_eq!(quote.bounds.completion_tokens, 100);
        assert_eq!(quote.maximum, BaseUnits(10 + 25 + 200));
        assert_eq!(quote.upstream_body["max_tokens"], 100);
        assert!(quote.upstream_body.get("stream_options").is_none());

        let quote = list()
            .quote(&chat(
                json!({"max_completion_tokens": 7, "n": 3, "stream": true}),
            ))
            .expect("a streaming chat has a price");
        assert_eq!(quote.bounds.completion_tokens, 21);
        assert_eq!(quote.upstream_body["max_completion_tokens"], 7);
        assert!(quote.upstream_body.get("max_tokens").is_none());
        assert_eq!(quote.upstream_body["stream_options"]["include_usage"], true);
    }

    #[test]
    fn never_charges_above_the_maximum() {
        let quote = list()
            .quote(&chat(json!({})))
            .expect("a plain chat has a price");
        let usage = |prompt_tokens, completion_tokens| Usage {
            prompt_tokens,
            completion_tokens,
        };
        assert_eq!(
            quote.price.charge(usage(5, 3), quote.maximum),
            BaseUnits(50)
        );
        assert_eq!(
            quote.price.charge(usage(20, 30), quote.maximum),
            BaseUnits(90)
        );
        assert_eq!(
            quote.price.charge(usage(u64::MAX, u64::MAX), quote.maximum),
            quote.maximum
        );
    }
}
