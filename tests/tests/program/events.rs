//! Tests of events: every change of state emits one, with the next number, the time and the resulting balances.

use anchor_lang::{AnchorDeserialize, Discriminator};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use farthing::events::{
    CapRaised, ChannelBalances, ChannelClosed, ChannelFunded, ChannelOpened, CloseRequested,
    CountersignerSet, Entry, EscrowClosed, EscrowCreated, LaneDebit, LaneRevoked, LaneRotated,
    LanesAdded, ManagerSet, PaidOut, PayeeApproved, PayeeRevoked, Released, Rescued, Settled,
    SettlerSet, Withdrawn,
};
use farthing::state::NewLane;
use farthing_protocol::limits::{MIN_GRACE_SECONDS, OPENED_SLOT_WINDOW};
use farthing_tests::program::world::{PREPAID, escrow_address, new_lanes};
use farthing_tests::program::{Channel, Mint, World};
use litesvm::types::TransactionMetadata;
use solana_sdk::instruction::Instruction;
use solana_sdk::pubkey::Pubkey;

const GRACE: u64 = MIN_GRACE_SECONDS as u64;

/// The one event in a transaction's logs.
fn event<T: AnchorDeserialize + Discriminator>(meta: &TransactionMetadata) -> T {
    let data: Vec<Vec<u8>> = meta
        .logs
        .iter()
        .filter_map(|line| line.strip_prefix("Program data: "))
        .map(|data| STANDARD.decode(data).expect("base64"))
        .collect();
    assert_eq!(data.len(), 1, "one event");
    let fields = data[0]
        .strip_prefix(T::DISCRIMINATOR)
        .expect("the event of this instruction");
    T::try_from_slice(fields).expect("its fields and nothing else")
}

/// A world that counts its events.
struct Story {
    world: World,
    next: u64,
}

impl Story {
    /// Runs an instruction, and checks its event's entry against the clock and the escrow.
    fn tell<T: AnchorDeserialize + Discriminator>(
        &mut self,
        instruction: Instruction,
        entry: impl FnOnce(&T) -> Entry,
    ) -> T {
        let meta = self.world.chain.succeed(&[instruction]);
        let event: T = event(&meta);
        let escrow = self.world.escrow_state();
        self.check(entry(&event), (escrow.allocated, escrow.manager_allowance));
        assert_eq!(escrow.event_sequence, self.next);
        event
    }

    fn check(&mut self, entry: Entry, (allocated, manager_allowance): (u64, u64)) {
        let now = self.world.chain.time();
        let expected = Entry {
            escrow: self.world.escrow,
            sequence: self.next,
            slot: now.slot,
            unix_timestamp: now.unix_timestamp,
            allocated,
            manager_allowance,
        };
        assert_eq!(entry, expected);
        self.next += 1;
    }

    /// The balances that the account shows.
    fn balances(&self, channel: &Channel) -> ChannelBalances {
        let (header, _) = self.world.channel_state(&channel.address);
        ChannelBalances {
            channel: channel.address,
            deposit: header.deposit.0,
            debited: header.debited.0,
            unpaid: header.unpaid.0,
        }
    }
}

/// A world without its escrow's funds spent: the first event was that of its creation.
fn story() -> (Story, Vec<Pubkey>) {
    let mut world = World::new();
    let agents = (0..2).map(|_| world.chain.new_key()).collect();
    (Story { world, next: 1 }, agents)
}

#[test]
fn an_escrow_tells_its_story() {
    let (mut story, _) = story();
    let owner = story.world.owner;
    // The creation of another escrow, since that of this world is over.
    let create = story.world.create_escrow(1);
    let created: EscrowCreated = event(&story.world.chain.succeed(&[create]));
    let other = escrow_address(&owner, &story.world.mint.address, 1);
    assert_eq!((created.entry.escrow, created.entry.sequence), (other, 0));
    assert_eq!((created.owner, created.vault), (owner, 0));

    let manager = Some(story.world.manager);
    let set = story.world.set_manager(manager, 500, 0);
    let event: ManagerSet = story.tell(set, |event: &ManagerSet| event.entry);
    assert_eq!(
        (event.manager, event.entry.manager_allowance),
        (manager, 500)
    );

    let countersigner = Some(story.world.chain.new_key());
    let set = story.world.set_countersigner(countersigner, &[]);
    let event = story.tell(set, |event: &CountersignerSet| event.entry);
    assert_eq!(event.countersigner, countersigner);

    let approve = story.world.approve_payee(MIN_GRACE_SECONDS);
    let event = story.tell(approve, |event: &PayeeApproved| event.entry);
    assert_eq!(event.payee, story.world.payee);
    assert_eq!(event.max_grace_seconds, MIN_GRACE_SECONDS);
    let revoke = story.world.revoke_payee();
    let event = story.tell(revoke, |event: &PayeeRevoked| event.entry);
    assert_eq!(event.payee, story.world.payee);

    let mint = story.world.mint;
    let destination = mint.open(&mut story.world.chain, &owner);
    let withdraw = story.world.withdraw(destination, 100);
    let event = story.tell(withdraw, |event: &Withdrawn| event.entry);
    assert_eq!((event.amount, event.destination), (100, destination));
    assert_eq!(event.vault, PREPAID - 100);

    let other = Mint::create(&mut story.world.chain);
    let escrow = story.world.escrow;
    let source = other.open(&mut story.world.chain, &escrow);
    other.mint(&mut story.world.chain, &source, 7);
    let to = other.open(&mut story.world.chain, &owner);
    let rescue = story.world.rescue(&other, source, to);
    let event = story.tell(rescue, |event: &Rescued| event.entry);
    assert_eq!(
        (event.mint, event.amount, event.destination),
        (other.address, 7, to)
    );

    let close = story.world.close_escrow(Some(destination));
    let meta = story.world.chain.succeed(&[close]);
    let event: EscrowClosed = self::event(&meta);
    story.check(event.entry, (0, 500));
    assert_eq!(event.amount, PREPAID - 100);
}

#[test]
fn a_channel_tells_its_story() {
    let (mut story, agents) = story();
    let args = story.world.open_args(0, 1_000, &agents[..1]);
    let channel = story.world.channel(&args);
    let opened_slot = args.opened_slot;
    let open = story.world.open_channel(args);
    let event = story.tell(open, |event: &ChannelOpened| event.entry);
    assert_eq!(event.balances, story.balances(&channel));
    let (payee, settler) = (story.world.payee, story.world.settler);
    assert_eq!((event.payee, event.settler), (payee, settler));
    assert_eq!((event.grace_seconds, event.lanes), (MIN_GRACE_SECONDS, 1));
    assert_eq!(event.opened_slot, opened_slot);

    let fund = story.world.fund_channel(&channel, 50);
    let event = story.tell(fund, |event: &ChannelFunded| event.entry);
    assert_eq!((event.balances.deposit, event.amount), (1_050, 50));
    let add = story.world.add_lanes(&channel, new_lanes(&agents[1..]));
    let event = story.tell(add, |event: &LanesAdded| event.entry);
    assert_eq!((event.balances, event.lanes), (story.balances(&channel), 2));
    let raise = story.world.raise_cap(&channel, 1, 2 * PREPAID);
    let event = story.tell(raise, |event: &CapRaised| event.entry);
    assert_eq!((event.lane, event.cap), (1, 2 * PREPAID));

    let release = story.world.release(&channel, 10);
    let event = story.tell(release, |event: &Released| event.entry);
    assert_eq!((event.balances.deposit, event.amount), (1_040, 10));
    let set = story.world.set_settler(&channel, payee);
    let event = story.tell(set, |event: &SettlerSet| event.entry);
    assert_eq!(event.settler, payee);

    let revoke = story.world.revoke_lane(&channel, 0);
    let event = story.tell(revoke, |event: &LaneRevoked| event.entry);
    assert_eq!((event.balances, event.lane), (story.balances(&channel), 0));
    story.world.chain.pass(i64::from(MIN_GRACE_SECONDS), GRACE);
    let new = NewLane {
        signer: agents[1],
        cap: 77,
    };
    let rotate = story.world.rotate_lane(&channel, 0, new);
    let event = story.tell(rotate, |event: &LaneRotated| event.entry);
    assert_eq!((event.lane, event.generation), (0, 1));
    assert_eq!((event.signer, event.cap), (agents[1], 77));

    let request = story.world.request_close(&channel);
    let event = story.tell(request, |event: &CloseRequested| event.entry);
    assert_eq!(event.balances, story.balances(&channel));
}

#[test]
fn settlements_tell_which_counters_moved_and_what_was_paid() {
    let (mut story, agents) = story();
    let channel = story.world.open(0, 1_000, &agents);
    story.next += 1;
    let claims = story.world.claims(&channel, &agents, 100);
    let settle = story.world.settle(&channel, claims);
    let event = story.tell(settle, |event: &Settled| event.entry);
    assert_eq!(event.balances, story.balances(&channel));
    assert_eq!((event.paid, event.vault), (200, PREPAID - 200));
    let debit = |lane, debited| LaneDebit { lane, debited };
    assert_eq!(event.lanes, [debit(0, 100), debit(1, 100)]);

    let countersigner = story.world.chain.new_key();
    let set = story
        .world
        .set_countersigner(Some(countersigner), &[channel]);
    story.tell(set, |event: &CountersignerSet| event.entry);
    let (mint, account) = (story.world.mint, story.world.payee_token());
    mint.freeze(&mut story.world.chain, &account);
    let statement = story
        .world
        .statement(&channel, &countersigner, &[(0, 100), (1, 150)]);
    let settle = story.world.settle_statement(&channel, statement);
    let event = story.tell(settle, |event: &Settled| event.entry);
    // The first entry moved nothing.
    assert_eq!(event.lanes, [debit(1, 150)]);
    assert_eq!((event.paid, event.balances.unpaid), (0, 50));
    assert_eq!(event.balances, story.balances(&channel));

    story.world.chain.pass(60, OPENED_SLOT_WINDOW + 1);
    let close = story.world.close_channel(&channel);
    let event = story.tell(close.clone(), |event: &ChannelClosed| event.entry);
    assert_eq!((event.released, event.paid, event.closed), (750, 0, false));
    assert_eq!(event.balances, story.balances(&channel));

    mint.thaw(&mut story.world.chain, &account);
    let pay = story.world.pay_out(&channel);
    let event = story.tell(pay, |event: &PaidOut| event.entry);
    assert_eq!((event.amount, event.vault), (50, PREPAID - 250));
    assert_eq!(event.balances, story.balances(&channel));
    let before = story.balances(&channel);
    let event = story.tell(close, |event: &ChannelClosed| event.entry);
    assert_eq!((event.released, event.paid, event.closed), (0, 0, true));
    assert_eq!(event.balances, before);
}

#[test]
fn a_transaction_that_fails_takes_no_number() {
    let (mut story, agents) = story();
    let channel = story.world.open(0, 1_000, &agents);
    let claims = story.world.claims(&channel, &agents, 501);
    let settle = story.world.settle(&channel, claims);
    story.world.chain.refused(settle);
    assert_eq!(story.world.escrow_state().event_sequence, 2);
}
