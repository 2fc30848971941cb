//! `farthing pay --listen`: a proxy that pays for the requests it receives until it is stopped by a signal.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use farthing_client::paying_client::Budget;
use farthing_protocol::BaseUnits;
use farthing_wire::amount::Usdc;
use serde::Serialize;

use super::connect::{connect, opener};
use crate::commands::pay::args::PayArgs;
use crate::error::CliError;
use crate::output::{Output, facts};
use crate::signals::Signals;
use crate::signing_proxy::{
    Access, LaneFolder, Lanes, ProxyOptions, RequestLog, Served, SigningProxy, Spent,
};

/// Serves until a signal arrives, then waits for the in-flight requests.
///
/// # Errors
/// [`CliError`], whose message says what to do next.
pub(super) async fn run(
    address: SocketAddr,
    args: &PayArgs,
    output: Output,
) -> Result<(), CliError> {
    let proxy = &args.proxy;
    let budget = Arc::new(Budget::new(proxy.budget, proxy.budget_per_hour));
    let lanes = match &proxy.lane_keys {
        None => Lanes::One(connect(args, vec![budget]).await?),
        Some(folder) => {
            require_folder(folder)?;
            Lanes::Folder(LaneFolder::new(folder.clone(), opener(args, budget).await?))
        }
    };
    let options = ProxyOptions {
        access: Access {
            hosts: hosts(address, &proxy.allow_host),
            origins: proxy.allow_origin.clone(),
            token: proxy.token.clone(),
        },
        linger: Some(Duration::from_secs(proxy.retry_window)),
        log: proxy
            .log
            .then(|| Box::new(Log(output)) as Box<dyn RequestLog>),
    };
    if !address.ip().is_loopback() {
        tracing::warn!(
            "{address} is reachable from other machines: every client that can reach it spends from the lane"
        );
    }
    // From here on, a signal no longer ends the process: in-flight requests are completed first.
    let mut signals = Signals::new()?;
    let proxy = SigningProxy::start_with(lanes, address, options)
        .await
        .map_err(|error| CliError::usage(format!("cannot listen at {address}: {error}")))?;
    output.report(&Listening {
        event: "listening",
        url: format!("{}/v1", proxy.url()),
        provider: args.url.clone(),
        channel: args.channel.map(|channel| channel.to_string()),
        lane: args.proxy.lane_keys.is_none().then_some(args.lane),
        lane_keys: args.proxy.lane_keys.clone(),
    })?;
    signals.wait().await;
    output.progress("waiting for in-flight requests; press Ctrl-C again to cut them off");
    let so_far = proxy.spent();
    let spent = tokio::select! {
        spent = proxy.shutdown() => spent,
        () = signals.wait() => so_far,
    };
    output.report(&Stopped::new(spent))
}

/// The names under which the proxy is reached: an address that it was told to listen on, and those that were named.
fn hosts(address: SocketAddr, named: &[String]) -> Vec<String> {
    let own = (!address.ip().is_unspecified()).then(|| address.ip().to_string());
    own.into_iter().chain(named.iter().cloned()).collect()
}

fn require_folder(folder: &Path) -> Result<(), CliError> {
    let files = std::fs::read_dir(folder).map_err(|error| {
        CliError::usage(format!(
            "cannot read the folder {}: {error}",
            folder.display()
        ))
    })?;
    let mut names = files.flatten().map(|file| file.file_name());
    if names.any(|name| Path::new(&name).extension() == Some("json".as_ref())) {
        return Ok(());
    }
    Err(CliError::usage(format!(
        "there are no key files (*.json) in {}: give the folder that farthing channel open wrote the lane keys to",
        folder.display()
    )))
}

/// Prints what is told of each request.
#[derive(Debug)]
struct Log(Output);

impl RequestLog for Log {
    fn served(&self, served: &Served) {
        // A closed stdout must not end the proxy.
        let _ = self.0.report(served);
    }
}

/// The report of a proxy that has started.
#[derive(Debug, Serialize)]
struct Listening {
    event: &'static str,
    url: String,
    provider: String,
    channel: Option<String>,
    lane: Option<u16>,
    lane_keys: Option<PathBuf>,
}

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        facts([
            ("base URL for clients", self.url.clone()),
            ("provider", self.provider.clone()),
            ("channel", self.channel.clone().unwrap_or_default()),
            match (&self.lane_keys, self.lane) {
                (Some(folder), _) => ("lanes", format!("those of {}", folder.display())),
                (None, lane) => ("lane", lane.unwrap_or_default().to_string()),
            },
        ])
        .fmt(f)
    }
}

/// The report of a proxy that has stopped.
#[derive(Debug, Serialize)]
struct Stopped {
    event: &'static str,
    requests: u64,
    charged: u64,
    spent_at_most: u64,
}

impl Stopped {
    const fn new(spent: Spent) -> Self {
        Self {
            event: "stopped",
            requests: spent.requests,
            charged: spent.charged.0,
            spent_at_most: spent.at_most.0,
        }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "charged {} USDC for {} requests; spent from the lane so far, by all clients: at most {} USDC",
            Usdc(BaseUnits(self.charged)),
            self.requests,
            Usdc(BaseUnits(self.spent_at_most))
        )
    }
}
