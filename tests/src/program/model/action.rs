//! What actors may try.

/// Escrows of a model, each of its own owner.
pub const ESCROWS: usize = 2;
/// Payees.
pub const PAYEES: usize = 2;
/// Channels that an escrow may have to one payee.
pub const CHANNEL_IDS: usize = 2;
/// Keys that may sign for lanes.
pub const AGENTS: usize = 3;
/// The most lanes that a channel of a model gets.
pub const MAX_LANES: usize = 5;

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// The owner of an escrow.
    Owner(usize),
    /// The key that an escrow's owner may make its manager.
    Manager(usize),
    /// The key that an escrow's owner may let sign statements.
    Countersigner(usize),
    /// A wallet that earns.
    Payee(usize),
    /// A payee's hot key.
    Settler(usize),
    /// The key of a lane.
    Agent(usize),
    /// A key without any role.
    Stranger,
}

/// Identifies a channel of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChannelKey {
    /// Number of the channel's escrow.
    pub escrow: usize,
    /// Number of the channel's payee.
    pub payee: usize,
    /// Number of the channel among those of the escrow to the payee.
    pub id: usize,
}

/// A voucher with what is not debited of it.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// The lane.
    pub lane: u16,
    /// The ceiling.
    pub authorized: u64,
    /// How much of it is not debited.
    pub undebited: u32,
    /// Whether the lane's key signs; else another one does.
    pub by_the_lane: bool,
}

/// A lane to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewLane {
    /// Number of the agent whose key signs for the lane.
    pub agent: usize,
    /// The cap.
    pub cap: u64,
}

/// One step. Amounts are base units; `by` signs.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub enum Action {
    Prepay {
        escrow: usize,
        amount: u64,
    },
    Mistake {
        escrow: usize,
        amount: u64,
    },
    FreezePayee {
        payee: usize,
        frozen: bool,
    },
    FreezeVault {
        escrow: usize,
        frozen: bool,
    },
    Pass {
        seconds: u64,
        slots: u64,
    },
    CreateEscrow {
        escrow: usize,
    },
    SetManager {
        escrow: usize,
        by: Who,
        manager: Option<Who>,
        allowance: u64,
        expects_the_present: bool,
    },
    SetCountersigner {
        escrow: usize,
        by: Who,
        countersigner: Option<Who>,
        knows_channels: bool,
    },
    ApprovePayee {
        escrow: usize,
        by: Who,
        payee: usize,
        max_grace_seconds: u32,
    },
    RevokePayee {
        escrow: usize,
        by: Who,
        payee: usize,
    },
    Withdraw {
        escrow: usize,
        by: Who,
        amount: u64,
    },
    Rescue {
        escrow: usize,
        by: Who,
    },
    CloseEscrow {
        escrow: usize,
        by: Who,
    },
    OpenChannel {
        channel: ChannelKey,
        by: Who,
        settler: Who,
        deposit: u64,
        grace_seconds: u32,
        /// How many slots before the present one the channel says it was opened; negative: after it.
        age: i64,
        lanes: Vec<NewLane>,
    },
    FundChannel {
        channel: ChannelKey,
        by: Who,
        amount: u64,
    },
    AddLanes {
        channel: ChannelKey,
        by: Who,
        lanes: Vec<NewLane>,
    },
    RaiseCap {
        channel: ChannelKey,
        by: Who,
        lane: u16,
        cap: u64,
    },
    RevokeLane {
        channel: ChannelKey,
        by: Who,
        lane: u16,
    },
    RotateLane {
        channel: ChannelKey,
        by: Who,
        lane: u16,
        new: NewLane,
    },
    Settle {
        channel: ChannelKey,
        by: Who,
        claims: Vec<Claim>,
    },
    SettleStatement {
        channel: ChannelKey,
        by: Who,
        signer: Who,
        totals: Vec<(u16, u64)>,
    },
    SetSettler {
        channel: ChannelKey,
        by: Who,
        settler: Who,
    },
    Release {
        channel: ChannelKey,
        by: Who,
        amount: u64,
    },
    PayOut {
        channel: ChannelKey,
    },
    RequestClose {
        channel: ChannelKey,
        by: Who,
    },
    CloseChannel {
        channel: ChannelKey,
        by: Who,
    },
}

impl Action {
    /// The program's instruction, `None` for what happens outside the program.
    #[must_use]
    pub const fn instruction(&self) -> Option<&'static str> {
        Some(match self {
            Self::Prepay { .. }
            | Self::Mistake { .. }
            | Self::FreezePayee { .. }
            | Self::FreezeVault { .. }
            | Self::Pass { .. } => return None,
            Self::CreateEscrow { .. } => "create_escrow",
            Self::SetManager { .. } => "set_manager",
            Self::SetCountersigner { .. } => "set_countersigner",
            Self::ApprovePayee { .. } => "approve_payee",
            Self::RevokePayee { .. } => "revoke_payee",
            Self::Withdraw { .. } => "withdraw",
            Self::Rescue { .. } => "rescue",
            Self::CloseEscrow { .. } => "close_escrow",
            Self::OpenChannel { .. } => "open_channel",
            Self::FundChannel { .. } => "fund_channel",
            Self::AddLanes { .. } => "add_lanes",
            Self::RaiseCap { .. } => "raise_cap",
            Self::RevokeLane { .. } => "revoke_lane",
            Self::RotateLane { .. } => "rotate_lane",
            Self::Settle { .. } => "settle",
            Self::SettleStatement { .. } => "settle_statement",
            Self::SetSettler { .. } => "set_settler",
            Self::Release { .. } => "release",
            Self::PayOut { .. } => "pay_out",
            Self::RequestClose { .. } => "request_close",
            Self::CloseChannel { .. } => "close_channel",
        })
    }
}
