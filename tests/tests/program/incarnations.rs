//! Tests that no sequence of closing and reopening channels and escrows makes an old voucher or statement valid again.
//!
//! One escrow address, one channel address and one lane key go through thousands of incarnations, which are opened with
//! any slot that the window allows and closed as early as the rules allow. After each opening, everything that the lane
//! or the countersigner signed before is tried again.

use farthing::error::FarthingError;
use farthing::{Claim, SettleStatementArgs};
use farthing_protocol::limits::OPENED_SLOT_WINDOW;
use farthing_tests::program::{Channel, World};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use solana_sdk::instruction::Instruction;
use solana_sdk::pubkey::Pubkey;

use super::codes::code;

/// Sequences, over all threads.
const SEQUENCES: u64 = 10_000;
const THREADS: u64 = 4;
/// The most incarnations of one sequence.
const INCARNATIONS: u64 = 3;
const DEPOSIT: u64 = 1_000;

/// What was signed for an incarnation that is gone.
enum Old {
    Voucher(Claim),
    Statement(SettleStatementArgs),
}

struct Life {
    world: World,
    random: StdRng,
    agent: Pubkey,
    countersigner: Pubkey,
    destination: Pubkey,
    old: Vec<Old>,
    /// How many old signatures were refused.
    tried: u64,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut world = World::new();
        let (agent, countersigner) = (world.chain.new_key(), world.chain.new_key());
        let destination = world.mint.open(&mut world.chain, &world.owner);
        let set = world.set_countersigner(Some(countersigner), &[]);
        world.chain.succeed(&[set]);
        Self {
            world,
            random: StdRng::seed_from_u64(seed),
            agent,
            countersigner,
            destination,
            old: Vec::new(),
            tried: 0,
        }
    }

    fn sequence(&mut self) {
        self.old.clear();
        for _ in 0..self.random.gen_range(2..=INCARNATIONS) {
            let channel = self.open();
            self.retry(&channel);
            self.sign(&channel);
            self.close(&channel);
            if self.random.gen_bool(0.3) {
                self.create_anew();
            }
        }
    }

    /// Opens with any slot of the window, in whatever slot it is.
    fn open(&mut self) -> Channel {
        let mut args = self.world.open_args(0, DEPOSIT, &[self.agent]);
        args.opened_slot -= self.random.gen_range(0..=OPENED_SLOT_WINDOW);
        let channel = self.world.channel(&args);
        let open = self.world.open_channel(args);
        self.world.chain.succeed(&[open]);
        channel
    }

    fn retry(&mut self, channel: &Channel) {
        for old in &self.old {
            let (settle, refusal): (Instruction, _) = match old {
                Old::Voucher(claim) => (
                    self.world.settle(channel, vec![claim.clone()]),
                    FarthingError::VoucherNotSigned,
                ),
                Old::Statement(args) => (
                    self.world.settle_statement(channel, args.clone()),
                    FarthingError::StatementNotSigned,
                ),
            };
            assert_eq!(self.world.chain.refused(settle), code(refusal));
            self.tried += 1;
        }
    }

    /// Signs a voucher and a statement, of which each may be settled or kept.
    fn sign(&mut self, channel: &Channel) {
        let total = self.random.gen_range(1..=DEPOSIT);
        let claim = self.world.claim(channel.domain, (0, &self.agent), total, 0);
        let statement = self
            .world
            .statement(channel, &self.countersigner, &[(0, total)]);
        let mut settled = Vec::new();
        if self.random.gen_bool(0.5) {
            settled.push(self.world.settle(channel, vec![claim.clone()]));
        }
        if self.random.gen_bool(0.5) {
            let settle = self.world.settle_statement(channel, statement.clone());
            settled.push(settle);
        }
        if !settled.is_empty() {
            self.world.chain.succeed(&settled);
        }
        self.old.push(Old::Voucher(claim));
        self.old.push(Old::Statement(statement));
    }

    /// Closes in the first slot in which that is possible, or later.
    fn close(&mut self, channel: &Channel) {
        let (header, _) = self.world.channel_state(&channel.address);
        let first = header.opened_slot + OPENED_SLOT_WINDOW + 1;
        let wait = first.saturating_sub(self.world.chain.time().slot);
        let later = [0, 0, 1, 149, 150, 151][self.random.gen_range(0..6)];
        self.world.chain.pass(1, wait + later);
        let close = self.world.close_channel(channel);
        self.world.chain.succeed(&[close]);
    }

    fn create_anew(&mut self) {
        let vault = self.world.vault_balance();
        let close = self.world.close_escrow(Some(self.destination));
        let create = self.world.create_escrow(0);
        let set = self.world.set_countersigner(Some(self.countersigner), &[]);
        self.world.chain.succeed(&[close, create, set]);
        self.world.prepay(vault.max(DEPOSIT));
    }
}

#[test]
fn no_old_signature_is_ever_valid_again() {
    let threads: Vec<_> = (0..THREADS)
        .map(|seed| {
            std::thread::spawn(move || {
                let mut life = Life::new(seed);
                for _ in 0..SEQUENCES / THREADS {
                    life.sequence();
                    let vault = life.world.vault_balance();
                    if vault < INCARNATIONS * DEPOSIT {
                        life.world.prepay(1_000_000);
                    }
                }
                life.tried
            })
        })
        .collect();
    let tried: u64 = threads
        .into_iter()
        .map(|thread| thread.join().expect("no sequence fails"))
        .sum();
    println!("{SEQUENCES} sequences, {tried} old signatures refused");
    // A sequence of two incarnations tries two, one of three tries six.
    assert!(tried >= 3 * SEQUENCES, "{tried}");
}
