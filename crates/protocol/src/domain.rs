//! The domain hash: which program, cluster, channel and incarnation a signature belongs to.

use crate::Sha256;

/// First bytes of the hashed message; 19 bytes.
pub const DOMAIN_TAG: &[u8; 19] = b"farthing:channel:v1";

const _: () = assert!(DOMAIN_TAG.len() == 19);

/// Binds every voucher, statement and state query to one incarnation of one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(pub [u8; 32]);

impl Domain {
    /// `SHA-256(tag || program || genesis_hash || channel || opened_slot u64 LE)`.
    ///
    /// The program cannot check `genesis_hash`: whoever relies on a channel recomputes its domain
    /// with the genesis hash of the cluster it is connected to.
    #[must_use]
    pub fn of_channel(
        sha256: Sha256,
        program: &[u8; 32],
        genesis_hash: &[u8; 32],
        channel: &[u8; 32],
        opened_slot: u64,
    ) -> Self {
        Self(sha256(&[
            DOMAIN_TAG,
            program,
            genesis_hash,
            channel,
            &opened_slot.to_le_bytes(),
        ]))
    }
}
