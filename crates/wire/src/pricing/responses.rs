//! Responses whose cost follows from the body alone. Earlier responses, conversations and tools that the provider runs
//! are refused with an error that names the field.

use serde_json::Value;

use super::fields::{
    Fields, MAX_DEPTH, MAX_MESSAGES, TEMPLATE_TOKENS_PER_MESSAGE, image_bound, invalid,
    not_bounded, text_bytes,
};
use super::{Bounded, ModelPrice, QuoteError, Usage};

/// The accepted fields, which cost nothing beyond the tokens that are bounded here.
const FIELDS: &[&str] = &[
    "model",
    "input",
    "instructions",
    "stream",
    "max_output_tokens",
    "temperature",
    "top_p",
    "top_logprobs",
    "text",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "include",
    "truncation",
    "user",
    "metadata",
    "store",
];

pub(super) fn bound(fields: &Fields<'_>, price: &ModelPrice) -> Result<Bounded, QuoteError> {
    fields.only(FIELDS)?;
    // A stored response could be continued by a later request, whose body would not show the cost.
    if fields.optional("store", Value::as_bool, "a boolean")? == Some(true) {
        return Err(not_bounded("store"));
    }
    require_functions(fields)?;
    let stream = fields.stream()?;
    let (output_field, output) = fields.output_bound(&["max_output_tokens"], price)?;
    let instructions = fields.optional("instructions", Value::as_str, "a string")?;
    let bounds = Usage {
        prompt_tokens: input_bound(fields, price)?
            + instructions.map_or(0, |text| TEMPLATE_TOKENS_PER_MESSAGE + text.len() as u64)
            + fields.json_bytes(&["tools", "tool_choice", "text"]),
        completion_tokens: output,
        ..Usage::default()
    };
    let mut body = fields.0.clone();
    body.insert(output_field.to_owned(), output.into());
    body.insert("store".to_owned(), Value::Bool(false));
    Ok(Bounded {
        bounds,
        stream,
        // The last event of a responses stream always reports usage.
        wants_usage: true,
        upstream_body: Value::Object(body),
    })
}

/// Requires that all tools are functions or custom tools, which the client runs. All others are run by the provider.
fn require_functions(fields: &Fields<'_>) -> Result<(), QuoteError> {
    let tools = fields.optional("tools", Value::as_array, "an array")?;
    for tool in tools.into_iter().flatten() {
        match tool.get("type").and_then(Value::as_str) {
            Some("function" | "custom") => {}
            other => return Err(not_bounded(format!("tools.{}", other.unwrap_or("type")))),
        }
    }
    Ok(())
}

fn input_bound(fields: &Fields<'_>, price: &ModelPrice) -> Result<u64, QuoteError> {
    match fields.given("input") {
        Some(Value::String(text)) => Ok(TEMPLATE_TOKENS_PER_MESSAGE + text.len() as u64),
        Some(Value::Array(items)) if (1..=MAX_MESSAGES).contains(&items.len()) => {
            let mut tokens = 0;
            for item in items {
                tokens += TEMPLATE_TOKENS_PER_MESSAGE + item_bound(item, price)?;
            }
            Ok(tokens)
        }
        _ => Err(invalid(
            "input",
            format!("\"input\" must be a string or an array of 1 to {MAX_MESSAGES} items"),
        )),
    }
}

fn item_bound(item: &Value, price: &ModelPrice) -> Result<u64, QuoteError> {
    let fields = item
        .as_object()
        .ok_or_else(|| invalid("input", "each item must be a JSON object"))?;
    match fields.get("type").and_then(Value::as_str) {
        None | Some("message") => {}
        Some(
            "function_call"
            | "function_call_output"
            | "custom_tool_call"
            | "custom_tool_call_output",
        ) => {
            return text_bytes(item, "input", MAX_DEPTH);
        }
        Some(other) => return Err(not_bounded(format!("input.{other}"))),
    }
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
            _ => text_bytes(value, "input", MAX_DEPTH)?,
        };
    }
    Ok(tokens)
}

fn part_bound(part: &Value, price: &ModelPrice) -> Result<u64, QuoteError> {
    match part.get("type").and_then(Value::as_str) {
        Some("input_text" | "output_text" | "refusal") => text_bytes(part, "input", MAX_DEPTH),
        Some("input_image") => {
            let url = part.get("image_url").and_then(Value::as_str);
            image_bound(url, "input.content.input_image", price)
        }
        other => Err(not_bounded(format!(
            "input.content.{}",
            other.unwrap_or("type")
        ))),
    }
}
