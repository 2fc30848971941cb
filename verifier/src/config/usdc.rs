//! Amounts in configuration files: decimal USDC strings.

use std::borrow::Cow;

use farthing_protocol::BaseUnits;
use farthing_wire::amount::{Usdc, parse_usdc};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};
use serde::{Serialize, Serializer};

/// An amount that is written in decimal USDC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UsdcAmount(pub BaseUnits);

impl<'de> Deserialize<'de> for UsdcAmount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_usdc(&text).map(Self).map_err(D::Error::custom)
    }
}

impl Serialize for UsdcAmount {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&Usdc(self.0))
    }
}

impl JsonSchema for UsdcAmount {
    fn schema_name() -> Cow<'static, str> {
        "USDC".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "USDC"})
    }
}
