//! Issues receipts: who sold what to whom, signed with the settler's key.
//!
//! What must not live here: the format of receipts, which clients need as well ([`farthing_wire::receipt`]), and HTTP.

mod key;

use std::fmt;
use std::sync::Arc;

use farthing_protocol::BaseUnits;
use farthing_wire::receipt::{Claims, Sold, sign};
use solana_sdk::hash::Hash;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;

use crate::ports::Clock;
use crate::record::{LaneKey, ReceiptRecord};

use key::ReceiptKey;

/// The payer: one generation of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payer {
    /// The lane's key.
    pub key: Pubkey,
    /// The channel's address.
    pub channel: Pubkey,
    /// The lane.
    pub lane: LaneKey,
}

/// The charge of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Hash of the request; unknown if another seller's server served it.
    pub request: Option<[u8; 32]>,
    /// What the request was charged.
    pub charged: BaseUnits,
    /// The lane's total charge after the request.
    pub charged_total: BaseUnits,
}

/// The part of a receipt beside its figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// When it was issued, in seconds of Unix time.
    issued_at: u64,
    /// What was sold, if that is known.
    sold: Option<Sold>,
}

impl Draft {
    /// What was sold, if that is known.
    #[must_use]
    pub const fn sold(&self) -> Option<&Sold> {
        self.sold.as_ref()
    }

    /// Converts to the record that is stored. Converting it back gives the same draft.
    #[must_use]
    pub fn record(&self) -> ReceiptRecord {
        ReceiptRecord {
            issued_at: self.issued_at,
            sold: serde_json::to_string(&self.sold).expect("what is sold serialises to JSON"),
        }
    }
}

/// Converts from the stored record. If another version wrote what was sold in another form, it is left out.
impl From<&ReceiptRecord> for Draft {
    fn from(record: &ReceiptRecord) -> Self {
        Self {
            issued_at: record.issued_at,
            sold: serde_json::from_str(&record.sold).ok(),
        }
    }
}

/// Signs receipts.
pub struct Issuer {
    key: ReceiptKey,
    network: String,
    program: Pubkey,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("settler", &self.settler())
            .finish_non_exhaustive()
    }
}

impl Issuer {
    /// An issuer for one program on one network.
    #[must_use]
    pub fn new(settler: &Keypair, network: String, program: Pubkey, clock: Arc<dyn Clock>) -> Self {
        Self {
            key: ReceiptKey::new(settler),
            network,
            program,
            clock,
        }
    }

    /// CAIP-2 id of the network.
    #[must_use]
    pub fn network(&self) -> &str {
        &self.network
    }

    /// The public key of the settler, which signs the receipts.
    #[must_use]
    pub fn settler(&self) -> Pubkey {
        self.key.pubkey()
    }

    /// Drafts a receipt issued now. `sold` is `None` if nothing but the figures is known.
    #[must_use]
    pub fn draft(&self, sold: Option<Sold>) -> Draft {
        Draft {
            issued_at: self.clock.unix_seconds(),
            sold,
        }
    }

    /// Signs a receipt. The same draft and charge give the same bytes. Without a draft the receipt has only the
    /// figures, and is issued now.
    #[must_use]
    pub fn issue(&self, payer: &Payer, charge: &Charge, draft: Option<Draft>) -> String {
        let Draft { issued_at, sold } = draft.unwrap_or_else(|| self.draft(None));
        let claims = Claims {
            iss: self.settler(),
            sub: payer.key,
            iat: issued_at,
            network: self.network.clone(),
            program: self.program,
            channel: payer.channel,
            domain: payer.lane.domain,
            lane: payer.lane.lane.0,
            generation: payer.lane.generation.0,
            request: charge.request.map(Hash::new_from_array),
            sold,
            charged: charge.charged,
            charged_total: charge.charged_total,
        };
        sign(&self.key, &claims)
    }
}

#[cfg(test)]
mod tests {
    use farthing_protocol::{Domain, Generation, LaneIndex};
    use farthing_wire::pricing::{AnswerPrice, ByteUsage, ModelPrice, RoutePrice, Usage};
    use farthing_wire::receipt::{CountedBy, CountedUsage, SoldRoute, SoldTokens};

    use super::*;
    use crate::ports::SystemClock;

    fn tokens() -> Sold {
        let usage = Usage {
            prompt_tokens: 1_200,
            cached_tokens: 1_000,
            completion_tokens: u64::MAX,
            reasoning_tokens: 0,
        };
        Sold::Tokens(SoldTokens {
            model: "a \"model\" \u{1f4b6} \\ \n".to_owned(),
            usage: CountedUsage::new(usage, CountedBy::Upstream),
            price: ModelPrice {
                input_per_million: BaseUnits(150_000),
                cached_input_per_million: Some(BaseUnits(u64::MAX)),
                tokens_per_image: Some(1_500),
                ..ModelPrice::free(4_096)
            },
            tools: Vec::new(),
            maximum: BaseUnits(u64::MAX),
        })
    }

    fn route(answer: Option<AnswerPrice>, set: Option<BaseUnits>) -> Sold {
        Sold::Route(SoldRoute {
            route: "GET /weather/*".to_owned(),
            usage: ByteUsage {
                request_bytes: 1,
                answer_bytes: 2,
            },
            price: RoutePrice {
                answer,
                ..RoutePrice::per_request(BaseUnits(500))
            },
            set,
            maximum: BaseUnits(500),
        })
    }

    #[test]
    fn what_was_kept_is_signed_again_byte_for_byte() {
        let settler = Keypair::new();
        let network = "solana:local".to_owned();
        let program = Pubkey::new_from_array([1; 32]);
        let issuer = Issuer::new(&settler, network, program, Arc::new(SystemClock::default()));
        let payer = Payer {
            key: Pubkey::new_from_array([2; 32]),
            channel: Pubkey::new_from_array([3; 32]),
            lane: LaneKey {
                domain: Domain([4; 32]),
                lane: LaneIndex(5),
                generation: Generation(6),
            },
        };
        let charge = Charge {
            request: Some([7; 32]),
            charged: BaseUnits(8),
            charged_total: BaseUnits(9),
        };
        let answer = AnswerPrice {
            per_million_bytes: BaseUnits(3),
            max_bytes: u64::MAX,
        };
        let all = [
            None,
            Some(tokens()),
            Some(route(None, None)),
            Some(route(Some(answer), Some(BaseUnits(400)))),
        ];
        for sold in all {
            let draft = issuer.draft(sold);
            let record = draft.record();
            let kept = Draft::from(&record);
            assert_eq!(kept, draft);
            assert_eq!(kept.record(), record);
            let first = issuer.issue(&payer, &charge, Some(draft));
            assert_eq!(issuer.issue(&payer, &charge, Some(kept)), first);
        }
        let unreadable = ReceiptRecord {
            issued_at: 10,
            sold: "{\"of\": \"another version\"}".to_owned(),
        };
        assert_eq!(Draft::from(&unreadable).sold(), None);
    }
}
