//! Embeddings: input tokens only.

use super::completions::prompts;
use super::fields::Fields;
use super::{Bounded, QuoteError, StreamUsage, Usage};

pub(super) fn bound(fields: &Fields<'_>) -> Result<Bounded, QuoteError> {
    let (counted, changes) = fields.admit()?;
    if fields.stream()? {
        let message = "embeddings are not streamed: leave \"stream\" out";
        return Err(super::fields::invalid("stream", message));
    }
    let (_, prompt_tokens) = prompts(fields, "input")?;
    Ok(Bounded {
        tools: Vec::new(),
        bounds: Usage {
            prompt_tokens: counted + prompt_tokens,
            ..Usage::default()
        },
        stream: false,
        usage: StreamUsage::Hidden,
        changes,
    })
}
