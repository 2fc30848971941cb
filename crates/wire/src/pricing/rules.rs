//! What a provider accepts in a request's body beyond what its price says.

use std::collections::{BTreeMap, BTreeSet};

use farthing_protocol::BaseUnits;
use serde::{Deserialize, Serialize};
use serde_with::{DisplayFromStr, serde_as};

use super::dialect::{Dialect, OutputLimitField};

/// What a provider accepts in a request's body. The default accepts the fields of every dialect and no tools that the
/// upstream runs; clients price with it, and ask for the price of a body that it refuses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BodyRules {
    /// The upstream's dialect; `None` if it is not known, so that the fields of all dialects are accepted.
    pub dialect: Option<Dialect>,
    /// Further fields that are passed on; their bytes count as input.
    pub allow_fields: BTreeSet<String>,
    /// Fields that are removed before a request is passed on.
    pub drop_fields: BTreeSet<String>,
    /// Tools that the upstream would run and that are removed before a request is passed on, by their `type`.
    pub drop_tools: BTreeSet<String>,
    /// Whether a request for more output than the model's limit is refused. By default, the limit is used instead.
    pub refuse_above_limit: bool,
    /// The name of the output limit of a chat completion; by default that of the dialect.
    pub output_limit_field: Option<OutputLimitField>,
    /// Prices of tools that the upstream runs, by their `type`.
    pub tools: BTreeMap<String, ToolPrice>,
    /// The upstream's own name of the model.
    pub upstream_model: Option<String>,
}

/// The price of a tool that the upstream runs.
#[serde_as]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolPrice {
    /// Base units per call.
    #[serde_as(as = "DisplayFromStr")]
    pub per_call: BaseUnits,
    /// The most calls of one request that are paid for.
    pub max_calls: u32,
    /// The most input tokens that the results of one request's calls may add.
    pub max_input_tokens: u32,
}

impl ToolPrice {
    /// The most that one request's calls can cost; `None` if it exceeds 64 bits.
    #[must_use]
    pub fn maximum(&self) -> Option<BaseUnits> {
        let most = self.per_call.0.checked_mul(u64::from(self.max_calls))?;
        Some(BaseUnits(most))
    }
}

/// A tool that the upstream runs, with its price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotedTool {
    /// The name under which it is sold.
    pub tool: String,
    /// Its price.
    pub price: ToolPrice,
}
