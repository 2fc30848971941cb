//! The verifier dies once at every crash point and a few times in between, and nothing is lost, doubled or leaked.

use farthing_trials::crash::{Options, measure};
use farthing_verifier::crash_point::CrashPoint;

/// One death at every point, and one at any moment.
const KILLS: usize = CrashPoint::ALL.len() + 1;

#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_that_is_killed_loses_doubles_and_leaks_nothing() {
    let options = Options {
        kills: KILLS,
        seed: 1,
        // The longest run takes a minute and not ten.
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
