//! Instructions of a channel's payee and settler.

use borsh::{BorshDeserialize, BorshSerialize};
use farthing_protocol::instruction::{
    CLOSE_CHANNEL, PAY_OUT, RELEASE, SET_SETTLER, SETTLE, SETTLE_STATEMENT,
};
use farthing_protocol::{BaseUnits, Generation, LaneIndex};
use solana_sdk::instruction::{AccountMeta, Instruction};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

use super::{instruction, readonly, signer, writable};
use crate::token::{Token, associated_token_address};

/// A channel with the way of its money, from the escrow's vault to the payee: what every instruction needs
/// that may pay.
#[derive(Debug, Clone, Copy)]
pub struct Funds {
    /// The channel's escrow.
    pub escrow: Pubkey,
    /// The channel.
    pub channel: Pubkey,
    /// The channel's payee.
    pub payee: Pubkey,
    /// The escrow's mint.
    pub token: Token,
}

impl Funds {
    /// The program's accounts of the same name.
    fn accounts(&self) -> [AccountMeta; 6] {
        [
            writable(&self.escrow),
            writable(&self.channel),
            readonly(&self.token.mint),
            writable(&associated_token_address(&self.escrow, &self.token)),
            writable(&associated_token_address(&self.payee, &self.token)),
            readonly(&self.token.program),
        ]
    }

    fn accounts_after(&self, authority: &Pubkey) -> Vec<AccountMeta> {
        let mut accounts = vec![signer(authority)];
        accounts.extend(self.accounts());
        accounts
    }
}

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

#[derive(BorshSerialize, BorshDeserialize)]
pub(crate) struct ClaimArguments {
    pub(crate) lane: u16,
    pub(crate) authorized: u64,
    pub(crate) undebited: u32,
    pub(crate) signature: [u8; 64],
}

/// What `settle` needs.
#[derive(Debug, Clone)]
pub struct Settle {
    /// The settler or the payee; signs.
    pub authority: Pubkey,
    /// The channel and the way of its money.
    pub funds: Funds,
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
    let accounts = input.funds.accounts_after(&input.authority);
    instruction(program, SETTLE, &claims, accounts)
}

/// A lane's total in a statement. Its generation is the lane's present one, unless
/// [`SettleStatement::earlier`] names another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementClaim {
    /// The lane.
    pub lane: LaneIndex,
    /// Its cumulative debit.
    pub debit_to: BaseUnits,
}

/// A lane that was rotated after the statement was signed: its entry debits nothing and is still part of
/// what was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EarlierGeneration {
    /// The lane.
    pub lane: LaneIndex,
    /// The generation that was signed.
    pub generation: Generation,
}

/// What `settle_statement` needs.
#[derive(Debug, Clone)]
pub struct SettleStatement {
    /// The settler or the payee; signs.
    pub authority: Pubkey,
    /// The channel and the way of its money.
    pub funds: Funds,
    /// The escrow's countersigner's, over the statement of these entries and their generations.
    pub signature: Signature,
    /// At least one, with strictly ascending lanes.
    pub entries: Vec<StatementClaim>,
    /// Of entries whose lane was rotated since; usually none. Lanes strictly ascending.
    pub earlier: Vec<EarlierGeneration>,
}

#[derive(BorshSerialize, BorshDeserialize)]
pub(crate) struct SettleStatementArguments {
    signature: [u8; 64],
    pub(crate) entries: Vec<(u16, u64)>,
    pub(crate) earlier: Vec<(u16, u16)>,
}

/// Debits many lanes by one signature of the countersigner and pays the payee once.
#[must_use]
pub fn settle_statement(program: &Pubkey, input: &SettleStatement) -> Instruction {
    let entries = input.entries.iter();
    let earlier = input.earlier.iter();
    instruction(
        program,
        SETTLE_STATEMENT,
        &SettleStatementArguments {
            signature: input.signature.into(),
            entries: entries
                .map(|entry| (entry.lane.0, entry.debit_to.0))
                .collect(),
            earlier: earlier
                .map(|earlier| (earlier.lane.0, earlier.generation.0))
                .collect(),
        },
        input.funds.accounts_after(&input.authority),
    )
}

/// What `set_settler` needs.
#[derive(Debug, Clone, Copy)]
pub struct SetSettler {
    /// The channel's payee; signs.
    pub payee: Pubkey,
    /// The channel's escrow.
    pub escrow: Pubkey,
    /// The channel.
    pub channel: Pubkey,
    /// The new settler, who may not be the escrow's countersigner.
    pub settler: Pubkey,
}

/// Names another settler, at once.
#[must_use]
pub fn set_settler(program: &Pubkey, input: &SetSettler) -> Instruction {
    instruction(
        program,
        SET_SETTLER,
        &input.settler.to_bytes(),
        vec![
            signer(&input.payee),
            writable(&input.escrow),
            writable(&input.channel),
        ],
    )
}

/// What `release` needs.
#[derive(Debug, Clone, Copy)]
pub struct Release {
    /// The channel's payee; signs.
    pub payee: Pubkey,
    /// The channel's escrow.
    pub escrow: Pubkey,
    /// The channel.
    pub channel: Pubkey,
    /// At most what of the deposit is not debited on the chain. What was charged and is not settled yet is
    /// in it: releasing that gives it away.
    pub amount: BaseUnits,
}

/// Gives unspent deposit back to the escrow without closing.
#[must_use]
pub fn release(program: &Pubkey, input: &Release) -> Instruction {
    instruction(
        program,
        RELEASE,
        &input.amount.0,
        vec![
            signer(&input.payee),
            writable(&input.escrow),
            writable(&input.channel),
        ],
    )
}

/// Pays what is unpaid once the payee's token account works again. Needs no signature but the fee payer's.
#[must_use]
pub fn pay_out(program: &Pubkey, funds: &Funds) -> Instruction {
    instruction(program, PAY_OUT, &(), funds.accounts().to_vec())
}

/// What `close_channel` needs.
#[derive(Debug, Clone, Copy)]
pub struct CloseChannel {
    /// The payee at any time, anyone after the grace; signs.
    pub authority: Pubkey,
    /// The channel and the way of its money.
    pub funds: Funds,
    /// Who gets the rent back; must be the recorded one.
    pub rent_payer: Pubkey,
}

/// Closes a channel: what is not owed returns to the escrow.
#[must_use]
pub fn close_channel(program: &Pubkey, input: &CloseChannel) -> Instruction {
    let mut accounts = input.funds.accounts_after(&input.authority);
    accounts.push(writable(&input.rent_payer));
    instruction(program, CLOSE_CHANNEL, &(), accounts)
}
