//! The chain's clock, in the protocol's terms.

use anchor_lang::prelude::{Clock, Result, SolanaSysvar};
use farthing_protocol::deadline::ChainTime;

/// Seconds and slot of the current block.
///
/// # Errors
/// If the runtime has no clock sysvar.
pub fn now() -> Result<ChainTime> {
    let clock = Clock::get()?;
    Ok(ChainTime {
        unix_timestamp: clock.unix_timestamp,
        slot: clock.slot,
    })
}
