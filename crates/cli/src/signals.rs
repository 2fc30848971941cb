//! SIGINT and SIGTERM, by which a user or a supervisor asks the command to end.

use crate::error::CliError;

/// Handlers of SIGINT and SIGTERM. Once they are installed, the signals no longer end the process by themselves.
pub struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    /// Installs the signal handlers.
    ///
    /// # Errors
    /// If the system refuses.
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

    /// Does nothing: on this system no handlers are installed in advance.
    ///
    /// # Errors
    /// Never on this system.
    #[cfg(not(unix))]
    pub fn new() -> Result<Self, CliError> {
        Ok(Self {})
    }

    /// Waits for the next SIGINT or SIGTERM.
    #[cfg(unix)]
    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Waits for the next Ctrl-C.
    #[cfg(not(unix))]
    pub async fn wait(&mut self) {
        // If no handler can be installed, Ctrl-C ends the process by default.
        let _ = tokio::signal::ctrl_c().await;
    }
}
