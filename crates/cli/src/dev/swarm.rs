//! The agents: each pays through its own lane, many requests at a time, with the client library and
//! nothing else.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use farthing_chain::{Channel, PROGRAM_ID, USDC_MINT_DEVNET};
use farthing_client::payer::LanePayer;
use farthing_client::paying_client::{FinishedAnswer, PayError, PayingClient, PayingClientConfig};
use farthing_protocol::{BaseUnits, LaneIndex};
use farthing_wire::x402::NETWORK_DEVNET;
use futures_util::stream::{self, StreamExt};
use rand::Rng;
use serde_json::{Value, json};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::commit_probe::CommitProbe;
use super::plan::{IN_FLIGHT_PER_AGENT, MAX_IN_FLIGHT, Plan, PlannedRequest};
use super::progress::Progress;

/// Output tokens of the requests that are measured one at a time.
const CALM_MAX_TOKENS: u64 = 8;
/// The last line of a stream that was not cut off.
const STREAM_END: &[u8] = b"data: [DONE]";

/// A channel that agents pay through, as they find it on the chain.
pub struct PayingChannel<'a> {
    /// The gateway's base URL.
    pub gateway: &'a str,
    /// The channel's address.
    pub address: Pubkey,
    /// The account.
    pub channel: &'a Channel,
}

/// One agent with what it has left to ask.
pub struct Agent {
    client: PayingClient,
    requests: VecDeque<PlannedRequest>,
}

/// How one paid request went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it was a stream.
    pub streamed: bool,
    /// What it cost by its receipt, or why it was not answered in full.
    pub charged: Result<BaseUnits, String>,
    /// When its answer had ended.
    pub ended: Instant,
    /// How long it took.
    pub took: Duration,
}

/// A client for one lane of a channel.
///
/// # Errors
/// [`PayError`] if the channel has no such lane or another key signs for it.
pub fn client(
    channel: &PayingChannel<'_>,
    lane: LaneIndex,
    key: &Keypair,
) -> Result<PayingClient, PayError> {
    let payer = LanePayer::of_channel(
        PROGRAM_ID,
        channel.address,
        channel.channel,
        lane,
        key.pubkey(),
    )?;
    let config = PayingClientConfig {
        base_url: channel.gateway.to_owned(),
        program: PROGRAM_ID,
        network: NETWORK_DEVNET.to_owned(),
        mint: USDC_MINT_DEVNET,
        pay_to: Some(channel.channel.payee()),
        settler: Some(channel.channel.settler()),
        max_price_per_request: None,
        tier: None,
    };
    PayingClient::new(config, payer, key.insecure_clone())
}

/// Agents for a plan, one lane each.
///
/// # Errors
/// [`PayError`] if a lane is missing or belongs to another key.
pub fn agents(
    plan: Plan,
    channel: &PayingChannel<'_>,
    keys: &[Keypair],
) -> Result<Vec<Agent>, PayError> {
    let lanes = (0..=u16::MAX).map(LaneIndex);
    plan.agents
        .into_iter()
        .zip(keys)
        .zip(lanes)
        .map(|((requests, key), lane)| {
            Ok(Agent {
                client: client(channel, lane, key)?,
                requests: requests.into(),
            })
        })
        .collect()
}

/// What was measured one request at a time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calm {
    /// Paid requests.
    pub paid: Vec<Outcome>,
    /// How long the same requests took unpaid.
    pub unpaid: Vec<Duration>,
    /// How long group commits took at that time.
    pub commits: Vec<Duration>,
}

/// Sends `count` requests one at a time, each followed by its twin for a model that is free and by a
/// group commit, so that all three meet the same machine. They are taken from as few agents as possible, at most half of each agent's: an agent's first request asks
/// for the price and opens the connection, and later ones show what paying adds.
///
/// All answers are short and equally long, so that the medians of both kinds can be compared.
pub async fn one_at_a_time(
    agents: &mut [Agent],
    count: usize,
    free_model: &str,
    probe: &mut CommitProbe,
    progress: &Progress,
) -> Calm {
    let mut calm = Calm::default();
    let charged = AtomicU64::new(0);
    for agent in agents {
        let half = agent.requests.len().div_ceil(2);
        let share = half.min(count - calm.paid.len());
        for mut request in agent.requests.drain(..share) {
            request.body["max_tokens"] = json!(CALM_MAX_TOKENS);
            let mut free = request.body.clone();
            free["model"] = json!(free_model);
            leave_the_tick().await;
            calm.paid
                .push(pay(&agent.client, request, &charged, progress).await);
            leave_the_tick().await;
            let started = Instant::now();
            if ask(&agent.client, free).await.is_ok() {
                calm.unpaid.push(started.elapsed());
            }
            leave_the_tick().await;
            calm.commits.extend(probe.measure().await);
        }
    }
    calm
}

/// Waits for a random part of a millisecond. The model's timers fire on whole milliseconds: requests
/// that start on one, as they would behind an answer, show times in whole milliseconds as well, while
/// a payment adds a fraction of one.
async fn leave_the_tick() {
    let pause = Duration::from_micros(rand::thread_rng().gen_range(0..1_000));
    // A thread's sleep is finer than the runtime's. It cannot panic, so there is nothing to learn.
    let _ = tokio::task::spawn_blocking(move || std::thread::sleep(pause)).await;
}

/// Sends everything that is left: up to [`IN_FLIGHT_PER_AGENT`] requests of each agent at a time, and
/// up to [`MAX_IN_FLIGHT`] of all. `charged` is what was charged before, for the progress alone.
pub async fn all_at_once(
    agents: Vec<Agent>,
    charged: BaseUnits,
    progress: &Progress,
) -> Vec<Outcome> {
    let charged = Arc::new(AtomicU64::new(charged.0));
    let permits = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
    let per_agent = (MAX_IN_FLIGHT / agents.len().max(1)).clamp(1, IN_FLIGHT_PER_AGENT);
    let mut tasks = JoinSet::new();
    for agent in agents {
        let (charged, progress, permits) = (charged.clone(), progress.clone(), permits.clone());
        tasks.spawn(async move {
            let Agent { client, requests } = agent;
            let (client, charged, progress) = (&client, &charged, &progress);
            stream::iter(requests)
                .map(|request| {
                    let permits = &permits;
                    async move {
                        // Closed never; without a permit the request is sent all the same.
                        let _permit = permits.acquire().await;
                        pay(client, request, charged, progress).await
                    }
                })
                .buffer_unordered(per_agent)
                .collect::<Vec<_>>()
                .await
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

async fn pay(
    client: &PayingClient,
    request: PlannedRequest,
    charged: &AtomicU64,
    progress: &Progress,
) -> Outcome {
    let started = Instant::now();
    let answer = ask(client, request.body).await;
    let ended = Instant::now();
    let cost = answer.and_then(|answer| match answer.receipt {
        Some(receipt) => Ok(receipt.charged),
        None => Err("it was answered without a receipt".to_owned()),
    });
    if let Ok(cost) = cost {
        charged.fetch_add(cost.0, Ordering::Relaxed);
    }
    progress.request_ended(BaseUnits(charged.load(Ordering::Relaxed)));
    Outcome {
        streamed: request.stream,
        charged: cost,
        ended,
        took: ended - started,
    }
}

/// Sends a request and reads its whole answer.
async fn ask(client: &PayingClient, body: Value) -> Result<FinishedAnswer, String> {
    let answer = client.chat(body).await.map_err(|error| error.to_string())?;
    let is_stream = answer.is_stream();
    let answer = answer.finish().await.map_err(|error| error.to_string())?;
    let text = || String::from_utf8_lossy(&answer.body).into_owned();
    if !(200..300).contains(&answer.status) {
        return Err(format!("status {}: {}", answer.status, text()));
    }
    let is_whole = if is_stream {
        answer
            .body
            .windows(STREAM_END.len())
            .any(|window| window == STREAM_END)
    } else {
        serde_json::from_slice::<Value>(&answer.body)
            .is_ok_and(|json| json.pointer("/choices/0/message").is_some())
    };
    if is_whole {
        Ok(answer)
    } else {
        Err(format!("the answer is not whole: {}", text()))
    }
}
