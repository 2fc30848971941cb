//! Gateway, chain and client together, over real sockets: the program's bytecode on a local chain, the
//! verifier as it is served, agents as they pay, and what strangers try.
//!
//! Each test has a chain of its own. What needs an injected clock or a chain that misbehaves is in
//! `gateway`; what needs the program alone in `program`.

#[path = "end_to_end/anchor_client.rs"]
mod anchor_client;
#[path = "end_to_end/economy.rs"]
mod economy;
#[path = "end_to_end/example_servers.rs"]
mod example_servers;
#[path = "end_to_end/real_clients.rs"]
mod real_clients;
#[path = "end_to_end/real_upstream.rs"]
mod real_upstream;
#[path = "end_to_end/replay.rs"]
mod replay;
