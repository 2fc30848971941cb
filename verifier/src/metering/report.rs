//! The usage that upstreams report, in all the shapes in which they do.
//!
//! A report is believed unless it contradicts the answer: a count of zero beside text is no count. What is missing is
//! counted here, and the receipt says so.

use std::collections::BTreeMap;

use farthing_wire::receipt::CountedBy;
use serde_json::Value;

use super::produced::{Count, Produced};

/// One token of any vocabulary stands for at most this many tokens of the tokenizer that counts here. A report of fewer
/// contradicts the text.
const MOST_PER_TOKEN: u64 = 16;

/// Where the reports are, in an answer, a chunk or an event.
const PLACES: [&str; 7] = [
    "/usage",
    "/response/usage",
    "/message/usage",
    "/x_groq/usage",
    "/choices/0/usage",
    "/choices/0/delta/usage",
    "/usageMetadata",
];

const INPUT: [&str; 5] = [
    "/prompt_tokens",
    "/input_tokens",
    "/promptTokenCount",
    "/prompt_eval_count",
    "/inputTokens",
];
const CACHED: [&str; 8] = [
    "/prompt_tokens_details/cached_tokens",
    "/input_tokens_details/cached_tokens",
    "/prompt_cache_hit_tokens",
    "/cached_tokens",
    "/num_cached_tokens",
    "/cachedContentTokenCount",
    "/cache_read_input_tokens",
    "/cacheReadInputTokens",
];
/// Cached input that is not part of the input, in Anthropic's API and in Bedrock's.
const BESIDE_INPUT: [&str; 4] = [
    "/cache_read_input_tokens",
    "/cache_creation_input_tokens",
    "/cacheReadInputTokens",
    "/cacheWriteInputTokens",
];
const OUTPUT: [&str; 5] = [
    "/completion_tokens",
    "/output_tokens",
    "/candidatesTokenCount",
    "/eval_count",
    "/outputTokens",
];
const REASONING: [&str; 4] = [
    "/completion_tokens_details/reasoning_tokens",
    "/output_tokens_details/reasoning_tokens",
    "/reasoning_tokens",
    "/thoughtsTokenCount",
];
const TOTAL: [&str; 3] = ["/total_tokens", "/totalTokenCount", "/totalTokens"];

/// What an upstream reported, each number where it did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Report {
    input: Option<u64>,
    cached: Option<u64>,
    output: Option<u64>,
    reasoning: Option<u64>,
    total: Option<u64>,
    calls: BTreeMap<String, u64>,
}

impl Report {
    /// Reads the report in an answer, a chunk or an event; `None` if there is none.
    pub(super) fn of(value: &Value) -> Option<Self> {
        let mut places = PLACES.iter().filter_map(|place| value.pointer(place));
        places
            .find_map(Self::read)
            .or_else(|| Self::of_timings(value.get("timings")?))
    }

    /// Reads a `usage` object; `None` if it has no number.
    fn read(usage: &Value) -> Option<Self> {
        let number = |names: &[&str]| {
            let mut values = names.iter().filter_map(|name| usage.pointer(name));
            values.find_map(whole)
        };
        let mut input = number(&INPUT);
        if usage.get("prompt_tokens").is_none() && usage.get("input_tokens_details").is_none() {
            // These APIs count cached input beside the input.
            let beside = BESIDE_INPUT.iter().filter_map(|name| usage.pointer(name));
            let beside: u64 = beside.filter_map(whole).fold(0, u64::saturating_add);
            input = input.map(|input| input.saturating_add(beside));
        }
        let calls = usage.get("server_tool_use").and_then(Value::as_object);
        let calls = calls.into_iter().flatten().filter_map(|(name, calls)| {
            let name = name.strip_suffix("_requests")?;
            Some((name.to_owned(), whole(calls)?))
        });
        let report = Self {
            input,
            cached: number(&CACHED),
            output: number(&OUTPUT),
            reasoning: number(&REASONING),
            total: number(&TOTAL),
            calls: calls.collect(),
        };
        (report != Self::default()).then_some(report)
    }

    /// The timings of llama.cpp, whose `prompt_n` leaves out what was cached.
    fn of_timings(timings: &Value) -> Option<Self> {
        let number = |name: &str| timings.get(name).and_then(whole);
        let cached = number("cache_n").unwrap_or(0);
        Some(Self {
            input: Some(number("prompt_n")?.saturating_add(cached)),
            cached: Some(cached),
            output: Some(number("predicted_n")?),
            ..Self::default()
        })
    }

    /// Adds a later report of the same answer: what it says replaces what was said before, but a zero says nothing.
    pub(super) fn update(&mut self, later: Self) {
        let newest = |earlier: Option<u64>, later: Option<u64>| match later {
            None | Some(0) => earlier.or(later),
            later => later,
        };
        self.input = newest(self.input, later.input);
        self.cached = newest(self.cached, later.cached);
        self.output = newest(self.output, later.output);
        self.reasoning = newest(self.reasoning, later.reasoning);
        self.total = newest(self.total, later.total);
        self.calls.extend(later.calls);
    }

    /// The output tokens that it names.
    pub(super) fn output(&self) -> Option<u64> {
        self.reconciled().2
    }

    /// Input, cached input, output and reasoning, after what its numbers say of each other.
    fn reconciled(&self) -> (Option<u64>, u64, Option<u64>, u64) {
        let cached = self.cached.unwrap_or(0);
        let reasoning = self.reasoning.unwrap_or(0);
        let (mut input, mut output) = (self.input, self.output);
        match (input, output, self.total) {
            (Some(known), None, Some(total)) if total >= known => output = Some(total - known),
            (None, Some(known), Some(total)) if total > known => input = Some(total - known),
            (Some(of_input), Some(of_output), Some(total)) => {
                let beyond = total.saturating_sub(of_input.saturating_add(of_output));
                if beyond > 0 && beyond == cached {
                    input = Some(of_input.saturating_add(beyond));
                } else if beyond >= reasoning / 2 {
                    // Thinking that is only part of the total. A total that is off by a few is none.
                    output = Some(of_output.saturating_add(beyond));
                }
            }
            _ => {}
        }
        if let Some(of_output) = output.filter(|output| *output > 0 && reasoning > *output) {
            // Reasoning is a part of the output everywhere else.
            output = Some(of_output.saturating_add(reasoning));
        }
        let cached = cached.min(input.unwrap_or(0));
        (input, cached, output, reasoning.min(output.unwrap_or(0)))
    }

    /// What an answer produced, of whose text `said` tokens were counted here. `is_outdated` says that text followed
    /// the report.
    pub(super) fn produced(
        &self,
        said: u64,
        is_outdated: bool,
        seen_calls: &BTreeMap<String, u64>,
    ) -> Produced {
        let (input, cached, output, reasoning) = self.reconciled();
        let believed = output.filter(|output| {
            let least = said.div_ceil(MOST_PER_TOKEN);
            *output >= least && !(*output == 0 && said > 0)
        });
        let (output, by) = match believed {
            Some(output) if is_outdated && said > output => (said, CountedBy::Estimate),
            Some(output) => (output, CountedBy::Upstream),
            // An answer without any text needs no count of it: embeddings have only an input.
            None if said == 0 && input.is_some() => (0, CountedBy::Upstream),
            None => (said, CountedBy::Estimate),
        };
        let mut calls = seen_calls.clone();
        for (name, number) in &self.calls {
            let seen = calls.entry(name.clone()).or_default();
            *seen = (*seen).max(*number);
        }
        Produced::Tokens(Count {
            // Every answer has an input.
            input: input.filter(|input| *input > 0),
            cached,
            output,
            reasoning: reasoning.min(output),
            by,
            calls,
        })
    }
}

/// A count, also if it is written as a float or as text. Anything else is no count.
fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => whole(&Value::Number(text.trim().parse().ok()?)),
        _ => value.as_u64().or_else(|| {
            let number = value.as_f64().filter(|number| *number >= 0.0)?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "beyond the range it saturates"
            )]
            Some(number.ceil() as u64)
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Input, cached input, output and reasoning of a report beside this many tokens of text, and whether the upstream
    /// counted all of it. An input of 0 is to be counted here.
    fn read(usage: &Value, said: u64) -> (u64, u64, u64, u64, bool) {
        let report = Report::of(&json!({"usage": usage})).unwrap_or_default();
        let produced = report.produced(said, false, &BTreeMap::new());
        let count = produced.count().expect("tokens").clone();
        let (usage, by) = count.usage(|| 0);
        (
            usage.prompt_tokens,
            usage.cached_tokens,
            usage.completion_tokens,
            usage.reasoning_tokens,
            by == CountedBy::Upstream,
        )
    }

    #[test]
    fn every_shape_of_usage_is_read() {
        for (source, usage, said, expected) in [
            (
                "OpenAI",
                json!({"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14,
                "prompt_tokens_details": {"cached_tokens": 3}, "completion_tokens_details": {"reasoning_tokens": 4}}),
                5,
                (5, 3, 9, 4, true),
            ),
            (
                "Responses",
                json!({"input_tokens": 5, "output_tokens": 9, "total_tokens": 14,
                "input_tokens_details": {"cached_tokens": 3}, "output_tokens_details": {"reasoning_tokens": 4}}),
                5,
                (5, 3, 9, 4, true),
            ),
            (
                "embeddings",
                json!({"prompt_tokens": 5, "total_tokens": 5}),
                0,
                (5, 0, 0, 0, true),
            ),
            (
                "Anthropic",
                json!({"input_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20,
                "output_tokens": 9}),
                9,
                (125, 100, 9, 0, true),
            ),
            (
                "Bedrock",
                json!({"inputTokens": 5, "outputTokens": 9, "cacheReadInputTokens": 100, "totalTokens": 114}),
                9,
                (105, 100, 9, 0, true),
            ),
            (
                "LiteLLM for Anthropic",
                json!({"prompt_tokens": 125, "completion_tokens": 9, "total_tokens": 134,
                "cache_read_input_tokens": 100}),
                9,
                (125, 100, 9, 0, true),
            ),
            (
                "DeepSeek",
                json!({"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010,
                "prompt_cache_hit_tokens": 900, "prompt_cache_miss_tokens": 100}),
                1,
                (1000, 900, 10, 0, true),
            ),
            (
                "Moonshot",
                json!({"prompt_tokens": 10, "completion_tokens": 3, "cached_tokens": 8}),
                3,
                (10, 8, 3, 0, true),
            ),
            (
                "xAI: reasoning beside the completion",
                json!({"prompt_tokens": 32, "completion_tokens": 9,
                "total_tokens": 135, "completion_tokens_details": {"reasoning_tokens": 94}}),
                1,
                (32, 0, 103, 94, true),
            ),
            (
                "reasoning beside, without a total",
                json!({"prompt_tokens": 32, "completion_tokens": 9,
                "completion_tokens_details": {"reasoning_tokens": 94}}),
                1,
                (32, 0, 103, 94, true),
            ),
            (
                "Gemini: thinking only in the total",
                json!({"prompt_tokens": 32, "completion_tokens": 9,
                "total_tokens": 135}),
                1,
                (32, 0, 103, 0, true),
            ),
            (
                "Gemini's own",
                json!({"promptTokenCount": 5, "candidatesTokenCount": 9, "totalTokenCount": 14}),
                1,
                (5, 0, 9, 0, true),
            ),
            (
                "floats",
                json!({"prompt_tokens": 50.0, "completion_tokens": 40.0}),
                3,
                (50, 0, 40, 0, true),
            ),
            (
                "text",
                json!({"prompt_tokens": "50", "completion_tokens": "40"}),
                3,
                (50, 0, 40, 0, true),
            ),
            (
                "zeros beside text",
                json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}),
                40,
                (0, 0, 40, 0, false),
            ),
            (
                "no input",
                json!({"prompt_tokens": 0, "completion_tokens": 40}),
                40,
                (0, 0, 40, 0, false),
            ),
            (
                "a placeholder",
                json!({"prompt_tokens": 5, "completion_tokens": 1}),
                400,
                (5, 0, 400, 0, false),
            ),
            (
                "a vocabulary of longer tokens",
                json!({"prompt_tokens": 5, "completion_tokens": 60}),
                360,
                (5, 0, 60, 0, true),
            ),
            (
                "negative",
                json!({"prompt_tokens": -5, "completion_tokens": 3}),
                3,
                (0, 0, 3, 0, false),
            ),
            (
                "only a total",
                json!({"total_tokens": 90}),
                40,
                (0, 0, 40, 0, false),
            ),
            (
                "a total and an input",
                json!({"prompt_tokens": 50, "total_tokens": 90}),
                40,
                (50, 0, 40, 0, true),
            ),
            (
                "more cached than read",
                json!({"prompt_tokens": 5, "completion_tokens": 3,
                "prompt_tokens_details": {"cached_tokens": 9}}),
                3,
                (5, 5, 3, 0, true),
            ),
            (
                "beyond 64 bits",
                json!({"prompt_tokens": 1e30, "completion_tokens": 1}),
                1,
                (u64::MAX, 0, 1, 0, true),
            ),
            ("no object", json!("x"), 3, (0, 0, 3, 0, false)),
            ("none", json!(null), 3, (0, 0, 3, 0, false)),
        ] {
            assert_eq!(read(&usage, said), expected, "{source}");
        }
    }

    #[test]
    fn a_report_is_found_wherever_it_is() {
        let usage = json!({"prompt_tokens": 5, "completion_tokens": 9});
        for (place, value) in [
            ("chunk", json!({"usage": usage})),
            (
                "event",
                json!({"type": "response.completed", "response": {"usage": usage}}),
            ),
            (
                "message",
                json!({"type": "message_start", "message": {"usage": usage}}),
            ),
            ("Groq", json!({"x_groq": {"usage": usage}})),
            ("Moonshot", json!({"choices": [{"usage": usage}]})),
            (
                "llama.cpp",
                json!({"timings": {"prompt_n": 3, "cache_n": 2, "predicted_n": 9}}),
            ),
        ] {
            let report = Report::of(&value).expect(place);
            assert_eq!((report.input, report.output), (Some(5), Some(9)), "{place}");
        }
        assert_eq!(Report::of(&json!({"usage": null, "choices": []})), None);
        assert_eq!(Report::of(&json!({"usage": {}})), None);
    }

    #[test]
    fn later_reports_replace_what_they_say() {
        let reports = |reports: &[Value]| {
            let mut whole = Report::default();
            for usage in reports {
                whole.update(Report::read(usage).expect("a report"));
            }
            (whole.input, whole.output)
        };
        let halves = [
            json!({"prompt_tokens": 50, "completion_tokens": 1}),
            json!({"completion_tokens": 40}),
        ];
        assert_eq!(reports(&halves), (Some(50), Some(40)));
        let growing = [
            json!({"prompt_tokens": 50, "completion_tokens": 1}),
            json!({"prompt_tokens": 50, "completion_tokens": 2}),
        ];
        assert_eq!(reports(&growing), (Some(50), Some(2)));
        let zeros = [
            json!({"prompt_tokens": 50, "completion_tokens": 40}),
            json!({"prompt_tokens": 0, "completion_tokens": 0}),
        ];
        assert_eq!(reports(&zeros), (Some(50), Some(40)));
    }
}
