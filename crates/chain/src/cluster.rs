//! Finds out which cluster a node belongs to, with the cluster's x402 network id, USDC mint and program.
//!
//! The CAIP-2 id of a Solana cluster is `solana:` and the first 32 characters of its genesis hash, so
//! the node's `getGenesisHash` is all that is needed.

use std::net::IpAddr;

use farthing_wire::x402::{NETWORK_DEVNET, NETWORK_MAINNET};
use solana_sdk::hash::Hash;
use solana_sdk::pubkey::Pubkey;

use super::addresses::{PROGRAM_ID, USDC_MINT_DEVNET, USDC_MINT_MAINNET};

const CAIP2_REFERENCE_LENGTH: usize = 32;

/// A cluster on which Farthing is known to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cluster {
    /// CAIP-2 id.
    pub network: &'static str,
    /// Name for people.
    pub name: &'static str,
    /// The program that may be trusted with money on this cluster.
    pub program: Pubkey,
    /// The mint of USDC.
    pub usdc_mint: Pubkey,
}

/// The known clusters and their programs: an allow-list, which only `--program` extends.
pub const CLUSTERS: [Cluster; 2] = [
    Cluster {
        network: NETWORK_MAINNET,
        name: "mainnet-beta",
        program: PROGRAM_ID,
        usdc_mint: USDC_MINT_MAINNET,
    },
    Cluster {
        network: NETWORK_DEVNET,
        name: "devnet",
        program: PROGRAM_ID,
        usdc_mint: USDC_MINT_DEVNET,
    },
];

/// A chain on this machine. It uses the network id of devnet, because stock x402 clients know only the public clusters.
pub const LOCAL: Cluster = Cluster {
    network: NETWORK_DEVNET,
    name: "local chain",
    program: PROGRAM_ID,
    usdc_mint: USDC_MINT_DEVNET,
};

/// CAIP-2 id of the cluster with this genesis hash.
#[must_use]
pub fn network_id(genesis_hash: &Hash) -> String {
    let mut hash = genesis_hash.to_string();
    // The shortest base58 of a hash is that of all zeros, which has 32 characters.
    hash.truncate(CAIP2_REFERENCE_LENGTH);
    format!("solana:{hash}")
}

/// The cluster with this genesis hash, or the local chain if it is unknown and the node is on this
/// machine.
#[must_use]
pub fn cluster(genesis_hash: &Hash, rpc_url: &str) -> Option<Cluster> {
    let network = network_id(genesis_hash);
    CLUSTERS
        .into_iter()
        .find(|cluster| cluster.network == network)
        .or_else(|| is_loopback(rpc_url).then_some(LOCAL))
}

/// Whether a URL points to this machine.
#[must_use]
pub fn is_loopback(url: &str) -> bool {
    let Ok(url) = url::Url::parse(url) else {
        return false;
    };
    url.host_str().is_some_and(|host| {
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_clusters_are_found_by_their_genesis_hash() {
        // `solana genesis-hash` of mainnet-beta and devnet.
        for (hash, name) in [
            (
                "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d",
                "mainnet-beta",
            ),
            ("EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG", "devnet"),
        ] {
            let hash = hash.parse().expect("a hash");
            let found = cluster(&hash, "http://127.0.0.1:8899").map(|cluster| cluster.name);
            assert_eq!(found, Some(name));
        }
    }

    #[test]
    fn only_this_machine_poses_as_devnet() {
        let unknown = Hash::new_from_array([7; 32]);
        for url in [
            "http://127.0.0.1:1",
            "http://localhost:1",
            "http://[::1]:1/x",
        ] {
            assert_eq!(cluster(&unknown, url), Some(LOCAL), "{url}");
        }
        for url in [
            "http://10.0.0.1:1",
            "https://localhost.example.com",
            "127.0.0.1",
        ] {
            assert_eq!(cluster(&unknown, url), None, "{url}");
        }
    }
}
