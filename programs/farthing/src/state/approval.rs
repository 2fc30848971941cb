//! The approval: the owner's leave for the manager to put money into channels to one payee.

use anchor_lang::prelude::*;

use crate::error::FarthingError;

/// PDA `["payee", escrow, payee]`, made and closed by the owner.
#[account]
#[derive(Debug, InitSpace)]
pub struct Approval {
    /// Layout version.
    pub version: u8,
    /// Bump of this account's address.
    pub bump: u8,
    /// The escrow whose money may be used.
    pub escrow: Pubkey,
    /// The payee that it may be locked for.
    pub payee: Pubkey,
    /// The longest grace, in seconds, that the manager may accept: it bounds for how long money that the
    /// manager locked stays locked.
    pub max_grace_seconds: u32,
    /// Who gets the rent back.
    pub rent_payer: Pubkey,
}

impl Approval {
    /// Length of the account in bytes.
    pub const LENGTH: usize = 8 + Self::INIT_SPACE;

    /// Requires an approval of `payee` by the owner of `escrow` that allows `grace_seconds`.
    ///
    /// Only the program makes approvals, at the address of the pair that they name, so comparing the pair
    /// is as good as deriving the address.
    ///
    /// # Errors
    /// [`FarthingError::PayeeNotApproved`], [`FarthingError::GraceAboveApproval`].
    pub fn require(
        approval: Option<&Account<'_, Self>>,
        escrow: &Pubkey,
        payee: &Pubkey,
        grace_seconds: u32,
    ) -> Result<()> {
        let fits = approval.filter(|found| found.escrow == *escrow && found.payee == *payee);
        let Some(approval) = fits else {
            return Err(FarthingError::PayeeNotApproved.into());
        };
        require!(
            grace_seconds <= approval.max_grace_seconds,
            FarthingError::GraceAboveApproval
        );
        Ok(())
    }
}
