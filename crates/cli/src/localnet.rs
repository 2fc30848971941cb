//! A Solana chain inside this process, with the program and a USDC mint on it. For the demo and for tests only, never
//! for real money.
//!
//! The engine is surfpool. It executes real bytecode and serves the usual RPC on 127.0.0.1. It has no validators: it
//! reads every account from its tip regardless of the requested commitment, while transactions become `finalized` 31
//! slots after they ran, as on a real cluster.
//!
//! Nothing belongs here that a real cluster could not do for its users. Cheat codes only install what a real cluster
//! already has, the program and the mint; SOL comes from the airdrop and USDC from the mint's authority.

mod engine;

use std::time::Duration;

use farthing_chain::instructions::create_token_account;
use farthing_chain::{
    ChainClient, ChainError, PROGRAM_ID, Token, USDC_MINT_DEVNET, associated_token_address,
};
use farthing_protocol::BaseUnits;
use serde_json::{Value, json};
use solana_client::client_error::ClientError;
use solana_client::rpc_request::RpcRequest;
use solana_commitment_config::CommitmentConfig;
use solana_sdk::program_option::COption;
use solana_sdk::program_pack::Pack;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;

use engine::Engine;

/// Default time between slots. With it, a transaction is `finalized` after 0.8 s, a channel may be closed after 4 s,
/// and a transaction has 4 s from signing to inclusion in a block. The engine sustains 10 ms on two busy cores.
pub const DEFAULT_SLOT_TIME: Duration = Duration::from_millis(25);

/// The program's committed bytecode.
const PROGRAM: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../programs/farthing/artifact/farthing.so"
));
/// USDC on this chain: a mint of the classic token program at its devnet address.
pub const USDC: Token = Token::classic(USDC_MINT_DEVNET);
/// Lamports given to the mint's authority, for fees and token accounts.
const AUTHORITY_LAMPORTS: u64 = 10_000_000_000;

/// Why the local chain failed.
#[derive(Debug, thiserror::Error)]
pub enum LocalnetError {
    /// The engine did not start.
    #[error("the local chain did not start: {0}")]
    Start(String),
    /// The engine did not confirm that it stopped.
    #[error("the local chain did not stop: {0}")]
    Stop(String),
    /// The engine did not answer a request, or refused it.
    #[error("the local chain refused or did not answer a request ({what}): {source}")]
    Rpc {
        /// What was requested.
        what: &'static str,
        /// The RPC error.
        source: Box<ClientError>,
    },
    /// A transaction failed.
    #[error("a transaction on the local chain failed: {0}")]
    Chain(#[from] ChainError),
    /// The instruction to mint USDC could not be built.
    #[error("cannot build the instruction that mints USDC: {0}")]
    Token(String),
}

/// A running local chain. Dropping it stops it.
pub struct Localnet {
    engine: Engine,
    chain: ChainClient,
    mint_authority: Keypair,
}

impl Localnet {
    /// Starts a chain with the program at [`PROGRAM_ID`] and a fresh mint of [`USDC`].
    ///
    /// # Errors
    /// [`LocalnetError`] if the engine does not start or refuses the program or the mint.
    pub async fn start(slot_time: Duration) -> Result<Self, LocalnetError> {
        let engine = Engine::start(slot_time).await?;
        let chain = ChainClient::new(engine.rpc_url(), PROGRAM_ID);
        let localnet = Self {
            engine,
            chain,
            mint_authority: Keypair::new(),
        };
        localnet.install_program().await?;
        localnet.create_mint().await?;
        localnet
            .fund_sol(&localnet.mint_authority.pubkey(), AUTHORITY_LAMPORTS)
            .await?;
        Ok(localnet)
    }

    /// A client of this chain.
    #[must_use]
    pub fn chain(&self) -> &ChainClient {
        &self.chain
    }

    /// URL of the chain's RPC.
    #[must_use]
    pub fn rpc_url(&self) -> &str {
        self.engine.rpc_url()
    }

    /// The key that may mint USDC on this chain.
    #[must_use]
    pub fn mint_authority(&self) -> &Keypair {
        &self.mint_authority
    }

    /// Adds `lamports` to an account, as a faucet does.
    ///
    /// # Errors
    /// [`LocalnetError`] if the chain refuses the airdrop.
    pub async fn fund_sol(&self, to: &Pubkey, lamports: u64) -> Result<(), LocalnetError> {
        self.chain
            .rpc()
            .request_airdrop(to, lamports)
            .await
            .map(drop)
            .map_err(refused("an airdrop"))
    }

    /// Mints USDC to the associated token account of `wallet`, which is created if missing.
    ///
    /// # Errors
    /// [`LocalnetError`] if the transaction fails or is not confirmed in time.
    pub async fn mint_usdc(&self, wallet: &Pubkey, amount: BaseUnits) -> Result<(), LocalnetError> {
        let authority = self.mint_authority.pubkey();
        let account = associated_token_address(wallet, &USDC);
        let create = create_token_account(&authority, wallet, &USDC);
        let mint = spl_token::instruction::mint_to(
            &USDC.program,
            &USDC.mint,
            &account,
            &authority,
            &[],
            amount.0,
        )
        .map_err(|error| LocalnetError::Token(error.to_string()))?;
        self.chain
            .send_and_confirm(
                &[create, mint],
                &self.mint_authority,
                &[],
                CommitmentConfig::confirmed(),
            )
            .await?;
        Ok(())
    }

    /// Stops the chain and frees its ports.
    ///
    /// # Errors
    /// [`LocalnetError::Stop`] if the engine does not confirm.
    pub async fn shutdown(self) -> Result<(), LocalnetError> {
        self.engine.stop().await
    }

    async fn install_program(&self) -> Result<(), LocalnetError> {
        let hex: String = PROGRAM.iter().map(|byte| format!("{byte:02x}")).collect();
        self.cheat(
            "surfnet_writeProgram",
            json!([PROGRAM_ID.to_string(), hex, 0]),
        )
        .await
    }

    /// Creates a mint at USDC's devnet address. On devnet Circle is its authority; here it is a key of ours.
    async fn create_mint(&self) -> Result<(), LocalnetError> {
        let mint = spl_token::state::Mint {
            mint_authority: COption::Some(self.mint_authority.pubkey()),
            supply: 0,
            decimals: farthing_wire::amount::USDC_DECIMALS,
            is_initialized: true,
            freeze_authority: COption::Some(self.mint_authority.pubkey()),
        };
        let mut data = [0; spl_token::state::Mint::LEN];
        mint.pack_into_slice(&mut data);
        let lamports = self
            .chain
            .rpc()
            .get_minimum_balance_for_rent_exemption(data.len())
            .await
            .map_err(refused("the rent"))?;
        let hex: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
        let update = json!({
            "lamports": lamports,
            "data": hex,
            "owner": USDC.program.to_string(),
            "executable": false,
        });
        self.cheat("surfnet_setAccount", json!([USDC.mint.to_string(), update]))
            .await
    }

    async fn cheat(&self, method: &'static str, params: Value) -> Result<(), LocalnetError> {
        self.chain
            .rpc()
            .send::<Value>(RpcRequest::Custom { method }, params)
            .await
            .map(drop)
            .map_err(refused(method))
    }
}

fn refused(what: &'static str) -> impl Fn(ClientError) -> LocalnetError {
    move |source| LocalnetError::Rpc {
        what,
        source: Box::new(source),
    }
}
