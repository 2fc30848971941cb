//! Implementation of `farthing dev`.

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use tempfile::TempDir;

use crate::commands::dev::args::DevArgs;
use crate::dev::invitation::Invitation;
use crate::dev::progress::Progress;
use crate::dev::world::World;
use crate::dev::{self, DevError, Options};
use crate::error::{CliError, EXIT_FAILED};
use crate::output::Output;
use crate::signals::Signals;

/// Exit code that a shell reports for a command ended by SIGINT.
const EXIT_INTERRUPTED: u8 = 130;
/// Environment variable with the upstream's API key; `farthing serve` reads the same one.
const UPSTREAM_KEY_VARIABLE: &str = "FARTHING_HTTP_UPSTREAM_API_KEY";

/// Runs `farthing dev`. The exit code is 0 only if every request succeeded and the figures reconcile.
///
/// # Errors
/// [`CliError`] if the run could not be completed.
pub async fn run(args: DevArgs, output: Output) -> Result<ExitCode, CliError> {
    let started = Instant::now();
    let mut signals = Signals::new()?;
    // Removed when this function returns, unless it is kept.
    let folder = work_folder()?;
    let progress = Progress::on_stderr();
    let options = Options {
        agents: args.agents,
        requests: args.requests,
        upstream: args.upstream,
        model: args.model,
        upstream_api_key: std::env::var(UPSTREAM_KEY_VARIABLE).ok(),
    };
    let ran = tokio::select! {
        ran = dev::run(&options, folder.path(), started, &progress) => ran,
        () = signals.wait() => {
            progress.finish();
            return Ok(ExitCode::from(EXIT_INTERRUPTED));
        }
    };
    progress.finish();
    let (mut world, report) = ran?;
    let invitation = if args.keep {
        Some(Invitation::prepare(&mut world).await?)
    } else {
        None
    };
    output.report(&report)?;
    if let Some(invitation) = invitation {
        let _kept = folder.keep();
        show(&invitation, output)?;
        signals.wait().await;
    }
    stop(world, &mut signals, output).await?;
    Ok(if report.figures.reconciles() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_FAILED)
    })
}

/// Creates a new folder that only its owner can read.
fn work_folder() -> Result<TempDir, CliError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("farthing-dev-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o700));
    }
    builder
        .tempdir()
        .map_err(|error| CliError::failed(format!("cannot create a work folder: {error}")))
}

/// Prints the invitation: to stdout for people, and to stderr in JSON mode, where the report must be the last line of
/// stdout.
fn show(invitation: &Invitation, output: Output) -> Result<(), CliError> {
    let written = if output.is_json() {
        write!(std::io::stderr(), "{invitation}")
    } else {
        write!(std::io::stdout(), "{invitation}")
    };
    written.map_err(|error| CliError::failed(format!("cannot write: {error}")))?;
    output.progress("\nrunning; press Ctrl-C to stop");
    Ok(())
}

async fn stop(world: World, signals: &mut Signals, output: Output) -> Result<(), CliError> {
    output.progress("settling unsettled charges and stopping; press Ctrl-C to stop immediately");
    tokio::select! {
        stopped = world.shutdown() => Ok(stopped?),
        () = signals.wait() => Err(CliError::failed(
            "stopped before everything was settled; the local chain and its funds are gone",
        )),
    }
}

impl From<DevError> for CliError {
    fn from(error: DevError) -> Self {
        match error {
            DevError::Chain(error) => Self::Chain(error),
            DevError::Key(error) => Self::KeyFile(error),
            other => Self::Failed(other.to_string()),
        }
    }
}
