//! Fuzz target for the messages that a lane's key signs: vouchers and state queries.
//!
//! Length and magic alone decide whether bytes are a voucher or a state query. No bytes are both, and no statement is
//! either of them. The fields are read at the offsets of the layout, and are written as the same bytes.

use farthing_protocol::state_query::{STATE_QUERY_LENGTH, STATE_QUERY_MAGIC, StateQuery};
use farthing_protocol::statement::STATEMENT_MAGIC;
use farthing_protocol::voucher::{VOUCHER_LENGTH, VOUCHER_MAGIC, Voucher};
use farthing_protocol::{BaseUnits, DecodeError, Domain, Generation, LaneIndex};

/// The bytes are a message.
///
/// # Panics
/// If a property is violated.
pub fn run(data: &[u8]) {
    let voucher = Voucher::from_bytes(data);
    let expected = fields(data, VOUCHER_LENGTH, VOUCHER_MAGIC).map(|fields| Voucher {
        domain: fields.domain,
        lane: fields.lane,
        generation: fields.generation,
        authorized: BaseUnits(fields.last),
    });
    assert_eq!(voucher, expected);
    if let Ok(voucher) = voucher {
        assert_eq!(voucher.to_bytes(), data);
    }

    let query = StateQuery::from_bytes(data);
    let expected = fields(data, STATE_QUERY_LENGTH, STATE_QUERY_MAGIC).map(|fields| StateQuery {
        domain: fields.domain,
        lane: fields.lane,
        generation: fields.generation,
        unix_seconds: fields.last,
    });
    assert_eq!(query, expected);
    if let Ok(query) = query {
        assert_eq!(query.to_bytes(), data);
        assert!(query.is_fresh(query.unix_seconds));
    }

    let is_statement = data.starts_with(&STATEMENT_MAGIC);
    let meanings = [voucher.is_ok(), query.is_ok(), is_statement];
    assert!(meanings.into_iter().filter(|means| *means).count() <= 1);
}

/// The fields that both messages have after their magic.
struct Fields {
    domain: Domain,
    lane: LaneIndex,
    generation: Generation,
    last: u64,
}

/// Reads from left to right, without offsets.
fn fields(mut data: &[u8], length: usize, magic: [u8; 3]) -> Result<Fields, DecodeError> {
    if data.len() != length {
        return Err(DecodeError::Length);
    }
    if take(&mut data) != magic {
        return Err(DecodeError::Magic);
    }
    Ok(Fields {
        domain: Domain(take(&mut data)),
        lane: LaneIndex(u16::from_le_bytes(take(&mut data))),
        generation: Generation(u16::from_le_bytes(take(&mut data))),
        last: u64::from_le_bytes(take(&mut data)),
    })
}

fn take<const N: usize>(data: &mut &[u8]) -> [u8; N] {
    let (taken, rest) = data.split_first_chunk().expect("the length was checked");
    *data = rest;
    *taken
}
