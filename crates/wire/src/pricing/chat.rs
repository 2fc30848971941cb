//! Chat completions.

use serde_json::Value;

use super::fields::{
    Fields, MAX_DEPTH, MAX_MESSAGES, TEMPLATE_TOKENS_PER_MESSAGE, image_bound, invalid,
    not_bounded, text_bytes,
};
use super::{Bounded, ModelPrice, QuoteError, Usage};

/// The accepted fields, which cost nothing beyond the tokens that are bounded here.
const FIELDS: &[&str] = &[
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

pub(super) fn bound(fields: &Fields<'_>, price: &ModelPrice) -> Result<Bounded, QuoteError> {
    fields.only(FIELDS)?;
    let stream = fields.stream()?;
    let (output_field, output) =
        fields.output_bound(&["max_tokens", "max_completion_tokens"], price)?;
    let bounds = Usage {
        prompt_tokens: input_bound(fields, price)?,
        completion_tokens: output * fields.choices()?,
        ..Usage::default()
    };
    fields.bounded(bounds, (output_field, output), stream)
}

fn input_bound(fields: &Fields<'_>, price: &ModelPrice) -> Result<u64, QuoteError> {
    let messages = fields
        .given("messages")
        .and_then(Value::as_array)
        .filter(|messages| !messages.is_empty() && messages.len() <= MAX_MESSAGES)
        .ok_or_else(|| {
            invalid(
                "messages",
                format!("\"messages\" must be an array of 1 to {MAX_MESSAGES} messages"),
            )
        })?;
    let mut tokens = fields.json_bytes(&["tools", "tool_choice", "response_format"]);
    for message in messages {
        tokens += TEMPLATE_TOKENS_PER_MESSAGE + message_bound(message, price)?;
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
            _ => text_bytes(value, "messages", MAX_DEPTH)?,
        };
    }
    Ok(tokens)
}

fn part_bound(part: &Value, price: &ModelPrice) -> Result<u64, QuoteError> {
    match part.get("type").and_then(Value::as_str) {
        Some("text" | "refusal") => text_bytes(part, "messages", MAX_DEPTH),
        Some("image_url") => {
            let url = part.pointer("/image_url/url").and_then(Value::as_str);
            image_bound(url, "messages.content.image_url", price)
        }
        other => Err(not_bounded(format!(
            "messages.content.{}",
            other.unwrap_or("type")
        ))),
    }
}
