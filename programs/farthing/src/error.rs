//! The program's errors: one variant for each guard, so that a test can pin which one fired.
//!
//! Codes are `farthing_protocol::instruction::first_error_code` of the instruction plus a number below
//! twenty; errors of several instructions start at 6900. A retired code stays reserved. Constraints that
//! Anchor checks by itself (owner, discriminator, signer, seeds) keep Anchor's codes.

use anchor_lang::prelude::error_code;
use farthing_protocol::instruction::{
    APPROVE_PAYEE, CLOSE_CHANNEL, CLOSE_ESCROW, CREATE_ESCROW, FIRST_SHARED_ERROR_CODE,
    OPEN_CHANNEL, PAY_OUT, RAISE_CAP, RELEASE, REQUEST_CLOSE, RESCUE, ROTATE_LANE, SET_MANAGER,
    SETTLE, SETTLE_STATEMENT, first_error_code,
};

/// Which rule was broken.
#[error_code(offset = 0)]
#[derive(PartialEq, Eq)]
pub enum FarthingError {
    /// A mint whose extensions could move, withhold or freeze what lies in a vault.
    #[msg("mint has an extension that escrows do not allow")]
    MintExtensionNotAllowed = 6000,

    /// `set_manager` was made for another state.
    #[msg("the manager's allowance is not the expected one: read it again")]
    AllowanceChanged = 6020,

    /// An approval that no channel could use, or longer than any channel may have.
    #[msg("approved grace is outside the limits")]
    ApprovedGraceOutOfRange = 6060,

    /// `rescue` of what is prepaid.
    #[msg("source is the escrow's vault: withdraw from it instead")]
    RescueOfVault = 6120,
    /// `rescue` of an empty account.
    #[msg("source holds nothing")]
    NothingToRescue = 6121,

    /// `close_escrow` while money may be owed.
    #[msg("escrow has open channels")]
    ChannelsOpen = 6140,
    /// `close_escrow` by a stranger.
    #[msg("signer is neither the escrow's owner nor its rent payer")]
    OwnerOrRentPayerOnly = 6141,
    /// `close_escrow` by the rent payer while there is money.
    #[msg("vault is not empty: only the owner may close the escrow")]
    VaultNotEmpty = 6142,
    /// `close_escrow` with money and nowhere to put it.
    #[msg("vault is not empty: a token account of the owner is needed")]
    DestinationMissing = 6143,
    /// `close_escrow` to somebody else's account.
    #[msg("destination is not a token account of the owner")]
    DestinationNotOwners = 6144,

    /// The escrow would pay itself.
    #[msg("payee is the escrow itself")]
    PayeeIsEscrow = 6160,
    /// Too short to settle in, or too long to wait.
    #[msg("grace is outside the limits")]
    GraceOutOfRange = 6161,
    /// `opened_slot` after the current slot.
    #[msg("opened slot lies in the future")]
    OpenedSlotInFuture = 6162,
    /// `opened_slot` before the window.
    #[msg("opened slot lies too far in the past")]
    OpenedSlotTooOld = 6163,

    /// `raise_cap` to less, or to the same.
    #[msg("cap is not above the present one")]
    CapNotRaised = 6220,

    /// `rotate_lane` before `revoke_lane` took effect.
    #[msg("lane's revocation has not taken effect")]
    RevocationNotEffective = 6260,
    /// `rotate_lane` to a cap that was spent already: caps are cumulative over generations.
    #[msg("cap is below what the lane was debited")]
    CapBelowDebited = 6261,
    /// `rotate_lane` more often than a voucher can number.
    #[msg("lane cannot have so many generations")]
    GenerationsExhausted = 6262,

    /// `settle` without claims.
    #[msg("there is no claim")]
    NoClaims = 6280,
    /// `settle` with more claims than its maximum.
    #[msg("too many claims")]
    TooManyClaims = 6281,
    /// A claim that says more than its whole ceiling is not debited.
    #[msg("undebited part exceeds the authorized amount")]
    UndebitedAboveAuthorized = 6282,
    /// A voucher that the lane's key did not sign for this channel, lane and generation.
    #[msg("voucher is not signed by the lane's key")]
    VoucherNotSigned = 6283,

    /// `settle_statement` of nothing.
    #[msg("statement has no entry")]
    NoEntries = 6300,
    /// `settle_statement` with more entries than its maximum.
    #[msg("statement has too many entries")]
    TooManyEntries = 6301,
    /// `settle_statement` where nobody may sign one.
    #[msg("escrow has no countersigner")]
    NoCountersigner = 6302,
    /// A statement that the countersigner did not sign for this channel and these entries.
    #[msg("statement is not signed by the escrow's countersigner")]
    StatementNotSigned = 6303,
    /// An earlier generation of a lane that the statement does not name.
    #[msg("earlier generation of a lane without an entry")]
    GenerationWithoutEntry = 6304,
    /// An earlier generation that is not earlier.
    #[msg("generation is not earlier than the lane's")]
    GenerationNotEarlier = 6305,

    /// `release` of more than is left.
    #[msg("amount exceeds the channel's unspent deposit")]
    UnspentExceeded = 6340,

    /// `pay_out` of nothing.
    #[msg("nothing is unpaid")]
    NothingUnpaid = 6360,
    /// `pay_out` before the accounts work again.
    #[msg("payee's token account or the vault is still unusable")]
    PayeeCannotReceive = 6361,

    /// `request_close` a second time.
    #[msg("close was requested already")]
    CloseAlreadyRequested = 6380,

    /// `close_channel` before `opened_slot` is out of the window.
    #[msg("channel was opened too recently to be closed")]
    ClosedTooEarly = 6400,
    /// `close_channel` by anybody but the payee before the end of the grace.
    #[msg("only the payee may close the channel before its grace is over")]
    GraceNotOver = 6401,

    /// An instruction of the owner by somebody else.
    #[msg("signer is not the escrow's owner")]
    OwnerOnly = 6900,
    /// An instruction of owner or manager by somebody else.
    #[msg("signer is neither the escrow's owner nor its manager")]
    OwnerOrManagerOnly = 6901,
    /// A channel or approval of another escrow.
    #[msg("account belongs to another escrow")]
    WrongEscrow = 6902,
    /// A mint other than the escrow's.
    #[msg("mint is not the escrow's")]
    WrongMint = 6903,
    /// A token account other than the escrow's vault.
    #[msg("account is not the escrow's vault")]
    WrongVault = 6904,
    /// Rent would go to, or come from, somebody else than recorded.
    #[msg("account is not the recorded rent payer")]
    WrongRentPayer = 6905,
    /// A token account other than the payee's associated one.
    #[msg("account is not the payee's associated token account")]
    WrongPayeeToken = 6906,
    /// The manager acts for a payee that the owner did not approve.
    #[msg("payee is not approved by the owner")]
    PayeeNotApproved = 6907,
    /// The manager acts on a longer grace than the owner approved.
    #[msg("grace is longer than the owner approved")]
    GraceAboveApproval = 6908,
    /// The manager's allowance is too small.
    #[msg("amount exceeds the manager's allowance")]
    AllowanceExceeded = 6909,
    /// The vault holds too little that is not locked.
    #[msg("amount exceeds the escrow's free funds")]
    InsufficientFreeFunds = 6910,
    /// An amount of nothing.
    #[msg("amount is zero")]
    ZeroAmount = 6911,
    /// The channel may not grow any more.
    #[msg("channel is closing")]
    ChannelClosing = 6912,
    /// No new lane.
    #[msg("there is no lane")]
    NoLanes = 6913,
    /// More new lanes than the maximum.
    #[msg("too many lanes in one instruction")]
    TooManyLanes = 6914,
    /// More lanes than a voucher can number.
    #[msg("channel cannot have so many lanes")]
    ChannelFull = 6915,
    /// A lane that could never be debited.
    #[msg("cap is zero")]
    ZeroCap = 6916,
    /// A key that is not a point.
    #[msg("key is not a point of the curve")]
    KeyNotOnCurve = 6917,
    /// A key with a second encoding.
    #[msg("key is not canonically encoded")]
    KeyNotCanonical = 6918,
    /// A key for which anybody can sign.
    #[msg("key is a point of small order")]
    KeyOfSmallOrder = 6919,
    /// A token program other than the escrow's.
    #[msg("token program is not the escrow's")]
    WrongTokenProgram = 6920,
    /// An instruction of the payee by somebody else.
    #[msg("signer is not the channel's payee")]
    PayeeOnly = 6921,
    /// An instruction of settler or payee by somebody else.
    #[msg("signer is neither the settler nor the payee")]
    SettlerOrPayeeOnly = 6922,
    /// The key that confirms what is owed would be one that earns it.
    #[msg("countersigner is the payee or the settler of a channel")]
    CountersignerEarns = 6923,
    /// A lane that the channel does not have.
    #[msg("channel has no such lane")]
    UnknownLane = 6924,
    /// A lane whose revocation was requested.
    #[msg("lane is revoked")]
    LaneRevoked = 6925,
    /// Entries of one lane twice, or out of order.
    #[msg("lanes are not strictly ascending")]
    LanesNotAscending = 6926,
    /// A debit above the lane's cap.
    #[msg("debit exceeds the lane's cap")]
    CapExceeded = 6927,
    /// Debits above the channel's deposit.
    #[msg("debits exceed the channel's deposit")]
    DepositExceeded = 6928,

    /// Broken invariant: the vault holds less than is locked.
    #[msg("vault holds less than is allocated")]
    VaultBelowAllocated = 6950,
    /// Broken invariant: more was debited than deposited.
    #[msg("debited exceeds the deposit")]
    DebitedAboveDeposit = 6951,
    /// Broken invariant: a transfer moved another amount.
    #[msg("vault did not change by the amount paid")]
    VaultNotConserved = 6952,
    /// Broken invariant: a sum left 64 bits.
    #[msg("amount overflows")]
    Overflow = 6953,
    /// Broken invariant: channel data is not a header and whole lanes.
    #[msg("channel account has a wrong length")]
    ChannelLength = 6954,
    /// Broken invariant: a stored bump derives no address.
    #[msg("stored bump derives no address")]
    AddressNotDerivable = 6955,
}

/// Codes lie in their instruction's range.
const _: () = {
    assert!(FarthingError::MintExtensionNotAllowed as u32 == first_error_code(CREATE_ESCROW));
    assert!(FarthingError::AllowanceChanged as u32 == first_error_code(SET_MANAGER));
    assert!(FarthingError::ApprovedGraceOutOfRange as u32 == first_error_code(APPROVE_PAYEE));
    assert!(FarthingError::RescueOfVault as u32 == first_error_code(RESCUE));
    assert!(FarthingError::ChannelsOpen as u32 == first_error_code(CLOSE_ESCROW));
    assert!(FarthingError::PayeeIsEscrow as u32 == first_error_code(OPEN_CHANNEL));
    assert!(FarthingError::CapNotRaised as u32 == first_error_code(RAISE_CAP));
    assert!(FarthingError::RevocationNotEffective as u32 == first_error_code(ROTATE_LANE));
    assert!(FarthingError::NoClaims as u32 == first_error_code(SETTLE));
    assert!(FarthingError::NoEntries as u32 == first_error_code(SETTLE_STATEMENT));
    assert!(FarthingError::UnspentExceeded as u32 == first_error_code(RELEASE));
    assert!(FarthingError::NothingUnpaid as u32 == first_error_code(PAY_OUT));
    assert!(FarthingError::CloseAlreadyRequested as u32 == first_error_code(REQUEST_CLOSE));
    assert!(FarthingError::ClosedTooEarly as u32 == first_error_code(CLOSE_CHANNEL));
    assert!(FarthingError::OwnerOnly as u32 == FIRST_SHARED_ERROR_CODE);
};
