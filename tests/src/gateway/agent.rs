//! An agent that signs vouchers without the client library, valid or invalid ones.

use ed25519_dalek::{Signer, SigningKey};
use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex, Voucher};
use farthing_wire::x402::{
    EscrowPayload, PaymentPayload, PaymentRequirements, X402_VERSION, encode_header,
};
use serde_json::Value;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::Signature;

/// A lane's key, with the channel, lane and generation that it signs for.
#[derive(Debug, Clone)]
pub struct Agent {
    /// The lane's key.
    pub key: SigningKey,
    /// The channel's address.
    pub channel: Pubkey,
    /// The domain in its vouchers.
    pub domain: Domain,
    /// The lane in its vouchers.
    pub lane: u16,
    /// The generation in its vouchers.
    pub generation: u16,
}

impl Agent {
    /// The scheme's payload with a voucher up to `authorized`.
    #[must_use]
    pub fn payload(&self, authorized: u64) -> EscrowPayload {
        let voucher = Voucher {
            domain: self.domain,
            lane: LaneIndex(self.lane),
            generation: Generation(self.generation),
            authorized: BaseUnits(authorized),
        };
        let signature = self.key.sign(&voucher.to_bytes());
        EscrowPayload::Voucher {
            channel: self.channel,
            lane: self.lane,
            generation: self.generation,
            authorized: voucher.authorized,
            signature: Signature::from(signature.to_bytes()),
        }
    }

    /// The payment header for a way to pay, with a voucher up to `authorized`.
    #[must_use]
    pub fn pay(&self, accepted: &PaymentRequirements, authorized: u64) -> String {
        let payload = serde_json::to_value(self.payload(authorized));
        payment(accepted, payload.expect("payloads serialise"))
    }
}

/// The payment header around any payload.
#[must_use]
pub fn payment(accepted: &PaymentRequirements, payload: Value) -> String {
    encode_header(&PaymentPayload {
        x402_version: X402_VERSION,
        payload,
        accepted: accepted.clone(),
        resource: None,
        extensions: None,
    })
}
