//! What fits in one ordinary transaction, and what it costs.

use farthing_protocol::debit::CLAIM_LENGTH;
use farthing_tests::program::World;
use solana_compute_budget_interface::ComputeBudgetInstruction;

/// The most bytes of a transaction on the wire.
const PACKET: usize = 1_232;
/// Claims per ordinary transaction.
const CLAIMS: usize = 10;
/// What a claim may cost in all, its share of the accounts and the payout included.
const UNITS_PER_CLAIM: u64 = 14_500;

#[test]
fn ten_claims_fit_in_an_ordinary_transaction() {
    let (mut world, channel, agents) = World::with_channel(1_000_000_000, CLAIMS);
    let claims = world.claims(&channel, &agents, 1_000_000);
    let settle = world.settle(&channel, claims);
    assert_eq!(settle.data.len(), 1 + 4 + CLAIMS * CLAIM_LENGTH);
    let instructions = [
        ComputeBudgetInstruction::set_compute_unit_limit(150_000),
        ComputeBudgetInstruction::set_compute_unit_price(10_000),
        settle,
    ];
    let settler = world.settler;
    let transaction = world.chain.transaction(&instructions, &settler);
    // On the wire: a count of one byte, the signatures, the message.
    let length = 1 + 64 * transaction.signatures.len() + transaction.message_data().len();
    assert!(length <= PACKET, "{length} bytes");

    let meta = world
        .chain
        .send_transaction(transaction)
        .unwrap_or_else(|failure| panic!("{}", failure.meta.pretty_logs()));
    let units = meta.compute_units_consumed / CLAIMS as u64;
    println!("{CLAIMS} claims: {length} bytes, {units} compute units each");
    assert!(units < UNITS_PER_CLAIM, "{units} compute units per claim");
    assert_eq!(world.payee_balance(), 10_000_000);
}
