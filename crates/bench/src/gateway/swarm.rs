//! Who pays: lanes with money, the same ones in every process of a run.

use std::sync::Arc;

use farthing_chain::{PROGRAM_ID, Token, channel_domain};
use farthing_client::payer::{LaneIdentity, LanePayer};
use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex};
use farthing_tests::gateway::FakeChain;
use farthing_tests::gateway::account::{ChannelSpec, LaneSpec, escrow_account};
use farthing_tests::gateway::world::lane_key;
use solana_sdk::hash::Hash;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;

/// Lanes of one channel.
const LANES_PER_CHANNEL: u16 = 64;
/// Channels.
const CHANNELS: u16 = 16;
/// The most that a lane can spend, in base units: more than any run does.
const CAP: u64 = 1 << 40;
/// Slot in which all channels were opened.
const OPENED_SLOT: u64 = 777;
const GENESIS_HASH: Hash = Hash::new_from_array([11; 32]);

/// A lane with its key.
#[derive(Debug)]
pub struct SwarmLane {
    /// Its channel.
    pub channel: Pubkey,
    /// What it has signed.
    pub payer: LanePayer,
    /// Its key.
    pub key: Keypair,
}

/// So many lanes that nobody has paid through, the first of them with this number.
///
/// # Panics
/// If there are not as many.
pub fn lanes(first: u16, count: usize) -> impl Iterator<Item = SwarmLane> {
    let end = usize::from(first) + count;
    assert!(
        end <= usize::from(CHANNELS * LANES_PER_CHANNEL),
        "{end} lanes"
    );
    (first..).take(count).map(|number| {
        let key = Keypair::new_from_array(lane_key(number).to_bytes());
        let channel = address(number / LANES_PER_CHANNEL);
        let identity = LaneIdentity {
            program: PROGRAM_ID,
            channel,
            domain: domain(&channel),
            lane: LaneIndex(number % LANES_PER_CHANNEL),
            generation: Generation(0),
            signer: key.pubkey(),
            cap: BaseUnits(CAP),
        };
        SwarmLane {
            channel,
            payer: LanePayer::new(identity, BaseUnits::ZERO).expect("a usable key"),
            key,
        }
    })
}

/// The chain with all channels, which pay this payee and are settled by this settler.
#[must_use]
pub fn chain(token: &Token, payee: Pubkey, settler: Pubkey) -> Arc<FakeChain> {
    let chain = FakeChain::new(GENESIS_HASH);
    let escrow = Pubkey::new_from_array([1; 32]);
    chain.put(escrow, escrow_account(token));
    for number in 0..CHANNELS {
        let channel = address(number);
        let first = number * LANES_PER_CHANNEL;
        let lanes = (first..first + LANES_PER_CHANNEL).map(|number| LaneSpec {
            signer: lane_key(number).verifying_key().to_bytes(),
            cap: CAP,
            debited: 0,
            revoked: false,
            generation: 0,
        });
        let account = ChannelSpec {
            owner: PROGRAM_ID,
            escrow,
            payee,
            settler,
            grace_seconds: 172_800,
            deposit: CAP * u64::from(LANES_PER_CHANNEL),
            closing: false,
            opened_slot: OPENED_SLOT,
            domain: domain(&channel).0,
            lanes: lanes.collect(),
        };
        chain.put(channel, account.account());
    }
    Arc::new(chain)
}

fn address(channel: u16) -> Pubkey {
    let mut bytes = [2; 32];
    bytes[..2].copy_from_slice(&channel.to_le_bytes());
    Pubkey::new_from_array(bytes)
}

fn domain(channel: &Pubkey) -> Domain {
    channel_domain(&PROGRAM_ID, &GENESIS_HASH, channel, OPENED_SLOT)
}
