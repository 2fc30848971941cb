//! Metrics of settlement: unsettled charges, and the settlements that were sent.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Unit;

use super::page::{Page, base_units};
use crate::ports::Clock;
use crate::settlement::figures::{Owed, SettlementFigures};

#[derive(Debug)]
pub(super) struct SettlementCollector {
    pub(super) figures: Arc<SettlementFigures>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Collector for SettlementCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let figures = &self.figures;
        let seen = figures.seen();
        let owed = [
            ("open", seen.open),
            ("closing", seen.closing),
            ("gone", seen.gone),
        ];
        let now = self.clock.now();
        let age = |owed: Owed| owed.since.map(|since| now.since(since).as_secs_f64());
        let mut page = Page::new(encoder);
        let help = "Unsettled charges (not yet debited on the chain) as of the settler's last poll";
        let by = "channel";
        let values = owed.map(|(channel, owed)| (channel, Some(owed.amount.0)));
        page.gauges("unsettled", help, base_units(), by, values)?;
        let help = "Channels with unsettled charges as of the settler's last poll";
        let values = owed.map(|(channel, owed)| (channel, Some(owed.channels)));
        page.gauges("unsettled_channels", help, None, by, values)?;
        let help = "Age of the oldest unsettled charge; absent if there is none; counts from the start of this process";
        let values = owed.map(|(channel, owed)| (channel, age(owed)));
        page.gauges(
            "oldest_unsettled_age",
            help,
            Some(Unit::Seconds),
            by,
            values,
        )?;

        let count = |value: &std::sync::atomic::AtomicU64| value.load(Ordering::Relaxed);
        let help = "Amount debited by finalized settlements since the start";
        page.counter("settled", help, base_units(), count(&figures.settled))?;
        let help = "Settlements sent whose outcome is not known yet";
        let pending = figures.pending.load(Ordering::Relaxed);
        page.gauge("settlements_pending", help, None, pending)?;
        let help = "Settlements sent since the start";
        page.counter("settlements_sent", help, None, count(&figures.sent))?;
        let help = "Settlements by outcome since the start";
        let ended = [
            ("finalized", count(&figures.finalized)),
            ("expired", count(&figures.expired)),
            ("failed", count(&figures.failed)),
        ];
        page.counters("settlements_ended", help, "outcome", ended)
    }
}
