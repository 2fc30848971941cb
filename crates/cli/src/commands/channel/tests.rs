//! Tests of what the channel commands refuse before they send a transaction, and of their messages.

use farthing_chain::token::TOKEN_PROGRAM;
use farthing_protocol::Domain;
use farthing_protocol::layout::{ChannelHeader, NEVER};

use farthing_chain::{Channel, Escrow};
use farthing_protocol::BaseUnits;
use farthing_protocol::deadline::ChainTime;
use solana_sdk::pubkey::Pubkey;

use super::authority::require_free;
use super::run::require_closable;

fn key(byte: u8) -> Pubkey {
    Pubkey::new_from_array([byte; 32])
}

fn escrow(allocated: u64) -> Escrow {
    Escrow {
        bump: 0,
        vault_bump: 0,
        owner: key(1),
        mint: key(2),
        token_program: TOKEN_PROGRAM,
        escrow_id: 0,
        rent_payer: key(1),
        manager_allowance: BaseUnits::ZERO,
        allocated: BaseUnits(allocated),
        open_channels: 0,
        event_sequence: 0,
        manager: None,
        countersigner: None,
    }
}

fn channel(close_requested: ChainTime) -> Channel {
    Channel {
        header: ChannelHeader {
            bump: 0,
            payee_token_bump: 0,
            grace_seconds: 900,
            channel_id: 0,
            escrow: [0; 32],
            payee: [3; 32],
            settler: [4; 32],
            rent_payer: [1; 32],
            deposit: BaseUnits(10),
            debited: BaseUnits(4),
            unpaid: BaseUnits::ZERO,
            close_requested,
            opened_slot: 1_000,
            domain: Domain([0; 32]),
        },
        lanes: Vec::new(),
    }
}

#[test]
fn missing_funds_are_named_with_the_vault_to_send_to() {
    let (address, escrow) = (key(9), escrow(50_000));
    let balance = BaseUnits(150_000);
    assert!(require_free(&address, &escrow, balance, BaseUnits(100_000)).is_ok());
    let error = require_free(&address, &escrow, balance, BaseUnits(250_000))
        .expect_err("more than is free");
    let expected = format!(
        "the escrow has 0.10 USDC free, the channel needs 0.25: send 0.15 USDC to vault {}",
        escrow.vault(&address)
    );
    assert_eq!(error.to_string(), expected);
}

#[test]
fn closing_waits_for_the_window_and_for_the_grace() {
    let never = ChainTime {
        unix_timestamp: NEVER,
        slot: 0,
    };
    let at = |unix_timestamp, slot| ChainTime {
        unix_timestamp,
        slot,
    };
    let (payee, stranger) = (key(3), key(5));
    let refused = |channel: &Channel, actor: &Pubkey, now| {
        require_closable(&key(9), channel, actor, now)
            .expect_err("not yet")
            .to_string()
    };
    let open = channel(never);
    assert!(refused(&open, &payee, at(0, 1_150)).contains("opened too recently"));
    assert!(require_closable(&key(9), &open, &payee, at(0, 1_151)).is_ok());
    assert!(refused(&open, &stranger, at(0, 1_151)).contains("only the payee"));

    let closing = channel(at(5_000, 2_000));
    assert!(require_closable(&key(9), &closing, &payee, at(5_000, 2_000)).is_ok());
    let early = refused(&closing, &stranger, at(5_899, 2_400));
    assert!(early.contains("1 seconds and 500 slots"), "{early}");
    // After an outage, the clock has advanced but the slots have not.
    let outage = refused(&closing, &stranger, at(99_999, 2_899));
    assert!(outage.contains("0 seconds and 1 slots"), "{outage}");
    assert!(require_closable(&key(9), &closing, &stranger, at(5_900, 2_900)).is_ok());
}
