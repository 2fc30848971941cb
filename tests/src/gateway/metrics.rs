//! What a Prometheus would read.

use std::time::{Duration, Instant};

use super::World;

/// How long a figure may take to become what it must be.
const PATIENCE: Duration = Duration::from_secs(20);

/// The figures of one moment.
#[derive(Debug)]
pub struct Scrape {
    /// As they came.
    pub text: String,
}

impl Scrape {
    /// A figure by its series, as `name{label="value"}`, if it is told.
    ///
    /// # Panics
    /// If it is told twice or is no number.
    #[must_use]
    pub fn get(&self, series: &str) -> Option<f64> {
        let lines = self.text.lines();
        let mut values = lines.filter_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let value = values.next()?;
        assert_eq!(values.next(), None, "{series} is told once");
        Some(value.parse().expect("a figure is a number"))
    }

    /// The figures of some series.
    ///
    /// # Panics
    /// If one is not told.
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
    /// Starts with an address for the operator.
    pub async fn with_admin() -> Self {
        Self::configured(|config| {
            config.admin.listen = Some(([127, 0, 0, 1], 0).into());
        })
        .await
    }

    /// The URL of a path at the operator's address.
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

    /// The status of a question whether the verifier is well.
    ///
    /// # Panics
    /// If nobody answers.
    pub async fn health(&self, url: &str) -> u16 {
        let answer = self.http.get(url).send().await;
        answer.expect("somebody answers").status().as_u16()
    }

    /// Scrapes.
    ///
    /// # Panics
    /// If nothing is told.
    pub async fn scrape(&self) -> Scrape {
        let response = self.http.get(self.admin_url("/metrics")).send().await;
        let response = response.expect("the metrics are told");
        assert_eq!(response.status(), 200);
        let text = response.text().await.expect("the text is whole");
        Scrape { text }
    }

    /// Scrapes until the figures of some series are these.
    ///
    /// # Panics
    /// If they do not become so.
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
