//! The lanes of a channel that have books: a request finds its own at once, however many there are.

use farthing_protocol::{Generation, LaneIndex};
use smallvec::SmallVec;

use super::lane::LaneLedger;

/// Lanes by their index, in their generations, most of them in one, which needs no memory of its own. There are as many
/// as the chain says, so a place for each up to the last takes no more than what is known of the chain anyway.
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

    /// The books of a lane, which `begin` opens if there are none.
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

    /// A lane in all its generations with books.
    pub(super) fn generations(&self, lane: LaneIndex) -> &[(Generation, LaneLedger)] {
        let generations = self.0.get(usize::from(lane.0));
        generations.map_or(&[], SmallVec::as_slice)
    }

    /// All lanes, generation by generation.
    pub(super) fn iter(&self) -> impl Iterator<Item = (LaneIndex, Generation, &LaneLedger)> {
        let lanes = self.0.iter().zip((0..=u16::MAX).map(LaneIndex));
        lanes.flat_map(|(generations, lane)| {
            let generations = generations.iter();
            generations.map(move |(generation, books)| (lane, *generation, books))
        })
    }
}
