//! First seeds of the program's derived addresses; `docs/protocol.md` lists the rest of each.

/// `["escrow", owner, mint, escrow_id u64 LE]`
pub const ESCROW_SEED: &[u8] = b"escrow";
/// `["payee", escrow, payee]`
pub const APPROVAL_SEED: &[u8] = b"payee";
/// `["channel", escrow, payee, channel_id u64 LE]`
pub const CHANNEL_SEED: &[u8] = b"channel";
