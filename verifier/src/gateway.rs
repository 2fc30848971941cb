//! Whether a payment is accepted: offers, channels, signatures and books put together. HTTP stays outside.
//!
//! The order of checks is the order of what they cost and of what they give away: the way to pay, the
//! channel, the lane, its generation, the signature, and the ledger last.

mod facilitated;
mod signers;
mod state;

use std::sync::Arc;

use farthing_protocol::{BaseUnits, Generation, LaneIndex, Voucher};
use farthing_wire::pricing::{PriceList, RoutePrice};
use farthing_wire::x402::{
    ChannelStateInfo, EscrowExtra, EscrowPayload, PaymentPayload, PaymentRequirements, SCHEME,
    VoucherStateInfo, X402_VERSION,
};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

use crate::books::{Again, Books, Reservation, ReserveError, Reserved};
use crate::chain::{ChannelError, Channels};
use crate::ledger::{ChannelFacts, LaneFacts, Refusal, VerifiedVoucher};
use crate::prices::{Prices, Quoted};
use crate::receipts::Payer;
use crate::record::{LaneKey, OutcomeRecord, Remembered, RequestKey};
use crate::store::{StoreFailed, Ticket};

use signers::Signers;

pub use facilitated::{FacilitatorError, MAX_HELD_SECONDS, Settled};
pub use state::{StateQueryError, StateQuestion};

/// How long a client may take to pay; prices do not change while a verifier runs.
const MAX_TIMEOUT_SECONDS: u64 = 300;

/// What a provider sells, and to whom it must be paid.
#[derive(Debug, Clone)]
pub struct Offer {
    /// CAIP-2 id of the network.
    pub network: String,
    /// The program.
    pub program: Pubkey,
    /// The mint.
    pub mint: Pubkey,
    /// Who earns.
    pub payee: Pubkey,
    /// Who settles.
    pub settler: Pubkey,
    /// The least grace of a channel.
    pub min_grace_seconds: u32,
    /// The least deposit of a channel.
    pub min_deposit: BaseUnits,
    /// What is sold, and at what price.
    pub prices: Prices,
}

impl Offer {
    /// The first field in which a way to pay differs from this offer, the amount aside.
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
}

/// Why a payment is not accepted. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaymentError {
    /// The payment is not what the scheme describes.
    #[error("the payment is malformed: {0}")]
    Malformed(String),
    /// The client chose a way to pay that is not offered.
    #[error("the accepted payment requirements differ from those offered in \"{field}\"")]
    Mismatch {
        /// The field that differs.
        field: &'static str,
    },
    /// The channel cannot be paid with.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The signature is not that of the lane's key over the voucher.
    #[error("the signature is not that of the lane's key over this voucher")]
    Signature,
    /// The ledger refuses.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreFailed),
}

impl From<ReserveError> for PaymentError {
    fn from(error: ReserveError) -> Self {
        match error {
            ReserveError::Refused(refusal) => Self::Refused(refusal),
            ReserveError::Store(failed) => Self::Store(failed),
        }
    }
}

/// A refusal with what the client may be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub error: PaymentError,
    /// The channel's state, public on the chain, if it is known.
    pub channel_state: Option<ChannelStateInfo>,
    /// The lane's state, only in answer to a valid and unused voucher of its key.
    pub voucher_state: Option<VoucherStateInfo>,
}

impl From<PaymentError> for Refused {
    fn from(error: PaymentError) -> Self {
        Self {
            error,
            channel_state: None,
            voucher_state: None,
        }
    }
}

/// The key by which a client may ask again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientKey {
    /// As the client chose it.
    pub text: String,
    /// Hash of what was asked.
    pub digest: [u8; 32],
}

impl ClientKey {
    /// The key in the namespace of a lane in one generation.
    #[must_use]
    pub fn of_lane(&self, lane: &LaneKey) -> RequestKey {
        let key = Sha256::new()
            .chain_update(b"farthing:idempotency-key:v1")
            .chain_update(lane.domain.0)
            .chain_update(lane.lane.0.to_le_bytes())
            .chain_update(lane.generation.0.to_le_bytes())
            .chain_update(self.text.as_bytes());
        RequestKey {
            key: key.finalize().into(),
            digest: self.digest,
        }
    }
}

/// What a good payment leads to.
#[derive(Debug)]
pub enum Admission {
    /// The service may begin.
    Accepted(Accepted),
    /// The same was asked before with the same key; nothing was changed.
    Replay(Replay),
}

/// The end of a request that was asked before.
#[derive(Debug)]
pub struct Replay {
    /// What it came to.
    pub outcome: OutcomeRecord,
    /// Its answer and receipt, as far as they are kept.
    pub remembered: Remembered,
    /// Who paid.
    pub payer: Payer,
}

/// An accepted payment: the service may begin.
#[derive(Debug)]
pub struct Accepted {
    /// What is reserved.
    pub reservation: Reservation,
    /// When that is durable. Nothing of the service may leave before.
    pub durable: Ticket,
    /// Who pays.
    pub payer: Payer,
    /// Which of the quotes it pays.
    pub chosen: usize,
}

/// Accepts payments.
#[derive(Debug)]
pub struct Gateway {
    offer: Offer,
    books: Arc<Books>,
    channels: Arc<Channels>,
    signers: Signers,
}

impl Gateway {
    /// A gateway for one offer.
    #[must_use]
    pub fn new(offer: Offer, books: Arc<Books>, channels: Arc<Channels>) -> Self {
        Self {
            offer,
            books,
            channels,
            signers: Signers::default(),
        }
    }

    /// What is sold.
    #[must_use]
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// Whether the store failed.
    #[must_use]
    pub fn store_has_failed(&self) -> bool {
        self.books.has_failed()
    }

    /// The ways to pay for a request, one for each tier that sells it.
    #[must_use]
    pub fn requirements<Q: Quoted>(
        &self,
        quotes: &[Q],
        refused: Option<&Refused>,
    ) -> Vec<PaymentRequirements> {
        let quotes = quotes.iter();
        quotes
            .map(|quote| self.requirement(quote, refused))
            .collect()
    }

    fn tier_name(&self, tier: Option<usize>) -> Option<&str> {
        self.offer.prices.tiers.get(tier?)?.name.as_deref()
    }

    fn requirement(&self, quote: &impl Quoted, refused: Option<&Refused>) -> PaymentRequirements {
        let extra = EscrowExtra {
            channel_state: refused.and_then(|refused| refused.channel_state.clone()),
            voucher_state: refused.and_then(|refused| refused.voucher_state.clone()),
            ..self.extra(quote.tier(), quote.pricing())
        };
        PaymentRequirements {
            scheme: SCHEME.to_owned(),
            network: self.offer.network.clone(),
            amount: quote.maximum(),
            asset: self.offer.mint.to_string(),
            pay_to: self.offer.payee.to_string(),
            max_timeout_seconds: MAX_TIMEOUT_SECONDS,
            extra: serde_json::to_value(extra).expect("envelope types serialise to JSON"),
        }
    }

    fn extra(&self, tier: Option<usize>, pricing: PriceList) -> EscrowExtra {
        EscrowExtra {
            program: self.offer.program,
            settler: self.offer.settler,
            grace_seconds: self.offer.min_grace_seconds,
            min_deposit: self.offer.min_deposit,
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
        let tiers = self.offer.prices.tiers.iter().enumerate();
        let ways = tiers.map(|(index, tier)| {
            let prices = tier.models.all();
            let models = prices.map(|(name, price)| (name.to_owned(), *price));
            let pricing = PriceList {
                models: models.collect(),
                ..PriceList::default()
            };
            self.way_to_pay(Some(index), pricing)
        });
        ways.collect()
    }

    /// The way to pay for a plain route, in the same form.
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
            "network": self.offer.network,
            "asset": self.offer.mint.to_string(),
            "payTo": self.offer.payee.to_string(),
            "maxTimeoutSeconds": MAX_TIMEOUT_SECONDS,
            "extra": self.extra(tier, pricing),
        })
    }

    /// Accepts a payment for a quote and reserves its maximum, or waits for what the same request with
    /// the same key came to.
    ///
    /// # Errors
    /// [`Refused`]; nothing was changed.
    pub async fn accept<Q: Quoted>(
        &self,
        payment: &PaymentPayload,
        key: Option<&ClientKey>,
        quotes: &[Q],
    ) -> Result<Admission, Refused> {
        if payment.x402_version != X402_VERSION {
            let message = format!("x402Version must be {X402_VERSION}");
            return Err(PaymentError::Malformed(message).into());
        }
        let chosen = self.choose(&payment.accepted, quotes)?;
        let maximum = quotes[chosen].maximum();
        let payload = EscrowPayload::deserialize(&payment.payload)
            .map_err(|error| PaymentError::Malformed(error.to_string()))?;
        loop {
            let (payer, reserved) = self.try_to_accept(&payload, key, maximum).await?;
            match reserved {
                Reserved::New(reservation, durable) => {
                    return Ok(Admission::Accepted(Accepted {
                        reservation,
                        durable,
                        payer,
                        chosen,
                    }));
                }
                Reserved::Again(Again::Ended(id, outcome)) => {
                    let remembered = self.books.remembered(id).await;
                    return Ok(Admission::Replay(Replay {
                        outcome,
                        remembered: remembered.map_err(PaymentError::from)?,
                        payer,
                    }));
                }
                // If it was charged nothing, this request takes its place.
                Reserved::Again(Again::InFlight(ended)) => ended.wait().await,
            }
        }
    }

    async fn try_to_accept(
        &self,
        payload: &EscrowPayload,
        key: Option<&ClientKey>,
        maximum: BaseUnits,
    ) -> Result<(Payer, Reserved), Refused> {
        let EscrowPayload::Voucher {
            channel,
            lane,
            generation,
            authorized,
            signature,
        } = payload;
        let facts = match self.channels.served(*channel).await {
            Ok(facts) => facts,
            Err(error) => {
                let known = self.channels.known(channel);
                return Err(Refused {
                    error: error.into(),
                    channel_state: known.as_deref().map(channel_state),
                    voucher_state: None,
                });
            }
        };
        let voucher = Voucher {
            domain: facts.domain,
            lane: LaneIndex(*lane),
            generation: Generation(*generation),
            authorized: *authorized,
        };
        self.accept_voucher(&facts, voucher, signature, key, maximum)
            .map_err(|error| self.explain(error, &facts, voucher))
    }

    /// Which of the quotes a client accepted: the one of the tier that it names, else the standard one.
    fn choose<Q: Quoted>(
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

    /// The client accepted what is offered, at this price or above.
    fn require_accepted(
        &self,
        accepted: &PaymentRequirements,
        amount: BaseUnits,
    ) -> Result<(), PaymentError> {
        let field = self.offer.difference(accepted);
        match field.or((accepted.amount < amount).then_some("amount")) {
            Some(field) => Err(PaymentError::Mismatch { field }),
            None => Ok(()),
        }
    }

    fn accept_voucher(
        &self,
        facts: &Arc<ChannelFacts>,
        voucher: Voucher,
        signature: &Signature,
        key: Option<&ClientKey>,
        maximum: BaseUnits,
    ) -> Result<(Payer, Reserved), PaymentError> {
        let paying = LaneKey::of(&voucher);
        let request = key.map(|key| key.of_lane(&paying));
        let accepting = facts.lane(voucher.lane, voucher.generation);
        let lane = match (&accepting, &request) {
            (Ok(lane), _) => *lane,
            (Err(refusal), None) => return Err((*refusal).into()),
            // Whoever only asks again needs no lane that accepts anything new.
            (Err(refusal), Some(_)) => signer_of(facts, &voucher).ok_or(*refusal)?,
        };
        let signature = <[u8; 64]>::from(*signature);
        let message = voucher.to_bytes();
        if !self.signers.is_signed(&message, &signature, &lane.signer) {
            return Err(accepting
                .err()
                .map_or(PaymentError::Signature, PaymentError::from));
        }
        let payer = Payer {
            key: Pubkey::new_from_array(lane.signer),
            channel: facts.address,
            lane: paying,
        };
        if let (Err(refusal), Some(request)) = (accepting, &request) {
            let again = self.books.again(request)?.ok_or(refusal)?;
            return Ok((payer, Reserved::Again(again)));
        }
        let verified = VerifiedVoucher { voucher, signature };
        let reserved = self.books.reserve(facts, &verified, maximum, request);
        Ok((payer, reserved?))
    }

    /// Adds what the client may know. The lane's state is told only where the amount is the reason: the
    /// ledger judges amounts after the signature was found valid and the value unused, so a voucher
    /// that somebody else read on the chain learns nothing.
    fn explain(&self, error: PaymentError, facts: &ChannelFacts, voucher: Voucher) -> Refused {
        let key = LaneKey::of(&voucher);
        let lane = match &error {
            PaymentError::Refused(Refusal::Amount(_)) => self.books.lane(facts, key),
            _ => None,
        };
        Refused {
            error,
            channel_state: Some(channel_state(facts)),
            voucher_state: lane.map(|lane| VoucherStateInfo {
                authorized: lane.authorized,
                signature: lane.signature.map(Signature::from),
                charged: lane.charged,
                reserved: lane.reserved,
            }),
        }
    }
}

fn channel_state(facts: &ChannelFacts) -> ChannelStateInfo {
    ChannelStateInfo {
        channel: facts.address,
        deposit: facts.deposit,
        debited: facts.debited,
        closing: facts.closing,
    }
}

/// The lane that a voucher is signed for, whether or not it accepts anything new.
fn signer_of<'a>(facts: &'a ChannelFacts, voucher: &Voucher) -> Option<&'a LaneFacts> {
    let lane = facts.lanes.get(usize::from(voucher.lane.0))?;
    (lane.generation == voucher.generation && !lane.rotating && !facts.gone).then_some(lane)
}
