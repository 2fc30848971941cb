//! Finds the receipt in a stream of server-sent events, without holding the stream up.
//!
//! The receipt is a comment line, `: farthing-receipt <base64>`, which event parsers skip, so lines are
//! scanned here. Only lines that may still become a receipt are kept, and never more of one than
//! [`MAX_HEADER_LENGTH`].

use crate::x402::{MAX_HEADER_LENGTH, STREAM_RECEIPT_PREFIX, SettleResponse, decode_header};

/// Longest receipt line.
const MAX_LINE: usize = STREAM_RECEIPT_PREFIX.len() + MAX_HEADER_LENGTH;

/// Scans chunks of any size for the receipt.
#[derive(Debug, Default)]
pub(super) struct ReceiptScanner {
    /// The beginning of the current line, while it may be a receipt.
    line: Vec<u8>,
    /// Whether the rest of the current line is of no interest.
    skipping: bool,
    /// The last receipt.
    receipt: Option<SettleResponse>,
}

impl ReceiptScanner {
    /// Looks at the next chunk.
    pub(super) fn push(&mut self, chunk: &[u8]) {
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            let ends_line = piece.last() == Some(&b'\n');
            if !self.skipping {
                self.extend(piece);
            }
            if ends_line {
                self.end_line();
            }
        }
    }

    /// Ends the scan. A stream that was cut off may lack the last line's end.
    pub(super) fn finish(mut self) -> Option<SettleResponse> {
        self.end_line();
        self.receipt
    }

    fn extend(&mut self, piece: &[u8]) {
        self.line.extend_from_slice(piece);
        let compared = self.line.len().min(STREAM_RECEIPT_PREFIX.len());
        let may_be_receipt = self.line[..compared] == STREAM_RECEIPT_PREFIX.as_bytes()[..compared];
        if !may_be_receipt || self.line.len() > MAX_LINE + "\r\n".len() {
            self.line.clear();
            self.skipping = true;
        }
    }

    fn end_line(&mut self) {
        let line = self.line.trim_ascii_end();
        if let Some(encoded) = line.strip_prefix(STREAM_RECEIPT_PREFIX.as_bytes())
            && let Ok(receipt) = decode_header(encoded)
        {
            self.receipt = Some(receipt);
        }
        self.line.clear();
        self.skipping = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x402::encode_header;

    fn receipt() -> SettleResponse {
        SettleResponse {
            success: true,
            error_reason: None,
            error_message: None,
            payer: None,
            transaction: String::new(),
            network: "solana:test".to_owned(),
            amount: None,
            extra: None,
        }
    }

    fn stream() -> String {
        let encoded = encode_header(&receipt());
        format!(
            "data: {{\"x\":1}}\n\n: keep-alive\n\n: farthing-receipt {encoded}\n\ndata: [DONE]\n\n"
        )
    }

    #[test]
    fn finds_the_receipt_in_chunks_of_any_size() {
        let stream = stream();
        for size in 1..=stream.len() {
            let mut scanner = ReceiptScanner::default();
            for chunk in stream.as_bytes().chunks(size) {
                scanner.push(chunk);
            }
            assert_eq!(scanner.finish(), Some(receipt()), "{size}");
        }
    }

    #[test]
    fn a_receipt_is_a_line_of_its_own() {
        let encoded = encode_header(&receipt());
        for stream in [
            format!("data: : farthing-receipt {encoded}\n"),
            format!(" : farthing-receipt {encoded}\n"),
            ": farthing-receipt \n".to_owned(),
            ": farthing-receipt !!!\n".to_owned(),
        ] {
            let mut scanner = ReceiptScanner::default();
            scanner.push(stream.as_bytes());
            assert_eq!(scanner.finish(), None, "{stream}");
        }
    }

    #[test]
    fn endless_lines_are_not_kept() {
        let mut scanner = ReceiptScanner::default();
        scanner.push(STREAM_RECEIPT_PREFIX.as_bytes());
        for _ in 0..100 {
            scanner.push(&[b'A'; 1_000]);
            assert!(scanner.line.len() <= MAX_LINE + 1_002);
        }
        scanner.push(b"\n");
        scanner.push(stream().as_bytes());
        assert_eq!(scanner.finish(), Some(receipt()));
    }
}
