//! The program's accounts and what they may turn into. A type owns its transitions; instructions only
//! choose among them.

pub mod approval;
pub mod channel;
pub mod escrow;
pub mod lane;

pub use approval::Approval;
pub use channel::{Channel, ChannelMut};
pub use escrow::{Authority, Escrow};
pub use lane::{Lane, NewLane};
