//! Compares the off-chain predicate and the bytecode on a hundred thousand random signatures.

use std::collections::BTreeMap;
use std::thread;

use farthing_protocol::limits::MAX_CLAIMS;

use super::bytecode::{Bytecode, Signed};
use super::cases::{Cases, Class};
use super::{Verdict, off_chain};

/// How many cases there are.
const CASES: usize = 100_000;
/// How many series they come in, each with a seed and a chain of its own, for as many processors.
const SERIES: usize = 4;
/// Another number makes other cases.
const SEED_VARIABLE: &str = "FARTHING_SEED";

/// How often each pair of verdicts, first off-chain, was given on a class.
type Tally = BTreeMap<(Class, Verdict, Verdict), usize>;

/// Judges the cases of one seed.
fn judge(seed: u64, count: usize) -> Tally {
    let mut bytecode = Bytecode::new();
    let mut cases = Cases::new(seed);
    let mut tally = Tally::new();
    let mut batch = Vec::with_capacity(MAX_CLAIMS);
    for _ in 0..count {
        // The lane that an accepted case will have in its batch. A refused one has it to itself.
        let lane = 1 + u16::try_from(batch.len()).expect("a batch is small");
        let (class, signed) = cases.next(|authorized| bytecode.voucher(lane, authorized));
        let message = bytecode.voucher(lane, signed.authorized);
        match off_chain(&signed.key, &message, &signed.signature) {
            Verdict::Accepted => batch.push((class, signed)),
            refused => {
                let on_chain = bytecode.add_and_settle(lane, &[signed]);
                *tally.entry((class, refused, on_chain)).or_default() += 1;
            }
        }
        if batch.len() == MAX_CLAIMS {
            judge_accepted(&mut bytecode, &batch, &mut tally);
            batch.clear();
        }
    }
    judge_accepted(&mut bytecode, &batch, &mut tally);
    tally
}

/// Judges cases that the verifier accepts: in one transaction, as the first that is refused fails the others,
/// and if it failed one by one.
fn judge_accepted(bytecode: &mut Bytecode, batch: &[(Class, Signed)], tally: &mut Tally) {
    if batch.is_empty() {
        return;
    }
    let signed: Vec<Signed> = batch.iter().map(|(_, signed)| signed.clone()).collect();
    let all = bytecode.add_and_settle(1, &signed);
    for (lane, (class, signed)) in (1..).zip(batch) {
        let on_chain = if all == Verdict::Accepted {
            all
        } else {
            bytecode.add_and_settle(lane, std::slice::from_ref(signed))
        };
        if on_chain != Verdict::Accepted {
            println!(
                "lane {lane}, accepted off-chain, {on_chain:?} on-chain: {class:?} {signed:02x?}"
            );
        }
        let verdicts = (*class, Verdict::Accepted, on_chain);
        *tally.entry(verdicts).or_default() += 1;
    }
}

#[test]
fn what_the_verifier_accepts_the_program_accepts() {
    let seed: u32 = std::env::var(SEED_VARIABLE).map_or(0, |seed| seed.parse().expect("a number"));
    println!("{SEED_VARIABLE}={seed}");
    let mut tally = Tally::new();
    thread::scope(|scope| {
        let series: Vec<_> = (u64::from(seed) << 32..)
            .take(SERIES)
            .map(|seed| scope.spawn(move || judge(seed, CASES / SERIES)))
            .collect();
        for judged in series {
            for (verdicts, count) in judged.join().expect("the series ends") {
                *tally.entry(verdicts).or_default() += count;
            }
        }
    });
    for ((class, off_chain, on_chain), count) in &tally {
        println!("{class:?}: {count} {off_chain:?} off-chain, {on_chain:?} on-chain");
    }

    let count = |of: &dyn Fn(Verdict, Verdict) -> bool| -> usize {
        tally
            .iter()
            .filter(|((_, off_chain, on_chain), _)| of(*off_chain, *on_chain))
            .map(|(_, count)| count)
            .sum()
    };
    let accepted = Verdict::Accepted;
    assert_eq!(count(&|_, _| true), CASES);
    // The relation that protects providers.
    assert_eq!(count(&|off, on| off == accepted && on != accepted), 0);
    // More than it asks for: the two are one predicate, also about keys.
    assert_eq!(count(&|off, on| off != on), 0);
    // Both sides had much to accept and much to refuse.
    assert!(count(&|off, _| off == accepted) > CASES * 3 / 10);
    assert!(count(&|off, _| off != accepted) > CASES * 3 / 10);
}
