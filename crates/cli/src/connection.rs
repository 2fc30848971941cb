//! The connection to a node: the cluster that it belongs to, and the program and mint that are trusted there.
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

/// A connection to a node whose cluster has been determined.
#[derive(Debug, Clone)]
pub struct Connection {
    /// RPC client of the node, for the trusted program.
    pub chain: ChainClient,
    /// The cluster's genesis hash, which is hashed into channel domains.
    pub genesis_hash: Hash,
    /// CAIP-2 network id of the cluster, as providers state it.
    pub network: String,
    /// Human-readable name of the cluster.
    pub cluster: String,
    /// The cluster's USDC mint, used unless another mint is given; `None` on an unknown cluster.
    usdc_mint: Option<Pubkey>,
}

impl Connection {
    /// Asks the node which cluster it belongs to.
    ///
    /// # Errors
    /// If the node fails, or if the cluster is unknown and no program was given.
    pub async fn open(args: &ChainArgs) -> Result<Self, CliError> {
        let chain = ChainClient::new(&args.rpc_url, args.program.unwrap_or(PROGRAM_ID));
        let genesis_hash = chain.genesis_hash().await?;
        let known: Option<Cluster> = cluster(&genesis_hash, &args.rpc_url);
        let program = args
            .program
            .or(known.map(|cluster| cluster.program))
            .ok_or_else(|| {
                CliError::usage(format!(
                    "no Farthing program is known on the cluster {}: give the one that you trust with --program",
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

    /// The given mint, or the cluster's USDC by default.
    ///
    /// # Errors
    /// If no mint was given and the cluster is unknown.
    pub fn mint(&self, named: Option<Pubkey>) -> Result<Pubkey, CliError> {
        named.or(self.usdc_mint).ok_or_else(|| {
            CliError::usage("the USDC mint of this cluster is not known: give the mint with --mint")
        })
    }

    /// The given mint, or the cluster's USDC by default, with its token program as read from the chain.
    ///
    /// # Errors
    /// If no mint was given and the cluster is unknown, if the mint does not exist, or if the node fails.
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
