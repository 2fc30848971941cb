//! End-to-end tests of gateway, chain and client over real sockets: the program's bytecode on a local chain, the real
//! verifier, paying agents, and attacks by strangers.
//!
//! Each test has its own chain. Tests that need an injected clock or a misbehaving chain are in `gateway`; tests of the
//! program alone are in `program`.

mod anchor_client;
mod economy;
mod example_servers;
mod real_clients;
mod real_engine;
mod real_upstream;
mod replay;
