//! The offer: the ways to pay for a request, and the check that a client accepted one of them.

use farthing_protocol::BaseUnits;
use farthing_wire::pricing::{PriceList, RoutePrice};
use farthing_wire::x402::{EscrowExtra, PaymentRequirements, SCHEME};
use serde_json::{Value, json};
use solana_sdk::pubkey::Pubkey;

use super::{PaymentError, RefusedPayment};
use crate::prices::{Prices, Quoted};

/// `maxTimeoutSeconds` of an offer: how long a client may take to pay. Prices do not change while a verifier runs.
const MAX_TIMEOUT_SECONDS: u64 = 300;

/// What a provider sells, and to whom it must be paid.
#[derive(Debug, Clone)]
pub struct ProviderOffer {
    /// CAIP-2 id of the network.
    pub network: String,
    /// The program.
    pub program: Pubkey,
    /// The mint.
    pub mint: Pubkey,
    /// Wallet that receives what is settled.
    pub payee: Pubkey,
    /// Key that settles and signs receipts.
    pub settler: Pubkey,
    /// Minimum grace of a channel, in seconds.
    pub min_grace_seconds: u32,
    /// Minimum deposit of a channel, in base units.
    pub min_deposit: BaseUnits,
    /// The prices of everything that is sold.
    pub prices: Prices,
}

impl ProviderOffer {
    /// The first field, other than the amount, in which a way to pay differs from this offer.
    #[must_use]
    pub fn difference(&self, way: &PaymentRequirements) -> Option<&'static str> {
        let program = way.extra.get("program").and_then(Value::as_str);
        let is = |text: &str, address: Pubkey| text.parse() == Ok(address);
        let fields = [
            ("scheme", way.scheme == SCHEME),
            ("network", way.network == self.network),
            ("asset", is(&way.asset, self.mint)),
            ("payTo", is(&way.pay_to, self.payee)),
            (
                "extra.program",
                program.is_some_and(|program| is(program, self.program)),
            ),
        ];
        let mut fields = fields.into_iter();
        fields.find(|(_, is_same)| !is_same).map(|(field, _)| field)
    }

    /// The ways to pay for a request, one for each tier that sells it.
    #[must_use]
    pub fn requirements<Q: Quoted>(
        &self,
        quotes: &[Q],
        refused: Option<&RefusedPayment>,
    ) -> Vec<PaymentRequirements> {
        let quotes = quotes.iter();
        quotes
            .map(|quote| self.requirement(quote, refused))
            .collect()
    }

    fn tier_name(&self, tier: Option<usize>) -> Option<&str> {
        self.prices.tiers.get(tier?)?.name.as_deref()
    }

    fn requirement(
        &self,
        quote: &impl Quoted,
        refused: Option<&RefusedPayment>,
    ) -> PaymentRequirements {
        let extra = EscrowExtra {
            channel_state: refused.and_then(|refused| refused.channel_state.clone()),
            voucher_state: refused.and_then(|refused| refused.voucher_state.clone()),
            ..self.extra(quote.tier(), quote.pricing())
        };
        PaymentRequirements {
            scheme: SCHEME.to_owned(),
            network: self.network.clone(),
            amount: quote.maximum(),
            asset: self.mint.to_string(),
            pay_to: self.payee.to_string(),
            max_timeout_seconds: MAX_TIMEOUT_SECONDS,
            extra: serde_json::to_value(extra).expect("envelope types serialise to JSON"),
        }
    }

    pub(super) fn extra(&self, tier: Option<usize>, pricing: PriceList) -> EscrowExtra {
        EscrowExtra {
            program: self.program,
            settler: self.settler,
            grace_seconds: self.min_grace_seconds,
            min_deposit: self.min_deposit,
            tier: self.tier_name(tier).map(str::to_owned),
            pricing,
            channel_state: None,
            voucher_state: None,
        }
    }

    /// The ways to pay for any model that is sold, one for each tier, with all its prices by name and
    /// pattern: [`PaymentRequirements`] without the amount, which follows from a request.
    #[must_use]
    pub fn ways_to_pay(&self) -> Vec<Value> {
        let tiers = self.prices.tiers.iter().enumerate();
        let ways = tiers.map(|(index, tier)| {
            let prices = tier.models.all();
            let models = prices.map(|(name, sold)| (name.to_owned(), sold.price));
            let pricing = PriceList {
                models: models.collect(),
                ..PriceList::default()
            };
            self.way_to_pay(Some(index), pricing)
        });
        ways.collect()
    }

    /// The way to pay for a plain route, in the format of [`Self::ways_to_pay`].
    #[must_use]
    pub fn way_to_pay_for(&self, route: &str, price: RoutePrice) -> Value {
        let pricing = PriceList {
            routes: [(route.to_owned(), price)].into(),
            ..PriceList::default()
        };
        self.way_to_pay(None, pricing)
    }

    fn way_to_pay(&self, tier: Option<usize>, pricing: PriceList) -> Value {
        json!({
            "scheme": SCHEME,
            "network": self.network,
            "asset": self.mint.to_string(),
            "payTo": self.payee.to_string(),
            "maxTimeoutSeconds": MAX_TIMEOUT_SECONDS,
            "extra": self.extra(tier, pricing),
        })
    }

    /// The index of the quote that a client accepted: the one of the tier that it names, or else the standard one.
    pub(super) fn choose<Q: Quoted>(
        &self,
        accepted: &PaymentRequirements,
        quotes: &[Q],
    ) -> Result<usize, PaymentError> {
        let tier = accepted.extra.get("tier").and_then(Value::as_str);
        let mut places = quotes.iter();
        let chosen = places
            .position(|quote| self.tier_name(quote.tier()) == tier)
            .ok_or(PaymentError::Mismatch {
                field: "extra.tier",
            })?;
        self.require_accepted(accepted, quotes[chosen].maximum())?;
        Ok(chosen)
    }

    /// Requires that the client accepted what is offered, for at least this amount.
    pub(super) fn require_accepted(
        &self,
        accepted: &PaymentRequirements,
        amount: BaseUnits,
    ) -> Result<(), PaymentError> {
        let field = self.difference(accepted);
        match field.or((accepted.amount < amount).then_some("amount")) {
            Some(field) => Err(PaymentError::Mismatch { field }),
            None => Ok(()),
        }
    }
}
