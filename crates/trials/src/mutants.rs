//! Mutation testing of the on-chain program: the program is changed in one place at a time, and a test must fail for
//! each change.
//!
//! `cargo mutants` lists the mutants, and `list` adds the removal of each guard. Compiling the bytecode for each mutant
//! would take hours. Therefore it is compiled once with all mutants, each behind a switch (`switch`, `tree`), and the
//! switch is set in the bytecode (`trial`). The program's tests are used unchanged. `crates/protocol` compiles quickly,
//! so `cargo mutants -p farthing-protocol` is sufficient for it.

mod list;
mod report;
mod switch;
mod tree;
mod trial;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use list::Mutant;
use report::{MutantFigures, Outcome};
use trial::Trials;

/// Arguments of `mutants`.
#[derive(Debug, Clone, Args)]
pub struct MutantsArgs {
    /// Test only mutants whose name contains this text
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Print the figures as one line of JSON at the end
    #[arg(long)]
    pub json: bool,
}

/// Mutates the program and prints the outcome of each mutant.
///
/// # Errors
/// If `cargo mutants` is missing, if nothing compiles, or if the tests fail without any mutation.
pub fn run(args: &MutantsArgs) -> io::Result<()> {
    let root = workspace_root();
    let folder = root.join("target/mutants");
    let mutants = list::of_the_program(&root)?;
    println!("{} mutants; compiling them all together", mutants.len());
    let tree = tree::Tree::copy(&root, &folder)?;
    let unviable = tree.keep_what_compiles(&mutants)?;
    let bytecode = tree.compile()?;
    println!("{} of them do not compile", unviable.len());

    let trials = Trials::prepare(&root, &folder, &bytecode)?;
    let chosen: Vec<&Mutant> = mutants
        .iter()
        .filter(|mutant| {
            mutant
                .name
                .contains(args.only.as_deref().unwrap_or_default())
        })
        .collect();
    let mut outcomes = BTreeMap::new();
    for (index, mutant) in chosen.iter().enumerate() {
        let outcome = if unviable.contains(&mutant.id) {
            Outcome::Unviable
        } else {
            trials.run(mutant)?
        };
        println!("{}/{} {outcome}: {}", index + 1, chosen.len(), mutant.name);
        outcomes.insert(mutant.id, outcome);
    }
    let figures = MutantFigures::of(outcomes.values());
    println!("{figures}");
    if args.json {
        println!("{}", serde_json::to_string(&figures)?);
    }
    Ok(())
}

fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("this crate is inside its workspace")
}

/// A cargo command in a workspace, without the variables that cargo sets for this program. Otherwise build scripts
/// would see this crate's variables, run again, and cause everything that depends on them to be recompiled.
fn cargo(workspace: &Path) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(workspace);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_MANIFEST_") || text.starts_with("CARGO_PKG_") {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// An I/O error with a message.
fn failed(message: impl Into<String>) -> io::Error {
    io::Error::other(message.into())
}
