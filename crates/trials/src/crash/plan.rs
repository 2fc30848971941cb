//! When processes die: at every crash point, and in between. Pure: chance is an argument.

use std::time::Duration;

use farthing_verifier::crash_point::CrashPoint;
use rand::Rng;
use rand::seq::SliceRandom;

/// How often a process dies at each point, unless so few are killed that the points get fewer.
const DEATHS_PER_POINT: usize = 10;
/// Settlements until a process dies at one.
const MAX_SETTLEMENTS: u64 = 12;
/// Requests that share a commit under load, about.
const REQUESTS_PER_COMMIT: u64 = 4;
/// By how much a process outlives the request that it is killed after, so that it dies anywhere.
const MAX_DELAY: Duration = Duration::from_millis(50);

/// How a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// By its own hand at a point.
    At(Passage),
    /// By ours at any moment.
    AnyMoment {
        /// After so many requests were accepted.
        accepted: u64,
        /// And so long.
        delay: Duration,
    },
}

/// The moment at which a process passes a point for the n-th time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passage {
    /// The point.
    pub point: CrashPoint,
    /// Which time.
    pub number: u64,
    /// Whether to count from the start of the process, and not from that of the load.
    pub from_start: bool,
}

/// How often each point is to be hit by so many deaths.
#[must_use]
pub fn deaths_per_point(kills: usize) -> usize {
    (kills / (CrashPoint::ALL.len() + 1)).min(DEATHS_PER_POINT)
}

/// The deaths of a run, in order. Between two of them are about `pace` requests, at most.
#[must_use]
pub fn deaths(kills: usize, pace: u64, rng: &mut impl Rng) -> Vec<Death> {
    let per_point = deaths_per_point(kills);
    let mut deaths = Vec::with_capacity(kills);
    for point in CrashPoint::ALL {
        for round in 0..per_point {
            // What a process does before anybody asks for anything is interrupted once, and not always the same.
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

/// Whether a process that starts and settles passes the point although nobody asks it for anything.
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

/// The last passage at which a process may die.
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
