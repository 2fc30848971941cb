//! A chain with one escrow and its people.

use anchor_lang::{AccountDeserialize, InstructionData, ToAccountMetas};
use farthing::state::{Escrow, NewLane};
use farthing::{Claim, OpenChannelArgs, SettleStatementArgs, StatementClaim};
use farthing_protocol::layout::{self, ChannelHeader, LaneState};
use farthing_protocol::limits::MIN_GRACE_SECONDS;
use farthing_protocol::seeds::{APPROVAL_SEED, CHANNEL_SEED, ESCROW_SEED};
use farthing_protocol::statement::{StatementEntry, statement_bytes};
use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex, Voucher};
use sha2::{Digest, Sha256};
use solana_sdk::instruction::Instruction;
use solana_sdk::pubkey::Pubkey;

use crate::program::tokens::balance;
use crate::program::{Chain, Mint};

/// The genesis hash that the tests' channels name.
pub const GENESIS_HASH: [u8; 32] = [7; 32];

/// What lies in a new world's vault.
pub const PREPAID: u64 = 1_000_000_000;

/// A chain with an escrow, and a payee whose token account exists.
pub struct World {
    /// The chain.
    pub chain: Chain,
    /// The escrow's mint.
    pub mint: Mint,
    /// The escrow's cold key.
    pub owner: Pubkey,
    /// Who pays every rent.
    pub rent_payer: Pubkey,
    /// A key that is the manager once a test says so.
    pub manager: Pubkey,
    /// The wallet that earns.
    pub payee: Pubkey,
    /// Its hot key.
    pub settler: Pubkey,
    /// A key with no role.
    pub stranger: Pubkey,
    /// The escrow.
    pub escrow: Pubkey,
}

/// A channel as a client knows it.
#[derive(Debug, Clone, Copy)]
pub struct Channel {
    /// Its address.
    pub address: Pubkey,
    /// What its vouchers are bound to.
    pub domain: Domain,
}

/// An instruction of the program.
pub fn instruction(accounts: impl ToAccountMetas, data: impl InstructionData) -> Instruction {
    Instruction {
        program_id: farthing::ID,
        accounts: accounts.to_account_metas(None),
        data: data.data(),
    }
}

/// SHA-256 of the concatenation.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// The address of an escrow.
#[must_use]
pub fn escrow_address(owner: &Pubkey, mint: &Pubkey, escrow_id: u64) -> Pubkey {
    let id = escrow_id.to_le_bytes();
    let seeds = [ESCROW_SEED, owner.as_ref(), mint.as_ref(), &id];
    Pubkey::find_program_address(&seeds, &farthing::ID).0
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// A world with [`PREPAID`] in its vault.
    #[must_use]
    pub fn new() -> Self {
        Self::on(Chain::new())
    }

    /// A world on `chain`, with a mint of the classic token program.
    #[must_use]
    pub fn on(mut chain: Chain) -> Self {
        let mint = Mint::create(&mut chain);
        Self::with_mint(chain, mint)
    }

    /// A world on `chain` whose escrow holds `mint`.
    #[must_use]
    pub fn with_mint(mut chain: Chain, mint: Mint) -> Self {
        let owner = chain.new_key();
        let mut world = Self {
            mint,
            owner,
            rent_payer: chain.new_key(),
            manager: chain.new_key(),
            payee: chain.new_key(),
            settler: chain.new_key(),
            stranger: chain.new_key(),
            escrow: escrow_address(&owner, &mint.address, 0),
            chain,
        };
        let create = world.create_escrow(0);
        world.chain.succeed(&[create]);
        world.mint.open(&mut world.chain, &world.payee);
        world.prepay(PREPAID);
        world
    }

    /// A world with a channel of `deposit` and `lanes` lanes with generous caps, and the lanes' keys.
    #[must_use]
    pub fn with_channel(deposit: u64, lanes: usize) -> (Self, Channel, Vec<Pubkey>) {
        let mut world = Self::new();
        let agents: Vec<Pubkey> = (0..lanes).map(|_| world.chain.new_key()).collect();
        let channel = world.open(0, deposit, &agents);
        (world, channel, agents)
    }

    /// Sends tokens to the vault.
    pub fn prepay(&mut self, amount: u64) {
        let vault = self.vault();
        self.mint.mint(&mut self.chain, &vault, amount);
    }

    /// Makes [`Self::manager`] the manager.
    pub fn appoint(&mut self, allowance: u64) {
        let current = self.escrow_state().manager_allowance;
        let set = self.set_manager(Some(self.manager), allowance, current);
        self.chain.succeed(&[set]);
    }

    /// Opens a channel by the owner in the current slot, with a lane of the cap [`PREPAID`] for each agent.
    pub fn open(&mut self, channel_id: u64, deposit: u64, agents: &[Pubkey]) -> Channel {
        let args = self.open_args(channel_id, deposit, agents);
        let channel = self.channel(&args);
        let open = self.open_channel(args);
        self.chain.succeed(&[open]);
        channel
    }

    /// Settles a claim of `ceiling` for each agent while the issuer has frozen the payee's account, which stays
    /// frozen: the amounts wait.
    pub fn settle_unpaid(&mut self, channel: &Channel, agents: &[Pubkey], ceiling: u64) {
        let (mint, account) = (self.mint, self.payee_token());
        mint.freeze(&mut self.chain, &account);
        let claims = self.claims(channel, agents, ceiling);
        let settle = self.settle(channel, claims);
        self.chain.succeed(&[settle]);
    }

    /// Lets the payee receive again what [`Self::settle_unpaid`] left.
    pub fn thaw_payee(&mut self) {
        let (mint, account) = (self.mint, self.payee_token());
        mint.thaw(&mut self.chain, &account);
    }

    /// Revokes a lane, lets the grace pass, and gives the lane another key.
    pub fn rotate(&mut self, channel: &Channel, lane: u16) {
        let revoke = self.revoke_lane(channel, lane);
        self.chain.succeed(&[revoke]);
        self.chain
            .pass(MIN_GRACE_SECONDS.into(), MIN_GRACE_SECONDS.into());
        let new = new_lane(self.chain.new_address());
        let rotate = self.rotate_lane(channel, lane, new);
        self.chain.succeed(&[rotate]);
    }

    /// The address and domain of the channel that `args` opens.
    #[must_use]
    pub fn channel(&self, args: &OpenChannelArgs) -> Channel {
        let address = self.channel_address(&args.payee, args.channel_id);
        let domain = Domain::of_channel(
            sha256,
            farthing::ID.as_array(),
            &args.genesis_hash,
            address.as_array(),
            args.opened_slot,
        );
        Channel { address, domain }
    }

    /// The address of a channel of this world's escrow.
    #[must_use]
    pub fn channel_address(&self, payee: &Pubkey, channel_id: u64) -> Pubkey {
        let id = channel_id.to_le_bytes();
        let seeds = [CHANNEL_SEED, self.escrow.as_ref(), payee.as_ref(), &id];
        Pubkey::find_program_address(&seeds, &farthing::ID).0
    }

    /// The address of the payee's approval.
    #[must_use]
    pub fn approval(&self) -> Pubkey {
        let seeds = [APPROVAL_SEED, self.escrow.as_ref(), self.payee.as_ref()];
        Pubkey::find_program_address(&seeds, &farthing::ID).0
    }

    /// The escrow's vault.
    #[must_use]
    pub fn vault(&self) -> Pubkey {
        self.mint.address_of(&self.escrow)
    }

    /// The payee's associated token account.
    #[must_use]
    pub fn payee_token(&self) -> Pubkey {
        self.mint.address_of(&self.payee)
    }

    /// What the vault holds.
    #[must_use]
    pub fn vault_balance(&self) -> u64 {
        balance(&self.chain, &self.vault())
    }

    /// What the payee received.
    #[must_use]
    pub fn payee_balance(&self) -> u64 {
        balance(&self.chain, &self.payee_token())
    }

    /// The escrow account.
    ///
    /// # Panics
    /// If it does not exist.
    #[must_use]
    pub fn escrow_state(&self) -> Escrow {
        let account = self.chain.account(&self.escrow).expect("the escrow exists");
        Escrow::try_deserialize(&mut &account.data[..]).expect("an escrow")
    }

    /// A channel's header and lanes.
    ///
    /// # Panics
    /// If it does not exist.
    #[must_use]
    pub fn channel_state(&self, channel: &Pubkey) -> (ChannelHeader, Vec<LaneState>) {
        let account = self.chain.account(channel).expect("the channel exists");
        let header = ChannelHeader::decode(&account.data).expect("a channel");
        (header, layout::lanes(&account.data).collect())
    }

    /// A claim with a voucher of the first generation, signed by `agent`.
    #[must_use]
    pub fn claim(
        &self,
        domain: Domain,
        (lane, agent): (u16, &Pubkey),
        authorized: u64,
        undebited: u32,
    ) -> Claim {
        let voucher = Voucher {
            domain,
            lane: LaneIndex(lane),
            generation: Generation(0),
            authorized: BaseUnits(authorized),
        };
        Claim {
            lane,
            authorized,
            undebited,
            signature: self.chain.sign(agent, &voucher.to_bytes()),
        }
    }

    /// A statement of totals of the lanes' present generations, signed by `countersigner`.
    ///
    /// # Panics
    /// If the totals are no statement: none, too many, or not in ascending order of lanes.
    #[must_use]
    pub fn statement(
        &self,
        channel: &Channel,
        countersigner: &Pubkey,
        totals: &[(u16, u64)],
    ) -> SettleStatementArgs {
        let (_, lanes) = self.channel_state(&channel.address);
        let entries: Vec<StatementEntry> = totals
            .iter()
            .map(|&(lane, debit_to)| StatementEntry {
                lane: LaneIndex(lane),
                generation: lanes[usize::from(lane)].generation,
                debit_to: BaseUnits(debit_to),
            })
            .collect();
        let message =
            statement_bytes(sha256, &channel.domain, &entries).expect("totals are a statement");
        SettleStatementArgs {
            signature: self.chain.sign(countersigner, &message),
            entries: totals
                .iter()
                .map(|&(lane, debit_to)| StatementClaim { lane, debit_to })
                .collect(),
            earlier: Vec::new(),
        }
    }

    /// Claims of one ceiling for each agent, in the order of their lanes.
    #[must_use]
    pub fn claims(&self, channel: &Channel, agents: &[Pubkey], authorized: u64) -> Vec<Claim> {
        (0..)
            .zip(agents)
            .map(|lane| self.claim(channel.domain, lane, authorized, 0))
            .collect()
    }
}

/// A lane of the cap [`PREPAID`].
#[must_use]
pub const fn new_lane(signer: Pubkey) -> NewLane {
    NewLane {
        signer,
        cap: PREPAID,
    }
}

/// A lane of the cap [`PREPAID`] for each agent.
#[must_use]
pub fn new_lanes(agents: &[Pubkey]) -> Vec<NewLane> {
    agents.iter().copied().map(new_lane).collect()
}
