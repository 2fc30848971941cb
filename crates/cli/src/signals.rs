//! SIGINT and SIGTERM: a person or a supervisor wants the command to end.

use crate::error::CliError;

/// Once it exists the signals no longer end the process by themselves.
pub struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    /// Takes the signals over.
    ///
    /// # Errors
    /// If the system does not let it.
    #[cfg(unix)]
    pub fn new() -> Result<Self, CliError> {
        use tokio::signal::unix::{SignalKind, signal};
        let handle = |kind, name| {
            signal(kind).map_err(|error| CliError::failed(format!("cannot handle {name}: {error}")))
        };
        Ok(Self {
            terminate: handle(SignalKind::terminate(), "SIGTERM")?,
            interrupt: handle(SignalKind::interrupt(), "SIGINT")?,
        })
    }

    /// Takes the signals over.
    ///
    /// # Errors
    /// Never on this system.
    #[cfg(not(unix))]
    pub fn new() -> Result<Self, CliError> {
        Ok(Self {})
    }

    /// Waits for the next of them.
    #[cfg(unix)]
    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Waits for the next of them.
    #[cfg(not(unix))]
    pub async fn wait(&mut self) {
        // Without a handler there is nothing to wait for; the process ends by itself.
        let _ = tokio::signal::ctrl_c().await;
    }
}
