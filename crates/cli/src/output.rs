//! Results on stdout and errors on stderr: for people, or as one JSON object per line.
//!
//! Output for people has sentences and amounts in USDC; JSON has amounts in base units, as numbers. All results of the
//! crate are printed here.

use std::fmt::Display;
use std::io::{self, Write};

use comfy_table::{Table, presets};
use serde::Serialize;
use serde_json::json;

use crate::error::CliError;

/// A command's result: its `Display` is for people, its JSON for programs.
pub trait Report: Display + Serialize {}

impl<T: Display + Serialize> Report for T {}

/// How results are shown.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// For people, or as JSON.
    #[must_use]
    pub const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether results are JSON.
    #[must_use]
    pub const fn is_json(self) -> bool {
        self.json
    }

    /// Shows a command's result.
    ///
    /// # Errors
    /// If stdout is closed.
    pub fn report(self, report: &impl Report) -> Result<(), CliError> {
        let text = if self.json {
            serde_json::to_string(report).map_err(|error| CliError::failed(error.to_string()))?
        } else {
            report.to_string()
        };
        writeln!(io::stdout(), "{}", text.trim_end())
            .map_err(|error| CliError::failed(format!("cannot write to stdout: {error}")))
    }

    /// Prints a progress message to stderr; nothing in JSON mode.
    pub fn progress(self, message: impl Display) {
        if !self.json {
            // A closed stderr must not abort the command.
            let _ = writeln!(io::stderr(), "{message}");
        }
    }

    /// Shows why a command failed.
    pub fn error(self, error: &CliError) {
        let text = if self.json {
            json!({"error": {"code": error.code(), "message": error.to_string()}}).to_string()
        } else {
            format!("error: {error}")
        };
        // If stderr is closed, there is nowhere else to report the error.
        let _ = writeln!(io::stderr(), "{text}");
    }
}

/// A table of names and values.
#[must_use]
pub fn facts<'a>(rows: impl IntoIterator<Item = (&'a str, String)>) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    for (name, value) in rows {
        table.add_row([name.to_owned(), value]);
    }
    table
}

/// A table with a heading.
#[must_use]
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(header);
    for row in rows {
        table.add_row(row);
    }
    table
}
