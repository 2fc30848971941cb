//! Tracks how much of an answer the caller has received, so that after a retry the answer resumes where it broke off.

use bytes::Bytes;
use sha2::{Digest, Sha256};

/// The answer to a retry differs from the first answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Differs;

/// The bytes that the caller has received, as length and hash: keeping the bytes would keep whole answers in memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    length: usize,
    hash: Sha256,
    /// What was received again after a retry, until that is as long.
    again: Option<Again>,
}

#[derive(Debug, Clone, Default)]
struct Again {
    length: usize,
    hash: Sha256,
}

impl Seen {
    /// Records that the answer begins again, because the request was retried.
    pub(super) fn begin_again(&mut self) {
        self.again = (self.length > 0).then(Again::default);
    }

    /// The part of a chunk that the caller has not received before.
    pub(super) fn unseen(&mut self, mut chunk: Bytes) -> Result<Bytes, Differs> {
        if let Some(again) = &mut self.again {
            let missing = self.length - again.length;
            let known = chunk.split_to(chunk.len().min(missing));
            again.length += known.len();
            again.hash.update(&known);
            if again.length == self.length {
                let is_the_same = again.hash.clone().finalize() == self.hash.clone().finalize();
                self.again = None;
                if !is_the_same {
                    return Err(Differs);
                }
            }
        }
        self.length += chunk.len();
        self.hash.update(&chunk);
        Ok(chunk)
    }

    /// Whether less was received again than the caller already has.
    pub(super) const fn is_behind(&self) -> bool {
        self.again.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"four score and seven";

    /// Feeds `bytes` in pieces of `size`, and returns what the caller gets.
    fn feed(seen: &mut Seen, bytes: &[u8], size: usize) -> Result<Vec<u8>, Differs> {
        let mut unseen = Vec::new();
        for piece in bytes.chunks(size) {
            unseen.extend_from_slice(&seen.unseen(Bytes::copy_from_slice(piece))?);
        }
        Ok(unseen)
    }

    #[test]
    fn another_answer_is_not_taken_for_the_rest() {
        for other in [&b"five score and seven"[..], b"four score", b""] {
            let mut seen = Seen::default();
            feed(&mut seen, &ANSWER[..12], 5).expect("it is the first");
            seen.begin_again();
            let is_noticed = feed(&mut seen, other, 3).is_err() || seen.is_behind();
            assert!(is_noticed, "{other:?}");
        }
    }

    #[test]
    fn the_rest_follows_wherever_it_broke_off() {
        for first in 0..=ANSWER.len() {
            for second in 0..=ANSWER.len() {
                for size in [1, 3, ANSWER.len()] {
                    let mut seen = Seen::default();
                    let mut has = feed(&mut seen, &ANSWER[..first], size).expect("it is the first");
                    for until in [second, ANSWER.len()] {
                        seen.begin_again();
                        has.extend(
                            feed(&mut seen, &ANSWER[..until], size).expect("it is the same"),
                        );
                    }
                    assert_eq!((has.as_slice(), seen.is_behind()), (ANSWER, false));
                }
            }
        }
    }
}
