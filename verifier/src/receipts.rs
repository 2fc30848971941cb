//! Receipts as this verifier issues them: who sold what to whom, signed with the settler's key.
//!
//! What must not live here: what a receipt looks like, which clients must know as well
//! ([`farthing_client::receipt`]), and HTTP.

use std::fmt;
use std::sync::Arc;

use farthing_client::receipt::{Claims, Sold, sign};
use farthing_protocol::BaseUnits;
use serde_json::Value;
use solana_sdk::hash::Hash;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;

use crate::ledger::LaneKey;
use crate::ports::Clock;
use crate::store::ReceiptRecord;

/// Who pays: one generation of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payer {
    /// The lane's key.
    pub key: Pubkey,
    /// The channel's address.
    pub channel: Pubkey,
    /// The lane.
    pub lane: LaneKey,
}

/// What one request came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Hash of what was asked; unknown if somebody else served.
    pub request: Option<[u8; 32]>,
    /// Charged for it.
    pub charged: BaseUnits,
    /// Charged to the lane in total then.
    pub charged_total: BaseUnits,
}

/// Signs receipts.
pub struct Issuer {
    settler: Arc<Keypair>,
    network: String,
    program: Pubkey,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("settler", &self.settler.pubkey())
            .finish_non_exhaustive()
    }
}

impl Issuer {
    /// An issuer for one program on one network.
    #[must_use]
    pub fn new(
        settler: Arc<Keypair>,
        network: String,
        program: Pubkey,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            settler,
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

    /// Who signs.
    #[must_use]
    pub fn settler(&self) -> Pubkey {
        self.settler.pubkey()
    }

    /// What a receipt of this moment says beside its figures.
    #[must_use]
    pub fn draft(&self, sold: &Sold) -> ReceiptRecord {
        ReceiptRecord {
            issued_at: self.clock.unix_seconds(),
            sold: serde_json::to_string(sold).expect("what is sold serialises to JSON"),
        }
    }

    /// The same where the figures are all that is known.
    #[must_use]
    pub fn draft_of_figures(&self) -> ReceiptRecord {
        ReceiptRecord {
            issued_at: self.clock.unix_seconds(),
            sold: Value::Null.to_string(),
        }
    }

    /// Signs a receipt: the same draft and charge give the same bytes. Without a draft, or with one that another
    /// version wrote in another way, it has the figures alone, and the date of now.
    #[must_use]
    pub fn issue(&self, payer: &Payer, charge: &Charge, draft: Option<&ReceiptRecord>) -> String {
        let sold = draft.and_then(|draft| serde_json::from_str(&draft.sold).ok());
        let claims = Claims {
            iss: self.settler(),
            sub: payer.key,
            iat: draft.map_or_else(|| self.clock.unix_seconds(), |draft| draft.issued_at),
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
        sign(&self.settler, &claims)
    }
}
