//! A copy of the workspace in which the program has all mutants behind switches.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::list::Mutant;
use super::switch::{MODULE, switched};
use super::{cargo, failed};

/// Maximum number of rounds of checking: more than the compiler has phases, each of which may report further errors.
const MAX_ROUNDS: usize = 20;

/// By file: the ranges of bytes that were inserted, with the number of the mutant of each.
type Inserted = BTreeMap<String, Vec<(Range<usize>, u32)>>;

/// The copy of the workspace.
pub struct Tree {
    original: PathBuf,
    copy: PathBuf,
    target: PathBuf,
}

/// A line of cargo's JSON output.
#[derive(Deserialize)]
struct CargoMessage {
    message: Option<CompilerMessage>,
}

#[derive(Deserialize)]
struct CompilerMessage {
    level: String,
    rendered: Option<String>,
    spans: Vec<CompilerSpan>,
}

#[derive(Deserialize)]
struct CompilerSpan {
    file_name: String,
    byte_start: usize,
    byte_end: usize,
}

impl Tree {
    /// Copies every file that git does not ignore to a folder below `folder`.
    ///
    /// # Errors
    /// If git or the file system fails.
    pub fn copy(root: &Path, folder: &Path) -> io::Result<Self> {
        let tree = Self {
            original: root.to_owned(),
            copy: folder.join("tree"),
            target: folder.join("build"),
        };
        let listed = Command::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(root)
            .output()?;
        let files = String::from_utf8(listed.stdout).map_err(io::Error::other)?;
        for file in files.split_terminator('\0') {
            // Git still knows what was just removed.
            if !root.join(file).is_file() {
                continue;
            }
            let to = tree.copy.join(file);
            fs::create_dir_all(to.parent().expect("a file is in a folder"))?;
            fs::copy(root.join(file), to)?;
        }
        Ok(tree)
    }

    /// Writes the sources with the switches of all mutants that compile, and returns the numbers of the others.
    ///
    /// # Errors
    /// If a compiler error is not caused by any mutant.
    pub fn keep_what_compiles(&self, mutants: &[Mutant]) -> io::Result<BTreeSet<u32>> {
        let mut unviable = BTreeSet::new();
        for _ in 0..MAX_ROUNDS {
            let inserted = self.write(mutants, &unviable)?;
            let blamed = self.blame(&inserted)?;
            if blamed.is_empty() {
                return Ok(unviable);
            }
            unviable.extend(blamed);
        }
        Err(failed("the compiler finds no end"))
    }

    /// Compiles the bytecode.
    ///
    /// # Errors
    /// If it does not compile, or the compiler is missing.
    pub fn compile(&self) -> io::Result<Vec<u8>> {
        let bytecode = self.target.join("farthing.so");
        let status = Command::new(self.copy.join("scripts/build-program"))
            .arg("--output")
            .arg(&bytecode)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("RUSTFLAGS", "-Awarnings")
            .status()?;
        if !status.success() {
            return Err(failed("scripts/build-program failed"));
        }
        fs::read(bytecode)
    }

    /// Writes all sources that have mutants, and returns which inserted text belongs to which mutant.
    fn write(&self, mutants: &[Mutant], without: &BTreeSet<u32>) -> io::Result<Inserted> {
        let mut by_file: BTreeMap<&str, Vec<&Mutant>> = BTreeMap::new();
        for mutant in mutants {
            let of_file = by_file.entry(&mutant.file).or_default();
            if !without.contains(&mutant.id) {
                of_file.push(mutant);
            }
        }
        let mut inserted = BTreeMap::new();
        for (file, mutants) in by_file {
            let source = fs::read_to_string(self.original.join(file))?;
            let mut switched = switched(&source, &mutants)?;
            if file.ends_with("src/lib.rs") {
                switched.text.push_str(MODULE);
            }
            fs::write(self.copy.join(file), switched.text)?;
            inserted.insert(file.to_owned(), switched.inserted);
        }
        Ok(inserted)
    }

    /// The mutants whose code causes compiler errors.
    fn blame(&self, inserted: &Inserted) -> io::Result<BTreeSet<u32>> {
        let output = cargo(&self.copy)
            .args(["check", "-p", "farthing", "--message-format=json"])
            .env("CARGO_TARGET_DIR", &self.target)
            .output()?;
        if output.status.success() {
            return Ok(BTreeSet::new());
        }
        let stdout = String::from_utf8(output.stdout).map_err(io::Error::other)?;
        let errors: Vec<CompilerMessage> = stdout
            .lines()
            .filter_map(|line| serde_json::from_str::<CargoMessage>(line).ok()?.message)
            .filter(|message| message.level == "error")
            .collect();
        let blamed: BTreeSet<u32> = errors
            .iter()
            .flat_map(|error| &error.spans)
            .flat_map(|span| {
                let of_file = inserted.get(&span.file_name).map_or(&[][..], Vec::as_slice);
                of_file
                    .iter()
                    .filter(|(range, _)| span.byte_start < range.end && range.start < span.byte_end)
                    .map(|(_, id)| *id)
            })
            .collect();
        if blamed.is_empty() {
            let said: String = errors
                .into_iter()
                .filter_map(|error| error.rendered)
                .collect();
            let cargo = String::from_utf8_lossy(&output.stderr);
            return Err(failed(format!(
                "the program does not compile: {said}\n{cargo}"
            )));
        }
        Ok(blamed)
    }
}
