//! The machine that measured: figures of another one differ.

use std::fmt;
use std::fs;
use std::thread;

use serde::Serialize;

/// The feature of a processor with which vouchers are verified in half the time.
const IFMA: &str = "avx512ifma";

/// What of a machine decides the figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// The processor, as it names itself.
    pub processor: String,
    /// Processors that this program may use.
    pub cores: usize,
    /// Whether signatures are verified with AVX-512.
    pub avx512_ifma: bool,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn here() -> Self {
        Self::of(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default())
    }

    fn of(cpuinfo: &str) -> Self {
        let field = |name: &str| {
            let lines = cpuinfo.lines();
            let mut fields = lines.filter_map(|line| line.split_once(':'));
            let found = fields.find(|(key, _)| key.trim() == name);
            found.map(|(_, value)| value.trim().to_owned())
        };
        let flags = field("flags").unwrap_or_default();
        Self {
            processor: field("model name").unwrap_or_else(|| "unknown".to_owned()),
            cores: thread::available_parallelism().map_or(1, usize::from),
            avx512_ifma: flags.split_whitespace().any(|flag| flag == IFMA),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ifma = if self.avx512_ifma { "with" } else { "without" };
        write!(
            f,
            "{} cores of {}, {ifma} AVX-512 IFMA",
            self.cores, self.processor
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_tells_what_it_is() {
        let text = "processor\t: 0\nmodel name\t: A CPU @ 2 GHz\nflags\t\t: fpu avx512ifma sse\n";
        let machine = Machine::of(text);
        assert_eq!(machine.processor, "A CPU @ 2 GHz");
        assert!(machine.avx512_ifma);
        assert!(!Machine::of("flags : avx512ifmax").avx512_ifma);
    }
}
