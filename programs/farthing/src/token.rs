//! Token movements: the vault pays, the payee receives or cannot, and what left is what was meant to.

use anchor_lang::context::CpiContext;
use anchor_lang::prelude::{
    Account, AccountInfo, Interface, InterfaceAccount, Key, Pubkey, Result, ToAccountInfo, require,
};
use anchor_spl::associated_token;
use anchor_spl::token_2022::spl_token_2022::extension::memo_transfer::memo_required;
use anchor_spl::token_2022::spl_token_2022::extension::{
    BaseStateWithExtensions, ExtensionType, StateWithExtensions,
};
use anchor_spl::token_2022::spl_token_2022::state;
use anchor_spl::token_interface::{
    Mint, TokenAccount, TokenInterface, TransferChecked, transfer_checked,
};
use farthing_protocol::BaseUnits;

use crate::error::FarthingError;
use crate::state::Escrow;

/// Extensions of Token-2022 mints that change neither balances nor who may move them: names, groups, and how
/// amounts are displayed. Whatever is not listed is refused, also what is not known yet.
///
/// A mint that may be closed is not harmless: it could be made again with other extensions.
const HARMLESS_EXTENSIONS: [ExtensionType; 8] = [
    ExtensionType::InterestBearingConfig,
    ExtensionType::ScaledUiAmount,
    ExtensionType::MetadataPointer,
    ExtensionType::TokenMetadata,
    ExtensionType::GroupPointer,
    ExtensionType::TokenGroup,
    ExtensionType::GroupMemberPointer,
    ExtensionType::TokenGroupMember,
];

/// Requires a mint of the classic token program, or one of Token-2022 with harmless extensions only.
///
/// # Errors
/// [`FarthingError::MintExtensionNotAllowed`].
pub fn require_harmless_mint(mint: &InterfaceAccount<'_, Mint>) -> Result<()> {
    let account = mint.to_account_info();
    let data = account.try_borrow_data()?;
    let extensions = StateWithExtensions::<state::Mint>::unpack(&data)
        .and_then(|mint| mint.get_extension_types());
    require!(
        extensions.is_ok_and(|extensions| {
            extensions
                .iter()
                .all(|extension| HARMLESS_EXTENSIONS.contains(extension))
        }),
        FarthingError::MintExtensionNotAllowed
    );
    Ok(())
}

/// The associated token account of `wallet`, whose bump is known. One derivation costs less than the
/// search for the bump, and for a given bump there is only one such address.
///
/// # Errors
/// [`FarthingError::AddressNotDerivable`] if `bump` leads to a point on the curve.
pub fn associated_token_address(
    wallet: &Pubkey,
    token_program: &Pubkey,
    mint: &Pubkey,
    bump: u8,
) -> Result<Pubkey> {
    Pubkey::create_program_address(
        &[
            wallet.as_ref(),
            token_program.as_ref(),
            mint.as_ref(),
            &[bump],
        ],
        &associated_token::ID,
    )
    .map_err(|_| FarthingError::AddressNotDerivable.into())
}

/// The bump of the associated token account of `wallet`.
#[must_use]
pub fn associated_token_bump(wallet: &Pubkey, token_program: &Pubkey, mint: &Pubkey) -> u8 {
    let seeds = [wallet.as_ref(), token_program.as_ref(), mint.as_ref()];
    Pubkey::find_program_address(&seeds, &associated_token::ID).1
}

/// A vault with what it takes to pay from it.
pub struct Vault<'a, 'info> {
    /// The escrow that the vault belongs to.
    pub escrow: &'a Account<'info, Escrow>,
    /// Its mint.
    pub mint: &'a InterfaceAccount<'info, Mint>,
    /// The token account.
    pub account: &'a mut InterfaceAccount<'info, TokenAccount>,
    /// The mint's token program.
    pub token_program: &'a Interface<'info, TokenInterface>,
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
    /// A payee's account that is closed, frozen or reassigned, or wants a memo, and a vault that is frozen,
    /// must not keep debits from counting: then the caller lets the amount wait.
    ///
    /// # Errors
    /// As [`Self::pay`].
    pub fn pay_if_possible(
        &mut self,
        payee_token: &AccountInfo<'info>,
        payee: &Pubkey,
        amount: BaseUnits,
    ) -> Result<bool> {
        if amount == BaseUnits::ZERO {
            return Ok(true);
        }
        if self.account.is_frozen() || !self.can_receive(payee_token, payee) {
            return Ok(false);
        }
        self.pay(payee_token.clone(), amount)?;
        Ok(true)
    }

    /// Whether `account` is a token account of `payee` that a transfer from the vault cannot fail on.
    fn can_receive(&self, account: &AccountInfo<'_>, payee: &Pubkey) -> bool {
        if *account.owner != self.token_program.key() {
            return false;
        }
        let Ok(data) = account.try_borrow_data() else {
            return false;
        };
        // Fails for an account that was never initialized.
        StateWithExtensions::<state::Account>::unpack(&data).is_ok_and(|token_account| {
            token_account.base.owner == *payee
                && token_account.base.mint == self.mint.key()
                && !token_account.base.is_frozen()
                && !memo_required(&token_account)
        })
    }
}
