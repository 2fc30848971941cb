//! The client's instructions and accounts against what the program's framework generates: the client
//! writes both by hand, so that it depends on neither Anchor nor the program.

use anchor_lang::{AccountSerialize, Discriminator, InstructionData, ToAccountMetas};
use farthing::error::FarthingError;
use farthing::state;
use farthing_client::chain::instructions::{
    AddLanes, CloseChannel, CloseEscrow, CreateEscrow, FundChannel, OpenChannel, SetManager,
    Settle, Withdraw, add_lanes, approve_payee, close_channel, close_escrow, create_escrow,
    fund_channel, open_channel, request_close, revoke_payee, set_manager, settle, withdraw,
};
use farthing_client::chain::refusal::explain;
use farthing_client::chain::{
    Approval, Channel, Claim, Escrow, NewLane, PROGRAM_ID, approval_address,
    associated_token_address, channel_address, channel_domain, escrow_address,
};
use farthing_protocol::deadline::ChainTime;
use farthing_protocol::layout::{
    APPROVAL_DISCRIMINATOR, CHANNEL_DISCRIMINATOR, ESCROW_DISCRIMINATOR, LAYOUT_VERSION, NEVER,
};
use farthing_protocol::{BaseUnits, Generation, LaneIndex};
use solana_sdk::hash::Hash;
use solana_sdk::instruction::Instruction;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

const PROGRAM: &Pubkey = &PROGRAM_ID;
const OWNER: Pubkey = key(1);
const RENT_PAYER: Pubkey = key(2);
const MINT: Pubkey = key(3);
const ESCROW: Pubkey = key(4);
const PAYEE: Pubkey = key(5);
const SETTLER: Pubkey = key(6);
const CHANNEL: Pubkey = key(7);
const DESTINATION: Pubkey = key(8);
const APPROVAL: Pubkey = key(9);
const MANAGER: Pubkey = key(10);

const fn key(byte: u8) -> Pubkey {
    Pubkey::new_from_array([byte; 32])
}

fn vault(escrow: &Pubkey) -> Pubkey {
    associated_token_address(escrow, &MINT)
}

#[track_caller]
fn assert_same(
    ours: &Instruction,
    arguments: &impl InstructionData,
    accounts: &impl ToAccountMetas,
) {
    assert_eq!(ours.program_id, farthing::ID);
    assert_eq!(ours.data, arguments.data());
    assert_eq!(ours.accounts, accounts.to_account_metas(None));
}

fn new_lanes() -> [Vec<NewLane>; 2] {
    let one = vec![NewLane {
        signer: key(20),
        cap: BaseUnits(u64::MAX),
    }];
    let mut two = one.clone();
    two.push(NewLane {
        signer: key(21),
        cap: BaseUnits(0x0102_0304),
    });
    [one, two]
}

fn program_lanes(lanes: &[NewLane]) -> Vec<state::NewLane> {
    lanes
        .iter()
        .map(|lane| state::NewLane {
            signer: lane.signer,
            cap: lane.cap.0,
        })
        .collect()
}

#[test]
fn program_id_is_the_declared_one() {
    assert_eq!(PROGRAM_ID, farthing::ID);
}

#[test]
fn create_escrow_is_the_programs() {
    let input = CreateEscrow {
        owner: OWNER,
        rent_payer: RENT_PAYER,
        mint: MINT,
        escrow_id: 0x0102_0304_0506_0708,
    };
    let (escrow, _) = escrow_address(PROGRAM, &OWNER, &MINT, input.escrow_id);
    assert_same(
        &create_escrow(PROGRAM, &input),
        &farthing::instruction::CreateEscrow {
            args: farthing::CreateEscrowArgs {
                escrow_id: input.escrow_id,
            },
        },
        &farthing::accounts::CreateEscrow {
            owner: OWNER,
            rent_payer: RENT_PAYER,
            mint: MINT,
            escrow,
            vault: vault(&escrow),
            token_program: anchor_spl_ids::TOKEN,
            associated_token_program: anchor_spl_ids::ASSOCIATED_TOKEN,
            system_program: anchor_lang::system_program::ID,
        },
    );
}

/// As the crates of the token programs name themselves.
mod anchor_spl_ids {
    use solana_sdk::pubkey::Pubkey;

    pub const TOKEN: Pubkey = spl_token::ID;
    pub const ASSOCIATED_TOKEN: Pubkey = spl_associated_token_account_interface::program::ID;
}

#[test]
fn set_manager_is_the_programs() {
    for manager in [None, Some(MANAGER)] {
        let input = SetManager {
            owner: OWNER,
            escrow: ESCROW,
            manager,
            allowance: BaseUnits(5),
            expected_allowance: BaseUnits(6),
        };
        assert_same(
            &set_manager(PROGRAM, &input),
            &farthing::instruction::SetManager {
                args: farthing::SetManagerArgs {
                    manager,
                    allowance: 5,
                    expected_allowance: 6,
                },
            },
            &farthing::accounts::SetManager {
                owner: OWNER,
                escrow: ESCROW,
            },
        );
    }
}

#[test]
fn approve_payee_is_the_programs() {
    assert_same(
        &approve_payee(PROGRAM, &OWNER, &RENT_PAYER, &ESCROW, &PAYEE, 1_000),
        &farthing::instruction::ApprovePayee {
            args: farthing::ApprovePayeeArgs {
                payee: PAYEE,
                max_grace_seconds: 1_000,
            },
        },
        &farthing::accounts::ApprovePayee {
            owner: OWNER,
            rent_payer: RENT_PAYER,
            escrow: ESCROW,
            approval: approval_address(PROGRAM, &ESCROW, &PAYEE).0,
            system_program: anchor_lang::system_program::ID,
        },
    );
}

#[test]
fn revoke_payee_is_the_programs() {
    assert_same(
        &revoke_payee(PROGRAM, &OWNER, &ESCROW, &PAYEE, &RENT_PAYER),
        &farthing::instruction::RevokePayee {},
        &farthing::accounts::RevokePayee {
            owner: OWNER,
            escrow: ESCROW,
            approval: approval_address(PROGRAM, &ESCROW, &PAYEE).0,
            rent_payer: RENT_PAYER,
        },
    );
}

#[test]
fn withdraw_is_the_programs() {
    let input = Withdraw {
        owner: OWNER,
        escrow: ESCROW,
        mint: MINT,
        destination: DESTINATION,
        amount: BaseUnits(7),
    };
    assert_same(
        &withdraw(PROGRAM, &input),
        &farthing::instruction::Withdraw {
            args: farthing::WithdrawArgs { amount: 7 },
        },
        &farthing::accounts::Withdraw {
            owner: OWNER,
            escrow: ESCROW,
            mint: MINT,
            vault: vault(&ESCROW),
            destination: DESTINATION,
            token_program: anchor_spl_ids::TOKEN,
        },
    );
}

#[test]
fn close_escrow_is_the_programs() {
    for destination in [None, Some(DESTINATION)] {
        let input = CloseEscrow {
            authority: OWNER,
            escrow: ESCROW,
            rent_payer: RENT_PAYER,
            mint: MINT,
            destination,
        };
        assert_same(
            &close_escrow(PROGRAM, &input),
            &farthing::instruction::CloseEscrow {},
            &farthing::accounts::CloseEscrow {
                authority: OWNER,
                escrow: ESCROW,
                rent_payer: RENT_PAYER,
                mint: MINT,
                vault: vault(&ESCROW),
                destination,
                token_program: anchor_spl_ids::TOKEN,
            },
        );
    }
}

#[test]
fn open_channel_is_the_programs() {
    for (approval, lanes) in [None, Some(APPROVAL)].into_iter().zip(new_lanes()) {
        let input = OpenChannel {
            authority: OWNER,
            rent_payer: RENT_PAYER,
            escrow: ESCROW,
            mint: MINT,
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
            &farthing::instruction::OpenChannel {
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
            &farthing::accounts::OpenChannel {
                authority: OWNER,
                rent_payer: RENT_PAYER,
                escrow: ESCROW,
                vault: vault(&ESCROW),
                approval,
                channel: channel_address(PROGRAM, &ESCROW, &PAYEE, input.channel_id).0,
                system_program: anchor_lang::system_program::ID,
            },
        );
    }
}

#[test]
fn fund_channel_is_the_programs() {
    for approval in [None, Some(APPROVAL)] {
        let input = FundChannel {
            authority: MANAGER,
            escrow: ESCROW,
            mint: MINT,
            approval,
            channel: CHANNEL,
            amount: BaseUnits(9),
        };
        assert_same(
            &fund_channel(PROGRAM, &input),
            &farthing::instruction::FundChannel {
                args: farthing::FundChannelArgs { amount: 9 },
            },
            &farthing::accounts::FundChannel {
                authority: MANAGER,
                escrow: ESCROW,
                vault: vault(&ESCROW),
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
            &farthing::instruction::AddLanes {
                args: farthing::AddLanesArgs {
                    lanes: program_lanes(&lanes),
                },
            },
            &farthing::accounts::AddLanes {
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
fn settle_is_the_programs() {
    let claim = |lane: u16| Claim {
        lane: LaneIndex(lane),
        authorized: BaseUnits(0x0102_0304_0506_0708),
        undebited: 0x1112_1314,
        signature: Signature::from([lane.to_le_bytes()[0]; 64]),
    };
    for lanes in [vec![0x0201_u16], vec![1, 2, 300]] {
        let input = Settle {
            authority: SETTLER,
            escrow: ESCROW,
            channel: CHANNEL,
            payee: PAYEE,
            mint: MINT,
            claims: lanes.iter().map(|lane| claim(*lane)).collect(),
        };
        let claims = lanes.iter().map(|lane| farthing::Claim {
            lane: *lane,
            authorized: claim(*lane).authorized.0,
            undebited: claim(*lane).undebited,
            signature: [lane.to_le_bytes()[0]; 64],
        });
        assert_same(
            &settle(PROGRAM, &input),
            &farthing::instruction::Settle {
                args: farthing::SettleArgs {
                    claims: claims.collect(),
                },
            },
            &farthing::accounts::Settle {
                authority: SETTLER,
                escrow: ESCROW,
                channel: CHANNEL,
                mint: MINT,
                vault: vault(&ESCROW),
                payee_token: associated_token_address(&PAYEE, &MINT),
                token_program: anchor_spl_ids::TOKEN,
            },
        );
    }
}

#[test]
fn request_close_is_the_programs() {
    assert_same(
        &request_close(PROGRAM, &OWNER, &ESCROW, &CHANNEL),
        &farthing::instruction::RequestClose {},
        &farthing::accounts::RequestClose {
            authority: OWNER,
            escrow: ESCROW,
            channel: CHANNEL,
        },
    );
}

#[test]
fn close_channel_is_the_programs() {
    let input = CloseChannel {
        authority: PAYEE,
        escrow: ESCROW,
        channel: CHANNEL,
        payee: PAYEE,
        mint: MINT,
        rent_payer: RENT_PAYER,
    };
    assert_same(
        &close_channel(PROGRAM, &input),
        &farthing::instruction::CloseChannel {},
        &farthing::accounts::CloseChannel {
            authority: PAYEE,
            escrow: ESCROW,
            channel: CHANNEL,
            mint: MINT,
            vault: vault(&ESCROW),
            payee_token: associated_token_address(&PAYEE, &MINT),
            rent_payer: RENT_PAYER,
            token_program: anchor_spl_ids::TOKEN,
        },
    );
}

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
    for (manager, countersigner) in [
        (None, None),
        (Some(MANAGER), None),
        (None, Some(key(11))),
        (Some(MANAGER), Some(key(11))),
    ] {
        let written = state::Escrow {
            version: LAYOUT_VERSION,
            bump: 1,
            vault_bump: 2,
            owner: OWNER,
            mint: MINT,
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
            mint: MINT,
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

/// The variants cannot be listed, so their numbers are read from the source.
#[test]
fn every_error_of_the_program_is_explained() {
    let source = include_str!("../../programs/farthing/src/error.rs");
    let codes: Vec<u32> = source
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_suffix(',')?
                .split_once(" = ")?
                .1
                .parse()
                .ok()
        })
        .collect();
    assert!(codes.contains(&(FarthingError::AllowanceChanged as u32)));
    assert!(codes.contains(&(FarthingError::AddressNotDerivable as u32)));
    for code in codes {
        let text = explain(code).unwrap_or_else(|| panic!("{code} is not explained"));
        assert!(
            text.contains(": ") || code >= 6_950 || code == 6_285 || code == 6_286,
            "{text}"
        );
    }
    for code in [0, 1, 3_012, 5_999, 6_999] {
        assert_eq!(explain(code), None);
    }
}
