//! Reads an answer to its end. Unless the output is JSON, the text of a stream is printed as it arrives.

use std::io::{self, Write};

use farthing_client::paying_client::{PaidAnswer, PayError, Receipt};
use farthing_wire::amount::Usdc;
use serde_json::Value;

use super::connect::pay_error;
use crate::error::CliError;
use crate::output::Output;

/// Maximum length of the text of a stream, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// Maximum length of a line of a stream, in bytes.
const MAX_LINE_BYTES: usize = 1024 * 1024;

/// A whole answer.
pub struct Answered {
    /// The model's text, or the whole body if no text is found in it.
    pub answer: String,
    /// Whether the answer was shown while it arrived.
    pub shown: bool,
    /// The receipt, if one arrived.
    pub receipt: Option<Receipt>,
}

/// Reads an answer to its end.
///
/// # Errors
/// If the answer breaks off, or if the provider answered with an error.
pub async fn read(answer: PaidAnswer, output: Output) -> Result<Answered, CliError> {
    if answer.is_success() && answer.is_stream() {
        return read_stream(answer, output).await;
    }
    let is_success = answer.is_success();
    let finished = answer.finish().await.map_err(pay_error)?;
    let body = String::from_utf8_lossy(&finished.body).into_owned();
    let json: Value = serde_json::from_str(&body).unwrap_or_default();
    if !is_success {
        let reason = json.pointer("/error/message").and_then(Value::as_str);
        return Err(CliError::failed(format!(
            "the provider answered {}: {}",
            finished.status,
            reason.unwrap_or(&body)
        )));
    }
    let content = json
        .pointer("/choices/0/message/content")
        .and_then(Value::as_str);
    Ok(Answered {
        answer: content.map_or(body.clone(), str::to_owned),
        shown: false,
        receipt: finished.receipt,
    })
}

async fn read_stream(mut answer: PaidAnswer, output: Output) -> Result<Answered, CliError> {
    let mut text = EventText::default();
    while let Some(chunk) = answer.next_chunk().await.map_err(pay_error)? {
        let piece = text.push(&chunk);
        if !output.is_json() {
            let mut stdout = io::stdout();
            stdout
                .write_all(piece.as_bytes())
                .and_then(|()| stdout.flush())
                .map_err(|error| CliError::failed(format!("cannot write to stdout: {error}")))?;
        }
        if text.whole.len() > MAX_ANSWER_BYTES {
            return Err(pay_error(PayError::AnswerTooLong(MAX_ANSWER_BYTES)));
        }
    }
    if let Some(reason) = text.error {
        let cost = answer.receipt().map_or_else(
            || "its cost is not known, because no receipt arrived".to_owned(),
            |receipt| format!("it cost {} USDC", Usdc(receipt.charged)),
        );
        return Err(CliError::failed(format!(
            "the answer is incomplete: {reason}; {cost}"
        )));
    }
    Ok(Answered {
        answer: text.whole,
        shown: !output.is_json(),
        receipt: answer.receipt().cloned(),
    })
}

/// The text in the events of a chat completion.
#[derive(Default)]
struct EventText {
    line: Vec<u8>,
    whole: String,
    /// Message of the last error event.
    error: Option<String>,
}

impl EventText {
    /// Takes a chunk of any size and returns the text that it completed.
    fn push(&mut self, chunk: &[u8]) -> &str {
        let before = self.whole.len();
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.last() == Some(&b'\n') || self.line.len() > MAX_LINE_BYTES {
                self.end_line();
            }
        }
        &self.whole[before..]
    }

    fn end_line(&mut self) {
        if let Some(data) = self.line.strip_prefix(b"data:")
            && let Ok(event) = serde_json::from_slice::<Value>(data)
        {
            let text_at = |pointer| event.pointer(pointer).and_then(Value::as_str);
            if let Some(text) = text_at("/choices/0/delta/content") {
                self.whole.push_str(text);
            }
            if let Some(message) = text_at("/error/message") {
                self.error = Some(message.to_owned());
            }
        }
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_complete_whatever_the_chunks() {
        let stream = "data: {\"choices\":[{\"delta\":{\"content\":\"één \"}}]}\n\n: comment\n\n\
            data:{\"choices\":[{\"delta\":{\"content\":\"voucher\"}}]}\r\n\r\n\
            data: {\"choices\":[]}\n\ndata: [DONE]\n\n";
        for size in 1..stream.len() {
            let mut text = EventText::default();
            let mut pieces = String::new();
            for chunk in stream.as_bytes().chunks(size) {
                pieces.push_str(text.push(chunk));
            }
            assert_eq!(pieces, "één voucher");
            assert_eq!(text.whole, pieces);
            assert_eq!(text.error, None);
        }
    }

    #[test]
    fn an_event_that_is_an_error_is_noticed() {
        let mut text = EventText::default();
        text.push(b"data: {\"choices\":[{\"delta\":{\"content\":\"one\"}}]}\n\n");
        text.push(b"data: {\"error\":{\"code\":\"x\",\"message\":\"it ended there\"}}\n\n");
        assert_eq!(text.whole, "one");
        assert_eq!(text.error.as_deref(), Some("it ended there"));
    }
}
