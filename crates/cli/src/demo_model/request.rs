//! The parts of a request body that the demo model reads.

use serde_json::Value;

use super::{FREE_MODEL, LONG_MODEL, MAX_LONG_OUTPUT_TOKENS, MAX_OUTPUT_TOKENS, MODEL};

/// Tokens that the chat template adds to each message.
const TEMPLATE_TOKENS_PER_MESSAGE: u64 = 4;
/// Bytes of text per token.
const BYTES_PER_TOKEN: usize = 4;

/// A chat completion request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    /// The model's name as the client wrote it.
    pub model: String,
    /// Input tokens.
    pub prompt_tokens: u64,
    /// Maximum number of output tokens.
    pub max_tokens: u64,
    /// Whether the answer is a stream.
    pub stream: bool,
    /// Whether the stream ends with a usage event.
    pub include_usage: bool,
    /// Seed of the answer. It depends on the messages only, so the same messages get the same answer under either model
    /// name.
    pub seed: u64,
}

/// Why the demo model refuses a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RequestError {
    /// The body is not JSON.
    #[error("{0}")]
    Json(String),
    /// A field has the wrong type or value.
    #[error("\"{param}\" must be {expected}")]
    Field {
        param: &'static str,
        expected: &'static str,
    },
    /// The requested model does not exist.
    #[error("model \"{0}\" does not exist: this is a demo and serves {MODEL} and {FREE_MODEL}")]
    UnknownModel(String),
}

impl RequestError {
    pub(super) fn param(&self) -> Option<&'static str> {
        match self {
            Self::Json(_) => None,
            Self::Field { param, .. } => Some(param),
            Self::UnknownModel(_) => Some("model"),
        }
    }

    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Json(_) | Self::Field { .. } => "invalid_request",
            Self::UnknownModel(_) => "model_not_found",
        }
    }
}

impl Request {
    pub(super) fn read(body: &Value) -> Result<Self, RequestError> {
        let field = |param, expected| RequestError::Field { param, expected };
        let model = body
            .get("model")
            .and_then(Value::as_str)
            .ok_or(field("model", "a string"))?;
        if ![MODEL, FREE_MODEL, LONG_MODEL].contains(&model) {
            return Err(RequestError::UnknownModel(model.to_owned()));
        }
        let messages = body
            .get("messages")
            .and_then(Value::as_array)
            .filter(|messages| !messages.is_empty())
            .ok_or(field("messages", "an array of at least one message"))?;
        if body.get("n").is_some_and(|n| n.as_u64() != Some(1)) {
            return Err(field("n", "1"));
        }
        let mut prompt_tokens = 0;
        let mut seed = FNV_OFFSET;
        for message in messages {
            let content = message
                .get("content")
                .and_then(Value::as_str)
                .ok_or(field("messages", "messages with text as their content"))?;
            prompt_tokens += TEMPLATE_TOKENS_PER_MESSAGE;
            prompt_tokens += content.len().div_ceil(BYTES_PER_TOKEN) as u64;
            seed = fnv1a(seed, content.as_bytes());
        }
        let most = if model == LONG_MODEL {
            MAX_LONG_OUTPUT_TOKENS
        } else {
            MAX_OUTPUT_TOKENS
        };
        let stream = body.get("stream").and_then(Value::as_bool) == Some(true);
        Ok(Self {
            model: model.to_owned(),
            prompt_tokens,
            max_tokens: max_tokens(body, most)?,
            stream,
            include_usage: body.pointer("/stream_options/include_usage") == Some(&true.into()),
            seed,
        })
    }
}

fn max_tokens(body: &Value, most: u32) -> Result<u64, RequestError> {
    let given = ["max_completion_tokens", "max_tokens"]
        .into_iter()
        .find_map(|param| Some((param, body.get(param).filter(|value| !value.is_null())?)));
    let Some((param, value)) = given else {
        return Ok(most.into());
    };
    match value.as_u64() {
        Some(tokens) if tokens > 0 => Ok(tokens.min(most.into())),
        _ => Err(RequestError::Field {
            param,
            expected: "a whole number above 0",
        }),
    }
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// The FNV-1a hash, which is the same on every machine, unlike the standard library's hasher.
fn fnv1a(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn chat(content: &str) -> Value {
        json!({"model": MODEL, "messages": [{"role": "user", "content": content}]})
    }

    #[test]
    fn refuses_what_it_cannot_answer_and_names_it() {
        let mut image = chat("");
        image["messages"][0]["content"] = json!([{"type": "image_url"}]);
        let mut none = chat("x");
        none["max_tokens"] = json!(0);
        let mut two = chat("x");
        two["n"] = json!(2);
        for (body, param) in [
            (json!([]), "model"),
            (json!({"model": "gpt", "messages": []}), "model"),
            (json!({"model": MODEL, "messages": []}), "messages"),
            (image, "messages"),
            (none, "max_tokens"),
            (two, "n"),
        ] {
            let error = Request::read(&body).expect_err("the body has a defect");
            assert_eq!(error.param(), Some(param), "{body}");
        }
    }

    #[test]
    fn counts_less_than_the_gateway_reserves() {
        for content in [
            "",
            "a",
            "abcd",
            "abcde",
            "a much longer sentence, with words in it",
        ] {
            let request = Request::read(&chat(content)).expect("a plain chat is answered");
            let bound = 16 + content.len() + "user".len();
            assert!(request.prompt_tokens <= bound as u64, "{content}");
        }
    }

    #[test]
    fn answers_the_same_under_both_names() {
        let paid = Request::read(&chat("x")).expect("a plain chat is answered");
        let mut body = chat("x");
        body["model"] = json!(FREE_MODEL);
        let free = Request::read(&body).expect("a plain chat is answered");
        assert_eq!(paid.seed, free.seed);
        let other = Request::read(&chat("y")).expect("a plain chat is answered");
        assert_ne!(paid.seed, other.seed);
    }
}
