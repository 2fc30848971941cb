//! Chooses what to try next: mostly what can succeed in the present state, often what cannot.

use farthing_protocol::limits::{MAX_GRACE_SECONDS, MIN_GRACE_SECONDS, OPENED_SLOT_WINDOW};
use rand::Rng;
use rand::rngs::StdRng;

use super::action::{
    AGENTS, Action, CHANNEL_IDS, ChannelKey, Claim, ESCROWS, MAX_LANES, NewLane, PAYEES, Who,
};
use super::state::{Channel, State};

/// Amounts are of this size, so that caps, deposits, allowances and vaults are all reached often.
const SCALE: u64 = 1_000;
/// How often a wrong key signs, or a value is out of bounds.
const WRONG: f64 = 0.06;

/// What `state` may meet next.
pub fn action(random: &mut StdRng, state: &State) -> Action {
    let mut chooser = Chooser { random, state };
    chooser.choose()
}

struct Chooser<'a> {
    random: &'a mut StdRng,
    state: &'a State,
}

impl Chooser<'_> {
    fn choose(&mut self) -> Action {
        let escrow = self.random.gen_range(0..ESCROWS);
        if self.state.escrows[escrow].is_none() && self.random.gen_bool(0.7) {
            return Action::CreateEscrow { escrow };
        }
        match self.random.gen_range(0..100) {
            0..16 => self.world(escrow),
            16..36 => self.owner(escrow),
            36..50 => self.open_or_fund(escrow),
            _ => match self.some_channel() {
                Some(channel) => self.in_channel(channel),
                None => self.open_or_fund(escrow),
            },
        }
    }

    fn wrong(&mut self) -> bool {
        self.random.gen_bool(WRONG)
    }

    fn amount(&mut self) -> u64 {
        if self.random.gen_bool(0.04) {
            return 0;
        }
        self.random.gen_range(1..=SCALE)
    }

    fn anybody(&mut self) -> Who {
        let escrow = self.random.gen_range(0..ESCROWS);
        let payee = self.random.gen_range(0..PAYEES);
        match self.random.gen_range(0..7) {
            0 => Who::Owner(escrow),
            1 => Who::Manager(escrow),
            2 => Who::Countersigner(escrow),
            3 => Who::Payee(payee),
            4 => Who::Settler(payee),
            5 => Who::Agent(self.random.gen_range(0..AGENTS)),
            _ => Who::Stranger,
        }
    }

    /// An amount that mostly fits into what is there.
    fn amount_of(&mut self, there: u64) -> u64 {
        let amount = self.amount();
        if self.random.gen_bool(0.9) {
            amount.min(there)
        } else {
            amount
        }
    }

    fn free(&self, escrow: usize) -> u64 {
        let vault = self.state.escrows[escrow]
            .as_ref()
            .map_or(0, |escrow| escrow.vault);
        vault - self.state.allocated(escrow)
    }

    /// `right`, or now and then anybody.
    fn by(&mut self, right: Who) -> Who {
        if self.wrong() { self.anybody() } else { right }
    }

    fn owner_or_manager(&mut self, escrow: usize) -> Who {
        let has_manager = self.state.escrows[escrow]
            .as_ref()
            .is_some_and(|escrow| escrow.manager.is_some());
        let right = if has_manager && self.random.gen_bool(0.5) {
            Who::Manager(escrow)
        } else {
            Who::Owner(escrow)
        };
        self.by(right)
    }

    fn grace(&mut self) -> u32 {
        match self.random.gen_range(0..20) {
            0 => MIN_GRACE_SECONDS - 1,
            1 => MAX_GRACE_SECONDS + 1,
            2 => MAX_GRACE_SECONDS,
            3..8 => 2 * MIN_GRACE_SECONDS,
            _ => MIN_GRACE_SECONDS,
        }
    }

    fn world(&mut self, escrow: usize) -> Action {
        let exists = self.state.escrows[escrow].is_some();
        match self.random.gen_range(0..8) {
            0..3 if exists => Action::Prepay {
                escrow,
                amount: 8 * self.amount(),
            },
            3 => Action::Mistake {
                escrow,
                amount: self.amount().max(1),
            },
            4 => {
                let payee = self.random.gen_range(0..PAYEES);
                Action::FreezePayee {
                    payee,
                    frozen: !self.state.payee_frozen[payee],
                }
            }
            5 if exists => {
                let frozen = self.state.escrows[escrow]
                    .as_ref()
                    .is_some_and(|escrow| escrow.vault_frozen);
                Action::FreezeVault {
                    escrow,
                    // Rarely, and not for long.
                    frozen: !frozen && self.random.gen_bool(0.3),
                }
            }
            _ => self.pass(),
        }
    }

    fn pass(&mut self) -> Action {
        let grace = u64::from(MIN_GRACE_SECONDS);
        let (seconds, slots) = match self.random.gen_range(0..8) {
            0 => (1, 1),
            1 => (60, OPENED_SLOT_WINDOW),
            2 => (60, OPENED_SLOT_WINDOW + 1),
            3 => (grace, grace / 2),
            4 => (grace / 2, grace),
            _ => (grace, grace),
        };
        Action::Pass { seconds, slots }
    }

    fn owner(&mut self, escrow: usize) -> Action {
        let by = self.by(Who::Owner(escrow));
        let payee = self.random.gen_range(0..PAYEES);
        let has_channels = self.state.channels_of(escrow).next().is_some();
        match self.random.gen_range(0..24) {
            0..5 => Action::SetManager {
                escrow,
                by,
                manager: self.random.gen_bool(0.8).then_some(Who::Manager(escrow)),
                allowance: self.amount() / if self.random.gen_bool(0.4) { 8 } else { 1 },
                expects_the_present: !self.wrong(),
            },
            5..9 => self.set_countersigner(escrow, by),
            9..14 => self.approve_or_revoke(escrow, by, payee),
            14..18 => Action::Withdraw {
                escrow,
                by,
                amount: self.amount_of(self.free(escrow)),
            },
            18..21 if self.state.mistaken[escrow] > 0 || self.wrong() => {
                Action::Rescue { escrow, by }
            }
            18..21 => Action::Mistake {
                escrow,
                amount: self.amount().max(1),
            },
            21 => Action::CreateEscrow { escrow },
            _ if !has_channels || self.random.gen_bool(0.2) => Action::CloseEscrow { escrow, by },
            _ => self.pass(),
        }
    }

    fn set_countersigner(&mut self, escrow: usize, by: Who) -> Action {
        let payee = self.random.gen_range(0..PAYEES);
        let key = match self.random.gen_range(0..10) {
            0 => self.anybody(),
            1 => Who::Payee(payee),
            2 => Who::Settler(payee),
            _ => Who::Countersigner(escrow),
        };
        Action::SetCountersigner {
            escrow,
            by,
            countersigner: self.random.gen_bool(0.85).then_some(key),
            knows_channels: self.random.gen_bool(0.5),
        }
    }

    fn approve_or_revoke(&mut self, escrow: usize, by: Who, payee: usize) -> Action {
        let is_approved = self.state.approvals.contains_key(&(escrow, payee));
        let revokes = if is_approved {
            self.random.gen_bool(0.6)
        } else {
            self.wrong()
        };
        if revokes {
            return Action::RevokePayee { escrow, by, payee };
        }
        Action::ApprovePayee {
            escrow,
            by,
            payee,
            max_grace_seconds: self.grace(),
        }
    }

    fn new_lanes(&mut self, room: usize) -> Vec<NewLane> {
        let least = usize::from(!self.wrong());
        let count = self.random.gen_range(least..=room.max(least).min(3));
        (0..count).map(|_| self.new_lane()).collect()
    }

    fn new_lane(&mut self) -> NewLane {
        let cap = if self.random.gen_bool(0.06) {
            0
        } else {
            self.amount().max(1)
        };
        NewLane {
            agent: self.random.gen_range(0..AGENTS),
            cap,
        }
    }

    fn open_or_fund(&mut self, escrow: usize) -> Action {
        let channel = ChannelKey {
            escrow,
            payee: self.random.gen_range(0..PAYEES),
            id: self.random.gen_range(0..CHANNEL_IDS),
        };
        let free = self.free(escrow);
        if free == 0 && self.random.gen_bool(0.95) {
            return Action::Prepay {
                escrow,
                amount: 8 * self.amount(),
            };
        }
        let by = self.owner_or_manager(escrow);
        let exists = self.state.channels.contains_key(&channel);
        if exists && !self.random.gen_bool(0.1) {
            return self.fund(channel, by);
        }
        let window = OPENED_SLOT_WINDOW.cast_signed();
        let age = match self.random.gen_range(0..24) {
            0 => -1,
            1 => window + 1,
            2..6 => window,
            _ => self.random.gen_range(0..=window),
        };
        let settler = if self.wrong() {
            self.anybody()
        } else {
            Who::Settler(channel.payee)
        };
        Action::OpenChannel {
            channel,
            by,
            settler,
            deposit: self.amount_of(free),
            grace_seconds: self.grace(),
            age,
            lanes: self.new_lanes(3),
        }
    }

    fn fund(&mut self, channel: ChannelKey, by: Who) -> Action {
        let free = self.free(channel.escrow);
        let amount = if self.wrong() {
            free + self.amount()
        } else {
            self.amount_of(free) / 2
        };
        Action::FundChannel {
            channel,
            by,
            amount,
        }
    }

    fn some_channel(&mut self) -> Option<ChannelKey> {
        let count = self.state.channels.len();
        if count == 0 {
            return None;
        }
        let at = self.random.gen_range(0..count);
        self.state.channels.keys().nth(at).copied()
    }

    fn lane(&mut self, channel: &Channel) -> u16 {
        let lanes = channel.lanes.len() + usize::from(self.wrong());
        u16::try_from(self.random.gen_range(0..lanes.max(1))).expect("few lanes")
    }

    fn in_channel(&mut self, key: ChannelKey) -> Action {
        let channel = self.state.channels[&key].clone();
        let by = self.owner_or_manager(key.escrow);
        let payee = self.by(Who::Payee(key.payee));
        match self.random.gen_range(0..47) {
            0..14 => self.settle(key, &channel),
            14..20 => self.settle_statement(key, &channel),
            20..22 if channel.lanes.len() < MAX_LANES => Action::AddLanes {
                channel: key,
                by,
                lanes: self.new_lanes(MAX_LANES - channel.lanes.len()),
            },
            20..22 => self.pass(),
            22..25 => Action::RaiseCap {
                channel: key,
                by,
                lane: self.lane(&channel),
                cap: SCALE / 2 + self.amount() * 2,
            },
            25..29 => Action::RevokeLane {
                channel: key,
                by,
                lane: self.lane(&channel),
            },
            29..33 => self.rotate(key, &channel, by),
            33..35 => Action::SetSettler {
                channel: key,
                by: payee,
                settler: if self.random.gen_bool(0.2) {
                    self.anybody()
                } else {
                    Who::Settler(key.payee)
                },
            },
            35..37 => Action::Release {
                channel: key,
                by: payee,
                amount: self.amount_of(channel.unspent()) / 4,
            },
            37..39 if channel.unpaid > 0 || self.wrong() => Action::PayOut { channel: key },
            37..39 => self.pass(),
            39..42 => self.fund(key, by),
            42..44 => Action::RequestClose { channel: key, by },
            _ => {
                let is_young = self.state.slot <= channel.opened_slot + OPENED_SLOT_WINDOW;
                if is_young && self.random.gen_bool(0.8) {
                    return self.pass();
                }
                let is_ready = channel.closing.is_some() && self.random.gen_bool(0.5);
                let by = if is_ready { by } else { payee };
                Action::CloseChannel { channel: key, by }
            }
        }
    }

    fn rotate(&mut self, key: ChannelKey, channel: &Channel, by: Who) -> Action {
        let revoked = channel.lanes.iter().position(|lane| lane.revoked.is_some());
        if revoked.is_none() && !self.random.gen_bool(0.2) {
            let lane = self.lane(channel);
            return Action::RevokeLane {
                channel: key,
                by,
                lane,
            };
        }
        let since = revoked.and_then(|lane| channel.lanes[lane].revoked);
        let is_over = channel.grace_is_over(since, self.state.now());
        if !is_over && self.random.gen_bool(0.7) {
            return self.pass();
        }
        let lane = match revoked {
            Some(lane) if !self.wrong() => u16::try_from(lane).expect("few lanes"),
            _ => self.lane(channel),
        };
        let mut new = self.new_lane();
        if let Some(old) = channel.lanes.get(usize::from(lane))
            && self.random.gen_bool(0.75)
        {
            new.cap += old.debited;
        } else if self.random.gen_bool(0.5) {
            new.cap = 1;
        }
        Action::RotateLane {
            channel: key,
            by,
            lane,
            new,
        }
    }

    fn settling(&mut self, key: ChannelKey, channel: &Channel) -> Who {
        let right = if self.random.gen_bool(0.8) {
            channel.settler
        } else {
            Who::Payee(key.payee)
        };
        self.by(right)
    }

    /// Lanes of a batch, ascending unless something is wrong with it.
    fn batch(&mut self, channel: &Channel) -> Vec<u16> {
        let mut lanes: Vec<u16> = (0..3).map(|_| self.lane(channel)).collect();
        if !self.wrong() {
            lanes.sort_unstable();
            lanes.dedup();
        }
        if self.random.gen_bool(0.03) {
            lanes.clear();
        }
        lanes
    }

    /// A total that a lane may be debited to; now and then a stale one, or one above a bound.
    fn total(&mut self, channel: &Channel, lane: u16) -> u64 {
        let Some(lane) = channel.lanes.get(usize::from(lane)) else {
            return self.amount();
        };
        if self.wrong() {
            return lane.cap + self.amount();
        }
        let mut left = lane.cap - lane.debited;
        if !self.wrong() {
            left = left.min(channel.unspent() / 3);
        }
        lane.debited + self.random.gen_range(0..=left)
    }

    fn settle(&mut self, key: ChannelKey, channel: &Channel) -> Action {
        let by = self.settling(key, channel);
        let lanes = self.batch(channel);
        let claims = lanes
            .into_iter()
            .map(|lane| {
                let undebited = self.random.gen_range(0..50_u32);
                let total = self.total(channel, lane);
                let authorized = if self.random.gen_bool(0.02) {
                    u64::from(undebited) / 2
                } else {
                    total + u64::from(undebited)
                };
                Claim {
                    lane,
                    authorized,
                    undebited,
                    by_the_lane: !self.random.gen_bool(0.03),
                }
            })
            .collect();
        Action::Settle {
            channel: key,
            by,
            claims,
        }
    }

    fn settle_statement(&mut self, key: ChannelKey, channel: &Channel) -> Action {
        let by = self.settling(key, channel);
        let named = self.state.escrows[key.escrow]
            .as_ref()
            .and_then(|escrow| escrow.countersigner);
        if named.is_none() && self.random.gen_bool(0.8) {
            let owner = self.by(Who::Owner(key.escrow));
            return self.set_countersigner(key.escrow, owner);
        }
        let right = named.unwrap_or(Who::Countersigner(key.escrow));
        let signer = self.by(right);
        let lanes = self.batch(channel);
        let totals = lanes
            .into_iter()
            .map(|lane| (lane, self.total(channel, lane)))
            .collect();
        Action::SettleStatement {
            channel: key,
            by,
            signer,
            totals,
        }
    }
}
