//! Compares a provider's offers with the client's configuration.

use farthing_protocol::BaseUnits;
use farthing_wire::pricing::PriceList;
use farthing_wire::x402::{
    EscrowExtra, PaymentRequired, PaymentRequirements, SCHEME, STANDARD_TIER, VoucherStateInfo,
};

use super::{PaidRequest, PayError, PayingClientConfig};

/// The most prices of plain routes that are remembered.
const MAX_ROUTES: usize = 4_096;

/// An offer that meets this client's terms.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// The payment requirements of the offer.
    pub accepted: PaymentRequirements,
    /// The most that the request can cost.
    pub maximum: BaseUnits,
}

impl Offer {
    /// The requirements to send back to the provider: its own offer, with this maximum.
    pub(super) fn to_send(&self) -> PaymentRequirements {
        PaymentRequirements {
            amount: self.maximum,
            ..self.accepted.clone().without_details()
        }
    }
}

/// Terms and prices that were learnt from 402s so far.
#[derive(Debug, Default)]
pub(super) struct KnownTerms {
    accepted: Option<PaymentRequirements>,
    prices: PriceList,
    /// Each price as it was learnt first.
    first_prices: PriceList,
}

impl KnownTerms {
    pub(super) fn learn(&mut self, accepted: PaymentRequirements, prices: PriceList) {
        self.accepted = Some(accepted);
        for (name, price) in &prices.models {
            let first = self.first_prices.models.entry(name.clone());
            first.or_insert(*price);
        }
        for (route, price) in &prices.routes {
            if self.first_prices.routes.len() < MAX_ROUTES {
                let first = self.first_prices.routes.entry(route.clone());
                first.or_insert(*price);
            }
        }
        self.prices.models.extend(prices.models);
        self.prices.routes.extend(prices.routes);
        // Limits the memory that a provider can use up by listing every single path as a route.
        while self.prices.routes.len() > MAX_ROUTES {
            self.prices.routes.pop_first();
        }
    }

    /// The most that a request would have cost at the first price that was learnt for it; `None` if it is the first.
    pub(super) fn first_price(&self, request: &PaidRequest) -> Option<BaseUnits> {
        maximum(&self.first_prices, request)
    }

    pub(super) const fn prices(&self) -> &PriceList {
        &self.prices
    }

    /// An offer for a request whose price is known; `None` if it is not. A body that has no price here may have one at
    /// the provider, whose answer says more.
    pub(super) fn offer(&self, request: &PaidRequest) -> Option<Offer> {
        let accepted = self.accepted.clone()?;
        let maximum = maximum(&self.prices, request)?;
        Some(Offer { accepted, maximum })
    }
}

/// The most that a request can cost at these prices, if they have one for it.
fn maximum(prices: &PriceList, request: &PaidRequest) -> Option<BaseUnits> {
    match &request.of_model {
        Some((endpoint, body)) => Some(prices.quote(*endpoint, body).ok()?.maximum),
        None => {
            let length = request.body.len() as u64;
            prices.route_maximum(request.method.as_str(), &request.path, length)
        }
    }
}

/// Checks whether an offer meets this client's terms.
pub(super) fn check(
    config: &PayingClientConfig,
    offered: &PaymentRequirements,
) -> Result<EscrowExtra, PayError> {
    let pay_to = config.pay_to.map(|payee| payee.to_string());
    let extra = offered
        .escrow_extra()
        .map_err(|error| PayError::Terms(format!("its extra fields are unreadable: {error}")))?;
    let tier = extra.tier();
    let expected_tier = tier.and(config.tier.as_deref());
    let tier = tier.unwrap_or(STANDARD_TIER);
    for (name, expected, found) in [
        ("tier", expected_tier.unwrap_or(tier), tier),
        ("network", config.network.as_str(), offered.network.as_str()),
        ("asset", &config.mint.to_string(), &offered.asset),
        (
            "payTo",
            pay_to.as_deref().unwrap_or(&offered.pay_to),
            &offered.pay_to,
        ),
        (
            "program",
            &config.program.to_string(),
            &extra.program.to_string(),
        ),
    ] {
        if expected != found {
            return Err(PayError::Terms(format!(
                "{name} is {found}, expected {expected}"
            )));
        }
    }
    Ok(extra)
}

/// The error that none of the offers is for the configured tier, if that is the case.
fn unknown_tier(config: &PayingClientConfig, required: &PaymentRequired) -> Option<PayError> {
    let wanted = config.tier.as_deref()?;
    let ours = required.accepts.iter();
    let ours = ours.filter(|offered| offered.scheme == SCHEME);
    let extras: Vec<_> = ours
        .filter_map(|offered| offered.escrow_extra().ok())
        .collect();
    let tiers: Vec<_> = extras.iter().filter_map(EscrowExtra::tier).collect();
    let is_unknown = !tiers.is_empty() && !tiers.contains(&wanted);
    is_unknown.then(|| {
        let tiers = tiers.join(", ");
        PayError::Terms(format!("it has no tier {wanted}, but these: {tiers}"))
    })
}

/// The first offer that meets this client's terms, with the prices that it contains.
pub(super) fn choose(
    config: &PayingClientConfig,
    required: &PaymentRequired,
) -> Result<(PaymentRequirements, PriceList), PayError> {
    let mut why_not = PayError::Terms(format!("it offers no {SCHEME} payment"));
    for offered in &required.accepts {
        if offered.scheme != SCHEME {
            continue;
        }
        match check(config, offered) {
            Ok(extra) => return Ok((offered.clone(), extra.pricing)),
            Err(error) => why_not = error,
        }
    }
    Err(unknown_tier(config, required).unwrap_or(why_not))
}

/// The lane's state, if an offer of the 402 that meets this client's terms contains it.
pub(super) fn voucher_state(
    config: &PayingClientConfig,
    required: &PaymentRequired,
) -> Option<VoucherStateInfo> {
    required
        .accepts
        .iter()
        .filter(|offered| offered.scheme == SCHEME)
        .find_map(|offered| check(config, offered).ok()?.voucher_state)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use solana_sdk::pubkey::Pubkey;

    use super::*;
    use farthing_wire::x402::NETWORK_DEVNET;

    fn config() -> PayingClientConfig {
        PayingClientConfig {
            base_url: "http://127.0.0.1:1".to_owned(),
            program: Pubkey::new_from_array([1; 32]),
            network: NETWORK_DEVNET.to_owned(),
            mint: Pubkey::new_from_array([2; 32]),
            pay_to: Some(Pubkey::new_from_array([3; 32])),
            settler: None,
            max_price_per_request: None,
            max_price_jump: None,
            max_wait: std::time::Duration::ZERO,
            budgets: Vec::new(),
            tier: None,
        }
    }

    fn required(changes: Value) -> PaymentRequired {
        let config = config();
        let mut offered = json!({
            "scheme": SCHEME,
            "network": config.network,
            "amount": "10",
            "asset": config.mint.to_string(),
            "payTo": config.pay_to.expect("the test's payee").to_string(),
            "maxTimeoutSeconds": 60,
            "extra": {
                "program": config.program.to_string(),
                "settler": Pubkey::new_from_array([4; 32]).to_string(),
                "graceSeconds": 900,
                "minDeposit": "0",
            },
        });
        for (pointer, value) in changes.as_object().expect("changes by pointer") {
            *offered.pointer_mut(pointer).expect("a known field") = value.clone();
        }
        PaymentRequired {
            x402_version: 2,
            error: None,
            resource: farthing_wire::x402::ResourceInfo {
                url: String::new(),
                description: None,
                mime_type: None,
            },
            accepts: vec![serde_json::from_value(offered).expect("an offer")],
            extensions: None,
        }
    }

    #[test]
    fn only_offers_on_the_clients_terms_are_accepted() {
        assert!(choose(&config(), &required(json!({}))).is_ok());
        let other = Pubkey::new_from_array([9; 32]).to_string();
        for (pointer, value, name) in [
            ("/network", "solana:other", "network is"),
            ("/asset", other.as_str(), "asset is"),
            ("/payTo", &other, "payTo is"),
            ("/extra/program", &other, "program is"),
            ("/scheme", "exact", "no prepaid-escrow"),
        ] {
            let error = choose(&config(), &required(json!({pointer: value})))
                .expect_err("other terms are refused");
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn a_tier_that_is_not_offered_is_answered_with_those_that_are() {
        let price = json!({
            "inputPerMillion": "1",
            "outputPerMillion": "1",
            "perRequest": "0",
            "minimum": "0",
            "maxOutputTokens": 16,
        });
        let offer = |tier: Option<&str>| {
            let mut required = required(json!({}));
            let offered = &mut required.accepts[0];
            offered.extra["tier"] = json!(tier);
            offered.extra["pricing"] = json!({"models": {"demo": price}});
            required.accepts.remove(0)
        };
        let both = PaymentRequired {
            accepts: vec![offer(None), offer(Some("priority"))],
            ..required(json!({}))
        };
        let wanting = |tier: &str| PayingClientConfig {
            tier: Some(tier.to_owned()),
            ..config()
        };
        for tier in [STANDARD_TIER, "priority"] {
            let (accepted, _) = choose(&wanting(tier), &both).expect("it is offered");
            let extra = accepted.escrow_extra().expect("of this scheme");
            assert_eq!(extra.tier(), Some(tier));
        }
        let error = choose(&wanting("fast"), &both).expect_err("it is not offered");
        let expected = "it has no tier fast, but these: standard, priority";
        assert!(error.to_string().ends_with(expected), "{error}");
    }

    #[test]
    fn any_payee_will_do_if_none_was_named() {
        let config = PayingClientConfig {
            pay_to: None,
            ..config()
        };
        let other = Pubkey::new_from_array([9; 32]).to_string();
        assert!(choose(&config, &required(json!({"/payTo": other}))).is_ok());
    }
}
