//! Messages, and the number of their tokens, in Anthropic's API.

use super::chat::messages_bound;
use super::content::content;
use super::fields::{Fields, TEMPLATE_TOKENS_PER_MESSAGE};
use super::{Bounded, Change, QuoteError, QuotedTool, StreamUsage, Usage, tools};

pub(super) fn bound(fields: &Fields<'_>) -> Result<Bounded, QuoteError> {
    let (prompt_tokens, tools, mut changes) = input(fields)?;
    let output = fields.output_limit(&["max_tokens"], Some("max_tokens"), |_| true)?;
    changes.extend(output.changes);
    Ok(Bounded {
        tools,
        bounds: Usage {
            prompt_tokens,
            completion_tokens: output.tokens,
            ..Usage::default()
        },
        stream: fields.stream()?,
        // The events of a stream always report usage.
        usage: StreamUsage::Continuous,
        changes,
    })
}

/// Tokens are counted and no model runs: only the price of a request applies.
pub(super) fn bound_of_count(fields: &Fields<'_>) -> Result<Bounded, QuoteError> {
    let (_, _, changes) = input(fields)?;
    Ok(Bounded {
        tools: Vec::new(),
        bounds: Usage::default(),
        stream: false,
        usage: StreamUsage::Hidden,
        changes,
    })
}

fn input(fields: &Fields<'_>) -> Result<(u64, Vec<QuotedTool>, Vec<Change>), QuoteError> {
    let (counted, mut changes) = fields.admit()?;
    let system = match fields.given("system") {
        Some(system) => TEMPLATE_TOKENS_PER_MESSAGE + content(system, "system", fields.price)?,
        None => 0,
    };
    let tools = tools::bound(fields)?;
    changes.extend(tools.changes);
    let tokens = counted + system + messages_bound(fields)? + tools.tokens;
    Ok((tokens, tools.quoted, changes))
}
