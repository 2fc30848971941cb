//! The chain as the verifier sees it: channels, looked up once and then followed in the background,
//! so that a request waits for no RPC.
//!
//! [`view`] decides what two readings of a channel mean and is pure; [`watcher`] keeps the readings
//! fresh; `rpc` is the only place that knows an RPC client.

mod rpc;
pub mod view;
pub mod watcher;

pub use view::{Criteria, NotServed};
pub use watcher::{ChannelError, Channels};
