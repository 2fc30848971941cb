//! One-byte instruction discriminators. Once deployed a number is never given another meaning.

/// Creates an escrow and its vault.
pub const CREATE_ESCROW: u8 = 0;
/// Names the manager and its allowance.
pub const SET_MANAGER: u8 = 1;
/// Names the countersigner.
pub const SET_COUNTERSIGNER: u8 = 2;
/// Lets the manager open and fund channels to a payee.
pub const APPROVE_PAYEE: u8 = 3;
/// Takes that approval back.
pub const REVOKE_PAYEE: u8 = 4;
/// Pays free funds out to the owner.
pub const WITHDRAW: u8 = 5;
/// Returns tokens sent to the escrow by mistake.
pub const RESCUE: u8 = 6;
/// Closes an escrow without channels.
pub const CLOSE_ESCROW: u8 = 7;
/// Opens a channel to a payee with its first lanes.
pub const OPEN_CHANNEL: u8 = 8;
/// Moves free funds into a channel.
pub const FUND_CHANNEL: u8 = 9;
/// Appends lanes.
pub const ADD_LANES: u8 = 10;
/// Raises a lane's cap.
pub const RAISE_CAP: u8 = 11;
/// Revokes a lane after grace.
pub const REVOKE_LANE: u8 = 12;
/// Gives a revoked lane a new signer.
pub const ROTATE_LANE: u8 = 13;
/// Debits lanes by their vouchers and pays the payee.
pub const SETTLE: u8 = 14;
/// Debits lanes by one counter-signature.
pub const SETTLE_STATEMENT: u8 = 15;
/// Names the settler.
pub const SET_SETTLER: u8 = 16;
/// Gives unspent deposit back to the escrow.
pub const RELEASE: u8 = 17;
/// Pays what waits in `unpaid`.
pub const PAY_OUT: u8 = 18;
/// Starts the grace before a close.
pub const REQUEST_CLOSE: u8 = 19;
/// Closes a channel.
pub const CLOSE_CHANNEL: u8 = 20;

/// First error code of an instruction: from 6000, twenty for each, in the order above.
#[must_use]
pub const fn first_error_code(discriminator: u8) -> u32 {
    6000 + 20 * discriminator as u32
}

/// First code of the errors that several instructions share.
pub const FIRST_SHARED_ERROR_CODE: u32 = 6900;
