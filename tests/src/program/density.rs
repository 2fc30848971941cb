//! Settlements of every size as real transactions: what the density tests send and the benchmarks measure.
//!
//! One provider settles. It signs as the settler and pays the fee, and it has an address lookup table of the
//! accounts that it settles with.

use farthing::SettleStatementArgs;
use farthing_protocol::layout::{CHANNEL_HEADER_LENGTH, LANE_LENGTH};
use litesvm::types::TransactionMetadata;
use solana_address_lookup_table_interface::instruction::{
    create_lookup_table, extend_lookup_table,
};
use solana_compute_budget_interface::ComputeBudgetInstruction;
use solana_sdk::instruction::Instruction;
use solana_sdk::message::AddressLookupTableAccount;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::transaction::VersionedTransaction;

use crate::program::chain::COMPUTE_UNITS;
use crate::program::world::{PREPAID, escrow_address, new_lanes};
use crate::program::{Channel, World};

/// The most bytes of a transaction on the wire.
pub const PACKET: usize = 1_232;

/// Lanes that come at a time when a channel gets many; so many fit in a transaction with three signers.
const LANES_AT_A_TIME: usize = 12;

/// Addresses that a lookup table gets at a time; so many fit in a transaction.
const ADDRESSES_AT_A_TIME: usize = 20;

/// How a transaction names its accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Each with its 32 bytes.
    Legacy,
    /// Version 0: with one byte, if they are in the lookup table.
    LookupTable,
}

/// What one transaction settles, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// So many claims on one channel.
    Claims(usize),
    /// So many channels, each of another owner's escrow, with one claim each.
    Channels(usize),
    /// So many lanes of one channel, by one statement.
    Statement(usize),
}

impl Settlement {
    /// How many lanes it settles of each channel.
    #[must_use]
    pub fn lanes(self) -> Vec<usize> {
        match self {
            Self::Claims(lanes) | Self::Statement(lanes) => vec![lanes],
            Self::Channels(channels) => vec![1; channels],
        }
    }
}

/// How much of a kind fits in one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Largest {
    /// So much.
    pub count: usize,
    /// The length of that transaction.
    pub bytes: usize,
    /// The length of one with one more, which does not fit.
    pub bytes_of_next: usize,
}

/// A channel that the provider serves, in an escrow of its own.
#[derive(Debug, Clone)]
pub struct Served {
    /// The channel's escrow.
    pub escrow: Pubkey,
    /// The channel.
    pub channel: Channel,
    /// The keys of its lanes.
    pub agents: Vec<Pubkey>,
}

/// A provider with channels that it settles.
pub struct Provider {
    /// The chain, with the provider as payee and settler. Its escrow is that of one channel.
    pub world: World,
    /// The channels; each has the whole of its escrow's vault, [`PREPAID`], as its deposit.
    served: Vec<Served>,
    /// Whoever signs the statements of all escrows.
    countersigner: Pubkey,
    table: AddressLookupTableAccount,
}

impl Provider {
    /// A provider that serves as many channels, each with as many lanes.
    #[must_use]
    pub fn new(channels: usize, lanes: usize) -> Self {
        Self::of_world(World::new(), channels, lanes)
    }

    /// The provider of a world that has no channel yet.
    #[must_use]
    pub fn of_world(mut world: World, channels: usize, lanes: usize) -> Self {
        let countersigner = world.chain.new_address();
        let mut served = vec![serve(&mut world, countersigner, lanes)];
        while served.len() < channels {
            move_to_new_escrow(&mut world);
            served.push(serve(&mut world, countersigner, lanes));
        }
        let table = lookup_table(&mut world, &served);
        Self {
            world,
            served,
            countersigner,
            table,
        }
    }

    /// A provider that serves one channel of as many lanes of one key. They are written into the account,
    /// because adding very many takes thousands of transactions.
    #[must_use]
    pub fn with_written_lanes(lanes: usize) -> Self {
        let mut provider = Self::new(1, 1);
        let served = &mut provider.served[0];
        write_lanes(&mut provider.world, &served.channel, lanes);
        served.agents = vec![served.agents[0]; lanes];
        provider
    }

    /// Makes a channel's escrow the world's, and returns the channel.
    pub fn look_at(&mut self, index: usize) -> Served {
        let served = self.served[index].clone();
        self.world.escrow = served.escrow;
        served
    }

    /// A transaction of the settler that moves the counters of the channels' last lanes to `debit_to`.
    pub fn transaction(
        &mut self,
        settlement: Settlement,
        format: Format,
        debit_to: u64,
    ) -> VersionedTransaction {
        let instructions = match settlement {
            Settlement::Claims(lanes) => vec![self.settle(0, lanes, debit_to)],
            Settlement::Channels(channels) => (0..channels)
                .map(|index| self.settle(index, 1, debit_to))
                .collect(),
            Settlement::Statement(lanes) => {
                let args = self.statement(lanes, debit_to);
                let channel = self.look_at(0).channel;
                vec![self.world.settle_statement(&channel, args)]
            }
        };
        self.assemble(format, &self.world.settler.clone(), instructions)
    }

    /// A signed transaction with the two compute-budget instructions that every transaction has nowadays.
    pub fn assemble(
        &mut self,
        format: Format,
        fee_payer: &Pubkey,
        instructions: Vec<Instruction>,
    ) -> VersionedTransaction {
        let mut all = budget();
        all.extend(instructions);
        let chain = &mut self.world.chain;
        match format {
            Format::Legacy => chain.transaction(&all, fee_payer).into(),
            Format::LookupTable => chain.transaction_with_table(&all, fee_payer, &self.table),
        }
    }

    /// Serialises a kind of settlement at every size, from one up to the first that does not fit.
    ///
    /// # Panics
    /// If the provider has too few channels or lanes to come that far.
    pub fn largest(&mut self, kind: fn(usize) -> Settlement, format: Format) -> Largest {
        let mut bytes = 0;
        let mut count = 0;
        loop {
            let next = length(&self.transaction(kind(count + 1), format, 1));
            if next > PACKET {
                return Largest {
                    count,
                    bytes,
                    bytes_of_next: next,
                };
            }
            assert!(next > bytes, "what settles more is longer");
            (bytes, count) = (next, count + 1);
        }
    }

    /// Runs a transaction that must succeed.
    ///
    /// # Panics
    /// With its logs if it failed.
    pub fn send(&mut self, transaction: VersionedTransaction) -> TransactionMetadata {
        self.world.chain.succeed_with(transaction)
    }

    /// A statement of the last `lanes` lanes of the first channel.
    pub fn statement(&mut self, lanes: usize, debit_to: u64) -> SettleStatementArgs {
        let served = self.look_at(0);
        let totals: Vec<(u16, u64)> = last_lanes(&served.agents, lanes)
            .map(|(lane, _)| (lane, debit_to))
            .collect();
        self.world
            .statement(&served.channel, &self.countersigner, &totals)
    }

    /// Claims on the last `lanes` lanes of a channel.
    fn settle(&mut self, index: usize, lanes: usize, debit_to: u64) -> Instruction {
        let served = self.look_at(index);
        let claims = last_lanes(&served.agents, lanes)
            .map(|lane| self.world.claim(served.channel.domain, lane, debit_to, 0))
            .collect();
        self.world.settle(&served.channel, claims)
    }
}

/// The two compute-budget instructions. The price is zero, so that the fee is the base fee; another price
/// takes as many bytes and compute units.
#[must_use]
pub fn budget() -> Vec<Instruction> {
    vec![
        ComputeBudgetInstruction::set_compute_unit_limit(COMPUTE_UNITS),
        ComputeBudgetInstruction::set_compute_unit_price(0),
    ]
}

/// A transaction's length on the wire, in bytes.
///
/// # Panics
/// Never: what was built can be serialised.
#[must_use]
pub fn length(transaction: &VersionedTransaction) -> usize {
    bincode::serialize(transaction)
        .expect("a transaction can be serialised")
        .len()
}

/// Appends lanes with new keys, as a client must: some in each transaction. Returns the keys.
pub fn add_lanes(world: &mut World, channel: &Channel, count: usize) -> Vec<Pubkey> {
    let agents: Vec<Pubkey> = (0..count).map(|_| world.chain.new_address()).collect();
    for some in agents.chunks(LANES_AT_A_TIME) {
        let add = world.add_lanes(channel, new_lanes(some));
        world.chain.succeed(&[add]);
    }
    agents
}

/// Gives a channel `lanes` lanes by writing the account. Each is a copy of the first: what `add_lanes` writes
/// for the same key and cap.
///
/// # Panics
/// If the channel does not exist.
pub fn write_lanes(world: &mut World, channel: &Channel, lanes: usize) {
    let account = world.chain.account(&channel.address);
    let mut account = account.expect("the channel exists");
    let (header, tail) = account.data.split_at(CHANNEL_HEADER_LENGTH);
    account.data = [header, &tail[..LANE_LENGTH].repeat(lanes)].concat();
    account.lamports = world.chain.rent(account.data.len());
    world.chain.set_account(&channel.address, account);
}

/// Opens a channel of the world's escrow, with its whole vault as the deposit.
fn serve(world: &mut World, countersigner: Pubkey, lanes: usize) -> Served {
    let set = world.set_countersigner(Some(countersigner), &[]);
    world.chain.succeed(&[set]);
    let first = lanes.min(LANES_AT_A_TIME);
    let mut agents: Vec<Pubkey> = (0..first).map(|_| world.chain.new_address()).collect();
    let channel = world.open(0, PREPAID, &agents);
    agents.extend(add_lanes(world, &channel, lanes - first));
    Served {
        escrow: world.escrow,
        channel,
        agents,
    }
}

/// Makes a new owner's escrow the world's, with [`PREPAID`] in its vault.
fn move_to_new_escrow(world: &mut World) {
    world.owner = world.chain.new_key();
    world.escrow = escrow_address(&world.owner, &world.mint.address, 0);
    let create = world.create_escrow(0);
    world.chain.succeed(&[create]);
    world.prepay(PREPAID);
}

/// The last `count` lanes with their keys. The last ones, because they lie deepest in the account.
fn last_lanes(agents: &[Pubkey], count: usize) -> impl Iterator<Item = (u16, &Pubkey)> {
    let first = agents.len() - count;
    (0..=u16::MAX).zip(agents).skip(first)
}

/// The settler's lookup table, made by the runtime's own program, and usable.
fn lookup_table(world: &mut World, served: &[Served]) -> AddressLookupTableAccount {
    let mut addresses = vec![
        world.payee_token(),
        world.mint.address,
        world.mint.token_program,
    ];
    for served in served {
        let vault = world.mint.address_of(&served.escrow);
        addresses.extend([served.escrow, served.channel.address, vault]);
    }
    let authority = world.settler;
    let slot = world.chain.hashed_slot();
    let (create, key) = create_lookup_table(authority, authority, slot);
    world.chain.succeed(&[create]);
    for some in addresses.chunks(ADDRESSES_AT_A_TIME) {
        let extend = extend_lookup_table(key, authority, Some(authority), some.to_vec());
        world.chain.succeed(&[extend]);
    }
    // Addresses can be looked up from the slot after the one in which they were added.
    world.chain.pass(1, 1);
    AddressLookupTableAccount { key, addresses }
}
