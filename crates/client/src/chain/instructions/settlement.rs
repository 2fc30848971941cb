//! Instructions of a channel's payee and settler.

use borsh::BorshSerialize;
use farthing_protocol::instruction::{CLOSE_CHANNEL, SETTLE};
use farthing_protocol::{BaseUnits, LaneIndex};
use solana_sdk::instruction::Instruction;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

use super::{instruction, readonly, signer, writable};
use crate::chain::addresses::{TOKEN_PROGRAM, associated_token_address};

/// A voucher and what of its ceiling is not debited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The lane.
    pub lane: LaneIndex,
    /// The voucher's ceiling.
    pub authorized: BaseUnits,
    /// The ceiling minus the lane's new counter.
    pub undebited: u32,
    /// The lane key's signature over the voucher.
    pub signature: Signature,
}

#[derive(BorshSerialize)]
struct ClaimArguments {
    lane: u16,
    authorized: u64,
    undebited: u32,
    signature: [u8; 64],
}

/// What `settle` needs.
#[derive(Debug, Clone)]
pub struct Settle {
    /// The settler or the payee; signs.
    pub authority: Pubkey,
    /// The channel's escrow.
    pub escrow: Pubkey,
    /// The channel.
    pub channel: Pubkey,
    /// The channel's payee.
    pub payee: Pubkey,
    /// The escrow's mint.
    pub mint: Pubkey,
    /// With strictly ascending lanes.
    pub claims: Vec<Claim>,
}

/// Debits lanes by their vouchers and pays the payee once.
#[must_use]
pub fn settle(program: &Pubkey, input: &Settle) -> Instruction {
    let claims: Vec<_> = input
        .claims
        .iter()
        .map(|claim| ClaimArguments {
            lane: claim.lane.0,
            authorized: claim.authorized.0,
            undebited: claim.undebited,
            signature: claim.signature.into(),
        })
        .collect();
    instruction(
        program,
        SETTLE,
        &claims,
        vec![
            signer(&input.authority),
            writable(&input.escrow),
            writable(&input.channel),
            readonly(&input.mint),
            writable(&associated_token_address(&input.escrow, &input.mint)),
            writable(&associated_token_address(&input.payee, &input.mint)),
            readonly(&TOKEN_PROGRAM),
        ],
    )
}

/// What `close_channel` needs.
#[derive(Debug, Clone, Copy)]
pub struct CloseChannel {
    /// The payee at any time, anyone after the grace; signs.
    pub authority: Pubkey,
    /// The channel's escrow.
    pub escrow: Pubkey,
    /// The channel.
    pub channel: Pubkey,
    /// The channel's payee.
    pub payee: Pubkey,
    /// The escrow's mint.
    pub mint: Pubkey,
    /// Who gets the rent back; must be the recorded one.
    pub rent_payer: Pubkey,
}

/// Closes a channel: what is not owed returns to the escrow.
#[must_use]
pub fn close_channel(program: &Pubkey, input: &CloseChannel) -> Instruction {
    instruction(
        program,
        CLOSE_CHANNEL,
        &(),
        vec![
            signer(&input.authority),
            writable(&input.escrow),
            writable(&input.channel),
            readonly(&input.mint),
            writable(&associated_token_address(&input.escrow, &input.mint)),
            writable(&associated_token_address(&input.payee, &input.mint)),
            writable(&input.rent_payer),
            readonly(&TOKEN_PROGRAM),
        ],
    )
}
