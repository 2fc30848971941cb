//! Tests of the commands against a local chain and a local model: from an empty wallet until the last base unit is
//! withdrawn, including the error messages if something is missing.

mod deploy;
mod receipt;
mod reconcile;
mod store;
mod terminal;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use farthing_chain::associated_token_address;
use farthing_chain::keys::generate_keypair;
use farthing_cli::demo_model::{DemoModel, Latency, MODEL};
use farthing_cli::localnet::{Localnet, USDC};
use farthing_protocol::BaseUnits;
use serde_json::{Value, json};
use solana_commitment_config::CommitmentConfig;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signer::Signer;

use terminal::{Terminal, text};

const SLOT_TIME: Duration = Duration::from_millis(25);
const LAMPORTS: u64 = 10_000_000_000;
const OWNED: BaseUnits = BaseUnits(2_000_000);
const STRANGER: &str = "11111111111111111111111111111112";

/// A chain, a model, and a folder with the keys of owner, payee and settler.
struct World {
    chain: Localnet,
    model: DemoModel,
    terminal: Terminal,
    owner: Pubkey,
    payee: Pubkey,
    settler: Pubkey,
}

impl World {
    async fn new() -> Self {
        let chain = Localnet::start(SLOT_TIME).await.expect("a local chain");
        let terminal = Terminal::new(chain.rpc_url());
        let mut people = Vec::new();
        for name in ["owner", "payee", "settler"] {
            let path = terminal.path(&format!("{name}.json"));
            let key = generate_keypair(&path).expect("a new key file").pubkey();
            chain.fund_sol(&key, LAMPORTS).await.expect("an airdrop");
            people.push(key);
        }
        let model = DemoModel::start(Latency::default()).await;
        Self {
            chain,
            model: model.expect("a model on a free port"),
            terminal,
            owner: people[0],
            payee: people[1],
            settler: people[2],
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.terminal.path(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.terminal.command(arguments)
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        self.terminal.run(arguments).await
    }

    async fn ok(&self, arguments: &[&str]) -> Value {
        self.terminal.ok(arguments).await
    }

    async fn fails(&self, exit_code: i32, arguments: &[&str]) -> (String, String) {
        self.terminal.fails(exit_code, arguments).await
    }

    async fn usdc_of(&self, wallet: &Pubkey) -> BaseUnits {
        let account = associated_token_address(wallet, &USDC);
        self.chain
            .chain()
            .token_balance(&account, CommitmentConfig::confirmed())
            .await
            .expect("the chain answers")
            .unwrap_or(BaseUnits::ZERO)
    }

    fn write_configuration(&self) {
        let text = format!(
            "[http]\nlisten = \"127.0.0.1:0\"\nupstream = \"{}\"\n\
             [pricing.models.\"{MODEL}\"]\ninput_per_million = \"3\"\noutput_per_million = \"15\"\nmax_output_tokens = 96\n\
             [chain]\npayee = \"{}\"\n",
            self.model.url(),
            self.payee,
        );
        std::fs::write(self.path("farthing.toml"), text).expect("a writable folder");
    }
}

/// A running `farthing serve`, or `farthing pay --listen`.
struct Served {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Served {
    fn start(world: &World) -> (Self, Value) {
        let serve = ["--json", "serve", "--settler-key", "settler.json"];
        let metrics = ["--admin-listen", "127.0.0.1:0"];
        Self::run(world.command(&[&serve[..], &metrics].concat()))
    }

    /// Starts a command and waits until it reports that it listens.
    fn run(mut command: Command) -> (Self, Value) {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let stdout = child.stdout.take().expect("piped");
        let mut served = Self {
            child,
            lines: BufReader::new(stdout).lines(),
        };
        let listening = served.line();
        (served, listening)
    }

    fn line(&mut self) -> Value {
        let line = self.lines.next().expect("a line").expect("text");
        serde_json::from_str(&line).expect("JSON")
    }

    /// Sends SIGTERM, as a supervisor does, and returns the last line.
    fn stop(mut self) -> Value {
        let signalled = Command::new("sh")
            .args(["-c", &format!("kill -TERM {}", self.child.id())])
            .status()
            .expect("a shell");
        assert!(signalled.success());
        let stopped = self.line();
        assert!(self.child.wait().expect("it ends").success());
        stopped
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // The process has ended already, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_prepays_agents_pay_and_everything_comes_back() {
    let world = World::new().await;
    let escrow = create_and_fund(&world).await;
    let (channel, lane_key) = open(&world, &escrow).await;
    world.write_configuration();
    let (served, listening) = Served::start(&world);
    assert_eq!(text(&listening, "settler"), world.settler.to_string());
    let url = text(&listening, "url").to_owned();

    let charged = pay(&world, &url, &channel, &lane_key).await
        + pay_for_others(&world, &url, &channel, &lane_key).await;
    let metrics = format!("{}/metrics", text(&listening, "admin"));
    let metrics = reqwest::get(metrics).await;
    let metrics = metrics.expect("the metrics are told").text().await;
    let metrics = metrics.expect("the text is whole");
    let figure = format!("farthing_charged_base_units_total {charged}\n");
    assert!(metrics.contains(&figure), "{metrics}");
    let stopped = served.stop();
    assert_eq!(stopped["settled"], json!(charged));
    assert_eq!(world.usdc_of(&world.payee).await, BaseUnits(charged));

    close_all(&world, &escrow, &channel, charged).await;
    assert_eq!(
        world.usdc_of(&world.owner).await,
        BaseUnits(OWNED.0 - charged)
    );
}

async fn create_and_fund(world: &World) -> String {
    let create = ["escrow", "create", "-k", "owner.json"];
    let created = world.ok(&create).await;
    let escrow = text(&created, "escrow").to_owned();
    assert_eq!(text(&created, "owner"), world.owner.to_string());
    let (code, message) = world.fails(1, &create).await;
    assert_eq!(code, "failed");
    assert!(message.contains("exists already"), "{message}");

    let fund = [
        "escrow",
        "fund",
        &escrow,
        "--amount",
        "1.5",
        "-k",
        "owner.json",
    ];
    let (_, message) = world.fails(1, &fund).await;
    assert!(message.contains("send 1.50 USDC there"), "{message}");
    world
        .chain
        .mint_usdc(&world.owner, OWNED)
        .await
        .expect("USDC for the owner");
    let owner = world.owner.to_string();
    let unsigned = [
        "escrow",
        "fund",
        &escrow,
        "--amount",
        "1.5",
        "--unsigned-for",
        &owner,
    ];
    let unsigned = world.ok(&unsigned).await;
    assert_eq!(unsigned["vault"], created["vault"]);
    assert!(text(&unsigned, "transaction_base64").starts_with("AQAAAAAA"));
    let funded = world.ok(&fund).await;
    assert_eq!(
        (&funded["amount"], &funded["free"]),
        (&json!(1_500_000), &json!(1_500_000))
    );

    let status = world.ok(&["escrow", "status", "--owner", &owner]).await;
    assert_eq!(status["escrow"], created["escrow"]);
    assert_eq!(status["vault_balance"], json!(1_500_000));
    escrow
}

async fn open(world: &World, escrow: &str) -> (String, PathBuf) {
    let (payee, settler) = (world.payee.to_string(), world.settler.to_string());
    let given = format!("{}:0.01", Pubkey::default());
    let open = |deposit: &'static str, signer: &'static str| {
        let arguments = [
            "channel",
            "open",
            "--escrow",
            escrow,
            "--payee",
            &payee,
            "--settler",
            &settler,
            "--deposit",
            deposit,
            "-k",
            signer,
            "--lanes",
            "20",
            "--cap",
            "0.05",
            "--lane-keys",
            "lanes",
        ];
        arguments.map(str::to_owned)
    };
    let strings = |arguments: &[String]| -> Vec<String> { arguments.to_vec() };
    let too_much = strings(&open("1.75", "owner.json"));
    let (_, message) = world.fails(1, &borrowed(&too_much)).await;
    assert!(
        message.contains("has 1.50 USDC free, the channel needs 1.75: send 0.25"),
        "{message}"
    );
    let stranger = strings(&open("1.25", "payee.json"));
    let (_, message) = world.fails(1, &borrowed(&stranger)).await;
    assert!(message.contains("only the escrow's owner"), "{message}");

    // All zeros encode a point of small order, for which anyone could sign. The command refuses it and generates no
    // keys.
    let mut refused = strings(&open("1.25", "owner.json"));
    refused.extend(["--lane".to_owned(), given]);
    let (_, message) = world.fails(2, &borrowed(&refused)).await;
    assert!(message.contains("small order"), "{message}");
    assert!(!world.path("lanes").exists());

    let opened = world
        .ok(&borrowed(&strings(&open("1.25", "owner.json"))))
        .await;
    assert_eq!(opened["lanes"].as_array().map(Vec::len), Some(20));
    let channel = text(&opened, "channel").to_owned();
    assert_eq!(opened["payee_can_receive"], json!(false));
    world
        .chain
        .mint_usdc(&world.payee, BaseUnits::ZERO)
        .await
        .expect("a token account for the payee");
    let status = world.ok(&["channel", "status", &channel]).await;
    assert_eq!(status["lanes"].as_array().map(Vec::len), Some(20));
    assert_eq!(status["domain_matches"], json!(true));
    assert_eq!(status["domain"], opened["domain"]);
    let lane_key = world.path(text(&opened["lanes"][7], "key_file"));
    (channel, lane_key)
}

fn borrowed(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// Pays for an answer, a stream and a custom body, and returns the total cost.
async fn pay(world: &World, url: &str, channel: &str, lane_key: &Path) -> u64 {
    let lane_key = lane_key.to_str().expect("an ASCII path");
    let quoted = world
        .ok(&["pay", url, "--quote", "--model", MODEL, "hello"])
        .await;
    let maximum = quoted["offers"][0]["amount"].as_str().expect("an amount");
    let maximum: u64 = maximum.parse().expect("base units");

    let with = |more: &[&str]| -> Vec<String> {
        let common = [
            "pay",
            url,
            "--channel",
            channel,
            "--lane",
            "7",
            "--lane-key",
            lane_key,
        ];
        common
            .iter()
            .chain(more)
            .map(|text| (*text).to_owned())
            .collect()
    };
    let dear = with(&["--max-price", "0.000001", "--model", MODEL, "hello"]);
    let (code, message) = world.fails(4, &borrowed(&dear)).await;
    assert_eq!(code, "too_expensive", "{message}");
    let wrong_lane = [
        "pay",
        url,
        "--channel",
        channel,
        "--lane-key",
        lane_key,
        "--model",
        MODEL,
        "hi",
    ];
    let (_, message) = world.fails(1, &wrong_lane).await;
    assert!(message.contains("lane 0 belongs to key"), "{message}");

    let body = json!({"model": MODEL, "messages": [{"role": "user", "content": "three"}]});
    let mut total = 0;
    for more in [
        vec!["--model", MODEL, "hello"],
        vec!["--stream", "--model", MODEL, "hello again"],
        vec!["--data", &body.to_string()],
    ] {
        let paid = world.ok(&borrowed(&with(&more))).await;
        assert!(!text(&paid, "answer").is_empty());
        receipt::check(world, url, channel, &paid).await;
        let receipt = &paid["receipt"];
        total += receipt["charged"].as_u64().expect("base units");
        assert_eq!(
            receipt["charged_total"],
            json!(total),
            "each process finds the lane's state"
        );
    }
    assert!(total > 0 && total < 10 * maximum);

    let human = world
        .run(&borrowed(&with(&["--stream", "--model", MODEL, "hello"])))
        .await;
    let human = String::from_utf8_lossy(&human.stdout).into_owned();
    let cost = human
        .split("charged 0.")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let cost = cost.unwrap_or_else(|| panic!("a receipt in {human}"));
    total
        + format!("{cost:0<6}")
            .parse::<u64>()
            .expect("decimal places")
}

/// Runs the paying proxy until it is stopped, and returns the cost of the requests sent through it.
async fn pay_for_others(world: &World, url: &str, channel: &str, lane_key: &Path) -> u64 {
    // The proxy gets its own lane.
    let lane_key = lane_key.with_file_name("lane-6.json");
    let lane_key = lane_key.to_str().expect("an ASCII path");
    let listen = [
        "--json",
        "pay",
        url,
        "--listen",
        "127.0.0.1:0",
        "--channel",
        channel,
    ];
    let lane = ["--lane", "6", "--lane-key", lane_key, "--log"];
    let (mut proxy, listening) = Served::run(world.command(&[&listen[..], &lane].concat()));
    assert_eq!(listening["event"], "listening");
    let body = json!({"model": MODEL, "messages": [{"role": "user", "content": "whoever"}]});
    let answer = reqwest::Client::new()
        .post(format!("{}/chat/completions", text(&listening, "url")))
        .json(&body)
        .send()
        .await
        .expect("the proxy answers");
    let status = answer.status();
    let answer = answer.text().await.expect("the answer is whole");
    assert_eq!(status, 200, "{answer}");
    let told = proxy.line();
    assert_eq!(
        (&told["event"], &told["what"], &told["status"]),
        (&json!("request"), &json!(MODEL), &json!(200))
    );
    let stopped = proxy.stop();
    assert_eq!(stopped["charged"], told["charged"]);
    assert_eq!(
        (&stopped["event"], &stopped["requests"]),
        (&json!("stopped"), &json!(1))
    );
    stopped["charged"].as_u64().expect("base units")
}

async fn close_all(world: &World, escrow: &str, channel: &str, charged: u64) {
    let status = world.ok(&["channel", "status", channel]).await;
    assert_eq!(
        (&status["debited"], &status["unpaid"]),
        (&json!(charged), &json!(0))
    );
    let (_, message) = world
        .fails(1, &["escrow", "close", escrow, "-k", "owner.json"])
        .await;
    assert!(message.contains("1 open channels"), "{message}");
    let close = ["channel", "close", channel, "-k", "owner.json"];
    let (_, message) = world.fails(1, &close).await;
    assert!(message.contains("channel request-close"), "{message}");
    let fund = [
        "channel",
        "fund",
        channel,
        "--amount",
        "0.1",
        "-k",
        "owner.json",
    ];
    assert_eq!(world.ok(&fund).await["deposit"], json!(1_350_000));
    let request = ["channel", "request-close", channel, "-k", "owner.json"];
    assert_eq!(world.ok(&request).await["grace_seconds"], json!(172_800));
    let (_, message) = world.fails(1, &close).await;
    assert!(
        message.contains("to settle: close the channel then"),
        "{message}"
    );
    let (_, message) = world.fails(1, &request).await;
    assert!(message.contains("requested already"), "{message}");
    let closed = world
        .ok(&["channel", "close", channel, "-k", "payee.json"])
        .await;
    assert_eq!(closed["returned"], json!(1_350_000 - charged));
    let (_, message) = world.fails(1, &["channel", "status", channel]).await;
    assert!(message.contains("there is no channel"), "{message}");

    let withdraw = ["escrow", "withdraw", escrow, "-k", "owner.json", "--amount"];
    let too_much = [&withdraw[..], &["1.6"]].concat();
    let (_, message) = world.fails(1, &too_much).await;
    assert!(
        message.contains("withdraw at most what is free"),
        "{message}"
    );
    let withdrawn = world.ok(&[&withdraw[..], &["0.5"]].concat()).await;
    assert_eq!(withdrawn["free"], json!(1_000_000 - charged));
    let closed = world
        .ok(&["escrow", "close", escrow, "-k", "owner.json"])
        .await;
    assert_eq!(closed["returned"], json!(1_000_000 - charged));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_exit_codes_and_never_show_keys() {
    let world = World::new().await;
    let (code, _) = world
        .fails(2, &["escrow", "create", "-k", "missing.json"])
        .await;
    assert_eq!(code, "key_file");
    std::fs::write(world.path("broken.json"), "[424242]").expect("a writable folder");
    let (_, message) = world
        .fails(2, &["escrow", "create", "-k", "broken.json"])
        .await;
    assert!(!message.contains("424242"), "{message}");

    let unreachable = "http://127.0.0.1:1/path-SECRET?api-key=SECRET";
    let arguments = ["escrow", "status", STRANGER, "--rpc-url", unreachable];
    let (code, message) = world.fails(3, &arguments).await;
    assert_eq!(code, "rpc");
    assert!(
        !message.contains("SECRET") && message.contains("127.0.0.1:1"),
        "{message}"
    );

    let (_, message) = world.fails(1, &["escrow", "status", STRANGER]).await;
    assert!(message.contains("farthing escrow create"), "{message}");
    let mint = USDC.mint.to_string();
    let (code, message) = world.fails(1, &["escrow", "status", &mint]).await;
    assert_eq!(code, "wrong_account", "{message}");
    let create = ["escrow", "create", "-k", "owner.json", "--mint", STRANGER];
    let (_, message) = world.fails(1, &create).await;
    assert!(message.contains("there is no mint"), "{message}");

    for arguments in [
        &["escrow", "fund", STRANGER, "--amount", "0"][..],
        &["escrow", "withdraw", STRANGER, "-k", "owner.json"],
        &["channel", "open", "--escrow", STRANGER],
        &["pay", "http://127.0.0.1:1", "hello"],
    ] {
        let (code, message) = world.fails(2, arguments).await;
        assert_eq!(code, "usage", "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_in_force_is_printed_without_its_secrets() {
    let world = World::new().await;
    world.write_configuration();
    let print = ["serve", "--print-config", "--listen", "127.0.0.1:4402"];
    let mut command = world.command(&print);
    command.env("FARTHING_HTTP_UPSTREAM_API_KEY", "sk-424242");
    let output = command.output().expect("the command starts");

    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(!text.contains("sk-424242") && !errors.contains("sk-424242"));
    for line in [
        // By the flag, from the variable, by default, and from the cluster.
        "listen = \"127.0.0.1:4402\"",
        "upstream_api_key = \"<redacted>\"",
        "idle_timeout_ms = 300000",
        "network = \"solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1\"",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
}
