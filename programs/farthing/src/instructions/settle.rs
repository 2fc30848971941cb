//! `settle`: debits lanes by their vouchers and pays the payee once.
//!
//! Works until the channel is closed, during grace as well.

use anchor_lang::prelude::*;
use farthing_protocol::deadline::ChainTime;
use farthing_protocol::debit::claimed_debit;
use farthing_protocol::limits::MAX_CLAIMS;
use farthing_protocol::{BaseUnits, LaneIndex, Voucher};

// With the modules that the macros generate beside it.
use super::funds::*;
use crate::clock;
use crate::error::FarthingError;
use crate::signature::is_signed;
use crate::state::ChannelMut;
use crate::state::channel::Debit;

/// A voucher and what was really charged: `authorized - undebited`.
///
/// The voucher's other fields are the channel's domain and the lane's generation, so that a voucher of
/// another channel, incarnation or generation is not signed by the lane's key.
#[derive(Debug, Clone, AnchorSerialize, AnchorDeserialize)]
pub struct Claim {
    /// The lane.
    pub lane: u16,
    /// The voucher's ceiling, in base units.
    pub authorized: u64,
    /// How much of it is not debited, in base units.
    pub undebited: u32,
    /// The voucher's signature.
    pub signature: [u8; 64],
}

/// Arguments of `settle`.
#[derive(Debug, Clone, AnchorSerialize, AnchorDeserialize)]
pub struct SettleArgs {
    /// At least one, lanes strictly ascending.
    pub claims: Vec<Claim>,
}

/// Accounts of `settle`.
#[derive(Accounts)]
pub struct Settle<'info> {
    /// The channel's settler or payee. Decides only what is claimed; what is paid goes to the payee.
    pub authority: Signer<'info>,
    /// The channel whose lanes are debited.
    pub funds: Funds<'info>,
}

impl Settle<'_> {
    /// Requires the authority's rights, and claims of strictly ascending lanes.
    ///
    /// # Errors
    /// One for each rule.
    pub fn validate(&self, args: &SettleArgs) -> Result<()> {
        self.funds
            .channel
            .load()?
            .require_settler_or_payee(self.authority.key)?;
        require!(!args.claims.is_empty(), FarthingError::NoClaims);
        require!(
            args.claims.len() <= MAX_CLAIMS,
            FarthingError::TooManyClaims
        );
        require!(
            args.claims.is_sorted_by(|one, next| one.lane < next.lane),
            FarthingError::LanesNotAscending
        );
        Ok(())
    }

    /// Checks every claim, then debits, then pays what is owed, earlier debts included.
    ///
    /// # Errors
    /// One for each rule that a claim can break; the token program's.
    pub fn handler(ctx: Context<Self>, args: &SettleArgs) -> Result<()> {
        let funds = &mut ctx.accounts.funds;
        let now = clock::now()?;
        let lanes = {
            let mut data = funds.channel.as_ref().try_borrow_mut_data()?;
            let mut channel = ChannelMut::from_data(&mut data)?;
            let debits = args
                .claims
                .iter()
                .map(|claim| claim.debit(&channel, now))
                .collect::<Result<Vec<_>>>()?;
            channel.debit(&debits)?
        };
        funds.pay_settled(lanes, now)
    }
}

impl Claim {
    /// Verifies the voucher and computes what it is good for; nothing if the claim is stale.
    fn debit(&self, channel: &ChannelMut<'_>, now: ChainTime) -> Result<Debit> {
        let index = LaneIndex(self.lane);
        let authorized = BaseUnits(self.authorized);
        let lane = channel.lane(index)?;
        let debit_to = claimed_debit(authorized, self.undebited)
            .map_err(|_| FarthingError::UndebitedAboveAuthorized)?;
        let voucher = Voucher {
            domain: channel.header.domain(),
            lane: index,
            generation: lane.generation(),
            authorized,
        };
        // Stale claims are checked as well: a batch with a bad signature is never accepted.
        require!(
            is_signed(&voucher.to_bytes(), &lane.signer, &self.signature),
            FarthingError::VoucherNotSigned
        );
        Ok(Debit {
            lane: index,
            owed: lane.owed(debit_to, channel.header.grace_seconds, now)?,
        })
    }
}
