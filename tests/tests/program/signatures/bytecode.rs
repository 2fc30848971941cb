//! Uses the program's bytecode to check keys and signatures.

use anchor_lang::InstructionData;
use farthing::{
    AddLanesArgs, Claim, SettleArgs, SettleStatementArgs, StatementClaim, instruction as data,
};
use farthing_protocol::layout::{CHANNEL_HEADER_LENGTH, LANE_LENGTH};
use farthing_protocol::limits::MAX_CLAIMS;
use farthing_protocol::statement::{STATEMENT_LENGTH, StatementEntry, statement_bytes};
use farthing_protocol::voucher::VOUCHER_LENGTH;
use farthing_protocol::{BaseUnits, Generation, LaneIndex, Voucher};
use farthing_tests::program::world::{new_lanes, sha256};
use farthing_tests::program::{Chain, Channel, World};
use solana_sdk::account::Account;
use solana_sdk::instruction::{Instruction, InstructionError};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::transaction::TransactionError;

use super::Verdict;

/// The most lanes that the account has rent for, so that adding one moves no lamports.
const LANES: usize = 2 * MAX_CLAIMS;

/// A key and a signature over a voucher or a statement.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The lane's key, or the countersigner.
    pub key: [u8; 32],
    /// The voucher's ceiling, or the statement's total.
    pub authorized: u32,
    /// The signature.
    pub signature: [u8; 64],
}

/// A channel that is put back before every verdict, and in which no claim moves money.
pub struct Bytecode {
    world: World,
    channel: Channel,
    account: Account,
    /// Without data. To derive their accounts' addresses anew would take as long as a signature.
    add_lanes: Instruction,
    settle: Instruction,
}

impl Bytecode {
    /// A channel with one lane, which is debited to the end.
    pub fn new() -> Self {
        let mut world = World::on(Chain::without_transaction_checks());
        let agent = world.chain.new_key();
        let channel = world.open(0, 1, &[agent]);
        let mut account = world
            .chain
            .account(&channel.address)
            .expect("it was opened just now");
        // The lane's cap and counter.
        account.data[CHANNEL_HEADER_LENGTH..][32..48].fill(0xff);
        account.lamports = world
            .chain
            .rent(CHANNEL_HEADER_LENGTH + LANES * LANE_LENGTH);
        Self {
            add_lanes: world.add_lanes(&channel, Vec::new()),
            settle: world.settle(&channel, Vec::new()),
            world,
            channel,
            account,
        }
    }

    /// The voucher that a lane's key is to sign.
    pub fn voucher(&self, lane: u16, authorized: u32) -> [u8; VOUCHER_LENGTH] {
        Voucher {
            domain: self.channel.domain,
            lane: LaneIndex(lane),
            generation: Generation(0),
            authorized: BaseUnits(authorized.into()),
        }
        .to_bytes()
    }

    /// The statement that a countersigner is to sign: a total of the first lane.
    pub fn statement(&self, total: u32) -> [u8; STATEMENT_LENGTH] {
        let entry = StatementEntry {
            lane: LaneIndex(0),
            generation: Generation(0),
            debit_to: BaseUnits(total.into()),
        };
        statement_bytes(sha256, &self.channel.domain, &[entry]).expect("one entry is a statement")
    }

    /// Adds a lane for every key and claims on all of them, in one transaction. The first gets the number
    /// `lane`, and there are as many lanes before it.
    pub fn add_and_settle(&mut self, lane: u16, signed: &[Signed]) -> Verdict {
        self.put_back(lane.into());
        let keys: Vec<Pubkey> = signed
            .iter()
            .map(|signed| Pubkey::new_from_array(signed.key))
            .collect();
        let args = AddLanesArgs {
            lanes: new_lanes(&keys),
        };
        self.add_lanes.data = data::AddLanes { args }.data();
        self.claim((lane..).zip(signed));
        self.verdict(&[self.add_lanes.clone(), self.settle.clone()])
    }

    /// Claims on the first lane, whose key was not checked but is just there.
    pub fn settle_unchecked(&mut self, signed: &Signed) -> Verdict {
        let mut account = self.account.clone();
        account.data[CHANNEL_HEADER_LENGTH..][..32].copy_from_slice(&signed.key);
        self.world.chain.set_account(&self.channel.address, account);
        self.claim([(0, signed)]);
        let settle = self.settle.clone();
        self.verdict(&[settle])
    }

    /// Names the countersigner and settles its statement, in one transaction.
    pub fn countersign(&mut self, signed: &Signed) -> Verdict {
        self.put_back(1);
        let key = Pubkey::new_from_array(signed.key);
        let set = self.world.set_countersigner(Some(key), &[self.channel]);
        let args = SettleStatementArgs {
            signature: signed.signature,
            entries: vec![StatementClaim {
                lane: 0,
                debit_to: signed.authorized.into(),
            }],
            earlier: Vec::new(),
        };
        let settle = self.world.settle_statement(&self.channel, args);
        self.verdict(&[set, settle])
    }

    fn put_back(&mut self, lanes: usize) {
        let mut account = self.account.clone();
        let lane = account.data[CHANNEL_HEADER_LENGTH..].to_vec();
        for _ in 1..lanes {
            account.data.extend_from_slice(&lane);
        }
        self.world.chain.set_account(&self.channel.address, account);
    }

    /// Makes claims of nothing: their signatures are checked, and they move no counter.
    fn claim<'a>(&mut self, signed: impl IntoIterator<Item = (u16, &'a Signed)>) {
        let claims = signed
            .into_iter()
            .map(|(lane, signed)| Claim {
                lane,
                authorized: signed.authorized.into(),
                undebited: signed.authorized,
                signature: signed.signature,
            })
            .collect();
        let args = SettleArgs { claims };
        self.settle.data = data::Settle { args }.data();
    }

    fn verdict(&mut self, instructions: &[Instruction]) -> Verdict {
        let Err(failure) = self.world.chain.send(instructions) else {
            return Verdict::Accepted;
        };
        match failure.err {
            TransactionError::InstructionError(_, InstructionError::Custom(code)) => {
                Verdict::of_code(code)
            }
            _ => None,
        }
        .unwrap_or_else(|| panic!("{:?}\n{}", failure.err, failure.meta.pretty_logs()))
    }
}
