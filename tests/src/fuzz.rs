//! The bodies of the fuzz targets, which check properties that hold for any bytes, and the inputs that run them on
//! stable Rust.
//!
//! Each target is a module with a function `run` that panics if and only if a property is violated. libFuzzer
//! calls it from `fuzz/fuzz_targets`; `tests/tests/fuzz.rs` calls it with the committed corpus and with
//! bounded [`mutations`](mutate). The properties of each target are documented in its module, and briefly in
//! `fuzz/README.md`.

pub mod account;
pub mod amount;
#[cfg(feature = "off-chain")]
pub mod answer;
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

/// A fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Name of the target, of its binary and of its corpus.
    pub name: &'static str,
    /// Body of the target.
    pub run: fn(&[u8]),
    /// Number of mutations of its corpus that `cargo test` runs, chosen to take a few seconds.
    pub mutations: usize,
}

/// All fuzz targets. Those that need the verifier exist only with its feature.
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
        name: "answer",
        run: answer::run,
        mutations: 20_000,
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
