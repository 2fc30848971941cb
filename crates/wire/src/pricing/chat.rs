//! Chat completions.

use serde_json::Value;

use super::content::{content, is_medium, refuse_other_case};
use super::fields::{
    Fields, MAX_DEPTH, MAX_MESSAGES, TEMPLATE_TOKENS_PER_MESSAGE, invalid, not_bounded, text_bytes,
};
use super::{Bounded, Change, ModelPrice, QuoteError, Usage, tools};

pub(super) fn bound(fields: &Fields<'_>) -> Result<Bounded, QuoteError> {
    let (counted, mut changes) = fields.admit()?;
    let (default, takes) = fields.chat_limit_field();
    let output = fields.output_limit(&["max_tokens", "max_completion_tokens"], default, takes)?;
    changes.extend(output.changes);
    if fields.given("store") == Some(&Value::Bool(true)) {
        // What is stored at the upstream would be the provider's.
        changes.push(Change::remove("store"));
    }
    let tools = tools::bound(fields)?;
    changes.extend(tools.changes);
    let bounds = Usage {
        prompt_tokens: counted + messages_bound(fields)? + tools.tokens,
        completion_tokens: output.tokens * fields.choices()?,
        ..Usage::default()
    };
    Ok(Bounded {
        tools: tools.quoted,
        ..fields.bounded(bounds, changes)?
    })
}

/// The most input tokens of the messages.
pub(super) fn messages_bound(fields: &Fields<'_>) -> Result<u64, QuoteError> {
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
    let mut tokens = 0;
    for message in messages {
        tokens += TEMPLATE_TOKENS_PER_MESSAGE + message_bound(message, fields.price)?;
    }
    Ok(tokens)
}

fn message_bound(message: &Value, price: &ModelPrice) -> Result<u64, QuoteError> {
    let fields = message
        .as_object()
        .ok_or_else(|| invalid("messages", "each message must be a JSON object"))?;
    let mut tokens = 0;
    for (name, value) in fields {
        refuse_other_case(name, "messages")?;
        tokens += match (name.as_str(), value) {
            ("content", Value::Array(_) | Value::Object(_)) => {
                content(value, "messages.content", price)?
            }
            // A server may take media from here too.
            ("images", Value::Array(_) | Value::Object(_)) => {
                content(value, "messages.images", price)?
            }
            ("audio", Value::Object(_)) => {
                let why = "stored speech has a length that this body does not show";
                return Err(not_bounded("messages.audio", why));
            }
            (name, value) if is_medium(name) && !value.is_null() => {
                let why = "media are sold in \"content\" only";
                return Err(not_bounded(format!("messages.{name}"), why));
            }
            // A name and a role are text of the prompt, and so is whatever a template writes out.
            (_, Value::Null) => 0,
            _ => text_bytes(value, "messages", MAX_DEPTH)?,
        };
    }
    Ok(tokens)
}
