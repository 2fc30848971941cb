//! Generated channels and lanes, identical in every run, in the form of the chain's accounts and of a store.

use std::io;
use std::path::Path;
use std::sync::Arc;

use farthing_chain::{PROGRAM_ID, channel_domain};
use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex};
use farthing_verifier::chain::view::MAX_LANES_SERVED;
use farthing_verifier::ledger::{ChannelFacts, LaneFacts};
use farthing_verifier::record::{LaneKey, LaneRecord, Record};
use farthing_verifier::store::{RedbStore, Store};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use solana_sdk::hash::Hash;
use solana_sdk::pubkey::Pubkey;

use farthing_tests::text::grouped;

/// Cap of every lane: more than any measurement spends.
const CAP: BaseUnits = BaseUnits(1 << 40);
/// Deposit of every channel: enough for the caps of its lanes.
const DEPOSIT: BaseUnits = BaseUnits(CAP.0 * MAX_LANES_SERVED as u64);
/// Maximum number of used voucher values of a lane that are above its charge.
const MOST_USED: u64 = 3;
/// Maximum cost of a request.
pub const MAXIMUM: BaseUnits = BaseUnits(1_000);
/// Number of lanes that are written in one commit.
const LANES_PER_COMMIT: usize = 65_536;
/// Slot in which all channels were opened.
const OPENED_SLOT: u64 = 777;

/// A number of lanes, in channels that are full except for the last.
#[derive(Debug, Clone, Copy)]
pub struct Population {
    lanes: usize,
}

/// A channel of a population.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channel {
    /// Number of the channel in the population.
    pub number: usize,
    /// The channel's address.
    pub address: Pubkey,
    /// The channel's domain.
    pub domain: Domain,
    /// Number of lanes.
    pub lanes: usize,
}

/// Genesis hash of the chain that the channels are on.
#[must_use]
pub fn genesis_hash() -> Hash {
    Hash::new_from_array([11; 32])
}

impl Population {
    /// A population of this number of lanes.
    #[must_use]
    pub const fn new(lanes: usize) -> Self {
        Self { lanes }
    }

    /// The channels of the population.
    pub fn channels(self) -> impl Iterator<Item = Channel> {
        let count = self.lanes.div_ceil(MAX_LANES_SERVED);
        (0..count).map(move |number| {
            let mut address = [0; 32];
            StdRng::seed_from_u64(number as u64).fill(&mut address);
            let address = Pubkey::new_from_array(address);
            Channel {
                number,
                address,
                domain: channel_domain(&PROGRAM_ID, &genesis_hash(), &address, OPENED_SLOT),
                lanes: (self.lanes - number * MAX_LANES_SERVED).min(MAX_LANES_SERVED),
            }
        })
    }

    /// The on-chain facts of all channels; everything that was charged is settled.
    #[must_use]
    pub fn facts(self) -> Vec<Arc<ChannelFacts>> {
        self.channels()
            .map(|channel| Arc::new(channel.facts()))
            .collect()
    }

    /// Creates a store with the records of the population.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn fill(self, path: &Path) -> io::Result<()> {
        let mut store = RedbStore::open(path).map_err(io::Error::other)?;
        let channels: Vec<Channel> = self.channels().collect();
        let records: Vec<Record> = channels
            .iter()
            .map(|channel| Record::Channel(channel.domain, channel.address))
            .collect();
        store.commit(&records).map_err(io::Error::other)?;
        let mut order: Vec<usize> = (0..self.lanes).collect();
        order.shuffle(&mut StdRng::seed_from_u64(0));
        let mut filled = 0;
        for lanes in order.chunks(LANES_PER_COMMIT) {
            let records: Vec<Record> = lanes
                .iter()
                .flat_map(|number| {
                    let channel = &channels[number / MAX_LANES_SERVED];
                    lane_records(channel, number % MAX_LANES_SERVED)
                })
                .collect();
            store.commit(&records).map_err(io::Error::other)?;
            filled += lanes.len();
            println!(
                "filling: {} of {} lanes",
                grouped(filled as u64),
                grouped(self.lanes as u64)
            );
        }
        Ok(())
    }
}

impl Channel {
    /// Key of a lane of the channel.
    #[must_use]
    pub fn key(&self, lane: usize) -> LaneKey {
        LaneKey {
            domain: self.domain,
            lane: LaneIndex(u16::try_from(lane).expect("a channel has fewer lanes")),
            generation: Generation(0),
        }
    }

    /// Address of the channel's escrow.
    #[must_use]
    pub fn escrow(&self) -> Pubkey {
        let mut bytes = self.address.to_bytes();
        bytes[31] ^= 1;
        Pubkey::new_from_array(bytes)
    }

    /// Slot in which the channel was opened.
    #[must_use]
    pub const fn opened_slot() -> u64 {
        OPENED_SLOT
    }

    /// The on-chain facts of the channel; everything that was charged is settled.
    #[must_use]
    pub fn facts(&self) -> ChannelFacts {
        let lanes: Vec<LaneFacts> = (0..self.lanes)
            .map(|lane| LaneFacts {
                signer: [1; 32],
                cap: CAP,
                debited: Counters::of(self, lane).charged,
                generation: Generation(0),
                revoked: None,
                rotating: false,
            })
            .collect();
        ChannelFacts {
            address: self.address,
            domain: self.domain,
            escrow: self.escrow(),
            grace_seconds: 172_800,
            deposit: DEPOSIT,
            debited: BaseUnits(lanes.iter().map(|lane| lane.debited.0).sum()),
            closing: false,
            gone: false,
            lanes,
        }
    }
}

/// The charge of a lane, and the used voucher values above it.
struct Counters {
    charged: BaseUnits,
    used: Vec<BaseUnits>,
    signature: [u8; 64],
}

impl Counters {
    fn of(channel: &Channel, lane: usize) -> Self {
        let seed = channel.number * MAX_LANES_SERVED + lane;
        let mut random = StdRng::seed_from_u64(seed as u64);
        let charged = random.gen_range(1_000..1_000_000);
        let used = random.gen_range(0..=MOST_USED);
        let mut signature = [0; 64];
        random.fill(&mut signature[..]);
        Self {
            charged: BaseUnits(charged),
            used: (1..=used)
                .map(|step| BaseUnits(charged + step * MAXIMUM.0 / MOST_USED))
                .collect(),
            signature,
        }
    }
}

fn lane_records(channel: &Channel, lane: usize) -> Vec<Record> {
    let key = channel.key(lane);
    let Counters {
        charged,
        used,
        signature,
    } = Counters::of(channel, lane);
    let record = LaneRecord {
        authorized: used.last().copied().unwrap_or(charged),
        signature: Some(signature),
        charged,
        floor: BaseUnits::ZERO,
        settled: BaseUnits::ZERO,
    };
    let used = used.into_iter().map(|value| Record::Used(key, value));
    std::iter::once(Record::Lane(key, record))
        .chain(used)
        .collect()
}

#[cfg(test)]
mod tests {
    use farthing_verifier::record::audit::inconsistencies;
    use farthing_verifier::store::{RedbStore, Store};

    use super::Population;

    #[test]
    fn a_store_is_what_a_ledger_writes() {
        let directory = tempfile::tempdir().expect("the test has a directory");
        let path = directory.path().join("store.redb");
        Population::new(5_000).fill(&path).expect("writable");
        let mut store = RedbStore::open(&path).expect("the file opens");
        let state = store.load().expect("what was written loads");
        assert_eq!((state.channels.len(), state.lanes.len()), (2, 5_000));
        assert_eq!(inconsistencies(&state), []);
    }
}
