//! The arithmetic of acceptance and of debits: what a verifier may accept and what the program pays.
//!
//! The two halves belong together: *whatever the verifier accepts, the program accepts*. An accepted
//! request keeps `charged + reserved <= authorized <= cap` and `authorized - charged` within `u32`,
//! so at every later moment a claim with `debit_to = charged` encodes, and passes [`lane_debit`].

use core::fmt;

use crate::BaseUnits;

/// Length in bytes of a claim inside `settle`: lane u16, authorized u64, `authorized - debit_to`
/// u32, signature 64.
pub const CLAIM_LENGTH: usize = 2 + 8 + 4 + 64;
/// Length in bytes of an entry inside `settle_statement`.
pub const STATEMENT_CLAIM_LENGTH: usize = 10;

const _: () = assert!(CLAIM_LENGTH == 78);

/// A lane as its verifier sees it, in base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LanePosition {
    /// The lane's on-chain cap, cumulative over generations.
    pub cap: BaseUnits,
    /// The highest ceiling signed so far.
    pub authorized: BaseUnits,
    /// What was charged so far, the on-chain debit included.
    pub charged: BaseUnits,
    /// The sum of the maxima in flight.
    pub reserved: BaseUnits,
}

/// A channel as its verifier sees it, in base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChannelPosition {
    /// Deposit on-chain.
    pub deposit: BaseUnits,
    /// The sum of `charged` over the lanes.
    pub charged: BaseUnits,
    /// The sum of `reserved` over the lanes.
    pub reserved: BaseUnits,
}

/// Why a request's maximum cannot be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcceptError {
    /// `charged + reserved + maximum` exceeds the highest ceiling, the new voucher's included.
    CeilingBelowNeed {
        /// The lowest ceiling that would do.
        need: BaseUnits,
    },
    /// The ceiling exceeds the lane's cap.
    CeilingAboveCap,
    /// `authorized - charged` would not fit the 32 bits that a claim has for it.
    CeilingTooFarAhead,
    /// `charged + reserved + maximum` exceeds the channel's deposit.
    DepositExhausted,
    /// A sum exceeds `u64`.
    Overflow,
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CeilingBelowNeed { need } => write!(
                f,
                "the voucher's ceiling is below what this request may cost: sign at least {need} base units"
            ),
            Self::CeilingAboveCap => f.write_str("the voucher's ceiling exceeds the lane's cap"),
            Self::CeilingTooFarAhead => f.write_str(
                "the voucher's ceiling is more than 4294967295 base units above what was charged",
            ),
            Self::DepositExhausted => {
                f.write_str("the channel's deposit does not cover this request")
            }
            Self::Overflow => f.write_str("amounts exceed 64 bits"),
        }
    }
}

impl core::error::Error for AcceptError {}

/// Whether a request of at most `maximum`, paid with a voucher up to `voucher_authorized`, may be
/// accepted. Returns the lane's new `authorized`.
///
/// Signature, replay, revocation and freshness are the caller's; this is the arithmetic alone.
///
/// # Errors
/// The first rule that is broken, see [`AcceptError`].
pub fn accept(
    lane: &LanePosition,
    channel: &ChannelPosition,
    voucher_authorized: BaseUnits,
    maximum: BaseUnits,
) -> Result<BaseUnits, AcceptError> {
    let need = sum3(lane.charged, lane.reserved, maximum)?;
    let authorized = lane.authorized.max(voucher_authorized);
    if need > authorized {
        return Err(AcceptError::CeilingBelowNeed { need });
    }
    if authorized > lane.cap {
        return Err(AcceptError::CeilingAboveCap);
    }
    if authorized.saturating_sub(lane.charged).0 > u64::from(u32::MAX) {
        return Err(AcceptError::CeilingTooFarAhead);
    }
    if sum3(channel.charged, channel.reserved, maximum)? > channel.deposit {
        return Err(AcceptError::DepositExhausted);
    }
    Ok(authorized)
}

fn sum3(a: BaseUnits, b: BaseUnits, c: BaseUnits) -> Result<BaseUnits, AcceptError> {
    a.checked_add(b)
        .and_then(|sum| sum.checked_add(c))
        .ok_or(AcceptError::Overflow)
}

/// Why a debit is refused by the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DebitError {
    /// A claim says that more than its whole ceiling is not debited.
    UndebitedAboveAuthorized,
    /// The debit exceeds the lane's cap.
    CapExceeded,
}

/// The cumulative debit that a claim asks for: `authorized - undebited`.
///
/// # Errors
/// [`DebitError::UndebitedAboveAuthorized`] if `undebited` exceeds `authorized`.
pub fn claimed_debit(authorized: BaseUnits, undebited: u32) -> Result<BaseUnits, DebitError> {
    authorized
        .checked_sub(BaseUnits(u64::from(undebited)))
        .ok_or(DebitError::UndebitedAboveAuthorized)
}

/// What a lane owes when its counter moves from `debited` to `debit_to`. Zero means that the entry
/// is stale and is skipped.
///
/// # Errors
/// [`DebitError::CapExceeded`] if `debit_to` exceeds `cap`.
pub fn lane_debit(
    cap: BaseUnits,
    debited: BaseUnits,
    debit_to: BaseUnits,
) -> Result<BaseUnits, DebitError> {
    if debit_to > cap {
        return Err(DebitError::CapExceeded);
    }
    Ok(debit_to.saturating_sub(debited))
}
