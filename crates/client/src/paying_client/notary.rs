//! Whether the signed receipt of an answer is the settler's, and says what the answer says.

use farthing_protocol::BaseUnits;
use farthing_wire::receipt::{Claims, SignedReceiptError, verify};
use farthing_wire::x402::ReceiptExtra;
use solana_sdk::hash::Hash;
use solana_sdk::pubkey::Pubkey;

use crate::payer::LaneIdentity;

/// A receipt whose signature was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedReceipt {
    /// As it came: keep it to show it to others.
    pub token: String,
    /// What it says.
    pub claims: Claims,
}

/// Why the signed receipt of an answer is disputed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DisputedReceipt {
    /// It is none, or not the settler's.
    #[error("{0}; if the payee named another settler, read the channel again")]
    NotSigned(#[from] SignedReceiptError),
    /// It is about something else.
    #[error("the signed receipt is about another {0} than the request that it came with")]
    Differs(&'static str),
}

/// What must be in a receipt.
#[derive(Debug, Clone)]
pub(super) struct Notary {
    /// Who must have signed it; unknown if the caller did not say.
    pub(super) settler: Option<Pubkey>,
    pub(super) network: String,
    pub(super) identity: LaneIdentity,
    /// Digest of what was asked.
    pub(super) request: Hash,
}

impl Notary {
    /// The receipt that came with these figures; none if the provider signs none, or nobody knows who should have.
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
            // A facilitator signs what it does not see: it names no request, and proves what was charged.
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
