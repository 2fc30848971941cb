//! A clock that only advances when the test says so.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use farthing_verifier::ports::{Clock, Moment};

/// The clock's origin, in seconds of Unix time.
pub const EPOCH: u64 = 1_795_500_000;

/// Starts one hour after its origin.
#[derive(Debug)]
pub struct TestClock {
    ms: AtomicU64,
    origin_unix_seconds: AtomicU64,
}

impl Default for TestClock {
    fn default() -> Self {
        Self {
            ms: AtomicU64::new(3_600_000),
            origin_unix_seconds: AtomicU64::new(EPOCH),
        }
    }
}

impl TestClock {
    /// Advances the clock.
    pub fn advance(&self, duration: Duration) {
        let ms = u64::try_from(duration.as_millis()).expect("tests wait less than that");
        self.ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// Sets the wall clock to the system's, for clients that have no other.
    ///
    /// # Panics
    /// If the system's clock is before 1970.
    pub fn follow_the_system(&self) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = since.expect("it is after 1970").as_secs();
        let passed = self.ms.load(Ordering::SeqCst) / 1_000;
        self.origin_unix_seconds
            .store(now - passed, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Moment {
        Moment(Duration::from_millis(self.ms.load(Ordering::SeqCst)))
    }

    fn unix_seconds(&self) -> u64 {
        self.origin_unix_seconds.load(Ordering::SeqCst) + self.ms.load(Ordering::SeqCst) / 1_000
    }
}
