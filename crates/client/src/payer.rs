//! The state of one lane at the client that pays through it: pure, no clock, no chance, no IO.
//!
//! A lane's counter only grows, and many requests are in flight at once. [`LanePayer`] therefore knows an
//! upper bound of what the verifier has charged and reserved, and signs ceilings that suffice whatever
//! order requests arrive and answers return in. Three rules keep the bound true:
//!
//! * what a request costs is unknown until its receipt: until then its maximum counts;
//! * an answer that was lost may have been charged: its maximum counts until a later receipt tells;
//! * a receipt is a sample of the verifier's own figures, `charged + reserved`. Samples may arrive out of
//!   order, so one is believed only if it is not older than the last.
//!
//! A verifier can only ever take what was signed. Its word lowers the bound, or raises it up to what this
//! lane's key has signed; it never raises what is signed beyond the lane's cap.

mod error;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

#[cfg(feature = "chain")]
use farthing_chain::Channel;
use farthing_protocol::state_query::StateQuery;
use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex, Voucher};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signature::{Keypair, Signature};
use solana_sdk::signer::Signer;

pub use error::{PayerError, ReceiptError, ResynchroniseError};

use farthing_wire::signature::SignerKey;
use farthing_wire::x402::{LaneStateInfo, ReceiptExtra, VoucherStateInfo};

/// The most values that are remembered as used and not charged through yet: more requests than that are
/// not in flight on one lane.
const MAX_USED_VALUES: usize = 4_096;
/// The most values that a verifier may call used: it keeps so many of a lane.
const MAX_USED_TOLD: usize = 1_024;

/// Which lane pays: pinned from the configuration or the chain, never from a 402.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneIdentity {
    /// The program that holds the money.
    pub program: Pubkey,
    /// The channel's address.
    pub channel: Pubkey,
    /// The channel's domain.
    pub domain: Domain,
    /// The lane.
    pub lane: LaneIndex,
    /// Its generation.
    pub generation: Generation,
    /// Its public key.
    pub signer: Pubkey,
    /// The most that it may be debited in total.
    pub cap: BaseUnits,
}

/// A voucher with its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedVoucher {
    /// What was signed.
    pub voucher: Voucher,
    /// The lane key's signature over its bytes.
    pub signature: Signature,
}

/// A maximum that counts as spent until the request's end is known. Hand it back by
/// [`LanePayer::settled`], [`LanePayer::lost`] or [`LanePayer::refused`], or the lane loses that much.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a reservation counts as spent until it is handed back"]
pub struct Reservation {
    maximum: BaseUnits,
    value: BaseUnits,
    issued: u64,
}

impl Reservation {
    /// The most that the request can cost.
    #[must_use]
    pub const fn maximum(&self) -> BaseUnits {
        self.maximum
    }
}

/// A question for the lane's state that is under way.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the answer belongs to its question"]
pub struct StateAsked {
    issued: u64,
}

/// One lane at its client.
#[derive(Debug, Clone)]
pub struct LanePayer {
    identity: LaneIdentity,
    key: SignerKey,
    /// What the lane was debited on-chain when this began: charged without any signature of ours to show.
    initial: BaseUnits,
    /// Charged at least, by the highest total that was believed.
    charged_floor: BaseUnits,
    /// Charged or reserved at most, by all requests that are not in flight here.
    spent: BaseUnits,
    /// The maxima in flight here.
    in_flight: BaseUnits,
    /// The part of `spent` that lost answers put there and no sample has resolved.
    lost: BaseUnits,
    /// When the last loss was noticed, in numbers of reservations.
    last_loss: u64,
    /// Reservations made so far.
    issued: u64,
    /// Which reservation the last believed sample answered.
    last_sample: u64,
    /// Values above `charged_floor` that bought something or may have.
    used: BTreeSet<u64>,
    /// The highest value signed, here or, as a signature of ours proves, before.
    highest_signed: BaseUnits,
    /// Values below this one collided with values that were used before this began.
    avoid_below: BaseUnits,
}

impl LanePayer {
    /// A lane whose on-chain counter is `debited`. What was charged since is learnt from the verifier.
    ///
    /// # Errors
    /// [`PayerError::UnusableKey`].
    pub fn new(identity: LaneIdentity, debited: BaseUnits) -> Result<Self, PayerError> {
        Ok(Self {
            identity,
            key: SignerKey::new(&identity.signer.to_bytes())?,
            initial: debited,
            charged_floor: debited,
            spent: debited,
            in_flight: BaseUnits::ZERO,
            lost: BaseUnits::ZERO,
            last_loss: 0,
            issued: 0,
            last_sample: 0,
            used: BTreeSet::new(),
            highest_signed: debited,
            avoid_below: BaseUnits::ZERO,
        })
    }

    /// A lane of a channel that was read from the chain, for the holder of `signer`. The caller has
    /// checked the channel's domain ([`Channel::domain_is_of`]).
    ///
    /// # Errors
    /// [`PayerError`] if the lane is missing or belongs to another key.
    #[cfg(feature = "chain")]
    pub fn of_channel(
        program: Pubkey,
        address: Pubkey,
        channel: &Channel,
        lane: LaneIndex,
        signer: Pubkey,
    ) -> Result<Self, PayerError> {
        let state = channel.lane(lane).ok_or(PayerError::NoSuchLane(lane))?;
        let expected = Pubkey::from(state.signer);
        if expected != signer {
            return Err(PayerError::WrongKey {
                lane,
                expected,
                given: signer,
            });
        }
        let identity = LaneIdentity {
            program,
            channel: address,
            domain: channel.header.domain,
            lane,
            generation: state.generation,
            signer,
            cap: state.cap,
        };
        Self::new(identity, state.debited)
    }

    /// Which lane this is.
    #[must_use]
    pub const fn identity(&self) -> &LaneIdentity {
        &self.identity
    }

    /// Charged or reserved at most, the maxima in flight included.
    #[must_use]
    pub const fn spent_at_most(&self) -> BaseUnits {
        BaseUnits(self.spent.0.saturating_add(self.in_flight.0))
    }

    /// Whether answers were lost of which nobody has told since what became of them.
    #[must_use]
    pub fn has_losses(&self) -> bool {
        self.lost > BaseUnits::ZERO
    }

    /// Signs a voucher that covers a request of at most `maximum`: the smallest unused value that suffices.
    ///
    /// # Errors
    /// [`PayerError`] if the cap does not cover it, or too much is unresolved.
    ///
    /// # Panics
    /// If `key` is not the lane's, which is a defect of the caller.
    pub fn next_voucher(
        &mut self,
        maximum: BaseUnits,
        key: &Keypair,
    ) -> Result<(SignedVoucher, Reservation), PayerError> {
        // A value must be above what is charged, also for a request that costs nothing.
        let need = self
            .spent_at_most()
            .checked_add(maximum.max(BaseUnits(1)))
            .filter(|need| *need <= self.identity.cap)
            .ok_or_else(|| self.cap_reached(maximum))?;
        let value = self
            .unused_from(need.max(self.avoid_below))
            .or_else(|| self.unused_from(need))
            .ok_or_else(|| self.cap_reached(maximum))?;
        self.sign(value, maximum, key)
    }

    /// Signs the highest unused value within the cap, for a request that the bound forbids only because
    /// of answers that were lost: the verifier accepts it, or tells the lane's state. Only while nothing
    /// is in flight, since it may take the room that vouchers on their way count on.
    ///
    /// # Errors
    /// [`PayerError`] if nothing was lost, something is in flight, or the cap does not cover the request
    /// anyway.
    ///
    /// # Panics
    /// If `key` is not the lane's, which is a defect of the caller.
    pub fn probing_voucher(
        &mut self,
        maximum: BaseUnits,
        key: &Keypair,
    ) -> Result<(SignedVoucher, Reservation), PayerError> {
        let may_probe = self.lost > BaseUnits::ZERO && self.in_flight == BaseUnits::ZERO;
        let least = self
            .spent
            .saturating_sub(self.lost)
            .checked_add(maximum.max(BaseUnits(1)))
            .filter(|least| may_probe && *least <= self.identity.cap)
            .ok_or_else(|| self.cap_reached(maximum))?;
        let encodable = self.charged_floor.0.saturating_add(u64::from(u32::MAX));
        let value = (least.0..=self.identity.cap.0.min(encodable))
            .rev()
            .find(|value| !self.used.contains(value))
            .map(BaseUnits)
            .ok_or_else(|| self.cap_reached(maximum))?;
        self.sign(value, maximum, key)
    }

    fn sign(
        &mut self,
        value: BaseUnits,
        maximum: BaseUnits,
        key: &Keypair,
    ) -> Result<(SignedVoucher, Reservation), PayerError> {
        self.require_key(key);
        let lane = self.identity.lane;
        if value.saturating_sub(self.charged_floor).0 > u64::from(u32::MAX) {
            return Err(PayerError::TooFarAhead(lane));
        }
        if self.used.len() >= MAX_USED_VALUES {
            return Err(PayerError::TooManyUnresolved(lane));
        }
        let voucher = self.voucher(value);
        self.used.insert(value.0);
        self.highest_signed = self.highest_signed.max(value);
        // Below the cap, as `next_voucher` and `probing_voucher` have checked.
        self.in_flight.0 += maximum.0;
        self.issued += 1;
        let signed = SignedVoucher {
            voucher,
            signature: key.sign_message(&voucher.to_bytes()),
        };
        let reservation = Reservation {
            maximum,
            value,
            issued: self.issued,
        };
        Ok((signed, reservation))
    }

    fn require_key(&self, key: &Keypair) {
        let expected = self.identity.signer;
        assert_eq!(key.pubkey(), expected, "the key must be the lane's");
    }

    /// The request ended with a receipt whose state is final.
    ///
    /// # Errors
    /// [`ReceiptError`] if the receipt says what cannot be; the maximum counts as spent then.
    pub fn settled(
        &mut self,
        reservation: Reservation,
        receipt: &ReceiptExtra,
    ) -> Result<(), ReceiptError> {
        if receipt.charged > reservation.maximum {
            let error = ReceiptError::AboveMaximum {
                charged: receipt.charged,
                maximum: reservation.maximum,
            };
            self.lost(reservation);
            return Err(error);
        }
        if receipt.charged_total > self.highest_signed {
            let error = ReceiptError::AboveAuthorized {
                charged_total: receipt.charged_total,
            };
            self.lost(reservation);
            return Err(error);
        }
        self.release(&reservation);
        self.spend(receipt.charged);
        self.sample(reservation.issued, receipt.charged_total, receipt.reserved);
        Ok(())
    }

    /// The request's end is unknown: its maximum counts as spent until a later sample tells.
    pub fn lost(&mut self, reservation: Reservation) {
        self.release(&reservation);
        self.spend(reservation.maximum);
        self.lost.0 = self.lost.0.saturating_add(reservation.maximum.0);
        self.last_loss = self.issued;
    }

    /// The verifier refused the request and charged nothing. Its value stays used: whoever saw it may
    /// have kept it.
    pub fn refused(&mut self, reservation: Reservation) {
        self.release(&reservation);
    }

    /// The verifier refused the request because its value had been used before this began: the next
    /// values are at least `distance` higher, if the cap permits.
    pub fn refused_as_used(&mut self, reservation: Reservation, distance: u64) {
        let above = BaseUnits(reservation.value.0.saturating_add(distance));
        self.avoid_below = self.avoid_below.max(above);
        self.release(&reservation);
    }

    /// The verifier refused the request and told the lane's state.
    ///
    /// # Errors
    /// [`ResynchroniseError`] if the state does not carry this lane's own signature, or claims more than
    /// that; nothing is learnt from it then.
    pub fn resynchronise(
        &mut self,
        refused: Reservation,
        state: &VoucherStateInfo,
    ) -> Result<(), ResynchroniseError> {
        self.release(&refused);
        let claimed = self.require_signed(state)?;
        if state.signature.is_some() && self.used.insert(state.authorized.0) {
            // Signed before this began, as others may have been, but none of them higher.
            let above = BaseUnits(state.authorized.0.saturating_add(1));
            self.avoid_below = self.avoid_below.max(above);
        }
        self.learn(refused.issued, state, claimed);
        Ok(())
    }

    /// Signs a question for the lane's state, asked at `unix_seconds`.
    ///
    /// # Panics
    /// If `key` is not the lane's, which is a defect of the caller.
    pub fn ask_state(&mut self, unix_seconds: u64, key: &Keypair) -> (Signature, StateAsked) {
        self.require_key(key);
        let query = StateQuery {
            domain: self.identity.domain,
            lane: self.identity.lane,
            generation: self.identity.generation,
            unix_seconds,
        };
        // A question has its place among the requests, so that its answer tells what became of those before it.
        self.issued += 1;
        let asked = StateAsked {
            issued: self.issued,
        };
        (key.sign_message(&query.to_bytes()), asked)
    }

    /// The verifier answered a question for the lane's state: which values are used, and what became of those whose
    /// answers were lost before it was asked.
    ///
    /// # Errors
    /// [`ResynchroniseError`] if the state does not carry this lane's own signature, or claims more than that; nothing
    /// is learnt from it then.
    pub fn learn_state(
        &mut self,
        asked: &StateAsked,
        told: &LaneStateInfo,
    ) -> Result<(), ResynchroniseError> {
        let claimed = self.require_signed(&told.state)?;
        let highest = told.used.iter().copied().max().unwrap_or_default();
        if told.used.len() > MAX_USED_TOLD || highest.max(told.used_floor) > told.state.authorized {
            return Err(ResynchroniseError::UsedAboveAuthorized);
        }
        let used = told.used.iter().map(|value| value.0);
        self.used
            .extend(used.filter(|value| *value > self.charged_floor.0));
        let above_floor = BaseUnits(told.used_floor.0.saturating_add(1));
        self.avoid_below = self.avoid_below.max(above_floor);
        self.learn(asked.issued, &told.state, claimed);
        Ok(())
    }

    /// What a state claims as charged or reserved, if this lane's signature covers it.
    fn require_signed(
        &mut self,
        state: &VoucherStateInfo,
    ) -> Result<BaseUnits, ResynchroniseError> {
        let claimed = state
            .charged
            .checked_add(state.reserved)
            .ok_or(ResynchroniseError::AboveAuthorized)?;
        match state.signature {
            Some(signature) => {
                let voucher = self.voucher(state.authorized).to_bytes();
                if !self.key.verifies(&voucher, signature.as_array()) {
                    return Err(ResynchroniseError::NotSigned);
                }
                if claimed > state.authorized || state.authorized > self.identity.cap {
                    return Err(ResynchroniseError::AboveAuthorized);
                }
                self.highest_signed = self.highest_signed.max(state.authorized);
            }
            // Without a signature only what the chain shows as debited may be charged.
            None if claimed > self.initial => return Err(ResynchroniseError::NotSigned),
            None => {}
        }
        Ok(claimed)
    }

    /// Uses a state that is believed, as of the answer to number `issued`.
    fn learn(&mut self, issued: u64, state: &VoucherStateInfo, claimed: BaseUnits) {
        if claimed > self.spent_at_most() {
            // Somebody else pays through this lane, or did before this began.
            self.spent = claimed;
            self.learn_charged(state.charged);
        } else {
            self.sample(issued, state.charged, state.reserved);
        }
    }

    /// Uses the verifier's own figures, as of the answer to reservation number `issued`, if they are not
    /// older than those that were used before.
    fn sample(&mut self, issued: u64, charged: BaseUnits, reserved: BaseUnits) {
        let is_newer = charged > self.charged_floor
            || (charged == self.charged_floor && issued >= self.last_sample);
        if !is_newer {
            return;
        }
        // What was noticed as lost before this request was sent is in the figures by now.
        let unresolved = if issued > self.last_loss {
            BaseUnits::ZERO
        } else {
            self.lost
        };
        let bound = charged
            .0
            .saturating_add(reserved.0)
            .saturating_add(unresolved.0);
        self.spent = BaseUnits(self.spent.0.min(bound)).max(charged);
        self.lost = unresolved;
        self.last_sample = self.last_sample.max(issued);
        self.learn_charged(charged);
    }

    fn learn_charged(&mut self, charged: BaseUnits) {
        self.charged_floor = self.charged_floor.max(charged);
        self.used = self.used.split_off(&self.charged_floor.0.saturating_add(1));
    }

    fn release(&mut self, reservation: &Reservation) {
        self.in_flight = self.in_flight.saturating_sub(reservation.maximum);
    }

    fn spend(&mut self, amount: BaseUnits) {
        self.spent.0 = self.spent.0.saturating_add(amount.0);
    }

    /// The smallest unused value from `from` to the cap. At most [`MAX_USED_VALUES`] are in the way.
    fn unused_from(&self, from: BaseUnits) -> Option<BaseUnits> {
        (from.0..=self.identity.cap.0)
            .find(|value| !self.used.contains(value))
            .map(BaseUnits)
    }

    fn voucher(&self, authorized: BaseUnits) -> Voucher {
        Voucher {
            domain: self.identity.domain,
            lane: self.identity.lane,
            generation: self.identity.generation,
            authorized,
        }
    }

    fn cap_reached(&self, maximum: BaseUnits) -> PayerError {
        PayerError::CapReached {
            lane: self.identity.lane,
            left: self.identity.cap.saturating_sub(self.spent_at_most()),
            maximum,
        }
    }
}
