//! Reads the fields of a request body and counts the bytes of its text.

use serde_json::{Map, Value};

use super::{Bounded, ModelPrice, QuoteError, Usage};

/// Tokens that a chat template may add to a message or an item.
pub(super) const TEMPLATE_TOKENS_PER_MESSAGE: u64 = 16;
/// The most messages, items or texts of one request.
pub(super) const MAX_MESSAGES: usize = 4_096;
/// The most choices (`n`) of one request.
const MAX_CHOICES: u64 = 16;
/// Deepest nesting of content whose text is counted.
pub(super) const MAX_DEPTH: usize = 16;

pub(super) fn invalid(param: &str, message: impl Into<String>) -> QuoteError {
    QuoteError::Invalid {
        param: param.to_owned(),
        message: message.into(),
    }
}

pub(super) fn not_bounded(param: impl Into<String>) -> QuoteError {
    QuoteError::NotBounded {
        param: param.into(),
    }
}

/// The fields of a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Fields<'a> {
    pub(super) fn of(body: &'a Value) -> Result<Self, QuoteError> {
        body.as_object()
            .map(Self)
            .ok_or_else(|| invalid("body", "the body must be a JSON object"))
    }

    /// Requires that all fields are known.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), QuoteError> {
        let mut names = self.0.keys();
        match names.find(|name| !known.contains(&name.as_str())) {
            Some(unknown) => Err(not_bounded(unknown.as_str())),
            None => Ok(()),
        }
    }

    /// A field that is neither missing nor null.
    pub(super) fn given(&self, param: &str) -> Option<&'a Value> {
        self.0.get(param).filter(|value| !value.is_null())
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
        let choices = self.optional("n", Value::as_u64, "a whole number")?;
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

    /// The most output tokens of one answer, with the name of the field that sets them: the one of `params` that is
    /// given, else the first of `params` with the model's limit.
    pub(super) fn output_bound(
        &self,
        params: &[&'static str],
        price: &ModelPrice,
    ) -> Result<(&'static str, u64), QuoteError> {
        let limit = u64::from(price.max_output_tokens);
        let mut given = None;
        for param in params {
            let tokens = self.optional(param, Value::as_u64, "a positive whole number")?;
            match (tokens, given) {
                (Some(_), Some((earlier, _))) => {
                    return Err(invalid(
                        earlier,
                        format!("give either \"{earlier}\" or \"{param}\""),
                    ));
                }
                (Some(tokens), None) => given = Some((*param, tokens)),
                (None, _) => {}
            }
        }
        let (param, tokens) = given.unwrap_or((params[0], limit));
        if tokens == 0 || tokens > limit {
            return Err(invalid(
                param,
                format!("\"{param}\" must be between 1 and {limit} for this model"),
            ));
        }
        Ok((param, tokens))
    }

    /// Bytes of fields that a template writes into the prompt as JSON.
    pub(super) fn json_bytes(&self, params: &[&str]) -> u64 {
        let values = params.iter().filter_map(|param| self.given(param));
        values.map(|value| value.to_string().len() as u64).sum()
    }

    /// The request with its bounds. The upstream body gets an explicit output limit and, for a stream, a request for
    /// usage.
    pub(super) fn bounded(
        &self,
        bounds: Usage,
        (output_field, output): (&str, u64),
        stream: bool,
    ) -> Result<Bounded, QuoteError> {
        let (wants_usage, mut body) = self.with_usage(stream)?;
        body.insert(output_field.to_owned(), output.into());
        Ok(Bounded {
            bounds,
            stream,
            wants_usage,
            upstream_body: Value::Object(body),
        })
    }

    /// Whether the client requested usage at the end of its stream, and the fields with that request added.
    fn with_usage(&self, stream: bool) -> Result<(bool, Map<String, Value>), QuoteError> {
        let mut fields = self.0.clone();
        if !stream {
            return Ok((false, fields));
        }
        let options = fields
            .entry("stream_options")
            .or_insert_with(|| Value::Object(Map::new()));
        if options.is_null() {
            *options = Value::Object(Map::new());
        }
        let options = options
            .as_object_mut()
            .ok_or_else(|| invalid("stream_options", "\"stream_options\" must be an object"))?;
        let before = options.insert("include_usage".to_owned(), Value::Bool(true));
        Ok((before == Some(Value::Bool(true)), fields))
    }
}

/// Bytes of all text in a value: strings, and names of fields, since tool calls carry both.
pub(super) fn text_bytes(value: &Value, param: &str, depth: usize) -> Result<u64, QuoteError> {
    if depth == 0 {
        return Err(invalid(param, format!("\"{param}\" is nested too deeply")));
    }
    Ok(match value {
        Value::Null | Value::Bool(_) => 0,
        Value::Number(number) => number.to_string().len() as u64,
        Value::String(text) => text.len() as u64,
        Value::Array(items) => {
            let mut sum = 0;
            for item in items {
                sum += text_bytes(item, param, depth - 1)?;
            }
            sum
        }
        Value::Object(fields) => {
            let mut sum = 0;
            for (name, item) in fields {
                sum += name.len() as u64 + text_bytes(item, param, depth - 1)?;
            }
            sum
        }
    })
}

/// The most tokens of an image in a message, as configured. Only inline images (`data:` URLs) are accepted: a remote
/// file would make the upstream fetch content that was not checked.
pub(super) fn image_bound(
    url: Option<&str>,
    param: &str,
    price: &ModelPrice,
) -> Result<u64, QuoteError> {
    match (price.tokens_per_image, url) {
        (Some(tokens), Some(url)) if url.starts_with("data:") => Ok(u64::from(tokens)),
        _ => Err(not_bounded(param)),
    }
}
