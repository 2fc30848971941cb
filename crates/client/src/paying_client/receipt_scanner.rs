//! Takes the receipt out of a stream of server-sent events, without delaying the stream.
//!
//! The receipt is a comment line, `: farthing-receipt <base64>`, so lines are scanned here. Only lines that may still
//! become a receipt are held back, and never more of one than [`MAX_HEADER_LENGTH`]. What remains is the upstream's
//! stream, which is the same in every retry; the receipt may differ between retries.

use bytes::Bytes;

use farthing_wire::x402::{
    MAX_HEADER_LENGTH, STREAM_RECEIPT_PREFIX, SettleResponse, decode_header,
};

/// Maximum length of a receipt line in bytes.
const MAX_LINE: usize = STREAM_RECEIPT_PREFIX.len() + MAX_HEADER_LENGTH;

/// Scans chunks of any size for the receipt.
#[derive(Debug, Default)]
pub(super) struct ReceiptScanner {
    /// The beginning of the current line, while it may be a receipt.
    line: Vec<u8>,
    /// Whether the rest of the current line is passed through.
    line_passes: bool,
    /// The last receipt.
    receipt: Option<SettleResponse>,
}

impl ReceiptScanner {
    /// Takes the next chunk and returns the bytes that are passed through.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Bytes {
        let mut passing = Vec::with_capacity(chunk.len());
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            if self.line_passes {
                passing.extend_from_slice(piece);
            } else {
                self.extend(piece, &mut passing);
            }
            if piece.last() == Some(&b'\n') {
                self.end_line(&mut passing);
            }
        }
        passing.into()
    }

    /// Ends the scan and returns bytes that were held back and are not a receipt. The last line of a stream that was
    /// cut off may lack its line break.
    pub(super) fn end(&mut self) -> Bytes {
        let mut passing = Vec::new();
        self.end_line(&mut passing);
        passing.into()
    }

    /// Takes the last receipt; `None` if there was none, or it was taken before.
    pub(super) fn take_receipt(&mut self) -> Option<SettleResponse> {
        self.receipt.take()
    }

    fn extend(&mut self, piece: &[u8], passing: &mut Vec<u8>) {
        self.line.extend_from_slice(piece);
        let compared = self.line.len().min(STREAM_RECEIPT_PREFIX.len());
        let may_be_receipt = self.line[..compared] == STREAM_RECEIPT_PREFIX.as_bytes()[..compared];
        if !may_be_receipt || self.line.len() > MAX_LINE + "\r\n".len() {
            passing.append(&mut self.line);
            self.line_passes = true;
        }
    }

    fn end_line(&mut self, passing: &mut Vec<u8>) {
        let line = self.line.trim_ascii_end();
        let receipt = line.strip_prefix(STREAM_RECEIPT_PREFIX.as_bytes());
        match receipt.map(decode_header) {
            Some(Ok(receipt)) => {
                self.receipt = Some(receipt);
                self.line.clear();
            }
            _ => passing.append(&mut self.line),
        }
        self.line_passes = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use farthing_wire::x402::encode_header;

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

    /// Scans a stream to its end: what passed, and the receipt.
    fn scan<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> (String, Option<SettleResponse>) {
        let mut scanner = ReceiptScanner::default();
        let mut passed = Vec::new();
        for chunk in chunks {
            passed.extend_from_slice(&scanner.push(chunk));
        }
        passed.extend_from_slice(&scanner.end());
        let passed = String::from_utf8(passed).expect("the stream is text");
        (passed, scanner.take_receipt())
    }

    #[test]
    fn takes_the_receipt_out_of_chunks_of_any_size() {
        let stream = stream();
        for size in 1..=stream.len() {
            let (passed, found) = scan(stream.as_bytes().chunks(size));
            assert_eq!(found, Some(receipt()), "{size}");
            assert_eq!(
                passed,
                "data: {\"x\":1}\n\n: keep-alive\n\n\ndata: [DONE]\n\n"
            );
        }
    }

    #[test]
    fn a_receipt_without_the_end_of_its_line_is_one() {
        let encoded = encode_header(&receipt());
        let stream = format!("data: 1\n{STREAM_RECEIPT_PREFIX}{encoded}");
        let expected = ("data: 1\n".to_owned(), Some(receipt()));
        assert_eq!(scan(stream.as_bytes().chunks(7)), expected);
    }

    #[test]
    fn what_is_no_receipt_passes() {
        let encoded = encode_header(&receipt());
        for stream in [
            format!("data: : farthing-receipt {encoded}\n"),
            format!(" : farthing-receipt {encoded}\n"),
            ": farthing-receipt \n".to_owned(),
            ": farthing-receipt !!!\n".to_owned(),
            ": farthing".to_owned(),
            ":".to_owned(),
        ] {
            assert_eq!(scan(stream.as_bytes().chunks(5)), (stream.clone(), None));
        }
    }

    #[test]
    fn endless_lines_are_not_held() {
        let mut scanner = ReceiptScanner::default();
        let mut passed = scanner.push(STREAM_RECEIPT_PREFIX.as_bytes()).len();
        for _ in 0..100 {
            passed += scanner.push(&[b'A'; 1_000]).len();
            assert!(scanner.line.len() <= MAX_LINE + 1_002);
        }
        assert_eq!(passed, STREAM_RECEIPT_PREFIX.len() + 100_000);
        scanner.push(b"\n");
        scanner.push(stream().as_bytes());
        assert_eq!(scanner.take_receipt(), Some(receipt()));
    }
}
