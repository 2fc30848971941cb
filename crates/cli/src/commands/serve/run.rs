//! Implementation of `farthing serve`.

use std::fmt;
use std::net::SocketAddr;

use farthing_chain::associated_token_address;
use farthing_chain::keys::read_keypair;
use farthing_protocol::BaseUnits;
use farthing_verifier::{Config, Keys, SettlementReport, StartError};
use farthing_wire::amount::Usdc;
use serde::Serialize;
use solana_commitment_config::CommitmentConfig;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signer::Signer;

use crate::arguments::ChainArgs;
use crate::commands::prices::PriceTable;
use crate::commands::serve::args::ServeArgs;
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::{Output, facts};
use crate::settings::Settings;
use crate::signals::Signals;

/// Runs `farthing serve`.
///
/// # Errors
/// [`CliError`], whose message says what to correct or what is left to settle.
pub async fn run(args: ServeArgs, output: Output) -> Result<(), CliError> {
    let settings = Settings::read(&args)?;
    if args.print_config {
        return print_config(settings, output).await;
    }
    let Some(settler_key) = &args.settler_key else {
        return Err(CliError::usage(
            "give the settler's key file with --settler-key",
        ));
    };
    let settler = read_keypair(settler_key)?;
    let settler_address = settler.pubkey();
    let connection = connect(&settings).await?;
    let config = settings.into_config(&connection)?;
    warn_about_accounts(&connection, &config, &settler_address).await?;
    let listening = Listening::new(&config, &settler_address);
    // From here on, a signal no longer ends the process: what was started is drained first.
    let mut signals = Signals::new()?;
    let verifier = farthing_verifier::start(config, Keys { settler })
        .await
        .map_err(start_error)?;
    output.report(&listening.at(verifier.url(), verifier.admin_address()))?;
    signals.wait().await;
    output.progress("draining and settling; press Ctrl-C again to stop now and leave the rest to the next start");
    tokio::select! {
        result = verifier.shutdown() => match result {
            Ok(report) => output.report(&Stopped::new(&report)),
            Err(error) => Err(CliError::failed(error.to_string())),
        },
        () = signals.wait() => Err(CliError::failed(
            "stopped before everything was settled: start again to settle the rest",
        )),
    }
}

async fn connect(settings: &Settings) -> Result<Connection, CliError> {
    Connection::open(&ChainArgs {
        rpc_url: settings.rpc_url()?,
        program: settings.program(),
    })
    .await
}

/// Prints the effective configuration, including the settings that follow from the cluster if the node answers.
async fn print_config(settings: Settings, output: Output) -> Result<(), CliError> {
    let config = match connect(&settings).await {
        Ok(connection) => settings.into_config(&connection)?,
        Err(error) => {
            tracing::warn!(
                "printing only the configured settings, without those of the cluster: {error}"
            );
            settings.into_unchecked()
        }
    };
    output.report(&EffectiveConfig(config))
}

/// The effective configuration.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct EffectiveConfig(Config);

impl fmt::Display for EffectiveConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.effective().trim_end())
    }
}

fn start_error(error: StartError) -> CliError {
    match error {
        StartError::Config(_) => CliError::Usage(error.to_string()),
        StartError::Chain(_) => CliError::Unreachable(error.to_string()),
        _ => CliError::Failed(error.to_string()),
    }
}

/// Warns about accounts that will cause problems later: a settler without SOL cannot pay the fees of settlement, and a
/// payee without a token account cannot be paid. Neither prevents serving.
async fn warn_about_accounts(
    connection: &Connection,
    config: &Config,
    settler: &Pubkey,
) -> Result<(), CliError> {
    let confirmed = CommitmentConfig::confirmed();
    if connection.chain.lamports(settler, confirmed).await? == 0 {
        tracing::warn!(
            "the settler {settler} has no SOL and cannot pay the fees of settlement: send SOL to it"
        );
    }
    let account = associated_token_address(&config.chain.payee, &config.chain.token());
    let balance = connection.chain.token_balance(&account, confirmed).await?;
    if balance.is_none() {
        tracing::warn!(
            "the payee {} has no token account {account}: it cannot be paid until the account is created",
            config.chain.payee
        );
    }
    Ok(())
}

/// The report of a verifier that has started.
#[derive(Debug, Serialize)]
struct Listening {
    event: &'static str,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin: Option<String>,
    upstreams: Vec<String>,
    payee: String,
    settler: String,
    network: String,
    program: String,
    prices: PriceTable,
}

impl Listening {
    fn new(config: &Config, settler: &Pubkey) -> Self {
        Self {
            event: "listening",
            url: String::new(),
            admin: None,
            upstreams: config
                .upstreams()
                .into_iter()
                .map(|upstream| upstream.url)
                .collect(),
            payee: config.chain.payee.to_string(),
            settler: settler.to_string(),
            network: config.chain.network.clone(),
            program: config.chain.program.to_string(),
            prices: PriceTable::from(&config.prices()),
        }
    }

    fn at(self, url: String, admin: Option<SocketAddr>) -> Self {
        let admin = admin.map(|address| format!("http://{address}"));
        Self { url, admin, ..self }
    }
}

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let admin = self.admin.iter().map(|url| ("operator", url.clone()));
        let selling = if self.upstreams.is_empty() {
            "through other servers (no upstream)".to_owned()
        } else {
            self.upstreams.join(", ")
        };
        let rest = [
            ("selling", selling),
            ("payee", self.payee.clone()),
            ("settler", self.settler.clone()),
            ("network", self.network.clone()),
            ("program", self.program.clone()),
        ];
        let listening = [("listening on", self.url.clone())];
        let facts = facts(listening.into_iter().chain(admin).chain(rest));
        write!(f, "{facts}\n{}", self.prices)
    }
}

/// The report of a verifier that has stopped: what was settled at the end.
#[derive(Debug, Serialize)]
struct Stopped {
    event: &'static str,
    rounds: u32,
    transactions: Vec<String>,
    settled: u64,
}

impl Stopped {
    fn new(report: &SettlementReport) -> Self {
        Self {
            event: "stopped",
            rounds: report.rounds,
            transactions: report
                .transactions
                .iter()
                .map(ToString::to_string)
                .collect(),
            settled: report.base_units.0,
        }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "settled {} USDC in {} transactions",
            Usdc(BaseUnits(self.settled)),
            self.transactions.len()
        )
    }
}
