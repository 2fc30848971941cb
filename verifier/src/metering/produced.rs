//! What a service produced for a request, independent of its price.

use std::collections::BTreeMap;

use farthing_wire::pricing::Usage;
use farthing_wire::receipt::CountedBy;

/// Approximate number of bytes per token, used where counting tokens would take too long.
pub(super) const BYTES_PER_TOKEN: u64 = 4;

/// What a service produced for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Produced {
    /// Nothing: it failed.
    Nothing,
    /// Tokens of a model.
    Tokens(Count),
    /// Number of bytes of the answer. The bytes of the request are charged in addition.
    Bytes(u64),
}

/// Tokens of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Count {
    /// Input tokens as the upstream counted them; `None` if they are to be counted here.
    pub(crate) input: Option<u64>,
    /// The part of the input that the upstream read from its cache.
    pub(crate) cached: u64,
    /// Output tokens.
    pub(crate) output: u64,
    /// The part of the output that is reasoning.
    pub(crate) reasoning: u64,
    /// Who counted the output.
    pub(crate) by: CountedBy,
    /// Calls of tools that the upstream ran, by the tool's name.
    pub(crate) calls: BTreeMap<String, u64>,
}

impl Count {
    /// Output tokens that were counted or estimated here. The input is counted here as well.
    pub(crate) const fn estimated(output: u64) -> Self {
        Self {
            input: None,
            cached: 0,
            output,
            reasoning: 0,
            by: CountedBy::Estimate,
            calls: BTreeMap::new(),
        }
    }
}

impl Count {
    /// At least this much output, as an estimate if it is more than was counted.
    pub(super) fn at_least(self, output: u64) -> Self {
        if output <= self.output {
            return self;
        }
        Self {
            output,
            by: CountedBy::Estimate,
            ..self
        }
    }
}

impl Produced {
    /// Output tokens that were counted or estimated here.
    pub(crate) const fn estimated(output: u64) -> Self {
        Self::Tokens(Count::estimated(output))
    }

    /// Number of output tokens.
    pub(crate) fn output_tokens(&self) -> u64 {
        self.count().map_or(0, |count| count.output)
    }

    /// The count, if tokens were produced.
    pub(super) const fn count(&self) -> Option<&Count> {
        match self {
            Self::Tokens(count) => Some(count),
            Self::Nothing | Self::Bytes(_) => None,
        }
    }
}

impl Count {
    /// The usage, with the input tokens of `input` where the upstream did not count them, and who counted it.
    pub(super) fn usage(&self, input: impl FnOnce() -> u64) -> (Usage, CountedBy) {
        let by = match self.input {
            Some(_) => self.by,
            None => CountedBy::Estimate,
        };
        let usage = Usage {
            prompt_tokens: self.input.unwrap_or_else(input),
            cached_tokens: self.cached,
            completion_tokens: self.output,
            reasoning_tokens: self.reasoning,
        };
        (usage, by)
    }
}
