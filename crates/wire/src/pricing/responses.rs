//! Responses whose cost follows from the body alone. Earlier responses, conversations and tools that the upstream runs
//! are refused with an error that names the field.

use serde_json::{Map, Value};

use super::content::content;
use super::fields::{
    Fields, MAX_DEPTH, MAX_MESSAGES, TEMPLATE_TOKENS_PER_MESSAGE, invalid, not_bounded, text_bytes,
};
use super::{Bounded, Change, ModelPrice, OutputLimitField, QuoteError, StreamUsage, Usage, tools};

pub(super) fn bound(fields: &Fields<'_>) -> Result<Bounded, QuoteError> {
    let (counted, mut changes) = fields.admit()?;
    let takes_none = fields.rules.output_limit_field == Some(OutputLimitField::None);
    let default = (!takes_none).then_some("max_output_tokens");
    let output = fields.output_limit(&["max_output_tokens"], default, |_| true)?;
    changes.extend(output.changes);
    // Nothing is to be stored: a later request could continue it, and its body would not show the cost. The API stores
    // unless it is told not to, so clients that ask for the default get an answer that is not stored.
    if fields.optional("store", Value::as_bool, "a boolean")? != Some(false) {
        changes.push(Change::set("store", &false));
    }
    let instructions = fields.optional("instructions", Value::as_str, "a string")?;
    let instructions =
        instructions.map_or(0, |text| TEMPLATE_TOKENS_PER_MESSAGE + text.len() as u64);
    let tools = tools::bound(fields)?;
    changes.extend(tools.changes);
    Ok(Bounded {
        tools: tools.quoted,
        bounds: Usage {
            prompt_tokens: counted + input_bound(fields)? + instructions + tools.tokens,
            completion_tokens: output.tokens,
            ..Usage::default()
        },
        stream: fields.stream()?,
        // The last event of a stream always reports usage.
        usage: StreamUsage::Continuous,
        changes,
    })
}

fn input_bound(fields: &Fields<'_>) -> Result<u64, QuoteError> {
    match fields.given("input") {
        Some(Value::String(text)) => Ok(TEMPLATE_TOKENS_PER_MESSAGE + text.len() as u64),
        Some(Value::Array(items)) if (1..=MAX_MESSAGES).contains(&items.len()) => {
            let mut tokens = 0;
            for item in items {
                tokens += TEMPLATE_TOKENS_PER_MESSAGE + item_bound(item, fields.price)?;
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
    let kind = match fields.get("type") {
        // A message may leave its type out, and so may a reference, which has no role.
        None | Some(Value::Null) if fields.contains_key("role") => None,
        None | Some(Value::Null) => Some("item_reference"),
        Some(kind) => Some(kind.as_str().unwrap_or_default()),
    };
    match kind {
        None | Some("message") => with_content(fields, "content", "input.content", price),
        // Calls and reasoning were output of this upstream before.
        Some(
            "reasoning"
            | "compaction"
            | "compaction_summary"
            | "function_call"
            | "custom_tool_call"
            | "local_shell_call"
            | "shell_call"
            | "apply_patch_call"
            | "tool_search_call"
            | "web_search_call"
            | "file_search_call"
            | "computer_call"
            | "code_interpreter_call"
            | "mcp_call"
            | "mcp_list_tools"
            | "mcp_approval_request"
            | "mcp_approval_response",
        ) => text_bytes(item, "input", MAX_DEPTH),
        Some(
            "function_call_output"
            | "custom_tool_call_output"
            | "local_shell_call_output"
            | "shell_call_output"
            | "apply_patch_call_output"
            | "computer_call_output",
        ) => with_content(fields, "output", "input.output", price),
        Some("additional_tools" | "tool_search_output") => tools::of_item(item, "input.tools"),
        Some(kind) => {
            let why = match kind {
                "item_reference" => {
                    "nothing is stored here that it could refer to: send the item itself (a client with \"store\": \
                    false does)"
                }
                _ => "the length of such an item does not follow from this body",
            };
            Err(not_bounded(format!("input.{kind}"), why))
        }
    }
}

/// The most tokens of an item, one field of which holds text or parts.
fn with_content(
    fields: &Map<String, Value>,
    holder: &str,
    param: &str,
    price: &ModelPrice,
) -> Result<u64, QuoteError> {
    let mut tokens = 0;
    for (name, value) in fields {
        tokens += match value {
            Value::Array(_) | Value::Object(_) if name == holder => content(value, param, price)?,
            _ => text_bytes(value, "input", MAX_DEPTH)?,
        };
        if holder == "output" {
            // The result of a call is written into the prompt with its fields.
            tokens += name.len() as u64;
        }
    }
    Ok(tokens)
}
