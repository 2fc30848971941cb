//! Metrics of the readings of the chain.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::page::Page;
use crate::chain::Channels;

#[derive(Debug)]
pub(super) struct ChainCollector(pub(super) Arc<Channels>);

impl Collector for ChainCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let figures = self.0.figures();
        let mut page = Page::new(encoder);
        let help = "Channels that are followed";
        page.gauge("chain_channels", help, None, figures.followed)?;
        let help = "Channels in the ledger that have not been read from the chain since the start";
        page.gauge("chain_unresolved_channels", help, None, figures.unresolved)?;
        let help = "Age of the oldest reading of a followed channel, if there is one";
        page.age("chain_reading_age", help, figures.reading_age)?;
        let help = "Failed readings of the chain since the start";
        page.counter("chain_failed_readings", help, None, figures.failed_readings)
    }
}
