//! Limits that the program enforces.

/// The shortest grace in seconds: 15 minutes.
pub const MIN_GRACE_SECONDS: u32 = 900;
/// The longest grace in seconds: 30 days.
pub const MAX_GRACE_SECONDS: u32 = 2_592_000;
/// `opened_slot` may lie at most this many slots in the past when the channel is opened, and the
/// channel may not be closed before more than this many slots have passed since. Together: no
/// (address, `opened_slot`) ever repeats, so no domain does.
pub const OPENED_SLOT_WINDOW: u64 = 150;
/// The most lanes of one channel; lanes are numbered by a `u16`.
pub const MAX_LANES: usize = 65_536;
/// The most claims of one `settle`; more than a transaction can carry.
pub const MAX_CLAIMS: usize = 16;
/// The most lanes that one `open_channel` or `add_lanes` may bring; more than a transaction can
/// carry.
pub const MAX_LANES_PER_INSTRUCTION: usize = 32;
