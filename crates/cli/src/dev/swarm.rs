//! The agents of the demo. Each pays through its own lane, with many concurrent requests, and uses the client library
//! only.

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

/// Maximum output tokens of the requests that are measured one at a time.
const CALM_MAX_TOKENS: u64 = 8;
/// The last event of a complete stream.
const STREAM_END: &[u8] = b"data: [DONE]";

/// A channel that agents pay through, as read from the chain.
pub struct PayingChannel<'a> {
    /// The gateway's base URL.
    pub gateway: &'a str,
    /// The channel's address.
    pub address: Pubkey,
    /// The channel account.
    pub channel: &'a Channel,
}

/// One agent with the requests that it has left to send.
pub struct Agent {
    client: PayingClient,
    requests: VecDeque<PlannedRequest>,
}

/// The outcome of one paid request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the answer was a stream.
    pub streamed: bool,
    /// The charge in its receipt, or why there is no complete answer with a receipt.
    pub charged: Result<BaseUnits, String>,
    /// When the answer ended.
    pub ended: Instant,
    /// Time from sending the request to the end of the answer.
    pub took: Duration,
}

/// Creates a client for one lane of a channel.
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
        max_price_jump: None,
        max_wait: Duration::ZERO,
        budgets: Vec::new(),
        tier: None,
    };
    PayingClient::new(config, payer, key.insecure_clone())
}

/// Creates the agents of a plan, with one lane each.
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

/// Measurements of requests sent one at a time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calm {
    /// Paid requests.
    pub paid: Vec<Outcome>,
    /// Durations of the same requests, unpaid.
    pub unpaid: Vec<Duration>,
    /// Durations of group commits, measured in turn with the requests.
    pub commits: Vec<Duration>,
}

/// Sends `count` requests one at a time, each followed by the same request for a free model and by a group commit, so
/// that all three are measured under the same conditions. The requests are taken from as few agents as possible, at
/// most half of each agent's: the first request of an agent also asks for the price and opens the connection, and only
/// later ones show what paying adds.
///
/// All answers are short and of equal length, so that the medians of paid and unpaid requests can be compared.
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

/// Waits for a random fraction of a millisecond. The demo model's timers fire on whole milliseconds. Without this wait,
/// each request would start right after the previous answer, that is on a whole millisecond, and its duration would be
/// in whole milliseconds too, which would hide the fraction of a millisecond that a payment adds.
async fn leave_the_tick() {
    let pause = Duration::from_micros(rand::thread_rng().gen_range(0..1_000));
    // A thread's sleep has a finer resolution than the runtime's timer. The result is ignored, because it cannot panic.
    let _ = tokio::task::spawn_blocking(move || std::thread::sleep(pause)).await;
}

/// Sends all remaining requests, with at most [`IN_FLIGHT_PER_AGENT`] in-flight requests of each agent and
/// [`MAX_IN_FLIGHT`] of all agents. `charged` is the sum charged before; it is used for the progress display only.
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
                        // The semaphore is never closed; if it were, the request would be sent without a permit.
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
        None => Err("the answer has no receipt".to_owned()),
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
        Err(format!("the answer is incomplete: {}", text()))
    }
}
