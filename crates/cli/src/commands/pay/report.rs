//! Results of `farthing pay`. Amounts are base units in JSON.

use std::fmt;

use farthing_protocol::BaseUnits;
use farthing_wire::amount::Usdc;
use farthing_wire::x402::{PaymentRequired, PaymentRequirements, SCHEME};
use serde::Serialize;

use super::answer::Answered;
use crate::commands::prices;
use crate::output::facts;

fn usdc(base_units: u64) -> String {
    format!("{} USDC", Usdc(BaseUnits(base_units)))
}

/// Result of a paid call.
#[derive(Debug, Serialize)]
pub struct Paid {
    answer: String,
    receipt: Option<ReceiptReport>,
    #[serde(skip)]
    shown: bool,
}

#[derive(Debug, Serialize)]
struct ReceiptReport {
    charged: u64,
    maximum: u64,
    charged_total: u64,
    reserved: u64,
    authorized: u64,
    deposit: u64,
    /// The signed receipt, as `farthing receipt verify` reads it.
    signed: Option<String>,
}

impl Paid {
    pub(super) fn new(answered: Answered) -> Self {
        Self {
            answer: answered.answer,
            shown: answered.shown,
            receipt: answered.receipt.map(|receipt| ReceiptReport {
                charged: receipt.charged.0,
                maximum: receipt.maximum.0,
                charged_total: receipt.charged_total.0,
                reserved: receipt.reserved.0,
                authorized: receipt.authorized.0,
                deposit: receipt.deposit.0,
                signed: receipt.signed.map(|signed| signed.token),
            }),
        }
    }
}

impl fmt::Display for Paid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.shown {
            f.write_str(&self.answer)?;
        }
        match &self.receipt {
            Some(receipt) => write!(
                f,
                "\n\ncharged {} (maximum {}), total of the lane {}",
                usdc(receipt.charged),
                usdc(receipt.maximum),
                usdc(receipt.charged_total)
            ),
            None => f.write_str("\n\nno receipt: nothing was charged, or the stream was cut off"),
        }
    }
}

/// Result of `pay --quote`.
#[derive(Debug, Serialize)]
pub struct Quoted {
    url: String,
    /// Whether the provider serves the request without payment.
    free: bool,
    offers: Vec<PaymentRequirements>,
}

impl Quoted {
    pub(super) fn new(url: &str, required: Option<PaymentRequired>) -> Self {
        Self {
            url: url.to_owned(),
            free: required.is_none(),
            offers: required
                .map(|required| required.accepts)
                .unwrap_or_default(),
        }
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.free {
            return f.write_str("the provider serves this request for free");
        }
        for offer in &self.offers {
            write_offer(f, offer)?;
        }
        Ok(())
    }
}

fn write_offer(f: &mut fmt::Formatter<'_>, offer: &PaymentRequirements) -> fmt::Result {
    let mut rows = vec![
        ("scheme", offer.scheme.clone()),
        ("network", offer.network.clone()),
        ("mint", offer.asset.clone()),
        ("payee", offer.pay_to.clone()),
        ("costs at most", format!("{} base units", offer.amount)),
    ];
    let extra = (offer.scheme == SCHEME)
        .then(|| offer.escrow_extra().ok())
        .flatten();
    let Some(extra) = extra else {
        return write!(f, "{}\n\n", facts(rows));
    };
    rows.pop();
    rows.extend(extra.tier().map(|tier| ("tier", tier.to_owned())));
    rows.extend([
        ("costs at most", usdc(offer.amount.0)),
        ("settler", extra.settler.to_string()),
        ("program", extra.program.to_string()),
        ("minimum grace", format!("{} s", extra.grace_seconds)),
        ("minimum deposit", usdc(extra.min_deposit.0)),
    ]);
    writeln!(f, "{}", facts(rows))?;
    for (model, price) in &extra.pricing.models {
        writeln!(f, "  {model}, in USDC: {}", prices::of_model(price))?;
    }
    Ok(())
}
