//! How much of the program the tests watch: the program is changed in one place at a time, and a test must
//! notice each change.
//!
//! `cargo mutants` says which changes there are; `list` adds one for each guard, its removal. Compiling the
//! bytecode for each would take hours, so it is compiled once with all of them, each behind a switch
//! (`switch`, `tree`), and the switch is set in the bytecode (`trial`). The tests are the program's, as
//! they are. `crates/protocol` is compiled quickly, so `cargo mutants -p farthing-protocol` does for it.

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
use report::{Figures, Outcome};
use trial::Trials;

/// Arguments of `mutants`.
#[derive(Debug, Clone, Args)]
pub struct MutantsArgs {
    /// Try only those whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// End with the figures as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Mutates the program, and shows what no test noticed.
///
/// # Errors
/// If `cargo mutants` is missing, nothing compiles, or the tests fail without any change.
pub fn run(args: &MutantsArgs) -> io::Result<()> {
    let root = workspace_root();
    let folder = root.join("target/mutants");
    let mutants = list::of_the_program(&root)?;
    println!("{} mutants; compiling all of them at once", mutants.len());
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
    let figures = Figures::of(outcomes.values());
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

/// Cargo in a workspace, as if nobody had started this program through cargo: build scripts would see this crate's
/// variables, and be run again, and all that depends on them compiled.
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

/// An error with a message for people.
fn failed(message: impl Into<String>) -> io::Error {
    io::Error::other(message.into())
}
