//! Compares what clients were told with the ledger. Without side effects, so that tests can falsify either side.
//!
//! A lane's history is divided into windows, each of which ends when a process is killed. While no process is serving,
//! the total owed by the lane is exact: its charge, plus the checkpoint of every reservation, which the next start
//! will charge. This total includes every earlier request, whatever its outcome, so the next window can be checked
//! with its own requests alone:
//!
//! `owed before + charges told <= owed now <= owed before + charges told + maxima of requests with unknown outcome`

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use farthing_protocol::BaseUnits;
use farthing_verifier::record::{LaneKey, StoredState};

/// What the client was told about one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Nothing: the request may have been charged any amount up to its maximum.
    Nothing,
    /// The request was refused, and is never charged.
    Refused,
    /// Its maximum was reserved and its answer began, but the charge is not known.
    Reserved,
    /// The request was charged.
    Charged {
        /// Charge of this request.
        charged: BaseUnits,
        /// Total charge of the lane.
        total: BaseUnits,
    },
}

/// A request that has ended from the client's point of view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The signed ceiling.
    pub value: BaseUnits,
    /// Maximum cost of the request.
    pub maximum: BaseUnits,
    /// What the client was told.
    pub told: Told,
}

/// The kind of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A client was told something that is not in the ledger.
    Lost,
    /// Something was charged or served more than once.
    Doubled,
    /// Funds are still reserved for a request that has ended.
    Leaked,
}

/// One fault that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The kind of fault.
    pub kind: Kind,
    /// Description of the fault.
    pub what: String,
}

impl Fault {
    /// Creates a fault.
    #[must_use]
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        let what = what.into();
        Self { kind, what }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.what)
    }
}

/// A reservation in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserved {
    /// Maximum cost of the request.
    pub maximum: BaseUnits,
    /// Amount that the next start will charge for it.
    pub checkpoint: BaseUnits,
}

/// The ledger's records of a lane while no process is serving.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LaneBooks {
    /// Charged in total.
    pub charged: BaseUnits,
    /// Voucher values up to and including this one are used.
    pub floor: BaseUnits,
    /// Voucher values above the floor that are used.
    pub used: BTreeSet<BaseUnits>,
    /// Reservations of requests that have not ended.
    pub reservations: Vec<Reserved>,
    /// Charges of requests with an idempotency key, including those that the next start will make.
    pub answered: BTreeMap<[u8; 32], BaseUnits>,
}

impl LaneBooks {
    /// Reads the lanes of a store.
    #[must_use]
    pub fn of(state: &StoredState) -> BTreeMap<LaneKey, Self> {
        let mut lanes: BTreeMap<LaneKey, Self> = BTreeMap::new();
        for (key, lane) in &state.lanes {
            let books = lanes.entry(*key).or_default();
            books.charged = lane.charged;
            books.floor = lane.floor;
        }
        for (key, value) in &state.used {
            lanes.entry(*key).or_default().used.insert(*value);
        }
        for (_, reservation) in &state.reservations {
            let books = lanes.entry(reservation.key).or_default();
            books.reservations.push(Reserved {
                maximum: reservation.maximum,
                checkpoint: reservation.checkpoint,
            });
            if let Some(request) = reservation.request
                && reservation.checkpoint > BaseUnits::ZERO
            {
                books.answered.insert(request.key, reservation.checkpoint);
            }
        }
        for (_, outcome) in &state.outcomes {
            let books = lanes.entry(outcome.lane).or_default();
            books.answered.insert(outcome.request.key, outcome.charged);
        }
        lanes
    }

    fn is_used(&self, value: BaseUnits) -> bool {
        value <= self.charged.max(self.floor) || self.used.contains(&value)
    }

    fn owed(&self) -> BaseUnits {
        let checkpoints = self.reservations.iter();
        sum(checkpoints
            .map(|reserved| reserved.checkpoint)
            .chain([self.charged]))
    }
}

/// The history of one lane, as its client knows it.
#[derive(Debug, Clone, Default)]
pub struct LaneHistory {
    /// Total owed by the lane at the end of the last window.
    owed: BaseUnits,
    /// Requests of the current window.
    window: Vec<Request>,
    /// Maxima of requests with unknown outcome, whose reservations the next start resolves.
    unresolved: Vec<BaseUnits>,
    /// Voucher values that were accepted, as far as the client was told.
    acknowledged: Vec<BaseUnits>,
}

impl LaneHistory {
    /// Total owed by the lane at the end of the last window.
    #[must_use]
    pub fn owed(&self) -> BaseUnits {
        self.owed
    }

    /// Voucher values that the client knows to be used.
    #[must_use]
    pub fn acknowledged(&self) -> &[BaseUnits] {
        &self.acknowledged
    }

    /// Records a request that has ended.
    pub fn note(&mut self, request: Request) {
        if matches!(request.told, Told::Reserved | Told::Charged { .. }) {
            self.acknowledged.push(request.value);
        }
        self.window.push(request);
    }

    /// Ends the window after a kill, when all requests have ended for their clients: compares it with the ledger and
    /// returns the faults.
    pub fn died(&mut self, books: &LaneBooks) -> Vec<Fault> {
        let mut faults = self.unkept_words(books);
        let told = self.window.iter().filter_map(|request| match request.told {
            Told::Charged { charged, .. } => Some(charged),
            _ => None,
        });
        let least = sum(told.chain([self.owed]));
        let of_unknown_end: Vec<BaseUnits> = self
            .window
            .iter()
            .filter(|request| matches!(request.told, Told::Nothing | Told::Reserved))
            .map(|request| request.maximum)
            .collect();
        let most = sum(of_unknown_end.iter().copied().chain([least]));
        let owed = books.owed();
        if owed < least {
            let what = format!("owes {owed}, but clients were told of {least}");
            faults.push(Fault::new(Kind::Lost, what));
        }
        if owed > most {
            let what = format!("owes {owed}, but all its requests cost at most {most}");
            faults.push(Fault::new(Kind::Doubled, what));
        }
        self.unresolved.extend(of_unknown_end);
        faults.extend(self.unexplained_reservations(books));
        self.owed = owed;
        self.window.clear();
        faults
    }

    /// Faults of single requests: what a client was told, but is not in the ledger.
    fn unkept_words(&self, books: &LaneBooks) -> Vec<Fault> {
        let mut faults = Vec::new();
        for request in &self.window {
            let Request {
                value,
                maximum,
                told,
            } = *request;
            let acknowledged = matches!(told, Told::Reserved | Told::Charged { .. });
            if acknowledged && !books.is_used(value) {
                let what = format!("value {value} was accepted but could be used again");
                faults.push(Fault::new(Kind::Lost, what));
            }
            let Told::Charged { charged, total } = told else {
                continue;
            };
            if total > books.charged {
                let books = books.charged;
                let what =
                    format!("was charged {total} in total by a receipt, but {books} by the ledger");
                faults.push(Fault::new(Kind::Lost, what));
            }
            if charged > maximum {
                let what = format!("charged {charged} for a request of at most {maximum}");
                faults.push(Fault::new(Kind::Doubled, what));
            }
        }
        faults
    }

    /// A reservation that no request with unknown outcome accounts for, if there is one.
    fn unexplained_reservations(&self, books: &LaneBooks) -> Option<Fault> {
        let mut unresolved = self.unresolved.clone();
        let unexplained = books.reservations.iter().find(|reserved| {
            let explanation = unresolved
                .iter()
                .position(|maximum| *maximum == reserved.maximum);
            explanation
                .map(|index| unresolved.swap_remove(index))
                .is_none()
        })?;
        let maximum = unexplained.maximum;
        let what = format!("has {maximum} reserved for a request that has ended");
        Some(Fault::new(Kind::Leaked, what))
    }

    /// Records that the next process is serving, which has therefore resolved all reservations of the previous one.
    pub fn restarted(&mut self) {
        self.unresolved.clear();
    }

    /// Compares the lane's state as reported by a restarted process, before any requests, with the expected one.
    #[must_use]
    pub fn restored(&self, charged: BaseUnits, reserved: BaseUnits) -> Vec<Fault> {
        let mut faults = self.compare("was restored with", charged);
        if reserved > BaseUnits::ZERO {
            let what = format!("has {reserved} reserved after the start");
            faults.push(Fault::new(Kind::Leaked, what));
        }
        faults
    }

    /// Compares the lane's debit on the chain, once everything is settled, with the expected one.
    #[must_use]
    pub fn settled(&self, debited: BaseUnits) -> Vec<Fault> {
        self.compare("was debited", debited)
    }

    fn compare(&self, verb: &str, figure: BaseUnits) -> Vec<Fault> {
        compared(&format!("the lane {verb}"), figure, self.owed)
    }
}

/// Compares a figure with what is owed; returns a fault if they differ.
#[must_use]
pub fn compared(what: &str, figure: BaseUnits, owed: BaseUnits) -> Vec<Fault> {
    let kind = match figure.cmp(&owed) {
        std::cmp::Ordering::Less => Kind::Lost,
        std::cmp::Ordering::Equal => return Vec::new(),
        std::cmp::Ordering::Greater => Kind::Doubled,
    };
    vec![Fault::new(
        kind,
        format!("{what} {figure}, but {owed} is owed"),
    )]
}

/// Sum of amounts of one lane. The lane's cap keeps it within 64 bits.
fn sum(amounts: impl Iterator<Item = BaseUnits>) -> BaseUnits {
    BaseUnits(amounts.map(|amount| amount.0).sum())
}

#[cfg(test)]
mod tests;
