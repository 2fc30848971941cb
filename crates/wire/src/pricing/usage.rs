//! Tokens of a request.

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
