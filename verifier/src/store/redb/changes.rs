//! Changes of lanes and used values that are not in their tables yet.

use std::cmp::Reverse;
use std::collections::HashMap;

use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex};
use smallvec::SmallVec;

use crate::record::{LaneKey, LaneRecord, Record, StoredState};

/// How many used values of most lanes change before they are moved to the tables. They are stored inline; more are on
/// the heap.
const VALUES_OF_MOST: usize = 2;

/// A lane within its channel.
type Lane = (LaneIndex, Generation);

/// Changes of lanes and used values, grouped by channel, so that only one channel's lanes have to be sorted at a time
/// when they are moved to the tables.
#[derive(Debug, Default)]
pub(super) struct Changes {
    channels: HashMap<Domain, HashMap<Lane, LaneChanges>>,
    count: u64,
}

/// [`Changes`] that are taken out in the order of the tables.
#[derive(Debug, Default)]
pub(super) struct InOrder {
    /// Channels in descending order, so that the next one is popped from the end.
    channels: Vec<(Domain, HashMap<Lane, LaneChanges>)>,
    /// The lanes of the channel being taken out, in descending order.
    lanes: Vec<(LaneKey, LaneChanges)>,
    count: u64,
}

/// The changes of a lane and its used values.
#[derive(Debug, Default)]
pub(super) struct LaneChanges {
    /// The lane's record, if it changed; `Some(None)` if the lane was removed.
    pub(super) record: Option<Option<LaneRecord>>,
    /// The used values that changed, ascending.
    used: SmallVec<[(BaseUnits, Fate); VALUES_OF_MOST]>,
}

/// The change of a used value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The value was used, and is certainly not in the tables.
    New,
    /// The value was used, and may be in the tables.
    Used,
    /// The value was removed.
    Forgotten,
}

impl Fate {
    const fn is_used(self) -> bool {
        matches!(self, Self::New | Self::Used)
    }
}

/// Whether changes that are noted may be in the tables already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tables {
    /// The tables have none of the changes.
    Older,
    /// The tables may have any part of the changes.
    Unknown,
}

impl Changes {
    /// Notes the changes of lanes and used values in `records`.
    pub(super) fn note(&mut self, records: &[Record], tables: Tables) {
        // The records of one decision follow each other, so each lane is looked up once.
        for of_lane in records.chunk_by(|one, next| lane_of(one) == lane_of(next)) {
            let Some(key) = of_lane.first().and_then(lane_of) else {
                continue;
            };
            let lane = self.lane(key);
            let added: i64 = of_lane.iter().map(|record| lane.note(record, tables)).sum();
            self.count = self.count.saturating_add_signed(added);
        }
    }

    fn lane(&mut self, key: LaneKey) -> &mut LaneChanges {
        let lanes = self.channels.entry(key.domain).or_default();
        lanes.entry((key.lane, key.generation)).or_default()
    }

    /// How many records these changes amount to.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Sorts the changes into the order of the tables.
    pub(super) fn in_order(self) -> InOrder {
        let mut channels: Vec<_> = self.channels.into_iter().collect();
        channels.sort_unstable_by_key(|(domain, _)| Reverse(*domain));
        InOrder {
            channels,
            lanes: Vec::new(),
            count: self.count,
        }
    }

    /// Lays the changes over what the tables hold.
    pub(super) fn apply_to(&self, state: &mut StoredState) {
        let of = |key: &LaneKey| {
            let lanes = self.channels.get(&key.domain)?;
            lanes.get(&(key.lane, key.generation))
        };
        let is_changed = |key: &LaneKey| of(key).is_some_and(|changes| changes.record.is_some());
        state.lanes.retain(|(key, _)| !is_changed(key));
        state
            .used
            .retain(|(key, value)| of(key).is_none_or(|changes| changes.place(*value).is_err()));
        for (domain, lanes) in &self.channels {
            for (lane, changes) in lanes {
                let key = key_of(*domain, *lane);
                let record = changes.record.flatten();
                state.lanes.extend(record.map(|record| (key, record)));
                let used = changes.used.iter().filter(|(_, fate)| fate.is_used());
                state.used.extend(used.map(|(value, _)| (key, *value)));
            }
        }
        state.lanes.sort_by_key(|(key, _)| *key);
        state.used.sort();
    }
}

impl InOrder {
    /// Whether all changes were taken out.
    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Takes out the first lane with all its changes.
    pub(super) fn pop_first(&mut self) -> Option<(LaneKey, LaneChanges)> {
        if self.lanes.is_empty() {
            let (domain, lanes) = self.channels.pop()?;
            let lanes = lanes.into_iter();
            self.lanes = lanes
                .map(|(lane, changes)| (key_of(domain, lane), changes))
                .collect();
            self.lanes.sort_unstable_by_key(|(key, _)| Reverse(*key));
        }
        let (key, changes) = self.lanes.pop()?;
        self.count -= changes.count();
        Some((key, changes))
    }
}

const fn key_of(domain: Domain, (lane, generation): Lane) -> LaneKey {
    LaneKey {
        domain,
        lane,
        generation,
    }
}

/// The lane that a record is about, if it is of a kind that the journal keeps.
fn lane_of(record: &Record) -> Option<LaneKey> {
    match record {
        Record::Lane(key, _)
        | Record::LaneForgotten(key)
        | Record::Used(key, _)
        | Record::Forgotten(key, _) => Some(*key),
        _ => None,
    }
}

impl LaneChanges {
    /// Notes a record. Returns by how many the number of changes grew or shrank.
    fn note(&mut self, record: &Record, tables: Tables) -> i64 {
        let new = match tables {
            Tables::Older => Fate::New,
            Tables::Unknown => Fate::Used,
        };
        match record {
            Record::Lane(_, lane) => self.replace(Some(*lane)),
            Record::LaneForgotten(_) => self.replace(None),
            Record::Used(_, value) => self.decide(*value, new),
            Record::Forgotten(_, value) => self.decide(*value, Fate::Forgotten),
            _ => 0,
        }
    }

    fn replace(&mut self, record: Option<LaneRecord>) -> i64 {
        i64::from(self.record.replace(record).is_none())
    }

    fn place(&self, value: BaseUnits) -> Result<usize, usize> {
        self.used.binary_search_by_key(&value, |(value, _)| *value)
    }

    fn decide(&mut self, value: BaseUnits, fate: Fate) -> i64 {
        match self.place(value) {
            Err(place) => {
                self.used.insert(place, (value, fate));
                1
            }
            Ok(place) => match (self.used[place].1, fate) {
                (Fate::New, Fate::Forgotten) => {
                    self.used.remove(place);
                    -1
                }
                (Fate::New, _) => 0,
                (Fate::Used | Fate::Forgotten, fate) => {
                    self.used[place].1 = match fate {
                        Fate::New => Fate::Used,
                        fate => fate,
                    };
                    0
                }
            },
        }
    }

    /// Applies the changes to the lane's used values. `values` and the result are ascending.
    pub(super) fn apply_to_values(&self, mut values: Vec<BaseUnits>) -> Vec<BaseUnits> {
        for (value, fate) in &self.used {
            match (values.binary_search(value), fate.is_used()) {
                (Err(place), true) => values.insert(place, *value),
                (Ok(place), false) => drop(values.remove(place)),
                _ => {}
            }
        }
        values
    }

    /// How many records these changes of the lane amount to.
    pub(super) fn count(&self) -> u64 {
        u64::from(self.record.is_some()) + self.used.len() as u64
    }
}
