//! Tests that the client reads accounts as the program writes them.

use anchor_lang::{AccountSerialize, Discriminator};
use farthing::state;
use farthing_chain::{Approval, Channel, Escrow, channel_domain};
use farthing_protocol::deadline::ChainTime;
use farthing_protocol::layout::{
    APPROVAL_DISCRIMINATOR, CHANNEL_DISCRIMINATOR, ESCROW_DISCRIMINATOR, LAYOUT_VERSION, NEVER,
};
use farthing_protocol::{BaseUnits, Generation, LaneIndex};
use solana_sdk::hash::Hash;
use solana_sdk::pubkey::Pubkey;

use crate::{
    CHANNEL, COUNTERSIGNER, ESCROW, MANAGER, OWNER, PAYEE, PROGRAM, RENT_PAYER, SETTLER, TOKENS,
    account_of, key, new_lanes, program_lanes,
};

#[test]
fn discriminators_are_the_programs() {
    assert_eq!(state::Escrow::DISCRIMINATOR, ESCROW_DISCRIMINATOR);
    assert_eq!(state::Approval::DISCRIMINATOR, APPROVAL_DISCRIMINATOR);
    assert_eq!(state::Channel::DISCRIMINATOR, CHANNEL_DISCRIMINATOR);
}

/// What the program writes, with the space that it reserves.
fn encoded(account: &impl AccountSerialize, length: usize) -> Vec<u8> {
    let mut data = Vec::new();
    account
        .try_serialize(&mut data)
        .expect("a vector takes everything");
    assert!(data.len() <= length);
    data.resize(length, 0);
    data
}

#[test]
fn escrows_are_read_as_the_program_writes_them() {
    let options = [
        (None, None),
        (Some(MANAGER), None),
        (None, Some(COUNTERSIGNER)),
        (Some(MANAGER), Some(COUNTERSIGNER)),
    ];
    for (token, (manager, countersigner)) in TOKENS.into_iter().cycle().zip(options) {
        let written = state::Escrow {
            version: LAYOUT_VERSION,
            bump: 1,
            vault_bump: 2,
            owner: OWNER,
            mint: token.mint,
            token_program: token.program,
            escrow_id: 3,
            rent_payer: RENT_PAYER,
            manager_allowance: 4,
            allocated: 5,
            open_channels: 6,
            event_sequence: 7,
            manager,
            countersigner,
        };
        let read = Escrow {
            bump: 1,
            vault_bump: 2,
            owner: OWNER,
            mint: token.mint,
            token_program: token.program,
            escrow_id: 3,
            rent_payer: RENT_PAYER,
            manager_allowance: BaseUnits(4),
            allocated: BaseUnits(5),
            open_channels: 6,
            event_sequence: 7,
            manager,
            countersigner,
        };
        let data = encoded(&written, state::Escrow::LENGTH);
        assert_eq!(Escrow::decode(&data), Ok(read));
        assert_eq!(read.token(), token);
        assert_eq!(read.vault(&ESCROW), account_of(&ESCROW, &token));
    }
}

#[test]
fn approvals_are_read_as_the_program_writes_them() {
    let written = state::Approval {
        version: LAYOUT_VERSION,
        bump: 1,
        escrow: ESCROW,
        payee: PAYEE,
        max_grace_seconds: 2,
        rent_payer: RENT_PAYER,
    };
    let read = Approval {
        bump: 1,
        escrow: ESCROW,
        payee: PAYEE,
        max_grace_seconds: 2,
        rent_payer: RENT_PAYER,
    };
    let data = encoded(&written, state::Approval::LENGTH);
    assert_eq!(Approval::decode(&data), Ok(read));
}

#[test]
fn channels_are_read_as_the_program_writes_them() {
    let genesis_hash = Hash::new_from_array([0x40; 32]);
    let opened_slot = 12;
    let domain = channel_domain(PROGRAM, &genesis_hash, &CHANNEL, opened_slot);
    let lanes = &new_lanes()[1];
    let mut data = vec![0; state::Channel::length(lanes.len())];
    data[..8].copy_from_slice(state::Channel::DISCRIMINATOR);
    let mut written = state::ChannelMut::from_data(&mut data).expect("header and whole lanes");
    written.initialize(state::Channel {
        version: LAYOUT_VERSION,
        bump: 1,
        payee_token_bump: 2,
        reserved: 0,
        grace_seconds: 3,
        channel_id: 4,
        escrow: ESCROW,
        payee: PAYEE,
        settler: SETTLER,
        rent_payer: RENT_PAYER,
        deposit: 1_000,
        debited: 0,
        unpaid: 0,
        close_requested_at: NEVER,
        close_requested_slot: 0,
        opened_slot,
        domain: domain.0,
    });
    written
        .write_last_lanes(&program_lanes(lanes))
        .expect("room for two lanes");
    written
        .debit(&[state::channel::Debit {
            lane: LaneIndex(1),
            owed: BaseUnits(70),
        }])
        .expect("within the deposit");
    let requested = ChainTime {
        unix_timestamp: 8,
        slot: 9,
    };
    written.header.request_close(requested);
    written.lanes[1].generation = 10;
    written.lanes[1].revoked_at = 11;
    written.lanes[1].revoked_slot = [1, 2, 3, 4, 5, 6];

    let channel = Channel::decode(&data).expect("a channel");
    assert_eq!(channel.escrow(), ESCROW);
    assert_eq!(channel.payee(), PAYEE);
    assert_eq!(channel.settler(), SETTLER);
    assert_eq!(channel.rent_payer(), RENT_PAYER);
    let header = &channel.header;
    assert_eq!((header.bump, header.payee_token_bump), (1, 2));
    assert_eq!((header.grace_seconds, header.channel_id), (3, 4));
    assert_eq!(header.deposit, BaseUnits(1_000));
    assert_eq!(header.debited, BaseUnits(70));
    assert_eq!(header.unpaid, BaseUnits(70));
    assert_eq!(header.close_requested, requested);
    assert_eq!(header.opened_slot, opened_slot);
    assert!(channel.domain_is_of(PROGRAM, &genesis_hash, &CHANNEL));
    assert!(!channel.domain_is_of(PROGRAM, &Hash::default(), &CHANNEL));
    assert!(!channel.domain_is_of(PROGRAM, &genesis_hash, &key(99)));

    assert_eq!(channel.lanes.len(), 2);
    let first = channel.lane(LaneIndex(0)).expect("two lanes");
    assert_eq!(Pubkey::from(first.signer), lanes[0].signer);
    assert_eq!((first.cap, first.debited), (lanes[0].cap, BaseUnits::ZERO));
    assert!(!first.is_revoked());
    let second = channel.lane(LaneIndex(1)).expect("two lanes");
    assert_eq!(Pubkey::from(second.signer), lanes[1].signer);
    assert_eq!((second.cap, second.debited), (lanes[1].cap, BaseUnits(70)));
    assert_eq!(second.generation, Generation(10));
    let revoked = ChainTime {
        unix_timestamp: 11,
        slot: 0x0605_0403_0201,
    };
    assert_eq!(second.revoked, revoked);
    assert_eq!(channel.lane(LaneIndex(2)), None);
}
