//! Reads the committed test vectors, which were written by an implementation in another language.

use ed25519_dalek::{Signature, Signer, SigningKey};
use farthing_protocol::price::{TokenPrice, Tokens};
use farthing_protocol::state_query::StateQuery;
use farthing_protocol::statement::{StatementEntry, statement_bytes};
use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex, Voucher};
use serde_json::Value;

use crate::sha256;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../vectors/golden.json")).expect("golden.json is JSON")
}

fn cases<'a>(vectors: &'a Value, name: &str) -> &'a [Value] {
    let cases = vectors[name].as_array().expect("a list of cases");
    assert!(!cases.is_empty());
    cases
}

fn text<'a>(case: &'a Value, name: &str) -> &'a str {
    case[name].as_str().expect("a string")
}

fn bytes32(case: &Value, name: &str) -> [u8; 32] {
    let bytes = bs58::decode(text(case, name)).into_vec().expect("base58");
    bytes.try_into().expect("32 bytes")
}

fn number(case: &Value, name: &str) -> u64 {
    text(case, name).parse().expect("a decimal string")
}

fn small(case: &Value, name: &str) -> u16 {
    u16::try_from(case[name].as_u64().expect("a number")).expect("16 bits")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The message is the one in the vector, and so is the (deterministic) signature over it.
fn assert_signed(vectors: &Value, case: &Value, message: &[u8]) {
    assert_eq!(hex(message), text(case, "message_hex"));
    let seed: Vec<u8> = text(&vectors["lane_key"], "seed_hex")
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex"))
        .collect();
    let key = SigningKey::from_bytes(&seed.try_into().expect("32 bytes"));
    assert_eq!(
        key.verifying_key().to_bytes(),
        bytes32(&vectors["lane_key"], "public")
    );
    let expected = bs58::decode(text(case, "signature"))
        .into_vec()
        .expect("base58");
    let expected = Signature::from_slice(&expected).expect("64 bytes");
    assert_eq!(key.sign(message), expected);
    assert!(
        key.verifying_key()
            .verify_strict(message, &expected)
            .is_ok()
    );
}

#[test]
fn domains() {
    let vectors = vectors();
    for case in cases(&vectors, "domains") {
        let domain = Domain::of_channel(
            sha256,
            &bytes32(case, "program"),
            &bytes32(case, "genesis_hash"),
            &bytes32(case, "channel"),
            number(case, "opened_slot"),
        );
        assert_eq!(domain.0, bytes32(case, "domain"));
    }
}

#[test]
fn vouchers() {
    let vectors = vectors();
    for case in cases(&vectors, "vouchers") {
        let voucher = Voucher {
            domain: Domain(bytes32(case, "domain")),
            lane: LaneIndex(small(case, "lane")),
            generation: Generation(small(case, "generation")),
            authorized: BaseUnits(number(case, "authorized")),
        };
        assert_signed(&vectors, case, &voucher.to_bytes());
        assert_eq!(Voucher::from_bytes(&voucher.to_bytes()), Ok(voucher));
    }
}

#[test]
fn statements() {
    let vectors = vectors();
    for case in cases(&vectors, "statements") {
        let entries: Vec<_> = cases(case, "entries")
            .iter()
            .map(|entry| StatementEntry {
                lane: LaneIndex(small(entry, "lane")),
                generation: Generation(small(entry, "generation")),
                debit_to: BaseUnits(number(entry, "debit_to")),
            })
            .collect();
        let domain = Domain(bytes32(case, "domain"));
        let message = statement_bytes(sha256, &domain, &entries).expect("valid entries");
        assert_signed(&vectors, case, &message);
    }
}

#[test]
fn state_queries() {
    let vectors = vectors();
    for case in cases(&vectors, "state_queries") {
        let query = StateQuery {
            domain: Domain(bytes32(case, "domain")),
            lane: LaneIndex(small(case, "lane")),
            generation: Generation(small(case, "generation")),
            unix_seconds: number(case, "unix_seconds"),
        };
        assert_signed(&vectors, case, &query.to_bytes());
        assert_eq!(StateQuery::from_bytes(&query.to_bytes()), Ok(query));
    }
}

#[test]
fn prices() {
    let vectors = vectors();
    for case in cases(&vectors, "prices") {
        let price = TokenPrice {
            input_per_million: BaseUnits(number(case, "input_per_million")),
            output_per_million: BaseUnits(number(case, "output_per_million")),
            per_request: BaseUnits(number(case, "per_request")),
            minimum: BaseUnits(number(case, "minimum")),
            ..TokenPrice::default()
        };
        let tokens = Tokens {
            input: number(case, "input_tokens"),
            output: number(case, "output_tokens"),
            ..Tokens::default()
        };
        let computed = price.of(tokens);
        assert_eq!(
            computed,
            price.maximum(tokens.input, tokens.output),
            "{case}"
        );
        let expected = case["price"]
            .as_str()
            .map(|text| text.parse().expect("decimal"));
        assert_eq!(computed, expected, "{case}");
    }
}
