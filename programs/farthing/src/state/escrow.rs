//! The escrow: prepaid funds of one owner in one mint, and who may lock them for whom.

use anchor_lang::prelude::*;
use farthing_protocol::BaseUnits;
use farthing_protocol::layout::LAYOUT_VERSION;
use farthing_protocol::seeds::ESCROW_SEED;

use crate::error::FarthingError;
use crate::token::associated_token_address;

/// PDA `["escrow", owner, mint, escrow_id u64 LE]`. Amounts are base units of `mint`.
///
/// Everything before the two options has a fixed offset; space for both is reserved.
#[account]
#[derive(Debug, InitSpace)]
pub struct Escrow {
    /// Layout version.
    pub version: u8,
    /// Bump of this account's address.
    pub bump: u8,
    /// Bump of the vault's address.
    pub vault_bump: u8,
    /// The cold key.
    pub owner: Pubkey,
    /// The mint of the vault.
    pub mint: Pubkey,
    /// The mint's token program: the classic one, or Token-2022.
    pub token_program: Pubkey,
    /// Distinguishes escrows of one owner in one mint.
    pub escrow_id: u64,
    /// Who gets the rent back.
    pub rent_payer: Pubkey,
    /// What the manager may still put into channels.
    pub manager_allowance: u64,
    /// The sum of `deposit - debited + unpaid` over the open channels.
    pub allocated: u64,
    /// How many channels are open.
    pub open_channels: u32,
    /// Number of the next event.
    pub event_sequence: u64,
    /// The hot key that opens and funds channels.
    pub manager: Option<Pubkey>,
    /// The key that may sign statements.
    pub countersigner: Option<Pubkey>,
}

/// In which role a key acts on an escrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// The cold key, bound by free funds only.
    Owner,
    /// The hot key, bound by approvals and its allowance.
    Manager,
}

/// What names an escrow; see [`Escrow::new`].
#[derive(Debug, Clone, Copy)]
pub struct EscrowIdentity {
    /// The cold key.
    pub owner: Pubkey,
    /// The mint.
    pub mint: Pubkey,
    /// The mint's token program.
    pub token_program: Pubkey,
    /// Distinguishes escrows of one owner in one mint.
    pub escrow_id: u64,
}

impl Escrow {
    /// Length of the account in bytes.
    pub const LENGTH: usize = 8 + Self::INIT_SPACE;

    /// A new escrow without manager, countersigner or channels.
    #[must_use]
    pub fn new(identity: EscrowIdentity, rent_payer: Pubkey, bump: u8, vault_bump: u8) -> Self {
        Self {
            version: LAYOUT_VERSION,
            bump,
            vault_bump,
            owner: identity.owner,
            mint: identity.mint,
            token_program: identity.token_program,
            escrow_id: identity.escrow_id,
            rent_payer,
            manager_allowance: 0,
            allocated: 0,
            open_channels: 0,
            event_sequence: 0,
            manager: None,
            countersigner: None,
        }
    }

    /// The vault: the associated token account of the escrow's address.
    ///
    /// # Errors
    /// [`FarthingError::AddressNotDerivable`] if the stored bump is wrong, which the program never writes.
    pub fn vault_address(&self, escrow: &Pubkey) -> Result<Pubkey> {
        associated_token_address(escrow, &self.token_program, &self.mint, self.vault_bump)
    }

    /// Runs `use_seeds` with the seeds that sign for the escrow's address.
    ///
    /// # Errors
    /// Whatever `use_seeds` returns.
    pub fn with_signer_seeds(
        &self,
        use_seeds: impl FnOnce(&[&[&[u8]]]) -> Result<()>,
    ) -> Result<()> {
        use_seeds(&[&[
            ESCROW_SEED,
            self.owner.as_ref(),
            self.mint.as_ref(),
            &self.escrow_id.to_le_bytes(),
            &[self.bump],
        ]])
    }

    /// The role of `signer`. A key that is both owner and manager acts as the owner.
    ///
    /// # Errors
    /// [`FarthingError::OwnerOrManagerOnly`].
    pub fn authority(&self, signer: &Pubkey) -> Result<Authority> {
        if *signer == self.owner {
            Ok(Authority::Owner)
        } else if self.manager == Some(*signer) {
            Ok(Authority::Manager)
        } else {
            Err(FarthingError::OwnerOrManagerOnly.into())
        }
    }

    /// Requires that `signer` may act on channels and lanes, in either role.
    ///
    /// # Errors
    /// [`FarthingError::OwnerOrManagerOnly`].
    pub fn require_authority(&self, signer: &Pubkey) -> Result<()> {
        self.authority(signer).map(|_| ())
    }

    /// Requires that neither of a channel's earning keys may sign statements: whoever earns must not be the
    /// one who confirms what is owed.
    ///
    /// # Errors
    /// [`FarthingError::CountersignerEarns`].
    pub fn require_countersigner_is_neither(&self, payee: &Pubkey, settler: &Pubkey) -> Result<()> {
        require!(
            self.countersigner
                .is_none_or(|countersigner| countersigner != *payee && countersigner != *settler),
            FarthingError::CountersignerEarns
        );
        Ok(())
    }

    /// What the vault holds beyond what is locked in channels.
    ///
    /// # Errors
    /// [`FarthingError::VaultBelowAllocated`].
    pub fn free(&self, vault: BaseUnits) -> Result<BaseUnits> {
        vault
            .checked_sub(BaseUnits(self.allocated))
            .ok_or_else(|| FarthingError::VaultBelowAllocated.into())
    }

    /// Locks free funds for a channel. The manager's allowance falls by as much, for good: closing the
    /// channel does not restore it.
    ///
    /// # Errors
    /// [`FarthingError::InsufficientFreeFunds`], [`FarthingError::AllowanceExceeded`].
    pub fn lock(
        &mut self,
        authority: Authority,
        amount: BaseUnits,
        vault: BaseUnits,
    ) -> Result<()> {
        require!(
            amount <= self.free(vault)?,
            FarthingError::InsufficientFreeFunds
        );
        if authority == Authority::Manager {
            self.manager_allowance = BaseUnits(self.manager_allowance)
                .checked_sub(amount)
                .ok_or(FarthingError::AllowanceExceeded)?
                .0;
        }
        self.allocated = BaseUnits(self.allocated)
            .checked_add(amount)
            .ok_or(FarthingError::Overflow)?
            .0;
        Ok(())
    }

    /// Takes out of `allocated` what was paid out, or is free again.
    ///
    /// # Errors
    /// [`FarthingError::Overflow`] if a channel had more than all channels together.
    pub fn unlock(&mut self, amount: BaseUnits) -> Result<()> {
        self.allocated = BaseUnits(self.allocated)
            .checked_sub(amount)
            .ok_or(FarthingError::Overflow)?
            .0;
        Ok(())
    }

    /// Counts a channel that was opened.
    ///
    /// # Errors
    /// [`FarthingError::Overflow`].
    pub fn channel_opened(&mut self) -> Result<()> {
        self.open_channels = self
            .open_channels
            .checked_add(1)
            .ok_or(FarthingError::Overflow)?;
        Ok(())
    }

    /// Counts a channel that was closed.
    ///
    /// # Errors
    /// [`FarthingError::Overflow`] if there was none.
    pub fn channel_closed(&mut self) -> Result<()> {
        self.open_channels = self
            .open_channels
            .checked_sub(1)
            .ok_or(FarthingError::Overflow)?;
        Ok(())
    }

    /// The number of the next event, which is taken by that.
    ///
    /// # Errors
    /// [`FarthingError::Overflow`], after more events than slots can bring.
    pub fn next_event(&mut self) -> Result<u64> {
        let sequence = self.event_sequence;
        self.event_sequence = sequence.checked_add(1).ok_or(FarthingError::Overflow)?;
        Ok(sequence)
    }

    /// What holds after every instruction that moves money: what is locked is there.
    ///
    /// # Errors
    /// [`FarthingError::VaultBelowAllocated`].
    pub fn invariant(&self, vault: BaseUnits) -> Result<()> {
        self.free(vault).map(|_| ())
    }
}
