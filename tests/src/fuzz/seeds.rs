//! The seeds of the fuzzing corpora: inputs that real parties send, and a few that are wrong in one way each.
//!
//! The seeds are the files of `fuzz/corpus` with names; files named by a hash were found by libFuzzer.

#[cfg(feature = "off-chain")]
mod answers;
mod chain;
#[cfg(feature = "off-chain")]
mod exports;
mod receipts;
mod wire;

/// An input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// The target that it is for.
    pub target: &'static str,
    /// What it is.
    pub name: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Seed {
    fn new(target: &'static str, name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            target,
            name: name.into(),
            bytes: bytes.into(),
        }
    }
}

/// All seeds, the same in every run.
#[must_use]
pub fn seeds() -> Vec<Seed> {
    [
        chain::instructions(),
        chain::accounts(),
        chain::messages(),
        wire::payments(),
        wire::requests(),
        wire::amounts(),
        receipts::receipts(),
        #[cfg(feature = "off-chain")]
        answers::answers(),
        #[cfg(feature = "off-chain")]
        exports::exports(),
    ]
    .concat()
}
