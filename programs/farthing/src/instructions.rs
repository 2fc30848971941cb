//! The instructions, one file each, always in the order Args, Accounts, `validate`, `handler`.
//!
//! Accounts are checked where they are declared; `validate` checks what depends on arguments, on several
//! accounts or on the clock; `handler` changes state and ends with the invariants if money moved.

pub mod add_lanes;
pub mod approve_payee;
pub mod close_channel;
pub mod close_escrow;
pub mod create_escrow;
pub mod fund_channel;
pub mod funds;
pub mod open_channel;
pub mod pay_out;
pub mod raise_cap;
pub mod release;
pub mod request_close;
pub mod rescue;
pub mod revoke_lane;
pub mod revoke_payee;
pub mod rotate_lane;
pub mod set_countersigner;
pub mod set_manager;
pub mod set_settler;
pub mod settle;
pub mod settle_statement;
pub mod withdraw;

// Each file's account struct comes with client modules whose names Anchor's macros generate; only a glob
// can re-export those.
pub use add_lanes::*;
pub use approve_payee::*;
pub use close_channel::*;
pub use close_escrow::*;
pub use create_escrow::*;
pub use fund_channel::*;
pub use funds::*;
pub use open_channel::*;
pub use pay_out::*;
pub use raise_cap::*;
pub use release::*;
pub use request_close::*;
pub use rescue::*;
pub use revoke_lane::*;
pub use revoke_payee::*;
pub use rotate_lane::*;
pub use set_countersigner::*;
pub use set_manager::*;
pub use set_settler::*;
pub use settle::*;
pub use settle_statement::*;
pub use withdraw::*;
