//! What clients were told, compared with the books: pure, so that a test can falsify either.
//!
//! A lane's history is cut into windows, each of which ends with the death of a process. While nobody serves, what the
//! lane owes is exact: its charge, and the checkpoint of every reservation that the next start will charge. Whatever
//! became of a request, it is in that figure for good, so the next window is judged by its own requests alone:
//!
//! `owed before + charges told <= owed now <= owed before + charges told + maxima of requests whose end nobody knows`

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use farthing_protocol::BaseUnits;
use farthing_verifier::record::{LaneKey, StoredState};

/// What the client was told of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Nothing: it may have been charged anything up to its maximum.
    Nothing,
    /// It was refused, and is never charged.
    Refused,
    /// Its maximum was reserved and its answer began. What it was charged is not known.
    Reserved,
    /// What it was charged.
    Charged {
        /// For this request.
        charged: BaseUnits,
        /// To the lane in total.
        total: BaseUnits,
    },
}

/// A request that has ended, for the client at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The ceiling that was signed.
    pub value: BaseUnits,
    /// The most that it could cost.
    pub maximum: BaseUnits,
    /// What came of it.
    pub told: Told,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Somebody was told something that is not in the books.
    Lost,
    /// Something was charged or served that nobody asked for once more.
    Doubled,
    /// Something is held for a request that has ended.
    Leaked,
}

/// One thing that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Of which kind.
    pub kind: Kind,
    /// For people.
    pub what: String,
}

impl Fault {
    /// A fault.
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

/// A reservation in the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserved {
    /// The most that it may cost.
    pub maximum: BaseUnits,
    /// What the next start charges for it.
    pub checkpoint: BaseUnits,
}

/// What the books say of a lane while nobody serves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LaneBooks {
    /// Charged in total.
    pub charged: BaseUnits,
    /// Values at or below have bought something.
    pub floor: BaseUnits,
    /// So have these.
    pub used: BTreeSet<BaseUnits>,
    /// Requests without an end.
    pub reservations: Vec<Reserved>,
    /// What requests with a key were charged, or will be by the next start.
    pub answered: BTreeMap<[u8; 32], BaseUnits>,
}

impl LaneBooks {
    /// The lanes of a store.
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

/// One lane, as its client knows it.
#[derive(Debug, Clone, Default)]
pub struct LaneHistory {
    /// What the lane owed at the end of the last window.
    owed: BaseUnits,
    /// What was asked since.
    window: Vec<Request>,
    /// Maxima of requests of unknown end that the next start will charge.
    unresolved: Vec<BaseUnits>,
    /// Values whose acceptance a client was told of.
    acknowledged: Vec<BaseUnits>,
}

impl LaneHistory {
    /// What the lane owes, as of the last time that nobody served.
    #[must_use]
    pub fn owed(&self) -> BaseUnits {
        self.owed
    }

    /// Values that a client knows to have bought something.
    #[must_use]
    pub fn acknowledged(&self) -> &[BaseUnits] {
        &self.acknowledged
    }

    /// Notes a request that has ended.
    pub fn note(&mut self, request: Request) {
        if matches!(request.told, Told::Reserved | Told::Charged { .. }) {
            self.acknowledged.push(request.value);
        }
        self.window.push(request);
    }

    /// The process died, its requests have ended for their clients, and this is what the books say. Begins the next
    /// window.
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
            let what = format!("owes {owed}, clients were told of {least}");
            faults.push(Fault::new(Kind::Lost, what));
        }
        if owed > most {
            let what = format!("owes {owed}, all its requests cost at most {most}");
            faults.push(Fault::new(Kind::Doubled, what));
        }
        self.unresolved.extend(of_unknown_end);
        faults.extend(self.unexplained_reservations(books));
        self.owed = owed;
        self.window.clear();
        faults
    }

    /// What single clients were told and the books do not say.
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
                let what = format!("value {value} was accepted and could be used again");
                faults.push(Fault::new(Kind::Lost, what));
            }
            let Told::Charged { charged, total } = told else {
                continue;
            };
            if total > books.charged {
                let books = books.charged;
                let what = format!("was charged {total} by a receipt, {books} by the books");
                faults.push(Fault::new(Kind::Lost, what));
            }
            if charged > maximum {
                let what = format!("charged {charged} for a request of at most {maximum}");
                faults.push(Fault::new(Kind::Doubled, what));
            }
        }
        faults
    }

    /// Reservations that no request of unknown end accounts for.
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
        let what = format!("holds {maximum} for a request that has ended");
        Some(Fault::new(Kind::Leaked, what))
    }

    /// The next process serves, so it has charged all that the last one left.
    pub fn restarted(&mut self) {
        self.unresolved.clear();
    }

    /// What a process says of the lane before it was asked for anything.
    #[must_use]
    pub fn restored(&self, charged: BaseUnits, reserved: BaseUnits) -> Vec<Fault> {
        let mut faults = self.compare("was restored with", charged);
        if reserved > BaseUnits::ZERO {
            let what = format!("holds {reserved} after the start");
            faults.push(Fault::new(Kind::Leaked, what));
        }
        faults
    }

    /// What the chain says of the lane when everything is settled.
    #[must_use]
    pub fn settled(&self, debited: BaseUnits) -> Vec<Fault> {
        self.compare("was debited", debited)
    }

    fn compare(&self, verb: &str, figure: BaseUnits) -> Vec<Fault> {
        compared(&format!("the lane {verb}"), figure, self.owed)
    }
}

/// What is wrong if `figure` should be what is owed.
#[must_use]
pub fn compared(what: &str, figure: BaseUnits, owed: BaseUnits) -> Vec<Fault> {
    let kind = match figure.cmp(&owed) {
        std::cmp::Ordering::Less => Kind::Lost,
        std::cmp::Ordering::Equal => return Vec::new(),
        std::cmp::Ordering::Greater => Kind::Doubled,
    };
    vec![Fault::new(kind, format!("{what} {figure}, owed is {owed}"))]
}

/// A sum of amounts of one lane, which the lane's cap keeps within 64 bits.
fn sum(amounts: impl Iterator<Item = BaseUnits>) -> BaseUnits {
    BaseUnits(amounts.map(|amount| amount.0).sum())
}

#[cfg(test)]
mod tests;
