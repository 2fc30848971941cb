//! How the rest of the verifier talks to the settling task.

use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, oneshot};

use crate::settlement::figures::Figures;
use crate::settlement::report::{SettleError, SettlementReport};

/// Someone who waits until everything is settled.
pub(super) type Waiter = oneshot::Sender<Result<(), SettleError>>;

/// Talks to the settling task.
#[derive(Debug, Clone)]
pub struct SettlerHandle {
    pub(super) waiters: mpsc::Sender<Waiter>,
    pub(super) report: Arc<Mutex<SettlementReport>>,
    pub(super) figures: Arc<Figures>,
}

impl SettlerHandle {
    /// Settles everything that is owed now, and waits until it is final.
    ///
    /// # Errors
    /// [`SettleError`] says what is left; it is settled later.
    pub async fn settle_now(&self) -> Result<(), SettleError> {
        let (waiter, answer) = oneshot::channel();
        self.waiters
            .send(waiter)
            .await
            .map_err(|_| SettleError::Stopped)?;
        answer.await.map_err(|_| SettleError::Stopped)?
    }

    /// What is counted of settlements.
    #[must_use]
    pub fn figures(&self) -> Arc<Figures> {
        Arc::clone(&self.figures)
    }

    /// What was settled since the start.
    #[must_use]
    pub fn report(&self) -> SettlementReport {
        self.report
            .lock()
            .expect("nothing panics while the report is locked")
            .clone()
    }
}
