//! Instructions of an escrow's owner or manager about its channels.

use borsh::BorshSerialize;
use farthing_protocol::instruction::{
    ADD_LANES, FUND_CHANNEL, OPEN_CHANNEL, RAISE_CAP, REQUEST_CLOSE, REVOKE_LANE, ROTATE_LANE,
};
use farthing_protocol::{BaseUnits, LaneIndex};
use solana_sdk::hash::Hash;
use solana_sdk::instruction::Instruction;
use solana_sdk::pubkey::Pubkey;
use solana_system_interface::program as system_program;

use super::{instruction, optional, readonly, signer, writable, writable_signer};
use crate::addresses::channel_address;
use crate::token::{Token, associated_token_address};

/// A lane to be appended, or the next generation of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewLane {
    /// The key that will sign the lane's vouchers.
    pub signer: Pubkey,
    /// The most that the lane may be debited in total.
    pub cap: BaseUnits,
}

#[derive(BorshSerialize)]
struct NewLaneArguments {
    signer: [u8; 32],
    cap: u64,
}

impl From<&NewLane> for NewLaneArguments {
    fn from(lane: &NewLane) -> Self {
        Self {
            signer: lane.signer.to_bytes(),
            cap: lane.cap.0,
        }
    }
}

fn lane_arguments(lanes: &[NewLane]) -> Vec<NewLaneArguments> {
    lanes.iter().map(NewLaneArguments::from).collect()
}

/// Inputs of [`open_channel`].
#[derive(Debug, Clone)]
pub struct OpenChannel {
    /// The owner, or the manager with an approval; signs.
    pub authority: Pubkey,
    /// Pays the rent and gets it back; signs.
    pub rent_payer: Pubkey,
    /// The escrow.
    pub escrow: Pubkey,
    /// The escrow's mint.
    pub token: Token,
    /// The approval, which the manager needs and the owner does not.
    pub approval: Option<Pubkey>,
    /// The payee's wallet.
    pub payee: Pubkey,
    /// The payee's hot key.
    pub settler: Pubkey,
    /// Distinguishes channels of one escrow to one payee.
    pub channel_id: u64,
    /// The amount to lock, in base units.
    pub deposit: BaseUnits,
    /// Seconds, and slots, between a request to close or revoke and its effect.
    pub grace_seconds: u32,
    /// The cluster's `getGenesisHash`.
    pub genesis_hash: Hash,
    /// A recent slot, at most 150 slots old.
    pub opened_slot: u64,
    /// The first lanes, at least one.
    pub lanes: Vec<NewLane>,
}

#[derive(BorshSerialize)]
struct OpenChannelArguments {
    payee: [u8; 32],
    settler: [u8; 32],
    channel_id: u64,
    deposit: u64,
    grace_seconds: u32,
    genesis_hash: [u8; 32],
    opened_slot: u64,
    lanes: Vec<NewLaneArguments>,
}

/// Opens a channel to a payee with its first lanes.
#[must_use]
pub fn open_channel(program: &Pubkey, input: &OpenChannel) -> Instruction {
    let (channel, _) = channel_address(program, &input.escrow, &input.payee, input.channel_id);
    instruction(
        program,
        OPEN_CHANNEL,
        &OpenChannelArguments {
            payee: input.payee.to_bytes(),
            settler: input.settler.to_bytes(),
            channel_id: input.channel_id,
            deposit: input.deposit.0,
            grace_seconds: input.grace_seconds,
            genesis_hash: input.genesis_hash.to_bytes(),
            opened_slot: input.opened_slot,
            lanes: lane_arguments(&input.lanes),
        },
        vec![
            signer(&input.authority),
            writable_signer(&input.rent_payer),
            writable(&input.escrow),
            readonly(&associated_token_address(&input.escrow, &input.token)),
            optional(program, input.approval, readonly),
            writable(&channel),
            readonly(&system_program::ID),
        ],
    )
}

/// Inputs of [`fund_channel`].
#[derive(Debug, Clone, Copy)]
pub struct FundChannel {
    /// The owner, or the manager with an approval; signs.
    pub authority: Pubkey,
    /// The escrow.
    pub escrow: Pubkey,
    /// The escrow's mint.
    pub token: Token,
    /// The approval, which the manager needs and the owner does not.
    pub approval: Option<Pubkey>,
    /// The channel.
    pub channel: Pubkey,
    /// The amount to move, at most the escrow's free funds.
    pub amount: BaseUnits,
}

/// Moves free funds into a channel.
#[must_use]
pub fn fund_channel(program: &Pubkey, input: &FundChannel) -> Instruction {
    instruction(
        program,
        FUND_CHANNEL,
        &input.amount.0,
        vec![
            signer(&input.authority),
            writable(&input.escrow),
            readonly(&associated_token_address(&input.escrow, &input.token)),
            optional(program, input.approval, readonly),
            writable(&input.channel),
        ],
    )
}

/// Inputs of [`add_lanes`].
#[derive(Debug, Clone)]
pub struct AddLanes {
    /// The owner or the manager; signs.
    pub authority: Pubkey,
    /// Pays the rent for the lanes; must be the channel's recorded rent payer; signs.
    pub rent_payer: Pubkey,
    /// The escrow.
    pub escrow: Pubkey,
    /// The channel.
    pub channel: Pubkey,
    /// The lanes, at least one.
    pub lanes: Vec<NewLane>,
}

/// Appends lanes to a channel.
#[must_use]
pub fn add_lanes(program: &Pubkey, input: &AddLanes) -> Instruction {
    instruction(
        program,
        ADD_LANES,
        &lane_arguments(&input.lanes),
        vec![
            signer(&input.authority),
            writable_signer(&input.rent_payer),
            writable(&input.escrow),
            writable(&input.channel),
            readonly(&system_program::ID),
        ],
    )
}

/// Inputs of [`raise_cap`].
#[derive(Debug, Clone, Copy)]
pub struct RaiseCap {
    /// The owner or the manager; signs.
    pub authority: Pubkey,
    /// The escrow.
    pub escrow: Pubkey,
    /// The channel.
    pub channel: Pubkey,
    /// The lane, which must not be revoked.
    pub lane: LaneIndex,
    /// The new cap: what the lane may be debited in total over all generations. Must be above the current cap.
    pub cap: BaseUnits,
}

/// Raises a lane's cap, with immediate effect.
#[must_use]
pub fn raise_cap(program: &Pubkey, input: &RaiseCap) -> Instruction {
    instruction(
        program,
        RAISE_CAP,
        &(input.lane.0, input.cap.0),
        vec![
            signer(&input.authority),
            writable(&input.escrow),
            writable(&input.channel),
        ],
    )
}

/// Revokes a lane, so that its vouchers become worthless after the grace; signed by the owner or the manager. A second
/// revocation does not move the deadline.
#[must_use]
pub fn revoke_lane(
    program: &Pubkey,
    authority: &Pubkey,
    escrow: &Pubkey,
    channel: &Pubkey,
    lane: LaneIndex,
) -> Instruction {
    instruction(
        program,
        REVOKE_LANE,
        &lane.0,
        vec![signer(authority), writable(escrow), writable(channel)],
    )
}

/// Inputs of [`rotate_lane`].
#[derive(Debug, Clone, Copy)]
pub struct RotateLane {
    /// The owner or the manager; signs.
    pub authority: Pubkey,
    /// The escrow.
    pub escrow: Pubkey,
    /// The channel.
    pub channel: Pubkey,
    /// The lane, whose revocation must have taken effect.
    pub lane: LaneIndex,
    /// The lane's next signer and cap. The counter is not reset, so the cap must be at least what was debited before.
    pub new: NewLane,
}

/// Gives a revoked lane a new signer and with it the next generation.
#[must_use]
pub fn rotate_lane(program: &Pubkey, input: &RotateLane) -> Instruction {
    instruction(
        program,
        ROTATE_LANE,
        &(input.lane.0, NewLaneArguments::from(&input.new)),
        vec![
            signer(&input.authority),
            writable(&input.escrow),
            writable(&input.channel),
        ],
    )
}

/// Starts the grace after which anyone may close the channel; signed by the owner or the manager.
#[must_use]
pub fn request_close(
    program: &Pubkey,
    authority: &Pubkey,
    escrow: &Pubkey,
    channel: &Pubkey,
) -> Instruction {
    instruction(
        program,
        REQUEST_CLOSE,
        &(),
        vec![signer(authority), writable(escrow), writable(channel)],
    )
}
