//! Helpers that the integration tests share.

#[cfg(feature = "off-chain")]
pub mod end_to_end;
pub mod fuzz;
#[cfg(feature = "off-chain")]
pub mod gateway;
#[cfg(feature = "off-chain")]
pub mod payment;
pub mod program;
pub mod text;
