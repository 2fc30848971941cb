//! Plans the swarm's requests and computes the funds that cover them. Deterministic, without clock, randomness or IO.

use farthing_protocol::BaseUnits;
use farthing_wire::pricing::{Endpoint, ModelPrice, PriceList, QuoteError};
use serde_json::{Value, json};

/// Maximum number of in-flight requests of one agent. With it, eight agents fit into the 256 file descriptors that some
/// systems allow, see [`MAX_IN_FLIGHT`].
pub const IN_FLIGHT_PER_AGENT: usize = 5;
/// Maximum number of in-flight requests of all agents. Each has a connection to the gateway and one from the gateway to
/// the model, and both ends of both are in this process. That makes four file descriptors per request, of which systems
/// commonly allow 1,024.
pub const MAX_IN_FLIGHT: usize = 128;
/// Maximum output tokens that a request asks for.
const MAX_TOKENS: u64 = 64;
/// Base units of one USDC. The owner sends whole USDC.
const USDC: u64 = 1_000_000;

/// Questions of different lengths, so that the usage varies.
const QUESTIONS: [&str; 6] = [
    "What does one inference cost?",
    "Summarise the last ten invoices of the solar farm in two sentences, and name the largest.",
    "Translate \"one voucher, one request\" into French.",
    "Which of these three routes is the shortest for a courier with two stops: north, ring, harbour?",
    "Extract every amount from: paid 12.50 on Monday, 3.20 on Tuesday and nothing since.",
    "Plan a crawl of forty pages within a budget of a quarter, and say when to stop.",
];

/// One request of one agent.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedRequest {
    /// The chat completion's body.
    pub body: Value,
    /// Whether it asks for a stream.
    pub stream: bool,
    /// Maximum cost of the request.
    pub maximum: BaseUnits,
}

/// The requests of all agents, and the funds that cover them.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The requests of each agent.
    pub agents: Vec<Vec<PlannedRequest>>,
    /// The cap of each lane.
    pub lane_cap: BaseUnits,
    /// The channel's deposit: every lane's cap.
    pub channel_deposit: BaseUnits,
    /// Amount that the owner sends to the escrow: the deposit, rounded up to whole USDC.
    pub prepaid: BaseUnits,
}

/// Why the requests cannot be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The planned bodies have no price.
    #[error("the swarm's requests have no price: {0}")]
    Quote(#[from] QuoteError),
    /// The sums exceed 64 bits.
    #[error("the maximum cost of all requests exceeds 64 bits: choose fewer agents or requests")]
    TooExpensive,
}

impl Plan {
    /// Plans `requests` for each of `agents`. Every other request streams, the first one included.
    ///
    /// # Errors
    /// [`PlanError`] if the model's price leaves a request or the sum without a bound.
    pub fn new(
        agents: u16,
        requests: u32,
        model: &str,
        price: ModelPrice,
    ) -> Result<Self, PlanError> {
        let prices = PriceList {
            models: [(model.to_owned(), price)].into(),
            ..PriceList::default()
        };
        let planned: Vec<Vec<PlannedRequest>> = (0..agents)
            .map(|agent| {
                (0..requests)
                    .map(|request| planned_request(agent, request, model, &prices))
                    .collect()
            })
            .collect::<Result<_, QuoteError>>()?;
        let budget = cover(&planned).ok_or(PlanError::TooExpensive)?;
        Ok(Self {
            agents: planned,
            lane_cap: budget.lane_cap,
            channel_deposit: budget.channel_deposit,
            prepaid: budget.prepaid,
        })
    }

    /// Number of requests of all agents.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.agents.iter().map(|agent| agent.len() as u64).sum()
    }
}

struct Budget {
    lane_cap: BaseUnits,
    channel_deposit: BaseUnits,
    prepaid: BaseUnits,
}

/// Computes the funds that cover all requests. The cap of a lane is the sum of the maxima of its requests, plus slack
/// for in-flight requests whose outcome the agent does not know yet.
fn cover(agents: &[Vec<PlannedRequest>]) -> Option<Budget> {
    let mut lane_cap = 0;
    for requests in agents {
        let largest = requests.iter().map(|request| request.maximum.0).max()?;
        let slack = largest.checked_mul(IN_FLIGHT_PER_AGENT as u64)?;
        let cap = requests
            .iter()
            .try_fold(slack, |sum, request| sum.checked_add(request.maximum.0))?;
        lane_cap = cap.max(lane_cap);
    }
    let deposit = lane_cap.checked_mul(agents.len() as u64)?;
    Some(Budget {
        lane_cap: BaseUnits(lane_cap),
        channel_deposit: BaseUnits(deposit),
        prepaid: BaseUnits(deposit.checked_next_multiple_of(USDC)?),
    })
}

fn planned_request(
    agent: u16,
    request: u32,
    model: &str,
    prices: &PriceList,
) -> Result<PlannedRequest, QuoteError> {
    let question = QUESTIONS[(usize::from(agent) + request as usize) % QUESTIONS.len()];
    let stream = request.is_multiple_of(2);
    let mut body = json!({
        "model": model,
        "messages": [
            {"role": "system", "content": "You are one of many agents. Be brief."},
            {"role": "user", "content": format!("{question} (agent {agent}, request {request})")},
        ],
        "max_tokens": MAX_TOKENS,
    });
    if stream {
        body["stream"] = json!(true);
    }
    let maximum = prices
        .quote(Endpoint::ChatCompletions, &body.clone().try_into()?)?
        .maximum;
    Ok(PlannedRequest {
        body,
        stream,
        maximum,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price() -> ModelPrice {
        ModelPrice {
            input_per_million: BaseUnits(2_500_000),
            output_per_million: BaseUnits(10_000_000),
            ..ModelPrice::free(96)
        }
    }

    #[test]
    fn at_least_four_in_ten_requests_stream() {
        for requests in 1..30 {
            let plan = Plan::new(3, requests, "m", price()).expect("a small plan is covered");
            let streams = plan
                .agents
                .iter()
                .flatten()
                .filter(|request| request.stream);
            assert!(
                streams.count() as u64 * 10 >= plan.requests() * 4,
                "{requests}"
            );
        }
    }

    #[test]
    fn money_covers_every_maximum() {
        let plan = Plan::new(5, 7, "m", price()).expect("a small plan is covered");
        for agent in &plan.agents {
            let maxima: u64 = agent.iter().map(|request| request.maximum.0).sum();
            assert!(maxima < plan.lane_cap.0);
        }
        assert_eq!(plan.channel_deposit.0, plan.lane_cap.0 * 5);
        assert!(plan.prepaid >= plan.channel_deposit);
        assert_eq!(plan.prepaid.0 % USDC, 0);
    }

    #[test]
    fn refuses_sums_beyond_64_bits() {
        let mut dear = price();
        dear.per_request = BaseUnits(u64::MAX / 8);
        let plan = Plan::new(1, 8, "m", dear);
        assert!(matches!(plan, Err(PlanError::TooExpensive)));
    }
}
