//! Metrics of the ledger: the number and age of its entries, and what was charged.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Unit;

use super::page::{Page, base_units};
use crate::durable_ledger::DurableLedger;
use crate::ports::Clock;

#[derive(Debug)]
pub(super) struct LedgerCollector {
    pub(super) durable_ledger: Arc<DurableLedger>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Collector for LedgerCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let now = self.clock.now();
        let (size, held) = self
            .durable_ledger
            .read(|ledger| (ledger.size(now), ledger.held()));
        let mut page = Page::new(encoder);
        page.gauge(
            "channels",
            "Channels in the ledger: those that have paid",
            None,
            size.channels,
        )?;
        page.gauge(
            "lanes",
            "Lanes in the ledger: those that have paid, each generation counted separately",
            None,
            size.lanes,
        )?;
        let help = "Used voucher values that are stored individually";
        page.gauge("used_values", help, None, size.used_values)?;
        page.gauge(
            "reservations",
            "Reservations: paid requests in flight, and payments verified for other servers",
            None,
            size.reservations,
        )?;
        let help = "Payments verified for other servers and not yet settled or released";
        page.gauge("held_payments", help, None, held)?;
        let help = "Sum of all reservations: the most that they can be charged";
        page.gauge("reserved", help, base_units(), size.reserved.0)?;
        let help = "Age of the oldest reservation; absent if there is none";
        page.age("oldest_reservation_age", help, size.oldest_reservation)?;
        let help = "Request outcomes stored for idempotent retries";
        page.gauge("outcomes", help, None, size.outcomes)?;
        let help = "Size of the answers stored for idempotent retries";
        page.gauge("answers", help, Some(Unit::Bytes), size.answer_bytes)?;
        let help = "Age of the oldest stored outcome; absent if there is none; only time in which a verifier ran \
                    counts";
        page.age("oldest_outcome_age", help, size.oldest_outcome)?;
        let help = "Charged since the start";
        page.counter("charged", help, base_units(), size.charged.0)
    }
}
