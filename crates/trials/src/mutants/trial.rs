//! Runs the program's tests against one mutant.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use farthing_chain::loader::BytecodeHash;
use serde::Deserialize;

use super::list::Mutant;
use super::report::Outcome;
use super::switch::MARKER;
use super::{cargo, failed};

/// Names of tests that take long and are run last.
const SLOW: [&str; 3] = ["incarnations::", "model::", "signatures::differential::"];

/// The compiled tests, the bytecode with its switch, and the outcomes of earlier runs.
pub struct Trials {
    tests: PathBuf,
    package: PathBuf,
    bytecode: Vec<u8>,
    switch: usize,
    file: PathBuf,
    /// Folder with earlier outcomes for exactly this bytecode, one file each.
    known: PathBuf,
}

#[derive(Deserialize)]
struct Artifact {
    executable: Option<PathBuf>,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    src_path: PathBuf,
}

impl Trials {
    /// Compiles the tests, and checks that they pass while no mutant is active.
    ///
    /// # Errors
    /// If the tests do not pass, or if the bytecode does not contain exactly one switch.
    pub fn prepare(root: &Path, folder: &Path, bytecode: &[u8]) -> io::Result<Self> {
        let places: Vec<usize> = bytecode
            .windows(MARKER.len())
            .enumerate()
            .filter(|(_, window)| window == MARKER)
            .map(|(place, _)| place)
            .collect();
        let [place] = places[..] else {
            return Err(failed(
                "the bytecode does not contain exactly one mutant switch",
            ));
        };
        // The tests are copied, so that compiling them meanwhile does not replace the executable.
        let tests = folder.join("tests");
        fs::copy(compile_tests(root)?, &tests)?;
        let trials = Self {
            tests,
            package: root.join("tests"),
            bytecode: bytecode.to_owned(),
            switch: place + MARKER.len(),
            file: folder.join("mutant.so"),
            known: folder
                .join("outcomes")
                .join(BytecodeHash::of(bytecode).to_string()),
        };
        fs::create_dir_all(&trials.known)?;
        let unchanged = trials.known.join("0");
        if !unchanged.exists() {
            println!("running all tests without any mutation");
            if let Some(test) = trials.first_failure(0, &[])? {
                return Err(failed(format!(
                    "{test} fails without any mutation: fix it first"
                )));
            }
            fs::write(unchanged, "")?;
        }
        Ok(trials)
    }

    /// The outcome of one mutant, either from an earlier run or by running the tests now.
    ///
    /// # Errors
    /// If a file cannot be read or written, or the tests cannot be run.
    pub fn run(&self, mutant: &Mutant) -> io::Result<Outcome> {
        let known = self.known.join(mutant.id.to_string());
        if let Ok(outcome) = fs::read_to_string(&known) {
            return Ok(serde_json::from_str(&outcome)?);
        }
        let outcome = self.find_out(mutant)?;
        // Missed mutants are tested again in the next run, because there may be new tests by then.
        if matches!(outcome, Outcome::Caught(_)) {
            fs::write(known, serde_json::to_string(&outcome)?)?;
        }
        Ok(outcome)
    }

    /// Runs the tests of the mutated file first, then the fast ones, then the slow ones.
    fn find_out(&self, mutant: &Mutant) -> io::Result<Outcome> {
        let stem = Path::new(&mutant.file).file_stem().unwrap_or_default();
        let own = format!("{}::", stem.to_string_lossy());
        let skip: Vec<&str> = SLOW.iter().flat_map(|slow| ["--skip", slow]).collect();
        let rounds: [&[&str]; 3] = [&[&own], &skip, &SLOW];
        for round in rounds {
            if let Some(test) = self.first_failure(mutant.id, round)? {
                return Ok(Outcome::Caught(test));
            }
        }
        Ok(Outcome::Missed)
    }

    /// Runs tests until one fails, and returns its name.
    fn first_failure(&self, id: u32, arguments: &[&str]) -> io::Result<Option<String>> {
        let mut bytecode = self.bytecode.clone();
        bytecode[self.switch..self.switch + 4].copy_from_slice(&id.to_le_bytes());
        fs::write(&self.file, bytecode)?;
        let mut tests = Command::new(&self.tests)
            .args(arguments)
            .current_dir(&self.package)
            .env("FARTHING_BYTECODE", &self.file)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = tests.stdout.take().expect("it is piped");
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            let failed = line
                .strip_prefix("test ")
                .and_then(|line| line.strip_suffix(" ... FAILED"));
            if let Some(test) = failed {
                let test = test.to_owned();
                tests.kill()?;
                tests.wait()?;
                return Ok(Some(test));
            }
        }
        if !tests.wait()?.success() {
            return Ok(Some("the tests did not end by themselves".to_owned()));
        }
        Ok(None)
    }
}

/// Compiles the program's tests, and returns their executable.
fn compile_tests(root: &Path) -> io::Result<PathBuf> {
    let output = cargo(root)
        .args(["test", "--workspace", "--test", "program"])
        .args(["--no-run", "--message-format=json"])
        .stderr(Stdio::inherit())
        .output()?;
    let source = root.join("tests/tests/program/main.rs");
    let stdout = String::from_utf8(output.stdout).map_err(io::Error::other)?;
    stdout
        .lines()
        .filter_map(|line| serde_json::from_str::<Artifact>(line).ok())
        .filter(|artifact| {
            let target = artifact.target.as_ref();
            target.is_some_and(|target| target.src_path == source)
        })
        .find_map(|artifact| artifact.executable)
        .ok_or_else(|| failed("cargo test did not build the program's tests"))
}
