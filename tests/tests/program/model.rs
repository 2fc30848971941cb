//! Compares the program with its reference model, on random sequences of all instructions by all roles.
//!
//! `FARTHING_MODEL_SEED=n` runs the sequence of one seed. `farthing-trials model` runs millions of steps.

use farthing_tests::program::model::explore::{Tally, explore};

const SEQUENCES: u64 = 300;
const STEPS: usize = 50;
const THREADS: u64 = 4;

/// Every instruction, with the codes that it must have been refused with at least once.
const REFUSALS: [(&str, &[u32]); 21] = [
    ("create_escrow", &[0]),
    ("set_manager", &[3012, 6020, 6900]),
    ("set_countersigner", &[3012, 6900, 6923]),
    ("approve_payee", &[0, 3012, 6060, 6900]),
    ("revoke_payee", &[3012, 6900]),
    ("withdraw", &[17, 3012, 6900, 6910, 6911]),
    ("rescue", &[3012, 6121, 6900]),
    ("close_escrow", &[3012, 6140, 6141]),
    (
        "open_channel",
        &[
            0, 3012, 6161, 6162, 6163, 6901, 6907, 6908, 6909, 6910, 6911, 6913, 6916, 6923,
        ],
    ),
    ("fund_channel", &[6901, 6907, 6909, 6910, 6911, 6912]),
    ("add_lanes", &[6901, 6912, 6913, 6916]),
    ("raise_cap", &[6220, 6901, 6912, 6924, 6925]),
    ("revoke_lane", &[6901, 6924]),
    ("rotate_lane", &[6260, 6261, 6901, 6912, 6916]),
    ("settle", &[6280, 6282, 6283, 6922, 6924, 6926, 6927, 6928]),
    (
        "settle_statement",
        &[6300, 6302, 6303, 6922, 6923, 6924, 6926, 6927, 6928],
    ),
    ("set_settler", &[6921, 6923]),
    ("release", &[6340, 6911, 6921]),
    ("pay_out", &[6360, 6361]),
    ("request_close", &[6380, 6901]),
    ("close_channel", &[6400, 6401]),
];

fn run(seeds: impl Iterator<Item = u64>) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        match explore(seed, STEPS) {
            Ok(found) => tally.add(&found),
            Err(difference) => panic!("{difference}"),
        }
    }
    tally
}

#[test]
fn program_and_model_agree() {
    if let Ok(seed) = std::env::var("FARTHING_MODEL_SEED") {
        run(std::iter::once(seed.parse().expect("a number")));
        return;
    }
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            std::thread::spawn(move || run((thread..SEQUENCES).step_by(THREADS as usize)))
        })
        .collect();
    let mut tally = Tally::default();
    for thread in threads {
        tally.add(&thread.join().expect("no difference"));
    }
    let (steps, successes) = (tally.steps(), tally.successes());
    println!("{SEQUENCES} sequences, {steps} instructions, {successes} accepted");
    for ((instruction, code), count) in &tally.outcomes {
        println!("{instruction} {code:?} {count}");
    }
    assert!(successes * 10 >= steps * 4, "{successes} of {steps}");
    for (instruction, codes) in REFUSALS {
        let mut outcomes = vec![None];
        outcomes.extend(codes.iter().copied().map(Some));
        for outcome in outcomes {
            assert!(
                tally.outcomes.contains_key(&(instruction, outcome)),
                "{instruction} never ended with {outcome:?}: {:?}",
                tally
                    .outcomes
                    .iter()
                    .filter(|((name, _), _)| *name == instruction)
                    .collect::<Vec<_>>()
            );
        }
    }
}
