//! USDC amounts for people: decimal strings of at most six places, converted without rounding.

use std::fmt;

use farthing_protocol::BaseUnits;

/// Decimal places of USDC.
pub const USDC_DECIMALS: u8 = 6;
const BASE_UNITS_PER_USDC: u64 = 1_000_000;

/// Why a text cannot be read as an amount of USDC.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsdcError {
    /// The text is not made of digits with at most one decimal point.
    #[error("\"{0}\" is not an amount of USDC: write it as 12 or 0.25")]
    Format(String),
    /// The text has more than six decimal places.
    #[error("\"{0}\" has more than 6 decimal places, the smallest amount is 0.000001 USDC")]
    TooPrecise(String),
    /// The amount in base units does not fit in 64 bits.
    #[error("\"{0}\" is too large, the largest amount is 18446744073709.551615 USDC")]
    TooLarge(String),
}

/// Reads `12`, `0.25` or `.5` as USDC; never rounds.
///
/// # Errors
/// [`UsdcError`] says what is wrong with the text.
pub fn parse_usdc(text: &str) -> Result<BaseUnits, UsdcError> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return Err(UsdcError::Format(text.to_owned()));
    }
    if fraction.len() > usize::from(USDC_DECIMALS) {
        return Err(UsdcError::TooPrecise(text.to_owned()));
    }
    let too_large = || UsdcError::TooLarge(text.to_owned());
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().map_err(|_| too_large())?
    };
    let fraction: u64 = format!("{fraction:0<6}").parse().map_err(|_| too_large())?;
    whole
        .checked_mul(BASE_UNITS_PER_USDC)
        .and_then(|units| units.checked_add(fraction))
        .map(BaseUnits)
        .ok_or_else(too_large)
}

/// Shows base units as USDC without trailing zeros, at least two places: `0.25`, `1.00`, `0.000001`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usdc(pub BaseUnits);

impl fmt::Display for Usdc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.0.0 / BASE_UNITS_PER_USDC;
        let fraction = format!("{:06}", self.0.0 % BASE_UNITS_PER_USDC);
        let significant = fraction.trim_end_matches('0').len().max(2);
        f.pad(&format!("{whole}.{}", &fraction[..significant]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_exactly_what_people_write() {
        for (text, base_units) in [
            ("0.25", 250_000),
            ("12", 12_000_000),
            (".5", 500_000),
            ("1.", 1_000_000),
            ("0.000001", 1),
            ("18446744073709.551615", u64::MAX),
        ] {
            assert_eq!(parse_usdc(text), Ok(BaseUnits(base_units)), "{text}");
        }
    }

    #[test]
    fn refuses_what_it_would_have_to_guess() {
        for text in ["", ".", "-1", "+1", "1,5", "1e3", " 1", "1.2.3", "0x1", "١"] {
            assert_eq!(parse_usdc(text), Err(UsdcError::Format(text.to_owned())));
        }
        let text = "0.0000001";
        assert_eq!(
            parse_usdc(text),
            Err(UsdcError::TooPrecise(text.to_owned()))
        );
        for text in ["18446744073709.551616", "99999999999999999999"] {
            assert_eq!(parse_usdc(text), Err(UsdcError::TooLarge(text.to_owned())));
        }
    }

    #[test]
    fn shows_what_it_reads() {
        for (base_units, text) in [
            (0, "0.00"),
            (1, "0.000001"),
            (250_000, "0.25"),
            (1_000_000, "1.00"),
            (u64::MAX, "18446744073709.551615"),
        ] {
            assert_eq!(Usdc(BaseUnits(base_units)).to_string(), text);
            assert_eq!(parse_usdc(text), Ok(BaseUnits(base_units)));
        }
    }
}
