//! Reads the chain's clock, which decides deadlines.

use farthing_protocol::deadline::ChainTime;
use solana_sdk::clock::Clock;
use solana_sdk::pubkey;
use solana_sdk::pubkey::Pubkey;

/// Address of the clock's account.
pub const CLOCK: Pubkey = pubkey!("SysvarC1ock11111111111111111111111111111111");

/// Reads the clock's account; `None` if `data` is not a clock.
#[must_use]
pub fn read_clock(data: &[u8]) -> Option<ChainTime> {
    let clock: Clock = bincode::deserialize(data).ok()?;
    Some(ChainTime {
        slot: clock.slot,
        unix_timestamp: clock.unix_timestamp,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_runtime_writes() {
        let clock = Clock {
            slot: 7,
            unix_timestamp: -5,
            ..Clock::default()
        };
        let data = bincode::serialize(&clock).expect("a clock is bytes");
        let time = ChainTime {
            slot: 7,
            unix_timestamp: -5,
        };
        assert_eq!(read_clock(&data), Some(time));
        assert_eq!(read_clock(&data[..39]), None);
    }
}
