//! Embeddings: input tokens only.

use serde_json::Value;

use super::completions::prompts;
use super::fields::Fields;
use super::{Bounded, QuoteError, Usage};

/// The accepted fields, which cost nothing beyond the tokens that are bounded here.
const FIELDS: &[&str] = &["model", "input", "dimensions", "encoding_format", "user"];

pub(super) fn bound(fields: &Fields<'_>) -> Result<Bounded, QuoteError> {
    fields.only(FIELDS)?;
    let (_, prompt_tokens) = prompts(fields, "input")?;
    Ok(Bounded {
        bounds: Usage {
            prompt_tokens,
            ..Usage::default()
        },
        stream: false,
        wants_usage: false,
        upstream_body: Value::Object(fields.0.clone()),
    })
}
