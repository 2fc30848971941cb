//! Sends settlements and records what they cost.

use farthing_protocol::limits::{MAX_CLAIMS, OPENED_SLOT_WINDOW};
use farthing_protocol::statement::MAX_STATEMENT_ENTRIES;
use farthing_tests::program::World;
use farthing_tests::program::density::{Format, Provider, Settlement, add_lanes, length};
use solana_sdk::transaction::VersionedTransaction;

use super::instructions;
use super::report::{
    Batch, CLAIMS, Cost, Densest, Densities, FEW_LANES, MANY_LANES, ProgramReport, Rent, SIZES,
    STATEMENT_LANES, Size,
};

/// Amount that each settlement adds to every counter, in base units.
const STEP: u64 = 1_000;

/// A provider that settles repeatedly, a little more each time.
struct Settler {
    provider: Provider,
    debit_to: u64,
}

impl Settler {
    fn new(channels: usize, lanes: usize) -> Self {
        Self::of(Provider::new(channels, lanes))
    }

    const fn of(provider: Provider) -> Self {
        Self {
            provider,
            debit_to: 0,
        }
    }

    /// Sends a settlement and returns its cost.
    fn cost(&mut self, settlement: Settlement, format: Format) -> Cost {
        self.debit_to += STEP;
        let transaction = self.provider.transaction(settlement, format, self.debit_to);
        self.send(transaction)
    }

    /// Closes the first channel and returns the cost.
    fn cost_of_close(&mut self) -> Cost {
        let channel = self.provider.look_at(0).channel;
        let world = &mut self.provider.world;
        world.chain.pass(60, OPENED_SLOT_WINDOW + 1);
        let (payee, close) = (world.payee, world.close_channel(&channel));
        let transaction = self
            .provider
            .assemble(Format::LookupTable, &payee, vec![close]);
        self.send(transaction)
    }

    fn send(&mut self, transaction: VersionedTransaction) -> Cost {
        let bytes = length(&transaction);
        let meta = self.provider.send(transaction);
        Cost {
            bytes,
            compute_units: meta.compute_units_consumed,
            lamports: meta.fee,
            log_bytes: meta.logs.iter().map(String::len).sum(),
        }
    }

    /// Sends the largest settlement of a kind and returns its size and cost.
    fn densest(&mut self, kind: fn(usize) -> Settlement, format: Format) -> Densest {
        let largest = self.provider.largest(kind, format);
        Densest {
            largest,
            cost: self.cost(kind(largest.count), format),
        }
    }
}

/// Runs all measurements.
#[must_use]
pub fn measure() -> ProgramReport {
    let (lookup_table, legacy) = densities();
    ProgramReport {
        lookup_table,
        legacy,
        claims: claims(),
        statements: statements(),
        sizes: sizes(),
        instructions: instructions::measure(),
        rent: rent(),
    }
}

/// Measures the largest transactions, with a lookup table and without.
fn densities() -> (Densities, Densities) {
    // The program's limits, which are more than one transaction can carry.
    let mut claims = Settler::new(1, MAX_CLAIMS);
    let mut channels = Settler::new(MAX_CLAIMS, 1);
    let mut statement = Settler::new(1, MAX_STATEMENT_ENTRIES);
    let mut of = |format| Densities {
        claims: claims.densest(Settlement::Claims, format),
        channels: channels.densest(Settlement::Channels, format),
        statement: statement.densest(Settlement::Statement, format),
    };
    (of(Format::LookupTable), of(Format::Legacy))
}

/// Measures settling by vouchers.
fn claims() -> [Batch; 4] {
    batches(CLAIMS, Settlement::Claims)
}

/// Measures settling by a statement.
fn statements() -> [Batch; 4] {
    batches(STATEMENT_LANES, Settlement::Statement)
}

fn batches(sizes: [usize; 4], kind: fn(usize) -> Settlement) -> [Batch; 4] {
    let mut many = Settler::new(1, MANY_LANES);
    sizes.map(|lanes| {
        let mut few = Settler::new(1, lanes.max(FEW_LANES));
        Batch {
            lanes,
            few: few.cost(kind(lanes), Format::LookupTable),
            many: many.cost(kind(lanes), Format::LookupTable),
        }
    })
}

/// Measures channels of different sizes.
fn sizes() -> [Size; 3] {
    SIZES.map(|lanes| {
        let mut settler = Settler::of(if lanes <= MANY_LANES {
            Provider::new(1, lanes)
        } else {
            Provider::with_written_lanes(lanes)
        });
        let world = &settler.provider.world;
        let channel = world.chain.account(&world.channel_address(&world.payee, 0));
        Size {
            lanes,
            account_bytes: channel.map_or(0, |account| account.data.len()),
            claim: settler.cost(Settlement::Claims(1), Format::LookupTable),
            statement: settler.cost(Settlement::Statement(1), Format::LookupTable),
            close: settler.cost_of_close(),
        }
    })
}

/// Measures the rent of the accounts.
fn rent() -> Rent {
    let (mut world, channel, _) = World::with_channel(STEP, 1);
    let before = world.chain.lamports(&channel.address);
    add_lanes(&mut world, &channel, 1);
    Rent {
        escrow: world.chain.lamports(&world.escrow),
        vault: world.chain.lamports(&world.vault()),
        channel: before,
        lane: world.chain.lamports(&channel.address) - before,
    }
}
