//! Runs the fuzz targets on stable Rust: with every input of their corpora, and with a bounded number of mutations,
//! which are the same in every run.
//!
//! `FARTHING_FUZZ_MUTATIONS=n` runs n times as many mutations. `FARTHING_BLESS=1` rewrites the seeds; review the diff
//! afterwards. To run one input, add it to the target's corpus.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use farthing_tests::fuzz::mutate::Mutator;
use farthing_tests::fuzz::seeds::seeds;
use farthing_tests::fuzz::{TARGETS, Target, account, export, instruction, receipt};
use farthing_verifier::store::read_export;
use farthing_wire::receipt::verify;
use solana_sdk::signer::Signer;

/// Together, so that a checkout stays small.
const MAX_CORPORA_BYTES: usize = 300_000;
const SEED: u64 = 0x4641_5254_4849_4e47;

fn fuzz_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

fn corpus_directory(target: &str) -> PathBuf {
    fuzz_directory().join("corpus").join(target)
}

fn file_names(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    entries
        .map(|entry| entry.expect("a readable directory").file_name())
        .map(|name| name.into_string().expect("names are ASCII"))
        .collect()
}

/// The inputs by name.
fn corpus(target: &str) -> BTreeMap<String, Vec<u8>> {
    let directory = corpus_directory(target);
    file_names(&directory)
        .into_iter()
        .map(|name| {
            let bytes = std::fs::read(directory.join(&name)).expect("a readable file");
            (name, bytes)
        })
        .collect()
}

/// Runs an input, and shows it if a property does not hold.
fn run(target: &Target, name: &str, input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.run)(input))) {
        let hex = input.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a string takes everything");
            hex
        });
        eprintln!("{}: {name}: {hex}", target.name);
        resume_unwind(panic);
    }
}

fn run_all(name: &str) {
    let target = TARGETS
        .iter()
        .find(|target| target.name == name)
        .expect("a target");
    let corpus = corpus(name);
    for (name, input) in &corpus {
        run(target, name, input);
    }
    let times: usize = std::env::var("FARTHING_FUZZ_MUTATIONS")
        .map_or(1, |times| times.parse().expect("a number"));
    let inputs: Vec<Vec<u8>> = corpus.into_values().collect();
    let mut mutator = Mutator::new(SEED, &inputs);
    for _ in 0..target.mutations * times {
        run(target, "a mutation", &mutator.mutation());
    }
}

#[test]
fn account() {
    run_all("account");
}

#[test]
fn amount() {
    run_all("amount");
}

#[test]
fn answer() {
    run_all("answer");
}

#[test]
fn export() {
    run_all("export");
}

#[test]
fn instruction() {
    run_all("instruction");
}

#[test]
fn payment() {
    run_all("payment");
}

#[test]
fn receipt() {
    run_all("receipt");
}

#[test]
fn request() {
    run_all("request");
}

#[test]
fn statement() {
    run_all("statement");
}

#[test]
fn voucher() {
    run_all("voucher");
}

/// What the bytecode makes of an input means something only if it accepts what is right.
#[test]
fn the_bytecode_accepts_the_seeds() {
    let refused = ["settle_full", "settle_statement_rotated"];
    for seed in seeds() {
        let outcome = match seed.target {
            "instruction" => instruction::outcome(&seed.bytes),
            "account" => account::outcome(&seed.bytes),
            _ => continue,
        };
        let is_accepted = outcome.expect("an instruction ran").result.is_ok();
        let is_right = !refused.contains(&seed.name.as_str());
        assert_eq!(is_accepted, is_right, "{}", seed.name);
    }
}

/// What is read is compared only if what is right is read.
#[test]
fn receipts_and_exports_of_the_seeds_are_read() {
    let mut read = Vec::new();
    let kept = ["receipt", "export"];
    for seed in seeds()
        .into_iter()
        .filter(|seed| kept.contains(&seed.target))
    {
        let (selector, data) = seed.bytes.split_first().expect("a selector");
        let is_read = match seed.target {
            "receipt" => {
                let token = receipt::token(*selector, data);
                verify(&token, &receipt::settler().pubkey()).is_ok()
            }
            _ => read_export(export::text(*selector, data).as_slice()).is_ok(),
        };
        read.extend(is_read.then_some(seed.name));
    }
    let right = [
        "token_sold",
        "token_figures",
        "to_sign_claims",
        "to_sign_before_1970",
        "version_1",
        "version_1_unsealed",
        "version_2",
        "version_2_unsealed",
        "empty_unsealed",
    ];
    assert_eq!(read, right);
}

#[test]
fn every_target_has_a_binary_and_a_corpus() {
    let names: BTreeSet<String> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    let binaries: BTreeSet<String> = names.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(file_names(&fuzz_directory().join("fuzz_targets")), binaries);
    assert_eq!(file_names(&fuzz_directory().join("corpus")), names);
    let bytes: usize = names
        .iter()
        .flat_map(|name| corpus(name).into_values())
        .map(|input| input.len())
        .sum();
    assert!(bytes <= MAX_CORPORA_BYTES, "{bytes} bytes");
}

#[test]
fn corpora_hold_the_seeds() {
    let bless = std::env::var_os("FARTHING_BLESS").is_some();
    for seed in seeds() {
        let directory = corpus_directory(seed.target);
        let file = directory.join(&seed.name);
        if bless {
            std::fs::create_dir_all(&directory).expect("a directory can be made");
            std::fs::write(&file, &seed.bytes).expect("a seed can be written");
            continue;
        }
        let found = std::fs::read(&file).ok();
        assert!(
            found.as_ref() == Some(&seed.bytes),
            "{} is not what FARTHING_BLESS=1 writes",
            file.display()
        );
    }
}
