//! What inference costs: one function for the maximum before, and the charge after.

use crate::BaseUnits;

/// Prices of one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenPrice {
    /// Base units per million input tokens.
    pub input_per_million: BaseUnits,
    /// Base units per million output tokens.
    pub output_per_million: BaseUnits,
    /// Base units per million input tokens that a cache held; as any other if there is no such price.
    pub cached_input_per_million: Option<BaseUnits>,
    /// Base units per million output tokens that nobody sees; as any other if there is no such price.
    pub reasoning_per_million: Option<BaseUnits>,
    /// Base units per request, added to the tokens' price.
    pub per_request: BaseUnits,
    /// The least that a request costs, in base units.
    pub minimum: BaseUnits,
}

/// Tokens of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tokens {
    /// Input, all of it.
    pub input: u64,
    /// The part of the input that a cache held; at most all of it counts.
    pub cached_input: u64,
    /// Output, all of it.
    pub output: u64,
    /// The part of the output that nobody sees; at most all of it counts.
    pub reasoning: u64,
}

impl TokenPrice {
    /// The price of a request, rounded up once; `None` if it exceeds `u64`.
    ///
    /// Monotone in input and output.
    #[must_use]
    pub fn of(&self, tokens: Tokens) -> Option<BaseUnits> {
        let cached = tokens.cached_input.min(tokens.input);
        let reasoning = tokens.reasoning.min(tokens.output);
        let cached_price = self.cached_input_per_million;
        let reasoning_price = self.reasoning_per_million;
        let parts = [
            (self.input_per_million, tokens.input - cached),
            (cached_price.unwrap_or(self.input_per_million), cached),
            (self.output_per_million, tokens.output - reasoning),
            (
                reasoning_price.unwrap_or(self.output_per_million),
                reasoning,
            ),
        ];
        let mut millionths = 0_u128;
        for (price, count) in parts {
            // Two products of u64 and their sum fit in u128 only if checked: (2^64 - 1)^2 * 2 does not.
            let part = u128::from(price.0) * u128::from(count);
            millionths = millionths.checked_add(part)?;
        }
        let total = millionths
            .div_ceil(1_000_000)
            .checked_add(u128::from(self.per_request.0))?;
        let total = u64::try_from(total).ok()?;
        Some(BaseUnits(total.max(self.minimum.0)))
    }

    /// The most that a request of at most so many tokens can cost, whatever parts of them are cached or
    /// reasoning: no charge for tokens within these bounds exceeds it.
    #[must_use]
    pub fn maximum(&self, input: u64, output: u64) -> Option<BaseUnits> {
        let dearer = |price: Option<BaseUnits>, than: BaseUnits, all: u64| {
            price.filter(|price| *price > than).map_or(0, |_| all)
        };
        self.of(Tokens {
            input,
            cached_input: dearer(self.cached_input_per_million, self.input_per_million, input),
            output,
            reasoning: dearer(self.reasoning_per_million, self.output_per_million, output),
        })
    }
}
