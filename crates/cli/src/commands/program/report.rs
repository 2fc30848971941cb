//! Results of `farthing program`. Lamports are numbers in JSON, and shown as SOL to people.

use std::fmt;

use serde::Serialize;

use crate::output::facts;

const LAMPORTS_PER_SOL: u64 = 1_000_000_000;

/// Formats lamports as SOL.
pub(super) fn sol(lamports: u64) -> String {
    let (whole, rest) = (lamports / LAMPORTS_PER_SOL, lamports % LAMPORTS_PER_SOL);
    let decimals = format!("{rest:09}");
    let decimals = decimals.trim_end_matches('0');
    if decimals.is_empty() {
        format!("{whole} SOL")
    } else {
        format!("{whole}.{decimals} SOL")
    }
}

fn nobody(authority: Option<&String>) -> String {
    authority.map_or_else(|| "none (immutable)".to_owned(), Clone::clone)
}

/// What a deployment did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Action {
    /// The program was deployed for the first time.
    Deployed,
    /// The program's bytecode was replaced.
    Upgraded,
    /// The bytecode was up to date, and only the program's space was extended.
    Extended,
    /// The bytecode was up to date, and nothing was changed.
    Unchanged,
}

impl Action {
    const fn label(self) -> &'static str {
        match self {
            Self::Deployed => "deployed",
            Self::Upgraded => "upgraded",
            Self::Extended => "only extended: the bytecode is the same",
            Self::Unchanged => "nothing to do: the bytecode is the same",
        }
    }
}

/// Result of `program deploy`.
#[derive(Debug, Serialize)]
pub(super) struct DeployReport {
    pub(super) action: Action,
    pub(super) program: String,
    pub(super) program_data: String,
    pub(super) cluster: String,
    pub(super) slot: u64,
    pub(super) upgrade_authority: Option<String>,
    /// Hash of the bytecode as read back from the chain once it was final; equal to the build's.
    pub(super) hash: String,
    pub(super) length: usize,
    /// Length to which the bytecode may grow without an extension.
    pub(super) space: usize,
    /// Number of transactions of this run that wrote a chunk.
    pub(super) chunks_written: usize,
    /// Number of chunks of the bytecode.
    pub(super) chunks: usize,
    /// Rent locked in the program, in lamports.
    pub(super) rent: u64,
    /// Decrease of the payer's balance, in lamports. Negative if a buffer that an earlier run paid for returned more
    /// than this run cost.
    pub(super) spent: i64,
}

impl DeployReport {
    fn cost(&self) -> (&'static str, String) {
        let name = if self.spent < 0 { "returned" } else { "spent" };
        (name, sol(self.spent.unsigned_abs()))
    }
}

impl fmt::Display for DeployReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        facts([
            ("program", self.program.clone()),
            ("", self.action.label().to_owned()),
            ("cluster", self.cluster.clone()),
            ("program data", self.program_data.clone()),
            ("deployed in slot", self.slot.to_string()),
            ("upgrade authority", nobody(self.upgrade_authority.as_ref())),
            ("hash", self.hash.clone()),
            (
                "bytes",
                format!("{} (space for {})", self.length, self.space),
            ),
            (
                "chunks written",
                format!("{} of {}", self.chunks_written, self.chunks),
            ),
            ("rent", sol(self.rent)),
            self.cost(),
        ])
        .fmt(f)
    }
}

/// Result of `program buffer`.
#[derive(Debug, Serialize)]
pub(super) struct BufferWritten {
    pub(super) buffer: String,
    pub(super) authority: String,
    pub(super) program: String,
    pub(super) hash: String,
    pub(super) chunks_written: usize,
    pub(super) chunks: usize,
    /// Number of bytes by which the program's space was extended.
    pub(super) extended_by: usize,
    pub(super) transaction: String,
}

impl fmt::Display for BufferWritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = facts([
            ("buffer", self.buffer.clone()),
            ("belongs to", self.authority.clone()),
            ("for program", self.program.clone()),
            ("hash", self.hash.clone()),
            (
                "chunks written",
                format!("{} of {}", self.chunks_written, self.chunks),
            ),
            ("transaction", self.transaction.clone()),
        ]);
        write!(
            f,
            "{rows}\n\nPropose the upgrade from this buffer. Before approving it, \
             each member runs\n  farthing program verify --buffer {} --bytecode <THEIR OWN BUILD>",
            self.buffer
        )
    }
}

/// Result of `program verify`.
#[derive(Debug, Serialize)]
pub(super) struct Verified {
    pub(super) program: String,
    pub(super) program_data: String,
    pub(super) cluster: String,
    pub(super) slot: u64,
    pub(super) upgrade_authority: Option<String>,
    pub(super) hash: String,
    pub(super) expected_hash: String,
    pub(super) equal: bool,
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        facts([
            ("program", self.program.clone()),
            ("cluster", self.cluster.clone()),
            ("program data", self.program_data.clone()),
            ("deployed in slot", self.slot.to_string()),
            ("upgrade authority", nobody(self.upgrade_authority.as_ref())),
            ("hash on the chain", self.hash.clone()),
            ("hash of the build", self.expected_hash.clone()),
            ("", verdict(self.equal).to_owned()),
        ])
        .fmt(f)
    }
}

/// Result of `program verify --buffer`.
#[derive(Debug, Serialize)]
pub(super) struct VerifiedBuffer {
    pub(super) buffer: String,
    pub(super) authority: Option<String>,
    pub(super) hash: String,
    pub(super) expected_hash: String,
    pub(super) equal: bool,
}

impl fmt::Display for VerifiedBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        facts([
            ("buffer", self.buffer.clone()),
            ("belongs to", nobody(self.authority.as_ref())),
            ("hash on the chain", self.hash.clone()),
            ("hash of the build", self.expected_hash.clone()),
            ("", verdict(self.equal).to_owned()),
        ])
        .fmt(f)
    }
}

const fn verdict(equal: bool) -> &'static str {
    if equal { "equal" } else { "DIFFERENT" }
}

/// Result of `program set-authority`.
#[derive(Debug, Serialize)]
pub(super) struct AuthoritySet {
    pub(super) program: String,
    /// Null if the program is now immutable.
    pub(super) upgrade_authority: Option<String>,
    pub(super) former: String,
    pub(super) transaction: String,
}

impl fmt::Display for AuthoritySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        facts([
            ("program", self.program.clone()),
            ("upgrade authority", nobody(self.upgrade_authority.as_ref())),
            ("former authority", self.former.clone()),
            ("transaction", self.transaction.clone()),
        ])
        .fmt(f)
    }
}

/// Result of `program close-buffer`.
#[derive(Debug, Serialize)]
pub(super) struct BufferClosed {
    pub(super) buffer: String,
    pub(super) returned: u64,
    pub(super) to: String,
    pub(super) transaction: String,
}

impl fmt::Display for BufferClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        facts([
            ("closed", self.buffer.clone()),
            ("returned", sol(self.returned)),
            ("to", self.to.clone()),
            ("transaction", self.transaction.clone()),
        ])
        .fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lamports_are_shown_whole() {
        for (lamports, text) in [
            (0, "0 SOL"),
            (1, "0.000000001 SOL"),
            (5_510_000_000, "5.51 SOL"),
            (2 * LAMPORTS_PER_SOL, "2 SOL"),
        ] {
            assert_eq!(sol(lamports), text);
        }
    }
}
