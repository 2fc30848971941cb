//! Newtypes for the numbers that could be swapped with one another.

use core::fmt;

/// An amount of a mint in its smallest unit; 1 USDC is 1,000,000 base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BaseUnits(pub u64);

impl BaseUnits {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// The sum, or `None` if it exceeds `u64`.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The difference, or `None` if it is negative.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// The difference, or zero if it is negative.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for BaseUnits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why text is not an amount in base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseBaseUnitsError;

impl fmt::Display for ParseBaseUnitsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("amount is not a decimal string of base units below 2^64")
    }
}

impl core::error::Error for ParseBaseUnitsError {}

impl core::str::FromStr for BaseUnits {
    type Err = ParseBaseUnitsError;

    /// Reads the wire form: decimal digits and nothing else, so that one amount has one spelling
    /// up to leading zeros.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseBaseUnitsError);
        }
        text.parse().map(Self).map_err(|_| ParseBaseUnitsError)
    }
}

/// Position of a lane in its channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LaneIndex(pub u16);

impl fmt::Display for LaneIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How often a lane's signer was replaced. A voucher names it, so that a voucher of an earlier
/// signer is worthless; the lane's counter carries on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation(pub u16);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
