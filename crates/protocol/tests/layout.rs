//! Tests of reading channel accounts off-chain.

use farthing_protocol::deadline::ChainTime;
use farthing_protocol::layout::{
    CHANNEL_DISCRIMINATOR, CHANNEL_HEADER_LENGTH, ChannelHeader, LANE_LENGTH, LayoutError, NEVER,
    lane, lanes,
};
use farthing_protocol::{BaseUnits, Generation, LaneIndex};

const LANE: usize = CHANNEL_HEADER_LENGTH;

/// An account of one lane in which everything is zero.
fn account() -> Vec<u8> {
    let mut data = vec![0; CHANNEL_HEADER_LENGTH + LANE_LENGTH];
    data[..8].copy_from_slice(&CHANNEL_DISCRIMINATOR);
    data[8] = 1;
    data
}

#[test]
fn only_a_channel_account_decodes() {
    let mut data = account();
    assert!(ChannelHeader::decode(&data).is_ok());
    assert!(
        ChannelHeader::decode(&data[..CHANNEL_HEADER_LENGTH]).is_ok(),
        "a header without lanes"
    );
    for length in [0, 231, 233, 295] {
        let expected = Err(LayoutError::Length(length));
        assert_eq!(ChannelHeader::decode(&data[..length]), expected);
    }
    data[8] = 0;
    assert_eq!(ChannelHeader::decode(&data), Err(LayoutError::Version(0)));
    data[0] ^= 1;
    assert_eq!(
        ChannelHeader::decode(&data),
        Err(LayoutError::Discriminator)
    );
}

#[test]
fn only_never_means_that_nothing_was_requested() {
    let mut data = account();
    let header = ChannelHeader::decode(&data).expect("it is a channel");
    assert!(header.is_closing());
    assert!(lane(&data, LaneIndex(0)).expect("it is there").is_revoked());

    data[176..184].copy_from_slice(&NEVER.to_le_bytes());
    data[LANE + 48..LANE + 56].copy_from_slice(&NEVER.to_le_bytes());
    let header = ChannelHeader::decode(&data).expect("it is a channel");
    assert!(!header.is_closing());
    assert!(!lane(&data, LaneIndex(0)).expect("it is there").is_revoked());
}

#[test]
fn a_lane_is_read_where_the_layout_says() {
    let mut data = account();
    data[LANE..LANE + 32].copy_from_slice(&[7; 32]);
    data[LANE + 32..LANE + 40].copy_from_slice(&9_000_u64.to_le_bytes());
    data[LANE + 40..LANE + 48].copy_from_slice(&8_000_u64.to_le_bytes());
    data[LANE + 48..LANE + 56].copy_from_slice(&1_000_i64.to_le_bytes());
    data[LANE + 56..LANE + 58].copy_from_slice(&3_u16.to_le_bytes());
    data[LANE + 58..].copy_from_slice(&[1, 2, 3, 4, 5, 6]);
    assert_eq!(lanes(&data).len(), 1);
    let first = lane(&data, LaneIndex(0)).expect("lane 0 is there");
    assert_eq!(first.signer, [7; 32]);
    assert_eq!(first.cap, BaseUnits(9_000));
    assert_eq!(first.debited, BaseUnits(8_000));
    assert_eq!(first.generation, Generation(3));
    let slot = 0x0605_0403_0201;
    assert_eq!(
        first.revoked,
        ChainTime {
            unix_timestamp: 1_000,
            slot
        }
    );
    let effective = |unix_timestamp, slot| {
        first.revocation_is_effective(
            900,
            ChainTime {
                unix_timestamp,
                slot,
            },
        )
    };
    assert!(!effective(1_899, slot + 900));
    assert!(!effective(1_900, slot + 899));
    assert!(effective(1_900, slot + 900));

    assert_eq!(lane(&data, LaneIndex(1)), None);
    assert_eq!(lanes(&data[..CHANNEL_HEADER_LENGTH]).len(), 0);
    assert_eq!(lanes(&[]).len(), 0);
}
