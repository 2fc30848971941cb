//! Farthing on Solana, for owners, payees and settlers: addresses, instructions, accounts, key files and RPC.
//!
//! [`addresses`], [`token`], [`instructions`], [`accounts`], [`debits`] and [`loader`] are pure; only [`rpc`]
//! talks to a node, and only [`keys`] touches files.
//! Out of scope: HTTP to a provider, and payer state.

pub mod accounts;
pub mod addresses;
pub mod clock;
pub mod cluster;
pub mod debits;
pub mod instructions;
pub mod keys;
pub mod loader;
pub mod refusal;
pub mod rpc;
pub mod token;

pub use accounts::{AccountError, Approval, Channel, Escrow};
pub use addresses::{
    PROGRAM_ID, USDC_MINT_DEVNET, USDC_MINT_MAINNET, approval_address, channel_address,
    channel_domain, escrow_address,
};
pub use instructions::{Claim, NewLane};
pub use loader::{BytecodeHash, LoaderBuffer, ProgramData};
pub use rpc::{ChainClient, ChainError, UpgradeAuthority};
pub use token::{Token, associated_token_address};
