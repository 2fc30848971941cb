//! Describes every key of the configuration from the structs that it is parsed into: their doc comments, types and
//! defaults. The reference page and `farthing serve --print-config` are generated from the descriptions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};
use solana_sdk::pubkey::Pubkey;

use super::units::REDACTED;
use super::{Config, FacilitatorConfig};

/// One table of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDescription {
    /// Name of the table, such as `http`, or `pricing.models."<name>"` for a table that may occur many times.
    pub name: String,
    /// Description of the table.
    pub meaning: String,
    /// Keys of the table, ordered by name.
    pub keys: Vec<KeyDescription>,
}

/// One key of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDescription {
    /// Name of the key.
    pub name: String,
    /// Unit or type of the value.
    pub unit: &'static str,
    /// Default as TOML; `None` if there is none.
    pub default: Option<String>,
    /// Whether the table must contain the key.
    pub is_required: bool,
    /// Description of the key.
    pub meaning: String,
}

/// A table within the configuration, with its schema.
struct Place<'a> {
    name: String,
    schema: &'a Map<String, Value>,
    /// The table with its defaults, as JSON.
    defaults: &'a Value,
}

/// Descriptions of all tables, ordered by name.
#[must_use]
pub fn describe() -> Vec<TableDescription> {
    let settings = SchemaSettings::default().with(|settings| settings.inline_subschemas = true);
    let schema = settings
        .into_generator()
        .into_root_schema_for::<Config>()
        .to_value();
    let defaults = to_json(&Config {
        facilitator: Some(FacilitatorConfig::new("")),
        ..Config::default()
    });
    let mut tables = Vec::new();
    for (name, schema) in properties(schema.as_object()) {
        let (name, schema, defaults) = match schema.get("items").and_then(object) {
            // An array of tables.
            Some(item) => (format!("[{name}]"), Some(item), &Value::Null),
            None => (name.clone(), object(schema), &defaults[name]),
        };
        if let Some(schema) = schema {
            let place = Place {
                name,
                schema,
                defaults,
            };
            describe_table(&place, &mut tables);
        }
    }
    tables
}

fn describe_table(place: &Place<'_>, tables: &mut Vec<TableDescription>) {
    let at = tables.len();
    let required = place.schema.get("required").and_then(Value::as_array);
    let required = required.into_iter().flatten().filter_map(Value::as_str);
    let required: BTreeSet<&str> = required.collect();
    let mut keys = Vec::new();
    for (name, schema) in properties(Some(place.schema)) {
        // The key may be a table of tables, one for each name.
        let named = object(schema).and_then(|schema| schema.get("additionalProperties"));
        match named
            .and_then(object)
            .filter(|named| named.contains_key("properties"))
        {
            Some(named) => describe_table(
                &Place {
                    name: format!("{}.{name}.\"<name>\"", place.name),
                    schema: named,
                    defaults: &Value::Null,
                },
                tables,
            ),
            None => keys.push(KeyDescription {
                name: name.clone(),
                unit: unit(name, schema),
                default: place
                    .defaults
                    .get(name)
                    .or_else(|| schema.get("default"))
                    .filter(|default| *default != REDACTED)
                    .and_then(toml_of),
                is_required: required.contains(name.as_str()),
                meaning: meaning(schema.as_object()),
            }),
        }
    }
    tables.insert(
        at,
        TableDescription {
            name: place.name.clone(),
            meaning: meaning(Some(place.schema)),
            keys,
        },
    );
}

/// The properties of an object schema, ordered by name.
fn properties(schema: Option<&Map<String, Value>>) -> BTreeMap<&String, &Value> {
    let properties = schema.and_then(|schema| schema.get("properties")?.as_object());
    properties.into_iter().flatten().collect()
}

/// The object schema of a property, whether or not the property is optional.
fn object(schema: &Value) -> Option<&Map<String, Value>> {
    let alternatives = schema.get("anyOf").and_then(Value::as_array);
    let mut schemas = alternatives.into_iter().flatten().chain([schema]);
    schemas
        .find(|schema| {
            schema.get("properties").is_some()
                || schema
                    .get("additionalProperties")
                    .is_some_and(Value::is_object)
        })?
        .as_object()
}

fn unit(name: &str, schema: &Value) -> &'static str {
    let text = schema.to_string();
    match name.rsplit('_').next() {
        _ if text.contains("\"USDC\"") => "USDC",
        Some("ms") => "milliseconds",
        Some("seconds") => "seconds",
        Some("bytes") => "bytes",
        _ if text.contains("\"array\"") => "list of strings",
        _ if text.contains("\"object\"") => "table of strings",
        _ if text.contains("\"boolean\"") => "true or false",
        _ if text.contains("\"integer\"") => "number",
        _ => "string",
    }
}

/// The description of a schema as one line.
fn meaning(schema: Option<&Map<String, Value>>) -> String {
    let text = schema.and_then(|schema| schema.get("description")?.as_str());
    let text = text.unwrap_or_default().split_whitespace();
    text.collect::<Vec<_>>().join(" ")
}

fn to_json(config: &Config) -> Value {
    serde_json::to_value(config).expect("a configuration is JSON")
}

/// A value as TOML; `None` for values that stand for a missing one.
fn toml_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() || *text == Pubkey::default().to_string() => None,
        // Written directly, because a number may exceed TOML's integers.
        Value::Number(number) => Some(number.to_string()),
        other => toml::Value::try_from(other)
            .ok()
            .map(|value| value.to_string()),
    }
}

/// The documentation page that lists all keys, as Markdown.
#[must_use]
pub fn reference_page() -> String {
    let mut page = String::from(PREFACE);
    for table in describe() {
        let _ = write!(page, "\n## `[{}]`\n\n{}\n\n", table.name, table.meaning);
        page.push_str("| key | unit | default | meaning |\n|---|---|---|---|\n");
        for key in table.keys {
            let default = match key.default {
                Some(default) => format!("`{default}`"),
                None if key.is_required => "required".to_owned(),
                None => "none".to_owned(),
            };
            let meaning = key.meaning.replace('|', "\\|");
            let _ = writeln!(
                page,
                "| `{}` | {} | {default} | {meaning} |",
                key.name, key.unit
            );
        }
    }
    page
}

const PREFACE: &str = "\
# Configuration

Every key of `farthing.toml`. This page is generated from the source, by
`cargo run -p farthing-verifier --example configuration > docs/configuration.md`; `farthing serve --print-config` prints
the effective configuration.

A key can also be set by an environment variable `FARTHING_<TABLE>_<KEY>`, for example `FARTHING_HTTP_LISTEN`. Flags
override environment variables, which override the file. Unknown keys are errors, also those of variables; a
variable whose table is unknown is not read. Amounts are USDC, as strings of at
most six decimal places; a size is a number of bytes or a string such as `\"4 MiB\"`. `none` means that a key has no
default.
";

impl Config {
    /// The effective configuration as TOML: every key with its description, unit and default. Secrets are redacted.
    #[must_use]
    pub fn effective(&self) -> String {
        let values = to_json(self);
        let mut text = String::new();
        for table in describe() {
            let mut places = Vec::new();
            let path: Vec<&str> = table.name.split('.').collect();
            expand(&path, String::new(), &values, &mut places);
            for (header, values) in places {
                write_table(&mut text, &table, &header, values);
            }
        }
        text
    }
}

/// Finds the tables of a description: one for each name of a table of tables, and for each element of an array.
fn expand<'a>(
    path: &[&str],
    header: String,
    values: &'a Value,
    places: &mut Vec<(String, &'a Value)>,
) {
    let Some((step, rest)) = path.split_first() else {
        places.push((header, values));
        return;
    };
    let at = |name: &str| match header.as_str() {
        "" => name.to_owned(),
        header => format!("{header}.{name}"),
    };
    if let Some(array) = step
        .strip_prefix('[')
        .and_then(|step| step.strip_suffix(']'))
    {
        for value in values[array].as_array().into_iter().flatten() {
            expand(rest, at(step), value, places);
        }
    } else if *step == "\"<name>\"" {
        for (name, value) in values.as_object().into_iter().flatten() {
            let name = toml::Value::from(name.as_str()).to_string();
            expand(rest, at(&name), value, places);
        }
    } else {
        expand(rest, at(step), &values[*step], places);
    }
}

fn write_table(text: &mut String, table: &TableDescription, header: &str, values: &Value) {
    if !values.is_object() {
        let _ = write!(
            text,
            "# {}\n# [{header}] is not configured\n\n",
            table.meaning
        );
        return;
    }
    let _ = write!(text, "# {}\n[{header}]\n", table.meaning);
    for key in &table.keys {
        let none = if key.is_required {
            "none, required"
        } else {
            "none"
        };
        let default = key.default.as_deref().unwrap_or(none);
        let _ = writeln!(text, "# {} ({}; default {default})", key.meaning, key.unit);
        let _ = match values.get(&key.name).and_then(toml_of) {
            Some(value) => writeln!(text, "{} = {value}", key.name),
            None => writeln!(text, "# {} =", key.name),
        };
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_says_what_it_means() {
        let tables = describe();
        let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "admin",
                "chain",
                "facilitator",
                "http",
                "pricing",
                "pricing.models.\"<name>\"",
                "pricing.models.\"<name>\".tools.\"<name>\"",
                "pricing.routes.\"<name>\"",
                "pricing.tiers.\"<name>\"",
                "pricing.tiers.\"<name>\".models.\"<name>\"",
                "pricing.tiers.\"<name>\".models.\"<name>\".tools.\"<name>\"",
                "settler",
                "store",
                "[upstream]",
            ]
        );
        for table in tables {
            assert!(!table.meaning.is_empty(), "[{}]", table.name);
            for key in table.keys {
                assert!(!key.meaning.is_empty(), "[{}] {}", table.name, key.name);
            }
        }
    }

    #[test]
    fn the_reference_page_is_current() {
        let page = include_str!("../../../docs/configuration.md");
        assert!(
            page == reference_page(),
            "cargo run -p farthing-verifier --example configuration > docs/configuration.md"
        );
    }

    #[test]
    fn what_is_in_force_can_be_read_again_and_tells_no_secret() {
        let text = super::super::tests::MINIMAL
            .replace("[http]", "[http]\n        upstream_api_key = \"sk-424242\"")
            .replace("8899\"", "8899/424242\"")
            .replace(
                "[pricing.models.demo]",
                "[[upstream]]\nname = \"b\"\nurl = \"http://x\"\napi_key = \"sk-424242\"\nmodels = [\"b-*\"]\n\
                 [pricing.models.demo.tools.web_search]\nper_call = \"0.01\"\nmax_calls = 3\nmax_input_tokens = 9\n\
                 [pricing.models.demo]",
            );
        let config = Config::from_toml(&text).expect("it is complete");
        let effective = config.effective();
        assert!(!effective.contains("424242"), "{effective}");
        let again = effective.replacen(
            "rpc_url = \"<redacted>\"",
            "rpc_url = \"http://127.0.0.1:1\"",
            1,
        );
        let again = Config::from_toml(&again).expect("what is in force is a configuration");
        assert_eq!(again.effective(), effective);
        assert!(
            effective.contains("\nidle_timeout_ms = 300000\n"),
            "{effective}"
        );
    }
}
