//! Tests of the gateway over real sockets: what it sells, what it refuses and why, and what remains if everything
//! around it fails. One binary, with a module per topic.

mod answers;
mod bad_input;
mod channels;
mod cuts;
mod facilitator;
mod gone_channels;
mod idempotency;
mod lane_state;
mod layer;
mod leaving;
mod lying_providers;
mod metrics;
mod outage;
mod plain_routes;
mod prices;
mod receipts;
mod replay;
mod requests;
mod retries;
mod selling;
mod settlement;
mod signing_proxy;
mod signing_proxy_lanes;
mod signing_proxy_retries;
mod store_contract;
mod terms;
mod upstream;
