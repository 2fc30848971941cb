//! When a request to close or to revoke takes effect.

/// Seconds and slots, as the chain's clock tells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainTime {
    /// The clock's Unix timestamp in seconds.
    pub unix_timestamp: i64,
    /// The slot.
    pub slot: u64,
}

/// Whether `grace_seconds` have passed since `requested`, in seconds of the chain's clock **and** in
/// at least as many slots.
///
/// A halted cluster's clock jumps when it restarts, while its slots do not: without the second
/// condition an outage would eat the provider's time to settle.
#[must_use]
pub fn grace_is_over(requested: ChainTime, grace_seconds: u32, now: ChainTime) -> bool {
    let seconds_over = requested
        .unix_timestamp
        .checked_add(i64::from(grace_seconds))
        .is_some_and(|deadline| now.unix_timestamp >= deadline);
    let slots_over = requested
        .slot
        .checked_add(u64::from(grace_seconds))
        .is_some_and(|deadline| now.slot >= deadline);
    seconds_over && slots_over
}
