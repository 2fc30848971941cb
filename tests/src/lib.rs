//! What the tests share.

pub mod end_to_end;
pub mod gateway;
pub mod program;
