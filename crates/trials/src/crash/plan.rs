//! Plans when processes are killed: at every crash point, and at random moments. Deterministic, given the random number
//! generator.

use std::time::Duration;

use farthing_verifier::crash_point::CrashPoint;
use rand::Rng;
use rand::seq::SliceRandom;

/// Number of kills at each crash point; fewer if the total number of kills is too small for that.
const DEATHS_PER_POINT: usize = 10;
/// Maximum number of settlements until a process is killed at one.
const MAX_SETTLEMENTS: u64 = 12;
/// Approximate number of requests that share a commit under load.
const REQUESTS_PER_COMMIT: u64 = 4;
/// Maximum delay between the last awaited request and the kill, so that the kill hits an arbitrary point.
const MAX_DELAY: Duration = Duration::from_millis(50);

/// How a process is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// The process kills itself at a crash point.
    At(Passage),
    /// The trial kills the process at a random moment.
    AnyMoment {
        /// Number of accepted requests to wait for.
        accepted: u64,
        /// Delay after the last of these requests.
        delay: Duration,
    },
}

/// The moment at which a process passes a crash point for the n-th time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passage {
    /// The crash point.
    pub point: CrashPoint,
    /// Number of the passage, from 1.
    pub number: u64,
    /// Whether passages are counted from the start of the process instead of from the start of the load.
    pub from_start: bool,
}

/// Number of kills at each crash point, if this many processes are killed in total.
#[must_use]
pub fn deaths_per_point(kills: usize) -> usize {
    (kills / (CrashPoint::ALL.len() + 1)).min(DEATHS_PER_POINT)
}

/// The kills of a run, in order. Between two kills there are at most about `pace` requests.
#[must_use]
pub fn deaths(kills: usize, pace: u64, rng: &mut impl Rng) -> Vec<Death> {
    let per_point = deaths_per_point(kills);
    let mut deaths = Vec::with_capacity(kills);
    for point in CrashPoint::ALL {
        for round in 0..per_point {
            // One kill of each such point happens during the start, before there are any requests.
            let from_start = *point == CrashPoint::Restored
                || (is_passed_without_requests(*point) && round + 1 == DEATHS_PER_POINT);
            deaths.push(Death::At(Passage {
                point: *point,
                number: rng.gen_range(1..=most_passages(*point, pace)),
                from_start,
            }));
        }
    }
    while deaths.len() < kills {
        deaths.push(Death::AnyMoment {
            accepted: rng.gen_range(0..=pace),
            delay: rng.gen_range(Duration::ZERO..=MAX_DELAY),
        });
    }
    deaths.shuffle(rng);
    deaths
}

/// Whether a process passes the crash point when it starts and settles, without any requests.
fn is_passed_without_requests(point: CrashPoint) -> bool {
    matches!(
        point,
        CrashPoint::BeforeCommit
            | CrashPoint::AfterCommit
            | CrashPoint::SettlementRecorded
            | CrashPoint::SettlementSent
            | CrashPoint::SettlementFinal
            | CrashPoint::Restored
    )
}

/// The last passage of a crash point at which a process may be killed.
fn most_passages(point: CrashPoint, pace: u64) -> u64 {
    match point {
        CrashPoint::Restored => 1,
        CrashPoint::SettlementRecorded
        | CrashPoint::SettlementSent
        | CrashPoint::SettlementFinal => MAX_SETTLEMENTS,
        CrashPoint::BeforeCommit | CrashPoint::AfterCommit => pace.div_ceil(REQUESTS_PER_COMMIT),
        _ => pace.max(1),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn every_point_is_hit_and_the_rest_is_chance() {
        for (kills, per_point) in [(200, 10), (1_000, 10), (14, 1), (13, 0)] {
            let deaths = deaths(kills, 400, &mut StdRng::seed_from_u64(1));
            assert_eq!(deaths.len(), kills);
            let mut hits = BTreeMap::new();
            for death in &deaths {
                if let Death::At(passage) = death {
                    *hits.entry(passage.point).or_insert(0) += 1;
                }
            }
            assert!(hits.values().all(|hits| *hits == per_point), "{hits:?}");
            assert_eq!(hits.len(), CrashPoint::ALL.len() * per_point.min(1));
        }
    }

    #[test]
    fn nine_in_ten_of_two_hundred_die_under_load() {
        let deaths = deaths(200, 400, &mut StdRng::seed_from_u64(1));
        let before_the_load =
            |death: &&Death| matches!(death, Death::At(passage) if passage.from_start);
        assert_eq!(deaths.iter().filter(before_the_load).count(), 15);
    }
}
