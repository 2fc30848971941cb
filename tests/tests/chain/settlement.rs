//! Tests of the instructions of a channel's payee and settler.

use farthing::accounts;
use farthing::instruction as data;
use farthing_chain::instructions::{
    CloseChannel, EarlierGeneration, Funds, Release, SetSettler, Settle, SettleStatement,
    StatementClaim, close_channel, pay_out, release, set_settler, settle, settle_statement,
};
use farthing_chain::{Claim, Token};
use farthing_protocol::{BaseUnits, Generation, LaneIndex};
use solana_sdk::signature::Signature;

use crate::{
    CHANNEL, ESCROW, MINT, PAYEE, PROGRAM, RENT_PAYER, SETTLER, TOKENS, account_of, assert_same,
};

const fn funds(token: Token) -> Funds {
    Funds {
        escrow: ESCROW,
        channel: CHANNEL,
        payee: PAYEE,
        token,
    }
}

fn funds_accounts(token: Token) -> accounts::Funds {
    accounts::Funds {
        escrow: ESCROW,
        channel: CHANNEL,
        mint: MINT,
        vault: account_of(&ESCROW, &token),
        payee_token: account_of(&PAYEE, &token),
        token_program: token.program,
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
    for (token, lanes) in TOKENS.into_iter().zip([&[0x0201_u16][..], &[1, 2, 300]]) {
        let input = Settle {
            authority: SETTLER,
            funds: funds(token),
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
            &data::Settle {
                args: farthing::SettleArgs {
                    claims: claims.collect(),
                },
            },
            &accounts::Settle {
                authority: SETTLER,
                funds: funds_accounts(token),
            },
        );
    }
}

#[test]
fn settle_statement_is_the_programs() {
    let some = [(1_u16, 0x0102_0304_0506_0708_u64), (0x0102, 3)];
    let rotated = [(1_u16, 0x0405_u16)];
    for (token, (entries, earlier)) in TOKENS
        .into_iter()
        .zip([(&some[..1], &[][..]), (&some, &rotated)])
    {
        let input = SettleStatement {
            authority: SETTLER,
            funds: funds(token),
            signature: Signature::from([9; 64]),
            entries: entries
                .iter()
                .map(|&(lane, debit_to)| StatementClaim {
                    lane: LaneIndex(lane),
                    debit_to: BaseUnits(debit_to),
                })
                .collect(),
            earlier: earlier
                .iter()
                .map(|&(lane, generation)| EarlierGeneration {
                    lane: LaneIndex(lane),
                    generation: Generation(generation),
                })
                .collect(),
        };
        let args = farthing::SettleStatementArgs {
            signature: [9; 64],
            entries: entries
                .iter()
                .map(|&(lane, debit_to)| farthing::StatementClaim { lane, debit_to })
                .collect(),
            earlier: earlier
                .iter()
                .map(|&(lane, generation)| farthing::EarlierGeneration { lane, generation })
                .collect(),
        };
        assert_same(
            &settle_statement(PROGRAM, &input),
            &data::SettleStatement { args },
            &accounts::SettleStatement {
                authority: SETTLER,
                funds: funds_accounts(token),
            },
        );
    }
}

#[test]
fn set_settler_is_the_programs() {
    let input = SetSettler {
        payee: PAYEE,
        escrow: ESCROW,
        channel: CHANNEL,
        settler: SETTLER,
    };
    assert_same(
        &set_settler(PROGRAM, &input),
        &data::SetSettler {
            args: farthing::SetSettlerArgs { settler: SETTLER },
        },
        &accounts::SetSettler {
            payee: PAYEE,
            escrow: ESCROW,
            channel: CHANNEL,
        },
    );
}

#[test]
fn release_is_the_programs() {
    let input = Release {
        payee: PAYEE,
        escrow: ESCROW,
        channel: CHANNEL,
        amount: BaseUnits(0x0102_0304_0506_0708),
    };
    assert_same(
        &release(PROGRAM, &input),
        &data::Release {
            args: farthing::ReleaseArgs {
                amount: input.amount.0,
            },
        },
        &accounts::Release {
            payee: PAYEE,
            escrow: ESCROW,
            channel: CHANNEL,
        },
    );
}

#[test]
fn pay_out_is_the_programs() {
    for token in TOKENS {
        assert_same(
            &pay_out(PROGRAM, &funds(token)),
            &data::PayOut {},
            &accounts::PayOut {
                funds: funds_accounts(token),
            },
        );
    }
}

#[test]
fn close_channel_is_the_programs() {
    for token in TOKENS {
        let input = CloseChannel {
            authority: PAYEE,
            funds: funds(token),
            rent_payer: RENT_PAYER,
        };
        assert_same(
            &close_channel(PROGRAM, &input),
            &data::CloseChannel {},
            &accounts::CloseChannel {
                authority: PAYEE,
                funds: funds_accounts(token),
                rent_payer: RENT_PAYER,
            },
        );
    }
}
