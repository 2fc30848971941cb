//! Extracts a receipt from any form in which a client may have it.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::Path;

use farthing_wire::x402::{STREAM_RECEIPT_PREFIX, SettleResponse, decode_header};
use serde_json::Value;

use crate::error::CliError;

/// Maximum length of a file that is read, in bytes. Long enough for a whole stream, whose receipt is at its end.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// The receipt in a file, `-` for stdin.
///
/// # Errors
/// [`CliError::Usage`] if the file cannot be read or contains no receipt.
pub(super) fn token(path: &Path) -> Result<String, CliError> {
    let text = read(path)?;
    let text = String::from_utf8_lossy(&text);
    token_of(text.trim()).ok_or_else(|| {
        CliError::usage(format!(
            "there is no signed receipt in {}: give the token, a PAYMENT-RESPONSE header, a whole stream, or the \
            output of `farthing pay --json`",
            path.display()
        ))
    })
}

/// A file's bytes, `-` for stdin.
///
/// # Errors
/// [`CliError::Usage`] if it cannot be read.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let result = if path.as_os_str() == "-" {
        stdin().take(MAX_FILE_BYTES).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut bytes))
    };
    result.map_err(|error| CliError::usage(format!("cannot read {}: {error}", path.display())))?;
    Ok(bytes)
}

fn token_of(text: &str) -> Option<String> {
    let last = text
        .lines()
        .rev()
        .find_map(|line| line.trim_end().strip_prefix(STREAM_RECEIPT_PREFIX));
    if let Some(header) = last {
        return of_header(header);
    }
    if let Ok(Value::Object(report)) = serde_json::from_str(text) {
        let signed = report.get("receipt")?.get("signed")?;
        return signed.as_str().map(str::to_owned);
    }
    if text.matches('.').count() == 2 {
        return Some(text.to_owned());
    }
    of_header(text)
}

fn of_header(text: &str) -> Option<String> {
    let response: SettleResponse = decode_header(text.as_bytes()).ok()?;
    response.extra?.receipt
}

#[cfg(test)]
mod tests {
    use farthing_wire::x402::encode_header;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_receipt_is_found_wherever_a_client_has_it() {
        let header = encode_header(&json!({
            "success": true, "transaction": "", "network": "n",
            "extra": {
                "state": "charged", "charged": "1", "chargedTotal": "1", "reserved": "0", "authorized": "1",
                "deposit": "1", "receipt": "a.b.c",
            },
        }));
        let stream = format!("data: 1.2.3\n\n: farthing-receipt {header}\n\ndata: [DONE]\n");
        for text in [
            "a.b.c",
            &header,
            &stream,
            r#"{"answer": "x", "receipt": {"charged": 1, "signed": "a.b.c"}}"#,
        ] {
            assert_eq!(token_of(text).as_deref(), Some("a.b.c"), "{text}");
        }
        let unsigned = encode_header(&json!({"success": true, "transaction": "", "network": "n"}));
        for text in [
            "",
            "a.b",
            "{}",
            r#"{"receipt": null}"#,
            &unsigned,
            ": farthing-receipt x",
        ] {
            assert_eq!(token_of(text), None, "{text}");
        }
    }
}
