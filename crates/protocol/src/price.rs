//! What inference costs: one function for the maximum before, and the charge after.

use crate::BaseUnits;

/// Prices of one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenPrice {
    /// Base units per million input tokens.
    pub input_per_million: BaseUnits,
    /// Base units per million output tokens.
    pub output_per_million: BaseUnits,
    /// Base units per request, added to the tokens' price.
    pub per_request: BaseUnits,
    /// The least that a request costs, in base units.
    pub minimum: BaseUnits,
}

impl TokenPrice {
    /// The price of a request, rounded up once; `None` if it exceeds `u64`.
    ///
    /// Monotone in both counts, so a charge never exceeds the maximum that was computed from upper
    /// bounds of the same counts.
    #[must_use]
    pub fn of(&self, input_tokens: u64, output_tokens: u64) -> Option<BaseUnits> {
        // Two products of u64 and their sum fit in u128 only if checked: (2^64 - 1)^2 * 2 does not.
        let input = u128::from(self.input_per_million.0) * u128::from(input_tokens);
        let output = u128::from(self.output_per_million.0) * u128::from(output_tokens);
        let tokens = input.checked_add(output)?.div_ceil(1_000_000);
        let total = tokens.checked_add(u128::from(self.per_request.0))?;
        let total = u64::try_from(total).ok()?;
        Some(BaseUnits(total.max(self.minimum.0)))
    }
}
