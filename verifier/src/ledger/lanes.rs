//! The lanes of a channel that have books, in no order: a request finds its own at once, however many there are.

use std::collections::HashMap;

use farthing_protocol::{Generation, LaneIndex};
use smallvec::SmallVec;

use super::lane::LaneLedger;

/// Lanes in their generations, most of them in one, which needs no memory of its own.
#[derive(Debug, Default)]
pub(super) struct Lanes(HashMap<LaneIndex, SmallVec<[(Generation, LaneLedger); 1]>>);

impl Lanes {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, lane: LaneIndex, generation: Generation) -> Option<&LaneLedger> {
        let mut generations = self.generations(lane).iter();
        let found = generations.find(|(known, _)| *known == generation);
        found.map(|(_, books)| books)
    }

    pub(super) fn get_mut(
        &mut self,
        lane: LaneIndex,
        generation: Generation,
    ) -> Option<&mut LaneLedger> {
        let mut generations = self.0.get_mut(&lane)?.iter_mut();
        let found = generations.find(|(known, _)| *known == generation);
        found.map(|(_, books)| books)
    }

    /// The books of a lane, which `begin` opens if there are none.
    pub(super) fn get_or_insert_with(
        &mut self,
        lane: LaneIndex,
        generation: Generation,
        begin: impl FnOnce() -> LaneLedger,
    ) -> &mut LaneLedger {
        let generations = self.0.entry(lane).or_default();
        let place = generations
            .iter()
            .position(|(known, _)| *known == generation);
        let place = place.unwrap_or_else(|| {
            generations.push((generation, begin()));
            generations.len() - 1
        });
        &mut generations[place].1
    }

    /// A lane in all its generations with books.
    pub(super) fn generations(&self, lane: LaneIndex) -> &[(Generation, LaneLedger)] {
        self.0.get(&lane).map_or(&[], SmallVec::as_slice)
    }

    /// All lanes, generation by generation.
    pub(super) fn iter(&self) -> impl Iterator<Item = (LaneIndex, Generation, &LaneLedger)> {
        self.0.iter().flat_map(|(lane, generations)| {
            let generations = generations.iter();
            generations.map(|(generation, books)| (*lane, *generation, books))
        })
    }
}
