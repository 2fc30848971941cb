//! A histogram of durations that counts without a lock, unlike that of `prometheus_client`.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{MetricEncoder, NoLabelSet};

/// A histogram of durations.
pub(crate) struct Histogram {
    /// The upper bounds of the buckets, ascending.
    bounds: &'static [Duration],
    /// The count of each bucket, not cumulative; the last one counts durations above all bounds.
    counts: Box<[AtomicU64]>,
    sum_microseconds: AtomicU64,
}

impl Histogram {
    pub(crate) fn new(bounds: &'static [Duration]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::default()).collect(),
            sum_microseconds: AtomicU64::default(),
        }
    }

    pub(crate) fn observe(&self, duration: Duration) {
        let place = self.bounds.partition_point(|bound| *bound < duration);
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.sum_microseconds
            .fetch_add(microseconds, Ordering::Relaxed);
    }

    pub(crate) fn encode(&self, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
        let bounds = self.bounds.iter().map(Duration::as_secs_f64);
        let counts = self.counts.iter();
        let buckets: Vec<(f64, u64)> = bounds
            .chain([f64::INFINITY])
            .zip(counts.map(|count| count.load(Ordering::Relaxed)))
            .collect();
        // Computed from the counts just read, so that the values of one scrape agree.
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = Duration::from_micros(self.sum_microseconds.load(Ordering::Relaxed));
        encoder.encode_histogram::<NoLabelSet>(sum.as_secs_f64(), count, &buckets, None)
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram").finish_non_exhaustive()
    }
}
