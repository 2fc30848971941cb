//! Metrics of the store.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Unit;

use super::page::Page;
use crate::durable_ledger::DurableLedger;

#[derive(Debug)]
pub(super) struct StoreCollector {
    pub(super) durable_ledger: Arc<DurableLedger>,
    pub(super) path: PathBuf,
}

impl Collector for StoreCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let activity = self.durable_ledger.store_activity();
        let mut page = Page::new(encoder);
        if let Ok(file) = std::fs::metadata(&self.path) {
            let help = "Length of the store's file";
            page.gauge("store_file", help, Some(Unit::Bytes), file.len())?;
        }
        let help = "1 if the store failed: nothing is served until the next start";
        page.gauge("store_failed", help, None, u32::from(activity.has_failed()))?;
        let help = "Batches waiting to be committed";
        page.gauge("store_queued_batches", help, None, activity.queued())?;
        let help = "Committed batches; a paid request has two or more";
        let batches = activity.batches.load(Ordering::Relaxed);
        page.counter("store_batches", help, None, batches)?;
        let help = "Committed records";
        let records = activity.records.load(Ordering::Relaxed);
        page.counter("store_records", help, None, records)?;
        let help = "Duration of a commit, including its flushes to disk";
        page.histogram("store_commit", help, &activity.commits)
    }
}
