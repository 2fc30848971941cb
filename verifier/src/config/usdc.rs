//! Amounts in configuration files: decimal USDC strings.

use farthing_protocol::BaseUnits;
use farthing_wire::amount::parse_usdc;
use serde::de::{Deserialize, Deserializer, Error};

/// An amount that a person wrote as USDC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UsdcAmount(pub BaseUnits);

impl<'de> Deserialize<'de> for UsdcAmount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_usdc(&text).map(Self).map_err(D::Error::custom)
    }
}
