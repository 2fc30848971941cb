//! The verifier's view of the chain: channels are looked up once and then polled in the background, so that requests do
//! not wait for RPC.
//!
//! [`view`] interprets the readings of a channel and is pure; [`watcher`] keeps the readings fresh; `rpc` is the only
//! module that knows an RPC client.

mod rpc;
pub mod view;
pub mod watcher;

pub use view::{Criteria, NotServed};
pub use watcher::{ChannelError, Channels};
