//! Tests of the instructions of an escrow's owner or manager about its channels.

use farthing::accounts;
use farthing::instruction as data;
use farthing_chain::channel_address;
use farthing_chain::instructions::{
    AddLanes, FundChannel, OpenChannel, RaiseCap, RotateLane, add_lanes, fund_channel,
    open_channel, raise_cap, request_close, revoke_lane, rotate_lane,
};
use farthing_protocol::{BaseUnits, LaneIndex};
use solana_sdk::hash::Hash;

use crate::{
    APPROVAL, CHANNEL, ESCROW, MANAGER, OWNER, PAYEE, PROGRAM, RENT_PAYER, SETTLER, TOKENS,
    account_of, assert_same, new_lanes, program_lanes,
};

#[test]
fn open_channel_is_the_programs() {
    let options = [None, Some(APPROVAL)].into_iter().zip(new_lanes());
    for (token, (approval, lanes)) in TOKENS.into_iter().zip(options) {
        let input = OpenChannel {
            authority: OWNER,
            rent_payer: RENT_PAYER,
            escrow: ESCROW,
            token,
            approval,
            payee: PAYEE,
            settler: SETTLER,
            channel_id: 0x1112_1314_1516_1718,
            deposit: BaseUnits(0x2122_2324_2526_2728),
            grace_seconds: 0x3132_3334,
            genesis_hash: Hash::new_from_array([0x40; 32]),
            opened_slot: 0x5152_5354_5556_5758,
            lanes: lanes.clone(),
        };
        assert_same(
            &open_channel(PROGRAM, &input),
            &data::OpenChannel {
                args: farthing::OpenChannelArgs {
                    payee: PAYEE,
                    settler: SETTLER,
                    channel_id: input.channel_id,
                    deposit: input.deposit.0,
                    grace_seconds: input.grace_seconds,
                    genesis_hash: [0x40; 32],
                    opened_slot: input.opened_slot,
                    lanes: program_lanes(&lanes),
                },
            },
            &accounts::OpenChannel {
                authority: OWNER,
                rent_payer: RENT_PAYER,
                escrow: ESCROW,
                vault: account_of(&ESCROW, &token),
                approval,
                channel: channel_address(PROGRAM, &ESCROW, &PAYEE, input.channel_id).0,
                system_program: anchor_lang::system_program::ID,
            },
        );
    }
}

#[test]
fn fund_channel_is_the_programs() {
    for (token, approval) in TOKENS.into_iter().zip([None, Some(APPROVAL)]) {
        let input = FundChannel {
            authority: MANAGER,
            escrow: ESCROW,
            token,
            approval,
            channel: CHANNEL,
            amount: BaseUnits(9),
        };
        assert_same(
            &fund_channel(PROGRAM, &input),
            &data::FundChannel {
                args: farthing::FundChannelArgs { amount: 9 },
            },
            &accounts::FundChannel {
                authority: MANAGER,
                escrow: ESCROW,
                vault: account_of(&ESCROW, &token),
                approval,
                channel: CHANNEL,
            },
        );
    }
}

#[test]
fn add_lanes_is_the_programs() {
    for lanes in new_lanes() {
        let input = AddLanes {
            authority: MANAGER,
            rent_payer: RENT_PAYER,
            escrow: ESCROW,
            channel: CHANNEL,
            lanes: lanes.clone(),
        };
        assert_same(
            &add_lanes(PROGRAM, &input),
            &data::AddLanes {
                args: farthing::AddLanesArgs {
                    lanes: program_lanes(&lanes),
                },
            },
            &accounts::AddLanes {
                authority: MANAGER,
                rent_payer: RENT_PAYER,
                escrow: ESCROW,
                channel: CHANNEL,
                system_program: anchor_lang::system_program::ID,
            },
        );
    }
}

#[test]
fn raise_cap_is_the_programs() {
    let input = RaiseCap {
        authority: MANAGER,
        escrow: ESCROW,
        channel: CHANNEL,
        lane: LaneIndex(0x0102),
        cap: BaseUnits(0x1112_1314_1516_1718),
    };
    assert_same(
        &raise_cap(PROGRAM, &input),
        &data::RaiseCap {
            args: farthing::RaiseCapArgs {
                lane: input.lane.0,
                cap: input.cap.0,
            },
        },
        &accounts::RaiseCap {
            authority: MANAGER,
            escrow: ESCROW,
            channel: CHANNEL,
        },
    );
}

#[test]
fn revoke_lane_is_the_programs() {
    assert_same(
        &revoke_lane(PROGRAM, &MANAGER, &ESCROW, &CHANNEL, LaneIndex(0x0102)),
        &data::RevokeLane {
            args: farthing::RevokeLaneArgs { lane: 0x0102 },
        },
        &accounts::RevokeLane {
            authority: MANAGER,
            escrow: ESCROW,
            channel: CHANNEL,
        },
    );
}

#[test]
fn rotate_lane_is_the_programs() {
    let [new, _] = new_lanes();
    let input = RotateLane {
        authority: MANAGER,
        escrow: ESCROW,
        channel: CHANNEL,
        lane: LaneIndex(0x0102),
        new: new[0],
    };
    assert_same(
        &rotate_lane(PROGRAM, &input),
        &data::RotateLane {
            args: farthing::RotateLaneArgs {
                lane: input.lane.0,
                new: program_lanes(&new).remove(0),
            },
        },
        &accounts::RotateLane {
            authority: MANAGER,
            escrow: ESCROW,
            channel: CHANNEL,
        },
    );
}

#[test]
fn request_close_is_the_programs() {
    assert_same(
        &request_close(PROGRAM, &OWNER, &ESCROW, &CHANNEL),
        &data::RequestClose {},
        &accounts::RequestClose {
            authority: OWNER,
            escrow: ESCROW,
            channel: CHANNEL,
        },
    );
}
