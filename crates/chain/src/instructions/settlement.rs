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

/// A channel with the accounts of its payments, from the escrow's vault to the payee. Every instruction that may pay
/// needs them.
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
    /// The accounts of the program's struct of the same name, in its order.
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

/// A voucher to settle, and the part of its ceiling that is not debited.
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

/// Inputs of [`settle`].
#[derive(Debug, Clone)]
pub struct Settle {
    /// The settler or the payee; signs.
    pub authority: Pubkey,
    /// The channel and the accounts of its payments.
    pub funds: Funds,
    /// The claims, with strictly ascending lanes.
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

/// A lane's total in a statement. The entry is of the lane's current generation, unless [`SettleStatement::earlier`]
/// names an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementClaim {
    /// The lane.
    pub lane: LaneIndex,
    /// The lane's cumulative debit.
    pub debit_to: BaseUnits,
}

/// The generation of a lane that was rotated after the statement was signed. The lane's entry debits nothing, but is
/// still part of the signed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EarlierGeneration {
    /// The lane.
    pub lane: LaneIndex,
    /// The generation that was signed.
    pub generation: Generation,
}

/// Inputs of [`settle_statement`].
#[derive(Debug, Clone)]
pub struct SettleStatement {
    /// The settler or the payee; signs.
    pub authority: Pubkey,
    /// The channel and the accounts of its payments.
    pub funds: Funds,
    /// The signature of the escrow's countersigner over the statement of these entries and their generations.
    pub signature: Signature,
    /// The entries, at least one, with strictly ascending lanes.
    pub entries: Vec<StatementClaim>,
    /// The generations of entries whose lane was rotated after signing, with strictly ascending lanes; usually none.
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

/// Inputs of [`set_settler`].
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

/// Replaces the channel's settler, with immediate effect.
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

/// Inputs of [`release`].
#[derive(Debug, Clone, Copy)]
pub struct Release {
    /// The channel's payee; signs.
    pub payee: Pubkey,
    /// The channel's escrow.
    pub escrow: Pubkey,
    /// The channel.
    pub channel: Pubkey,
    /// The amount to release, at most the part of the deposit that is not debited on the chain. That part includes
    /// unsettled charges: releasing them gives them away.
    pub amount: BaseUnits,
}

/// Gives unspent deposit back to the escrow without closing the channel.
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

/// Inputs of [`close_channel`].
#[derive(Debug, Clone, Copy)]
pub struct CloseChannel {
    /// The payee at any time, anyone after the grace; signs.
    pub authority: Pubkey,
    /// The channel and the accounts of its payments.
    pub funds: Funds,
    /// Who gets the rent back; must be the recorded one.
    pub rent_payer: Pubkey,
}

/// Closes a channel: the part of its deposit that is not owed to the payee returns to the escrow.
#[must_use]
pub fn close_channel(program: &Pubkey, input: &CloseChannel) -> Instruction {
    let mut accounts = input.funds.accounts_after(&input.authority);
    accounts.push(writable(&input.rent_payer));
    instruction(program, CLOSE_CHANNEL, &(), accounts)
}
