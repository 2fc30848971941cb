//! Percentiles of durations.

use std::time::Duration;

/// Durations in ascending order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Latencies(Vec<Duration>);

impl FromIterator<Duration> for Latencies {
    fn from_iter<I: IntoIterator<Item = Duration>>(durations: I) -> Self {
        let mut sorted: Vec<Duration> = durations.into_iter().collect();
        sorted.sort_unstable();
        Self(sorted)
    }
}

impl Latencies {
    /// The smallest duration such that at least `percent` percent of all durations do not exceed it; `None` if there
    /// are no durations.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Option<Duration> {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied()
    }

    /// Number of durations.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// Milliseconds with two decimals, for people and for JSON.
#[must_use]
pub fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 100_000.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let of = |milliseconds: &[u64]| -> Latencies {
            milliseconds
                .iter()
                .copied()
                .map(Duration::from_millis)
                .collect()
        };
        assert_eq!(of(&[]).percentile(50), None);
        assert_eq!(of(&[3]).percentile(99), Some(Duration::from_millis(3)));
        let hundred: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(of(&hundred).percentile(50), Some(Duration::from_millis(50)));
        assert_eq!(of(&hundred).percentile(99), Some(Duration::from_millis(99)));
        assert_eq!(
            of(&[1, 2, 3]).percentile(50),
            Some(Duration::from_millis(2))
        );
    }

    #[test]
    fn milliseconds_have_two_decimals() {
        assert_eq!(milliseconds(Duration::from_micros(12_345)), 12.35);
    }
}
