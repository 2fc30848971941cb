//! The most input tokens of content: text by its bytes, and inline images, audio and files by the prices for them.
//!
//! A remote file would make the upstream fetch what was not seen here, and a stored one has a length that the body does
//! not show: both are refused wherever they stand.

use serde_json::{Map, Value};

use super::fields::{MAX_DEPTH, invalid, not_bounded, text_bytes};
use super::{ModelPrice, QuoteError};

/// Bytes per unit of the prices for inline audio and files.
const KIB: u64 = 1_024;

/// Types of parts that are text, or calls and results whose text counts by its bytes.
const TEXT: &[&str] = &[
    "text",
    "refusal",
    "input_text",
    "output_text",
    "summary_text",
    "reasoning_text",
    "encrypted_content",
    "thinking",
    "redacted_thinking",
    "reasoning",
    "tool_use",
    "server_tool_use",
    "search_result",
    "web_search_result",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
    "tool_reference",
    "compaction",
    "input_custom_tool_output",
    "stdout",
    "logs",
    "outcome",
    "shell_call_output_content",
];

/// Fields that hold a medium, whatever the type of the part says: some servers go by the field and not by the type.
const MEDIA: &[&str] = &[
    "image_url",
    "image",
    "image_file",
    "image_embeds",
    "image_pil",
    "input_audio",
    "audio",
    "audio_url",
    "audio_embeds",
    "video",
    "video_embeds",
    "video_url",
    "prompt_embeds",
    "file",
    "file_id",
    "file_url",
    "file_data",
    "fileData",
    "inline_data",
    "inlineData",
];

/// What kind of medium a part holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Medium {
    Image,
    Audio,
    File,
}

/// Whether a field of this name holds a medium.
pub(super) fn is_medium(name: &str) -> bool {
    MEDIA.contains(&name)
}

/// Refuses a name that only a server that takes no notice of case would read.
pub(super) fn refuse_other_case(name: &str, param: &str) -> Result<(), QuoteError> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) && !is_medium(name) {
        let lower = name.to_ascii_lowercase();
        if is_medium(&lower) || ["content", "type", "source", "images", "role"].contains(&&*lower) {
            let why = "some servers read it as the same name in small letters, others do not";
            return Err(not_bounded(format!("{param}.{name}"), why));
        }
    }
    Ok(())
}

/// The most tokens of a text, or of an array of parts. `param` is the name of the content in errors.
pub(super) fn content(value: &Value, param: &str, price: &ModelPrice) -> Result<u64, QuoteError> {
    nested(value, param, price, MAX_DEPTH)
}

fn nested(value: &Value, param: &str, price: &ModelPrice, depth: usize) -> Result<u64, QuoteError> {
    if depth == 0 {
        return Err(invalid(param, format!("\"{param}\" is nested too deeply")));
    }
    match value {
        Value::Array(parts) => {
            let mut sum = 0;
            for item in parts {
                sum += nested(item, param, price, depth - 1)?;
            }
            Ok(sum)
        }
        Value::Object(fields) => part(value, fields, param, price, depth - 1),
        _ => text_bytes(value, param, depth),
    }
}

fn part(
    part: &Value,
    fields: &Map<String, Value>,
    param: &str,
    price: &ModelPrice,
    depth: usize,
) -> Result<u64, QuoteError> {
    for name in fields.keys() {
        refuse_other_case(name, param)?;
    }
    let kind = fields.get("type").and_then(Value::as_str);
    // vLLM takes a medium that it has cached by its uuid, whatever the type of the part and with null for its content.
    let is_cached = fields.get("uuid").is_some_and(|uuid| !uuid.is_null());
    let is_medium =
        |name: &&String| MEDIA.contains(&name.as_str()) && (is_cached || !fields[*name].is_null());
    let medium = fields.keys().find(is_medium);
    match (kind, medium) {
        (Some("tool_result"), None) => fields_of_result(fields, param, price, depth),
        (Some("image" | "document" | "video"), None) => source(fields, kind, param, price, depth),
        (Some(kind), None) if TEXT.contains(&kind) => text_bytes(part, param, depth),
        (None, None) if fields.get("text").is_some_and(Value::is_string) => {
            text_bytes(part, param, depth)
        }
        (_, Some(name)) => {
            let label = kind.unwrap_or(name);
            let label = format!("{param}.{label}");
            let payload = payload(fields);
            let Some(Payload::Inline(data)) = payload else {
                return Err(remote(&label));
            };
            if let Some(field) = patches(fields) {
                let why = "it sets how many tokens the medium has";
                return Err(not_bounded(format!("{label}.{field}"), why));
            }
            // Whatever stands beside the payload, such as a file's name or a text.
            let beside = text_bytes(part, param, depth)?.saturating_sub(data.len() as u64);
            Ok(beside + bound(medium_of(kind, name, data), data, &label, price)?)
        }
        (kind, None) => {
            let why = "content of this type has no bound by its bytes";
            let kind = kind.unwrap_or("type");
            Err(not_bounded(format!("{param}.{kind}"), why))
        }
    }
}

/// The result of a tool call in Anthropic's API: its content may hold images and documents.
fn fields_of_result(
    fields: &Map<String, Value>,
    param: &str,
    price: &ModelPrice,
    depth: usize,
) -> Result<u64, QuoteError> {
    let mut sum = 0;
    for (name, value) in fields {
        sum += name.len() as u64;
        sum += match name.as_str() {
            "content" => nested(value, param, price, depth)?,
            _ => text_bytes(value, param, depth)?,
        };
    }
    Ok(sum)
}

/// An image or document of Anthropic's API, which names its source.
fn source(
    fields: &Map<String, Value>,
    kind: Option<&str>,
    param: &str,
    price: &ModelPrice,
    depth: usize,
) -> Result<u64, QuoteError> {
    let mut sum = 0;
    let label = format!("{param}.{}", kind.unwrap_or_default());
    let mut has_source = false;
    for (name, value) in fields {
        let source_kind = value.get("type").and_then(Value::as_str);
        sum += match (name.as_str(), source_kind) {
            ("source", Some("text")) if kind == Some("document") => {
                text_bytes(value, param, depth)?
            }
            ("source", Some("content")) if kind == Some("document") => match value.get("content") {
                Some(content) => nested(content, param, price, depth)?,
                None => 0,
            },
            ("source", Some("base64"))
                if value.get("url").is_none() && value.get("file_id").is_none() =>
            {
                let medium = if kind == Some("image") {
                    Medium::Image
                } else {
                    Medium::File
                };
                let data = value.get("data").and_then(Value::as_str);
                bound(medium, data.ok_or_else(|| remote(&label))?, &label, price)?
            }
            ("source", _) => return Err(remote(&label)),
            _ => text_bytes(value, param, depth)?,
        };
        has_source |= name == "source";
    }
    if has_source {
        Ok(sum)
    } else {
        Err(invalid(param, format!("\"{label}\" has no source")))
    }
}

fn medium_of(kind: Option<&str>, field: &str, data: &str) -> Medium {
    let name = kind.unwrap_or(field);
    // What a data URL says of itself counts: some servers go by it.
    let says = data
        .get(..5)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"));
    let says = says.then(|| data[5..].split([';', ',']).next().unwrap_or_default());
    let says = says.map(str::to_ascii_lowercase);
    match says.as_deref() {
        Some(kind) if kind.starts_with("audio/") => return Medium::Audio,
        Some(kind) if !kind.starts_with("image/") && kind.contains('/') => return Medium::File,
        _ => {}
    }
    if name.contains("image") || field.contains("image") || name == "computer_screenshot" {
        Medium::Image
    } else if name.contains("audio") || field.contains("audio") {
        Medium::Audio
    } else {
        Medium::File
    }
}

/// A field that makes another medium of a part, or by which a server cuts it into more pieces.
fn patches(part: &Map<String, Value>) -> Option<&'static str> {
    let inner = part.values().filter_map(Value::as_object);
    let mut all = std::iter::once(part).chain(inner);
    all.find_map(|fields| {
        let named = |field: &&str| fields.get(*field).is_some_and(|value| !value.is_null());
        let is_other = |field: &&str| {
            let kind = fields.get(*field).and_then(Value::as_str);
            kind.is_some_and(|kind| kind.contains('/') && !kind.starts_with("image/"))
        };
        let patches = ["max_dynamic_patch", "min_dynamic_patch", "video_metadata"];
        let mut kinds = ["format", "mime_type", "content_type"].into_iter();
        let found = patches.into_iter().find(|field| named(field));
        found.or_else(|| kinds.find(|field| fields.contains_key("url") && is_other(field)))
    })
}

/// What a part holds: bytes in base64, or a reference to something elsewhere.
enum Payload<'a> {
    Inline(&'a str),
    Elsewhere,
}

/// The payload of a part. Whatever is not inline counts as being elsewhere.
fn payload(fields: &Map<String, Value>) -> Option<Payload<'_>> {
    let mut inline = None;
    for (name, value) in fields {
        if !MEDIA.contains(&name.as_str()) || value.is_null() {
            continue;
        }
        let found = match (name.as_str(), value) {
            ("file_data", Value::String(data)) => in_base64(data),
            ("image_url" | "audio_url" | "video_url" | "file_url", Value::String(url)) => {
                of_url(url)
            }
            ("image_url" | "audio_url" | "video_url", Value::Object(inner)) => {
                match inner.get("url").and_then(Value::as_str) {
                    Some(url) => of_url(url),
                    None => Payload::Elsewhere,
                }
            }
            ("input_audio" | "file", Value::Object(inner)) => {
                let data = inner.get("data").or_else(|| inner.get("file_data"));
                let is_elsewhere = ["file_id", "url", "file_url"].iter();
                let mut is_elsewhere = is_elsewhere.filter_map(|name| inner.get(*name));
                match (data, is_elsewhere.any(|value| !value.is_null())) {
                    (Some(Value::String(data)), false) => in_base64(data),
                    _ => Payload::Elsewhere,
                }
            }
            _ => Payload::Elsewhere,
        };
        match (found, &inline) {
            (Payload::Inline(data), None) => inline = Some(data),
            // Two payloads in one part: only one of them could be bounded.
            _ => return Some(Payload::Elsewhere),
        }
    }
    inline.map(Payload::Inline)
}

/// Data in base64, or else the name of something elsewhere.
fn in_base64(data: &str) -> Payload<'_> {
    let is_base64 = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_' | b'\n' | b'\r')
    };
    if data.bytes().all(is_base64) {
        Payload::Inline(data)
    } else {
        of_url(data)
    }
}

fn of_url(url: &str) -> Payload<'_> {
    let scheme = url.get(..5);
    if scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:")) {
        Payload::Inline(url)
    } else {
        Payload::Elsewhere
    }
}

fn bound(medium: Medium, data: &str, label: &str, price: &ModelPrice) -> Result<u64, QuoteError> {
    let (setting, tokens) = match medium {
        Medium::Image => ("tokens_per_image", price.tokens_per_image.map(u64::from)),
        Medium::Audio => (
            "tokens_per_audio_kib",
            price
                .tokens_per_audio_kib
                .map(|tokens| by_length(data, tokens)),
        ),
        Medium::File => (
            "tokens_per_file_kib",
            price
                .tokens_per_file_kib
                .map(|tokens| by_length(data, tokens)),
        ),
    };
    tokens.ok_or_else(|| {
        let why = format!(
            "this model has no price for it (the provider can set {setting} for the model)"
        );
        not_bounded(label, why)
    })
}

fn by_length(data: &str, tokens_per_kib: u32) -> u64 {
    (data.len() as u64).div_ceil(KIB) * u64::from(tokens_per_kib)
}

fn remote(label: &str) -> QuoteError {
    let why = "what the upstream would fetch or has stored has a length that this body does not show: send it inline, \
        as a data: URL or in base64";
    not_bounded(label, why)
}
