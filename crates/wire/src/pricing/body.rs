//! A request body: the bytes that the client sent, and what they say.
//!
//! A body is parsed for its price but not written anew: the order of keys, the spelling of numbers and strings, and
//! fields that are unknown here reach the upstream as they came. What is set here is spliced in ([`RequestBody::with`]).

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use super::QuoteError;
use super::fields::invalid;

/// Maximum number of objects and lists in a body, many times what the longest conversations have: to read one costs more
/// than its bytes say.
const MAX_PARTS: usize = 100_000;

/// The body of a request to a model: a JSON object.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestBody {
    bytes: Bytes,
    fields: Map<String, Value>,
    /// Whether the object itself names a field twice. The last one counts, and only that one is sent on.
    repeats_fields: bool,
}

/// A change of one field of a JSON object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    field: Cow<'static, str>,
    /// The new value as JSON; `None` removes the field.
    value: Option<Box<str>>,
}

impl Change {
    /// Sets a field.
    pub fn set(field: impl Into<Cow<'static, str>>, value: &impl Serialize) -> Self {
        Self {
            field: field.into(),
            value: serde_json::to_string(value)
                .ok()
                .map(String::into_boxed_str),
        }
    }

    /// Sets a field to a list of values that are JSON already.
    pub(super) fn set_list(field: &'static str, values: &[&RawValue]) -> Self {
        let values: Vec<&str> = values.iter().map(|value| value.get()).collect();
        Self {
            field: field.into(),
            value: Some(format!("[{}]", values.join(",")).into()),
        }
    }

    /// Removes a field.
    pub fn remove(field: impl Into<Cow<'static, str>>) -> Self {
        Self {
            field: field.into(),
            value: None,
        }
    }
}

impl RequestBody {
    /// Parses a body.
    ///
    /// # Errors
    /// [`QuoteError::Invalid`] if it is not a JSON object, or has more than 100,000 objects and lists. Objects within it
    /// that name a field twice are refused, because the upstream could read another value than the one that was priced.
    pub fn parse(bytes: impl Into<Bytes>) -> Result<Self, QuoteError> {
        let bytes = bytes.into();
        let mut repeats_fields = false;
        let mut reader = serde_json::Deserializer::from_slice(&bytes);
        let parts = Cell::new(0);
        let seed = Unambiguous {
            outermost: Some(&mut repeats_fields),
            parts: &parts,
        };
        let parsed = seed.deserialize(&mut reader);
        let parsed = parsed.and_then(|value| reader.end().map(|()| value));
        match parsed {
            Ok(Value::Object(fields)) => Ok(Self {
                bytes,
                fields,
                repeats_fields,
            }),
            Ok(_) => Err(invalid("body", "the body must be a JSON object")),
            Err(error) => Err(invalid("body", format!("the body is not JSON: {error}"))),
        }
    }

    /// The body's bytes.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The fields.
    #[must_use]
    pub const fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// The text of each value in a field that is a list; empty if it is not.
    pub(super) fn list(&self, field: &str) -> Vec<&RawValue> {
        let fields = serde_json::from_slice::<RawFields<'_>>(&self.bytes).ok();
        let list = fields.and_then(|RawFields(fields)| {
            let mut named = fields.into_iter().rev();
            named.find_map(|(name, value)| (name == field).then_some(value))
        });
        list.and_then(|list| serde_json::from_str(list.get()).ok())
            .unwrap_or_default()
    }

    /// The body with these changes; the bytes themselves if there is nothing to change.
    #[must_use]
    pub fn with(&self, changes: &[Change]) -> Bytes {
        if changes.is_empty() && !self.repeats_fields {
            return self.bytes.clone();
        }
        std::str::from_utf8(&self.bytes)
            .ok()
            .and_then(|text| changed(text, changes))
            .map_or_else(|| self.bytes.clone(), Bytes::from)
    }
}

impl TryFrom<Value> for RequestBody {
    type Error = QuoteError;

    fn try_from(body: Value) -> Result<Self, QuoteError> {
        let bytes = Bytes::from(body.to_string());
        match body {
            Value::Object(fields) => Ok(Self {
                bytes,
                fields,
                repeats_fields: false,
            }),
            _ => Err(invalid("body", "the body must be a JSON object")),
        }
    }
}

/// A JSON object with these changes: every other field keeps its place and its spelling, and new ones follow at the end.
/// Of a field that is named twice, only the last value stays. `None` if the text is not a JSON object.
#[must_use]
pub fn changed(object: &str, changes: &[Change]) -> Option<String> {
    let RawFields(fields) = serde_json::from_str(object).ok()?;
    let change_of = |name: &str| changes.iter().find(|change| change.field == name);
    let mut written = String::with_capacity(object.len() + 64);
    written.push('{');
    let mut write = |name: &str, value: &str| {
        if written.len() > 1 {
            written.push(',');
        }
        written.push_str(&Value::from(name).to_string());
        written.push(':');
        written.push_str(value);
    };
    let places = fields.iter().enumerate();
    let last: HashMap<&str, usize> = places.map(|(at, (name, _))| (&**name, at)).collect();
    for (at, (name, value)) in fields.iter().enumerate() {
        match change_of(name) {
            _ if last[&**name] != at => {}
            Some(change) => {
                if let Some(value) = &change.value {
                    write(name, value);
                }
            }
            None => write(name, value.get()),
        }
    }
    for change in changes {
        let is_new = !last.contains_key(&*change.field);
        if let Some(value) = change.value.as_ref().filter(|_| is_new) {
            write(&change.field, value);
        }
    }
    written.push('}');
    Some(written)
}

/// The fields of an object in their order, with the text of each value.
struct RawFields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for RawFields<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = RawFields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawFields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(Name(name)) = map.next_key()? {
                    fields.push((name, map.next_value()?));
                }
                Ok(RawFields(fields))
            }
        }
        from.deserialize_map(Fields)
    }
}

/// A field's name, borrowed unless it has escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads a value in which only the outermost object may name a field twice.
struct Unambiguous<'a> {
    /// Set if the outermost object names a field twice; `None` within it.
    outermost: Option<&'a mut bool>,
    /// Number of objects and lists so far.
    parts: &'a Cell<usize>,
}

impl<'a> Unambiguous<'a> {
    /// A value within this one.
    const fn within(&self) -> Unambiguous<'a> {
        Unambiguous {
            outermost: None,
            parts: self.parts,
        }
    }

    fn count<E: Error>(&self) -> Result<(), E> {
        self.parts.set(self.parts.get() + 1);
        if self.parts.get() > MAX_PARTS {
            let limit = format_args!("it has more than {MAX_PARTS} objects and lists");
            return Err(E::custom(limit));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Unambiguous<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unambiguous<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        self.count()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(self.within())? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        self.count()?;
        let mut fields = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(self.within())?;
            if fields.contains_key(&name) {
                match &mut self.outermost {
                    Some(repeats_fields) => **repeats_fields = true,
                    None => {
                        let name = Value::from(name);
                        return Err(A::Error::custom(format_args!("{name} is given twice")));
                    }
                }
            }
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(body: &str, changes: &[Change]) -> String {
        let body = RequestBody::parse(body.to_owned()).expect("a body");
        String::from_utf8(body.with(changes).to_vec()).expect("text")
    }

    #[test]
    fn what_is_not_one_object_is_refused() {
        for (body, reason) in [
            ("", "EOF"),
            ("null", "object"),
            ("[]", "object"),
            ("{} {}", "trailing"),
            ("{\"a\":1", "EOF"),
            ("\u{feff}{}", "not JSON"),
            ("{\"a\":\"\\ud83d\"}", "not JSON"),
            (r#"{"a":{"b":1,"b":2}}"#, "\"b\" is given twice"),
            (r#"{"a":[{"b":1,"\u0062":2}]}"#, "\"b\" is given twice"),
            ("{\"a\":1e999}", "out of range"),
        ] {
            let error = RequestBody::parse(body.to_owned()).expect_err(body);
            assert!(error.to_string().contains(reason), "{body}: {error}");
        }
        assert!(RequestBody::parse(&b"{\"a\":\"\xff\"}"[..]).is_err());
        let many = format!("{{\"a\":[{}]}}", vec!["{}"; MAX_PARTS].join(","));
        let error = RequestBody::parse(many).expect_err("it costs more than its bytes");
        assert!(error.to_string().contains("100000 objects"), "{error}");
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        assert!(RequestBody::parse(format!("{{\"a\":{deep}}}")).is_err());
    }

    #[test]
    fn what_is_not_changed_stays_byte_for_byte() {
        let body = "{ \"z\": 123456789012345678901234567890, \"a\": 1.50, \"s\": \"\\u00e9 \\/\",\n\"o\":{\"y\":1,\"x\":2}}";
        assert_eq!(sent(body, &[]), body);
        let changed = sent(body, &[Change::set("a", &7), Change::set("new", &"x")]);
        assert_eq!(
            changed,
            "{\"z\":123456789012345678901234567890,\"a\":7,\"s\":\"\\u00e9 \\/\",\"o\":{\"y\":1,\"x\":2},\"new\":\"x\"}"
        );
        assert_eq!(
            sent(r#"{"a":1,"b":2}"#, &[Change::remove("a")]),
            r#"{"b":2}"#
        );
        assert_eq!(sent("{}", &[Change::remove("a")]), "{}");
        assert_eq!(sent("{}", &[Change::set("a", &true)]), r#"{"a":true}"#);
    }

    #[test]
    fn the_last_of_two_values_counts_and_is_the_only_one_sent() {
        let body = r#"{"a":1,"b":2,"\u0061":3}"#;
        let parsed = RequestBody::parse(body).expect("a body");
        assert_eq!(parsed.fields()["a"], 3);
        assert_eq!(sent(body, &[]), r#"{"b":2,"a":3}"#);
        assert_eq!(sent(body, &[Change::set("a", &4)]), r#"{"b":2,"a":4}"#);
    }
}
