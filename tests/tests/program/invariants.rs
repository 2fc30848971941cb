//! Tests of the last guards: invalid states that no instruction leads to are written into accounts, and the program
//! must not pay from them. A defect that leads to such a state must not cost anybody else's funds.

use anchor_lang::AccountSerialize;
use farthing::error::FarthingError;
use farthing::state::Escrow;
use farthing_protocol::layout::ChannelHeader;
use farthing_tests::program::world::PREPAID;
use farthing_tests::program::{Channel, World};

use super::codes::code;

const DEPOSIT: u64 = 1_000;
const UNPAID: u64 = 300;
/// Where the layout has `debited`.
const DEBITED: usize = 160;

/// A world whose payee is owed something and can be paid.
fn owing() -> (World, Channel) {
    let (mut world, channel, agents) = World::with_channel(DEPOSIT, 1);
    world.settle_unpaid(&channel, &agents, UNPAID);
    world.thaw_payee();
    (world, channel)
}

fn change_escrow(world: &mut World, change: impl FnOnce(&mut Escrow)) {
    let mut escrow = world.escrow_state();
    change(&mut escrow);
    let mut account = world.chain.account(&world.escrow).expect("it exists");
    let mut data = Vec::new();
    escrow
        .try_serialize(&mut data)
        .expect("memory does not fail");
    account.data[..data.len()].copy_from_slice(&data);
    world.chain.set_account(&world.escrow, account);
}

#[test]
fn no_more_is_debited_than_was_deposited() {
    let (mut world, channel) = owing();
    let mut account = world.chain.account(&channel.address).expect("it exists");
    account.data[DEBITED..DEBITED + 8].copy_from_slice(&(DEPOSIT + 1).to_le_bytes());
    let header = ChannelHeader::decode(&account.data).expect("a channel");
    assert_eq!(header.debited.0, DEPOSIT + 1);
    world.chain.set_account(&channel.address, account);
    let pay = world.pay_out(&channel);
    assert_eq!(
        world.chain.refused(pay),
        code(FarthingError::DebitedAboveDeposit)
    );
    assert_eq!(world.payee_balance(), 0);
}

#[test]
fn the_vault_holds_what_is_allocated() {
    let (mut world, channel) = owing();
    change_escrow(&mut world, |escrow| escrow.allocated = PREPAID + 1);
    let pay = world.pay_out(&channel);
    assert_eq!(
        world.chain.refused(pay),
        code(FarthingError::VaultBelowAllocated)
    );
    assert_eq!(world.payee_balance(), 0);
}

#[test]
fn a_channel_has_no_more_than_all_channels_together() {
    let (mut world, channel) = owing();
    change_escrow(&mut world, |escrow| escrow.allocated = UNPAID - 1);
    let pay = world.pay_out(&channel);
    assert_eq!(world.chain.refused(pay), code(FarthingError::Overflow));
    assert_eq!(world.payee_balance(), 0);
}
