//! How sizes and secrets are read from a configuration file and shown.

use std::borrow::Cow;

use bytesize::ByteSize;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serializer};
use serde_with::schemars_1::JsonSchemaAs;
use serde_with::{DeserializeAs, SerializeAs};

/// Placeholder for a secret where a configuration is shown.
pub(super) const REDACTED: &str = "<redacted>";

/// A size as a number of bytes, or as text with a unit, such as `"4 MiB"`.
pub(super) struct Bytes;

impl SerializeAs<ByteSize> for Bytes {
    fn serialize_as<S: Serializer>(size: &ByteSize, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(size.as_u64())
    }
}

impl<'de> DeserializeAs<'de, ByteSize> for Bytes {
    fn deserialize_as<D: Deserializer<'de>>(from: D) -> Result<ByteSize, D::Error> {
        ByteSize::deserialize(from)
    }
}

impl JsonSchemaAs<ByteSize> for Bytes {
    fn schema_name() -> Cow<'static, str> {
        u64::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        u64::json_schema(generator)
    }
}

/// A size as a `usize`.
pub(crate) fn in_memory(size: ByteSize) -> usize {
    usize::try_from(size.as_u64()).unwrap_or(usize::MAX)
}

/// A secret, which is read and never shown.
pub(super) struct Secret;

impl SerializeAs<SecretString> for Secret {
    fn serialize_as<S: Serializer>(secret: &SecretString, to: S) -> Result<S::Ok, S::Error> {
        let is_empty = secret.expose_secret().is_empty();
        to.serialize_str(if is_empty { "" } else { REDACTED })
    }
}

impl<'de> DeserializeAs<'de, SecretString> for Secret {
    fn deserialize_as<D: Deserializer<'de>>(from: D) -> Result<SecretString, D::Error> {
        SecretString::deserialize(from)
    }
}

impl JsonSchemaAs<SecretString> for Secret {
    fn schema_name() -> Cow<'static, str> {
        String::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}
