//! Measures every instruction once, in the course of an escrow's lifetime.

use farthing_protocol::limits::{MIN_GRACE_SECONDS, OPENED_SLOT_WINDOW};
use farthing_tests::program::density::{budget, length};
use farthing_tests::program::world::{PREPAID, new_lane, new_lanes};
use farthing_tests::program::{Channel, Mint, World};
use solana_sdk::instruction::Instruction;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::transaction::VersionedTransaction;

/// Names of the instructions, by their numbers.
pub const NAMES: [&str; 21] = [
    "create_escrow",
    "set_manager",
    "set_countersigner",
    "approve_payee",
    "revoke_payee",
    "withdraw",
    "rescue",
    "close_escrow",
    "open_channel",
    "fund_channel",
    "add_lanes",
    "raise_cap",
    "revoke_lane",
    "rotate_lane",
    "settle",
    "settle_statement",
    "set_settler",
    "release",
    "pay_out",
    "request_close",
    "close_channel",
];

/// Amounts of deposits and debits, in base units.
const DEPOSIT: u64 = 1_000_000;
const DEBIT: u64 = 1_000;

/// The cost of an instruction alone in a legacy transaction.
#[derive(Debug, Clone)]
pub struct InstructionCost {
    /// Number of the instruction.
    pub number: u8,
    /// The measured case.
    pub case: &'static str,
    /// Compute units of the transaction, without those of its compute-budget instructions.
    pub compute_units: u64,
    /// The transaction's length.
    pub bytes: usize,
    /// The base fee.
    pub lamports: u64,
}

/// Measures every instruction, and returns the costs in the order of their numbers.
#[must_use]
pub fn measure() -> Vec<InstructionCost> {
    let mut life = Life::new();
    life.prepares();
    let channel = life.opens_a_channel();
    life.changes_lanes(&channel);
    life.settles(&channel);
    life.ends(&channel);
    life.costs.sort_by_key(|cost| cost.number);
    life.costs
}

/// An escrow on which every instruction is run once.
struct Life {
    world: World,
    /// The first two lanes' keys.
    agents: Vec<Pubkey>,
    countersigner: Pubkey,
    /// The owner's token account.
    destination: Pubkey,
    /// Compute units of the compute-budget instructions.
    budget_units: u64,
    costs: Vec<InstructionCost>,
}

impl Life {
    fn new() -> Self {
        let mut world = World::new();
        let agents = (0..2).map(|_| world.chain.new_address()).collect();
        let countersigner = world.chain.new_address();
        let destination = world.mint.open(&mut world.chain, &world.owner);
        let mut life = Self {
            world,
            agents,
            countersigner,
            destination,
            budget_units: 0,
            costs: Vec::new(),
        };
        let (_, units, _) = life.send(life.world.owner, &budget());
        life.budget_units = units;
        life
    }

    /// Runs a transaction and returns its length, compute units and fee.
    fn send(&mut self, fee_payer: Pubkey, instructions: &[Instruction]) -> (usize, u64, u64) {
        let chain = &mut self.world.chain;
        let transaction: VersionedTransaction = chain.transaction(instructions, &fee_payer).into();
        let bytes = length(&transaction);
        let meta = chain.succeed_with(transaction);
        (bytes, meta.compute_units_consumed, meta.fee)
    }

    /// Runs an instruction of the program and records its cost.
    fn measure(&mut self, fee_payer: Pubkey, case: &'static str, instruction: Instruction) {
        let number = instruction.data[0];
        let mut instructions = budget();
        instructions.push(instruction);
        let (bytes, units, lamports) = self.send(fee_payer, &instructions);
        self.costs.push(InstructionCost {
            number,
            case,
            compute_units: units - self.budget_units,
            bytes,
            lamports,
        });
    }

    fn prepares(&mut self) {
        let (owner, manager) = (self.world.owner, self.world.manager);
        let create = self.world.create_escrow(1);
        self.measure(owner, "an escrow with a new vault", create);
        let set = self.world.set_manager(Some(manager), DEPOSIT, 0);
        self.measure(owner, "a manager with an allowance", set);
        let set = self.world.set_countersigner(Some(self.countersigner), &[]);
        self.measure(owner, "a countersigner, no channels given", set);
        let approve = self.world.approve_payee(MIN_GRACE_SECONDS);
        self.measure(owner, "one payee", approve);
        let revoke = self.world.revoke_payee();
        self.measure(owner, "one payee", revoke);
        let withdraw = self.world.withdraw(self.destination, DEBIT);
        self.measure(owner, "to the owner's token account", withdraw);
        let rescue = self.lost_tokens();
        self.measure(owner, "tokens of another mint", rescue);
    }

    /// A rescue of tokens of another mint that were sent to the escrow.
    fn lost_tokens(&mut self) -> Instruction {
        let (owner, escrow) = (self.world.owner, self.world.escrow);
        let chain = &mut self.world.chain;
        let mint = Mint::create(chain);
        let source = mint.open(chain, &escrow);
        mint.mint(chain, &source, DEBIT);
        let destination = mint.open(chain, &owner);
        self.world.rescue(&mint, source, destination)
    }

    fn opens_a_channel(&mut self) -> Channel {
        let owner = self.world.owner;
        let args = self.world.open_args(0, DEPOSIT, &self.agents[..1]);
        let channel = self.world.channel(&args);
        let open = self.world.open_channel(args);
        self.measure(owner, "by the owner, with one lane", open);
        let fund = self.world.fund_channel(&channel, DEPOSIT);
        self.measure(owner, "by the owner", fund);
        channel
    }

    fn changes_lanes(&mut self, channel: &Channel) {
        let owner = self.world.owner;
        let add = self.world.add_lanes(channel, new_lanes(&self.agents[1..]));
        self.measure(owner, "one lane", add);
        let raise = self.world.raise_cap(channel, 1, PREPAID + 1);
        self.measure(owner, "one lane", raise);
        let revoke = self.world.revoke_lane(channel, 1);
        self.measure(owner, "one lane", revoke);
        self.world
            .chain
            .pass(MIN_GRACE_SECONDS.into(), MIN_GRACE_SECONDS.into());
        let lane = new_lane(self.agents[1]);
        let rotate = self.world.rotate_lane(channel, 1, lane);
        self.measure(owner, "one lane", rotate);
    }

    fn settles(&mut self, channel: &Channel) {
        let (settler, payee) = (self.world.settler, self.world.payee);
        let claims = self.world.claims(channel, &self.agents[..1], DEBIT);
        let settle = self.world.settle(channel, claims);
        self.measure(settler, "one claim", settle);
        let totals = [(0, 2 * DEBIT)];
        let args = self.world.statement(channel, &self.countersigner, &totals);
        let settle = self.world.settle_statement(channel, args);
        self.measure(settler, "one lane", settle);
        let pay_out = self.debt(channel);
        self.measure(settler, "one debt", pay_out);
        let release = self.world.release(channel, DEBIT);
        self.measure(payee, "a part of the deposit", release);
        let set = self.world.set_settler(channel, self.world.stranger);
        self.measure(payee, "one channel", set);
    }

    /// A payout of what was debited while the payee's token account was frozen.
    fn debt(&mut self, channel: &Channel) -> Instruction {
        let account = self.world.payee_token();
        let mint = self.world.mint;
        mint.freeze(&mut self.world.chain, &account);
        let claims = self.world.claims(channel, &self.agents[..1], 3 * DEBIT);
        let settle = self.world.settle(channel, claims);
        self.world.chain.succeed(&[settle]);
        mint.thaw(&mut self.world.chain, &account);
        self.world.pay_out(channel)
    }

    fn ends(&mut self, channel: &Channel) {
        let (owner, payee) = (self.world.owner, self.world.payee);
        let request = self.world.request_close(channel);
        self.measure(owner, "by the owner", request);
        let slots = OPENED_SLOT_WINDOW + 1;
        self.world.chain.pass(60, slots);
        let close = self.world.close_channel(channel);
        self.measure(payee, "by the payee, with nothing unpaid", close);
        let close = self.world.close_escrow(Some(self.destination));
        self.measure(owner, "by the owner, with a full vault", close);
    }
}
