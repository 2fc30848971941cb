//! The engine's thread, which starts surfpool, drains its event queue, and stops it.
//!
//! Surfpool blocks while it starts and stops, and its events accumulate in memory unless they are read. One thread owns
//! it and does all three, so that no other code has to.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use surfpool_sdk::{BlockProductionMode, Surfnet};
use tokio::sync::oneshot;

use super::LocalnetError;

/// Number of attempts to start the engine. It picks a free port, closes it and opens it again, and another process may
/// take the port in between.
const ATTEMPTS: u32 = 3;
/// Timeout of one attempt to start. A start takes half a second; one whose port was taken never completes.
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
            // The thread ended before it was ready; its result says why.
            Err(_) => Err(join(thread)
                .err()
                .unwrap_or_else(|| "the engine stopped immediately".to_owned())),
        }
    }

    pub(super) fn rpc_url(&self) -> &str {
        &self.rpc_url
    }

    pub(super) async fn stop(self) -> Result<(), LocalnetError> {
        // If the receiver is gone, the thread has ended, and `join` returns its result.
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
        .unwrap_or_else(|_| Err("the engine's thread panicked".to_owned()))
}

/// Body of the engine's thread: runs until it is told to stop or the [`Engine`] is dropped.
fn run(
    slot_time: Duration,
    ready: oneshot::Sender<String>,
    stop: &Receiver<()>,
) -> Result<(), String> {
    // Surfpool's client blocks inside async code, which requires a multi-threaded runtime.
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
        return Err("the start was abandoned, probably after a timeout".to_owned());
    }
    while let Err(RecvTimeoutError::Timeout) = stop.recv_timeout(DRAIN_INTERVAL) {
        surfnet.events().try_iter().for_each(drop);
    }
    surfnet.stop().map_err(|error| error.to_string())
}
