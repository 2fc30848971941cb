//! How fast models answer, measured on complete answers, to estimate what an upstream produced unseen for a client that
//! left: a whole answer, or reasoning that is not shown.
//!
//! The estimate is a low one: tokens are counted from the median time to the first token on, at the pace of the slow
//! decile. Before enough answers were measured there is none.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Answers that must have been measured before anything is estimated.
const LEAST_ANSWERS: usize = 20;
/// Most recent answers of a model that are remembered.
const MOST_ANSWERS: usize = 100;
/// Shorter answers say little of a pace.
const LEAST_TOKENS: u64 = 5;
/// Quicker answers say little of a pace.
const LEAST_TIME: Duration = Duration::from_millis(50);
/// Most models whose pace is remembered.
const MOST_MODELS: usize = 1_024;

/// The paces of models. All of it is lost with the process, and measured anew.
#[derive(Debug, Default)]
pub(crate) struct Paces(Mutex<HashMap<String, Pace>>);

#[derive(Debug, Default)]
struct Pace {
    /// Times to the first token, of streams.
    first: VecDeque<Duration>,
    /// Tokens per second after the first token, of streams.
    streamed: VecDeque<f64>,
    /// Tokens per second of whole answers, from the request on.
    whole: VecDeque<f64>,
}

impl Paces {
    /// Remembers a complete stream: the time until its first token, and the output tokens and time until its end.
    pub(crate) fn streamed(&self, model: &str, first: Duration, tokens: u64, total: Duration) {
        let after = total.saturating_sub(first);
        if tokens < LEAST_TOKENS || total < LEAST_TIME {
            return;
        }
        // Where most of the time passed before the first token, much was made unseen, or all of it came at once.
        if after < total / 2 {
            return self.answered(model, tokens, total);
        }
        let after = after.as_secs_f64();
        self.with(model, |pace| {
            push(&mut pace.first, first);
            push(&mut pace.streamed, per_second(tokens, after));
        });
    }

    /// Remembers a complete answer that was no stream.
    pub(crate) fn answered(&self, model: &str, tokens: u64, total: Duration) {
        let seconds = total.as_secs_f64();
        if tokens > 0 && total >= LEAST_TIME {
            self.with(model, |pace| {
                push(&mut pace.whole, per_second(tokens, seconds))
            });
        }
    }

    /// The output tokens that the model has likely produced since it was asked; `None` if too little was measured.
    pub(crate) fn estimate(&self, model: &str, elapsed: Duration) -> Option<u64> {
        let paces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pace = paces.get(model)?;
        let (first, rates) = if pace.streamed.len() >= LEAST_ANSWERS {
            (nth(&pace.first, 2)?, &pace.streamed)
        } else {
            (Duration::ZERO, &pace.whole)
        };
        let rate = (rates.len() >= LEAST_ANSWERS).then(|| nth(rates, 10))??;
        let tokens = elapsed.saturating_sub(first).as_secs_f64() * rate;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of tokens; beyond the range it saturates"
        )]
        Some(tokens as u64)
    }

    fn with(&self, model: &str, change: impl FnOnce(&mut Pace)) {
        let mut paces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pace) = paces.get_mut(model) {
            change(pace);
        } else if paces.len() < MOST_MODELS {
            change(paces.entry(model.to_owned()).or_default());
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate needs no more precision")]
fn per_second(tokens: u64, seconds: f64) -> f64 {
    tokens as f64 / seconds
}

fn push<T>(values: &mut VecDeque<T>, value: T) {
    if values.len() == MOST_ANSWERS {
        values.pop_front();
    }
    values.push_back(value);
}

/// The value above the smallest `1/part` of the values.
fn nth<T: Copy + PartialOrd>(values: &VecDeque<T>, part: usize) -> Option<T> {
    let mut sorted: Vec<T> = values.iter().copied().collect();
    sorted.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    sorted.get(sorted.len() / part).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn nothing_is_estimated_before_enough_was_measured() {
        let paces = Paces::default();
        for _ in 0..LEAST_ANSWERS - 1 {
            paces.streamed("m", SECOND, 100, 11 * SECOND);
        }
        assert_eq!(paces.estimate("m", 60 * SECOND), None);
        paces.streamed("m", SECOND, 100, 11 * SECOND);
        assert_eq!(paces.estimate("m", 60 * SECOND), Some(590));
        assert_eq!(paces.estimate("m", SECOND / 2), Some(0));
        assert_eq!(paces.estimate("other", 60 * SECOND), None);
    }

    #[test]
    fn the_slow_decile_counts_from_the_median_first_token_on() {
        let paces = Paces::default();
        for index in 1..=100 {
            // From 1 to 100 tokens a second after the first token, which takes 1 to 100 seconds.
            let tokens = 200 * u64::from(index);
            paces.streamed("m", index * SECOND, tokens, (index + 200) * SECOND);
        }
        assert_eq!(paces.estimate("m", 61 * SECOND), Some(10 * 11));
        assert_eq!(paces.estimate("m", 50 * SECOND), Some(0));
    }

    #[test]
    fn what_came_all_at_once_was_made_before() {
        let paces = Paces::default();
        for _ in 0..LEAST_ANSWERS {
            // Reasoning that is not shown for 30 seconds, and then 20 words.
            paces.streamed("m", 30 * SECOND, 3_920, 30 * SECOND + SECOND / 5);
            paces.streamed("quick", SECOND / 100, 100, SECOND / 50);
        }
        let estimate = paces.estimate("m", 15 * SECOND).expect("it was measured");
        assert!((1_900..2_000).contains(&estimate), "{estimate}");
        assert_eq!(paces.estimate("quick", SECOND), None);
    }

    #[test]
    fn whole_answers_count_where_no_streams_were_measured() {
        let paces = Paces::default();
        for _ in 0..LEAST_ANSWERS {
            paces.answered("m", 100, 10 * SECOND);
            paces.answered("m", 0, SECOND);
        }
        assert_eq!(paces.estimate("m", 5 * SECOND), Some(50));
    }
}
