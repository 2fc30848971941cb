//! Reads instruction data as the program's macros do: a number of one byte, then the arguments; what
//! follows them does not count.

use anchor_lang::{AnchorDeserialize, InstructionData};
use farthing::instruction as data;
use farthing_protocol::instruction as number;

/// What bytes are to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Data {
    /// The number of an instruction and its arguments.
    Arguments,
    /// The number of an instruction, and something else.
    NoArguments,
    /// No number of an instruction.
    NoInstruction,
}

/// The types of the arguments by their numbers.
macro_rules! decode_by_number {
    ($data:expr, $($number:ident => $arguments:ident,)*) => {
        match $data.first() {
            $(Some(&number::$number) => read::<data::$arguments>($data),)*
            _ => Data::NoInstruction,
        }
    };
}

/// Says what `data` is.
///
/// # Panics
/// If it would be written otherwise.
pub(super) fn decode(data: &[u8]) -> Data {
    decode_by_number!(
        data,
        CREATE_ESCROW => CreateEscrow,
        SET_MANAGER => SetManager,
        SET_COUNTERSIGNER => SetCountersigner,
        APPROVE_PAYEE => ApprovePayee,
        REVOKE_PAYEE => RevokePayee,
        WITHDRAW => Withdraw,
        RESCUE => Rescue,
        CLOSE_ESCROW => CloseEscrow,
        OPEN_CHANNEL => OpenChannel,
        FUND_CHANNEL => FundChannel,
        ADD_LANES => AddLanes,
        RAISE_CAP => RaiseCap,
        REVOKE_LANE => RevokeLane,
        ROTATE_LANE => RotateLane,
        SETTLE => Settle,
        SETTLE_STATEMENT => SettleStatement,
        SET_SETTLER => SetSettler,
        RELEASE => Release,
        PAY_OUT => PayOut,
        REQUEST_CLOSE => RequestClose,
        CLOSE_CHANNEL => CloseChannel,
    )
}

fn read<T: AnchorDeserialize + InstructionData>(data: &[u8]) -> Data {
    let mut rest = &data[1..];
    let Ok(arguments) = T::deserialize(&mut rest) else {
        return Data::NoArguments;
    };
    assert_eq!(arguments.data(), data[..data.len() - rest.len()]);
    Data::Arguments
}
