//! An action on the model and on the bytecode: the same outcome, and the same state afterwards.

use std::collections::BTreeMap;

use farthing::state::NewLane as ProgramLane;
use farthing::{
    Claim as ProgramClaim, SettleStatementArgs, StatementClaim, accounts, instruction as data,
};
use farthing_protocol::deadline::ChainTime;
use farthing_protocol::layout::NEVER;
use farthing_protocol::limits::MAX_GRACE_SECONDS;
use farthing_protocol::statement::{StatementEntry, statement_bytes};
use farthing_protocol::{BaseUnits, Generation, LaneIndex, Voucher};
use solana_sdk::instruction::{Instruction, InstructionError};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::transaction::TransactionError;

use super::action::{AGENTS, Action, ChannelKey, Claim, ESCROWS, NewLane, PAYEES, Who};
use super::state::{self, Code, State};
use crate::program::tokens::balance;
use crate::program::world::{escrow_address, instruction, sha256};
use crate::program::{Channel, Mint, World};

/// Model and bytecode.
pub struct Twin {
    world: World,
    /// The model.
    pub state: State,
    keys: BTreeMap<Who, Pubkey>,
    other_mint: Mint,
    channels: BTreeMap<ChannelKey, Channel>,
}

impl Default for Twin {
    fn default() -> Self {
        Self::new()
    }
}

impl Twin {
    /// A world without escrows, whose payees and owners have token accounts.
    #[must_use]
    pub fn new() -> Self {
        let mut world = World::new();
        let mut who = vec![Who::Stranger];
        who.extend((0..ESCROWS).flat_map(|escrow| {
            [
                Who::Owner(escrow),
                Who::Manager(escrow),
                Who::Countersigner(escrow),
            ]
        }));
        who.extend((0..PAYEES).flat_map(|payee| [Who::Payee(payee), Who::Settler(payee)]));
        who.extend((0..AGENTS).map(Who::Agent));
        let keys: BTreeMap<Who, Pubkey> = who
            .into_iter()
            .map(|who| (who, world.chain.new_key()))
            .collect();
        let (mint, other_mint) = (world.mint, Mint::create(&mut world.chain));
        for payee in 0..PAYEES {
            mint.open(&mut world.chain, &keys[&Who::Payee(payee)]);
        }
        for escrow in 0..ESCROWS {
            let owner = keys[&Who::Owner(escrow)];
            mint.open(&mut world.chain, &owner);
            other_mint.open(&mut world.chain, &owner);
            let address = escrow_address(&owner, &mint.address, 0);
            other_mint.open(&mut world.chain, &address);
        }
        let ChainTime {
            unix_timestamp,
            slot,
        } = world.chain.time();
        Self {
            state: State::new(unix_timestamp.unsigned_abs(), slot),
            world,
            keys,
            other_mint,
            channels: BTreeMap::new(),
        }
    }

    fn key(&self, who: Who) -> Pubkey {
        self.keys[&who]
    }

    fn escrow_address(&self, escrow: usize) -> Pubkey {
        let owner = self.key(Who::Owner(escrow));
        escrow_address(&owner, &self.world.mint.address, 0)
    }

    /// Makes the harness build instructions for this escrow, whose owner pays the rent.
    fn focus(&mut self, escrow: usize) {
        self.world.owner = self.key(Who::Owner(escrow));
        self.world.rent_payer = self.world.owner;
        self.world.escrow = self.escrow_address(escrow);
    }

    fn focus_on_channel(&mut self, key: ChannelKey) -> Channel {
        self.focus(key.escrow);
        self.world.payee = self.key(Who::Payee(key.payee));
        let address = self.world.channel_address(&self.world.payee, key.id as u64);
        let unknown = Channel {
            address,
            domain: farthing_protocol::Domain([0; 32]),
        };
        self.channels.get(&key).copied().unwrap_or(unknown)
    }

    /// Takes a step on both.
    ///
    /// # Errors
    /// In what they differ.
    pub fn step(&mut self, action: &Action) -> Result<Result<(), Code>, String> {
        let built = self.build(action);
        let expected = self.state.step(action);
        let found = match built {
            Some(instruction) => self.run(instruction)?,
            None => {
                if expected.is_ok() {
                    self.happen(action);
                }
                expected
            }
        };
        if expected != found {
            return Err(format!(
                "the model says {expected:?}, the program {found:?}"
            ));
        }
        if let (Action::OpenChannel { channel, .. }, Ok(())) = (action, found) {
            let address = self.focus_on_channel(*channel).address;
            let opened = Channel {
                address,
                domain: self.world.channel_state(&address).0.domain,
            };
            self.channels.insert(*channel, opened);
        }
        self.compare()?;
        Ok(expected)
    }

    fn run(&mut self, instruction: Instruction) -> Result<Result<(), Code>, String> {
        match self.world.chain.send(&[instruction]) {
            Ok(_) => Ok(Ok(())),
            Err(failure) => match failure.err {
                TransactionError::InstructionError(_, InstructionError::Custom(code)) => {
                    Ok(Err(code))
                }
                other => Err(format!("{other:?}\n{}", failure.meta.pretty_logs())),
            },
        }
    }

    /// What happens outside the program.
    fn happen(&mut self, action: &Action) {
        let mint = self.world.mint;
        match *action {
            Action::Prepay { escrow, amount } => {
                self.focus(escrow);
                self.world.prepay(amount);
            }
            Action::Mistake { escrow, amount } => {
                let account = self.other_mint.address_of(&self.escrow_address(escrow));
                let other = self.other_mint;
                other.mint(&mut self.world.chain, &account, amount);
            }
            Action::FreezePayee { payee, frozen } => {
                let account = mint.address_of(&self.key(Who::Payee(payee)));
                self.freeze(&account, frozen);
            }
            Action::FreezeVault { escrow, frozen } => {
                let account = mint.address_of(&self.escrow_address(escrow));
                self.freeze(&account, frozen);
            }
            Action::Pass { seconds, slots } => {
                self.world.chain.pass(seconds.cast_signed(), slots);
            }
            _ => unreachable!("the others are instructions"),
        }
    }

    fn freeze(&mut self, account: &Pubkey, frozen: bool) {
        let mint = self.world.mint;
        let state = self.world.chain.account(account).expect("a token account");
        // State 2 is frozen; freezing twice is the token program's error.
        let is_frozen = state.data[108] == 2;
        if frozen && !is_frozen {
            mint.freeze(&mut self.world.chain, account);
        } else if !frozen && is_frozen {
            mint.thaw(&mut self.world.chain, account);
        }
    }

    fn build(&mut self, action: &Action) -> Option<Instruction> {
        match action {
            Action::Prepay { .. }
            | Action::Mistake { .. }
            | Action::FreezePayee { .. }
            | Action::FreezeVault { .. }
            | Action::Pass { .. } => None,
            Action::OpenChannel { .. } => Some(self.build_open(action)),
            Action::FundChannel {
                channel,
                by,
                amount,
            } => {
                let found = self.focus_on_channel(*channel);
                let mut accounts = self.world.fund_channel_accounts(&found);
                accounts.authority = self.key(*by);
                accounts.approval = self.approval(*channel);
                let args = farthing::FundChannelArgs { amount: *amount };
                Some(instruction(accounts, data::FundChannel { args }))
            }
            Action::Settle {
                channel,
                by,
                claims,
            } => {
                let found = self.focus_on_channel(*channel);
                let claims = claims
                    .iter()
                    .map(|claim| self.claim(*channel, &found, claim))
                    .collect();
                Some(signed_by(self.world.settle(&found, claims), self.key(*by)))
            }
            Action::SettleStatement {
                channel,
                by,
                signer,
                totals,
            } => {
                let found = self.focus_on_channel(*channel);
                let args = self.statement(*channel, &found, *signer, totals);
                let settle = self.world.settle_statement(&found, args);
                Some(signed_by(settle, self.key(*by)))
            }
            _ => Some(
                self.build_of_owner(action)
                    .unwrap_or_else(|| self.build_in_channel(action)),
            ),
        }
    }

    fn build_of_owner(&mut self, action: &Action) -> Option<Instruction> {
        let (built, by) = match *action {
            Action::CreateEscrow { escrow } => {
                self.focus(escrow);
                return Some(self.world.create_escrow(0));
            }
            Action::SetManager {
                escrow,
                by,
                manager,
                allowance,
                expects_the_present,
            } => {
                self.focus(escrow);
                let present = self.state.escrows[escrow]
                    .as_ref()
                    .map_or(0, |escrow| escrow.allowance);
                let expected = present + u64::from(!expects_the_present);
                let manager = manager.map(|manager| self.key(manager));
                (self.world.set_manager(manager, allowance, expected), by)
            }
            Action::SetCountersigner {
                escrow,
                by,
                countersigner,
                knows_channels,
            } => {
                self.focus(escrow);
                let known: Vec<Channel> = self
                    .state
                    .channels_of(escrow)
                    .filter(|_| knows_channels)
                    .map(|(key, _)| self.channels[key])
                    .collect();
                let key = countersigner.map(|key| self.key(key));
                (self.world.set_countersigner(key, &known), by)
            }
            Action::ApprovePayee {
                escrow,
                by,
                payee,
                max_grace_seconds,
            } => {
                self.focus(escrow);
                self.world.payee = self.key(Who::Payee(payee));
                (self.world.approve_payee(max_grace_seconds), by)
            }
            Action::RevokePayee { escrow, by, payee } => {
                self.focus(escrow);
                self.world.payee = self.key(Who::Payee(payee));
                (self.world.revoke_payee(), by)
            }
            Action::Withdraw { escrow, by, amount } => {
                self.focus(escrow);
                let destination = self.world.mint.address_of(&self.world.owner);
                (self.world.withdraw(destination, amount), by)
            }
            Action::Rescue { escrow, by } => {
                self.focus(escrow);
                let mint = self.other_mint;
                let source = mint.address_of(&self.world.escrow);
                let destination = mint.address_of(&self.world.owner);
                (self.world.rescue(&mint, source, destination), by)
            }
            Action::CloseEscrow { escrow, by } => {
                self.focus(escrow);
                let destination = self.world.mint.address_of(&self.world.owner);
                (self.world.close_escrow(Some(destination)), by)
            }
            _ => return None,
        };
        Some(signed_by(built, self.key(by)))
    }

    fn build_in_channel(&mut self, action: &Action) -> Instruction {
        let (built, by) = match action {
            Action::AddLanes { channel, by, lanes } => {
                let found = self.focus_on_channel(*channel);
                (self.world.add_lanes(&found, self.lanes(lanes)), *by)
            }
            Action::RaiseCap {
                channel,
                by,
                lane,
                cap,
            } => {
                let found = self.focus_on_channel(*channel);
                (self.world.raise_cap(&found, *lane, *cap), *by)
            }
            Action::RevokeLane { channel, by, lane } => {
                let found = self.focus_on_channel(*channel);
                (self.world.revoke_lane(&found, *lane), *by)
            }
            Action::RotateLane {
                channel,
                by,
                lane,
                new,
            } => {
                let found = self.focus_on_channel(*channel);
                let new = self.lanes(&[*new]).remove(0);
                (self.world.rotate_lane(&found, *lane, new), *by)
            }
            Action::SetSettler {
                channel,
                by,
                settler,
            } => {
                let found = self.focus_on_channel(*channel);
                (self.world.set_settler(&found, self.key(*settler)), *by)
            }
            Action::Release {
                channel,
                by,
                amount,
            } => {
                let found = self.focus_on_channel(*channel);
                (self.world.release(&found, *amount), *by)
            }
            Action::PayOut { channel } => {
                let found = self.focus_on_channel(*channel);
                return self.world.pay_out(&found);
            }
            Action::RequestClose { channel, by } => {
                let found = self.focus_on_channel(*channel);
                (self.world.request_close(&found), *by)
            }
            Action::CloseChannel { channel, by } => {
                let found = self.focus_on_channel(*channel);
                (self.world.close_channel(&found), *by)
            }
            _ => unreachable!("the others are built elsewhere"),
        };
        signed_by(built, self.key(by))
    }

    fn build_open(&mut self, action: &Action) -> Instruction {
        let Action::OpenChannel {
            channel,
            by,
            settler,
            deposit,
            grace_seconds,
            age,
            lanes,
        } = action
        else {
            unreachable!("only for openings");
        };
        self.focus_on_channel(*channel);
        self.world.settler = self.key(*settler);
        let mut args = self.world.open_args(channel.id as u64, *deposit, &[]);
        args.grace_seconds = *grace_seconds;
        args.opened_slot = args.opened_slot.saturating_add_signed(-age);
        args.lanes = self.lanes(lanes);
        let mut accounts: accounts::OpenChannel = self.world.open_channel_accounts(&args);
        accounts.authority = self.key(*by);
        accounts.approval = self.approval(*channel);
        instruction(accounts, data::OpenChannel { args })
    }

    /// The approval, where there is one.
    fn approval(&self, channel: ChannelKey) -> Option<Pubkey> {
        let approval = (channel.escrow, channel.payee);
        self.state
            .approvals
            .contains_key(&approval)
            .then(|| self.world.approval())
    }

    fn lanes(&self, lanes: &[NewLane]) -> Vec<ProgramLane> {
        lanes
            .iter()
            .map(|lane| ProgramLane {
                signer: self.key(Who::Agent(lane.agent)),
                cap: lane.cap,
            })
            .collect()
    }

    fn model_lane(&self, channel: ChannelKey, lane: u16) -> Option<&state::Lane> {
        self.state
            .channels
            .get(&channel)?
            .lanes
            .get(usize::from(lane))
    }

    fn claim(&self, key: ChannelKey, channel: &Channel, claim: &Claim) -> ProgramClaim {
        let lane = self.model_lane(key, claim.lane);
        let voucher = Voucher {
            domain: channel.domain,
            lane: LaneIndex(claim.lane),
            generation: Generation(lane.map_or(0, |lane| lane.generation)),
            authorized: BaseUnits(claim.authorized),
        };
        let agent = Who::Agent(lane.map_or(0, |lane| lane.agent));
        let signer = if claim.by_the_lane {
            agent
        } else {
            Who::Stranger
        };
        ProgramClaim {
            lane: claim.lane,
            authorized: claim.authorized,
            undebited: claim.undebited,
            signature: self
                .world
                .chain
                .sign(&self.key(signer), &voucher.to_bytes()),
        }
    }

    fn statement(
        &self,
        key: ChannelKey,
        channel: &Channel,
        signer: Who,
        totals: &[(u16, u64)],
    ) -> SettleStatementArgs {
        let entries: Vec<StatementEntry> = totals
            .iter()
            .map(|&(lane, total)| StatementEntry {
                lane: LaneIndex(lane),
                generation: Generation(
                    self.model_lane(key, lane).map_or(0, |lane| lane.generation),
                ),
                debit_to: BaseUnits(total),
            })
            .collect();
        // What is no statement has nothing to sign.
        let signature = statement_bytes(sha256, &channel.domain, &entries)
            .map_or([0; 64], |bytes| {
                self.world.chain.sign(&self.key(signer), &bytes)
            });
        SettleStatementArgs {
            signature,
            entries: totals
                .iter()
                .map(|&(lane, debit_to)| StatementClaim { lane, debit_to })
                .collect(),
            earlier: Vec::new(),
        }
    }

    /// Compares everything that the model knows with the accounts.
    fn compare(&mut self) -> Result<(), String> {
        for escrow in 0..ESCROWS {
            self.focus(escrow);
            self.compare_escrow(escrow)?;
        }
        for key in self.channels.keys().copied().collect::<Vec<_>>() {
            self.compare_channel(key)?;
        }
        for payee in 0..PAYEES {
            let account = self.world.mint.address_of(&self.key(Who::Payee(payee)));
            let received = balance(&self.world.chain, &account);
            same("received", self.state.received[payee], received)?;
        }
        let state = &self.state;
        let held: u64 = state
            .escrows
            .iter()
            .flatten()
            .map(|escrow| escrow.vault)
            .sum();
        let out = state.received.iter().chain(&state.withdrawn).sum::<u64>();
        same("money", state.prepaid.iter().sum::<u64>(), held + out)
    }

    fn compare_escrow(&self, escrow: usize) -> Result<(), String> {
        let account = self.world.chain.account(&self.world.escrow);
        let Some(model) = &self.state.escrows[escrow] else {
            return same("escrow exists", false, account.is_some());
        };
        same("escrow exists", true, account.is_some())?;
        let found = self.world.escrow_state();
        let key = |who: Option<Who>| who.map(|who| self.key(who));
        same("manager", key(model.manager), found.manager)?;
        same("allowance", model.allowance, found.manager_allowance)?;
        same(
            "countersigner",
            key(model.countersigner),
            found.countersigner,
        )?;
        same("events", model.events, found.event_sequence)?;
        same("allocated", self.state.allocated(escrow), found.allocated)?;
        let channels = self.state.channels_of(escrow).count();
        same("channels", channels, found.open_channels as usize)?;
        let vault = self.world.vault_balance();
        same("vault", model.vault, vault)?;
        same(
            "vault covers what is locked",
            true,
            vault >= found.allocated,
        )
    }

    fn compare_channel(&mut self, key: ChannelKey) -> Result<(), String> {
        let channel = self.focus_on_channel(key);
        let account = self.world.chain.account(&channel.address);
        let Some(model) = self.state.channels.get(&key) else {
            return same("channel exists", false, account.is_some());
        };
        same("channel exists", true, account.is_some())?;
        let (header, lanes) = self.world.channel_state(&channel.address);
        same(
            "settler",
            self.key(model.settler).to_bytes(),
            header.settler,
        )?;
        same("grace", model.grace_seconds, header.grace_seconds)?;
        same("deposit", model.deposit, header.deposit.0)?;
        same("debited", model.debited, header.debited.0)?;
        same("unpaid", model.unpaid, header.unpaid.0)?;
        same("opened slot", model.opened_slot, header.opened_slot)?;
        same("closing", model.closing, time(header.close_requested))?;
        same("lanes", model.lanes.len(), lanes.len())?;
        for (model, lane) in model.lanes.iter().zip(&lanes) {
            let signer = self.key(Who::Agent(model.agent)).to_bytes();
            same("signer", signer, lane.signer)?;
            same("cap", model.cap, lane.cap.0)?;
            same("lane debited", model.debited, lane.debited.0)?;
            same("revoked", model.revoked, time(lane.revoked))?;
            same("generation", model.generation, lane.generation.0)?;
            same("within the cap", true, lane.debited <= lane.cap)?;
        }
        Ok(())
    }

    /// Checks that from the present state the owners alone can withdraw all funds that were not spent and are not owed.
    ///
    /// # Errors
    /// The reason why they cannot.
    pub fn owners_leave(&mut self) -> Result<(), String> {
        for escrow in 0..ESCROWS {
            let by = Who::Owner(escrow);
            let channels: Vec<ChannelKey> = self
                .state
                .channels_of(escrow)
                .map(|(key, _)| *key)
                .collect();
            for &channel in &channels {
                if self.state.channels[&channel].closing.is_none() {
                    self.must(&Action::RequestClose { channel, by })?;
                }
            }
            let grace = u64::from(MAX_GRACE_SECONDS);
            let (seconds, slots) = (grace, grace);
            self.must(&Action::Pass { seconds, slots })?;
            for channel in channels {
                self.must(&Action::CloseChannel { channel, by })?;
            }
            let Some(found) = self.state.escrows[escrow].clone() else {
                continue;
            };
            let owed = self.state.allocated(escrow);
            let unpaid: u64 = self
                .state
                .channels_of(escrow)
                .map(|(_, one)| one.unpaid)
                .sum();
            same("only what is unpaid stays locked", unpaid, owed)?;
            let amount = found.vault - owed;
            if amount > 0 && !found.vault_frozen {
                self.must(&Action::Withdraw { escrow, by, amount })?;
                same(
                    "what stays in the vault",
                    owed,
                    self.state.escrows[escrow]
                        .as_ref()
                        .map_or(0, |escrow| escrow.vault),
                )?;
            }
        }
        Ok(())
    }

    fn must(&mut self, action: &Action) -> Result<(), String> {
        self.step(action)?
            .map_err(|code| format!("an owner cannot leave: {action:?} is refused with {code}"))
    }
}

fn signed_by(mut instruction: Instruction, key: Pubkey) -> Instruction {
    instruction.accounts[0].pubkey = key;
    instruction
}

fn time(time: ChainTime) -> Option<(u64, u64)> {
    (time.unix_timestamp != NEVER).then(|| (time.unix_timestamp.unsigned_abs(), time.slot))
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, model: T, program: T) -> Result<(), String> {
    if model == program {
        Ok(())
    } else {
        Err(format!(
            "{what}: the model says {model:?}, the program {program:?}"
        ))
    }
}
