//! The state of one lane at the client that pays through it. Pure: no clock, no randomness, no IO.
//!
//! A lane's counter only grows, and many requests are in flight at once. [`LanePayer`] therefore keeps an upper bound
//! of what the verifier has charged and reserved, and signs ceilings that suffice in whatever order requests arrive and
//! answers return. Three rules keep the bound valid:
//!
//! * the cost of a request is unknown until its receipt arrives: until then its maximum counts;
//! * a request whose answer was lost may have been charged: its maximum counts until a later receipt resolves it;
//! * a receipt is a sample of the verifier's own totals, `charged + reserved`. Samples may arrive out of order, so a
//!   sample is used only if it is not older than the last one.
//!
//! A verifier can never take more than was signed. Its reports lower the bound. A refusal raises it only up to what somebody
//! else has signed with this lane's key, as a signature shows; a receipt up to what was signed at all. They never make the
//! client sign more than the lane's cap.

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

/// The most used values above the charged total that are remembered. It limits the requests of one lane that are in
/// flight or unresolved.
const MAX_USED_VALUES: usize = 4_096;
/// The most used values that a verifier may report. A verifier keeps at most this many per lane.
const MAX_USED_TOLD: usize = 1_024;

/// Identity of the lane that pays. It comes from the configuration or the chain, never from a 402.
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
    /// The lane's generation.
    pub generation: Generation,
    /// The lane's public key.
    pub signer: Pubkey,
    /// The lane's cap: the most that it may be debited in total.
    pub cap: BaseUnits,
}

/// A voucher with its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedVoucher {
    /// The voucher that was signed.
    pub voucher: Voucher,
    /// The lane key's signature over its bytes.
    pub signature: Signature,
}

/// The maximum of a request, which counts as spent until the request's outcome is known. Hand it back with
/// [`LanePayer::settled`], [`LanePayer::lost`] or [`LanePayer::refused`], else that amount of the lane stays unusable.
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

/// An in-flight query for the lane's state. Pass it to [`LanePayer::learn_state`] together with the answer.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "pass it to `learn_state` with the answer"]
pub struct StateQueryInFlight {
    issued: u64,
}

/// The state of one lane at its client.
#[derive(Debug, Clone)]
pub struct LanePayer {
    identity: LaneIdentity,
    key: SignerKey,
    /// The lane's on-chain debit when this state was created: the most that a verifier may report as charged without
    /// showing a signature of the lane's key.
    initial: BaseUnits,
    /// Lower bound of what was charged: the highest total that was accepted.
    charged_floor: BaseUnits,
    /// Upper bound of what was charged or reserved by all requests that are not in flight here.
    spent: BaseUnits,
    /// The sum of the maxima of requests in flight here.
    in_flight: BaseUnits,
    /// The part of `spent` that is due to lost answers and not yet resolved by a sample.
    lost: BaseUnits,
    /// The value of `issued` when the last loss was noticed.
    last_loss: u64,
    /// Number of reservations and state queries made so far.
    issued: u64,
    /// Number of the reservation or state query that the last accepted sample answered.
    last_sample: u64,
    /// Values above `charged_floor` whose vouchers bought something or may have.
    used: BTreeSet<u64>,
    /// The highest value signed: here, or earlier as proven by a signature of the lane's key.
    highest_signed: BaseUnits,
    /// Values below this one may have been used before this state was created.
    avoid_below: BaseUnits,
    /// Values above `charged_floor` that were signed here.
    own: BTreeSet<u64>,
    /// The highest value that was signed elsewhere with this lane's key, as a verifier has proven: another client of the
    /// lane, or an earlier one, may have been charged up to it.
    signed_elsewhere: BaseUnits,
    /// How far above what is needed vouchers are signed, so that two clients of one lane sign different values.
    spread: u16,
}

impl LanePayer {
    /// A lane whose on-chain counter is `debited`. What was charged beyond that is learnt from the verifier.
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
            own: BTreeSet::new(),
            signed_elsewhere: BaseUnits::ZERO,
            spread: 0,
        })
    }

    /// A lane of a channel that was read from the chain, for the holder of `signer`. The caller must have
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

    /// Signs vouchers that are this much above what is needed, where the cap permits. Two clients of one lane that choose
    /// it at random sign different values, so that each can tell the other's vouchers from its own.
    #[must_use]
    pub fn with_spread(self, spread: u16) -> Self {
        Self { spread, ..self }
    }

    /// Whether the cap covers a request of at most `maximum` once the requests in flight here have ended, if they cost
    /// nothing.
    #[must_use]
    pub fn may_cover(&self, maximum: BaseUnits) -> bool {
        let need = self.spent.checked_add(maximum.max(BaseUnits(1)));
        self.in_flight > BaseUnits::ZERO && need.is_some_and(|need| need <= self.identity.cap)
    }

    /// Which lane this is.
    #[must_use]
    pub const fn identity(&self) -> &LaneIdentity {
        &self.identity
    }

    /// Upper bound of what was charged or reserved, including the maxima of in-flight requests.
    #[must_use]
    pub const fn spent_at_most(&self) -> BaseUnits {
        BaseUnits(self.spent.0.saturating_add(self.in_flight.0))
    }

    /// Lower bound of what was charged: the chain's counter, and the highest total that was accepted.
    #[must_use]
    pub const fn charged_at_least(&self) -> BaseUnits {
        self.charged_floor
    }

    /// Whether there are requests whose answers were lost and whose outcome is still unknown.
    #[must_use]
    pub fn has_losses(&self) -> bool {
        self.lost > BaseUnits::ZERO
    }

    /// Signs a voucher that covers a request of at most `maximum`: the smallest unused value that suffices.
    ///
    /// # Errors
    /// [`PayerError`] if the cap does not cover the request, or too many requests are unresolved.
    ///
    /// # Panics
    /// If `key` is not the lane's, which is a defect of the caller.
    pub fn next_voucher(
        &mut self,
        maximum: BaseUnits,
        key: &Keypair,
    ) -> Result<(SignedVoucher, Reservation), PayerError> {
        // A voucher's value must be above what is charged, even for a request that costs nothing.
        let need = self
            .spent_at_most()
            .checked_add(maximum.max(BaseUnits(1)))
            .filter(|need| *need <= self.identity.cap)
            .ok_or_else(|| self.cap_reached(maximum))?;
        let spread = BaseUnits(need.0.saturating_add(u64::from(self.spread)));
        let value = self
            .unused_from(spread.max(self.avoid_below))
            .or_else(|| self.unused_from(need.max(self.avoid_below)))
            .or_else(|| self.unused_from(need))
            .ok_or_else(|| self.cap_reached(maximum))?;
        self.sign(value, maximum, key)
    }

    /// Signs a voucher with the highest unused value within the cap, for a request that the bound forbids only because
    /// of lost answers: the verifier accepts it, or refuses it with the lane's state. Allowed only while nothing is in
    /// flight, because it may use up the part of the cap that in-flight vouchers need.
    ///
    /// # Errors
    /// [`PayerError`] if nothing was lost, something is in flight, or the cap does not cover the request even
    /// without the losses.
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
        self.own.insert(value.0);
        self.highest_signed = self.highest_signed.max(value);
        // Cannot overflow: `next_voucher` and `probing_voucher` have checked that it is below the cap.
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

    /// Records that the request ended with a final receipt. Returns what the lane was charged, as the receipt says, beyond
    /// what is known here: by somebody else who pays through it, or falsely.
    ///
    /// # Errors
    /// [`ReceiptError`] if the receipt exceeds the maximum or what was signed; the maximum then counts as spent.
    pub fn settled(
        &mut self,
        reservation: Reservation,
        receipt: &ReceiptExtra,
    ) -> Result<BaseUnits, ReceiptError> {
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
        let known = self.spent_at_most().max(self.believed_anyway());
        let beyond = receipt.charged_total.saturating_sub(known);
        if beyond > BaseUnits::ZERO {
            // Somebody else pays through this lane, or the verifier takes what it could take anyway.
            self.spent = self.spent.max(receipt.charged_total);
            self.learn_charged(receipt.charged_total);
        } else {
            self.sample(reservation.issued, receipt.charged_total, receipt.reserved);
        }
        Ok(beyond)
    }

    /// What may be claimed as charged whatever is known here: the chain's counter, and what was signed elsewhere.
    fn believed_anyway(&self) -> BaseUnits {
        self.signed_elsewhere.max(self.initial)
    }

    /// Records that the voucher was never sent: its value may be used again.
    pub fn unsent(&mut self, reservation: Reservation) {
        self.used.remove(&reservation.value.0);
        self.own.remove(&reservation.value.0);
        self.release(&reservation);
    }

    /// Records that the request's outcome is unknown: its maximum counts as spent until a later sample resolves it.
    pub fn lost(&mut self, reservation: Reservation) {
        self.release(&reservation);
        self.spend(reservation.maximum);
        self.lost.0 = self.lost.0.saturating_add(reservation.maximum.0);
        self.last_loss = self.issued;
    }

    /// Records that the verifier refused the request and charged nothing. The voucher's value stays used, because
    /// anyone who saw the voucher may have kept it.
    pub fn refused(&mut self, reservation: Reservation) {
        if self.used.len() > MAX_USED_VALUES / 2 {
            // So many refusals must not end the lane. The same value is the same voucher, whoever has kept it.
            self.used.remove(&reservation.value.0);
        }
        self.release(&reservation);
    }

    /// Records that the verifier refused the request because the voucher's value was used before this state was
    /// created. The next values are at least `distance` higher, if the cap permits.
    pub fn refused_as_used(&mut self, reservation: Reservation, distance: u64) {
        let above = BaseUnits(reservation.value.0.saturating_add(distance));
        self.avoid_below = self.avoid_below.max(above);
        self.release(&reservation);
    }

    /// Records that the verifier refused the request, and learns the lane's state from the refusal.
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
            // This value was signed before this state was created. Others may have been as well, but no higher ones.
            let above = BaseUnits(state.authorized.0.saturating_add(1));
            self.avoid_below = self.avoid_below.max(above);
        }
        self.learn(refused.issued, state, claimed);
        Ok(())
    }

    /// Signs a query for the lane's state, made at `unix_seconds`.
    ///
    /// # Panics
    /// If `key` is not the lane's, which is a defect of the caller.
    pub fn ask_state(
        &mut self,
        unix_seconds: u64,
        key: &Keypair,
    ) -> (Signature, StateQueryInFlight) {
        self.require_key(key);
        let query = StateQuery {
            domain: self.identity.domain,
            lane: self.identity.lane,
            generation: self.identity.generation,
            unix_seconds,
        };
        // Queries are numbered together with requests, so that an answer resolves the losses noticed before its query.
        self.issued += 1;
        let outgoing = StateQueryInFlight {
            issued: self.issued,
        };
        (key.sign_message(&query.to_bytes()), outgoing)
    }

    /// Learns from the verifier's answer to a state query which values are used, and the outcome of requests whose
    /// answers were lost before the query.
    ///
    /// # Errors
    /// [`ResynchroniseError`] if the state does not carry this lane's own signature, or claims more than that; nothing
    /// is learnt from it then.
    pub fn learn_state(
        &mut self,
        outgoing: &StateQueryInFlight,
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
        self.learn(outgoing.issued, &told.state, claimed);
        Ok(())
    }

    /// The sum that a state claims as charged and reserved, if a signature of this lane's key covers it.
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
                if !self.own.contains(&state.authorized.0) {
                    self.signed_elsewhere = self.signed_elsewhere.max(state.authorized);
                }
            }
            // Without a signature only what the chain shows as debited may be charged.
            None if claimed > self.initial => return Err(ResynchroniseError::NotSigned),
            None => {}
        }
        Ok(claimed)
    }

    /// Applies a trusted state from the answer to the reservation or query number `issued`.
    ///
    /// A higher claim than what is known is believed only if it is covered by a voucher that was signed elsewhere: a
    /// voucher of this client that was refused has bought nothing, and an answer that is older than later receipts says
    /// nothing new.
    fn learn(&mut self, issued: u64, state: &VoucherStateInfo, claimed: BaseUnits) {
        if claimed > self.spent_at_most() {
            if claimed <= self.believed_anyway() {
                // Somebody else pays through this lane, or did before this state was created.
                self.spent = claimed;
                self.learn_charged(state.charged);
            }
        } else {
            self.sample(issued, state.charged, state.reserved);
        }
    }

    /// Applies the verifier's own totals from the answer to the reservation or query number `issued`, unless they are
    /// older than those that were applied before.
    fn sample(&mut self, issued: u64, charged: BaseUnits, reserved: BaseUnits) {
        let is_newer = charged > self.charged_floor
            || (charged == self.charged_floor && issued >= self.last_sample);
        if !is_newer {
            return;
        }
        // Losses that were noticed before this request was sent are included in the totals.
        let unresolved = if issued > self.last_loss {
            BaseUnits::ZERO
        } else {
            self.lost
        };
        let bound = charged
            .0
            .saturating_add(reserved.0)
            .saturating_add(unresolved.0);
        // What others in flight here were charged already is still among their maxima: it is not counted twice.
        let highest = self.spent.max(self.believed_anyway());
        let spent = BaseUnits(self.spent.0.min(bound)).max(charged);
        self.spent = spent.min(highest);
        self.lost = unresolved;
        self.last_sample = self.last_sample.max(issued);
        self.learn_charged(charged);
    }

    fn learn_charged(&mut self, charged: BaseUnits) {
        self.charged_floor = self.charged_floor.max(charged);
        let above = self.charged_floor.0.saturating_add(1);
        self.used = self.used.split_off(&above);
        self.own = self.own.split_off(&above);
    }

    fn release(&mut self, reservation: &Reservation) {
        self.in_flight = self.in_flight.saturating_sub(reservation.maximum);
    }

    fn spend(&mut self, amount: BaseUnits) {
        self.spent.0 = self.spent.0.saturating_add(amount.0);
    }

    /// The smallest unused value from `from` to the cap. It skips at most [`MAX_USED_VALUES`] used values.
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
