//! Properties of channel accounts: a header and lanes at fixed offsets, which the program uses in place.

use anchor_lang::Discriminator;
use farthing::state;
use farthing_chain::{AccountError, Channel};
use farthing_protocol::deadline::ChainTime;
use farthing_protocol::layout::{
    self, CHANNEL_DISCRIMINATOR, ChannelHeader, LAYOUT_VERSION, LaneState, LayoutError,
};
use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex};

/// Offset of the reserved byte, which clients do not read.
const RESERVED: usize = 11;

/// Checks that the program and the clients read the same channel, or that both refuse the data.
pub(super) fn check(data: &[u8]) {
    let mut aligned = vec![0_u64; data.len().div_ceil(8)];
    let copy = &mut bytemuck::cast_slice_mut(&mut aligned)[..data.len()];
    copy.copy_from_slice(data);
    let client = Channel::decode(data);
    let Some(program) = load(copy) else {
        assert!(client.is_err(), "the program refuses what clients accept");
        return;
    };
    match client {
        Ok(client) => {
            assert_eq!(program.header.version, LAYOUT_VERSION);
            assert_eq!(client.header, header(program.header));
            let lanes: Vec<LaneState> = program.lanes.iter().map(lane).collect();
            assert_eq!(client.lanes, lanes);
            let mut written = write(&client);
            written[RESERVED] = data[RESERVED];
            assert_eq!(written, data);
            has_its_lanes(&client, data);
        }
        Err(AccountError::Channel(LayoutError::Version(version))) => {
            assert_eq!(version, program.header.version);
            assert_ne!(version, LAYOUT_VERSION);
        }
        Err(error) => panic!("clients refuse what the program accepts: {error}"),
    }
}

/// Loads a channel account as the program does.
fn load(data: &mut [u8]) -> Option<state::ChannelMut<'_>> {
    data.starts_with(state::Channel::DISCRIMINATOR)
        .then(|| state::ChannelMut::from_data(data).ok())?
}

fn has_its_lanes(channel: &Channel, data: &[u8]) {
    for index in 0..=u16::try_from(channel.lanes.len()).unwrap_or(u16::MAX) {
        let index = LaneIndex(index);
        assert_eq!(layout::lane(data, index).as_ref(), channel.lane(index));
    }
}

fn header(header: &state::Channel) -> ChannelHeader {
    ChannelHeader {
        bump: header.bump,
        payee_token_bump: header.payee_token_bump,
        grace_seconds: header.grace_seconds,
        channel_id: header.channel_id,
        escrow: header.escrow.to_bytes(),
        payee: header.payee.to_bytes(),
        settler: header.settler.to_bytes(),
        rent_payer: header.rent_payer.to_bytes(),
        deposit: BaseUnits(header.deposit),
        debited: BaseUnits(header.debited),
        unpaid: BaseUnits(header.unpaid),
        close_requested: ChainTime {
            unix_timestamp: header.close_requested_at,
            slot: header.close_requested_slot,
        },
        opened_slot: header.opened_slot,
        domain: Domain(header.domain),
    }
}

fn lane(lane: &state::Lane) -> LaneState {
    let [a, b, c, d, e, f] = lane.revoked_slot;
    LaneState {
        signer: lane.signer.to_bytes(),
        cap: BaseUnits(lane.cap),
        debited: BaseUnits(lane.debited),
        revoked: ChainTime {
            unix_timestamp: lane.revoked_at,
            slot: u64::from_le_bytes([a, b, c, d, e, f, 0, 0]),
        },
        generation: Generation(lane.generation),
    }
}

/// Writes a channel field by field in the order of the layout, without using offsets.
fn write(channel: &Channel) -> Vec<u8> {
    let header = &channel.header;
    let mut bytes = CHANNEL_DISCRIMINATOR.to_vec();
    bytes.extend([LAYOUT_VERSION, header.bump, header.payee_token_bump, 0]);
    bytes.extend(header.grace_seconds.to_le_bytes());
    bytes.extend(header.channel_id.to_le_bytes());
    bytes.extend(header.escrow);
    bytes.extend(header.payee);
    bytes.extend(header.settler);
    bytes.extend(header.rent_payer);
    bytes.extend(header.deposit.0.to_le_bytes());
    bytes.extend(header.debited.0.to_le_bytes());
    bytes.extend(header.unpaid.0.to_le_bytes());
    bytes.extend(header.close_requested.unix_timestamp.to_le_bytes());
    bytes.extend(header.close_requested.slot.to_le_bytes());
    bytes.extend(header.opened_slot.to_le_bytes());
    bytes.extend(header.domain.0);
    for lane in &channel.lanes {
        bytes.extend(lane.signer);
        bytes.extend(lane.cap.0.to_le_bytes());
        bytes.extend(lane.debited.0.to_le_bytes());
        bytes.extend(lane.revoked.unix_timestamp.to_le_bytes());
        bytes.extend(lane.generation.0.to_le_bytes());
        bytes.extend(&lane.revoked.slot.to_le_bytes()[..6]);
    }
    bytes
}
