//! How much the books hold, since when, and what was charged.

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
            "Channels that were paid with",
            None,
            size.channels,
        )?;
        page.gauge(
            "lanes",
            "Lanes that paid, each generation counted",
            None,
            size.lanes,
        )?;
        let help = "Voucher values that bought something and are kept one by one";
        page.gauge("used_values", help, None, size.used_values)?;
        page.gauge(
            "reservations",
            "Payments that are reserved: requests in flight, and what was verified for other servers",
            None,
            size.reservations,
        )?;
        let help = "Payments that were verified for other servers and are not settled yet";
        page.gauge("held_payments", help, None, held)?;
        let help = "The most that what is reserved can cost";
        page.gauge("reserved", help, base_units(), size.reserved.0)?;
        let help = "Time since the oldest payment that is reserved was accepted, if there is one";
        page.age("oldest_reservation_age", help, size.oldest_reservation)?;
        let help = "Outcomes kept for whoever asks again";
        page.gauge("outcomes", help, None, size.outcomes)?;
        let help = "Answers kept for whoever asks again";
        page.gauge("answers", help, Some(Unit::Bytes), size.answer_bytes)?;
        let help = "Time for which the oldest outcome has been kept, if there is one; only time in which a verifier ran \
                    counts";
        page.age("oldest_outcome_age", help, size.oldest_outcome)?;
        let help = "Charged since the start";
        page.counter("charged", help, base_units(), size.charged.0)
    }
}
