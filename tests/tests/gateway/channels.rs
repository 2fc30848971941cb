//! Tests of which channels are accepted, and of how soon a change on the chain takes effect.

use std::time::Duration;

use farthing_chain::token::TOKEN_2022_PROGRAM;
use farthing_chain::{Token, USDC_MINT_DEVNET, USDC_MINT_MAINNET, channel_domain};
use farthing_protocol::BaseUnits;
use farthing_tests::gateway::World;
use farthing_tests::gateway::account::{ChannelSpec, escrow_account};
use farthing_tests::gateway::world::{CAP, DEPOSIT, MODEL, chat};
use solana_sdk::hash::Hash;
use solana_sdk::pubkey::Pubkey;

const MAXIMUM: u64 = 239;

/// What a first request in a channel changed like this is answered.
async fn first_request(change: impl FnOnce(&World, &mut ChannelSpec)) -> (u16, String) {
    let mut world = World::start().await;
    let mut channel = world.channel.clone();
    change(&world, &mut channel);
    world.chain.put(world.address, channel.account());
    world.channel = channel;
    let answer = world.pay(&chat(MODEL, false), MAXIMUM).await;
    assert_eq!(world.upstream.received().len(), 0, "nothing was served");
    (answer.status, answer.code())
}

#[tokio::test]
async fn only_channels_that_can_be_settled_are_served() {
    let other = Pubkey::new_unique();
    let not_served = (402, "channel_not_served".to_owned());
    assert_eq!(
        first_request(|_, channel| channel.owner = other).await,
        not_served
    );
    assert_eq!(
        first_request(|_, channel| channel.settler = other).await,
        not_served
    );
    assert_eq!(
        first_request(|_, channel| channel.payee = other).await,
        not_served
    );
    assert_eq!(
        first_request(|_, channel| channel.grace_seconds -= 1).await,
        not_served
    );
    let other_mint = Token::classic(USDC_MINT_MAINNET);
    let other_program = Token {
        mint: USDC_MINT_DEVNET,
        program: TOKEN_2022_PROGRAM,
    };
    for token in [other_mint, other_program] {
        assert_eq!(
            first_request(|world, channel| {
                world.chain.put(channel.escrow, escrow_account(&token));
            })
            .await,
            not_served
        );
    }
    assert_eq!(
        first_request(|_, channel| {
            let lane = channel.lanes[0];
            channel.lanes = vec![lane; 4_097];
        })
        .await,
        not_served
    );
    // Another program's, another cluster's and another incarnation's channel: the vouchers are right
    // for the domain in the account, and the account is wrong for this cluster.
    for domain in [
        |world: &World| {
            channel_domain(
                &Pubkey::new_unique(),
                &world.chain.hash(),
                &world.address,
                777,
            )
        },
        |world: &World| {
            let elsewhere = Hash::new_from_array([12; 32]);
            channel_domain(&farthing_chain::PROGRAM_ID, &elsewhere, &world.address, 777)
        },
        |world: &World| {
            channel_domain(
                &farthing_chain::PROGRAM_ID,
                &world.chain.hash(),
                &world.address,
                778,
            )
        },
    ] {
        let refused = first_request(|world, channel| channel.domain = domain(world).0).await;
        assert_eq!(refused, not_served);
    }
}

#[tokio::test]
async fn a_small_deposit_is_not_served() {
    let world =
        World::configured(|config| config.chain.min_deposit.0 = BaseUnits(DEPOSIT + 1)).await;
    let answer = world.pay(&chat(MODEL, false), MAXIMUM).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (402, "channel_not_served")
    );
    let way = world.requirements(&chat(MODEL, false)).await;
    let extra = way.escrow_extra().expect("extra is complete");
    assert_eq!(extra.min_deposit, BaseUnits(DEPOSIT + 1));
}

#[tokio::test]
async fn a_closing_channel_is_refused_at_first_sight() {
    let world = World::start().await;
    assert_eq!(world.pay(&chat(MODEL, false), MAXIMUM).await.status, 200);
    let mut closing = world.channel.clone();
    closing.closing = true;
    world
        .chain
        .put_processed(world.address, Some(closing.account()));
    world.running().poll_chain().await;
    let answer = world.pay(&chat(MODEL, false), 2 * MAXIMUM).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (402, "channel_closing")
    );
    let way = answer.required().accepts.remove(0);
    let state = way.escrow_extra().expect("extra is complete").channel_state;
    assert!(state.expect("the channel is known").closing);
    // The close was rolled back.
    world
        .chain
        .put_processed(world.address, Some(world.channel.account()));
    world.running().poll_chain().await;
    assert_eq!(
        world.pay(&chat(MODEL, false), 2 * MAXIMUM).await.status,
        200
    );
}

#[tokio::test]
async fn a_revoked_lane_and_a_vanished_channel_are_refused_at_first_sight() {
    let world = World::start().await;
    assert_eq!(world.pay(&chat(MODEL, false), MAXIMUM).await.status, 200);
    let mut revoked = world.channel.clone();
    revoked.lanes[0].revoked = true;
    world
        .chain
        .put_processed(world.address, Some(revoked.account()));
    world.running().poll_chain().await;
    let answer = world.pay(&chat(MODEL, false), 2 * MAXIMUM).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (402, "lane_revoked")
    );
    world.chain.put_processed(world.address, None);
    world.running().poll_chain().await;
    let answer = world.pay(&chat(MODEL, false), 2 * MAXIMUM).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (402, "channel_closing")
    );
    world.chain.remove(&world.address);
    world.running().poll_chain().await;
    let answer = world.pay(&chat(MODEL, false), 2 * MAXIMUM).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (402, "channel_unknown")
    );
}

#[tokio::test]
async fn what_enlarges_counts_only_when_it_is_final() {
    let mut world = World::start().await;
    assert_eq!(world.pay(&chat(MODEL, false), MAXIMUM).await.status, 200);
    let mut larger = world.channel.clone();
    larger.lanes[0].cap = CAP + 1_000;
    let lane = larger.lanes[0];
    larger.lanes.push(lane);
    world
        .chain
        .put_processed(world.address, Some(larger.account()));
    world.running().poll_chain().await;
    let answer = world.pay(&chat(MODEL, false), CAP + 1).await;
    assert_eq!(answer.code(), "ceiling_above_cap");
    world.change_channel(|channel| *channel = larger).await;
    let answer = world.pay(&chat(MODEL, false), CAP + 1).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_channel_is_looked_up_once_for_many_requests() {
    let world = World::start().await;
    let body = chat(MODEL, false);
    let accepted = world.requirements(&body).await;
    let mut nowhere = world.agent(0);
    nowhere.channel = Pubkey::new_unique();
    let payment = nowhere.pay(&accepted, MAXIMUM);
    let requests = (0..100).map(|_| world.send(&body, Some(&payment)));
    for answer in futures_util::future::join_all(requests).await {
        assert_eq!(answer.code(), "channel_unknown");
    }
    assert_eq!(world.chain.reads(&nowhere.channel), 1);
    // Remembered for a while, not for ever.
    world.send(&body, Some(&payment)).await;
    assert_eq!(world.chain.reads(&nowhere.channel), 1);
    world.clock.advance(Duration::from_secs(4));
    world.send(&body, Some(&payment)).await;
    assert_eq!(world.chain.reads(&nowhere.channel), 2);
}
