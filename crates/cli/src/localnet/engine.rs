//! The engine's thread: starts surfpool, keeps its event queue empty, and stops it.
//!
//! Surfpool's start and stop block, and its events pile up in memory unless somebody reads them; one
//! thread that owns it does all three, so that nothing else here has to know.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use surfpool_sdk::{BlockProductionMode, Surfnet};
use tokio::sync::oneshot;

use super::LocalnetError;

/// The engine picks its port, closes it and opens it again; who loses that race tries again.
const ATTEMPTS: u32 = 3;
/// A start takes half a second; one that lost its port never ends.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How often the event queue is emptied.
const DRAIN_INTERVAL: Duration = Duration::from_millis(200);

/// A running engine. Dropping it stops it.
pub(super) struct Engine {
    rpc_url: String,
    stop: Sender<()>,
    thread: JoinHandle<Result<(), String>>,
}

impl Engine {
    pub(super) async fn start(slot_time: Duration) -> Result<Self, LocalnetError> {
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            match tokio::time::timeout(START_TIMEOUT, Self::try_start(slot_time)).await {
                Ok(Ok(engine)) => return Ok(engine),
                Ok(Err(reason)) => last = reason,
                Err(_) => last = format!("not ready after {} s", START_TIMEOUT.as_secs()),
            }
        }
        Err(LocalnetError::Start(last))
    }

    async fn try_start(slot_time: Duration) -> Result<Self, String> {
        let (ready_sender, ready) = oneshot::channel();
        let (stop, stop_receiver) = channel();
        let thread = std::thread::Builder::new()
            .name("local-chain".to_owned())
            .spawn(move || run(slot_time, ready_sender, &stop_receiver))
            .map_err(|error| error.to_string())?;
        match ready.await {
            Ok(rpc_url) => Ok(Self {
                rpc_url,
                stop,
                thread,
            }),
            // The thread ended without a word: its result says why.
            Err(_) => Err(join(thread)
                .err()
                .unwrap_or_else(|| "it stopped at once".to_owned())),
        }
    }

    pub(super) fn rpc_url(&self) -> &str {
        &self.rpc_url
    }

    pub(super) async fn stop(self) -> Result<(), LocalnetError> {
        // If the receiver is gone the thread has ended, and `join` tells how.
        let _ = self.stop.send(());
        let stopped = tokio::task::spawn_blocking(move || join(self.thread)).await;
        match stopped {
            Ok(Ok(())) => Ok(()),
            Ok(Err(reason)) => Err(LocalnetError::Stop(reason)),
            Err(error) => Err(LocalnetError::Stop(error.to_string())),
        }
    }
}

fn join(thread: JoinHandle<Result<(), String>>) -> Result<(), String> {
    thread
        .join()
        .unwrap_or_else(|_| Err("its thread panicked".to_owned()))
}

/// Body of the engine's thread: until told to stop, or until the [`Engine`] is dropped.
fn run(
    slot_time: Duration,
    ready: oneshot::Sender<String>,
    stop: &Receiver<()>,
) -> Result<(), String> {
    // Its client blocks inside async code, which needs a runtime with threads of its own.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let slot_time_ms = u64::try_from(slot_time.as_millis()).unwrap_or(u64::MAX);
    let started = runtime.block_on(
        Surfnet::builder()
            .offline(true)
            .block_production_mode(BlockProductionMode::Clock)
            .slot_time_ms(slot_time_ms)
            .start(),
    );
    let mut surfnet = started.map_err(|error| error.to_string())?;
    if ready.send(surfnet.rpc_url().to_owned()).is_err() {
        return Err("nobody waits for it any more".to_owned());
    }
    while let Err(RecvTimeoutError::Timeout) = stop.recv_timeout(DRAIN_INTERVAL) {
        surfnet.events().try_iter().for_each(drop);
    }
    surfnet.stop().map_err(|error| error.to_string())
}
