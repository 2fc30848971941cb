//! Handle by which the rest of the verifier uses the settling task.

use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, oneshot};

use crate::settlement::figures::SettlementFigures;
use crate::settlement::report::{SettleError, SettlementReport};

/// Sends the outcome to a caller that waits until everything is settled.
pub(super) type Waiter = oneshot::Sender<Result<(), SettleError>>;

/// Handle of the settling task.
#[derive(Debug, Clone)]
pub struct SettlerHandle {
    pub(super) waiters: mpsc::Sender<Waiter>,
    pub(super) report: Arc<Mutex<SettlementReport>>,
    pub(super) figures: Arc<SettlementFigures>,
}

impl SettlerHandle {
    /// Settles everything that is unsettled now, and waits until it is final.
    ///
    /// # Errors
    /// [`SettleError`] says why not everything was settled; the rest is settled later.
    pub async fn settle_now(&self) -> Result<(), SettleError> {
        let (waiter, answer) = oneshot::channel();
        self.waiters
            .send(waiter)
            .await
            .map_err(|_| SettleError::Stopped)?;
        answer.await.map_err(|_| SettleError::Stopped)?
    }

    /// The counters of settlement.
    #[must_use]
    pub fn figures(&self) -> Arc<SettlementFigures> {
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
