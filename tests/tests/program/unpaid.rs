//! Tests of payouts that cannot be made: the debit counts, and the unpaid amount is paid out as soon as possible.

use farthing::error::FarthingError;
use farthing_protocol::limits::OPENED_SLOT_WINDOW;
use farthing_tests::program::world::PREPAID;
use farthing_tests::program::{Channel, World};
use solana_sdk::pubkey::Pubkey;

use super::codes::code;

const DEPOSIT: u64 = 1_000;

/// Ways in which a payout becomes impossible, and how it becomes possible again.
#[derive(Debug, Clone, Copy)]
enum Obstacle {
    /// The payee's token account was closed.
    Closed,
    /// The issuer froze it.
    Frozen,
    /// The payee gave it to somebody else.
    Reassigned,
    /// The issuer froze the escrow's vault.
    VaultFrozen,
}

const OBSTACLES: [Obstacle; 4] = [
    Obstacle::Closed,
    Obstacle::Frozen,
    Obstacle::Reassigned,
    Obstacle::VaultFrozen,
];

impl Obstacle {
    fn arises(self, world: &mut World) {
        let (mint, payee, stranger) = (world.mint, world.payee, world.stranger);
        let (account, vault) = (world.payee_token(), world.vault());
        match self {
            Self::Closed => mint.close(&mut world.chain, &account, &payee),
            Self::Frozen => mint.freeze(&mut world.chain, &account),
            Self::Reassigned => mint.reassign(&mut world.chain, &account, &payee, &stranger),
            Self::VaultFrozen => mint.freeze(&mut world.chain, &vault),
        }
    }

    fn goes_away(self, world: &mut World) {
        let (mint, payee, stranger) = (world.mint, world.payee, world.stranger);
        let (account, vault) = (world.payee_token(), world.vault());
        match self {
            Self::Closed => {
                mint.open(&mut world.chain, &payee);
            }
            Self::Frozen => mint.thaw(&mut world.chain, &account),
            Self::Reassigned => mint.reassign(&mut world.chain, &account, &stranger, &payee),
            Self::VaultFrozen => mint.thaw(&mut world.chain, &vault),
        }
    }
}

/// A world in which two lanes were debited 100 each while the obstacle stood.
fn unpaid(obstacle: Obstacle) -> (World, Channel, Vec<Pubkey>) {
    let (mut world, channel, agents) = World::with_channel(DEPOSIT, 2);
    obstacle.arises(&mut world);
    let claims = world.claims(&channel, &agents, 100);
    let settle = world.settle(&channel, claims);
    world.chain.succeed(&[settle]);

    let (header, _) = world.channel_state(&channel.address);
    assert_eq!((header.debited.0, header.unpaid.0), (200, 200));
    assert_eq!(world.escrow_state().allocated, DEPOSIT);
    assert_eq!(world.vault_balance(), PREPAID);
    (world, channel, agents)
}

#[test]
fn an_amount_that_waits_is_paid_by_the_next_settle() {
    for obstacle in OBSTACLES {
        let (mut world, channel, agents) = unpaid(obstacle);
        // More debits add to it.
        let claims = world.claims(&channel, &agents[..1], 150);
        let settle = world.settle(&channel, claims.clone());
        world.chain.succeed(&[settle]);
        assert_eq!(world.channel_state(&channel.address).0.unpaid.0, 250);

        obstacle.goes_away(&mut world);
        // A stale claim is enough.
        let settle = world.settle(&channel, claims);
        world.chain.succeed(&[settle]);
        assert_eq!(world.payee_balance(), 250, "{obstacle:?}");
        assert_eq!(world.channel_state(&channel.address).0.unpaid.0, 0);
        assert_eq!(world.escrow_state().allocated, DEPOSIT - 250);
    }
}

#[test]
fn an_amount_that_waits_cannot_be_withdrawn() {
    let (mut world, _, _) = unpaid(Obstacle::Frozen);
    let destination = world.mint.open(&mut world.chain, &world.owner);
    let withdraw = world.withdraw(destination, PREPAID - DEPOSIT + 1);
    assert_eq!(
        world.chain.refused(withdraw),
        code(FarthingError::InsufficientFreeFunds)
    );
}

#[test]
fn a_channel_that_closes_unpaid_lives_on_with_what_it_owes() {
    for obstacle in OBSTACLES {
        let (mut world, channel, agents) = unpaid(obstacle);
        world.chain.pass(60, OPENED_SLOT_WINDOW + 1);
        let close = world.close_channel(&channel);
        world.chain.succeed(std::slice::from_ref(&close));
        let (header, _) = world.channel_state(&channel.address);
        assert!(header.is_closing());
        assert_eq!((header.deposit.0, header.debited.0), (200, 200));
        assert_eq!(header.unpaid.0, 200);
        let escrow = world.escrow_state();
        assert_eq!((escrow.allocated, escrow.open_channels), (200, 1));

        // Nothing more can be debited, added, or closed away.
        let claims = world.claims(&channel, &agents, 101);
        let settle = world.settle(&channel, claims);
        assert_eq!(
            world.chain.refused(settle),
            code(FarthingError::DepositExceeded)
        );
        let fund = world.fund_channel(&channel, 1);
        assert_eq!(
            world.chain.refused(fund),
            code(FarthingError::ChannelClosing)
        );
        let request = world.request_close(&channel);
        assert_eq!(
            world.chain.refused(request),
            code(FarthingError::CloseAlreadyRequested)
        );
        let destination = world.mint.open(&mut world.chain, &world.owner);
        let end = world.close_escrow(Some(destination));
        assert_eq!(world.chain.refused(end), code(FarthingError::ChannelsOpen));
        // A second attempt changes nothing.
        world.chain.succeed(std::slice::from_ref(&close));
        assert_eq!(world.channel_state(&channel.address).0, header);

        obstacle.goes_away(&mut world);
        world.chain.succeed(&[close]);
        assert_eq!(world.payee_balance(), 200, "{obstacle:?}");
        assert!(world.chain.account(&channel.address).is_none());
        let escrow = world.escrow_state();
        assert_eq!((escrow.allocated, escrow.open_channels), (0, 0));
    }
}

#[test]
fn a_request_to_close_keeps_its_time_when_the_close_cannot_pay() {
    let (mut world, channel, _) = unpaid(Obstacle::Frozen);
    let request = world.request_close(&channel);
    world.chain.succeed(&[request]);
    let requested = world.chain.time();
    world.chain.pass(900, 900);
    let close = world.close_channel(&channel);
    world.chain.succeed(&[close]);
    let (header, _) = world.channel_state(&channel.address);
    assert_eq!(header.close_requested, requested);
}

#[test]
fn settle_pays_what_a_close_could_not() {
    let (mut world, channel, agents) = unpaid(Obstacle::Closed);
    world.chain.pass(60, OPENED_SLOT_WINDOW + 1);
    let close = world.close_channel(&channel);
    world.chain.succeed(std::slice::from_ref(&close));
    Obstacle::Closed.goes_away(&mut world);
    let claims = world.claims(&channel, &agents, 100);
    let settle = world.settle(&channel, claims);
    world.chain.succeed(&[settle]);
    assert_eq!(world.payee_balance(), 200);
    world.chain.succeed(&[close]);
    assert!(world.chain.account(&channel.address).is_none());
}

#[test]
fn a_frozen_vault_pays_the_payee_before_the_owner() {
    let (mut world, channel, _) = unpaid(Obstacle::VaultFrozen);
    world.chain.pass(60, OPENED_SLOT_WINDOW + 1);
    let close = world.close_channel(&channel);
    world.chain.succeed(std::slice::from_ref(&close));
    Obstacle::VaultFrozen.goes_away(&mut world);
    let destination = world.mint.open(&mut world.chain, &world.owner);
    let all = world.withdraw(destination, PREPAID);
    assert_eq!(
        world.chain.refused(all),
        code(FarthingError::InsufficientFreeFunds)
    );
    let free = world.withdraw(destination, PREPAID - 200);
    world.chain.succeed(&[free, close]);
    assert_eq!(world.payee_balance(), 200);
    assert_eq!(world.vault_balance(), 0);
}
