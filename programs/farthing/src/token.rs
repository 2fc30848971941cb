//! Token movements: the vault pays, the payee receives or cannot, and what left is what was meant to.

use anchor_lang::context::CpiContext;
use anchor_lang::prelude::{
    Account, AccountDeserialize, AccountInfo, Key, Program, Pubkey, Result, ToAccountInfo,
    UncheckedAccount, require,
};
use anchor_spl::associated_token;
use anchor_spl::token::{self, Mint, Token, TokenAccount, TransferChecked, transfer_checked};
use farthing_protocol::BaseUnits;

use crate::error::FarthingError;
use crate::state::Escrow;

/// The associated token account of `wallet`, whose bump is known. One derivation costs less than the
/// search for the bump, and for a given bump there is only one such address.
///
/// # Errors
/// [`FarthingError::AddressNotDerivable`] if `bump` leads to a point on the curve.
pub fn associated_token_address(wallet: &Pubkey, mint: &Pubkey, bump: u8) -> Result<Pubkey> {
    Pubkey::create_program_address(
        &[wallet.as_ref(), token::ID.as_ref(), mint.as_ref(), &[bump]],
        &associated_token::ID,
    )
    .map_err(|_| FarthingError::AddressNotDerivable.into())
}

/// The bump of the associated token account of `wallet`.
#[must_use]
pub fn associated_token_bump(wallet: &Pubkey, mint: &Pubkey) -> u8 {
    let seeds = [wallet.as_ref(), token::ID.as_ref(), mint.as_ref()];
    Pubkey::find_program_address(&seeds, &associated_token::ID).1
}

/// A vault with what it takes to pay from it.
pub struct Vault<'a, 'info> {
    /// The escrow that the vault belongs to.
    pub escrow: &'a Account<'info, Escrow>,
    /// Its mint.
    pub mint: &'a Account<'info, Mint>,
    /// The token account.
    pub account: &'a mut Account<'info, TokenAccount>,
    /// The token program.
    pub token_program: &'a Program<'info, Token>,
}

impl<'info> Vault<'_, 'info> {
    /// Pays `amount` to `destination` and asserts that exactly this left the vault.
    ///
    /// # Errors
    /// The token program's, or [`FarthingError::VaultNotConserved`].
    pub fn pay(&mut self, destination: AccountInfo<'info>, amount: BaseUnits) -> Result<()> {
        let before = BaseUnits(self.account.amount);
        let accounts = TransferChecked {
            from: self.account.to_account_info(),
            mint: self.mint.to_account_info(),
            to: destination,
            authority: self.escrow.to_account_info(),
        };
        self.escrow.with_signer_seeds(|seeds| {
            let context = CpiContext::new_with_signer(self.token_program.key(), accounts, seeds);
            transfer_checked(context, amount.0, self.mint.decimals)
        })?;
        self.account.reload()?;
        require!(
            before.checked_sub(amount) == Some(BaseUnits(self.account.amount)),
            FarthingError::VaultNotConserved
        );
        Ok(())
    }

    /// Pays `amount` to `payee` if both token accounts are usable, and says whether it did.
    ///
    /// A payee's account that is closed, frozen or reassigned, and a vault that is frozen, must not keep
    /// debits from counting: then the caller lets the amount wait.
    ///
    /// # Errors
    /// As [`Self::pay`].
    pub fn pay_if_possible(
        &mut self,
        payee_token: &UncheckedAccount<'info>,
        payee: &Pubkey,
        amount: BaseUnits,
    ) -> Result<bool> {
        if amount == BaseUnits::ZERO {
            return Ok(true);
        }
        if self.account.is_frozen() || !can_receive(payee_token, payee, &self.mint.key()) {
            return Ok(false);
        }
        self.pay(payee_token.to_account_info(), amount)?;
        Ok(true)
    }
}

/// Whether `account` is a token account of `payee` in `mint` that is not frozen.
fn can_receive(account: &AccountInfo<'_>, payee: &Pubkey, mint: &Pubkey) -> bool {
    if *account.owner != token::ID {
        return false;
    }
    let Ok(data) = account.try_borrow_data() else {
        return false;
    };
    // Fails for an account that was never initialized.
    TokenAccount::try_deserialize_unchecked(&mut &data[..]).is_ok_and(|token_account| {
        token_account.owner == *payee && token_account.mint == *mint && !token_account.is_frozen()
    })
}
