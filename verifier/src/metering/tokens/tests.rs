//! Tests of token counting, for answers that are complete, split into chunks, and broken off.

use bytes::Bytes;
use farthing_wire::pricing::Usage;
use proptest::{collection, proptest};

use super::{Meter, of_answer, tokens};
use crate::metering::Produced;
use crate::metering::events::MAX_EVENT_BYTES;

const STREAM: &str = concat!(
    "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"hé\"}}]}\n\n",
    ": a comment\n\n",
    "data: {\"choices\":[{\"delta\":{\"content\":\"llo\"}}],\"usage\":null}\r\n\r\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n",
    "data: [DONE]\n\n",
);

fn counted(prompt_tokens: u64, completion_tokens: u64) -> Produced {
    Produced::Counted(Usage {
        prompt_tokens,
        completion_tokens,
        ..Usage::default()
    })
}

fn fed(pieces: &[&[u8]]) -> Meter {
    let mut meter = Meter::default();
    for piece in pieces {
        meter.feed(&Bytes::copy_from_slice(piece));
    }
    meter
}

#[test]
fn reads_the_usage_of_a_json_answer() {
    let body =
        br#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#;
    assert_eq!(of_answer(body), Some(counted(3, 4)));
    let response = br#"{"output":[],"usage":{"input_tokens":3,"output_tokens":4}}"#;
    assert_eq!(of_answer(response), Some(counted(3, 4)));
    let embedding = br#"{"data":[],"usage":{"prompt_tokens":3,"total_tokens":3}}"#;
    assert_eq!(of_answer(embedding), Some(counted(3, 0)));
}

#[test]
fn counts_a_json_answer_without_usage() {
    let text = "How many roads must a man walk down?";
    let expected = tokens(text);
    assert_eq!(expected, 9, "as OpenAI's own tokenizer says");
    for usage in ["", r#","usage":null"#, r#","usage":{"prompt_tokens":-1}"#] {
        let body = format!(
            r#"{{"choices":[{{"message":{{"role":"assistant","content":"{text}"}}}}]{usage}}}"#
        );
        assert_eq!(
            of_answer(body.as_bytes()),
            Some(Produced::Estimated(expected))
        );
    }
    let response = format!(
        r#"{{"output":[{{"type":"message","role":"assistant","content":[{{"type":"output_text","text":"{text}"}}]}}]}}"#
    );
    assert_eq!(
        of_answer(response.as_bytes()),
        Some(Produced::Estimated(expected))
    );
    for body in ["", "<html>", "{", "[1]", "7"] {
        assert_eq!(of_answer(body.as_bytes()), None, "{body}");
    }
}

#[test]
fn counts_tool_calls_as_text() {
    let body = r#"{"choices":[{"message":{"tool_calls":[{"id":"x","type":"function",
        "function":{"name":"ab","arguments":"{}"}}]}}]}"#;
    let expected = tokens("ab") + tokens("{}");
    assert_eq!(
        of_answer(body.as_bytes()),
        Some(Produced::Estimated(expected))
    );
}

#[test]
fn prefers_the_usage_of_a_stream() {
    let meter = fed(&[STREAM.as_bytes()]);
    assert_eq!(meter.complete(), counted(5, 2));
    // All of the text came before the count, so a cut after it changes nothing.
    assert_eq!(meter.cut(), counted(5, 2));
}

#[test]
fn the_chunk_with_nothing_but_usage_is_told_apart() {
    let mut meter = Meter::default();
    let passing = meter.feed(&Bytes::from_static(STREAM.as_bytes()));
    let usage: Vec<bool> = passing.iter().map(|part| part.is_usage_chunk).collect();
    assert_eq!(usage, [false, false, false, true, false]);
    let all: Vec<u8> = passing
        .iter()
        .flat_map(|part| part.bytes.to_vec())
        .collect();
    assert_eq!(all, STREAM.as_bytes());
    let text = "data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":5}}\n\n";
    let with_choice = meter.feed(&Bytes::from_static(text.as_bytes()));
    assert!(!with_choice[0].is_usage_chunk);
}

#[test]
fn a_count_older_than_the_text_is_a_lower_bound() {
    let stream = concat!(
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":0}}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"one two three\"}}]}\n\n",
    );
    let meter = fed(&[stream.as_bytes()]);
    assert_eq!(meter.cut(), counted(5, 3));
    assert_eq!(meter.complete(), counted(5, 0));
}

#[test]
fn counts_a_stream_that_was_cut() {
    let cut = STREAM.find(": a comment").expect("the text has it");
    let meter = fed(&[&STREAM.as_bytes()[..cut]]);
    let said = tokens("hé");
    assert_eq!(meter.cut(), Produced::Estimated(said));
    assert_eq!(meter.stopped(), Produced::Estimated(said));
    let nothing = fed(&[b"data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n"]);
    assert_eq!(nothing.cut(), Produced::Nothing);
    assert_eq!(nothing.stopped(), Produced::Estimated(0));
}

#[test]
fn counts_what_responses_add_once() {
    let stream = concat!(
        "event: response.output_text.delta\n",
        "data: {\"type\":\"response.output_text.delta\",\"delta\":\"one two\"}\n\n",
        "data: {\"type\":\"response.output_text.done\",\"text\":\"one two\"}\n\n",
        "data: {\"type\":\"response.output_item.done\",\"item\":{\"content\":[{\"text\":\"one two\"}]}}\n\n",
    );
    let meter = fed(&[stream.as_bytes()]);
    assert_eq!(meter.cut(), Produced::Estimated(2));
    let end = concat!(
        "data: {\"type\":\"response.completed\",\"response\":{\"output\":[{\"text\":\"one two\"}],",
        "\"usage\":{\"input_tokens\":5,\"output_tokens\":2}}}\n\n",
    );
    let meter = fed(&[stream.as_bytes(), end.as_bytes()]);
    assert_eq!(meter.complete(), counted(5, 2));
}

#[test]
fn counts_text_where_there_are_no_events() {
    let not_json = fed(&[b"data: one two three\n\n"]);
    assert_eq!(not_json.cut(), Produced::Estimated(3));
    let endless = " one".repeat(MAX_EVENT_BYTES / 4 + 1);
    let meter = fed(&[endless.as_bytes(), b" two"]);
    let expected = tokens(&endless) + 1;
    assert_eq!(meter.cut(), Produced::Estimated(expected));
}

#[test]
fn survives_what_is_not_text() {
    let mark = fed(&[b"\xef", b"\xbb\xbf", STREAM.as_bytes()]);
    assert_eq!(mark.complete(), counted(5, 2));
    let broken = b"data: {\"choices\":[{\"delta\":{\"content\":\"\xff\xc3\"}}]}\n\n";
    assert!(matches!(fed(&[broken]).cut(), Produced::Estimated(1..)));
    let usage = STREAM
        .find("data: {\"choices\":[],")
        .expect("the text has it");
    let usage = &STREAM.as_bytes()[usage..];
    assert_eq!(fed(&[broken, usage]).complete(), counted(5, 2));
}

#[test]
fn what_was_asked_for_is_exceeded_only_beyond_doubt() {
    let words = |count: usize| {
        let event = format!(
            "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n",
            " one".repeat(count)
        );
        fed(&[event.as_bytes()])
    };
    assert!(!words(100).exceeds(100));
    assert!(
        !words(264).exceeds(100),
        "another tokenizer may count twice as much"
    );
    assert!(words(265).exceeds(100));
    let reported =
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":101}}\n\n";
    let mut meter = fed(&[reported.as_bytes()]);
    assert!(
        !meter.exceeds(100),
        "the end of an answer is no reason to end it"
    );
    meter.feed(&Bytes::from_static(
        b"data: {\"choices\":[{\"text\":\"more\"}]}\n\n",
    ));
    assert!(meter.exceeds(100));
    assert!(!meter.exceeds(101));
}

proptest! {
    #[test]
    fn pieces_do_not_matter(cuts in collection::vec(0..STREAM.len(), 0..20)) {
        let mut cuts = cuts;
        cuts.extend([0, STREAM.len()]);
        cuts.sort_unstable();
        let mut meter = Meter::default();
        let mut passed = Vec::new();
        for cut in cuts.windows(2) {
            let piece = Bytes::copy_from_slice(&STREAM.as_bytes()[cut[0]..cut[1]]);
            for part in meter.feed(&piece) {
                passed.extend_from_slice(&part.bytes);
            }
        }
        assert_eq!(meter.complete(), counted(5, 2));
        assert_eq!(meter.said, tokens("hé") + tokens("llo"));
        assert_eq!(passed, STREAM.as_bytes());
    }
}
