//! The text of requests and answers, counted with a tokenizer where the upstream does not count.
//!
//! The tokenizer is OpenAI's o200k; tokenizers of other models differ from it by some tens of percent, and by more in
//! languages that it splits finely.

use serde_json::{Map, Value};

/// Maximum nesting of JSON in which text is counted.
const MAX_DEPTH: usize = 64;
/// Tokens that the template of a chat model adds to each message.
const TEMPLATE_TOKENS: u64 = 4;
/// Characters of base64 per token of what was encoded.
const BASE64_PER_TOKEN: u64 = 5;
/// Text above this length is estimated by its bytes, because counting it would take too long.
const MAX_COUNTED_BYTES: usize = 4 * 1024 * 1024;

/// Fields that are labels and no text.
const LABELS: [&str; 10] = [
    "role", "id", "type", "status", "call_id", "index", "item_id", "format", "object", "phase",
];
/// Fields whose content is opaque: it stands for text, or for nothing, but is none.
const OPAQUE: [&str; 6] = [
    "signature",
    "encrypted_content",
    "thought_signature",
    "data",
    "annotations",
    "logprobs",
];
/// Fields of a message or delta that hold its thinking. Some servers write the same text to several of them.
const THINKING: [&str; 6] = [
    "reasoning_content",
    "reasoning",
    "thinking",
    "reasoning_text",
    "reasoning_details",
    "thinking_blocks",
];
/// Fields of a message or delta that hold the rest of its text.
const ANSWER: [&str; 5] = ["content", "refusal", "tool_calls", "function_call", "text"];

/// The number of tokens of a text.
pub(super) fn tokens(text: &str) -> u64 {
    if text.len() > MAX_COUNTED_BYTES {
        return text.len() as u64 / super::produced::BYTES_PER_TOKEN;
    }
    bpe_openai::o200k_base().count(text) as u64
}

/// What one inline medium counts as, in tokens.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MediaTokens {
    pub(super) per_image: u64,
    pub(super) per_audio_kib: u64,
    pub(super) per_file_kib: u64,
}

/// The number of tokens of a request's input: its text, and the configured number of tokens of its media.
pub(super) fn of_input(body: &Map<String, Value>, media: MediaTokens) -> u64 {
    let parts = [
        "messages",
        "prompt",
        "input",
        "instructions",
        "system",
        "tools",
        "functions",
        "suffix",
    ];
    let parts = parts.iter().filter_map(|part| body.get(*part));
    parts.map(|part| input_tokens(part, media, MAX_DEPTH)).sum()
}

fn input_tokens(value: &Value, media: MediaTokens, depth: usize) -> u64 {
    match value {
        _ if depth == 0 => 0,
        Value::String(text) => tokens(text),
        // A prompt may be given as an array of token numbers.
        Value::Number(_) => 1,
        Value::Array(items) => items
            .iter()
            .map(|item| input_tokens(item, media, depth - 1))
            .sum(),
        Value::Object(fields) => {
            let template = if fields.contains_key("role") {
                TEMPLATE_TOKENS
            } else {
                0
            };
            let fields = fields.iter();
            let counted = fields.map(|(name, item)| match name.as_str() {
                "role" | "type" => 0,
                "image_url" => media.per_image,
                "source" if item.get("data").is_some() => media.per_image,
                "input_audio" => of_length(item, media.per_audio_kib),
                "file" | "file_data" => of_length(item, media.per_file_kib),
                name if OPAQUE.contains(&name) => {
                    item.as_str().map_or(0, |text| text.len() as u64) / BASE64_PER_TOKEN
                }
                _ => input_tokens(item, media, depth - 1),
            });
            template + counted.sum::<u64>()
        }
        Value::Null | Value::Bool(_) => 0,
    }
}

fn of_length(value: &Value, per_kib: u64) -> u64 {
    let strings = match value {
        Value::String(text) => text.len(),
        Value::Object(fields) => {
            let lengths = fields.values().filter_map(Value::as_str).map(str::len);
            lengths.max().unwrap_or(0)
        }
        _ => 0,
    };
    (strings as u64).div_ceil(1_024).saturating_mul(per_kib)
}

/// Number of tokens of a message, or of what a delta adds to one: its thinking once, in whatever fields it stands, and
/// the rest of its text.
pub(super) fn of_message(message: &Value) -> u64 {
    let Some(fields) = message.as_object() else {
        return all(message, MAX_DEPTH);
    };
    let thinking = THINKING.iter().filter_map(|name| fields.get(*name));
    let thinking = thinking.map(|thinking| all(thinking, MAX_DEPTH)).max();
    let answer = ANSWER.iter().filter_map(|name| fields.get(*name));
    let answer: u64 = answer.map(|answer| all(answer, MAX_DEPTH)).sum();
    let spoken = message.pointer("/audio/transcript");
    let spoken = spoken.map_or(0, |transcript| all(transcript, MAX_DEPTH));
    thinking.unwrap_or(0) + answer + spoken
}

/// Number of tokens of the choices of an answer (`part` is `message`) or of a chunk of one (`delta`).
pub(super) fn of_choices(answer: &Value, part: &str) -> u64 {
    let choices = answer.get("choices").and_then(Value::as_array);
    let of_choices = choices.into_iter().flatten().map(|choice| {
        let said = choice.get(part).map_or(0, of_message);
        let text = choice.get("text").and_then(Value::as_str);
        said + text.map_or(0, tokens)
    });
    of_choices.sum()
}

/// Number of tokens of the items of a response, or of the content of a message in Anthropic's API.
pub(super) fn of_items(items: &Value) -> u64 {
    all(items, MAX_DEPTH)
}

/// Number of tokens of all text in a value, except that of fields that are labels or opaque.
fn all(value: &Value, depth: usize) -> u64 {
    match value {
        _ if depth == 0 => 0,
        Value::String(text) => tokens(text),
        Value::Array(items) => items.iter().map(|item| all(item, depth - 1)).sum(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| {
                let name = name.as_str();
                !LABELS.contains(&name) && !OPAQUE.contains(&name)
            })
            .map(|(_, item)| all(item, depth - 1))
            .sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn input(body: &Value, media: MediaTokens) -> u64 {
        of_input(body.as_object().expect("an object"), media)
    }

    #[test]
    fn the_same_thinking_counts_once() {
        let once = tokens(" river");
        for delta in [
            json!({"content": " river"}),
            json!({"reasoning": " river"}),
            json!({"content": "", "reasoning_content": " river", "thinking_blocks":
                [{"type": "thinking", "thinking": " river", "signature": "c2lnbmF0dXJl"}],
                "provider_specific_fields": {"thinking_blocks": [{"thinking": " river"}]}}),
            json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": " river"}]}]}),
            json!({"reasoning_content": {"text": " river"}}),
            json!({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"arguments": " river"}}]}),
        ] {
            assert_eq!(of_message(&delta), once, "{delta}");
        }
        let both = json!({"content": " river", "reasoning": " river"});
        assert_eq!(of_message(&both), 2 * once);
    }

    #[test]
    fn only_parts_that_are_images_count_as_images() {
        let media = MediaTokens {
            per_image: 1_000,
            ..MediaTokens::default()
        };
        let text = format!("data: {}", "river ".repeat(600));
        let said = json!({"messages": [{"role": "user", "content": text}]});
        assert_eq!(input(&said, media), input(&said, MediaTokens::default()));
        assert!((600..620).contains(&input(&said, media)));
        let image = json!({"messages": [{"role": "user", "content": [{"type": "image_url",
            "image_url": {"url": "data:image/png;base64,AAAA"}}]}]});
        assert_eq!(input(&image, media), 1_000 + TEMPLATE_TOKENS);
        let file = json!({"input": [{"role": "user", "content": [{"type": "input_file", "file_data": "A".repeat(2_048)}]}]});
        let media = MediaTokens {
            per_file_kib: 100,
            ..media
        };
        assert_eq!(input(&file, media), 200 + TEMPLATE_TOKENS);
    }
}
