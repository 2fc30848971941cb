//! Checks that the signed receipt of an answer is signed by the settler and matches the request and the answer.

use farthing_protocol::BaseUnits;
use farthing_wire::receipt::{Claims, SignedReceiptError, verify};
use farthing_wire::x402::ReceiptExtra;
use solana_sdk::hash::Hash;
use solana_sdk::pubkey::Pubkey;

use crate::payer::LaneIdentity;

/// A receipt whose signature was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedReceipt {
    /// The receipt as it was received, a compact JWS. Keep it as a proof for others.
    pub token: String,
    /// The claims of the receipt.
    pub claims: Claims,
}

/// Why the signed receipt of an answer is disputed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DisputedReceipt {
    /// The token is not a valid receipt that is signed by the settler.
    #[error("{0}; if the payee changed the settler, read the channel again")]
    NotSigned(#[from] SignedReceiptError),
    /// A claim of the receipt does not match the request or its answer.
    #[error("the {0} in the signed receipt does not match the request that it came with")]
    Differs(&'static str),
}

/// The expected content of a receipt.
#[derive(Debug, Clone)]
pub(super) struct Notary {
    /// The settler who must have signed the receipt; `None` if the caller did not configure one.
    pub(super) settler: Option<Pubkey>,
    pub(super) network: String,
    pub(super) identity: LaneIdentity,
    /// Digest of the request.
    pub(super) request: Hash,
}

impl Notary {
    /// The verified receipt that came with these amounts; `None` if the provider does not sign receipts, or no settler
    /// is configured.
    pub(super) fn check(
        &self,
        extra: &ReceiptExtra,
    ) -> Result<Option<Box<SignedReceipt>>, DisputedReceipt> {
        let (Some(settler), Some(token)) = (&self.settler, &extra.receipt) else {
            return Ok(None);
        };
        let claims = verify(token, settler)?;
        match self.difference(&claims, extra.charged, extra.charged_total) {
            Some(field) => Err(DisputedReceipt::Differs(field)),
            None => Ok(Some(Box::new(SignedReceipt {
                token: token.clone(),
                claims,
            }))),
        }
    }

    fn difference(
        &self,
        claims: &Claims,
        charged: BaseUnits,
        charged_total: BaseUnits,
    ) -> Option<&'static str> {
        let lane = &self.identity;
        let fields = [
            ("lane's key", claims.sub == lane.signer),
            ("network", claims.network == self.network),
            ("program", claims.program == lane.program),
            ("channel", claims.channel == lane.channel),
            ("domain", claims.domain == lane.domain),
            ("lane", claims.lane == lane.lane.0),
            ("generation", claims.generation == lane.generation.0),
            // A facilitator does not see the request: its receipts name none, and prove only what was charged.
            (
                "request",
                claims.request.is_none_or(|request| request == self.request),
            ),
            ("charge", claims.charged == charged),
            ("total", claims.charged_total == charged_total),
        ];
        let mut fields = fields.into_iter();
        fields.find(|(_, is_same)| !is_same).map(|(field, _)| field)
    }
}

#[cfg(test)]
mod tests {
    use farthing_protocol::{Domain, Generation, LaneIndex};
    use farthing_wire::receipt::sign;
    use farthing_wire::x402::PaymentState;
    use solana_sdk::signature::Keypair;
    use solana_sdk::signer::Signer;

    use super::*;

    fn settler() -> Keypair {
        Keypair::new_from_array([5; 32])
    }

    fn claims() -> Claims {
        Claims {
            iss: settler().pubkey(),
            sub: Pubkey::new_from_array([1; 32]),
            iat: 1_795_500_000,
            network: "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1".to_owned(),
            program: Pubkey::new_from_array([2; 32]),
            channel: Pubkey::new_from_array([3; 32]),
            domain: Domain([4; 32]),
            lane: 7,
            generation: 1,
            request: Some(Hash::new_from_array([6; 32])),
            sold: None,
            charged: BaseUnits(20),
            charged_total: BaseUnits(60),
        }
    }

    fn notary() -> Notary {
        let claims = claims();
        Notary {
            settler: Some(claims.iss),
            network: claims.network,
            identity: LaneIdentity {
                program: claims.program,
                channel: claims.channel,
                domain: claims.domain,
                lane: LaneIndex(claims.lane),
                generation: Generation(claims.generation),
                signer: claims.sub,
                cap: BaseUnits(1_000),
            },
            request: Hash::new_from_array([6; 32]),
        }
    }

    fn extra(receipt: Option<String>) -> ReceiptExtra {
        ReceiptExtra {
            state: PaymentState::Charged,
            charged: BaseUnits(20),
            charged_total: BaseUnits(60),
            reserved: BaseUnits::ZERO,
            authorized: BaseUnits(60),
            deposit: BaseUnits(100),
            receipt,
        }
    }

    fn check(
        change: impl FnOnce(&mut Claims),
    ) -> Result<Option<Box<SignedReceipt>>, DisputedReceipt> {
        let mut changed = claims();
        change(&mut changed);
        notary().check(&extra(Some(sign(&settler(), &changed))))
    }

    #[test]
    fn a_receipt_about_something_else_is_disputed() {
        let other = Pubkey::new_from_array([9; 32]);
        let differs = |field| Err(DisputedReceipt::Differs(field));
        assert_eq!(check(|claims| claims.sub = other), differs("lane's key"));
        assert_eq!(check(|claims| claims.network.push('y')), differs("network"));
        assert_eq!(check(|claims| claims.program = other), differs("program"));
        assert_eq!(check(|claims| claims.channel = other), differs("channel"));
        assert_eq!(
            check(|claims| claims.domain = Domain([5; 32])),
            differs("domain")
        );
        assert_eq!(check(|claims| claims.lane = 8), differs("lane"));
        assert_eq!(check(|claims| claims.generation = 0), differs("generation"));
        assert_eq!(
            check(|claims| claims.request = Some(Hash::default())),
            differs("request")
        );
        assert_eq!(check(|claims| claims.charged.0 += 1), differs("charge"));
        assert_eq!(
            check(|claims| claims.charged_total.0 += 1),
            differs("total")
        );
    }

    #[test]
    fn only_the_settlers_signature_counts() {
        let stranger = Keypair::new_from_array([8; 32]);
        let forged = Claims {
            iss: stranger.pubkey(),
            ..claims()
        };
        let refused = notary().check(&extra(Some(sign(&stranger, &forged))));
        let expected = SignedReceiptError::Signature(settler().pubkey());
        assert_eq!(refused, Err(DisputedReceipt::NotSigned(expected)));
        let kept = check(|_| ())
            .expect("it is as it should be")
            .expect("it is kept");
        assert_eq!(kept.claims, claims());
        assert_eq!(
            notary().check(&extra(None)),
            Ok(None),
            "not every provider signs"
        );
        let knows_nobody = Notary {
            settler: None,
            ..notary()
        };
        let unchecked = knows_nobody.check(&extra(Some(kept.token)));
        assert_eq!(unchecked, Ok(None), "what was not checked is not kept");
    }
}
