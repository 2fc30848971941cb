//! Purchases in flight, so that a client that asks again is not sold the same answer twice.
//!
//! Clients give up after a timeout and ask again, on a new connection. Such a retry attaches to the purchase that is in
//! flight: if it says that it is one, has the same idempotency key, or is the same request after the first client has
//! disconnected. Equal requests whose clients are both connected are two purchases.
//!
//! A purchase whose clients have all disconnected before anything was delivered lives on for a while, for a retry.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use farthing_client::paying_client::{FinishedAnswer, PaidAnswer};
use tokio::sync::watch;
use tokio::time::sleep;

use super::error::ProxyError;

/// What makes two requests the same: the lane, and the digest of method, path, query, body and API key.
pub(super) type Fingerprint = (Arc<str>, [u8; 32]);

/// The outcome of a purchase.
#[derive(Debug)]
pub(super) enum Bought {
    Whole(FinishedAnswer),
    /// A stream, which one client gets.
    Stream(Mutex<Option<Box<PaidAnswer>>>),
    Failed(ProxyError),
}

/// A request that is being paid for.
#[derive(Debug)]
struct Purchase {
    /// The client's own idempotency key.
    key: Option<String>,
    outcome: watch::Receiver<Option<Arc<Bought>>>,
    /// Number of clients that wait for it.
    waiting: watch::Sender<usize>,
    /// Whether a client has got the answer.
    delivered: AtomicBool,
}

/// The purchases in flight.
#[derive(Debug)]
pub(super) struct Purchases {
    by_fingerprint: Mutex<HashMap<Fingerprint, Vec<Arc<Purchase>>>>,
    /// How long a purchase that nobody waits for lives on.
    linger: Duration,
}

/// What a request says of itself.
pub(super) struct Attempt {
    pub(super) fingerprint: Fingerprint,
    /// The client's own idempotency key.
    pub(super) key: Option<String>,
    /// Whether the client says that it has asked before.
    pub(super) is_retry: bool,
}

impl Purchases {
    pub(super) fn new(linger: Duration) -> Self {
        Self {
            by_fingerprint: Mutex::default(),
            linger,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Fingerprint, Vec<Arc<Purchase>>>> {
        self.by_fingerprint
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The outcome of the purchase that this is another attempt at, or else of a new one, which `buy` makes. If the
    /// caller is dropped, its client has disconnected.
    pub(super) async fn outcome<F>(
        self: &Arc<Self>,
        attempt: Attempt,
        buy: impl FnOnce() -> F,
    ) -> Arc<Bought>
    where
        F: Future<Output = Bought> + Send + 'static,
    {
        let waiter = match self.attach(&attempt) {
            Some(waiter) => waiter,
            None => self.begin(attempt, buy()),
        };
        let mut outcome = waiter.purchase.outcome.clone();
        let bought = outcome.wait_for(Option::is_some).await;
        let bought = bought.ok().and_then(|bought| bought.clone());
        waiter.purchase.delivered.store(true, Ordering::Release);
        bought.unwrap_or_else(|| Arc::new(Bought::Failed(ProxyError::failed())))
    }

    fn attach(&self, attempt: &Attempt) -> Option<Waiter> {
        let purchases = self.lock();
        let same = purchases.get(&attempt.fingerprint)?.iter();
        let is_abandoned = |purchase: &Purchase| *purchase.waiting.borrow() == 0;
        let fitting: Vec<_> = same
            .filter(|purchase| {
                let keys_differ =
                    purchase.key.is_some() && attempt.key.is_some() && purchase.key != attempt.key;
                let has_same_key = attempt.key.is_some() && purchase.key == attempt.key;
                !purchase.delivered.load(Ordering::Acquire)
                    && !keys_differ
                    && (has_same_key || attempt.is_retry || is_abandoned(purchase))
            })
            .collect();
        // A client that asks again has most likely left what nobody waits for, not what another client waits for.
        let left = fitting.iter().find(|purchase| is_abandoned(purchase));
        let purchase = left.or_else(|| fitting.first());
        purchase.map(|purchase| Waiter::new(purchase))
    }

    fn begin(
        self: &Arc<Self>,
        attempt: Attempt,
        buying: impl Future<Output = Bought> + Send + 'static,
    ) -> Waiter {
        let (publish, outcome) = watch::channel(None);
        let purchase = Arc::new(Purchase {
            key: attempt.key,
            outcome,
            waiting: watch::Sender::new(0),
            delivered: AtomicBool::new(false),
        });
        let waiter = Waiter::new(&purchase);
        let fingerprint = attempt.fingerprint;
        self.lock()
            .entry(fingerprint.clone())
            .or_default()
            .push(Arc::clone(&purchase));
        let purchases = Arc::clone(self);
        tokio::spawn(async move {
            let bought = tokio::select! {
                bought = buying => Some(bought),
                () = purchase.abandoned(purchases.linger) => None,
            };
            if let Some(bought) = bought {
                publish.send_replace(Some(Arc::new(bought)));
                purchase.ended(purchases.linger).await;
            }
            purchases.forget(&fingerprint, &purchase);
        });
        waiter
    }

    fn forget(&self, fingerprint: &Fingerprint, purchase: &Arc<Purchase>) {
        let mut purchases = self.lock();
        if let Some(same) = purchases.get_mut(fingerprint) {
            same.retain(|other| !Arc::ptr_eq(other, purchase));
            if same.is_empty() {
                purchases.remove(fingerprint);
            }
        }
    }
}

impl Purchase {
    /// Waits until nobody has waited for as long as this.
    async fn abandoned(&self, linger: Duration) {
        let mut waiting = self.waiting.subscribe();
        loop {
            if waiting.wait_for(|number| *number == 0).await.is_err() {
                return;
            }
            tokio::select! {
                () = sleep(linger) => return,
                _ = waiting.wait_for(|number| *number > 0) => {}
            }
        }
    }

    /// Waits until the answer was delivered, or nobody has come for it.
    async fn ended(&self, linger: Duration) {
        let mut waiting = self.waiting.subscribe();
        let delivered = waiting.wait_for(|_| self.delivered.load(Ordering::Acquire));
        tokio::select! {
            _ = delivered => {}
            () = self.abandoned(linger) => {}
        }
    }
}

/// A client that waits for a purchase, until this is dropped.
struct Waiter {
    purchase: Arc<Purchase>,
}

impl Waiter {
    fn new(purchase: &Arc<Purchase>) -> Self {
        purchase.waiting.send_modify(|number| *number += 1);
        Self {
            purchase: Arc::clone(purchase),
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.purchase.waiting.send_modify(|number| *number -= 1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::time::timeout;

    use super::*;

    const LINGER: Duration = Duration::from_millis(200);
    const PAUSE: Duration = Duration::from_millis(50);

    fn attempt(key: Option<&str>, is_retry: bool) -> Attempt {
        Attempt {
            fingerprint: (Arc::from(""), [7; 32]),
            key: key.map(str::to_owned),
            is_retry,
        }
    }

    /// Purchases that take a while, and are counted.
    struct World {
        purchases: Arc<Purchases>,
        begun: Arc<AtomicUsize>,
        ended: Arc<AtomicUsize>,
    }

    impl World {
        fn new() -> Self {
            Self {
                purchases: Arc::new(Purchases::new(LINGER)),
                begun: Arc::default(),
                ended: Arc::default(),
            }
        }

        async fn ask(&self, attempt: Attempt, takes: Duration) -> Arc<Bought> {
            let (begun, ended) = (Arc::clone(&self.begun), Arc::clone(&self.ended));
            let buy = || async move {
                begun.fetch_add(1, Ordering::SeqCst);
                sleep(takes).await;
                ended.fetch_add(1, Ordering::SeqCst);
                Bought::Failed(ProxyError::failed())
            };
            self.purchases.outcome(attempt, buy).await
        }

        fn counts(&self) -> (usize, usize) {
            (
                self.begun.load(Ordering::SeqCst),
                self.ended.load(Ordering::SeqCst),
            )
        }
    }

    #[tokio::test]
    async fn a_retry_gets_what_its_first_attempt_bought() {
        for retry in [attempt(None, true), attempt(None, false)] {
            let world = World::new();
            let first = timeout(PAUSE, world.ask(attempt(None, false), 3 * PAUSE));
            assert!(first.await.is_err(), "the client gave up");
            world.ask(retry, 3 * PAUSE).await;
            assert_eq!(world.counts(), (1, 1));
        }
        // The answer came while nobody waited.
        let world = World::new();
        assert!(
            timeout(PAUSE, world.ask(attempt(None, false), 2 * PAUSE))
                .await
                .is_err()
        );
        sleep(2 * PAUSE).await;
        world.ask(attempt(None, false), PAUSE).await;
        assert_eq!(world.counts(), (1, 1));
    }

    #[tokio::test]
    async fn equal_requests_at_once_are_two_purchases() {
        let world = World::new();
        let both = async {
            tokio::join!(
                world.ask(attempt(None, false), PAUSE),
                world.ask(attempt(None, false), PAUSE)
            )
        };
        both.await;
        assert_eq!(world.counts(), (2, 2));
        let world = World::new();
        tokio::join!(
            world.ask(attempt(Some("k"), false), PAUSE),
            world.ask(attempt(Some("k"), false), PAUSE)
        );
        assert_eq!(world.counts(), (1, 1), "one key is one purchase");
        let world = World::new();
        tokio::join!(
            world.ask(attempt(Some("k"), false), PAUSE),
            world.ask(attempt(Some("other"), true), PAUSE)
        );
        assert_eq!(world.counts(), (2, 2));
    }

    #[tokio::test]
    async fn what_nobody_comes_back_for_is_stopped() {
        let world = World::new();
        let first = timeout(PAUSE, world.ask(attempt(None, false), 100 * PAUSE));
        assert!(first.await.is_err());
        sleep(LINGER + PAUSE).await;
        assert!(world.purchases.lock().is_empty());
        assert_eq!(world.counts(), (1, 0));
        // What was delivered is forgotten at once.
        world.ask(attempt(None, false), Duration::ZERO).await;
        sleep(PAUSE).await;
        assert!(world.purchases.lock().is_empty());
        assert_eq!(world.counts(), (2, 1));
    }
}
