//! Which cluster a node belongs to, and which program and mint may be trusted there.
//!
//! The program id comes from the allow-list of `farthing_chain::cluster`, or from the person who
//! types `--program`; never from a provider.

use farthing_chain::cluster::{Cluster, cluster, network_id};
use farthing_chain::{ChainClient, PROGRAM_ID, Token};
use solana_commitment_config::CommitmentConfig;
use solana_sdk::hash::Hash;
use solana_sdk::pubkey::Pubkey;

use crate::arguments::ChainArgs;
use crate::error::CliError;

/// A node whose cluster is known.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The node, for the trusted program.
    pub chain: ChainClient,
    /// The cluster's genesis hash, which domains are made of.
    pub genesis_hash: Hash,
    /// CAIP-2 id, as providers on this cluster name it.
    pub network: String,
    /// The cluster's name for people.
    pub cluster: String,
    /// The mint that is used unless an escrow says otherwise; none on an unknown cluster.
    usdc_mint: Option<Pubkey>,
}

impl Connection {
    /// Asks the node which cluster it belongs to.
    ///
    /// # Errors
    /// If the node fails, or the cluster is unknown and no program was named.
    pub async fn open(args: &ChainArgs) -> Result<Self, CliError> {
        let chain = ChainClient::new(&args.rpc_url, args.program.unwrap_or(PROGRAM_ID));
        let genesis_hash = chain.genesis_hash().await?;
        let known: Option<Cluster> = cluster(&genesis_hash, &args.rpc_url);
        let program = args
            .program
            .or(known.map(|cluster| cluster.program))
            .ok_or_else(|| {
                CliError::usage(format!(
                    "no Farthing program is known on the cluster {}: name the one that you trust with --program",
                    network_id(&genesis_hash)
                ))
            })?;
        Ok(Self {
            chain: chain.with_program(program),
            network: known.map_or_else(
                || network_id(&genesis_hash),
                |cluster| cluster.network.to_owned(),
            ),
            cluster: known.map_or_else(
                || "unknown cluster".to_owned(),
                |cluster| cluster.name.to_owned(),
            ),
            usdc_mint: known.map(|cluster| cluster.usdc_mint),
            genesis_hash,
        })
    }

    /// The mint that was named, else USDC.
    ///
    /// # Errors
    /// If none was named and the cluster is unknown.
    pub fn mint(&self, named: Option<Pubkey>) -> Result<Pubkey, CliError> {
        named.or(self.usdc_mint).ok_or_else(|| {
            CliError::usage("USDC is not known on this cluster: name the mint with --mint")
        })
    }

    /// The mint that was named, else USDC, with its token program, which the chain tells.
    ///
    /// # Errors
    /// If none was named and the cluster is unknown, if there is no mint, or if the node fails.
    pub async fn token(&self, named: Option<Pubkey>) -> Result<Token, CliError> {
        let mint = self.mint(named)?;
        self.chain
            .token(&mint, CommitmentConfig::confirmed())
            .await?
            .ok_or_else(|| {
                CliError::failed(format!(
                    "there is no mint at {mint} on {}: check --mint",
                    self.cluster
                ))
            })
    }

    /// The trusted program.
    #[must_use]
    pub fn program(&self) -> &Pubkey {
        self.chain.program()
    }
}
