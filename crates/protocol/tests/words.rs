//! Tests of displayed text: numbers are decimal, and errors name the rule that was broken.

use farthing_protocol::debit::AcceptError;
use farthing_protocol::instruction::{CLOSE_CHANNEL, CREATE_ESCROW, SETTLE, first_error_code};
use farthing_protocol::layout::LayoutError;
use farthing_protocol::statement::StatementError;
use farthing_protocol::{BaseUnits, DecodeError, Generation, LaneIndex};

#[test]
fn numbers_are_decimal() {
    assert_eq!(BaseUnits(u64::MAX).to_string(), "18446744073709551615");
    assert_eq!(format!("{:>4}", LaneIndex(7)), "   7");
    assert_eq!(Generation(65_535).to_string(), "65535");
}

#[test]
fn errors_name_the_rule() {
    let need = BaseUnits(12);
    for (error, words) in [
        (
            AcceptError::CeilingBelowNeed { need }.to_string(),
            "sign at least 12 base units",
        ),
        (
            AcceptError::CeilingAboveCap.to_string(),
            "exceeds the lane's cap",
        ),
        (AcceptError::CeilingTooFarAhead.to_string(), "4294967295"),
        (
            AcceptError::DepositExhausted.to_string(),
            "deposit does not cover",
        ),
        (AcceptError::Overflow.to_string(), "64 bits"),
        (DecodeError::Length.to_string(), "wrong length"),
        (DecodeError::Magic.to_string(), "magic"),
        (LayoutError::Discriminator.to_string(), "not a channel"),
        (LayoutError::Version(2).to_string(), "layout 2 is not known"),
        (LayoutError::Length(3).to_string(), "3 bytes"),
        (StatementError::Empty.to_string(), "no entry"),
        (StatementError::TooManyEntries.to_string(), "more entries"),
        (
            StatementError::LanesNotAscending.to_string(),
            "not strictly ascending",
        ),
    ] {
        assert!(error.contains(words), "{error}");
    }
    let error = "1.5".parse::<BaseUnits>().expect_err("it has a point");
    assert!(error.to_string().contains("decimal string"), "{error}");
}

#[test]
fn each_instruction_has_twenty_codes_from_6000() {
    assert_eq!(first_error_code(CREATE_ESCROW), 6000);
    assert_eq!(first_error_code(SETTLE), 6280);
    assert_eq!(first_error_code(CLOSE_CHANNEL), 6400);
}
