//! The program's tests against one change.

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

/// Tests that take long, and are asked last.
const SLOW: [&str; 3] = ["incarnations::", "model::", "signatures::differential::"];

/// The tests, the bytecode with its switch, and what was found out before.
pub struct Trials {
    tests: PathBuf,
    package: PathBuf,
    bytecode: Vec<u8>,
    switch: usize,
    file: PathBuf,
    /// Earlier outcomes of exactly this bytecode, one file each.
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
    /// Compiles the tests, and requires that they pass while no change is on.
    ///
    /// # Errors
    /// If they do not, or the bytecode has no switch.
    pub fn prepare(root: &Path, folder: &Path, bytecode: &[u8]) -> io::Result<Self> {
        let places: Vec<usize> = bytecode
            .windows(MARKER.len())
            .enumerate()
            .filter(|(_, window)| window == MARKER)
            .map(|(place, _)| place)
            .collect();
        let [place] = places[..] else {
            return Err(failed("the compiler did not keep exactly one switch"));
        };
        // A copy, so that nobody who compiles meanwhile changes the tests.
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
            println!("running all tests without any change");
            if let Some(test) = trials.first_failure(0, &[])? {
                return Err(failed(format!("{test} fails without any change")));
            }
            fs::write(unchanged, "")?;
        }
        Ok(trials)
    }

    /// The outcome of one change, known from an earlier run or found out now.
    ///
    /// # Errors
    /// The operating system's.
    pub fn run(&self, mutant: &Mutant) -> io::Result<Outcome> {
        let known = self.known.join(mutant.id.to_string());
        if let Ok(outcome) = fs::read_to_string(&known) {
            return Ok(serde_json::from_str(&outcome)?);
        }
        let outcome = self.find_out(mutant)?;
        // What was missed is tried again: there may be another test by then.
        if matches!(outcome, Outcome::Caught(_)) {
            fs::write(known, serde_json::to_string(&outcome)?)?;
        }
        Ok(outcome)
    }

    /// Those tests first that are about the file, then the quick ones, then the others.
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

    /// Runs tests until one fails; its name.
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

/// The executable with the program's tests.
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
        .ok_or_else(|| failed("cargo test did not make the program's tests"))
}
