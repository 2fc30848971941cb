//! A running verifier with the chain, clock, upstream and store that it uses in tests.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use farthing_chain::{PROGRAM_ID, USDC_MINT_DEVNET, channel_domain};
use farthing_protocol::{BaseUnits, Generation, LaneIndex};
use farthing_verifier::config::{
    ChainConfig, HttpConfig, ModelConfig, PricingConfig, RequestsConfig, SettlerConfig,
    StoreConfig, UsdcAmount,
};
use farthing_verifier::record::LaneSnapshot;
use farthing_verifier::store::RedbStore;
use farthing_verifier::{
    Config, Keys, Ports, Seller, SellerConfig, StartError, Verifier, start_with,
};
use farthing_wire::x402::{
    NETWORK_DEVNET, PAYMENT_REQUIRED, PAYMENT_RESPONSE, PAYMENT_SIGNATURE, PaymentRequired,
    PaymentRequirements, STREAM_RECEIPT_PREFIX, SettleResponse, decode_header,
};
use serde_json::{Value, json};
use solana_sdk::hash::Hash;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;
use tempfile::TempDir;

use super::account::{ChannelSpec, LaneSpec, escrow_account, lane_debited};
use super::agent::Agent;
use super::chain::FakeChain;
use super::clock::TestClock;
use super::store::{FragileStore, StoreSwitch};
use super::upstream::Upstream;

/// The priced model: 1 base unit per input token, 2 per output token, at most 100 of them.
pub const MODEL: &str = "demo";
/// The free model.
pub const FREE_MODEL: &str = "free";
/// Cap of every lane in base units.
pub const CAP: u64 = 1_000_000;
/// Deposit of the channel in base units.
pub const DEPOSIT: u64 = 5_000_000;
/// Lanes of the channel.
pub const LANES: u16 = 4;
const OPENED_SLOT: u64 = 777;
/// Timeout of everything that a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Options of a world that differ from the defaults.
pub struct WorldOptions {
    /// Changes the configuration before the start.
    pub configure: Box<dyn FnOnce(&mut Config)>,
}

impl Default for WorldOptions {
    fn default() -> Self {
        Self {
            configure: Box::new(|_| {}),
        }
    }
}

/// A running verifier with its environment.
pub struct World {
    /// The chain.
    pub chain: Arc<FakeChain>,
    /// The clock.
    pub clock: Arc<TestClock>,
    /// The upstream.
    pub upstream: Upstream,
    /// Switch that makes the store fail or slow.
    pub store: StoreSwitch,
    /// The channel as it was last written to the chain.
    pub channel: ChannelSpec,
    /// The channel's address.
    pub address: Pubkey,
    /// The verifier; `None` between a stop and a restart.
    pub verifier: Option<Verifier>,
    /// HTTP client that uses no proxy.
    pub http: reqwest::Client,
    config: Config,
    settler: [u8; 32],
    directory: TempDir,
}

/// An answer that was read to its end.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: reqwest::header::HeaderMap,
    /// The body, as far as it arrived.
    pub body: Vec<u8>,
    /// Whether the body was complete.
    pub whole: bool,
}

impl Answer {
    /// Reads a response to its end.
    pub async fn read(mut response: reqwest::Response) -> Self {
        let mut answer = Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: Vec::new(),
            whole: false,
        };
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => answer.body.extend_from_slice(&chunk),
                Ok(None) => {
                    answer.whole = true;
                    return answer;
                }
                Err(_) => return answer,
            }
        }
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// The error's code.
    #[must_use]
    pub fn code(&self) -> String {
        let body = self.json();
        let code = body["error"]["code"].as_str();
        code.expect("an error has a code").to_owned()
    }

    /// The payment terms in the 402.
    #[must_use]
    pub fn required(&self) -> PaymentRequired {
        let header = self
            .headers
            .get(PAYMENT_REQUIRED)
            .expect("a 402 says how to pay");
        decode_header(header.as_bytes()).expect("the header is well formed")
    }

    /// The outcome of the payment, if the answer contains it.
    #[must_use]
    pub fn payment(&self) -> Option<SettleResponse> {
        let header = self.headers.get(PAYMENT_RESPONSE)?;
        Some(decode_header(header.as_bytes()).expect("the header is well formed"))
    }

    /// The charge, from the header or from the receipt at the end of a stream.
    #[must_use]
    pub fn charged(&self) -> u64 {
        let receipt = self.stream_receipt().or_else(|| self.payment());
        let receipt = receipt.expect("the answer has a receipt");
        assert!(receipt.success);
        receipt.amount.expect("the receipt is final").0
    }

    /// The receipt at the end of a stream.
    #[must_use]
    pub fn stream_receipt(&self) -> Option<SettleResponse> {
        let text = String::from_utf8_lossy(&self.body);
        let line = text
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix(STREAM_RECEIPT_PREFIX))?;
        Some(decode_header(line.as_bytes()).expect("the receipt is well formed"))
    }

    /// The body of a stream before its receipt.
    #[must_use]
    pub fn before_receipt(&self) -> &[u8] {
        let marker = STREAM_RECEIPT_PREFIX.as_bytes();
        let at = self
            .body
            .windows(marker.len())
            .position(|window| window == marker);
        &self.body[..at.expect("the stream has a receipt")]
    }
}

/// The key of a lane.
#[must_use]
pub fn lane_key(lane: u16) -> SigningKey {
    let mut seed = [42; 32];
    seed[..2].copy_from_slice(&lane.to_le_bytes());
    SigningKey::from_bytes(&seed)
}

/// A chat completion.
#[must_use]
pub fn chat(model: &str, stream: bool) -> Value {
    json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "how many years ago?"}]})
}

impl World {
    /// Starts with the defaults.
    pub async fn start() -> Self {
        Self::start_with(WorldOptions::default()).await
    }

    /// Starts with a changed configuration.
    pub async fn configured(configure: impl FnOnce(&mut Config) + 'static) -> Self {
        Self::start_with(WorldOptions {
            configure: Box::new(configure),
        })
        .await
    }

    /// Starts a world with these options.
    pub async fn start_with(options: WorldOptions) -> Self {
        let settler = Keypair::new();
        let payee = Pubkey::new_unique();
        let chain = Arc::new(FakeChain::new(Hash::new_from_array([11; 32])));
        let escrow = Pubkey::new_unique();
        let address = Pubkey::new_unique();
        let domain = channel_domain(&PROGRAM_ID, &chain.hash(), &address, OPENED_SLOT);
        let lanes = (0..LANES).map(|lane| LaneSpec {
            signer: lane_key(lane).verifying_key().to_bytes(),
            cap: CAP,
            debited: 0,
            revoked: false,
            generation: 0,
        });
        let channel = ChannelSpec {
            owner: PROGRAM_ID,
            escrow,
            payee,
            settler: settler.pubkey(),
            grace_seconds: 172_800,
            deposit: DEPOSIT,
            closing: false,
            opened_slot: OPENED_SLOT,
            domain: domain.0,
            lanes: lanes.collect(),
        };
        chain.put(address, channel.account());
        let upstream = Upstream::start().await;
        let directory = tempfile::tempdir().expect("tests have a directory");
        let mut config = config(&upstream, payee, directory.path().join("store.redb"));
        (options.configure)(&mut config);
        chain.put(escrow, escrow_account(&config.chain.token()));
        let mut world = Self {
            chain,
            clock: Arc::default(),
            upstream,
            store: StoreSwitch::default(),
            channel,
            address,
            verifier: None,
            http: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client can be built"),
            config,
            settler: *settler.secret_bytes(),
            directory,
        };
        world.restart().await;
        world
    }

    /// Starts the verifier (again), on the store's file as it is.
    pub async fn restart(&mut self) {
        self.try_restart().await.expect("the verifier starts");
    }

    /// Starts the verifier (again), unless its configuration is refused.
    ///
    /// # Errors
    /// [`StartError`] says why not.
    pub async fn try_restart(&mut self) -> Result<(), StartError> {
        self.verifier = None;
        let deadline = Instant::now() + PATIENCE;
        // The previous verifier releases the file when its last connection has ended.
        let store = loop {
            match RedbStore::open(&self.config.store.path) {
                Ok(store) => break store,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        self.store = StoreSwitch::default();
        let ports = Ports {
            clock: self.clock.clone(),
            chain: self.chain.clone(),
            store: Box::new(FragileStore::new(Box::new(store), self.store.clone())),
        };
        let verifier = start_with(self.config.clone(), self.keys(), ports).await?;
        self.verifier = Some(verifier);
        Ok(())
    }

    /// Simulates a crash: restarts the verifier on a copy of the store's file as it is on disk at this moment.
    pub async fn crash(&mut self) {
        let died = self.config.store.path.file_name().unwrap_or_default();
        let copy = format!("after-{}", died.display());
        let copy = self.directory.path().join(copy);
        std::fs::copy(&self.config.store.path, &copy).expect("the file can be copied");
        self.config.store.path = copy;
        self.restart().await;
    }

    /// Changes the configuration for the next start.
    pub fn reconfigure(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config);
    }

    /// The configuration of the next start.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The store's file.
    #[must_use]
    pub fn store_path(&self) -> PathBuf {
        self.config.store.path.clone()
    }

    /// The verifier.
    #[must_use]
    pub fn running(&self) -> &Verifier {
        self.verifier.as_ref().expect("the verifier runs")
    }

    /// A URL of the gateway.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.running().url())
    }

    /// The agent of a lane.
    #[must_use]
    pub fn agent(&self, lane: u16) -> Agent {
        Agent {
            key: lane_key(lane),
            channel: self.address,
            domain: farthing_protocol::Domain(self.channel.domain),
            lane,
            generation: 0,
        }
    }

    /// Writes the channel to the chain after changing it, and lets the verifier see it.
    pub async fn change_channel(&mut self, change: impl FnOnce(&mut ChannelSpec)) {
        change(&mut self.channel);
        self.chain.put(self.address, self.channel.account());
        self.running().poll_chain().await;
    }

    /// Sends a chat completion and does not read the answer.
    pub async fn begin(&self, body: &Value, payment: Option<&str>) -> reqwest::Response {
        let mut request = self.http.post(self.url("/v1/chat/completions")).json(body);
        if let Some(payment) = payment {
            request = request.header(PAYMENT_SIGNATURE, payment);
        }
        request.send().await.expect("the gateway answers")
    }

    /// Sends a chat completion with an idempotency key and does not read the answer.
    pub async fn begin_with_key(
        &self,
        body: &Value,
        payment: &str,
        key: &str,
    ) -> reqwest::Response {
        let request = self.http.post(self.url("/v1/chat/completions")).json(body);
        let request = request
            .header(PAYMENT_SIGNATURE, payment)
            .header("idempotency-key", key);
        request.send().await.expect("the gateway answers")
    }

    /// Sends a chat completion with an idempotency key and reads the answer.
    pub async fn send_with_key(&self, body: &Value, payment: &str, key: &str) -> Answer {
        let reading = async { Answer::read(self.begin_with_key(body, payment, key).await).await };
        tokio::time::timeout(PATIENCE, reading)
            .await
            .expect("the answer comes to an end")
    }

    /// Sends a chat completion and reads the answer.
    pub async fn send(&self, body: &Value, payment: Option<&str>) -> Answer {
        let reading = async { Answer::read(self.begin(body, payment).await).await };
        tokio::time::timeout(PATIENCE, reading)
            .await
            .expect("the answer comes to an end")
    }

    /// The first offer in the 402 for a body.
    pub async fn requirements(&self, body: &Value) -> PaymentRequirements {
        let mut required = self.send(body, None).await.required();
        required.accepts.pop().expect("there is one way to pay")
    }

    /// Pays for a body with a voucher of lane 0 up to `authorized`.
    pub async fn pay(&self, body: &Value, authorized: u64) -> Answer {
        let accepted = self.requirements(body).await;
        let payment = self.agent(0).pay(&accepted, authorized);
        self.send(body, Some(&payment)).await
    }

    /// Figures of a lane.
    #[must_use]
    pub fn lane(&self, lane: u16) -> LaneSnapshot {
        self.running()
            .lane(&self.address, LaneIndex(lane), Generation(0))
            .expect("the lane is known")
    }

    /// Amount debited from a lane on the chain.
    ///
    /// # Panics
    /// If there is no such channel.
    #[must_use]
    pub fn debited(&self, lane: u16) -> u64 {
        let account = self.chain.finalized(&self.address);
        lane_debited(&account.expect("the channel exists").data, lane)
    }

    /// Starts a seller without a gateway, for the same payee and with a store of its own.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_seller(&self, drain_timeout: Duration) -> Seller {
        let path = self.directory.path().join("seller.redb");
        let ports = Ports {
            clock: self.clock.clone(),
            chain: self.chain.clone(),
            store: Box::new(RedbStore::open(&path).expect("a new store")),
        };
        let config = SellerConfig {
            requests: RequestsConfig {
                drain_timeout,
                ..RequestsConfig::default()
            },
            store: StoreConfig::new(path),
            chain: self.config.chain.clone(),
            settler: self.config.settler.clone(),
        };
        let seller = Seller::start_with(config, self.keys(), ports).await;
        seller.expect("the seller starts")
    }

    fn keys(&self) -> Keys {
        Keys {
            settler: Keypair::new_from_array(self.settler),
        }
    }

    /// Sends a JSON body to a path, with or without a payment.
    ///
    /// # Panics
    /// If the gateway does not answer.
    pub async fn post(&self, path: &str, body: &Value, payment: Option<&str>) -> Answer {
        let mut request = self.http.post(self.url(path)).json(body);
        if let Some(payment) = payment {
            request = request.header(PAYMENT_SIGNATURE, payment);
        }
        Answer::read(request.send().await.expect("the gateway answers")).await
    }

    /// Waits until the running streams have written two checkpoints.
    pub async fn two_checkpoints(&self) {
        let commits = self.store.commits();
        self.until("two checkpoints", || self.store.commits() >= commits + 2)
            .await;
    }

    /// Waits until lane 0 has no in-flight requests, and returns its charge.
    pub async fn charged_at_rest(&self) -> u64 {
        self.until("no request is in flight", || {
            self.running().requests_in_flight() == 0
        })
        .await;
        let lane = self.lane(0);
        assert_eq!(lane.reserved, BaseUnits::ZERO, "nothing stays reserved");
        lane.charged.0
    }

    /// Waits until a condition becomes true.
    pub async fn until(&self, what: &str, mut is_true: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_true() {
            assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn config(upstream: &Upstream, payee: Pubkey, store: PathBuf) -> Config {
    let model = ModelConfig {
        input_per_million: UsdcAmount(BaseUnits(1_000_000)),
        output_per_million: UsdcAmount(BaseUnits(2_000_000)),
        max_output_tokens: 100,
        ..ModelConfig::default()
    };
    Config {
        http: HttpConfig {
            upstream_api_key: Some("upstream-secret".into()),
            drain_timeout: Duration::from_secs(2),
            ..HttpConfig::new(upstream.url())
        },
        pricing: PricingConfig {
            models: [(MODEL.to_owned(), model)].into(),
            free_models: vec![FREE_MODEL.to_owned()],
            free_max_output_tokens: Some(100),
            ..PricingConfig::default()
        },
        store: StoreConfig {
            checkpoint_interval: Duration::from_millis(50),
            ..StoreConfig::new(store)
        },
        chain: ChainConfig {
            poll_interval: Duration::from_millis(50),
            max_snapshot_age: Duration::from_secs(10),
            ..ChainConfig::new(
                "http://127.0.0.1:1",
                NETWORK_DEVNET,
                USDC_MINT_DEVNET,
                payee,
            )
        },
        settler: SettlerConfig {
            // Settlement is never due by amount, unless a test configures it.
            min_amount: UsdcAmount(BaseUnits(u64::MAX)),
            max_age: Duration::from_millis(u64::MAX),
            poll_interval: Duration::from_millis(20),
            rebroadcast_interval: Duration::from_millis(100),
            shutdown_timeout: Duration::from_secs(10),
            ..SettlerConfig::default()
        },
        ..Config::default()
    }
}
