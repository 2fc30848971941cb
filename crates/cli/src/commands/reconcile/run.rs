//! Implementation of `farthing reconcile`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use farthing_chain::Channel;
use farthing_chain::debits::Debit;
use farthing_verifier::reconcile::{Known, LaneBehind, is_explained, reconcile};
use farthing_verifier::record::{Record, StoredState};
use farthing_verifier::store::{RedbStore, Store, StoreError};
use solana_commitment_config::CommitmentConfig;
use solana_sdk::pubkey::Pubkey;

use super::report::ReconcileReport;
use crate::arguments::ChainArgs;
use crate::commands::reconcile::args::ReconcileArgs;
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::Output;
use crate::settings::Settings;

/// Runs `farthing reconcile`.
///
/// # Errors
/// [`CliError`], whose message says what to do next. Nothing was changed.
pub async fn run(args: ReconcileArgs, output: Output) -> Result<(), CliError> {
    let (path, rpc_url, program) = settings(&args)?;
    let connection = Connection::open(&ChainArgs { rpc_url, program }).await?;
    let mut store = if args.dry_run {
        RedbStore::open_read_only(&path)
    } else {
        RedbStore::open(&path)
    }
    .map_err(failed)?;
    let state = store.load().map_err(failed)?;
    let known = Known::of(&state);
    let mut records = Vec::new();
    let mut report = ReconcileReport::new(&path, args.dry_run);
    for address in addresses(&state, &args.channels) {
        let is_named = args.channels.contains(&address);
        let Some(channel) = read_channel(&connection, &state, &address, is_named).await? else {
            report.closed(&address);
            continue;
        };
        let behind = known.behind(&channel);
        let debits = history(&connection, &address, &behind, output).await?;
        let (changes, reconciled) = reconcile(&known, address, &channel, &debits);
        records.extend(changes);
        report.channel(&address, &channel, &reconciled);
    }
    records.push(Record::Reconciled);
    if !args.dry_run {
        store.commit(&records).map_err(failed)?;
    }
    output.report(&report)
}

/// Determines store, node and program: from flags, the environment or the configuration, in this order of precedence.
fn settings(args: &ReconcileArgs) -> Result<(PathBuf, String, Option<Pubkey>), CliError> {
    let configuration = args.which.config.as_deref();
    let settings = Settings::without_flags(configuration)?;
    let rpc_url = match &args.rpc_url {
        Some(url) => url.clone(),
        None => settings.rpc_url()?,
    };
    let program = match args.program {
        Some(program) => Some(program),
        None => settings.program(),
    };
    let path = match &args.which.store {
        Some(path) => path.clone(),
        None => Settings::store_path(configuration)?,
    };
    if !path.exists() {
        return Err(CliError::usage(format!(
            "there is no store at {}: give its path with --store, or its configuration with --config",
            path.display()
        )));
    }
    Ok((path, rpc_url, program))
}

fn addresses(state: &StoredState, named: &[Pubkey]) -> BTreeSet<Pubkey> {
    let known = state.channels.iter().map(|channel| channel.address);
    known.chain(named.iter().copied()).collect()
}

/// The finalized state of the channel; `None` if the channel that the store knows is closed.
async fn read_channel(
    connection: &Connection,
    state: &StoredState,
    address: &Pubkey,
    is_named: bool,
) -> Result<Option<Channel>, CliError> {
    let finalized = CommitmentConfig::finalized();
    let channel = connection.chain.channel(address, finalized).await?;
    let is_known = |channel: &Channel| {
        let mut known = state.channels.iter();
        known.any(|known| known.domain == channel.header.domain)
    };
    match channel {
        Some(channel) if is_named || is_known(&channel) => {
            if channel.domain_is_of(connection.program(), &connection.genesis_hash, address) {
                Ok(Some(channel))
            } else {
                Err(CliError::failed(format!(
                    "channel {address} was opened for another cluster: check --rpc-url"
                )))
            }
        }
        None if is_named => Err(CliError::failed(format!(
            "there is no channel at {address}: check --channel and --rpc-url"
        ))),
        _ => Ok(None),
    }
}

/// Reads the debits of a channel, newest first, until they explain the counters of all lanes that are behind.
async fn history(
    connection: &Connection,
    address: &Pubkey,
    behind: &[LaneBehind],
    output: Output,
) -> Result<Vec<Debit>, CliError> {
    let mut debits = Vec::new();
    let mut before = None;
    loop {
        if behind.iter().all(|lane| is_explained(lane, &debits)) {
            return Ok(debits);
        }
        output.progress(format_args!(
            "reading the history of channel {address}: {} debits so far",
            debits.len()
        ));
        let page = connection.chain.debits(address, before).await?;
        debits.extend(page.debits);
        before = page.next;
        if before.is_none() {
            return Ok(debits);
        }
    }
}

fn failed(error: StoreError) -> CliError {
    CliError::failed(error.to_string())
}
