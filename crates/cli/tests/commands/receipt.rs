//! Tests of `farthing receipt verify`: the ways to determine the settler, and what it refuses.

use farthing_protocol::{BaseUnits, Domain};
use farthing_wire::pricing::ModelPrice;
use farthing_wire::receipt::{
    Claims, CountedBy, CountedUsage, Sold, SoldTokens, request_digest, sign,
};
use serde_json::{Value, json};
use solana_sdk::hash::Hash;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;

use super::World;
use crate::terminal::{Terminal, error_of, text};

const BODY: &str = r#"{"model":"demo"}"#;

fn settler() -> Keypair {
    Keypair::new_from_array([5; 32])
}

fn claims() -> Claims {
    Claims {
        iss: settler().pubkey(),
        sub: Pubkey::new_from_array([1; 32]),
        iat: 1_795_500_000,
        network: "solana:x".to_owned(),
        program: Pubkey::new_from_array([2; 32]),
        channel: Pubkey::new_from_array([3; 32]),
        domain: Domain([4; 32]),
        lane: 7,
        generation: 0,
        request: Some(Hash::new_from_array(request_digest(
            "POST",
            "/v1/chat/completions",
            "",
            BODY.as_bytes(),
        ))),
        sold: Some(Sold::Tokens(SoldTokens {
            model: "demo".to_owned(),
            usage: CountedUsage {
                input_tokens: 10,
                cached_tokens: 0,
                output_tokens: 5,
                reasoning_tokens: 0,
                counted_by: CountedBy::Estimate,
            },
            price: ModelPrice {
                input_per_million: BaseUnits(2_000_000),
                ..ModelPrice::free(100)
            },
            tools: Vec::new(),
            maximum: BaseUnits(239),
        })),
        charged: BaseUnits(20),
        charged_total: BaseUnits(60),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_proves_nothing_is_refused_with_its_reason() {
    let terminal = Terminal::new("http://127.0.0.1:1");
    let write = |name: &str, content: &str| {
        std::fs::write(terminal.path(name), content).expect("the folder is writable");
    };
    write("good", &sign(&settler(), &claims()));
    let dear = Claims {
        charged: BaseUnits(21),
        ..claims()
    };
    write("dear", &sign(&settler(), &dear));
    write("none", "{}");
    write("token", "eyJhbGciOiJFZERTQSJ9.e30.AAAA");
    write("body", BODY);
    write("other-body", "{}");
    let who = settler().pubkey().to_string();
    let other = Keypair::new_from_array([6; 32]).pubkey().to_string();
    let by_settler = ["--settler", &who];
    for (exit, code, arguments, message) in [
        (2, "usage", vec!["missing"], "cannot read missing"),
        (
            2,
            "usage",
            vec!["none"],
            "there is no signed receipt in none",
        ),
        (1, "failed", vec!["token"], "the token is of another type"),
        (
            1,
            "failed",
            vec!["good", "--settler", &other],
            "is not signed by the settler",
        ),
        (
            1,
            "failed",
            vec!["dear"],
            "its price and usage make 20 base units and it charges 21",
        ),
        (
            1,
            "failed",
            vec!["good", "--body", "other-body"],
            "for another request than POST",
        ),
        (
            1,
            "failed",
            vec!["good", "--body", "body", "--path", "/v1/x"],
            "for another request",
        ),
        (
            1,
            "failed",
            vec!["good", "--body", "body", "--method", "GET"],
            "than GET /v1/chat",
        ),
    ] {
        let mut arguments = [&["receipt", "verify"][..], &arguments].concat();
        if !arguments.contains(&"--settler") {
            arguments.extend(by_settler);
        }
        let (found, said) = terminal.fails(exit, &arguments).await;
        assert_eq!(found, code, "{said}");
        assert!(said.contains(message), "{said}");
    }
    let (code, _) = terminal.fails(3, &["receipt", "verify", "good"]).await;
    assert_eq!(
        code, "rpc",
        "the chain is asked unless somebody else is named"
    );
    let url = ["receipt", "verify", "good", "--url", "http://127.0.0.1:1"];
    assert_eq!(terminal.fails(3, &url).await.0, "unreachable");
    let arguments = ["--json", "receipt", "verify", "good"];
    let mut alone = terminal.command(&arguments);
    let output = alone.env_remove("FARTHING_RPC_URL").output();
    let (code, message) = error_of(&output.expect("it starts"), 2, &arguments);
    assert_eq!(code, "usage");
    assert!(message.starts_with("say whom to believe"), "{message}");

    let arguments = [
        &["receipt", "verify", "good", "--body", "body"][..],
        &by_settler,
    ]
    .concat();
    let verified = terminal.ok(&arguments).await;
    let claims = serde_json::to_value(claims()).expect("claims are JSON");
    let expected = json!({
        "verified": true, "trust": "settler", "request_compared": true, "claims": claims,
    });
    assert_eq!(verified, expected);
}

/// Verifies a receipt of `farthing pay --json` with the settler from the chain and from the provider's key set.
pub(super) async fn check(world: &World, url: &str, channel: &str, paid: &Value) {
    let path = world.path("paid.json");
    std::fs::write(&path, paid.to_string()).expect("the folder is writable");
    let by_chain = world.ok(&["receipt", "verify", "paid.json"]).await;
    let by_url = world
        .ok(&["receipt", "verify", "paid.json", "--url", url])
        .await;
    for (verified, trust) in [(by_chain, "chain"), (by_url, "key_set")] {
        assert_eq!(text(&verified, "trust"), trust);
        let claims = &verified["claims"];
        assert_eq!(text(claims, "iss"), world.settler.to_string());
        assert_eq!(text(claims, "channel"), channel);
        let charged = paid["receipt"]["charged"].as_u64().expect("base units");
        assert_eq!(text(claims, "charged"), charged.to_string());
    }
    // Receipts of made-up channels and of other programs are refused.
    let token = text(&paid["receipt"], "signed");
    let claims = farthing_wire::receipt::unverified(token).expect("a receipt");
    let forged = |change: fn(&mut Claims)| {
        let mut forged = Claims {
            iss: settler().pubkey(),
            ..claims.clone()
        };
        change(&mut forged);
        sign(&settler(), &forged)
    };
    for (token, message) in [
        (forged(|_| ()), "is not signed by the settler"),
        (
            forged(|claims| claims.program = claims.channel),
            "is about the program",
        ),
        (
            forged(|claims| claims.channel = claims.sub),
            "there is no channel at",
        ),
        (
            forged(|claims| claims.domain.0[0] ^= 1),
            "about another channel that had the address",
        ),
        (
            forged(|claims| claims.lane = 999),
            "the channel has no lane 999",
        ),
        (
            forged(|claims| claims.sub = claims.channel),
            "belongs to another key",
        ),
    ] {
        std::fs::write(world.path("forged"), token).expect("the folder is writable");
        let (_, said) = world.fails(1, &["receipt", "verify", "forged"]).await;
        assert!(said.contains(message), "{said}");
    }
}
