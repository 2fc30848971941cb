//! A world in which every instruction can succeed, and a sibling of every account.

use farthing_protocol::limits::{MIN_GRACE_SECONDS, OPENED_SLOT_WINDOW};
use solana_sdk::instruction::Instruction;
use solana_sdk::pubkey::Pubkey;

use crate::program::tokens::TOKEN_2022;
use crate::program::world::{escrow_address, new_lane, new_lanes};
use crate::program::{Chain, Channel, Mint, World, instruction};

const DEPOSIT: u64 = 1_000;
const LANES: usize = 3;
const ALLOWANCE: u64 = 10_000;
/// A lane whose revocation took effect.
const REVOKED: u16 = 2;

/// Builds an instruction with the right accounts, and names them.
pub type Build = fn(&mut Stage) -> (Vec<&'static str>, Instruction);

/// Every instruction, in the order of the discriminators.
pub const INSTRUCTIONS: [(&str, Build); 21] = [
    ("create_escrow", |stage| {
        let accounts = vec![
            "owner",
            "rent_payer",
            "mint",
            "escrow",
            "vault",
            "token_program",
            "associated_token_program",
            "system_program",
        ];
        (accounts, stage.world.create_escrow(3))
    }),
    ("set_manager", |stage| {
        let accounts = vec!["owner", "escrow"];
        (accounts, stage.world.set_manager(None, 0, ALLOWANCE))
    }),
    ("set_countersigner", |stage| {
        let accounts = vec!["owner", "escrow"];
        (accounts, stage.world.set_countersigner(None, &[]))
    }),
    ("approve_payee", |stage| {
        let accounts = vec![
            "owner",
            "rent_payer",
            "escrow",
            "approval",
            "system_program",
        ];
        stage.world.payee = stage.world.stranger;
        let approve = stage.world.approve_payee(900);
        stage.world.payee = stage.payee;
        (accounts, approve)
    }),
    ("revoke_payee", |stage| {
        let accounts = vec!["owner", "escrow", "approval", "rent_payer"];
        (accounts, stage.world.revoke_payee())
    }),
    ("withdraw", |stage| {
        let accounts = vec![
            "owner",
            "escrow",
            "mint",
            "vault",
            "destination",
            "token_program",
        ];
        (accounts, stage.world.withdraw(stage.destination, 1))
    }),
    ("rescue", |stage| {
        let accounts = vec![
            "owner",
            "escrow",
            "mint",
            "source",
            "destination",
            "token_program",
        ];
        let mint = stage.other_mint;
        let (source, destination) = (stage.mistaken, stage.mistaken_destination);
        (accounts, stage.world.rescue(&mint, source, destination))
    }),
    ("close_escrow", |stage| {
        let accounts = vec![
            "authority",
            "escrow",
            "rent_payer",
            "mint",
            "vault",
            "destination",
            "token_program",
        ];
        let own = std::mem::replace(&mut stage.world.escrow, stage.idle_escrow);
        let close = stage.world.close_escrow(Some(stage.destination));
        stage.world.escrow = own;
        (accounts, close)
    }),
    ("open_channel", |stage| {
        let accounts = vec![
            "authority",
            "rent_payer",
            "escrow",
            "vault",
            "approval",
            "channel",
            "system_program",
        ];
        let args = stage.world.open_args(5, 10, &stage.agents);
        let mut accounts_of = stage.world.open_channel_accounts(&args);
        accounts_of.authority = stage.world.manager;
        accounts_of.approval = Some(stage.world.approval());
        let data = farthing::instruction::OpenChannel { args };
        (accounts, instruction(accounts_of, data))
    }),
    ("fund_channel", |stage| {
        let accounts = vec!["authority", "escrow", "vault", "approval", "channel"];
        let mut accounts_of = stage.world.fund_channel_accounts(&stage.channel);
        accounts_of.authority = stage.world.manager;
        accounts_of.approval = Some(stage.world.approval());
        let args = farthing::FundChannelArgs { amount: 1 };
        let data = farthing::instruction::FundChannel { args };
        (accounts, instruction(accounts_of, data))
    }),
    ("add_lanes", |stage| {
        let accounts = vec![
            "authority",
            "rent_payer",
            "escrow",
            "channel",
            "system_program",
        ];
        (
            accounts,
            stage
                .world
                .add_lanes(&stage.channel, new_lanes(&stage.agents)),
        )
    }),
    ("raise_cap", |stage| {
        let accounts = vec!["authority", "escrow", "channel"];
        (accounts, stage.world.raise_cap(&stage.channel, 0, u64::MAX))
    }),
    ("revoke_lane", |stage| {
        let accounts = vec!["authority", "escrow", "channel"];
        (accounts, stage.world.revoke_lane(&stage.channel, 0))
    }),
    ("rotate_lane", |stage| {
        let accounts = vec!["authority", "escrow", "channel"];
        let new = new_lane(stage.agents[0]);
        (
            accounts,
            stage.world.rotate_lane(&stage.channel, REVOKED, new),
        )
    }),
    ("settle", |stage| {
        let accounts = vec![
            "authority",
            "escrow",
            "channel",
            "mint",
            "vault",
            "payee_token",
            "token_program",
        ];
        let claims = stage.world.claims(&stage.channel, &stage.agents[..1], 200);
        (accounts, stage.world.settle(&stage.channel, claims))
    }),
    ("settle_statement", |stage| {
        let accounts = vec![
            "authority",
            "escrow",
            "channel",
            "mint",
            "vault",
            "payee_token",
            "token_program",
        ];
        let totals = [(0, 200)];
        let statement = stage
            .world
            .statement(&stage.channel, &stage.countersigner, &totals);
        (
            accounts,
            stage.world.settle_statement(&stage.channel, statement),
        )
    }),
    ("set_settler", |stage| {
        let accounts = vec!["payee", "escrow", "channel"];
        (
            accounts,
            stage
                .world
                .set_settler(&stage.channel, stage.world.stranger),
        )
    }),
    ("release", |stage| {
        let accounts = vec!["payee", "escrow", "channel"];
        (accounts, stage.world.release(&stage.channel, 1))
    }),
    ("pay_out", |stage| {
        let accounts = vec![
            "escrow",
            "channel",
            "mint",
            "vault",
            "payee_token",
            "token_program",
        ];
        (accounts, stage.world.pay_out(&stage.channel))
    }),
    ("request_close", |stage| {
        let accounts = vec!["authority", "escrow", "channel"];
        (accounts, stage.world.request_close(&stage.channel))
    }),
    ("close_channel", |stage| {
        let accounts = vec![
            "authority",
            "escrow",
            "channel",
            "mint",
            "vault",
            "payee_token",
            "token_program",
            "rent_payer",
        ];
        (accounts, stage.world.close_channel(&stage.channel))
    }),
];

/// The world, what the instructions act on, and the siblings.
pub struct Stage {
    /// The world.
    pub world: World,
    payee: Pubkey,
    /// The lanes' keys.
    pub agents: Vec<Pubkey>,
    /// What the instructions act on.
    pub channel: Channel,
    /// Signs statements.
    pub countersigner: Pubkey,
    destination: Pubkey,
    other_mint: Mint,
    mistaken: Pubkey,
    mistaken_destination: Pubkey,
    /// Another escrow of the same owner, with a channel to the same payee.
    other_escrow: Pubkey,
    other_channel: Channel,
    other_approval: Pubkey,
    /// Another escrow of the same owner, without channels.
    idle_escrow: Pubkey,
    strangers_token: Pubkey,
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

impl Stage {
    /// A stage on a chain of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::on(Chain::new())
    }

    /// A stage on `chain`.
    #[must_use]
    pub fn on(chain: Chain) -> Self {
        let mut world = World::on(chain);
        let agents: Vec<Pubkey> = (0..LANES).map(|_| world.chain.new_key()).collect();
        let channel = world.open(0, DEPOSIT, &agents);
        let mint = world.mint;
        let other_mint = Mint::create(&mut world.chain);
        let mut stage = Self {
            payee: world.payee,
            agents,
            channel,
            countersigner: world.chain.new_key(),
            destination: mint.open(&mut world.chain, &world.owner),
            mistaken: other_mint.open(&mut world.chain, &world.escrow),
            mistaken_destination: other_mint.open(&mut world.chain, &world.owner),
            other_mint,
            other_escrow: escrow_address(&world.owner, &mint.address, 1),
            other_channel: channel,
            other_approval: Pubkey::default(),
            idle_escrow: escrow_address(&world.owner, &mint.address, 2),
            strangers_token: mint.open(&mut world.chain, &world.stranger),
            world,
        };
        stage.give_roles();
        stage.make_siblings();
        stage.owe();
        stage.let_time_pass();
        stage
    }

    fn give_roles(&mut self) {
        self.world.appoint(ALLOWANCE);
        let set = self
            .world
            .set_countersigner(Some(self.countersigner), &[self.channel]);
        let approve = self.world.approve_payee(MIN_GRACE_SECONDS);
        self.world.chain.succeed(&[set, approve]);
        let mint = self.other_mint;
        mint.mint(&mut self.world.chain, &self.mistaken, 5);
    }

    fn make_siblings(&mut self) {
        let create = self.world.create_escrow(1);
        let idle = self.world.create_escrow(2);
        self.world.chain.succeed(&[create, idle]);
        let mint = self.world.mint;
        let idle_vault = mint.address_of(&self.idle_escrow);
        mint.mint(&mut self.world.chain, &idle_vault, 5);

        let own = std::mem::replace(&mut self.world.escrow, self.other_escrow);
        self.world.prepay(DEPOSIT);
        self.other_channel = self.world.open(0, DEPOSIT, &self.agents);
        self.other_approval = self.world.approval();
        let approve = self.world.approve_payee(MIN_GRACE_SECONDS);
        self.world.chain.succeed(&[approve]);
        self.world.escrow = own;
    }

    /// Leaves something unpaid.
    fn owe(&mut self) {
        self.world
            .settle_unpaid(&self.channel, &self.agents[..1], 100);
        self.world.thaw_payee();
    }

    fn let_time_pass(&mut self) {
        let revoke = self.world.revoke_lane(&self.channel, REVOKED);
        self.world.chain.succeed(&[revoke]);
        let seconds = i64::from(MIN_GRACE_SECONDS);
        let slots = u64::from(MIN_GRACE_SECONDS) + OPENED_SLOT_WINDOW + 1;
        self.world.chain.pass(seconds, slots);
    }

    /// Another account of the kind that `name` stands for than `present`.
    #[must_use]
    pub fn sibling(&self, name: &str, present: Pubkey) -> Option<Pubkey> {
        let mint = &self.world.mint;
        Some(match name {
            "owner" | "authority" | "payee" | "rent_payer" => self.world.stranger,
            "escrow" => self.other_escrow,
            "channel" => self.other_channel.address,
            "approval" => self.other_approval,
            "mint" if present == mint.address => self.other_mint.address,
            "mint" => mint.address,
            "vault" => mint.address_of(&self.other_escrow),
            "payee_token" | "destination" => self.strangers_token,
            "source" => mint.address_of(&self.other_escrow),
            "token_program" => TOKEN_2022,
            "associated_token_program" | "system_program" => farthing::ID,
            _ => return None,
        })
    }
}
