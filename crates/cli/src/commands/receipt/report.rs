//! Result of `farthing receipt verify`. The JSON contains the claims as they were signed.

use std::fmt;

use farthing_wire::amount::Usdc;
use farthing_wire::receipt::{Claims, CountedBy, Sold};
use serde::Serialize;

use crate::output::facts;

/// The authority on which the settler is believed to be the provider's.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Trust {
    /// The chain: the settler is that of the receipt's channel.
    Chain,
    /// The caller, who named the settler with `--settler`.
    Settler,
    /// The provider's published key set, given with `--url`.
    KeySet,
}

/// A receipt that was verified.
#[derive(Debug, Serialize)]
pub(super) struct Verified {
    verified: bool,
    trust: Trust,
    /// Whether the receipt was compared with a given request.
    request_compared: bool,
    claims: Claims,
}

impl Verified {
    pub(super) const fn new(claims: Claims, trust: Trust, request_compared: bool) -> Self {
        Self {
            verified: true,
            trust,
            request_compared,
            claims,
        }
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let claims = &self.claims;
        let trust = match self.trust {
            Trust::Chain => "the channel's settler, as read from the chain",
            Trust::Settler => "the settler given with --settler",
            Trust::KeySet => {
                "a settler in the provider's own key set (not checked against the chain)"
            }
        };
        writeln!(f, "signed by {trust}")?;
        let mut rows = vec![
            ("settler", claims.iss.to_string()),
            ("paid by", claims.sub.to_string()),
            ("issued", format!("{} (Unix time)", claims.iat)),
            ("network", claims.network.clone()),
            ("program", claims.program.to_string()),
            ("channel", claims.channel.to_string()),
            (
                "lane",
                format!("{}, generation {}", claims.lane, claims.generation),
            ),
            (
                "request",
                match claims.request {
                    Some(request) if self.request_compared => {
                        format!("{request}, matches the given request")
                    }
                    Some(request) => request.to_string(),
                    None => "not included: the receipt was issued through a facilitator".to_owned(),
                },
            ),
        ];
        if let Some(sold) = &claims.sold {
            rows.extend(goods(sold));
            rows.push(("at most", format!("{} USDC", Usdc(sold.maximum()))));
        }
        rows.extend([
            ("charged", format!("{} USDC", Usdc(claims.charged))),
            (
                "lane's total",
                format!("{} USDC", Usdc(claims.charged_total)),
            ),
        ]);
        facts(rows).fmt(f)
    }
}

fn goods(sold: &Sold) -> [(&'static str, String); 2] {
    match sold {
        Sold::Tokens(sold) => {
            let counted_by = match sold.usage.counted_by {
                CountedBy::Upstream => "the model's server",
                CountedBy::Estimate => "the provider",
            };
            let (input, output) = (sold.usage.input_tokens, sold.usage.output_tokens);
            let usage = format!("{input} tokens in, {output} out, counted by {counted_by}");
            [("model", sold.model.clone()), ("usage", usage)]
        }
        Sold::Route(sold) => {
            let (request, answer) = (sold.usage.request_bytes, sold.usage.answer_bytes);
            let usage = format!("{request} bytes in, {answer} out");
            [("route", sold.route.clone()), ("usage", usage)]
        }
    }
}
