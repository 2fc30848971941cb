//! The lanes of a channel that are in the ledger, found by index in constant time.

use farthing_protocol::{Generation, LaneIndex};
use smallvec::SmallVec;

use super::lane::LaneLedger;

/// Lanes by index, each with its generations. Most lanes have one generation, which is stored inline. An index without
/// an entry takes an empty place; the chain limits the number of lanes, so this takes no more memory than the facts
/// about the chain do.
#[derive(Debug, Default)]
pub(super) struct Lanes(Vec<SmallVec<[(Generation, LaneLedger); 1]>>);

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
        let mut generations = self.0.get_mut(usize::from(lane.0))?.iter_mut();
        let found = generations.find(|(known, _)| *known == generation);
        found.map(|(_, books)| books)
    }

    /// The entry of a lane in a generation, which `begin` creates if there is none.
    pub(super) fn get_or_insert_with(
        &mut self,
        lane: LaneIndex,
        generation: Generation,
        begin: impl FnOnce() -> LaneLedger,
    ) -> &mut LaneLedger {
        let index = usize::from(lane.0);
        if self.0.len() <= index {
            self.0.resize_with(index + 1, SmallVec::new);
        }
        let generations = &mut self.0[index];
        let place = generations
            .iter()
            .position(|(known, _)| *known == generation);
        let place = place.unwrap_or_else(|| {
            generations.push((generation, begin()));
            generations.len() - 1
        });
        &mut generations[place].1
    }

    /// All generations of a lane that are in the ledger.
    pub(super) fn generations(&self, lane: LaneIndex) -> &[(Generation, LaneLedger)] {
        let generations = self.0.get(usize::from(lane.0));
        generations.map_or(&[], SmallVec::as_slice)
    }

    /// All lanes in all their generations.
    pub(super) fn iter(&self) -> impl Iterator<Item = (LaneIndex, Generation, &LaneLedger)> {
        let lanes = self.0.iter().zip((0..=u16::MAX).map(LaneIndex));
        lanes.flat_map(|(generations, lane)| {
            let generations = generations.iter();
            generations.map(move |(generation, books)| (lane, *generation, books))
        })
    }
}
