//! What the tests share.

#[cfg(feature = "off-chain")]
pub mod end_to_end;
pub mod fuzz;
#[cfg(feature = "off-chain")]
pub mod gateway;
pub mod program;
