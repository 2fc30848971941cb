//! Kills the verifier once at every crash point and once at a random moment, and checks that nothing is lost, doubled
//! or leaked.

use farthing_trials::crash::{Options, measure};
use farthing_verifier::crash_point::CrashPoint;

/// Number of kills: one at every crash point, and one at a random moment.
const KILLS: usize = CrashPoint::ALL.len() + 1;

#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_that_is_killed_loses_doubles_and_leaks_nothing() {
    let options = Options {
        kills: KILLS,
        seed: 1,
        // Keeps the longest run at a minute instead of ten.
        pace: 100,
        executable: env!("CARGO_BIN_EXE_farthing-trials").into(),
    };

    let report = measure(&options).await.expect("it comes to its end");

    assert_eq!(report.faults, []);
    for point in CrashPoint::ALL {
        assert_eq!(report.hits(*point), 1, "{}", point.name());
    }
    assert!(report.figures().accepted > 0);
}
