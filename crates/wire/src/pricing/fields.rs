//! Reads the fields of a request body, decides which of them pass, and sets the output limit.

use serde_json::{Number, Value};

use super::body::Change;
use super::dialect::OutputLimitField;
use super::known::{Found, Rule, known};
use super::{
    BodyRules, Bounded, Endpoint, ModelPrice, QuoteError, RequestBody, StreamUsage, Usage,
};

/// Tokens that a chat template may add to a message or an item.
pub(super) const TEMPLATE_TOKENS_PER_MESSAGE: u64 = 16;
/// The most messages, items or texts of one request.
pub(super) const MAX_MESSAGES: usize = 4_096;
/// The most choices (`n`) of one request.
const MAX_CHOICES: u64 = 128;
/// Deepest nesting of content whose text is counted.
pub(super) const MAX_DEPTH: usize = 64;

pub(super) fn invalid(param: &str, message: impl Into<String>) -> QuoteError {
    QuoteError::Invalid {
        param: param.to_owned(),
        message: message.into(),
    }
}

pub(super) fn not_bounded(param: impl Into<String>, why: impl Into<String>) -> QuoteError {
    QuoteError::NotBounded {
        param: param.into(),
        why: why.into(),
    }
}

/// The output limit of one answer.
pub(super) struct OutputLimit {
    /// The most tokens of one answer.
    pub(super) tokens: u64,
    pub(super) changes: Vec<Change>,
}

/// A body that is being priced.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) body: &'a RequestBody,
    pub(super) price: &'a ModelPrice,
    pub(super) rules: &'a BodyRules,
}

impl<'a> Fields<'a> {
    /// Decides of every field whether it passes. Returns the bytes of those that count as input, and the changes that
    /// remove those that are dropped.
    pub(super) fn admit(&self) -> Result<(u64, Vec<Change>), QuoteError> {
        let mut bytes = 0;
        let mut changes = Vec::new();
        for (name, value) in self.body.fields() {
            let found = known(self.endpoint, name, self.rules.dialect);
            let is_read = matches!(&found, Found::Known(field) if matches!(field.rule, Rule::Read));
            if is_read {
                continue;
            }
            if self.rules.drop_fields.contains(name) {
                changes.push(Change::remove(name.clone()));
                continue;
            }
            if asks_for_nothing(name, value) {
                continue;
            }
            if self.rules.allow_fields.contains(name) {
                bytes += json_length(value);
                continue;
            }
            match found {
                Found::Known(field) => match field.rule {
                    Rule::Read | Rule::Passes => {}
                    Rule::Counts => bytes += json_length(value),
                    Rule::CountsIf(is_bounded) if is_bounded(value) => {
                        bytes += json_length(value);
                    }
                    Rule::Only(is_harmless) if is_harmless(value) => {}
                    Rule::Only(_) | Rule::CountsIf(_) | Rule::Refused => {
                        return Err(not_bounded(name, with_settings(field.why)));
                    }
                },
                Found::OfAnotherDialect => {
                    let dialect = self.rules.dialect.map_or("unknown", |known| known.name());
                    let why =
                        format!("the upstream, whose dialect is {dialect}, has no such field");
                    return Err(not_bounded(name, with_settings(&why)));
                }
                Found::Unknown => {
                    return Err(not_bounded(name, with_settings("it is not a known field")));
                }
            }
        }
        Ok((bytes, changes))
    }

    /// A field that is neither missing nor null.
    pub(super) fn given(&self, param: &str) -> Option<&'a Value> {
        let value = self.body.fields().get(param);
        value.filter(|value| !value.is_null())
    }

    /// An optional field: `None` if it is missing or null, an error if `read` does not accept its value.
    pub(super) fn optional<T>(
        &self,
        param: &str,
        read: impl Fn(&'a Value) -> Option<T>,
        expected: &str,
    ) -> Result<Option<T>, QuoteError> {
        self.given(param)
            .map(|value| {
                read(value).ok_or_else(|| invalid(param, format!("\"{param}\" must be {expected}")))
            })
            .transpose()
    }

    pub(super) fn stream(&self) -> Result<bool, QuoteError> {
        let stream = self.optional("stream", Value::as_bool, "a boolean")?;
        Ok(stream.unwrap_or(false))
    }

    pub(super) fn choices(&self) -> Result<u64, QuoteError> {
        let choices = self.optional("n", whole_number, "a whole number")?;
        let choices = choices.unwrap_or(1);
        if (1..=MAX_CHOICES).contains(&choices) {
            Ok(choices)
        } else {
            Err(invalid(
                "n",
                format!("\"n\" must be between 1 and {MAX_CHOICES}"),
            ))
        }
    }

    /// The output limit: the smallest of what the body asks for and the model's limit. `params` are the names that the
    /// API has for it; `target` is the one that the upstream takes, if it takes only one.
    pub(super) fn output_limit(
        &self,
        params: &[&'static str],
        default: Option<&'static str>,
        takes: impl Fn(&str) -> bool,
    ) -> Result<OutputLimit, QuoteError> {
        let limit = u64::from(self.price.max_output_tokens);
        let mut asked: Option<(&'static str, u64)> = None;
        for &param in params {
            // A few servers take -1 for no limit.
            let unlimited = self
                .given(param)
                .is_some_and(|value| value.as_i64() == Some(-1));
            if unlimited {
                continue;
            }
            let tokens = self.optional(param, whole_number, "a positive whole number")?;
            match (tokens, asked) {
                (Some(0), _) => {
                    return Err(invalid(param, format!("\"{param}\" must be at least 1")));
                }
                (Some(tokens), Some((earlier, other))) if tokens != other => {
                    return Err(invalid(
                        earlier,
                        format!("\"{earlier}\" and \"{param}\" differ: give one of them"),
                    ));
                }
                (Some(tokens), None) => asked = Some((param, tokens)),
                (Some(_) | None, _) => {}
            }
        }
        if let Some((param, tokens)) = asked.filter(|(_, tokens)| *tokens > limit)
            && self.rules.refuse_above_limit
        {
            return Err(invalid(
                param,
                format!(
                    "\"{param}\" is {tokens}, but this model's answers have at most {limit} tokens"
                ),
            ));
        }
        let target = match asked {
            Some((param, _)) if takes(param) => Some(param),
            _ => default,
        };
        let tokens = match (asked, target) {
            (Some((_, tokens)), _) => tokens.min(limit),
            (None, Some(_)) => self.price.default_output(),
            (None, None) => limit,
        };
        let mut changes = Vec::new();
        for &param in params {
            let value = self.body.fields().get(param);
            if Some(param) == target {
                if value.and_then(Value::as_u64) != Some(tokens) {
                    changes.push(Change::set(param, &tokens));
                }
            } else if value.is_some_and(|value| !value.is_null()) {
                changes.push(Change::remove(param));
            }
        }
        Ok(OutputLimit { tokens, changes })
    }

    /// The name under which the upstream takes a limit that the body does not have, and whether it takes a name.
    pub(super) fn chat_limit_field(&self) -> (Option<&'static str>, impl Fn(&str) -> bool + use<>) {
        let set = self.rules.output_limit_field;
        let dialect = self.rules.dialect;
        let default = set
            .or(dialect.map(super::Dialect::output_limit_field))
            .unwrap_or(OutputLimitField::MaxCompletionTokens);
        let takes = move |name: &str| match (set, dialect) {
            (Some(OutputLimitField::None), _) | (None, None) => true,
            (Some(only), _) => only.name() == Some(name),
            (None, Some(dialect)) => dialect.takes_limit(name),
        };
        (default.name(), takes)
    }

    /// Bytes of fields that a template writes into the prompt as JSON.
    pub(super) fn json_bytes(&self, params: &[&str]) -> u64 {
        let values = params.iter().filter_map(|param| self.given(param));
        values.map(json_length).sum()
    }

    /// The request with its bounds. For a stream, usage is asked for.
    pub(super) fn bounded(
        &self,
        bounds: Usage,
        mut changes: Vec<Change>,
    ) -> Result<Bounded, QuoteError> {
        let stream = self.stream()?;
        let usage = if stream {
            self.ask_for_usage(&mut changes)?
        } else {
            StreamUsage::Hidden
        };
        Ok(Bounded {
            tools: Vec::new(),
            bounds,
            stream,
            usage,
            changes,
        })
    }

    fn has_several_prompts(&self) -> bool {
        let prompts = self.given("prompt").and_then(Value::as_array);
        prompts.is_some_and(|prompts| prompts.len() > 1 && !prompts.iter().all(Value::is_u64))
    }

    /// Adds the request for usage, and returns what the client itself asked for.
    fn ask_for_usage(&self, changes: &mut Vec<Change>) -> Result<StreamUsage, QuoteError> {
        let options = self.optional("stream_options", Value::as_object, "an object")?;
        let asked =
            |name: &str| options.and_then(|options| options.get(name)) == Some(&Value::Bool(true));
        let (at_end, wants_continuous) = (asked("include_usage"), asked("continuous_usage_stats"));
        let dialect = self.rules.dialect;
        // Of several choices or prompts, each chunk would report only its own.
        let is_single = self.choices()? == 1 && !self.has_several_prompts();
        let continuously = wants_continuous && is_single;
        let continuous =
            is_single && dialect.is_some_and(super::Dialect::reports_usage_continuously);
        if !at_end || (continuous && !continuously) || wants_continuous != continuously {
            let mut options = options.cloned().unwrap_or_default();
            options.insert("include_usage".to_owned(), true.into());
            if continuous || wants_continuous {
                options.insert("continuous_usage_stats".to_owned(), is_single.into());
            }
            changes.push(Change::set("stream_options", &options));
        }
        Ok(match (at_end, continuously) {
            (false, _) => StreamUsage::Hidden,
            (true, false) => StreamUsage::AtEnd,
            (true, true) => StreamUsage::Continuous,
        })
    }
}

/// Whether a field says nothing. An empty object of options for a search still asks for a search.
fn asks_for_nothing(name: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty() && name != "web_search_options",
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn with_settings(why: &str) -> String {
    format!(
        "{why} (the provider can let it pass with pricing.allow_fields, or leave it out with pricing.drop_fields)"
    )
}

/// A whole number, also if it is written with a fraction of zero: JSON has one kind of number.
pub(super) fn whole_number(value: &Value) -> Option<u64> {
    let whole = |number: f64| {
        let is_whole = number.fract() == 0.0 && number >= 0.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is not negative, and beyond the range it saturates"
        )]
        is_whole.then_some(number as u64)
    };
    value.as_u64().or_else(|| value.as_f64().and_then(whole))
}

/// Length of a value as JSON, in bytes.
pub(super) fn json_length(value: &Value) -> u64 {
    value.to_string().len() as u64 + hidden_digits(value)
}

/// Digits of whole numbers beyond 64 bits, which are shown with an exponent here and may be written out elsewhere.
fn hidden_digits(value: &Value) -> u64 {
    match value {
        Value::Number(number) => digits(number) - number.to_string().len() as u64,
        Value::Array(items) => items.iter().map(hidden_digits).sum(),
        Value::Object(fields) => fields.values().map(hidden_digits).sum(),
        _ => 0,
    }
}

/// The most characters that a number may be written with.
fn digits(number: &Number) -> u64 {
    let shown = number.to_string().len() as u64;
    let float = number.as_f64().filter(|float| float.abs() >= 1.8e19);
    float.map_or(shown, |float| shown.max(format!("{float:.0}").len() as u64))
}

/// Characters between the items of a list, and around the names of an object, wherever they are written out.
const AROUND_ITEM: u64 = 2;
const AROUND_NAME: u64 = 4;

/// Bytes of a value as a prompt may hold it: its strings, and whatever stands beside them if it is written out.
pub(super) fn text_bytes(value: &Value, param: &str, depth: usize) -> Result<u64, QuoteError> {
    if depth == 0 {
        return Err(invalid(param, format!("\"{param}\" is nested too deeply")));
    }
    Ok(match value {
        Value::Null => 4,
        Value::Bool(_) => 5,
        Value::Number(number) => digits(number),
        Value::String(text) => text.len() as u64,
        Value::Array(items) => {
            let mut sum = 2;
            for item in items {
                sum += AROUND_ITEM + text_bytes(item, param, depth - 1)?;
            }
            sum
        }
        Value::Object(fields) => {
            let mut sum = 2;
            for (name, item) in fields {
                sum += AROUND_NAME + name.len() as u64 + text_bytes(item, param, depth - 1)?;
            }
            sum
        }
    })
}
