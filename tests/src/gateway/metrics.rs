//! Reads the verifier's metrics as Prometheus does.

use std::time::{Duration, Instant};

use super::World;

/// Timeout until a metric has its expected value.
const PATIENCE: Duration = Duration::from_secs(20);

/// The metrics of one scrape.
#[derive(Debug)]
pub struct Scrape {
    /// The metrics as text.
    pub text: String,
}

impl Scrape {
    /// The value of a series, such as `name{label="value"}`, if it is present.
    ///
    /// # Panics
    /// If the series occurs twice or its value is not a number.
    #[must_use]
    pub fn get(&self, series: &str) -> Option<f64> {
        let lines = self.text.lines();
        let mut values = lines.filter_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let value = values.next()?;
        assert_eq!(values.next(), None, "{series} is told once");
        Some(value.parse().expect("a figure is a number"))
    }

    /// The values of some series.
    ///
    /// # Panics
    /// If a series is missing.
    #[must_use]
    pub fn of<const N: usize>(&self, series: [&str; N]) -> [f64; N] {
        series.map(|series| {
            let value = self.get(series);
            value.unwrap_or_else(|| panic!("{series} is not told:\n{}", self.text))
        })
    }

    /// The series of a metric.
    pub fn series<'a>(&'a self, metric: &'a str) -> impl Iterator<Item = &'a str> {
        let lines = self.text.lines();
        lines.filter(move |line| line.starts_with(metric) && !line.starts_with('#'))
    }
}

impl World {
    /// Starts a world whose verifier has an admin address.
    pub async fn with_admin() -> Self {
        Self::configured(|config| {
            config.admin.listen = Some(([127, 0, 0, 1], 0).into());
        })
        .await
    }

    /// The URL of a path at the admin address.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn admin_url(&self, path: &str) -> String {
        let address = self.running().admin_address();
        format!(
            "http://{}{path}",
            address.expect("the operator has an address")
        )
    }

    /// The status of a health check.
    ///
    /// # Panics
    /// If nobody answers.
    pub async fn health(&self, url: &str) -> u16 {
        let answer = self.http.get(url).send().await;
        answer.expect("somebody answers").status().as_u16()
    }

    /// Scrapes the metrics.
    ///
    /// # Panics
    /// If the metrics cannot be read.
    pub async fn scrape(&self) -> Scrape {
        let response = self.http.get(self.admin_url("/metrics")).send().await;
        let response = response.expect("the metrics are told");
        assert_eq!(response.status(), 200);
        let text = response.text().await.expect("the text is whole");
        Scrape { text }
    }

    /// Scrapes until these series have the expected values.
    ///
    /// # Panics
    /// If they do not have the expected values in time.
    pub async fn scraped<const N: usize>(&self, expected: [(&str, f64); N]) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let scrape = self.scrape().await;
            let found = expected.map(|(series, _)| (series, scrape.get(series)));
            if found == expected.map(|(series, value)| (series, Some(value))) {
                return;
            }
            assert!(Instant::now() < deadline, "{found:?}, not {expected:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
