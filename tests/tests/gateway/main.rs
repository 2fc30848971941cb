//! The gateway over real sockets: what it sells, what it refuses and why, and what remains when
//! everything around it fails. One binary; modules by theme.

mod asking_again;
mod bad_input;
mod channels;
mod cuts;
mod facilitator;
mod gone_channels;
mod idempotency;
mod lane_state;
mod layer;
mod metrics;
mod outage;
mod plain_routes;
mod prices;
mod receipts;
mod replay;
mod selling;
mod settlement;
mod signing_proxy;
mod store_contract;
mod terms;
mod upstream;
