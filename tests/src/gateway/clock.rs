//! A clock that moves when it is told to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use farthing_verifier::ports::{Clock, Moment};

/// The clock's origin, in seconds of Unix time.
pub const EPOCH: u64 = 1_795_500_000;

/// Starts one hour after its origin.
#[derive(Debug)]
pub struct TestClock(AtomicU64);

impl Default for TestClock {
    fn default() -> Self {
        Self(AtomicU64::new(3_600_000))
    }
}

impl TestClock {
    /// Moves on.
    pub fn advance(&self, duration: Duration) {
        let ms = u64::try_from(duration.as_millis()).expect("tests wait less than that");
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Moment {
        Moment(Duration::from_millis(self.0.load(Ordering::SeqCst)))
    }

    fn unix_seconds(&self) -> u64 {
        EPOCH + self.0.load(Ordering::SeqCst) / 1_000
    }
}
