//! A gateway over real sockets, with everything around it under the test's control. The chain and the clock are fakes
//! that implement the verifier's ports, the upstream is a real HTTP server, and the store is a real database that can
//! be made to fail.

pub mod account;
pub mod agent;
pub mod chain;
pub mod clock;
pub mod cutting_proxy;
pub mod facilitator;
pub mod metrics;
pub mod paying;
pub mod shop;
pub mod store;
pub mod upstream;
pub mod world;

pub use agent::Agent;
pub use chain::FakeChain;
pub use clock::TestClock;
pub use cutting_proxy::{Cuts, CuttingProxy};
pub use paying::{paying_client, paying_client_with};
pub use shop::Shop;
pub use upstream::{Behaviour, Upstream};
pub use world::{Answer, World, WorldOptions};
