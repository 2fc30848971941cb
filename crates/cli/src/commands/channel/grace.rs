//! Computes the remaining grace of a channel.

use farthing_chain::Channel;
use farthing_protocol::deadline::ChainTime;

/// The remaining grace, in seconds and in slots; both must have passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GraceLeft {
    pub(super) seconds: u64,
    pub(super) slots: u64,
}

pub(super) fn grace_left(channel: &Channel, now: ChainTime) -> GraceLeft {
    let grace = channel.header.grace_seconds;
    let requested = channel.header.close_requested;
    let seconds = requested
        .unix_timestamp
        .saturating_add(i64::from(grace))
        .saturating_sub(now.unix_timestamp);
    GraceLeft {
        seconds: seconds.max(0).unsigned_abs(),
        slots: requested
            .slot
            .saturating_add(u64::from(grace))
            .saturating_sub(now.slot),
    }
}
