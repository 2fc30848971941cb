//! Tests of the instruction `settle`.

use farthing::error::FarthingError;
use farthing::{Claim, SettleArgs, instruction as data};
use farthing_protocol::limits::MAX_CLAIMS;
use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex, Voucher};
use farthing_tests::program::world::{GENESIS_HASH, PREPAID, escrow_address, sha256};
use farthing_tests::program::{Channel, Mint, World, instruction};
use solana_sdk::instruction::Instruction;
use solana_sdk::pubkey::Pubkey;

use super::codes::{DISCRIMINATOR_MISMATCH, INVALID_PROGRAM_ID, NOT_SIGNER, code};

const DEPOSIT: u64 = 1_000_000;

fn settle(
    world: &World,
    channel: &Channel,
    claims: Vec<Claim>,
    change: impl FnOnce(&mut farthing::accounts::Settle),
) -> Instruction {
    let mut accounts = world.settle_accounts(channel);
    change(&mut accounts);
    instruction(
        accounts,
        data::Settle {
            args: SettleArgs { claims },
        },
    )
}

/// The code that a batch is refused with, of lanes 0 and 1 at a ceiling of 100, after `change`.
fn refused_claims(change: impl FnOnce(&mut Vec<Claim>)) -> u32 {
    let (mut world, channel, agents) = World::with_channel(DEPOSIT, 2);
    let mut claims = world.claims(&channel, &agents, 100);
    change(&mut claims);
    let settle = world.settle(&channel, claims);
    let refused = world.chain.refused(settle);
    // A batch that fails leaves everything as it was.
    let (header, lanes) = world.channel_state(&channel.address);
    assert_eq!(header.debited, BaseUnits::ZERO);
    assert!(lanes.iter().all(|lane| lane.debited == BaseUnits::ZERO));
    assert_eq!(world.payee_balance(), 0);
    refused
}

#[test]
fn the_authority_must_sign() {
    let (mut world, channel, agents) = World::with_channel(DEPOSIT, 1);
    let claims = world.claims(&channel, &agents, 1);
    let mut settle = world.settle(&channel, claims);
    settle.accounts[0].is_signer = false;
    assert_eq!(world.chain.refused(settle), NOT_SIGNER);
}

#[test]
fn only_settler_and_payee_settle() {
    let (mut world, channel, agents) = World::with_channel(DEPOSIT, 1);
    for key in [world.owner, world.stranger, agents[0]] {
        let claims = world.claims(&channel, &agents, 1);
        let settle = settle(&world, &channel, claims, |accounts| {
            accounts.authority = key;
        });
        assert_eq!(
            world.chain.refused(settle),
            code(FarthingError::SettlerOrPayeeOnly)
        );
    }
}

#[test]
fn other_accounts_are_refused() {
    let (mut world, channel, agents) = World::with_channel(DEPOSIT, 1);
    let create = world.create_escrow(1);
    world.chain.succeed(&[create]);
    let other_escrow = escrow_address(&world.owner, &world.mint.address, 1);
    let other_vault = world.mint.address_of(&other_escrow);
    let other_mint = Mint::create(&mut world.chain).address;
    let claims = world.claims(&channel, &agents, 1);
    let refused = |world: &mut World, change: &dyn Fn(&mut farthing::accounts::Settle)| {
        let settle = settle(world, &channel, claims.clone(), change);
        world.chain.refused(settle)
    };

    let with_escrow = refused(&mut world, &|accounts| {
        accounts.funds.escrow = other_escrow;
        accounts.funds.vault = other_vault;
    });
    assert_eq!(with_escrow, code(FarthingError::WrongEscrow));
    let with_channel = refused(&mut world, &|accounts| {
        accounts.funds.channel = accounts.funds.escrow
    });
    assert_eq!(with_channel, DISCRIMINATOR_MISMATCH);
    let with_mint = refused(&mut world, &|accounts| accounts.funds.mint = other_mint);
    assert_eq!(with_mint, code(FarthingError::WrongMint));
    let with_vault = refused(&mut world, &|accounts| accounts.funds.vault = other_vault);
    assert_eq!(with_vault, code(FarthingError::WrongVault));
    let strangers = world.mint.open(&mut world.chain, &world.stranger);
    let with_payee = refused(&mut world, &|accounts| {
        accounts.funds.payee_token = strangers
    });
    assert_eq!(with_payee, code(FarthingError::WrongPayeeToken));
    let with_program = refused(&mut world, &|accounts| {
        accounts.funds.token_program = farthing::ID;
    });
    assert_eq!(with_program, INVALID_PROGRAM_ID);
}

#[test]
fn another_account_of_the_payee_is_refused() {
    let (mut world, channel, agents) = World::with_channel(DEPOSIT, 1);
    let account = world.mint.open(&mut world.chain, &world.stranger);
    let mint = world.mint;
    mint.reassign(&mut world.chain, &account, &world.stranger, &world.payee);
    let claims = world.claims(&channel, &agents, 1);
    let settle = settle(&world, &channel, claims, |accounts| {
        accounts.funds.payee_token = account;
    });
    assert_eq!(
        world.chain.refused(settle),
        code(FarthingError::WrongPayeeToken)
    );
}

#[test]
fn claims_have_a_number() {
    assert_eq!(refused_claims(Vec::clear), code(FarthingError::NoClaims));
    let many = refused_claims(|claims| {
        *claims = vec![claims[0].clone(); MAX_CLAIMS + 1];
    });
    assert_eq!(many, code(FarthingError::TooManyClaims));
}

#[test]
fn lanes_ascend_strictly() {
    let descending = refused_claims(|claims| claims.reverse());
    assert_eq!(descending, code(FarthingError::LanesNotAscending));
    let twice = refused_claims(|claims| claims[1] = claims[0].clone());
    assert_eq!(twice, code(FarthingError::LanesNotAscending));
}

#[test]
fn the_lane_must_exist() {
    for lane in [2, u16::MAX] {
        let unknown = refused_claims(|claims| claims[1].lane = lane);
        assert_eq!(unknown, code(FarthingError::UnknownLane));
    }
}

#[test]
fn no_more_than_the_ceiling_can_be_left_undebited() {
    for undebited in [101, u32::MAX] {
        let refused = refused_claims(|claims| claims[1].undebited = undebited);
        assert_eq!(refused, code(FarthingError::UndebitedAboveAuthorized));
    }
}

#[test]
fn one_bad_signature_fails_the_batch() {
    for byte in [0, 31, 32, 63] {
        for bit in [0x01, 0x80] {
            let refused = refused_claims(|claims| claims[1].signature[byte] ^= bit);
            assert_eq!(refused, code(FarthingError::VoucherNotSigned));
        }
    }
    let raised = refused_claims(|claims| claims[0].authorized += 1);
    assert_eq!(raised, code(FarthingError::VoucherNotSigned));
    let swapped = refused_claims(|claims| {
        let first = claims[0].signature;
        claims[0].signature = claims[1].signature;
        claims[1].signature = first;
    });
    assert_eq!(swapped, code(FarthingError::VoucherNotSigned));
    let zero = refused_claims(|claims| claims[1].signature = [0; 64]);
    assert_eq!(zero, code(FarthingError::VoucherNotSigned));
}

#[test]
fn a_bad_signature_fails_the_batch_even_if_the_claim_is_stale() {
    let refused = refused_claims(|claims| {
        claims[1].undebited = 100;
        claims[1].signature[0] ^= 1;
    });
    assert_eq!(refused, code(FarthingError::VoucherNotSigned));
}

#[test]
fn vouchers_for_anything_else_are_refused() {
    let (mut world, channel, agents) = World::with_channel(DEPOSIT, 2);
    let (header, _) = world.channel_state(&channel.address);
    let domain = |program: &Pubkey, genesis: &[u8; 32], address: &Pubkey, slot: u64| {
        let (program, address) = (program.as_array(), address.as_array());
        Domain::of_channel(sha256, program, genesis, address, slot)
    };
    let slot = header.opened_slot;
    let address = channel.address;
    let other_channel = world.channel_address(&world.payee, 1);
    let right = Voucher {
        domain: channel.domain,
        lane: LaneIndex(0),
        generation: Generation(0),
        authorized: BaseUnits(100),
    };
    let with_domain = |domain: Domain| Voucher { domain, ..right };
    let other_genesis = [8; 32];
    let wrong = [
        with_domain(domain(&world.stranger, &GENESIS_HASH, &address, slot)),
        with_domain(domain(&farthing::ID, &other_genesis, &address, slot)),
        with_domain(domain(&farthing::ID, &GENESIS_HASH, &other_channel, slot)),
        with_domain(domain(&farthing::ID, &GENESIS_HASH, &address, slot - 1)),
        Voucher {
            lane: LaneIndex(1),
            ..right
        },
        Voucher {
            generation: Generation(1),
            ..right
        },
        Voucher {
            authorized: BaseUnits(99),
            ..right
        },
    ];
    let claim = |signature| Claim {
        lane: 0,
        authorized: 100,
        undebited: 0,
        signature,
    };
    for voucher in wrong {
        let signature = world.chain.sign(&agents[0], &voucher.to_bytes());
        let settle = world.settle(&channel, vec![claim(signature)]);
        assert_eq!(
            world.chain.refused(settle),
            code(FarthingError::VoucherNotSigned),
            "{voucher:?}"
        );
    }
    let by_another_agent = world.chain.sign(&agents[1], &right.to_bytes());
    let settle = world.settle(&channel, vec![claim(by_another_agent)]);
    assert_eq!(
        world.chain.refused(settle),
        code(FarthingError::VoucherNotSigned)
    );
    let signature = world.chain.sign(&agents[0], &right.to_bytes());
    let settle = world.settle(&channel, vec![claim(signature)]);
    world.chain.succeed(&[settle]);
}

#[test]
fn no_lane_is_debited_above_its_cap() {
    let (mut world, _, agents) = World::with_channel(1, 2);
    let mut args = world.open_args(1, DEPOSIT, &agents);
    args.lanes[1].cap = 100;
    let channel = world.channel(&args);
    let open = world.open_channel(args);
    world.chain.succeed(&[open]);

    let first = world.claim(channel.domain, (0, &agents[0]), 500, 0);
    let above = world.claim(channel.domain, (1, &agents[1]), 101, 0);
    let batch = world.settle(&channel, vec![first, above]);
    assert_eq!(world.chain.refused(batch), code(FarthingError::CapExceeded));
    // The ceiling may lie above the cap, the debit may not.
    let at_cap = world.claim(
        channel.domain,
        (1, &agents[1]),
        u64::from(u32::MAX),
        u32::MAX - 100,
    );
    let settle = world.settle(&channel, vec![at_cap]);
    world.chain.succeed(&[settle]);
    assert_eq!(world.payee_balance(), 100);
}

#[test]
fn no_more_than_the_deposit_is_debited() {
    let (mut world, channel, agents) = World::with_channel(1_000, 2);
    let claims = world.claims(&channel, &agents, 501);
    let settle = world.settle(&channel, claims);
    assert_eq!(
        world.chain.refused(settle),
        code(FarthingError::DepositExceeded)
    );
    let claims = world.claims(&channel, &agents, 500);
    let settle = world.settle(&channel, claims);
    world.chain.succeed(&[settle]);
    assert_eq!(world.payee_balance(), 1_000);

    let more = world.claim(channel.domain, (0, &agents[0]), 501, 0);
    let settle = world.settle(&channel, vec![more.clone()]);
    assert_eq!(
        world.chain.refused(settle),
        code(FarthingError::DepositExceeded)
    );
    let fund = world.fund_channel(&channel, 1);
    let settle = world.settle(&channel, vec![more]);
    world.chain.succeed(&[fund, settle]);
    assert_eq!(world.payee_balance(), 1_001);
}

#[test]
fn sums_beyond_64_bits_are_refused() {
    let (mut world, _, agents) = World::with_channel(1, 2);
    let mut args = world.open_args(1, DEPOSIT, &agents);
    for lane in &mut args.lanes {
        lane.cap = u64::MAX;
    }
    let channel = world.channel(&args);
    let open = world.open_channel(args);
    world.chain.succeed(&[open]);
    let claims = world.claims(&channel, &agents, u64::MAX);
    let one = world.settle(&channel, vec![claims[0].clone()]);
    assert_eq!(
        world.chain.refused(one),
        code(FarthingError::DepositExceeded)
    );
    let both = world.settle(&channel, claims);
    assert_eq!(world.chain.refused(both), code(FarthingError::Overflow));
}

#[test]
fn data_that_is_no_whole_batch_is_refused() {
    let (mut world, channel, agents) = World::with_channel(DEPOSIT, 1);
    let claims = world.claims(&channel, &agents, 1);
    let mut settle = world.settle(&channel, claims);
    settle.data.pop();
    // Anchor's `InstructionDidNotDeserialize`.
    assert_eq!(world.chain.refused(settle), 102);
}

#[test]
fn the_payee_receives_what_was_charged_and_no_more() {
    let (mut world, channel, agents) = World::with_channel(DEPOSIT, 3);
    let claims = vec![
        world.claim(channel.domain, (0, &agents[0]), 100, 0),
        world.claim(channel.domain, (2, &agents[2]), 1_000, 400),
    ];
    let settle = world.settle(&channel, claims);
    world.chain.succeed(&[settle]);
    assert_eq!(world.payee_balance(), 700);
    assert_eq!(world.vault_balance(), PREPAID - 700);
    let (header, lanes) = world.channel_state(&channel.address);
    assert_eq!(header.debited.0, 700);
    assert_eq!(header.unpaid, BaseUnits::ZERO);
    let debited: Vec<u64> = lanes.iter().map(|lane| lane.debited.0).collect();
    assert_eq!(debited, [100, 0, 600]);
    assert_eq!(world.escrow_state().allocated, DEPOSIT - 700);

    // The payee may settle as well, and a later ceiling is cumulative.
    let later = world.claim(channel.domain, (0, &agents[0]), 150, 10);
    let payee = world.payee;
    let settle = self::settle(&world, &channel, vec![later], |accounts| {
        accounts.authority = payee;
    });
    world.chain.succeed(&[settle]);
    assert_eq!(world.payee_balance(), 740);
}

#[test]
fn a_stale_claim_strands_no_other() {
    let (mut world, channel, agents) = World::with_channel(DEPOSIT, 2);
    let claims = world.claims(&channel, &agents, 100);
    let again = world.settle(&channel, claims.clone());
    let settle = world.settle(&channel, claims.clone());
    world.chain.succeed(&[settle]);
    // The same batch twice is harmless.
    world.chain.succeed(&[again]);
    assert_eq!(world.payee_balance(), 200);

    let lower = world.claim(channel.domain, (0, &agents[0]), 50, 0);
    let higher = world.claim(channel.domain, (1, &agents[1]), 300, 0);
    let settle = world.settle(&channel, vec![lower, higher]);
    world.chain.succeed(&[settle]);
    let (_, lanes) = world.channel_state(&channel.address);
    assert_eq!((lanes[0].debited.0, lanes[1].debited.0), (100, 300));
    assert_eq!(world.payee_balance(), 400);
}

#[test]
fn settling_goes_on_while_the_channel_is_closing() {
    let (mut world, channel, agents) = World::with_channel(DEPOSIT, 1);
    let request = world.request_close(&channel);
    world.chain.succeed(&[request]);
    for (ceiling, seconds) in [(10, 0), (20, 900), (30, 1_000_000)] {
        world.chain.pass(seconds, seconds.unsigned_abs());
        let claims = world.claims(&channel, &agents, ceiling);
        let settle = world.settle(&channel, claims);
        world.chain.succeed(&[settle]);
        assert_eq!(world.payee_balance(), ceiling);
    }
}
