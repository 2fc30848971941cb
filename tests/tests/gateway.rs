//! The gateway over real sockets: what it sells, what it refuses and why, and what remains when
//! everything around it fails. One binary; modules by theme.

#[path = "gateway/asking_again.rs"]
mod asking_again;
#[path = "gateway/bad_input.rs"]
mod bad_input;
#[path = "gateway/channels.rs"]
mod channels;
#[path = "gateway/cuts.rs"]
mod cuts;
#[path = "gateway/facilitator.rs"]
mod facilitator;
#[path = "gateway/gone_channels.rs"]
mod gone_channels;
#[path = "gateway/idempotency.rs"]
mod idempotency;
#[path = "gateway/lane_state.rs"]
mod lane_state;
#[path = "gateway/layer.rs"]
mod layer;
#[path = "gateway/metrics.rs"]
mod metrics;
#[path = "gateway/outage.rs"]
mod outage;
#[path = "gateway/plain_routes.rs"]
mod plain_routes;
#[path = "gateway/prices.rs"]
mod prices;
#[path = "gateway/receipts.rs"]
mod receipts;
#[path = "gateway/replay.rs"]
mod replay;
#[path = "gateway/selling.rs"]
mod selling;
#[path = "gateway/settlement.rs"]
mod settlement;
#[path = "gateway/signing_proxy.rs"]
mod signing_proxy;
#[path = "gateway/terms.rs"]
mod terms;
#[path = "gateway/upstream.rs"]
mod upstream;
