//! Budgets: limits on what is spent, in total and within an hour, by one lane or by several together.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use farthing_protocol::BaseUnits;
use farthing_wire::amount::Usdc;

const HOUR: Duration = Duration::from_secs(60 * 60);
const SECOND: Duration = Duration::from_secs(1);

/// A limit on what is spent. Requests in flight count with their maximum, as do those whose answer was lost. Several clients
/// share one with [`Arc`].
#[derive(Debug, Default)]
pub struct Budget {
    total: Option<BaseUnits>,
    per_hour: Option<BaseUnits>,
    spent: Mutex<Spent>,
}

#[derive(Debug, Default)]
struct Spent {
    total: u64,
    in_flight: u64,
    /// Sum of the following.
    in_hour: u64,
    /// When and how much within the last hour, oldest first; what was spent within one second is one entry.
    recent: VecDeque<(Instant, u64)>,
}

impl Spent {
    /// Forgets what was spent more than an hour ago.
    fn forget_before_the_hour(&mut self, now: Instant) {
        while let Some((at, amount)) = self.recent.front()
            && now.duration_since(*at) > HOUR
        {
            self.in_hour = self.in_hour.saturating_sub(*amount);
            self.recent.pop_front();
        }
    }

    fn add(&mut self, amount: u64, now: Instant) {
        self.total = self.total.saturating_add(amount);
        self.in_hour = self.in_hour.saturating_add(amount);
        match self.recent.back_mut() {
            Some((at, sum)) if now.duration_since(*at) < SECOND => {
                *sum = sum.saturating_add(amount)
            }
            _ => self.recent.push_back((now, amount)),
        }
        self.forget_before_the_hour(now);
    }
}

/// A budget does not cover a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the budget of {} USDC {} leaves {} USDC, and this request may cost {} USDC",
    Usdc(*limit),
    if *is_hourly { "per hour" } else { "in total" },
    Usdc(*left),
    Usdc(*maximum)
)]
pub struct BudgetSpent {
    /// The limit.
    pub limit: BaseUnits,
    /// Whether it is the limit per hour.
    pub is_hourly: bool,
    /// What it leaves.
    pub left: BaseUnits,
    /// The most that the request may cost.
    pub maximum: BaseUnits,
}

impl Budget {
    /// A budget in total and per hour, in base units; `None` is no limit.
    #[must_use]
    pub fn new(total: Option<BaseUnits>, per_hour: Option<BaseUnits>) -> Self {
        Self {
            total,
            per_hour,
            spent: Mutex::default(),
        }
    }

    /// Sets the maximum of a request aside.
    pub(super) fn reserve(
        self: &Arc<Self>,
        maximum: BaseUnits,
    ) -> Result<BudgetReservation, BudgetSpent> {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        spent.forget_before_the_hour(Instant::now());
        for (limit, used, is_hourly) in [
            (self.total, spent.total, false),
            (self.per_hour, spent.in_hour, true),
        ] {
            let Some(limit) = limit else { continue };
            let left = limit.0.saturating_sub(used.saturating_add(spent.in_flight));
            if maximum.0 > left {
                return Err(BudgetSpent {
                    limit,
                    is_hourly,
                    left: BaseUnits(left),
                    maximum,
                });
            }
        }
        spent.in_flight = spent.in_flight.saturating_add(maximum.0);
        Ok(BudgetReservation {
            budget: Arc::clone(self),
            maximum,
            charged: BaseUnits::ZERO,
        })
    }
}

/// What is set aside for one request. Nothing of it is spent until its charge is told.
#[derive(Debug)]
pub(super) struct BudgetReservation {
    budget: Arc<Budget>,
    maximum: BaseUnits,
    charged: BaseUnits,
}

impl BudgetReservation {
    pub(super) const fn charged(&mut self, charged: BaseUnits) {
        self.charged = charged;
    }
}

impl Drop for BudgetReservation {
    fn drop(&mut self) {
        let mut spent = self
            .budget
            .spent
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        spent.in_flight = spent.in_flight.saturating_sub(self.maximum.0);
        if self.charged > BaseUnits::ZERO {
            spent.add(self.charged.0, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_in_flight_count_with_their_maximum_until_they_are_charged() {
        let budget = Arc::new(Budget::new(Some(BaseUnits(100)), Some(BaseUnits(60))));
        let mut first = budget.reserve(BaseUnits(40)).expect("it fits");
        let refused = budget
            .reserve(BaseUnits(21))
            .expect_err("the hour is spent");
        assert_eq!((refused.is_hourly, refused.left), (true, BaseUnits(20)));
        first.charged(BaseUnits(5));
        drop(first);
        let mut lost = budget.reserve(BaseUnits(55)).expect("it fits");
        lost.charged(BaseUnits(55));
        drop(lost);
        let refused = budget
            .reserve(BaseUnits(1))
            .expect_err("a lost one counts whole");
        assert!(
            refused.to_string().contains("per hour leaves 0"),
            "{refused}"
        );
        let total = Arc::new(Budget::new(Some(BaseUnits(10)), None));
        drop(total.reserve(BaseUnits(10)).expect("it fits"));
        let mut spent = total.reserve(BaseUnits(10)).expect("nothing was sent");
        spent.charged(BaseUnits(10));
        drop(spent);
        assert!(
            !total
                .reserve(BaseUnits(1))
                .expect_err("it is spent")
                .is_hourly
        );
    }
}
