//! Seeds of signed receipts, and of headers and claims to be signed.

use farthing_protocol::{BaseUnits, Domain};
use farthing_wire::pricing::ModelPrice;
use farthing_wire::receipt::{
    Claims, CountedBy, CountedUsage, Sold, SoldTokens, request_digest, sign,
};
use farthing_wire::x402::NETWORK_DEVNET;
use serde_json::{Value, json};
use solana_sdk::hash::Hash;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signer::Signer;

use super::Seed;
use crate::fuzz::receipt::{TO_SIGN, settler};

/// All seeds of receipts.
pub(super) fn receipts() -> Vec<Seed> {
    let sold = claims();
    let figures = Claims {
        sold: None,
        ..claims()
    };
    let header =
        json!({"alg": "EdDSA", "typ": "farthing-receipt+jwt", "kid": sold.iss.to_string()});
    let with = |field: &str, value: Value| {
        let mut claims = json!(sold);
        claims[field] = value;
        claims
    };
    let mut seeds = Vec::new();
    for (name, claims) in [("sold", &sold), ("figures", &figures)] {
        let token = sign(&settler(), claims);
        let bytes = [&[0], token.as_bytes()].concat();
        seeds.push(Seed::new("receipt", format!("token_{name}"), bytes));
    }
    for (name, header, claims) in [
        ("claims", header.clone(), json!(sold)),
        (
            "another_settler",
            header.clone(),
            with("iss", json!(Pubkey::default().to_string())),
        ),
        ("before_1970", header.clone(), with("iat", json!(-1))),
        ("far_future", header.clone(), with("iat", json!(u64::MAX))),
        (
            "other_type",
            json!({"alg": "EdDSA", "typ": "JWT"}),
            json!(sold),
        ),
        (
            "no_algorithm",
            json!({"alg": "none", "typ": "farthing-receipt+jwt"}),
            json!(sold),
        ),
    ] {
        let text = format!("{header}\n{claims}");
        let bytes = [&[TO_SIGN], text.as_bytes()].concat();
        seeds.push(Seed::new("receipt", format!("to_sign_{name}"), bytes));
    }
    seeds
}

fn claims() -> Claims {
    Claims {
        iss: settler().pubkey(),
        sub: Pubkey::new_from_array([1; 32]),
        iat: 1_795_500_000,
        network: NETWORK_DEVNET.to_owned(),
        program: Pubkey::new_from_array([2; 32]),
        channel: Pubkey::new_from_array([3; 32]),
        domain: Domain([4; 32]),
        lane: 7,
        generation: 1,
        request: Some(Hash::new_from_array(request_digest(
            "POST",
            "/v1/completions",
            "",
            b"{}",
        ))),
        sold: Some(Sold::Tokens(SoldTokens {
            model: "m".to_owned(),
            usage: CountedUsage {
                input_tokens: 10,
                cached_tokens: 4,
                output_tokens: 5,
                reasoning_tokens: 1,
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
