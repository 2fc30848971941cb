//! Checks whether a store holds what a ledger could have written: reports the records that cannot be read, and the
//! [inconsistencies](crate::record::audit) of those that can.

#[cfg(test)]
mod tests;

use solana_sdk::bs58;

use super::{Store, StoreError};
use crate::record::StoredState;
use crate::record::audit::{Finding, inconsistencies};

/// Reads everything that can be read, and returns it with the findings: unreadable records, and inconsistencies that no
/// ledger writes.
///
/// # Errors
/// [`StoreError`] if the store itself cannot be read.
pub fn audit(store: &mut dyn Store) -> Result<(StoredState, Vec<Finding>), StoreError> {
    let mut findings = Vec::new();
    let state = store.read(&mut |key, error| match error {
        StoreError::Unreadable { .. } => {
            findings.push(Finding::Unreadable {
                key: bs58::encode(key).into_string(),
                reason: error.to_string(),
            });
            Ok(())
        }
        error => Err(error),
    })?;
    findings.extend(inconsistencies(&state));
    Ok((state, findings))
}
