//! Tests of every check of a receipt, and that the bytes of a receipt do not change.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_compact::alg::{Ed25519, VerifyingKey};
use jwt_compact::{Algorithm, AlgorithmExt, UntrustedToken};
use serde_json::{Value, json};
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;

use super::*;

pub(crate) fn settler() -> Keypair {
    Keypair::new_from_array([5; 32])
}

pub(crate) fn claims() -> Claims {
    Claims {
        iss: settler().pubkey(),
        sub: Pubkey::new_from_array([1; 32]),
        iat: 1_795_500_000,
        network: "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1".to_owned(),
        program: Pubkey::new_from_array([2; 32]),
        channel: Pubkey::new_from_array([3; 32]),
        domain: Domain([4; 32]),
        lane: 7,
        generation: 1,
        request: Some(Hash::new_from_array(request_digest(
            "POST",
            "/v1/chat/completions",
            "",
            b"{}",
        ))),
        sold: Some(Sold::Tokens(SoldTokens {
            model: "demo".to_owned(),
            usage: CountedUsage {
                input_tokens: 10,
                cached_tokens: 0,
                output_tokens: 5,
                reasoning_tokens: 0,
                counted_by: CountedBy::Upstream,
            },
            price: ModelPrice {
                input_per_million: BaseUnits(1_000_000),
                output_per_million: BaseUnits(2_000_000),
                ..ModelPrice::free(100)
            },
            tools: Vec::new(),
            maximum: BaseUnits(239),
        })),
        charged: BaseUnits(20),
        charged_total: BaseUnits(60),
    }
}

/// A token with any header and claims, validly signed by `key`.
fn signed(key: &Keypair, header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let data = format!("{}.{}", encode(header), encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(key.sign_message(data.as_bytes()));
    format!("{data}.{signature}")
}

fn header() -> Value {
    json!({"alg": "EdDSA", "typ": "farthing-receipt+jwt"})
}

#[test]
fn what_is_no_receipt_of_the_settler_is_refused() {
    let (key, who) = (settler(), settler().pubkey());
    let stranger = Keypair::new_from_array([6; 32]);
    let good = sign(&key, &claims());
    let json = serde_json::to_value(claims()).expect("claims are JSON");
    let with = |name: &str, value: Value| {
        let mut changed = json.clone();
        changed[name] = value;
        changed
    };
    assert_eq!(
        verify(&"e".repeat(8 * 1024 + 1), &who),
        Err(SignedReceiptError::TooLong)
    );
    for text in ["", "a.b", "a.b.c", "e30.e30.!", &good[..good.len() / 2]] {
        let refused = verify(text, &who);
        assert!(
            matches!(refused, Err(SignedReceiptError::Malformed(_))),
            "{text}: {refused:?}"
        );
    }
    let other_type = signed(&key, &json!({"alg": "EdDSA", "typ": "JWT"}), &json);
    assert_eq!(verify(&other_type, &who), Err(SignedReceiptError::Type));
    let no_type = signed(&key, &json!({"alg": "EdDSA"}), &json);
    assert_eq!(verify(&no_type, &who), Err(SignedReceiptError::Type));
    for algorithm in ["none", "HS256", "Ed25519"] {
        let header = json!({"alg": algorithm, "typ": "farthing-receipt+jwt"});
        let refused = verify(&signed(&key, &header, &json), &who);
        assert_eq!(
            refused,
            Err(SignedReceiptError::Algorithm(algorithm.to_owned()))
        );
    }
    let weak = Pubkey::new_from_array([0; 32]);
    assert_eq!(verify(&good, &weak), Err(SignedReceiptError::Key(weak)));
    for changed in [
        with("charged", json!(20)),
        with("charged", json!("-1")),
        with("lane", json!(65_536)),
        with("channel", json!("0OIl")),
        with("sold", json!({})),
        json!({}),
    ] {
        let refused = verify(&signed(&key, &header(), &changed), &who);
        assert!(
            matches!(refused, Err(SignedReceiptError::Claims(_))),
            "{changed}"
        );
    }
    let not_signed = Err(SignedReceiptError::Signature(who));
    assert_eq!(
        verify(&signed(&stranger, &header(), &json), &who),
        not_signed
    );
    let (_, signature) = good.rsplit_once('.').expect("it has three parts");
    let cheaper = signed(&stranger, &header(), &with("charged", json!("1")));
    let (data, _) = cheaper.rsplit_once('.').expect("it has three parts");
    assert_eq!(verify(&format!("{data}.{signature}"), &who), not_signed);
    // A signature of the wrong length is refused.
    assert_eq!(verify(&format!("{data}.AAAA"), &who), not_signed);
    let named = stranger.pubkey();
    let other_issuer = signed(&key, &header(), &with("iss", json!(named.to_string())));
    let expected = Err(SignedReceiptError::Issuer { named, signed: who });
    assert_eq!(verify(&other_issuer, &who), expected);
}

#[test]
fn a_receipt_says_what_was_signed() {
    let token = sign(&settler(), &claims());
    assert_eq!(verify(&token, &settler().pubkey()), Ok(claims()));
    assert_eq!(unverified(&token), Ok(claims()));
    let without = Claims {
        sold: None,
        ..claims()
    };
    let token = sign(&settler(), &without);
    assert_eq!(verify(&token, &settler().pubkey()), Ok(without));
    let charge = claims().sold.map(|sold| sold.charge());
    assert_eq!(charge, Some(BaseUnits(20)), "10 tokens at 1, 5 at 2");
}

#[test]
fn a_receipt_of_a_plain_route_says_what_came_and_went() {
    let sold = |set| {
        Sold::Route(SoldRoute {
            route: "POST /v1/audio/speech".to_owned(),
            usage: ByteUsage {
                request_bytes: 1_000_000,
                answer_bytes: 2_000_000,
            },
            price: RoutePrice {
                per_million_request_bytes: BaseUnits(3),
                ..RoutePrice::per_request(BaseUnits(100))
            },
            set,
            maximum: BaseUnits(103),
        })
    };
    for (set, charge) in [
        (None, 103),
        (Some(BaseUnits(40)), 40),
        (Some(BaseUnits(200)), 103),
    ] {
        assert_eq!(sold(set).charge(), BaseUnits(charge));
        let claims = Claims {
            sold: Some(sold(set)),
            ..claims()
        };
        let token = sign(&settler(), &claims);
        assert_eq!(verify(&token, &settler().pubkey()), Ok(claims));
    }
}

#[test]
fn a_library_that_knows_nothing_of_us_can_check_it() {
    let token = sign(&settler(), &claims());
    let token = UntrustedToken::new(&token).expect("a JWS");
    let key = <Ed25519 as Algorithm>::VerifyingKey::from_slice(settler().pubkey().as_ref());
    let key = key.expect("a key");
    let read = Ed25519.validator::<Value>(&key).validate(&token);
    let read = read.expect("it is signed");
    assert_eq!(read.claims().custom["chargedTotal"], "60");
    assert_eq!(read.header().key_id, Some(settler().pubkey().to_string()));
}

/// Pins a receipt's bytes: a stored answer is replayed with the receipt that it had, also by a later version.
#[test]
fn the_same_claims_give_the_same_bytes() {
    let token = sign(&settler(), &claims());
    let hash = Hash::new_from_array(sha256(&[token.as_bytes()])).to_string();
    assert_eq!(hash, "9nFJA8rJHxUDrz86zdjFs3VhcC65bWeTHqPYcj9EKZsH");
}

#[test]
fn no_receipt_can_be_a_transaction() {
    // A legacy transaction message begins with its number of signatures, a versioned one with a byte above 127.
    let token = sign(&settler(), &claims());
    let signatures = usize::from(token.as_bytes()[0]);
    assert_eq!(signatures, 101);
    assert!(signatures * 64 > 1_232, "they do not fit a packet");
}

#[test]
fn every_part_of_a_request_counts() {
    let requests = [
        ("POST", "/v1/a", "", "b"),
        ("GET", "/v1/a", "", "b"),
        ("POST", "/v1/ab", "", ""),
        ("POST", "/v1/a", "b", ""),
        ("POST", "/v1/a", "", "b?"),
        ("POST", "/v1/a", "", ""),
    ];
    let digests: std::collections::BTreeSet<_> = requests
        .iter()
        .map(|(method, path, query, body)| request_digest(method, path, query, body.as_bytes()))
        .collect();
    assert_eq!(digests.len(), requests.len());
}

#[test]
fn a_key_set_is_read_by_its_bytes() {
    let who = settler().pubkey();
    let set = KeySet::of(&who);
    let json = serde_json::to_value(&set).expect("a key set is JSON");
    assert_eq!(
        json,
        json!({"keys": [{
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": who.to_string(), "use": "sig",
            "x": URL_SAFE_NO_PAD.encode(who),
        }]})
    );
    assert_eq!(
        KeySet::from_json(json.to_string().as_bytes()),
        Ok(set.clone())
    );
    assert_eq!(set.require(&who), Ok(()));
    let other = Pubkey::new_from_array([9; 32]);
    assert_eq!(set.require(&other), Err(KeySetError::NoKey(other)));
    for (name, value) in [("kty", "EC"), ("crv", "X25519"), ("x", "AAAA")] {
        let mut changed = json.clone();
        changed["keys"][0][name] = Cow::Borrowed(value).into();
        let set = KeySet::from_json(changed.to_string().as_bytes()).expect("a key set");
        assert_eq!(set.require(&who), Err(KeySetError::NoKey(who)), "{name}");
    }
    for text in ["", "[]", "{}", r#"{"keys": [{}]}"#] {
        let refused = KeySet::from_json(text.as_bytes());
        assert!(matches!(refused, Err(KeySetError::Json(_))), "{text}");
    }
}
