//! Creates paying clients of the SDK.

use farthing_chain::{PROGRAM_ID, USDC_MINT_DEVNET};
use farthing_client::payer::{LaneIdentity, LanePayer};
use farthing_client::paying_client::{PayingClient, PayingClientConfig};
use farthing_protocol::{BaseUnits, Generation, LaneIndex};
use farthing_wire::x402::NETWORK_DEVNET;
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;

use super::World;
use super::world::lane_key;

/// Creates a client of a lane, for the provider at a URL.
///
/// # Panics
/// If the URL is invalid.
#[must_use]
pub fn paying_client(world: &World, lane: u16, url: &str) -> PayingClient {
    paying_client_with(world, lane, url, |_| ())
}

/// Creates a client of a lane, for the provider at a URL, with a changed configuration.
///
/// # Panics
/// If the URL is invalid.
#[must_use]
pub fn paying_client_with(
    world: &World,
    lane: u16,
    url: &str,
    change: impl FnOnce(&mut PayingClientConfig),
) -> PayingClient {
    let key = Keypair::new_from_array(lane_key(lane).to_bytes());
    let agent = world.agent(lane);
    let identity = LaneIdentity {
        program: PROGRAM_ID,
        channel: agent.channel,
        domain: agent.domain,
        lane: LaneIndex(lane),
        generation: Generation(0),
        signer: key.pubkey(),
        cap: BaseUnits(world.channel.lanes[usize::from(lane)].cap),
    };
    let mut config = PayingClientConfig {
        base_url: url.to_owned(),
        program: PROGRAM_ID,
        network: NETWORK_DEVNET.to_owned(),
        mint: USDC_MINT_DEVNET,
        pay_to: None,
        settler: Some(world.channel.settler),
        max_price_per_request: None,
        max_price_jump: None,
        max_wait: std::time::Duration::ZERO,
        budgets: Vec::new(),
        tier: None,
    };
    change(&mut config);
    let payer = LanePayer::new(identity, BaseUnits::ZERO).expect("a usable key");
    PayingClient::new(config, payer, key).expect("the key is the lane's")
}
