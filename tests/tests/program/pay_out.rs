//! Tests of the instruction `pay_out`.

use farthing::error::FarthingError;
use farthing_protocol::limits::OPENED_SLOT_WINDOW;
use farthing_tests::program::{Channel, World};

use super::codes::code;

/// A world whose payee is owed 300 and has a frozen account.
fn owing() -> (World, Channel) {
    let (mut world, channel, agents) = World::with_channel(1_000, 1);
    world.settle_unpaid(&channel, &agents, 300);
    (world, channel)
}

#[test]
fn something_must_be_unpaid() {
    let (mut world, channel, agents) = World::with_channel(1_000, 1);
    let claims = world.claims(&channel, &agents, 300);
    let settle = world.settle(&channel, claims);
    world.chain.succeed(&[settle]);
    let pay = world.pay_out(&channel);
    assert_eq!(world.chain.refused(pay), code(FarthingError::NothingUnpaid));
}

#[test]
fn the_account_must_work() {
    let (mut world, channel) = owing();
    let pay = world.pay_out(&channel);
    assert_eq!(
        world.chain.refused(pay),
        code(FarthingError::PayeeCannotReceive)
    );
    let (header, _) = world.channel_state(&channel.address);
    assert_eq!(header.unpaid.0, 300);
}

#[test]
fn anybody_pays_out_to_the_payee_only() {
    let (mut world, channel) = owing();
    let (mint, account) = (world.mint, world.payee_token());
    mint.thaw(&mut world.chain, &account);
    let mut pay = world.pay_out(&channel);
    let own = mint.open(&mut world.chain, &world.stranger);
    let payee_token = pay
        .accounts
        .iter_mut()
        .find(|meta| meta.pubkey == account)
        .expect("the payee's account");
    payee_token.pubkey = own;
    assert_eq!(
        world.chain.refused(pay),
        code(FarthingError::WrongPayeeToken)
    );
    let pay = world.pay_out(&channel);
    // The fee payer has no role at all.
    world.chain.succeed(&[pay]);
    assert_eq!(world.payee_balance(), 300);
    assert_eq!(world.escrow_state().allocated, 700);
}

#[test]
fn a_channel_that_closed_unpaid_is_paid_and_then_closed_by_anybody() {
    let (mut world, channel) = owing();
    let request = world.request_close(&channel);
    world.chain.succeed(&[request]);
    world.chain.pass(900, OPENED_SLOT_WINDOW + 900);
    let mut close = world.close_channel(&channel);
    close.accounts[0].pubkey = world.stranger;
    world.chain.succeed(std::slice::from_ref(&close));
    assert_eq!(world.escrow_state().allocated, 300);

    world.thaw_payee();
    let pay = world.pay_out(&channel);
    world.chain.succeed(&[pay, close]);
    assert_eq!(world.payee_balance(), 300);
    assert!(world.chain.account(&channel.address).is_none());
    let escrow = world.escrow_state();
    assert_eq!((escrow.allocated, escrow.open_channels), (0, 0));
}
