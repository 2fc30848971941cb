//! What a request costs, and whether its payment is accepted: prices, channels, signatures and books
//! put together. HTTP stays outside.
//!
//! The order of checks is the order of what they cost and of what they give away: the way to pay, the
//! channel, the lane, its generation, the signature, and the ledger last.

use std::sync::Arc;

use farthing_client::pricing::{PriceList, Quote, QuoteError};
use farthing_client::signature::SignerKey;
use farthing_client::x402::{
    ChannelStateInfo, EscrowExtra, EscrowPayload, PaymentPayload, PaymentRequirements, SCHEME,
    VoucherStateInfo, X402_VERSION,
};
use farthing_protocol::{BaseUnits, Generation, LaneIndex, Voucher};
use serde::Deserialize;
use serde_json::Value;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

use crate::books::{Books, Reservation, ReserveError};
use crate::chain::{ChannelError, Channels};
use crate::ledger::{ChannelFacts, LaneKey, Refusal, VerifiedVoucher};
use crate::store::{StoreFailed, Ticket};

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
    /// Priced models.
    pub prices: PriceList,
    /// Free models.
    pub free: PriceList,
}

/// A request that has a price, or is free.
#[derive(Debug)]
pub enum Order {
    /// To be paid.
    Paid(Quote),
    /// Free.
    Free(Quote),
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

/// An accepted payment: the service may begin.
#[derive(Debug)]
pub struct Accepted {
    /// What is reserved.
    pub reservation: Reservation,
    /// When that is durable. Nothing of the service may leave before.
    pub durable: Ticket,
    /// The lane's key.
    pub payer: Pubkey,
}

/// Prices requests and accepts payments.
#[derive(Debug)]
pub struct Gateway {
    offer: Offer,
    books: Arc<Books>,
    channels: Arc<Channels>,
}

impl Gateway {
    /// A gateway for one offer.
    #[must_use]
    pub fn new(offer: Offer, books: Arc<Books>, channels: Arc<Channels>) -> Self {
        Self {
            offer,
            books,
            channels,
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

    /// Prices a chat completion.
    ///
    /// # Errors
    /// [`QuoteError`] names the field that is malformed, unbounded or not sold.
    pub fn order(&self, body: &Value) -> Result<Order, QuoteError> {
        let model = body.get("model").and_then(Value::as_str);
        if model.is_some_and(|model| self.offer.free.models.contains_key(model)) {
            return self.offer.free.quote(body).map(Order::Free);
        }
        self.offer.prices.quote(body).map(Order::Paid)
    }

    /// The way to pay for a quote.
    #[must_use]
    pub fn requirements(&self, quote: &Quote, refused: Option<&Refused>) -> PaymentRequirements {
        let pricing = PriceList {
            models: [(quote.model.clone(), quote.price)].into(),
        };
        let extra = EscrowExtra {
            program: self.offer.program,
            settler: self.offer.settler,
            grace_seconds: self.offer.min_grace_seconds,
            min_deposit: self.offer.min_deposit,
            pricing,
            channel_state: refused.and_then(|refused| refused.channel_state.clone()),
            voucher_state: refused.and_then(|refused| refused.voucher_state.clone()),
        };
        PaymentRequirements {
            scheme: SCHEME.to_owned(),
            network: self.offer.network.clone(),
            amount: quote.maximum,
            asset: self.offer.mint.to_string(),
            pay_to: self.offer.payee.to_string(),
            max_timeout_seconds: MAX_TIMEOUT_SECONDS,
            extra: serde_json::to_value(extra).expect("envelope types serialise to JSON"),
        }
    }

    /// Accepts a payment for a quote and reserves its maximum.
    ///
    /// # Errors
    /// [`Refused`]; nothing was changed.
    pub async fn accept(
        &self,
        payment: &PaymentPayload,
        quote: &Quote,
    ) -> Result<Accepted, Refused> {
        if payment.x402_version != X402_VERSION {
            let message = format!("x402Version must be {X402_VERSION}");
            return Err(PaymentError::Malformed(message).into());
        }
        self.match_accepted(&payment.accepted, quote)?;
        let EscrowPayload::Voucher {
            channel,
            lane,
            generation,
            authorized,
            signature,
        } = EscrowPayload::deserialize(&payment.payload)
            .map_err(|error| PaymentError::Malformed(error.to_string()))?;
        let facts = match self.channels.served(channel).await {
            Ok(facts) => facts,
            Err(error) => {
                let known = self.channels.known(&channel);
                return Err(Refused {
                    error: error.into(),
                    channel_state: known.as_deref().map(channel_state),
                    voucher_state: None,
                });
            }
        };
        let voucher = Voucher {
            domain: facts.domain,
            lane: LaneIndex(lane),
            generation: Generation(generation),
            authorized,
        };
        self.accept_voucher(&facts, voucher, &signature, quote.maximum)
            .map_err(|error| self.explain(error, &facts, voucher))
    }

    fn match_accepted(
        &self,
        accepted: &PaymentRequirements,
        quote: &Quote,
    ) -> Result<(), PaymentError> {
        let offer = &self.offer;
        let program = accepted.extra.get("program").and_then(Value::as_str);
        let matches = [
            ("scheme", accepted.scheme == SCHEME),
            ("network", accepted.network == offer.network),
            ("asset", accepted.asset == offer.mint.to_string()),
            ("payTo", accepted.pay_to == offer.payee.to_string()),
            (
                "extra.program",
                program == Some(offer.program.to_string().as_str()),
            ),
            ("amount", accepted.amount >= quote.maximum),
        ];
        match matches.into_iter().find(|(_, matches)| !matches) {
            Some((field, _)) => Err(PaymentError::Mismatch { field }),
            None => Ok(()),
        }
    }

    fn accept_voucher(
        &self,
        facts: &Arc<ChannelFacts>,
        voucher: Voucher,
        signature: &Signature,
        maximum: BaseUnits,
    ) -> Result<Accepted, PaymentError> {
        let lane = facts.lane(voucher.lane, voucher.generation)?;
        let signature = <[u8; 64]>::from(*signature);
        let is_valid = SignerKey::new(&lane.signer)
            .is_ok_and(|key| key.verifies(&voucher.to_bytes(), &signature));
        if !is_valid {
            return Err(PaymentError::Signature);
        }
        let verified = VerifiedVoucher { voucher, signature };
        let (reservation, durable) =
            self.books
                .reserve(facts, &verified, maximum)
                .map_err(|error| match error {
                    ReserveError::Refused(refusal) => PaymentError::Refused(refusal),
                    ReserveError::Store(failed) => PaymentError::Store(failed),
                })?;
        Ok(Accepted {
            reservation,
            durable,
            payer: Pubkey::new_from_array(lane.signer),
        })
    }

    /// Adds what the client may know. The lane's state is told only where the amount is the reason: the
    /// ledger judges amounts after the signature was found valid and the value unused, so a voucher
    /// that somebody else read on the chain learns nothing.
    fn explain(&self, error: PaymentError, facts: &ChannelFacts, voucher: Voucher) -> Refused {
        let key = LaneKey {
            domain: voucher.domain,
            lane: voucher.lane,
            generation: voucher.generation,
        };
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
