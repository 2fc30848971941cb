//! `farthing pay --listen`: a proxy that pays for the requests it receives until it is stopped by a signal.

use std::fmt;
use std::net::SocketAddr;

use farthing_protocol::BaseUnits;
use farthing_wire::amount::Usdc;
use serde::Serialize;

use super::connect::connect;
use crate::commands::pay::args::PayArgs;
use crate::error::CliError;
use crate::output::{Output, facts};
use crate::signals::Signals;
use crate::signing_proxy::{SigningProxy, Spent};

/// Serves until a signal arrives, then waits for the in-flight requests.
///
/// # Errors
/// [`CliError`], whose message says what to do next.
pub(super) async fn run(
    address: SocketAddr,
    args: &PayArgs,
    output: Output,
) -> Result<(), CliError> {
    let client = connect(args).await?;
    if !address.ip().is_loopback() {
        tracing::warn!(
            "{address} is reachable from other machines: every client that can reach it spends from the lane"
        );
    }
    // From here on, a signal no longer ends the process: in-flight requests are completed first.
    let mut signals = Signals::new()?;
    let proxy = SigningProxy::start(client, address)
        .await
        .map_err(|error| CliError::usage(format!("cannot listen at {address}: {error}")))?;
    output.report(&Listening {
        event: "listening",
        url: format!("{}/v1", proxy.url()),
        provider: args.url.clone(),
        channel: args.channel.map(|channel| channel.to_string()),
        lane: args.lane,
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

/// The report of a proxy that has started.
#[derive(Debug, Serialize)]
struct Listening {
    event: &'static str,
    url: String,
    provider: String,
    channel: Option<String>,
    lane: u16,
}

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        facts([
            ("base URL for clients", self.url.clone()),
            ("provider", self.provider.clone()),
            ("channel", self.channel.clone().unwrap_or_default()),
            ("lane", self.lane.to_string()),
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
            "charged {} USDC for {} requests; the lane has spent at most {} USDC in total",
            Usdc(BaseUnits(self.charged)),
            self.requests,
            Usdc(BaseUnits(self.spent_at_most))
        )
    }
}
