//! Fuzz target for statements, which a countersigner signs, built from any entries.
//!
//! The input is a domain and entries as they are hashed, so the expected result is the hash of the input. Building
//! fails exactly if there are no entries, too many, or lanes that are not in ascending order, checked in this order. A
//! statement is neither a voucher nor a state query.

use farthing_protocol::state_query::StateQuery;
use farthing_protocol::statement::{
    MAX_STATEMENT_ENTRIES, STATEMENT_ENTRY_LENGTH, STATEMENT_MAGIC, StatementEntry, StatementError,
    statement_bytes,
};
use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex, Voucher};

use crate::program::world::sha256;

/// The bytes are a domain and entries; an incomplete one is left out.
///
/// # Panics
/// If a property is violated.
pub fn run(data: &[u8]) {
    let Some((domain, data)) = data.split_first_chunk() else {
        return;
    };
    let domain = Domain(*domain);
    let (chunks, _) = data.as_chunks::<STATEMENT_ENTRY_LENGTH>();
    check(&domain, chunks);

    // The entries are also tried in ascending order, because random lanes would hardly ever make a statement.
    let mut sorted = chunks.to_vec();
    sorted.sort_by_key(|chunk| entry(chunk).lane);
    sorted.dedup_by_key(|chunk| entry(chunk).lane);
    check(&domain, &sorted);
}

fn check(domain: &Domain, chunks: &[[u8; STATEMENT_ENTRY_LENGTH]]) {
    let entries: Vec<StatementEntry> = chunks.iter().map(entry).collect();
    let built = statement_bytes(sha256, domain, &entries);
    let lanes = entries.iter().map(|entry| entry.lane);
    let ascend = lanes.is_sorted_by(|one, next| one < next);
    let expected = match entries.len() {
        0 => Err(StatementError::Empty),
        count if count > MAX_STATEMENT_ENTRIES => Err(StatementError::TooManyEntries),
        _ if !ascend => Err(StatementError::LanesNotAscending),
        count => {
            let count = u16::try_from(count).expect("not more than the maximum");
            let hash = sha256(&[&count.to_le_bytes(), chunks.as_flattened()]);
            Ok([&STATEMENT_MAGIC[..], &domain.0, &hash].concat())
        }
    };
    assert_eq!(built.map(|bytes| bytes.to_vec()), expected);
    if let Ok(bytes) = built {
        assert!(Voucher::from_bytes(&bytes).is_err());
        assert!(StateQuery::from_bytes(&bytes).is_err());
    }
}

fn entry(chunk: &[u8; STATEMENT_ENTRY_LENGTH]) -> StatementEntry {
    let [a, b, c, d, total @ ..] = *chunk;
    StatementEntry {
        lane: LaneIndex(u16::from_le_bytes([a, b])),
        generation: Generation(u16::from_le_bytes([c, d])),
        debit_to: BaseUnits(u64::from_le_bytes(total)),
    }
}
