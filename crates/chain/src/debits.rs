//! Reads from executed instructions what they debited from a channel's lanes, and the vouchers that they published on
//! the chain. Pure.

use borsh::BorshDeserialize;
use farthing_protocol::debit::claimed_debit;
use farthing_protocol::instruction::{SETTLE, SETTLE_STATEMENT};
use farthing_protocol::{BaseUnits, LaneIndex};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

use super::instructions::settlement::{ClaimArguments, SettleStatementArguments};

/// Index of the channel among the accounts of `settle` and `settle_statement`: after the authority and the escrow.
const CHANNEL_ACCOUNT: usize = 2;

/// The debit of one lane by an instruction that settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Debit {
    /// The lane.
    pub lane: LaneIndex,
    /// The lane's counter after the instruction, unless it was higher already.
    pub debit_to: BaseUnits,
    /// The voucher that authorized the debit; `None` if a statement did.
    pub voucher: Option<PublishedVoucher>,
}

/// A voucher that was published on the chain when it was settled. Its generation is not published with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishedVoucher {
    /// The voucher's ceiling.
    pub authorized: BaseUnits,
    /// The lane key's signature over the voucher.
    pub signature: Signature,
}

/// An instruction of a transaction that succeeded, with its accounts resolved to addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutedInstruction {
    /// The program that executed it.
    pub program: Pubkey,
    /// Addresses of the accounts.
    pub accounts: Vec<Pubkey>,
    /// The instruction's data.
    pub data: Vec<u8>,
}

/// The debits of a channel's lanes by an instruction; empty if the instruction did not settle this channel.
#[must_use]
pub fn debits_of(
    program: &Pubkey,
    channel: &Pubkey,
    instruction: &ExecutedInstruction,
) -> Vec<Debit> {
    if instruction.program != *program || instruction.accounts.get(CHANNEL_ACCOUNT) != Some(channel)
    {
        return Vec::new();
    }
    match instruction.data.split_first() {
        Some((&SETTLE, arguments)) => claims(arguments),
        Some((&SETTLE_STATEMENT, arguments)) => entries(arguments),
        _ => Vec::new(),
    }
}

fn claims(arguments: &[u8]) -> Vec<Debit> {
    // The program executed it, so it was well formed.
    let claims = Vec::<ClaimArguments>::try_from_slice(arguments).unwrap_or_default();
    let debits = claims.into_iter().filter_map(|claim| {
        let authorized = BaseUnits(claim.authorized);
        Some(Debit {
            lane: LaneIndex(claim.lane),
            debit_to: claimed_debit(authorized, claim.undebited).ok()?,
            voucher: Some(PublishedVoucher {
                authorized,
                signature: Signature::from(claim.signature),
            }),
        })
    });
    debits.collect()
}

fn entries(arguments: &[u8]) -> Vec<Debit> {
    let Ok(statement) = SettleStatementArguments::try_from_slice(arguments) else {
        return Vec::new();
    };
    let earlier = statement.earlier;
    let entries = statement.entries.into_iter();
    entries
        // An entry that was signed for an earlier generation debits nothing.
        .filter(|(lane, _)| earlier.iter().all(|(rotated, _)| rotated != lane))
        .map(|(lane, debit_to)| Debit {
            lane: LaneIndex(lane),
            debit_to: BaseUnits(debit_to),
            voucher: None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use farthing_protocol::Generation;

    use super::*;
    use crate::instructions::{
        Claim, EarlierGeneration, Funds, Settle, SettleStatement, StatementClaim, settle,
        settle_statement,
    };
    use crate::{PROGRAM_ID, Token, USDC_MINT_DEVNET};

    const CHANNEL: Pubkey = Pubkey::new_from_array([5; 32]);

    fn funds() -> Funds {
        Funds {
            escrow: Pubkey::new_from_array([4; 32]),
            channel: CHANNEL,
            payee: Pubkey::new_from_array([6; 32]),
            token: Token::classic(USDC_MINT_DEVNET),
        }
    }

    fn executed(instruction: &solana_sdk::instruction::Instruction) -> ExecutedInstruction {
        ExecutedInstruction {
            program: instruction.program_id,
            accounts: instruction
                .accounts
                .iter()
                .map(|meta| meta.pubkey)
                .collect(),
            data: instruction.data.clone(),
        }
    }

    fn claims_instruction() -> ExecutedInstruction {
        let claim = |lane: u16| Claim {
            lane: LaneIndex(lane),
            authorized: BaseUnits(100),
            undebited: 40,
            signature: Signature::from([7; 64]),
        };
        executed(&settle(
            &PROGRAM_ID,
            &Settle {
                authority: Pubkey::new_from_array([3; 32]),
                funds: funds(),
                claims: vec![claim(1), claim(9)],
            },
        ))
    }

    #[test]
    fn reads_claims_with_their_vouchers() {
        let debits = debits_of(&PROGRAM_ID, &CHANNEL, &claims_instruction());
        let expected = [1, 9].map(|lane| Debit {
            lane: LaneIndex(lane),
            debit_to: BaseUnits(60),
            voucher: Some(PublishedVoucher {
                authorized: BaseUnits(100),
                signature: Signature::from([7; 64]),
            }),
        });
        assert_eq!(debits, expected);
    }

    #[test]
    fn reads_statements_without_what_was_signed_for_rotated_lanes() {
        let entry = |lane: u16| StatementClaim {
            lane: LaneIndex(lane),
            debit_to: BaseUnits(70),
        };
        let instruction = executed(&settle_statement(
            &PROGRAM_ID,
            &SettleStatement {
                authority: Pubkey::new_from_array([3; 32]),
                funds: funds(),
                signature: Signature::from([8; 64]),
                entries: vec![entry(0), entry(2)],
                earlier: vec![EarlierGeneration {
                    lane: LaneIndex(0),
                    generation: Generation(1),
                }],
            },
        ));
        let expected = Debit {
            lane: LaneIndex(2),
            debit_to: BaseUnits(70),
            voucher: None,
        };
        assert_eq!(debits_of(&PROGRAM_ID, &CHANNEL, &instruction), [expected]);
    }

    #[test]
    fn other_channels_programs_and_instructions_debit_nothing() {
        let instruction = claims_instruction();
        let other = Pubkey::new_from_array([9; 32]);
        assert_eq!(debits_of(&PROGRAM_ID, &other, &instruction), []);
        assert_eq!(debits_of(&other, &CHANNEL, &instruction), []);
        for data in [vec![], vec![17, 0], vec![SETTLE], vec![SETTLE_STATEMENT, 1]] {
            let changed = ExecutedInstruction {
                data,
                ..instruction.clone()
            };
            assert_eq!(debits_of(&PROGRAM_ID, &CHANNEL, &changed), []);
        }
    }
}
