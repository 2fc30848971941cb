//! Tests of the planner: what is due, in which order, and in which transactions.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use farthing_protocol::deadline::ChainTime;
use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex};
use proptest::{collection, proptest};
use solana_sdk::pubkey::Pubkey;

use super::{MAX_CLAIMS_PER_TRANSACTION, Owing, PlannedSettlement, Policy, Situation, plan};
use crate::ledger::{ChannelFacts, LaneFacts, Unsettled};
use crate::ports::Moment;
use crate::record::LaneKey;

const POLICY: Policy = Policy {
    min_amount: BaseUnits(1_000),
    max_age: Duration::from_secs(60),
    min_claim: BaseUnits(10),
};

fn unsettled(lane: u16, owed: u64, since_seconds: u64) -> Unsettled {
    Unsettled {
        lane: LaneIndex(lane),
        generation: Generation(0),
        authorized: BaseUnits(owed + 5),
        signature: [0; 64],
        charged: BaseUnits(owed),
        owed: BaseUnits(owed),
        since: Moment(Duration::from_secs(since_seconds)),
    }
}

fn channel(id: u8, lanes: &[Unsettled]) -> Owing {
    let on_chain = LaneFacts {
        signer: [0; 32],
        cap: BaseUnits(u64::MAX),
        debited: BaseUnits::ZERO,
        generation: Generation(0),
        revoked: None,
        rotating: false,
    };
    let facts = ChannelFacts {
        address: Pubkey::new_from_array([id; 32]),
        domain: Domain([id; 32]),
        escrow: Pubkey::default(),
        grace_seconds: 900,
        deposit: BaseUnits(u64::MAX),
        debited: BaseUnits::ZERO,
        closing: false,
        gone: false,
        lanes: vec![on_chain; 256],
    };
    Owing {
        facts: Arc::new(facts),
        lanes: lanes.to_vec(),
    }
}

fn with(mut owing: Owing, change: impl FnOnce(&mut ChannelFacts)) -> Owing {
    let mut facts = ChannelFacts::clone(&owing.facts);
    change(&mut facts);
    owing.facts = Arc::new(facts);
    owing
}

fn at(seconds: u64, owing: Vec<Owing>) -> Vec<PlannedSettlement> {
    let situation = Situation {
        now: Moment(Duration::from_secs(seconds)),
        chain_time: None,
        busy: &HashSet::new(),
        everything: false,
    };
    plan(&POLICY, &situation, owing)
}

fn ids(plans: &[PlannedSettlement]) -> Vec<u8> {
    plans.iter().map(|plan| plan.facts.domain.0[0]).collect()
}

#[test]
fn waits_for_amount_or_age() {
    let owing = vec![channel(1, &[unsettled(0, 999, 100)])];
    assert_eq!(at(159, owing.clone()).len(), 0);
    assert_eq!(at(160, owing).len(), 1);
    let lanes = [unsettled(0, 500, 100), unsettled(1, 500, 100)];
    assert_eq!(at(100, vec![channel(1, &lanes)]).len(), 1);
}

#[test]
fn the_most_urgent_comes_first() {
    let revoked = Some(ChainTime {
        unix_timestamp: 0,
        slot: 0,
    });
    let owing = vec![
        channel(1, &[unsettled(0, 2_000, 0)]),
        channel(2, &[unsettled(0, 3_000, 0)]),
        with(channel(3, &[unsettled(0, 10, 0)]), |facts| {
            facts.lanes[0].revoked = revoked;
        }),
        with(channel(4, &[unsettled(0, 10, 0)]), |facts| {
            facts.closing = true
        }),
        with(channel(5, &[unsettled(0, 9_000, 0)]), |facts| {
            facts.gone = true
        }),
    ];
    assert_eq!(ids(&at(0, owing)), vec![4, 3, 2, 1]);
}

#[test]
fn leaves_out_what_is_not_worth_its_fee_or_under_way() {
    let owing = channel(
        1,
        &[
            unsettled(0, 9, 0),
            unsettled(1, 2_000, 0),
            unsettled(2, 2_000, 0),
        ],
    );
    let busy = HashSet::from([LaneKey {
        domain: owing.facts.domain,
        lane: LaneIndex(1),
        generation: Generation(0),
    }]);
    let situation = Situation {
        now: Moment::default(),
        chain_time: None,
        busy: &busy,
        everything: true,
    };
    let plans = plan(&POLICY, &situation, vec![owing]);
    let lanes: Vec<_> = plans[0].claims.iter().map(|claim| claim.lane.0).collect();
    assert_eq!(lanes, vec![2]);
}

#[test]
fn leaves_out_what_the_program_would_skip() {
    let requested = ChainTime {
        unix_timestamp: 1_000,
        slot: 1_000,
    };
    let owing = with(channel(1, &[unsettled(0, 2_000, 0)]), |facts| {
        facts.lanes[0].revoked = Some(requested);
    });
    let planned_at = |seconds: i64| {
        let situation = Situation {
            now: Moment::default(),
            chain_time: Some(ChainTime {
                unix_timestamp: 1_000 + seconds,
                slot: 9_999,
            }),
            busy: &HashSet::new(),
            everything: false,
        };
        plan(&POLICY, &situation, vec![owing.clone()]).len()
    };
    assert_eq!((planned_at(899), planned_at(900)), (1, 0));
}

#[test]
fn asks_for_no_more_than_the_deposit_covers() {
    let lanes = [
        unsettled(0, 2_000, 0),
        unsettled(1, 2_000, 0),
        unsettled(2, 2_000, 0),
    ];
    let owing = with(channel(1, &lanes), |facts| {
        facts.deposit = BaseUnits(3_500);
        facts.debited = BaseUnits(500);
    });
    let plans = at(1_000, vec![owing]);
    let claims: Vec<_> = plans[0]
        .claims
        .iter()
        .map(|claim| (claim.lane.0, claim.charged.0, claim.owed.0))
        .collect();
    assert_eq!(claims, [(0, 2_000, 2_000), (1, 1_000, 1_000)]);

    let spent = with(channel(1, &lanes), |facts| {
        facts.deposit = BaseUnits(500);
        facts.debited = BaseUnits(500);
    });
    assert!(at(1_000, vec![spent]).is_empty());
}

proptest! {
    #[test]
    fn packs_every_lane_once_in_ascending_order(amounts in collection::vec(10..5_000_u64, 1..64)) {
        let mut lanes: Vec<_> = (0..).zip(&amounts).map(|(lane, owed)| unsettled(lane, *owed, 0)).collect();
        lanes.reverse();
        let plans = at(1_000, vec![channel(1, &lanes)]);
        assert_eq!(plans.len(), amounts.len().div_ceil(MAX_CLAIMS_PER_TRANSACTION));
        let mut seen = Vec::new();
        for plan in &plans {
            assert!(plan.claims.len() <= MAX_CLAIMS_PER_TRANSACTION);
            assert!(plan.claims.windows(2).all(|pair| pair[0].lane < pair[1].lane));
            seen.extend(plan.claims.iter().map(|claim| claim.lane.0));
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..u16::try_from(amounts.len()).unwrap()).collect::<Vec<_>>());
    }
}
