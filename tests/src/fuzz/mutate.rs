//! Deterministic mutations of known inputs, similar to libFuzzer's but without coverage feedback.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

/// Maximum number of changes of one mutation.
const MAX_CHANGES: usize = 4;
/// Maximum number of bytes that one change inserts.
const MAX_INSERTED: usize = 64;

/// Boundary values of integers.
const INTERESTING: [u64; 12] = [
    0,
    1,
    2,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];

/// Mutates the inputs of a corpus.
#[derive(Debug)]
pub struct Mutator<'a> {
    random: StdRng,
    corpus: &'a [Vec<u8>],
}

impl<'a> Mutator<'a> {
    /// Mutations that depend on the seed and the corpus only. The corpus must not be empty.
    #[must_use]
    pub fn new(seed: u64, corpus: &'a [Vec<u8>]) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            corpus,
        }
    }

    /// A mutation of an input of the corpus.
    ///
    /// # Panics
    /// If the corpus is empty.
    pub fn mutation(&mut self) -> Vec<u8> {
        let mut bytes = self.input().to_vec();
        for _ in 0..self.random.gen_range(1..=MAX_CHANGES) {
            self.change(&mut bytes);
        }
        bytes
    }

    fn input(&mut self) -> &'a [u8] {
        self.corpus
            .choose(&mut self.random)
            .expect("the corpus is not empty")
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.random.gen_range(0..=bytes.len());
        match self.random.gen_range(0..8) {
            0 | 1 => flip(bytes, at, 1 << self.random.gen_range(0..8)),
            2 => flip(bytes, at, self.random.r#gen()),
            3 => self.write_integer(bytes, at),
            4 => bytes.truncate(at),
            5 => {
                let length = self.random.gen_range(1..=MAX_INSERTED);
                let inserted = (0..length).map(|_| self.random.r#gen());
                bytes.splice(at..at, inserted);
            }
            6 => {
                let end = self.random.gen_range(at..=bytes.len());
                let copied = bytes[at..end].to_vec();
                bytes.splice(at..at, copied);
            }
            _ => {
                let other = self.input();
                let from = self.random.gen_range(0..=other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
        }
    }

    /// Writes an interesting integer of any width in little-endian order, as the protocol does, sometimes off by one.
    fn write_integer(&mut self, bytes: &mut [u8], at: usize) {
        let near = self.random.gen_range(0..3);
        let integer = INTERESTING
            .choose(&mut self.random)
            .expect("a constant with elements")
            .wrapping_add(near)
            .wrapping_sub(1);
        let width = 1 << self.random.gen_range(0..4);
        let integer = integer.to_le_bytes();
        for (byte, new) in bytes[at..].iter_mut().zip(&integer[..width]) {
            *byte = *new;
        }
    }
}

fn flip(bytes: &mut [u8], at: usize, mask: u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= mask;
    }
}
