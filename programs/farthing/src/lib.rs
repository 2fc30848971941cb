//! Farthing's on-chain program: prepaid escrows, channels to payees, and lanes with a cap for each
//! agent.
//!
//! What lives here: the entry points, one line each. Their accounts, checks and effects are in
//! [`instructions`], one file each; what the accounts may turn into is in [`state`]; signatures in
//! [`signature`]; token movements in [`token`]. Bytes and arithmetic that the verifier and the client
//! must agree on come from `farthing_protocol`.

// Anchor's macros look their names up in the prelude, and the account structs of every instruction
// (with the client modules that the macros generate beside them) at the root of the crate.
use anchor_lang::prelude::*;
use farthing_protocol::instruction as number;
pub use instructions::*;

pub mod clock;
pub mod error;
pub mod events;
pub mod instructions;
#[cfg(not(feature = "no-entrypoint"))]
mod security_txt;
pub mod signature;
pub mod state;
pub mod token;

declare_id!("FaryyW2ua5w5F7G57DtiGqm6SKEpdTbZPwBErDpgmZFw");

/// The entry points, in the order of their discriminators.
#[program]
pub mod farthing {
    use super::*;

    /// Creates an escrow and its vault, which may already exist.
    #[instruction(discriminator = [number::CREATE_ESCROW])]
    #[access_control(ctx.accounts.validate())]
    pub fn create_escrow(ctx: Context<CreateEscrow>, args: CreateEscrowArgs) -> Result<()> {
        CreateEscrow::handler(ctx, &args)
    }

    /// Names the manager, or none, and what it may still put into channels.
    #[instruction(discriminator = [number::SET_MANAGER])]
    #[access_control(ctx.accounts.validate(&args))]
    pub fn set_manager(ctx: Context<SetManager>, args: SetManagerArgs) -> Result<()> {
        SetManager::handler(ctx, &args)
    }

    /// Names the key that may sign statements, or none.
    #[instruction(discriminator = [number::SET_COUNTERSIGNER])]
    #[access_control(ctx.accounts.validate(&args))]
    pub fn set_countersigner<'info>(
        ctx: Context<'info, SetCountersigner<'info>>,
        args: SetCountersignerArgs,
    ) -> Result<()> {
        SetCountersigner::handler(ctx, &args)
    }

    /// Lets the manager open and fund channels to a payee.
    #[instruction(discriminator = [number::APPROVE_PAYEE])]
    #[access_control(ctx.accounts.validate(&args))]
    pub fn approve_payee(ctx: Context<ApprovePayee>, args: ApprovePayeeArgs) -> Result<()> {
        ApprovePayee::handler(ctx, &args)
    }

    /// Takes an approval back.
    #[instruction(discriminator = [number::REVOKE_PAYEE])]
    pub fn revoke_payee(ctx: Context<RevokePayee>) -> Result<()> {
        RevokePayee::handler(ctx)
    }

    /// Pays free funds out.
    #[instruction(discriminator = [number::WITHDRAW])]
    #[access_control(ctx.accounts.validate(&args))]
    pub fn withdraw(ctx: Context<Withdraw>, args: WithdrawArgs) -> Result<()> {
        Withdraw::handler(ctx, &args)
    }

    /// Moves tokens that were sent to the escrow's address by mistake.
    #[instruction(discriminator = [number::RESCUE])]
    #[access_control(ctx.accounts.validate())]
    pub fn rescue<'info>(ctx: Context<'info, Rescue<'info>>) -> Result<()> {
        Rescue::handler(ctx)
    }

    /// Closes an escrow that has no channel; what is in the vault goes to the owner.
    #[instruction(discriminator = [number::CLOSE_ESCROW])]
    #[access_control(ctx.accounts.validate())]
    pub fn close_escrow(ctx: Context<CloseEscrow>) -> Result<()> {
        CloseEscrow::handler(ctx)
    }

    /// Opens a channel to a payee with its first lanes.
    #[instruction(discriminator = [number::OPEN_CHANNEL])]
    #[access_control(ctx.accounts.validate(&args))]
    pub fn open_channel(ctx: Context<OpenChannel>, args: OpenChannelArgs) -> Result<()> {
        OpenChannel::handler(ctx, &args)
    }

    /// Moves free funds into a channel.
    #[instruction(discriminator = [number::FUND_CHANNEL])]
    #[access_control(ctx.accounts.validate(&args))]
    pub fn fund_channel(ctx: Context<FundChannel>, args: FundChannelArgs) -> Result<()> {
        FundChannel::handler(ctx, &args)
    }

    /// Appends lanes to a channel.
    #[instruction(discriminator = [number::ADD_LANES])]
    #[access_control(ctx.accounts.validate(&args))]
    pub fn add_lanes(ctx: Context<AddLanes>, args: AddLanesArgs) -> Result<()> {
        AddLanes::handler(ctx, &args)
    }

    /// Lets a lane be debited more, at once.
    #[instruction(discriminator = [number::RAISE_CAP])]
    #[access_control(ctx.accounts.validate())]
    pub fn raise_cap(ctx: Context<RaiseCap>, args: RaiseCapArgs) -> Result<()> {
        RaiseCap::handler(ctx, &args)
    }

    /// Makes a lane's vouchers worthless after the grace.
    #[instruction(discriminator = [number::REVOKE_LANE])]
    #[access_control(ctx.accounts.validate())]
    pub fn revoke_lane(ctx: Context<RevokeLane>, args: RevokeLaneArgs) -> Result<()> {
        RevokeLane::handler(ctx, &args)
    }

    /// Gives a revoked lane a new key.
    #[instruction(discriminator = [number::ROTATE_LANE])]
    #[access_control(ctx.accounts.validate(&args))]
    pub fn rotate_lane(ctx: Context<RotateLane>, args: RotateLaneArgs) -> Result<()> {
        RotateLane::handler(ctx, &args)
    }

    /// Debits lanes by their vouchers and pays the payee once.
    #[instruction(discriminator = [number::SETTLE])]
    #[access_control(ctx.accounts.validate(&args))]
    pub fn settle(ctx: Context<Settle>, args: SettleArgs) -> Result<()> {
        Settle::handler(ctx, &args)
    }

    /// Debits lanes by one signature of the countersigner and pays the payee once.
    #[instruction(discriminator = [number::SETTLE_STATEMENT])]
    #[access_control(ctx.accounts.validate(&args))]
    pub fn settle_statement(
        ctx: Context<SettleStatement>,
        args: SettleStatementArgs,
    ) -> Result<()> {
        SettleStatement::handler(ctx, &args)
    }

    /// Names another settler.
    #[instruction(discriminator = [number::SET_SETTLER])]
    #[access_control(ctx.accounts.validate(&args))]
    pub fn set_settler(ctx: Context<SetSettler>, args: SetSettlerArgs) -> Result<()> {
        SetSettler::handler(ctx, &args)
    }

    /// Gives unspent deposit back to the escrow.
    #[instruction(discriminator = [number::RELEASE])]
    #[access_control(ctx.accounts.validate(&args))]
    pub fn release(ctx: Context<Release>, args: ReleaseArgs) -> Result<()> {
        Release::handler(ctx, &args)
    }

    /// Pays what is unpaid.
    #[instruction(discriminator = [number::PAY_OUT])]
    #[access_control(ctx.accounts.validate())]
    pub fn pay_out(ctx: Context<PayOut>) -> Result<()> {
        PayOut::handler(ctx)
    }

    /// Starts the grace before a close.
    #[instruction(discriminator = [number::REQUEST_CLOSE])]
    #[access_control(ctx.accounts.validate())]
    pub fn request_close(ctx: Context<RequestClose>) -> Result<()> {
        RequestClose::handler(ctx)
    }

    /// Closes a channel: what is not owed returns to the escrow.
    #[instruction(discriminator = [number::CLOSE_CHANNEL])]
    #[access_control(ctx.accounts.validate())]
    pub fn close_channel(ctx: Context<CloseChannel>) -> Result<()> {
        CloseChannel::handler(ctx)
    }
}
