//! The answers of the demo model: words chosen by the request's seed.

use farthing_wire::pricing::Usage;
use serde_json::{Value, json};

use super::LONG_MODEL;
use super::request::Request;

/// The shortest answer that is not cut off by `max_tokens`.
const MIN_TOKENS: u64 = 12;
/// The longest answer.
const MAX_TOKENS: u64 = 48;
/// One word, with the space after it, is one token.
const WORDS: [&str; 32] = [
    "a",
    "agent",
    "and",
    "answers",
    "asks",
    "buys",
    "cent",
    "channel",
    "coin",
    "counts",
    "each",
    "escrow",
    "every",
    "farthing",
    "for",
    "inference",
    "keeps",
    "lane",
    "less",
    "one",
    "pays",
    "price",
    "question",
    "signs",
    "small",
    "swarm",
    "than",
    "the",
    "thought",
    "token",
    "voucher",
    "with",
];

/// One answer, before it is rendered as one object or as a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Completion {
    id: String,
    model: String,
    words: Vec<&'static str>,
    finish_reason: &'static str,
    prompt_tokens: u64,
}

/// One event of a streamed answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chunk {
    pub json: Value,
    /// Number of tokens of the answer up to and including this event, which determines when the event is sent.
    pub tokens: u64,
}

impl Completion {
    pub(super) fn of(request: &Request) -> Self {
        let mut state = request.seed;
        let wanted = MIN_TOKENS + splitmix(&mut state) % (MAX_TOKENS - MIN_TOKENS + 1);
        let wanted = if request.model == LONG_MODEL {
            request.max_tokens
        } else {
            wanted
        };
        let length = wanted.min(request.max_tokens);
        let words = (0..length)
            .map(|_| WORDS[(splitmix(&mut state) % WORDS.len() as u64) as usize])
            .collect();
        Self {
            id: format!("chatcmpl-demo-{:016x}", request.seed),
            model: request.model.clone(),
            words,
            finish_reason: if length < wanted { "length" } else { "stop" },
            prompt_tokens: request.prompt_tokens,
        }
    }

    pub(super) fn usage(&self) -> Usage {
        Usage {
            prompt_tokens: self.prompt_tokens,
            completion_tokens: self.words.len() as u64,
            ..Usage::default()
        }
    }

    /// The whole answer as one object.
    pub(super) fn answer(&self) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion",
            "created": 0,
            "model": self.model,
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": self.words.join(" "), "refusal": null},
                "logprobs": null,
                "finish_reason": self.finish_reason,
            }],
            "usage": self.usage_json(),
        })
    }

    /// The answer as events: the role, the tokens, the finish reason, and the usage if requested.
    pub(super) fn chunks(&self, include_usage: bool) -> Vec<Chunk> {
        let choice = |delta: Value, finish_reason: Value| json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason}]);
        let last = self.words.len().saturating_sub(1);
        let role = choice(json!({"role": "assistant", "content": ""}), Value::Null);
        let tokens = self.words.iter().enumerate().map(|(index, word)| {
            let space = if index < last { " " } else { "" };
            choice(json!({"content": format!("{word}{space}")}), Value::Null)
        });
        let length = self.usage().completion_tokens;
        let mut chunks = vec![self.chunk(role, 0)];
        chunks.extend(
            (1..)
                .zip(tokens)
                .map(|(count, choices)| self.chunk(choices, count)),
        );
        chunks.push(self.chunk(choice(json!({}), self.finish_reason.into()), length));
        if include_usage {
            let mut usage = self.chunk(json!([]), length);
            usage.json["usage"] = self.usage_json();
            chunks.push(usage);
        }
        chunks
    }

    fn chunk(&self, choices: Value, tokens: u64) -> Chunk {
        let json = json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": 0,
            "model": self.model,
            "choices": choices,
        });
        Chunk { json, tokens }
    }

    fn usage_json(&self) -> Value {
        let usage = self.usage();
        json!({
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        })
    }
}

/// SplitMix64: the next number of a sequence that its seed decides.
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(seed: u64, max_tokens: u64) -> Request {
        Request {
            model: super::super::MODEL.to_owned(),
            prompt_tokens: 7,
            max_tokens,
            stream: false,
            include_usage: false,
            seed,
        }
    }

    #[test]
    fn usage_follows_from_the_input() {
        let lengths: Vec<u64> = (0..64)
            .map(|seed| Completion::of(&request(seed, 96)).usage().completion_tokens)
            .collect();
        assert!(lengths.iter().all(|length| (12..=48).contains(length)));
        assert!(lengths.iter().any(|length| *length != lengths[0]));
        assert_eq!(
            Completion::of(&request(5, 96)),
            Completion::of(&request(5, 96))
        );
    }

    #[test]
    fn max_tokens_cuts_it_off() {
        let completion = Completion::of(&request(1, 3));
        assert_eq!(completion.usage().completion_tokens, 3);
        assert_eq!(completion.answer()["choices"][0]["finish_reason"], "length");
    }

    #[test]
    fn both_forms_say_the_same() {
        let completion = Completion::of(&request(9, 96));
        let chunks = completion.chunks(true);
        let streamed: String = chunks
            .iter()
            .filter_map(|chunk| chunk.json.pointer("/choices/0/delta/content")?.as_str())
            .collect();
        let answer = completion.answer();
        assert_eq!(
            answer["choices"][0]["message"]["content"],
            streamed.as_str()
        );
        let usage = chunks.last().map(|chunk| &chunk.json["usage"]);
        assert_eq!(usage, Some(&answer["usage"]));
        assert!(
            completion
                .chunks(false)
                .iter()
                .all(|chunk| chunk.json.get("usage").is_none())
        );
    }
}
