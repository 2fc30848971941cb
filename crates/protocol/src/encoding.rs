//! Canonical encodings of curve points, checked alike on-chain and off-chain.

/// Whether the y-coordinate of an encoded Ed25519 point is below p = 2^255 - 19, as RFC 8032
/// requires and as common field decoders do not check.
///
/// The other non-canonical form, x = 0 with its sign bit set, exists only for two points of small
/// order; whoever refuses those needs no check for it.
#[must_use]
pub const fn has_canonical_y(point: &[u8; 32]) -> bool {
    // p = 0x7fff...ffed: y >= p only if the top 31 bytes are all ones and the lowest is >= 0xed.
    if point[0] < 0xed || point[31] & 0x7f != 0x7f {
        return true;
    }
    let mut index = 1;
    while index < 31 {
        if point[index] != 0xff {
            return true;
        }
        index += 1;
    }
    false
}
