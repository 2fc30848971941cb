//! Fuzz target for amounts, as people write them in USDC and as the wire protocol writes them in base units.
//!
//! Both parsers accept exactly the same texts, with the same values, as a simple parser that reads one character after
//! the other. Every amount is parsed from its displayed form as the same amount.

use farthing_protocol::BaseUnits;
use farthing_wire::amount::{USDC_DECIMALS, Usdc, parse_usdc};

/// The bytes are text.
///
/// # Panics
/// If a property is violated.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let usdc = parse_usdc(text);
    assert_eq!(usdc.clone().ok(), scan(text, USDC_DECIMALS));
    if let Ok(amount) = usdc {
        assert_eq!(parse_usdc(&Usdc(amount).to_string()), Ok(amount));
    }
    let base_units: Option<BaseUnits> = text.parse().ok();
    let whole = Some(text).filter(|text| !text.contains('.'));
    assert_eq!(base_units, whole.and_then(|text| scan(text, 0)));
    if let Some(amount) = base_units {
        assert_eq!(amount.to_string().parse(), Ok(amount));
    }
}

/// Digits with at most one point and `decimals` places after it, times 10 to the power of `decimals`.
fn scan(text: &str, decimals: u8) -> Option<BaseUnits> {
    let mut units: u128 = 0;
    let mut digits = 0;
    let mut places = None;
    for character in text.chars() {
        if character == '.' && places.is_none() {
            places = Some(0);
            continue;
        }
        if !character.is_ascii_digit() {
            return None;
        }
        digits += 1;
        places = places.map(|places| places + 1);
        units = units.checked_mul(10)?;
        units = units.checked_add(character.to_digit(10)?.into())?;
    }
    let missing = u32::from(decimals).checked_sub(places.unwrap_or(0))?;
    let units = units.checked_mul(10_u128.pow(missing))?;
    u64::try_from(units)
        .ok()
        .filter(|_| digits > 0)
        .map(BaseUnits)
}
