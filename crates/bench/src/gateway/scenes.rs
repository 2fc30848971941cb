//! What is compared with what.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use farthing_cli::demo_model::{FREE_MODEL, LONG_MODEL, MODEL};
use farthing_cli::dev::commit_probe::CommitProbe;
use hyper::{Method, StatusCode};
use serde_json::json;
use tokio::process::Command;

use super::caller::{Caller, Paying, PayingPeer, Template, Unpaid, WayToPay, template};
use super::load::{self, Arrivals, Tally, Turn};
use super::process::Server;
use super::proxies;
use super::side::{Comparison, Side, TURN, compare};
use super::swarm::lanes;
use super::{Plan, Result};

/// Connections of every side.
pub const CONNECTIONS: usize = 256;
/// Requests a second where latency is measured.
pub const RATE: f64 = 1_000.0;
/// Requests a second that pay nothing, and as many that pay with forged vouchers, while others pay.
pub const FLOOD_RATE: f64 = 2_000.0;
/// Milliseconds that the upstream takes where latency is measured.
pub const UPSTREAM_MS: u64 = 20;
/// Milliseconds between two tokens of a stream.
pub const TOKEN_MS: u64 = 10;
/// Tokens of a stream, an event each.
pub const STREAM_TOKENS: u32 = 200;
/// Streams that begin in a second: about fifty are open at a time.
pub const STREAM_RATE: f64 = 25.0;
/// Connections to litellm's proxy, which answers fewer than a hundred requests a second.
pub const LITELLM_CONNECTIONS: usize = 16;
/// A turn of streams begins when as many are open as will be.
const STREAM_TURN: Turn = Turn {
    warm_up: Duration::from_secs(3),
    span: Duration::from_secs(5),
};
/// What installs the peers.
const SETUP: &str = "scripts/setup-test-peers bench";
/// The hidden command of the servers.
const COMMAND: &str = "gateway-part";

/// Names of the sides.
pub mod names {
    /// The upstream, without a gateway.
    pub const DIRECT: &str = "upstream, called directly";
    /// A free model.
    pub const UNPAID: &str = "gateway, unpaid (a free model)";
    /// A priced model.
    pub const PAID: &str = "gateway, paid";
    /// A priced model, asked for with a key.
    pub const WITH_KEY: &str = "gateway, paid, with an Idempotency-Key";
    /// A priced model that nobody pays for.
    pub const CHALLENGED: &str = "gateway, answered with 402";
    /// While others do not pay.
    pub const FLOODED: &str = "gateway, paid, in a flood";
    /// The upstream, as a stream.
    pub const DIRECT_STREAM: &str = "upstream, called directly";
    /// A reverse proxy, as a stream.
    pub const NGINX_STREAM: &str = "nginx, proxy_pass with keep-alive";
    /// A priced model, as a stream.
    pub const PAID_STREAM: &str = "gateway, paid";
    /// A reverse proxy.
    pub const NGINX: &str = "nginx, proxy_pass with keep-alive";
    /// A proxy for models.
    pub const LITELLM: &str = "litellm proxy, nothing sold";
    /// The layer.
    pub const LAYER: &str = "farthing's layer, durable";
    /// A peer.
    pub const X402_AXUM: &str = "x402-axum, Ed25519 in process, nothing kept";
    /// A peer.
    pub const X402_EXPRESS: &str = "@x402/express, stub facilitator, nothing kept";
}

/// An upstream that answers after this time, with a gateway before it and a new store.
struct Gateway {
    model: Server,
    verifier: Server,
}

impl Gateway {
    async fn start(folder: &Path, latency_ms: u64, per_token_ms: u64) -> Result<Self> {
        let [latency, per_token] = [latency_ms, per_token_ms].map(|ms| ms.to_string());
        let model = part(["model".into(), latency.into(), per_token.into()])?;
        let model = Server::start(model).await?;
        let store = folder.join(format!("gateway-{latency_ms}-{per_token_ms}.redb"));
        let verifier = part(["verifier".into(), model.url().into(), store])?;
        let verifier = Server::start(verifier).await?;
        Ok(Self { model, verifier })
    }

    async fn stop(self) -> Result<()> {
        self.verifier.stop().await?;
        self.model.stop().await
    }
}

fn part<const N: usize>(arguments: [PathBuf; N]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(COMMAND).args(arguments);
    Ok(command)
}

/// A question to a model, for an answer of so many tokens.
fn question(server: &Server, model: &str, stream: Option<u32>) -> Template {
    let body = json!({
        "model": model,
        "messages": [
            {"role": "system", "content": "You are an agent of a swarm that plans deliveries in a city of canals."},
            {"role": "user", "content": "Three parcels wait at the harbour, two boats are free, and the northern lock is \
             closed until noon. Which boat should take which parcel, in which order, and when does the last one arrive? \
             Answer in one sentence."},
        ],
        "max_tokens": stream.unwrap_or(24),
        "stream": stream.is_some(),
    });
    let host = server.address.to_string();
    template(Method::POST, &host, "/v1/chat/completions", Some(&body))
}

fn look(server: &Server) -> Template {
    template(Method::GET, &server.address.to_string(), "/weather", None)
}

/// How a server wants this request to be paid.
async fn offer(server: &Server, request: &Template) -> Result<Arc<WayToPay>> {
    let mut connection = load::connect(server.address).await?;
    let response = connection.send_request(request.clone()).await?;
    let (answer, _) = load::read(response).await?;
    Ok(Arc::new(answer.offer()?))
}

fn unpaid(template: &Template, expected: StatusCode) -> Vec<Box<dyn Caller>> {
    unpaid_over(CONNECTIONS, template, expected)
}

fn unpaid_over(
    connections: usize,
    template: &Template,
    expected: StatusCode,
) -> Vec<Box<dyn Caller>> {
    let caller = |_| Box::new(Unpaid::new(template.clone(), expected)) as Box<dyn Caller>;
    (0..connections).map(caller).collect()
}

/// Callers with lanes of their own, from this one on.
async fn paying(
    server: &Server,
    template: &Template,
    first: u16,
    with_key: bool,
) -> Result<Vec<Box<dyn Caller>>> {
    let offer = offer(server, template).await?;
    let callers = lanes(first, CONNECTIONS).map(|lane| {
        let caller = Paying::new(template.clone(), Arc::clone(&offer), lane, with_key);
        Box::new(caller) as Box<dyn Caller>
    });
    Ok(callers.collect())
}

/// As many requests as the processors can bear, to an upstream that answers at once.
///
/// # Errors
/// If a server fails.
pub async fn throughput(folder: &Path, plan: &Plan) -> Result<Comparison> {
    let gateway = Gateway::start(folder, 0, 0).await?;
    let Gateway { model, verifier } = &gateway;
    let nginx = proxies::nginx(folder, model.address).await?;
    let litellm = proxies::litellm(folder, model.address).await?;
    let question = |server, name| question(server, name, None);
    let priced = question(verifier, MODEL);
    let side = |name, server, callers| Side::new(name, server, callers, Arrivals::Endless);
    let direct = unpaid(&question(model, MODEL), StatusCode::OK);
    let free = unpaid(&question(verifier, FREE_MODEL), StatusCode::OK);
    let mut sides = vec![
        side(names::DIRECT, model, direct),
        side(names::UNPAID, verifier, free),
        side(
            names::PAID,
            verifier,
            paying(verifier, &priced, 0, false).await?,
        ),
        side(
            names::WITH_KEY,
            verifier,
            paying(verifier, &priced, 256, true).await?,
        ),
        side(
            names::CHALLENGED,
            verifier,
            unpaid(&priced, StatusCode::PAYMENT_REQUIRED),
        ),
    ];
    match &nginx {
        Some(nginx) => {
            let callers = unpaid(&question(nginx, MODEL), StatusCode::OK);
            sides.insert(1, side(names::NGINX, nginx, callers));
        }
        None => println!(
            "{}: not installed; apt-get install nginx-light",
            names::NGINX
        ),
    }
    match &litellm {
        Some(litellm) => {
            let question = question(litellm, MODEL);
            let callers = unpaid_over(LITELLM_CONNECTIONS, &question, StatusCode::OK);
            sides.push(side(names::LITELLM, litellm, callers));
        }
        None => println!("{}: not installed; run {SETUP}", names::LITELLM),
    }
    let comparison = compare("throughput", &mut sides, None, plan).await?;
    drop(sides);
    gateway.stop().await?;
    for proxy in [nginx, litellm].into_iter().flatten() {
        proxy.stop().await?;
    }
    Ok(comparison)
}

/// Long streams at the pace of a model, one event after the other.
///
/// # Errors
/// If a server fails.
pub async fn streams(folder: &Path, plan: &Plan) -> Result<Comparison> {
    let gateway = Gateway::start(folder, UPSTREAM_MS, TOKEN_MS).await?;
    let Gateway { model, verifier } = &gateway;
    let nginx = proxies::nginx(folder, model.address).await?;
    let question = |server| question(server, LONG_MODEL, Some(STREAM_TOKENS));
    let side = |name, server, callers| Side {
        turn: STREAM_TURN,
        ..Side::new(name, server, callers, Arrivals::PerSecond(STREAM_RATE))
    };
    let direct = unpaid(&question(model), StatusCode::OK);
    let paid = paying(verifier, &question(verifier), 0, false).await?;
    let mut sides = vec![
        side(names::DIRECT_STREAM, model, direct),
        side(names::PAID_STREAM, verifier, paid),
    ];
    if let Some(nginx) = &nginx {
        let callers = unpaid(&question(nginx), StatusCode::OK);
        sides.insert(1, side(names::NGINX_STREAM, nginx, callers));
    }
    let plan = Plan {
        turns: 1,
        ..plan.clone()
    };
    let comparison = compare("streams", &mut sides, None, &plan).await?;
    drop(sides);
    gateway.stop().await?;
    if let Some(nginx) = nginx {
        nginx.stop().await?;
    }
    Ok(comparison)
}

/// Requests at a rate, to an upstream that takes its time; and in the end the paid ones for long.
///
/// # Errors
/// If a server fails.
pub async fn latency(
    folder: &Path,
    plan: &Plan,
    sustained: Duration,
) -> Result<(Comparison, Tally)> {
    let gateway = Gateway::start(folder, UPSTREAM_MS, 0).await?;
    let Gateway { model, verifier } = &gateway;
    let priced = question(verifier, MODEL, None);
    let side = |name, server, callers| Side::new(name, server, callers, Arrivals::PerSecond(RATE));
    let direct = unpaid(&question(model, MODEL, None), StatusCode::OK);
    let free = unpaid(&question(verifier, FREE_MODEL, None), StatusCode::OK);
    let flood = flood(verifier, &priced, 768).await?;
    let mut sides = vec![
        side(names::DIRECT, model, direct),
        side(names::UNPAID, verifier, free),
        side(
            names::PAID,
            verifier,
            paying(verifier, &priced, 0, false).await?,
        ),
        Side {
            meanwhile: Some((flood, Arrivals::PerSecond(FLOOD_RATE))),
            ..side(
                names::FLOODED,
                verifier,
                paying(verifier, &priced, 256, false).await?,
            )
        },
    ];
    let mut probe = CommitProbe::open(folder)?;
    let comparison = compare("latency", &mut sides, Some(&mut probe), plan).await?;
    let mut tally = Tally::default();
    if let Some(paid) = sides.iter_mut().find(|side| side.name == names::PAID) {
        println!("sustained: {} s", sustained.as_secs());
        let turn = Turn {
            span: sustained,
            ..TURN
        };
        tally = paid.run(turn).await?;
    }
    drop(sides);
    probe.close().await;
    gateway.stop().await?;
    Ok((comparison, tally))
}

/// Callers of which every other one pays nothing, and the rest with vouchers that somebody else has signed.
async fn flood(server: &Server, template: &Template, first: u16) -> Result<Vec<Box<dyn Caller>>> {
    let offer = offer(server, template).await?;
    let mut callers = unpaid(template, StatusCode::PAYMENT_REQUIRED);
    for (caller, lane) in callers
        .iter_mut()
        .step_by(2)
        .zip(lanes(first, CONNECTIONS / 2))
    {
        *caller = Box::new(Unpaid::forging(template.clone(), lane, &offer)?);
    }
    Ok(callers)
}

/// An application that sells its handler, by our layer and by what else there is for that.
///
/// # Errors
/// If a server fails. A peer that is not installed is left out.
pub async fn layers(folder: &Path, plan: &Plan) -> Result<Comparison> {
    let layer = Server::start(part(["layer".into(), folder.join("layer.redb")])?).await?;
    let mut peers = Vec::new();
    for (name, command) in [
        (names::X402_AXUM, x402_axum()),
        (names::X402_EXPRESS, x402_express()),
    ] {
        match command {
            Some(command) => peers.push((name, Server::start(command).await?)),
            None => println!("{name}: not installed; run {SETUP}"),
        }
    }
    let side = |name, server, callers| Side::new(name, server, callers, Arrivals::Endless);
    let ours = paying(&layer, &look(&layer), 0, false).await?;
    let mut sides = vec![side(names::LAYER, &layer, ours)];
    for (name, server) in &peers {
        let offer = offer(server, &look(server)).await?;
        let callers = lanes(0, CONNECTIONS).map(|lane| {
            let caller = PayingPeer::new(look(server), Arc::clone(&offer), lane);
            Box::new(caller) as Box<dyn Caller>
        });
        sides.push(side(name, server, callers.collect()));
    }
    let comparison = compare("layers", &mut sides, None, plan).await?;
    drop(sides);
    layer.stop().await?;
    for (_, server) in peers {
        server.stop().await?;
    }
    Ok(comparison)
}

fn peer(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("peers")
        .join(path)
}

fn x402_axum() -> Option<Command> {
    let program = peer("x402-axum/target/release/x402-axum-peer");
    program.exists().then(|| Command::new(program))
}

fn x402_express() -> Option<Command> {
    let folder = peer("x402-express");
    if !folder.join("node_modules").exists() {
        return None;
    }
    let mut command = Command::new("node");
    command
        .arg("server.js")
        .current_dir(folder)
        .env("NODE_ENV", "production");
    Some(command)
}
