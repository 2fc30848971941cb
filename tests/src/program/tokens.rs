//! A mint and its token accounts, through the real token programs.

use solana_sdk::instruction::Instruction;
use solana_sdk::pubkey::Pubkey;
use solana_system_interface::instruction::create_account;
use spl_associated_token_account_interface::address::get_associated_token_address_with_program_id;
use spl_associated_token_account_interface::instruction::create_associated_token_account;
use spl_token_2022_interface::extension::{ExtensionType, StateWithExtensions};
use spl_token_2022_interface::instruction::{
    AuthorityType, close_account, freeze_account, initialize_mint2, mint_to, set_authority,
    thaw_account, transfer_checked,
};
use spl_token_2022_interface::state::{Account as TokenAccount, Mint as MintState};

use crate::program::Chain;

/// The classic token program.
pub const CLASSIC: Pubkey = spl_token_interface::ID;
/// Token-2022.
pub const TOKEN_2022: Pubkey = spl_token_2022_interface::ID;

const DECIMALS: u8 = 6;

/// A mint with six decimals whose authority may freeze, as USDC's may.
#[derive(Debug, Clone, Copy)]
pub struct Mint {
    /// Its address.
    pub address: Pubkey,
    /// Key that may mint and freeze.
    pub authority: Pubkey,
    /// The token program that owns the mint.
    pub token_program: Pubkey,
}

impl Mint {
    /// A new mint of the classic token program.
    pub fn create(chain: &mut Chain) -> Self {
        Self::create_with(chain, CLASSIC, &[], |_| Vec::new())
    }

    /// A new mint of Token-2022 without extensions.
    pub fn create_2022(chain: &mut Chain) -> Self {
        Self::create_with(chain, TOKEN_2022, &[], |_| Vec::new())
    }

    /// A new mint with extensions, which `initialize` initialises before the mint itself.
    ///
    /// # Panics
    /// If the token program refuses.
    pub fn create_with(
        chain: &mut Chain,
        token_program: Pubkey,
        extensions: &[ExtensionType],
        initialize: impl FnOnce(&Self) -> Vec<Instruction>,
    ) -> Self {
        let mint = Self {
            address: chain.new_address(),
            authority: chain.new_key(),
            token_program,
        };
        let length = ExtensionType::try_calculate_account_len::<MintState>(extensions)
            .expect("extensions of fixed length");
        let (address, authority) = (&mint.address, &mint.authority);
        let rent = chain.rent(length);
        let mut instructions = vec![create_account(
            authority,
            address,
            rent,
            length as u64,
            &token_program,
        )];
        instructions.extend(initialize(&mint));
        instructions.push(
            initialize_mint2(
                &token_program,
                address,
                authority,
                Some(authority),
                DECIMALS,
            )
            .expect("arguments are valid"),
        );
        chain.succeed(&instructions);
        mint
    }

    /// The associated token account of `wallet`, which need not exist.
    #[must_use]
    pub fn address_of(&self, wallet: &Pubkey) -> Pubkey {
        get_associated_token_address_with_program_id(wallet, &self.address, &self.token_program)
    }

    /// Creates the associated token account of `wallet`.
    pub fn open(&self, chain: &mut Chain, wallet: &Pubkey) -> Pubkey {
        let create = create_associated_token_account(
            &self.authority,
            wallet,
            &self.address,
            &self.token_program,
        );
        chain.succeed(&[create]);
        self.address_of(wallet)
    }

    /// Mints `amount` into `account`.
    ///
    /// # Panics
    /// If the token program refuses.
    pub fn mint(&self, chain: &mut Chain, account: &Pubkey, amount: u64) {
        let (program, authority) = (&self.token_program, &self.authority);
        let instruction = mint_to(program, &self.address, account, authority, &[], amount);
        chain.succeed(&[instruction.expect("arguments are valid")]);
    }

    /// Moves `amount`, as any wallet does.
    ///
    /// # Panics
    /// If the token program refuses.
    pub fn transfer(
        &self,
        chain: &mut Chain,
        from: &Pubkey,
        to: &Pubkey,
        owner: &Pubkey,
        amount: u64,
    ) {
        let (program, mint) = (&self.token_program, &self.address);
        let instruction = transfer_checked(program, from, mint, to, owner, &[], amount, DECIMALS);
        chain.succeed(&[instruction.expect("arguments are valid")]);
    }

    /// Freezes `account`.
    ///
    /// # Panics
    /// If the token program refuses.
    pub fn freeze(&self, chain: &mut Chain, account: &Pubkey) {
        let (program, mint) = (&self.token_program, &self.address);
        let instruction = freeze_account(program, account, mint, &self.authority, &[]);
        chain.succeed(&[instruction.expect("arguments are valid")]);
    }

    /// Thaws `account`.
    ///
    /// # Panics
    /// If the token program refuses.
    pub fn thaw(&self, chain: &mut Chain, account: &Pubkey) {
        let (program, mint) = (&self.token_program, &self.address);
        let instruction = thaw_account(program, account, mint, &self.authority, &[]);
        chain.succeed(&[instruction.expect("arguments are valid")]);
    }

    /// Gives `account` another owner.
    ///
    /// # Panics
    /// If the token program refuses.
    pub fn reassign(&self, chain: &mut Chain, account: &Pubkey, from: &Pubkey, to: &Pubkey) {
        let kind = AuthorityType::AccountOwner;
        let instruction = set_authority(&self.token_program, account, Some(to), kind, from, &[]);
        chain.succeed(&[instruction.expect("arguments are valid")]);
    }

    /// Closes an empty `account`.
    ///
    /// # Panics
    /// If the token program refuses.
    pub fn close(&self, chain: &mut Chain, account: &Pubkey, owner: &Pubkey) {
        let instruction = close_account(&self.token_program, account, owner, owner, &[]);
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
        StateWithExtensions::<TokenAccount>::unpack(&account.data)
            .expect("a token account")
            .base
            .amount
    })
}
