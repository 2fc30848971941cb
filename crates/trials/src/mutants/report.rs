//! Outcomes of the mutants, and their counts.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The outcome of a mutant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It does not compile.
    Unviable,
    /// This test failed.
    Caught(String),
    /// No test failed.
    Missed,
}

/// Number of mutants of each outcome.
#[derive(Debug, Default, Serialize)]
pub struct MutantFigures {
    mutants: usize,
    caught: usize,
    missed: usize,
    unviable: usize,
    caught_percent: f64,
}

impl MutantFigures {
    /// Counts the outcomes.
    pub fn of<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Self {
        let mut figures = Self::default();
        for outcome in outcomes {
            figures.mutants += 1;
            match outcome {
                Outcome::Unviable => figures.unviable += 1,
                Outcome::Caught(_) => figures.caught += 1,
                Outcome::Missed => figures.missed += 1,
            }
        }
        let viable = figures.caught + figures.missed;
        let per_mille = (figures.caught * 1000)
            .checked_div(viable)
            .unwrap_or_default();
        figures.caught_percent = per_mille as f64 / 10.0;
        figures
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unviable => f.write_str("does not compile"),
            Self::Caught(test) => write!(f, "caught by {test}"),
            Self::Missed => f.write_str("MISSED"),
        }
    }
}

impl fmt::Display for MutantFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "caught {} of {} mutants that compile ({}%); {} do not compile",
            self.caught,
            self.caught + self.missed,
            self.caught_percent,
            self.unviable
        )
    }
}
