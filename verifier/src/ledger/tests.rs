//! Tests of the ledger: each rule by itself, and against a simple model in random sequences and in every state of a
//! small domain.

mod exhaustive;
mod forget;
mod held;
mod model;
mod outcomes;
mod rules;
mod size;

use std::sync::Arc;
use std::time::Duration;

use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex, Voucher};
use solana_sdk::pubkey::Pubkey;

use super::{ChannelFacts, LaneFacts, VerifiedVoucher};
use crate::ports::Moment;
use crate::record::LaneKey;

const DOMAIN: Domain = Domain([7; 32]);
const NOW: Moment = Moment(Duration::from_secs(1));

fn lane_facts(cap: u64, debited: u64) -> LaneFacts {
    LaneFacts {
        signer: [1; 32],
        cap: BaseUnits(cap),
        debited: BaseUnits(debited),
        generation: Generation(0),
        revoked: None,
        rotating: false,
    }
}

fn facts(deposit: u64, lanes: Vec<LaneFacts>) -> ChannelFacts {
    ChannelFacts {
        address: Pubkey::new_from_array([9; 32]),
        domain: DOMAIN,
        escrow: Pubkey::new_from_array([8; 32]),
        grace_seconds: 900,
        deposit: BaseUnits(deposit),
        debited: BaseUnits(lanes.iter().map(|lane| lane.debited.0).sum()),
        closing: false,
        gone: false,
        lanes,
    }
}

fn one_lane(deposit: u64, cap: u64) -> Arc<ChannelFacts> {
    Arc::new(facts(deposit, vec![lane_facts(cap, 0)]))
}

fn voucher_of(lane: u16, generation: u16, authorized: u64) -> VerifiedVoucher {
    let mut signature = [0; 64];
    signature[..8].copy_from_slice(&authorized.to_le_bytes());
    VerifiedVoucher {
        voucher: Voucher {
            domain: DOMAIN,
            lane: LaneIndex(lane),
            generation: Generation(generation),
            authorized: BaseUnits(authorized),
        },
        signature,
    }
}

fn voucher(authorized: u64) -> VerifiedVoucher {
    voucher_of(0, 0, authorized)
}

fn key(lane: u16) -> LaneKey {
    LaneKey {
        domain: DOMAIN,
        lane: LaneIndex(lane),
        generation: Generation(0),
    }
}
