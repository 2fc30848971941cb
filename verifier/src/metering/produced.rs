//! What a service produced for a request, independent of its price.

use farthing_wire::pricing::Usage;
use farthing_wire::receipt::CountedBy;

/// Approximate number of bytes per token, used where counting tokens would take too long.
pub(super) const BYTES_PER_TOKEN: u64 = 4;

/// What a service produced for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Produced {
    /// Nothing: it failed.
    Nothing,
    /// Usage that the upstream itself reported.
    Counted(Usage),
    /// Number of output tokens, counted or estimated here. The input is charged in addition.
    Estimated(u64),
    /// Number of bytes of the answer. The bytes of the request are charged in addition.
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
