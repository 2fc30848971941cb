//! Text completions.

use serde_json::Value;

use super::fields::{Fields, MAX_MESSAGES, invalid};
use super::{Bounded, OutputLimitField, QuoteError, Usage};

pub(super) fn bound(fields: &Fields<'_>) -> Result<Bounded, QuoteError> {
    let (counted, mut changes) = fields.admit()?;
    let takes_none = fields.rules.output_limit_field == Some(OutputLimitField::None);
    let default = (!takes_none).then_some("max_tokens");
    let output = fields.output_limit(&["max_tokens"], default, |_| true)?;
    changes.extend(output.changes);
    let (prompts, prompt_tokens) = prompts(fields, "prompt")?;
    let suffix = fields.optional("suffix", Value::as_str, "a string")?;
    let bounds = Usage {
        prompt_tokens: counted + prompt_tokens + suffix.map_or(0, |suffix| suffix.len() as u64),
        // Each prompt is answered with its own `n` choices.
        completion_tokens: output.tokens * fields.choices()? * prompts,
        ..Usage::default()
    };
    fields.bounded(bounds, changes)
}

/// The number of texts, each a string or an array of tokens, and the most tokens that they have together: for each text
/// the bytes of its string or the number of its tokens, plus one token that the model may prepend.
pub(super) fn prompts(fields: &Fields<'_>, param: &str) -> Result<(u64, u64), QuoteError> {
    let malformed = || {
        invalid(
            param,
            format!(
                "\"{param}\" must be a string, an array of 1 to {MAX_MESSAGES} strings, or tokens"
            ),
        )
    };
    match fields.given(param) {
        Some(Value::String(text)) => Ok((1, text.len() as u64 + 1)),
        Some(Value::Array(items)) if are_tokens(items) => Ok((1, items.len() as u64 + 1)),
        Some(Value::Array(texts)) if (1..=MAX_MESSAGES).contains(&texts.len()) => {
            let mut tokens = 0;
            for text in texts {
                tokens += 1 + match text {
                    Value::String(text) => text.len() as u64,
                    Value::Array(items) if are_tokens(items) => items.len() as u64,
                    _ => return Err(malformed()),
                };
            }
            Ok((texts.len() as u64, tokens))
        }
        _ => Err(malformed()),
    }
}

fn are_tokens(items: &[Value]) -> bool {
    !items.is_empty() && items.iter().all(Value::is_u64)
}
