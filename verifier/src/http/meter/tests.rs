//! What answers use, whole, in pieces, and broken.

use bytes::Bytes;
use farthing_client::pricing::Usage;
use proptest::{collection, proptest};

use super::{MAX_EVENT_BYTES, Meter, of_answer};
use crate::http::bill::Produced;

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
    })
}

fn fed(pieces: &[&[u8]]) -> Meter {
    let mut meter = Meter::new();
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
}

#[test]
fn estimates_a_json_answer_without_usage() {
    for usage in ["", r#","usage":null"#, r#","usage":{"prompt_tokens":-1}"#] {
        let body = format!(
            r#"{{"choices":[{{"message":{{"role":"assistant","content":"12345678"}}}}]{usage}}}"#
        );
        assert_eq!(of_answer(body.as_bytes()), Some(Produced::Bytes(8)));
    }
    for body in ["", "<html>", "{", "[1]", "7"] {
        assert_eq!(of_answer(body.as_bytes()), None, "{body}");
    }
}

#[test]
fn counts_tool_calls_as_text() {
    let body = r#"{"choices":[{"message":{"tool_calls":[{"id":"x","type":"function",
        "function":{"name":"ab","arguments":"{}"}}]}}]}"#;
    assert_eq!(of_answer(body.as_bytes()), Some(Produced::Bytes(4)));
}

#[test]
fn prefers_the_usage_of_a_stream() {
    let meter = fed(&[STREAM.as_bytes()]);
    assert_eq!(meter.complete(), counted(5, 2));
    // All of the text came before the count, so a cut after it changes nothing.
    assert_eq!(meter.cut(), counted(5, 2));
}

#[test]
fn a_count_older_than_the_text_is_a_lower_bound() {
    let stream = concat!(
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":0}}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"123456789\"}}]}\n\n",
    );
    let meter = fed(&[stream.as_bytes()]);
    assert_eq!(meter.cut(), counted(5, 3));
    assert_eq!(meter.complete(), counted(5, 0));
}

#[test]
fn estimates_a_stream_that_was_cut() {
    let cut = STREAM.find(": a comment").expect("the text has it");
    let meter = fed(&[&STREAM.as_bytes()[..cut]]);
    assert_eq!(meter.cut(), Produced::Bytes(3));
    assert_eq!(meter.stopped(), Produced::Bytes(3));
    let nothing = fed(&[b"data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n"]);
    assert_eq!(nothing.cut(), Produced::Nothing);
    assert_eq!(nothing.stopped(), Produced::Bytes(0));
}

#[test]
fn counts_bytes_where_there_are_no_events() {
    let not_json = fed(&[b"data: 123 456\n\n"]);
    assert_eq!(not_json.cut(), Produced::Bytes(7));
    let endless = vec![b'x'; MAX_EVENT_BYTES / 2 + 1];
    let meter = fed(&[&endless, &endless, b"1234"]);
    let expected = 2 * endless.len() as u64 + 4;
    assert_eq!(meter.cut(), Produced::Bytes(expected));
}

#[test]
fn survives_what_is_not_text() {
    let usage = &STREAM.as_bytes()[STREAM
        .find("data: {\"choices\":[],")
        .expect("the text has it")..];
    let mark = fed(&[b"\xef", b"\xbb\xbf", STREAM.as_bytes()]);
    assert_eq!(mark.complete(), counted(5, 2));
    assert_eq!(mark.content_bytes, 6);
    let broken = b"data: {\"choices\":[{\"delta\":{\"content\":\"\xff\xc3\"}}]}\n\n";
    assert_eq!(fed(&[broken]).cut(), Produced::Bytes(2));
    assert_eq!(fed(&[broken, usage]).complete(), counted(5, 2));
}

proptest! {
    #[test]
    fn pieces_do_not_matter(cuts in collection::vec(0..STREAM.len(), 0..20)) {
        let mut cuts = cuts;
        cuts.extend([0, STREAM.len()]);
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|cut| &STREAM.as_bytes()[cut[0]..cut[1]]).collect();
        let meter = fed(&pieces);
        assert_eq!(meter.complete(), counted(5, 2));
        assert_eq!(meter.content_bytes, 6);
    }
}
