//! What a service made of a request, before anybody asks what it costs.

use farthing_wire::pricing::Usage;
use farthing_wire::receipt::CountedBy;

/// Bytes of text that are about a token, where a count would take too long.
pub(super) const BYTES_PER_TOKEN: u64 = 4;

/// What a service made of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Produced {
    /// Nothing: it failed.
    Nothing,
    /// What the model's server counted itself.
    Counted(Usage),
    /// So many tokens, counted here. The input counts as well.
    Estimated(u64),
    /// So many bytes. Those of the request count as well.
    Bytes(u64),
}

impl Produced {
    pub(super) const fn counted_by(self) -> CountedBy {
        match self {
            Self::Counted(_) => CountedBy::Upstream,
            Self::Nothing | Self::Estimated(_) | Self::Bytes(_) => CountedBy::Estimate,
        }
    }

    pub(super) fn with_input(self, input: impl FnOnce() -> u64) -> Option<Usage> {
        match self {
            Self::Nothing | Self::Bytes(_) => None,
            Self::Counted(usage) => Some(usage),
            Self::Estimated(completion_tokens) => Some(Usage {
                prompt_tokens: input(),
                completion_tokens,
                ..Usage::default()
            }),
        }
    }
}
