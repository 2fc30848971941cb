//! The model: what the program should hold, and which guard refuses an action first.
//!
//! Every action first passes all its checks and then changes the state, so an action that is refused changes
//! nothing by construction.

use std::collections::BTreeMap;

use farthing::error::FarthingError;
use farthing_protocol::limits::{MAX_GRACE_SECONDS, MIN_GRACE_SECONDS, OPENED_SLOT_WINDOW};

use super::action::{Action, ChannelKey, Claim, ESCROWS, NewLane, PAYEES, Who};

/// Anchor's code for an account that does not exist.
pub const NOT_INITIALIZED: u32 = 3012;
/// Anchor's code for a channel that does not exist.
pub const NO_CHANNEL: u32 = 3007;
/// The system program's code for an account that exists already.
pub const ALREADY_IN_USE: u32 = 0;
/// The token program's code for a frozen account.
pub const ACCOUNT_FROZEN: u32 = 17;

/// The error code with which an action is refused.
pub type Code = u32;

/// A lane.
#[derive(Debug, Clone)]
pub struct Lane {
    /// The agent whose key signs for the lane.
    pub agent: usize,
    /// The most that it may be debited in total.
    pub cap: u64,
    /// What it was debited.
    pub debited: u64,
    /// When its revocation was requested: seconds and slot.
    pub revoked: Option<(u64, u64)>,
    /// How often its key was replaced.
    pub generation: u16,
}

/// A channel.
#[derive(Debug, Clone)]
pub struct Channel {
    /// Who settles.
    pub settler: Who,
    /// Grace.
    pub grace_seconds: u32,
    /// Locked since it was opened.
    pub deposit: u64,
    /// The sum of the counters.
    pub debited: u64,
    /// Debited and not received.
    pub unpaid: u64,
    /// When its close was requested: seconds and slot.
    pub closing: Option<(u64, u64)>,
    /// The slot in its domain.
    pub opened_slot: u64,
    /// The lanes.
    pub lanes: Vec<Lane>,
}

/// An escrow.
#[derive(Debug, Clone, Default)]
pub struct Escrow {
    /// The manager.
    pub manager: Option<Who>,
    /// What it may still lock.
    pub allowance: u64,
    /// Who signs statements.
    pub countersigner: Option<Who>,
    /// Events so far.
    pub events: u64,
    /// What the vault holds.
    pub vault: u64,
    /// Whether it is frozen.
    pub vault_frozen: bool,
}

/// The complete state of the model.
#[derive(Debug, Clone)]
pub struct State {
    /// Seconds of the chain's clock.
    pub seconds: u64,
    /// The slot.
    pub slot: u64,
    /// Escrows that exist.
    pub escrows: [Option<Escrow>; ESCROWS],
    /// Approvals: the longest grace, by escrow and payee. They outlive their escrow.
    pub approvals: BTreeMap<(usize, usize), u32>,
    /// Channels that exist.
    pub channels: BTreeMap<ChannelKey, Channel>,
    /// What the payees received.
    pub received: [u64; PAYEES],
    /// Payees whose account is frozen.
    pub payee_frozen: [bool; PAYEES],
    /// Tokens of another mint at the escrows' addresses.
    pub mistaken: [u64; ESCROWS],
    /// What was sent to each vault, ever.
    pub prepaid: [u64; ESCROWS],
    /// What the owners took out, ever.
    pub withdrawn: [u64; ESCROWS],
}

/// The guard that refuses.
fn refuse<T>(error: FarthingError) -> Result<T, Code> {
    Err(error.into())
}

fn require(holds: bool, error: FarthingError) -> Result<(), Code> {
    if holds { Ok(()) } else { refuse(error) }
}

impl Channel {
    /// Locked and not debited.
    #[must_use]
    pub fn unspent(&self) -> u64 {
        self.deposit - self.debited
    }

    pub(super) fn grace_is_over(&self, since: Option<(u64, u64)>, now: (u64, u64)) -> bool {
        let grace = u64::from(self.grace_seconds);
        since.is_some_and(|(seconds, slot)| now.0 >= seconds + grace && now.1 >= slot + grace)
    }

    fn lane(&self, lane: u16) -> Result<&Lane, Code> {
        self.lanes
            .get(usize::from(lane))
            .ok_or_else(|| FarthingError::UnknownLane.into())
    }

    /// What moving a lane to `total` debits.
    fn owed(&self, lane: u16, total: u64, now: (u64, u64)) -> Result<u64, Code> {
        let lane = self.lane(lane)?;
        if self.grace_is_over(lane.revoked, now) {
            return Ok(0);
        }
        require(total <= lane.cap, FarthingError::CapExceeded)?;
        Ok(total.saturating_sub(lane.debited))
    }
}

impl State {
    /// A world without escrows.
    #[must_use]
    pub fn new(seconds: u64, slot: u64) -> Self {
        Self {
            seconds,
            slot,
            escrows: Default::default(),
            approvals: BTreeMap::new(),
            channels: BTreeMap::new(),
            received: [0; PAYEES],
            payee_frozen: [false; PAYEES],
            mistaken: [0; ESCROWS],
            prepaid: [0; ESCROWS],
            withdrawn: [0; ESCROWS],
        }
    }

    pub(super) const fn now(&self) -> (u64, u64) {
        (self.seconds, self.slot)
    }

    /// The channels of an escrow.
    pub fn channels_of(&self, escrow: usize) -> impl Iterator<Item = (&ChannelKey, &Channel)> {
        self.channels
            .iter()
            .filter(move |(key, _)| key.escrow == escrow)
    }

    /// The sum of `deposit - debited + unpaid` over an escrow's channels.
    #[must_use]
    pub fn allocated(&self, escrow: usize) -> u64 {
        self.channels_of(escrow)
            .map(|(_, channel)| channel.unspent() + channel.unpaid)
            .sum()
    }

    fn free(&self, escrow: usize) -> u64 {
        self.escrows[escrow]
            .as_ref()
            .map_or(0, |found| found.vault - self.allocated(escrow))
    }

    fn escrow(&self, escrow: usize) -> Result<&Escrow, Code> {
        self.escrows[escrow].as_ref().ok_or(NOT_INITIALIZED)
    }

    fn escrow_mut(&mut self, escrow: usize) -> &mut Escrow {
        self.escrows[escrow]
            .as_mut()
            .expect("checks come before changes")
    }

    fn event(&mut self, escrow: usize) {
        self.escrow_mut(escrow).events += 1;
    }

    fn owned(&self, escrow: usize, by: Who) -> Result<(), Code> {
        self.escrow(escrow)?;
        require(by == Who::Owner(escrow), FarthingError::OwnerOnly)
    }

    fn channel(&self, key: ChannelKey) -> Result<&Channel, Code> {
        self.escrow(key.escrow)?;
        self.channels.get(&key).ok_or(NO_CHANNEL)
    }

    fn channel_mut(&mut self, key: ChannelKey) -> &mut Channel {
        self.channels
            .get_mut(&key)
            .expect("checks come before changes")
    }

    /// Whether `by` is the manager and not the owner.
    fn is_manager(&self, escrow: usize, by: Who) -> Result<bool, Code> {
        let found = self.escrow(escrow)?;
        if by == Who::Owner(escrow) {
            Ok(false)
        } else if found.manager == Some(by) {
            Ok(true)
        } else {
            refuse(FarthingError::OwnerOrManagerOnly)
        }
    }

    fn approved(&self, escrow: usize, payee: usize, grace_seconds: u32) -> Result<(), Code> {
        match self.approvals.get(&(escrow, payee)) {
            None => refuse(FarthingError::PayeeNotApproved),
            Some(most) => require(grace_seconds <= *most, FarthingError::GraceAboveApproval),
        }
    }

    fn lockable(&self, escrow: usize, by_manager: bool, amount: u64) -> Result<(), Code> {
        require(
            amount <= self.free(escrow),
            FarthingError::InsufficientFreeFunds,
        )?;
        let allowance = self.escrow(escrow)?.allowance;
        require(
            !by_manager || amount <= allowance,
            FarthingError::AllowanceExceeded,
        )
    }

    fn lock(&mut self, escrow: usize, by_manager: bool, amount: u64) {
        if by_manager {
            self.escrow_mut(escrow).allowance -= amount;
        }
    }

    fn does_not_countersign(&self, escrow: usize, payee: Who, settler: Who) -> Result<(), Code> {
        let countersigner = self.escrow(escrow)?.countersigner;
        require(
            countersigner.is_none_or(|key| key != payee && key != settler),
            FarthingError::CountersignerEarns,
        )
    }

    /// Pays what is unpaid if both accounts work; returns whether they do.
    fn pay(&mut self, key: ChannelKey) -> bool {
        let works = !self.escrow_mut(key.escrow).vault_frozen && !self.payee_frozen[key.payee];
        let unpaid = self.channel_mut(key).unpaid;
        if works && unpaid > 0 {
            self.escrow_mut(key.escrow).vault -= unpaid;
            self.received[key.payee] += unpaid;
            self.channel_mut(key).unpaid = 0;
        }
        works
    }

    fn debit(&mut self, key: ChannelKey, debits: &[(u16, u64)]) -> Result<(), Code> {
        let total: u64 = debits.iter().map(|(_, owed)| owed).sum();
        let unspent = self.channel(key)?.unspent();
        require(total <= unspent, FarthingError::DepositExceeded)?;
        let channel = self.channel_mut(key);
        for (lane, owed) in debits {
            channel.lanes[usize::from(*lane)].debited += owed;
        }
        channel.debited += total;
        channel.unpaid += total;
        self.pay(key);
        Ok(())
    }

    /// Takes a step.
    ///
    /// # Errors
    /// The code of the guard that refuses first; nothing has changed then.
    pub fn step(&mut self, action: &Action) -> Result<(), Code> {
        match action.clone() {
            Action::Prepay { escrow, amount } => {
                if self.escrow(escrow)?.vault_frozen {
                    return Err(ACCOUNT_FROZEN);
                }
                self.escrow_mut(escrow).vault += amount;
                self.prepaid[escrow] += amount;
                Ok(())
            }
            Action::Mistake { escrow, amount } => {
                self.mistaken[escrow] += amount;
                Ok(())
            }
            Action::FreezePayee { payee, frozen } => {
                self.payee_frozen[payee] = frozen;
                Ok(())
            }
            Action::FreezeVault { escrow, frozen } => {
                self.escrow(escrow)?;
                self.escrow_mut(escrow).vault_frozen = frozen;
                Ok(())
            }
            Action::Pass { seconds, slots } => {
                self.seconds += seconds;
                self.slot += slots;
                Ok(())
            }
            Action::CreateEscrow { .. }
            | Action::SetManager { .. }
            | Action::SetCountersigner { .. }
            | Action::ApprovePayee { .. }
            | Action::RevokePayee { .. }
            | Action::Withdraw { .. }
            | Action::Rescue { .. }
            | Action::CloseEscrow { .. } => self.step_of_owner(action),
            _ => self.step_in_channel(action),
        }
    }

    fn step_of_owner(&mut self, action: &Action) -> Result<(), Code> {
        match *action {
            Action::CreateEscrow { escrow } => {
                if self.escrows[escrow].is_some() {
                    return Err(ALREADY_IN_USE);
                }
                self.escrows[escrow] = Some(Escrow::default());
                self.event(escrow);
            }
            Action::SetManager {
                escrow,
                by,
                manager,
                allowance,
                expects_the_present,
            } => {
                self.owned(escrow, by)?;
                require(expects_the_present, FarthingError::AllowanceChanged)?;
                let found = self.escrow_mut(escrow);
                found.manager = manager;
                found.allowance = allowance;
                self.event(escrow);
            }
            Action::SetCountersigner {
                escrow,
                by,
                countersigner,
                knows_channels,
            } => {
                self.owned(escrow, by)?;
                let earns = self.channels_of(escrow).any(|(key, channel)| {
                    countersigner == Some(Who::Payee(key.payee))
                        || countersigner == Some(channel.settler)
                });
                require(
                    !(knows_channels && earns),
                    FarthingError::CountersignerEarns,
                )?;
                self.escrow_mut(escrow).countersigner = countersigner;
                self.event(escrow);
            }
            Action::ApprovePayee {
                escrow,
                by,
                payee,
                max_grace_seconds,
            } => {
                self.escrow(escrow)?;
                // The account is made before its owner is looked at.
                if self.approvals.contains_key(&(escrow, payee)) {
                    return Err(ALREADY_IN_USE);
                }
                self.owned(escrow, by)?;
                require(
                    (MIN_GRACE_SECONDS..=MAX_GRACE_SECONDS).contains(&max_grace_seconds),
                    FarthingError::ApprovedGraceOutOfRange,
                )?;
                self.approvals.insert((escrow, payee), max_grace_seconds);
                self.event(escrow);
            }
            Action::RevokePayee { escrow, by, payee } => {
                self.escrow(escrow)?;
                if !self.approvals.contains_key(&(escrow, payee)) {
                    return Err(NOT_INITIALIZED);
                }
                self.owned(escrow, by)?;
                self.approvals.remove(&(escrow, payee));
                self.event(escrow);
            }
            Action::Withdraw { escrow, by, amount } => {
                self.owned(escrow, by)?;
                require(amount > 0, FarthingError::ZeroAmount)?;
                require(
                    amount <= self.free(escrow),
                    FarthingError::InsufficientFreeFunds,
                )?;
                if self.escrow(escrow)?.vault_frozen {
                    return Err(ACCOUNT_FROZEN);
                }
                self.escrow_mut(escrow).vault -= amount;
                self.withdrawn[escrow] += amount;
                self.event(escrow);
            }
            Action::Rescue { escrow, by } => {
                self.owned(escrow, by)?;
                require(self.mistaken[escrow] > 0, FarthingError::NothingToRescue)?;
                self.mistaken[escrow] = 0;
                self.event(escrow);
            }
            Action::CloseEscrow { escrow, by } => {
                let vault = self.escrow(escrow)?.vault;
                let open = self.channels_of(escrow).next().is_some();
                require(!open, FarthingError::ChannelsOpen)?;
                // The owners of a model pay their own rent.
                require(
                    by == Who::Owner(escrow),
                    FarthingError::OwnerOrRentPayerOnly,
                )?;
                if vault > 0 && self.escrow(escrow)?.vault_frozen {
                    return Err(ACCOUNT_FROZEN);
                }
                self.withdrawn[escrow] += vault;
                self.escrows[escrow] = None;
            }
            _ => unreachable!("actions of owners only"),
        }
        Ok(())
    }

    fn step_in_channel(&mut self, action: &Action) -> Result<(), Code> {
        let now = self.now();
        match action.clone() {
            Action::OpenChannel {
                channel,
                by,
                settler,
                deposit,
                grace_seconds,
                age,
                lanes,
            } => {
                let opened_slot = self.slot.saturating_add_signed(-age);
                self.open(
                    channel,
                    by,
                    settler,
                    deposit,
                    grace_seconds,
                    opened_slot,
                    &lanes,
                )?;
            }
            Action::FundChannel {
                channel,
                by,
                amount,
            } => {
                let found = self.channel(channel)?;
                let (grace_seconds, closing) = (found.grace_seconds, found.closing.is_some());
                let by_manager = self.is_manager(channel.escrow, by)?;
                if by_manager {
                    self.approved(channel.escrow, channel.payee, grace_seconds)?;
                }
                require(amount > 0, FarthingError::ZeroAmount)?;
                require(!closing, FarthingError::ChannelClosing)?;
                self.lockable(channel.escrow, by_manager, amount)?;
                self.lock(channel.escrow, by_manager, amount);
                self.channel_mut(channel).deposit += amount;
            }
            Action::AddLanes { channel, by, lanes } => {
                self.may_change_lanes(channel, by)?;
                new_lanes(&lanes)?;
                let new = lanes.iter().map(lane);
                self.channel_mut(channel).lanes.extend(new);
            }
            Action::RaiseCap {
                channel,
                by,
                lane,
                cap,
            } => {
                self.may_change_lanes(channel, by)?;
                let found = self.channel(channel)?.lane(lane)?;
                require(found.revoked.is_none(), FarthingError::LaneRevoked)?;
                require(cap > found.cap, FarthingError::CapNotRaised)?;
                self.channel_mut(channel).lanes[usize::from(lane)].cap = cap;
            }
            Action::RevokeLane { channel, by, lane } => {
                self.channel(channel)?;
                self.is_manager(channel.escrow, by)?;
                let is_first = self.channel(channel)?.lane(lane)?.revoked.is_none();
                if !is_first {
                    return Ok(());
                }
                self.channel_mut(channel).lanes[usize::from(lane)].revoked = Some(now);
            }
            Action::RotateLane {
                channel,
                by,
                lane,
                new,
            } => {
                self.may_change_lanes(channel, by)?;
                require(new.cap > 0, FarthingError::ZeroCap)?;
                let found = self.channel(channel)?;
                let old = found.lane(lane)?;
                require(
                    found.grace_is_over(old.revoked, now),
                    FarthingError::RevocationNotEffective,
                )?;
                require(new.cap >= old.debited, FarthingError::CapBelowDebited)?;
                let old = &mut self.channel_mut(channel).lanes[usize::from(lane)];
                old.agent = new.agent;
                old.cap = new.cap;
                old.revoked = None;
                old.generation += 1;
            }
            Action::Settle {
                channel,
                by,
                claims,
            } => self.settle(channel, by, &claims)?,
            Action::SettleStatement {
                channel,
                by,
                signer,
                totals,
            } => self.settle_statement(channel, by, signer, &totals)?,
            Action::SetSettler {
                channel,
                by,
                settler,
            } => {
                self.earned_by(channel, by)?;
                self.does_not_countersign(channel.escrow, by, settler)?;
                self.channel_mut(channel).settler = settler;
            }
            Action::Release {
                channel,
                by,
                amount,
            } => {
                self.earned_by(channel, by)?;
                require(amount > 0, FarthingError::ZeroAmount)?;
                let unspent = self.channel(channel)?.unspent();
                require(amount <= unspent, FarthingError::UnspentExceeded)?;
                self.channel_mut(channel).deposit -= amount;
            }
            Action::PayOut { channel } => {
                let unpaid = self.channel(channel)?.unpaid;
                require(unpaid > 0, FarthingError::NothingUnpaid)?;
                require(self.pay(channel), FarthingError::PayeeCannotReceive)?;
            }
            Action::RequestClose { channel, by } => {
                self.channel(channel)?;
                self.is_manager(channel.escrow, by)?;
                let closing = self.channel(channel)?.closing.is_some();
                require(!closing, FarthingError::CloseAlreadyRequested)?;
                self.channel_mut(channel).closing = Some(now);
            }
            Action::CloseChannel { channel, by } => self.close(channel, by)?,
            _ => unreachable!("actions on channels only"),
        }
        let key = channel_of(action);
        self.event(key.escrow);
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn open(
        &mut self,
        key: ChannelKey,
        by: Who,
        settler: Who,
        deposit: u64,
        grace_seconds: u32,
        opened_slot: u64,
        lanes: &[NewLane],
    ) -> Result<(), Code> {
        self.escrow(key.escrow)?;
        if self.channels.contains_key(&key) {
            return Err(ALREADY_IN_USE);
        }
        let by_manager = self.is_manager(key.escrow, by)?;
        if by_manager {
            self.approved(key.escrow, key.payee, grace_seconds)?;
        }
        self.does_not_countersign(key.escrow, Who::Payee(key.payee), settler)?;
        require(deposit > 0, FarthingError::ZeroAmount)?;
        require(
            (MIN_GRACE_SECONDS..=MAX_GRACE_SECONDS).contains(&grace_seconds),
            FarthingError::GraceOutOfRange,
        )?;
        require(opened_slot <= self.slot, FarthingError::OpenedSlotInFuture)?;
        require(
            self.slot <= opened_slot + OPENED_SLOT_WINDOW,
            FarthingError::OpenedSlotTooOld,
        )?;
        new_lanes(lanes)?;
        self.lockable(key.escrow, by_manager, deposit)?;
        self.lock(key.escrow, by_manager, deposit);
        let channel = Channel {
            settler,
            grace_seconds,
            deposit,
            debited: 0,
            unpaid: 0,
            closing: None,
            opened_slot,
            lanes: lanes.iter().map(lane).collect(),
        };
        self.channels.insert(key, channel);
        Ok(())
    }

    fn may_change_lanes(&self, key: ChannelKey, by: Who) -> Result<(), Code> {
        let closing = self.channel(key)?.closing.is_some();
        self.is_manager(key.escrow, by)?;
        require(!closing, FarthingError::ChannelClosing)
    }

    fn earned_by(&self, key: ChannelKey, by: Who) -> Result<(), Code> {
        self.channel(key)?;
        require(by == Who::Payee(key.payee), FarthingError::PayeeOnly)
    }

    fn may_settle(&self, key: ChannelKey, by: Who) -> Result<(), Code> {
        let settler = self.channel(key)?.settler;
        require(
            by == settler || by == Who::Payee(key.payee),
            FarthingError::SettlerOrPayeeOnly,
        )
    }

    fn settle(&mut self, key: ChannelKey, by: Who, claims: &[Claim]) -> Result<(), Code> {
        self.may_settle(key, by)?;
        require(!claims.is_empty(), FarthingError::NoClaims)?;
        let ascending = claims.is_sorted_by(|one, next| one.lane < next.lane);
        require(ascending, FarthingError::LanesNotAscending)?;
        let channel = self.channel(key)?;
        let mut debits = Vec::new();
        for claim in claims {
            channel.lane(claim.lane)?;
            let total = claim.authorized.checked_sub(claim.undebited.into());
            let Some(total) = total else {
                return refuse(FarthingError::UndebitedAboveAuthorized);
            };
            require(claim.by_the_lane, FarthingError::VoucherNotSigned)?;
            debits.push((claim.lane, channel.owed(claim.lane, total, self.now())?));
        }
        self.debit(key, &debits)
    }

    fn settle_statement(
        &mut self,
        key: ChannelKey,
        by: Who,
        signer: Who,
        totals: &[(u16, u64)],
    ) -> Result<(), Code> {
        self.may_settle(key, by)?;
        require(!totals.is_empty(), FarthingError::NoEntries)?;
        let channel = self.channel(key)?;
        self.does_not_countersign(key.escrow, Who::Payee(key.payee), channel.settler)?;
        let Some(countersigner) = self.escrow(key.escrow)?.countersigner else {
            return refuse(FarthingError::NoCountersigner);
        };
        for (lane, _) in totals {
            channel.lane(*lane)?;
        }
        let ascending = totals.is_sorted_by(|one, next| one.0 < next.0);
        require(ascending, FarthingError::LanesNotAscending)?;
        require(signer == countersigner, FarthingError::StatementNotSigned)?;
        let mut debits = Vec::new();
        for &(lane, total) in totals {
            debits.push((lane, channel.owed(lane, total, self.now())?));
        }
        self.debit(key, &debits)
    }

    fn close(&mut self, key: ChannelKey, by: Who) -> Result<(), Code> {
        let channel = self.channel(key)?;
        require(
            self.slot > channel.opened_slot + OPENED_SLOT_WINDOW,
            FarthingError::ClosedTooEarly,
        )?;
        require(
            by == Who::Payee(key.payee) || channel.grace_is_over(channel.closing, self.now()),
            FarthingError::GraceNotOver,
        )?;
        let now = self.now();
        let channel = self.channel_mut(key);
        channel.deposit = channel.debited;
        channel.closing.get_or_insert(now);
        self.pay(key);
        if self.channel(key)?.unpaid == 0 {
            self.channels.remove(&key);
        }
        Ok(())
    }
}

fn lane(new: &NewLane) -> Lane {
    Lane {
        agent: new.agent,
        cap: new.cap,
        debited: 0,
        revoked: None,
        generation: 0,
    }
}

fn new_lanes(new: &[NewLane]) -> Result<(), Code> {
    require(!new.is_empty(), FarthingError::NoLanes)?;
    let usable = new.iter().all(|lane| lane.cap > 0);
    require(usable, FarthingError::ZeroCap)
}

/// The channel that an action is about.
fn channel_of(action: &Action) -> ChannelKey {
    match action {
        Action::OpenChannel { channel, .. }
        | Action::FundChannel { channel, .. }
        | Action::AddLanes { channel, .. }
        | Action::RaiseCap { channel, .. }
        | Action::RevokeLane { channel, .. }
        | Action::RotateLane { channel, .. }
        | Action::Settle { channel, .. }
        | Action::SettleStatement { channel, .. }
        | Action::SetSettler { channel, .. }
        | Action::Release { channel, .. }
        | Action::PayOut { channel }
        | Action::RequestClose { channel, .. }
        | Action::CloseChannel { channel, .. } => *channel,
        _ => unreachable!("actions on channels only"),
    }
}
