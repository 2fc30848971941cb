//! Tests of token counting, for answers that are complete, split into chunks, and broken off.

use bytes::Bytes;
use farthing_wire::pricing::{StreamUsage, Usage};
use farthing_wire::receipt::CountedBy;
use proptest::{collection, proptest};

use super::{Meter, of_answer, tokens};
use crate::metering::Produced;
use crate::metering::produced::Count;

const STREAM: &str = concat!(
    "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"hé\"}}]}\n\n",
    ": a comment\n\n",
    "data: {\"choices\":[{\"delta\":{\"content\":\"llo\"}}],\"usage\":null}\r\n\r\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n",
    "data: [DONE]\n\n",
);

fn counted(prompt_tokens: u64, completion_tokens: u64) -> Produced {
    Produced::Tokens(Count {
        input: Some(prompt_tokens),
        by: CountedBy::Upstream,
        ..Count::estimated(completion_tokens)
    })
}

fn fed(pieces: &[&[u8]]) -> Meter {
    let mut meter = Meter::new(StreamUsage::Hidden, false, true);
    for piece in pieces {
        meter.feed(&Bytes::copy_from_slice(piece));
    }
    meter
}

#[test]
fn reads_the_usage_of_a_json_answer() {
    let body =
        br#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#;
    assert_eq!(of_answer(body, true), Some(counted(3, 4)));
    let response = br#"{"output":[],"usage":{"input_tokens":3,"output_tokens":4}}"#;
    assert_eq!(of_answer(response, true), Some(counted(3, 4)));
    let embedding = br#"{"data":[],"usage":{"prompt_tokens":3,"total_tokens":3}}"#;
    assert_eq!(of_answer(embedding, true), Some(counted(3, 0)));
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
            of_answer(body.as_bytes(), true),
            Some(Produced::estimated(expected))
        );
    }
    let response = format!(
        r#"{{"output":[{{"type":"message","role":"assistant","content":[{{"type":"output_text","text":"{text}"}}]}}]}}"#
    );
    assert_eq!(
        of_answer(response.as_bytes(), true),
        Some(Produced::estimated(expected))
    );
    for body in ["", "<html>", "{", "[1]", "7"] {
        assert_eq!(of_answer(body.as_bytes(), true), None, "{body}");
    }
}

#[test]
fn counts_tool_calls_as_text() {
    let body = r#"{"choices":[{"message":{"tool_calls":[{"id":"x","type":"function",
        "function":{"name":"ab","arguments":"{}"}}]}}]}"#;
    let expected = tokens("ab") + tokens("{}");
    assert_eq!(
        of_answer(body.as_bytes(), true),
        Some(Produced::estimated(expected))
    );
}

#[test]
fn prefers_the_usage_of_a_stream() {
    let meter = fed(&[STREAM.as_bytes()]);
    assert_eq!(meter.produced(), counted(5, 2));
    // All of the text came before the count, so a cut after it changes nothing.
    assert_eq!(meter.produced(), counted(5, 2));
}

/// What passes of a stream.
fn passed(meter: &mut Meter, stream: &str) -> String {
    let parts = meter.feed(&Bytes::copy_from_slice(stream.as_bytes()));
    parts
        .iter()
        .map(|part| std::str::from_utf8(part).expect("text"))
        .collect()
}

#[test]
fn the_chunk_with_nothing_but_usage_is_shown_to_who_asked() {
    let usage =
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n";
    let mut hidden = Meter::new(StreamUsage::Hidden, false, true);
    assert_eq!(passed(&mut hidden, STREAM), STREAM.replace(usage, ""));
    let mut shown = Meter::new(StreamUsage::AtEnd, false, true);
    assert_eq!(passed(&mut shown, STREAM), STREAM);
    // A chunk with a choice passes, since it may end the answer.
    let last = "data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":5}}\n\n";
    let mut meter = Meter::new(StreamUsage::Hidden, false, true);
    assert_eq!(passed(&mut meter, last), last);
}

#[test]
fn reports_that_only_the_gateway_asked_for_are_taken_out() {
    let stream = concat!(
        "data: {\"z\":1,\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1}}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1}}\n\n",
    );
    let without = "data: {\"z\":1,\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    let end = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1}}\n\n";
    for (usage, expected) in [
        (StreamUsage::Hidden, without.to_owned()),
        (StreamUsage::AtEnd, format!("{without}{end}")),
        (StreamUsage::Continuous, stream.to_owned()),
    ] {
        let mut meter = Meter::new(usage, true, true);
        assert_eq!(passed(&mut meter, stream), expected);
        assert_eq!(meter.produced(), counted(5, 1));
    }
}

#[test]
fn an_error_costs_nothing_unless_something_was_said() {
    let error = "data: {\"error\":{\"message\":\"died\",\"code\":502}}\n\n";
    let started =
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1}}\n\n";
    assert_eq!(fed(&[error.as_bytes()]).produced(), Produced::Nothing);
    assert_eq!(
        fed(&[started.as_bytes(), error.as_bytes()]).produced(),
        Produced::Nothing
    );
    let said = "data: {\"choices\":[{\"delta\":{\"content\":\"one two\"}}]}\n\n";
    assert_eq!(
        fed(&[said.as_bytes(), error.as_bytes()]).produced(),
        Produced::estimated(2)
    );
    for whole in [
        r#"{"error":{"message":"x","code":429}}"#,
        r#"{"object":"error","message":"x"}"#,
        r#"{"choices":null,"usage":{"prompt_tokens":5,"completion_tokens":3}}"#,
        r#"{"detail":"Not Found"}"#,
    ] {
        assert_eq!(
            of_answer(whole.as_bytes(), true),
            Some(Produced::Nothing),
            "{whole}"
        );
    }
}

#[test]
fn messages_are_counted_by_their_two_halves() {
    let stream = concat!(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":50,\"output_tokens\":1}}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"one two\"}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"signature_delta\",\"signature\":\"c2ln\"}}\n\n",
    );
    let end = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{},\"usage\":{\"output_tokens\":40}}\n\n";
    let meter = fed(&[stream.as_bytes()]);
    assert_eq!(meter.said(), 2);
    assert_eq!(
        fed(&[stream.as_bytes(), end.as_bytes()]).produced(),
        counted(50, 40)
    );
    let whole = r#"{"type":"message","content":[{"type":"text","text":"one two"}],"usage":{"input_tokens":5,"output_tokens":2}}"#;
    assert_eq!(of_answer(whole.as_bytes(), true), Some(counted(5, 2)));
}

#[test]
fn data_lines_need_no_blank_lines_between_them() {
    let line = |index: u32| {
        format!(
            "data: {{\"choices\":[{{\"index\":{index},\"delta\":{{\"content\":\" one\"}}}}]}}\n"
        )
    };
    let lines: String = (0..3).map(line).collect();
    let end = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":3}}";
    for end in [format!("{end}\ndata: [DONE]\n"), end.to_owned()] {
        let mut meter = fed(&[lines.as_bytes(), end.as_bytes()]);
        meter.rest();
        assert_eq!(meter.said(), 3);
        assert_eq!(meter.produced(), counted(5, 3));
    }
}

#[test]
fn calls_of_the_upstreams_tools_are_counted() {
    let whole = r#"{"output":[{"type":"web_search_call"},{"type":"web_search_call"},{"type":"function_call","name":"f"}],
        "usage":{"input_tokens":5,"output_tokens":2}}"#;
    let Some(Produced::Tokens(count)) = of_answer(whole.as_bytes(), true) else {
        panic!("it is an answer");
    };
    assert_eq!(count.calls, [("web_search".to_owned(), 2)].into());
    let messages = r#"{"content":[],"usage":{"input_tokens":5,"output_tokens":2,"server_tool_use":{"web_search_requests":3}}}"#;
    let Some(Produced::Tokens(count)) = of_answer(messages.as_bytes(), true) else {
        panic!("it is an answer");
    };
    assert_eq!(count.calls, [("web_search".to_owned(), 3)].into());
}

#[test]
fn a_count_older_than_the_text_is_a_lower_bound() {
    let stream = concat!(
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":0}}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"one two three\"}}]}\n\n",
    );
    let meter = fed(&[stream.as_bytes()]);
    let estimated = Produced::Tokens(Count {
        input: Some(5),
        ..Count::estimated(3)
    });
    assert_eq!(meter.produced(), estimated);
}

#[test]
fn counts_a_stream_that_was_cut() {
    let cut = STREAM.find(": a comment").expect("the text has it");
    let meter = fed(&[&STREAM.as_bytes()[..cut]]);
    let said = tokens("hé");
    assert_eq!(meter.produced(), Produced::estimated(said));
    assert_eq!(meter.stopped(), Produced::estimated(said));
    let nothing = fed(&[b"data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n"]);
    assert_eq!(nothing.produced(), Produced::Nothing);
    assert_eq!(nothing.stopped(), Produced::estimated(0));
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
    assert_eq!(meter.produced(), Produced::estimated(2));
    let end = concat!(
        "data: {\"type\":\"response.completed\",\"response\":{\"output\":[{\"text\":\"one two\"}],",
        "\"usage\":{\"input_tokens\":5,\"output_tokens\":2}}}\n\n",
    );
    let meter = fed(&[stream.as_bytes(), end.as_bytes()]);
    assert_eq!(meter.produced(), counted(5, 2));
}

#[test]
fn counts_text_where_there_are_no_events() {
    let not_json = fed(&[b"data: one two three\n\n"]);
    assert_eq!(not_json.produced(), Produced::estimated(3));
    let endless = " one".repeat(100_000);
    let meter = fed(&[endless.as_bytes(), b" two"]);
    let expected = tokens(&endless) + 1;
    assert_eq!(meter.produced(), Produced::estimated(expected));
}

#[test]
fn survives_what_is_not_text() {
    let mark = fed(&[b"\xef", b"\xbb\xbf", STREAM.as_bytes()]);
    assert_eq!(mark.produced(), counted(5, 2));
    let broken = b"data: {\"choices\":[{\"delta\":{\"content\":\"\xff\xc3\"}}]}\n\n";
    assert!(matches!(fed(&[broken]).produced(), Produced::Tokens(_)));
    let usage = STREAM
        .find("data: {\"choices\":[],")
        .expect("the text has it");
    let usage = &STREAM.as_bytes()[usage..];
    assert_eq!(fed(&[broken, usage]).produced(), counted(5, 2));
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
        !words(864).exceeds(100),
        "another tokenizer may count an eighth as much"
    );
    assert!(words(865).exceeds(100));
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
        let mut meter = Meter::new(StreamUsage::AtEnd, false, true);
        let mut passed = Vec::new();
        for cut in cuts.windows(2) {
            let piece = Bytes::copy_from_slice(&STREAM.as_bytes()[cut[0]..cut[1]]);
            for part in meter.feed(&piece) {
                passed.extend_from_slice(&part);
            }
        }
        assert_eq!(meter.produced(), counted(5, 2));
        assert_eq!(meter.said(), tokens("hé") + tokens("llo"));
        assert_eq!(passed, STREAM.as_bytes());
    }
}

#[test]
fn reports_that_leave_out_choices_are_not_believed() {
    let usage = r#""usage":{"prompt_tokens":3,"completion_tokens":2}"#;
    let choice =
        |at: u8| format!(r#"{{"index":{at},"message":{{"content":"four score and seven"}}}}"#);
    let whole = format!(r#"{{"choices":[{},{}],{usage}}}"#, choice(0), choice(1));
    let Some(Produced::Tokens(count)) = of_answer(whole.as_bytes(), false) else {
        panic!("it is an answer");
    };
    assert_eq!(count.usage(|| 9), (usage_of(9, 8), CountedBy::Estimate));
    let mut meter = Meter::new(StreamUsage::AtEnd, false, false);
    let piece = |at: u8| {
        format!(
            "data: {{\"choices\":[{{\"index\":{at},\"delta\":{{\"content\":\"four score and seven\"}}}}]}}\n\n"
        )
    };
    let events = format!(
        "{}{}data: {{\"choices\":[],{usage}}}\n\n",
        piece(0),
        piece(1)
    );
    meter.feed(&events.into());
    let Produced::Tokens(count) = meter.produced() else {
        panic!("it is an answer");
    };
    assert_eq!(count.usage(|| 9), (usage_of(9, 8), CountedBy::Estimate));
}

fn usage_of(input: u64, output: u64) -> Usage {
    Usage {
        prompt_tokens: input,
        completion_tokens: output,
        ..Usage::default()
    }
}
