//! Helpers that write the metrics of one scrape, each with its help text.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::histogram::Histogram;

/// The output of one scrape. The suffixes of unit and kind are added to the metric names.
pub(super) struct Page<'a>(DescriptorEncoder<'a>);

/// The unit of amounts: base units of the token.
pub(super) fn base_units() -> Option<Unit> {
    Some(Unit::Other("base_units".to_owned()))
}

impl<'a> Page<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    fn begin<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
        unit: Option<&'s Unit>,
        kind: MetricType,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.0
            .encode_descriptor(name, &format!("{help}."), unit, kind)
    }

    /// Writes a gauge.
    pub(super) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        value: impl EncodeGaugeValue,
    ) -> fmt::Result {
        let mut metric = self.begin(name, help, unit.as_ref(), MetricType::Gauge)?;
        metric.encode_gauge(&value)
    }

    /// Writes a gauge with one value per label value. A label value without a value is left out.
    pub(super) fn gauges<V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        label: &'static str,
        values: impl IntoIterator<Item = (&'static str, Option<V>)>,
    ) -> fmt::Result {
        let mut metric = self.begin(name, help, unit.as_ref(), MetricType::Gauge)?;
        for (of, value) in values {
            if let Some(value) = value {
                metric.encode_family(&[(label, of)])?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }

    /// Writes an age in seconds as a gauge, or nothing if there is no age.
    pub(super) fn age(
        &mut self,
        name: &str,
        help: &str,
        age: Option<std::time::Duration>,
    ) -> fmt::Result {
        match age {
            Some(age) => self.gauge(name, help, Some(Unit::Seconds), age.as_secs_f64()),
            None => Ok(()),
        }
    }

    /// Writes a counter, which starts at zero when the process starts.
    pub(super) fn counter(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        value: u64,
    ) -> fmt::Result {
        let mut metric = self.begin(name, help, unit.as_ref(), MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    /// Writes a counter with one value per label value.
    pub(super) fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: impl IntoIterator<Item = (&'static str, u64)>,
    ) -> fmt::Result {
        let mut metric = self.begin(name, help, None, MetricType::Counter)?;
        for (of, value) in values {
            let labels = [(label, of)];
            let mut metric = metric.encode_family(&labels)?;
            metric.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    /// Writes a histogram of durations.
    pub(super) fn histogram(&mut self, name: &str, help: &str, values: &Histogram) -> fmt::Result {
        let unit = Unit::Seconds;
        values.encode(&mut self.begin(name, help, Some(&unit), MetricType::Histogram)?)
    }
}
