//! A mint and its token accounts, through the real token programs.

use solana_sdk::program_pack::Pack;
use solana_sdk::pubkey::Pubkey;
use solana_system_interface::instruction::create_account;
use spl_associated_token_account_interface::address::get_associated_token_address;
use spl_associated_token_account_interface::instruction::create_associated_token_account;
use spl_token_interface::instruction::{
    AuthorityType, close_account, freeze_account, initialize_mint2, mint_to, set_authority,
    thaw_account, transfer,
};
use spl_token_interface::state::{Account as TokenAccount, Mint as MintState};

use crate::program::Chain;

/// A mint with six decimals whose authority may freeze, as USDC's may.
#[derive(Debug, Clone, Copy)]
pub struct Mint {
    /// Its address.
    pub address: Pubkey,
    /// Mints and freezes.
    pub authority: Pubkey,
}

const TOKEN: Pubkey = spl_token_interface::ID;

impl Mint {
    /// A new mint.
    ///
    /// # Panics
    /// If the token program refuses.
    pub fn create(chain: &mut Chain) -> Self {
        let (address, authority) = (chain.new_address(), chain.new_key());
        let rent = chain.rent(MintState::LEN);
        chain.succeed(&[
            create_account(&authority, &address, rent, MintState::LEN as u64, &TOKEN),
            initialize_mint2(&TOKEN, &address, &authority, Some(&authority), 6)
                .expect("arguments are valid"),
        ]);
        Self { address, authority }
    }

    /// The associated token account of `wallet`, which need not exist.
    #[must_use]
    pub fn address_of(&self, wallet: &Pubkey) -> Pubkey {
        get_associated_token_address(wallet, &self.address)
    }

    /// Creates the associated token account of `wallet`.
    pub fn open(&self, chain: &mut Chain, wallet: &Pubkey) -> Pubkey {
        let create =
            create_associated_token_account(&self.authority, wallet, &self.address, &TOKEN);
        chain.succeed(&[create]);
        self.address_of(wallet)
    }

    /// Mints `amount` into `account`.
    ///
    /// # Panics
    /// If the token program refuses.
    pub fn mint(&self, chain: &mut Chain, account: &Pubkey, amount: u64) {
        let instruction = mint_to(&TOKEN, &self.address, account, &self.authority, &[], amount);
        chain.succeed(&[instruction.expect("arguments are valid")]);
    }

    /// Moves `amount`, as any wallet does.
    ///
    /// # Panics
    /// If the token program refuses.
    pub fn transfer(chain: &mut Chain, from: &Pubkey, to: &Pubkey, owner: &Pubkey, amount: u64) {
        let instruction = transfer(&TOKEN, from, to, owner, &[], amount);
        chain.succeed(&[instruction.expect("arguments are valid")]);
    }

    /// Freezes `account`.
    ///
    /// # Panics
    /// If the token program refuses.
    pub fn freeze(&self, chain: &mut Chain, account: &Pubkey) {
        let instruction = freeze_account(&TOKEN, account, &self.address, &self.authority, &[]);
        chain.succeed(&[instruction.expect("arguments are valid")]);
    }

    /// Thaws `account`.
    ///
    /// # Panics
    /// If the token program refuses.
    pub fn thaw(&self, chain: &mut Chain, account: &Pubkey) {
        let instruction = thaw_account(&TOKEN, account, &self.address, &self.authority, &[]);
        chain.succeed(&[instruction.expect("arguments are valid")]);
    }

    /// Gives `account` another owner.
    ///
    /// # Panics
    /// If the token program refuses.
    pub fn reassign(chain: &mut Chain, account: &Pubkey, from: &Pubkey, to: &Pubkey) {
        let kind = AuthorityType::AccountOwner;
        let instruction = set_authority(&TOKEN, account, Some(to), kind, from, &[]);
        chain.succeed(&[instruction.expect("arguments are valid")]);
    }

    /// Closes an empty `account`.
    ///
    /// # Panics
    /// If the token program refuses.
    pub fn close(chain: &mut Chain, account: &Pubkey, owner: &Pubkey) {
        let instruction = close_account(&TOKEN, account, owner, owner, &[]);
        chain.succeed(&[instruction.expect("arguments are valid")]);
    }
}

/// What a token account holds; nothing if it does not exist.
///
/// # Panics
/// If the account is not a token account.
#[must_use]
pub fn balance(chain: &Chain, account: &Pubkey) -> u64 {
    chain.account(account).map_or(0, |account| {
        TokenAccount::unpack(&account.data)
            .expect("a token account")
            .amount
    })
}
