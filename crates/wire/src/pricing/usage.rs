//! Tokens as upstreams report them.

use serde_json::Value;

/// Tokens of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Input tokens, all of them.
    pub prompt_tokens: u64,
    /// The part of the input that the upstream read from its cache.
    pub cached_tokens: u64,
    /// Output tokens, all of them.
    pub completion_tokens: u64,
    /// The part of the output that is reasoning and not shown.
    pub reasoning_tokens: u64,
}

impl Usage {
    /// Reads a `usage` object with the field names of chat completions or of responses; `None` if it has no number of
    /// input tokens.
    #[must_use]
    pub fn read(usage: &Value) -> Option<Self> {
        let number = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64);
        let either = |first: &str, second: &str| number(first).or_else(|| number(second));
        Some(Self {
            prompt_tokens: either("/prompt_tokens", "/input_tokens")?,
            cached_tokens: either(
                "/prompt_tokens_details/cached_tokens",
                "/input_tokens_details/cached_tokens",
            )
            .unwrap_or_default(),
            // Embeddings have no output tokens.
            completion_tokens: either("/completion_tokens", "/output_tokens").unwrap_or_default(),
            reasoning_tokens: either(
                "/completion_tokens_details/reasoning_tokens",
                "/output_tokens_details/reasoning_tokens",
            )
            .unwrap_or_default(),
        })
    }
}
