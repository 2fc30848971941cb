//! Gateway, chain and client together, over real sockets: the program's bytecode on a local chain, the
//! verifier as it is served, agents as they pay, and what strangers try.
//!
//! Each test has a chain of its own. What needs an injected clock or a chain that misbehaves is in
//! `gateway`; what needs the program alone in `program`.

mod anchor_client;
mod economy;
mod example_servers;
mod real_clients;
mod real_upstream;
mod replay;
