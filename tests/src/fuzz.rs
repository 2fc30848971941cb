//! What must hold for any bytes: the bodies of the fuzz targets, and what feeds them on stable Rust.
//!
//! Each target is a module with a function `run` that panics if and only if a property is violated. libFuzzer
//! calls it from `fuzz/fuzz_targets`; `tests/tests/fuzz.rs` calls it with the committed corpus and with
//! bounded [`mutations`](mutate). What each target promises stands in its module, and in short in
//! `fuzz/README.md`.

pub mod account;
pub mod amount;
pub mod bytecode;
#[cfg(feature = "off-chain")]
pub mod export;
pub mod instruction;
pub mod money;
pub mod mutate;
pub mod payment;
pub mod receipt;
pub mod request;
pub mod seeds;
pub mod statement;
pub mod voucher;

/// A target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, which is that of its binary and of its corpus.
    pub name: &'static str,
    /// Its body.
    pub run: fn(&[u8]),
    /// How many mutations of its corpus `cargo test` runs: what takes a few seconds.
    pub mutations: usize,
}

/// All targets. Those that need the verifier come with its feature.
pub const TARGETS: &[Target] = &[
    Target {
        name: "account",
        run: |data| {
            account::run(data);
        },
        mutations: 2_000,
    },
    Target {
        name: "amount",
        run: amount::run,
        mutations: 50_000,
    },
    #[cfg(feature = "off-chain")]
    Target {
        name: "export",
        run: export::run,
        mutations: 20_000,
    },
    Target {
        name: "instruction",
        run: |data| {
            instruction::run(data);
        },
        mutations: 2_000,
    },
    Target {
        name: "payment",
        run: payment::run,
        mutations: 20_000,
    },
    Target {
        name: "receipt",
        run: receipt::run,
        mutations: 10_000,
    },
    Target {
        name: "request",
        run: request::run,
        mutations: 20_000,
    },
    Target {
        name: "statement",
        run: statement::run,
        mutations: 20_000,
    },
    Target {
        name: "voucher",
        run: voucher::run,
        mutations: 50_000,
    },
];
