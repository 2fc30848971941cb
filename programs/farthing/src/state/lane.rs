//! The lane: one agent's key, cap and cumulative counter inside a channel.

use core::mem::offset_of;

use anchor_lang::prelude::*;
use farthing_protocol::deadline::{ChainTime, grace_is_over};
use farthing_protocol::debit::{DebitError, lane_debit};
use farthing_protocol::layout::{LANE_LENGTH, NEVER};
use farthing_protocol::{BaseUnits, Generation};

use crate::error::FarthingError;
use crate::signature::require_signing_key;

/// A lane inside a channel account; layout in `farthing_protocol::layout`. Amounts are base units.
#[zero_copy]
#[derive(Debug)]
pub struct Lane {
    /// The key that signs this generation's vouchers.
    pub signer: Pubkey,
    /// The most that the lane may be debited in total, over all generations.
    pub cap: u64,
    /// What the lane was debited so far. Never falls.
    pub debited: u64,
    /// When the revocation was requested, in Unix seconds; [`NEVER`] unless it was.
    pub revoked_at: i64,
    /// How often the signer was replaced.
    pub generation: u16,
    /// The slot in which the revocation was requested, 48 bits little-endian.
    pub revoked_slot: [u8; 6],
}

const _: () = {
    assert!(size_of::<Lane>() == LANE_LENGTH);
    assert!(offset_of!(Lane, cap) == 32);
    assert!(offset_of!(Lane, debited) == 40);
    assert!(offset_of!(Lane, revoked_at) == 48);
    assert!(offset_of!(Lane, generation) == 56);
    assert!(offset_of!(Lane, revoked_slot) == 58);
};

/// A lane to be appended.
#[derive(Debug, Clone, AnchorSerialize, AnchorDeserialize)]
pub struct NewLane {
    /// The key that will sign its vouchers.
    pub signer: Pubkey,
    /// The most that it may be debited in total, in base units.
    pub cap: u64,
}

impl NewLane {
    /// Requires a usable key and a cap.
    ///
    /// # Errors
    /// [`FarthingError::ZeroCap`], or what is wrong with the key.
    pub fn validate(&self) -> Result<()> {
        require!(self.cap > 0, FarthingError::ZeroCap);
        require_signing_key(&self.signer)
    }
}

impl Lane {
    /// A lane of the first generation that was not debited yet.
    #[must_use]
    pub fn new(new: &NewLane) -> Self {
        Self {
            signer: new.signer,
            cap: new.cap,
            debited: 0,
            revoked_at: NEVER,
            generation: 0,
            revoked_slot: [0; 6],
        }
    }

    /// The generation that a voucher must name.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        Generation(self.generation)
    }

    /// What moving the counter to `debit_to` would debit now: nothing if the counter is there already or the
    /// lane's revocation took effect.
    ///
    /// # Errors
    /// [`FarthingError::CapExceeded`].
    pub fn owed(
        &self,
        debit_to: BaseUnits,
        grace_seconds: u32,
        now: ChainTime,
    ) -> Result<BaseUnits> {
        if grace_is_over(self.revoked(), grace_seconds, now) {
            return Ok(BaseUnits::ZERO);
        }
        lane_debit(BaseUnits(self.cap), BaseUnits(self.debited), debit_to).map_err(|error| {
            match error {
                DebitError::CapExceeded => FarthingError::CapExceeded.into(),
                DebitError::UndebitedAboveAuthorized => {
                    FarthingError::UndebitedAboveAuthorized.into()
                }
            }
        })
    }

    /// Moves the counter by what [`Self::owed`] returned.
    ///
    /// # Errors
    /// [`FarthingError::Overflow`].
    pub fn debit(&mut self, owed: BaseUnits) -> Result<()> {
        self.debited = BaseUnits(self.debited)
            .checked_add(owed)
            .ok_or(FarthingError::Overflow)?
            .0;
        Ok(())
    }

    /// Raises the cap.
    ///
    /// # Errors
    /// [`FarthingError::LaneRevoked`], [`FarthingError::CapNotRaised`].
    pub fn raise_cap(&mut self, cap: BaseUnits) -> Result<()> {
        require!(!self.is_revoked(), FarthingError::LaneRevoked);
        require!(cap.0 > self.cap, FarthingError::CapNotRaised);
        self.cap = cap.0;
        Ok(())
    }

    /// Starts the grace after which the lane's vouchers are worthless. Returns whether it started now: a
    /// second request does not move the deadline.
    pub fn revoke(&mut self, now: ChainTime) -> bool {
        if self.is_revoked() {
            return false;
        }
        self.revoked_at = now.unix_timestamp;
        let slot = now.slot.to_le_bytes();
        self.revoked_slot.copy_from_slice(&slot[..6]);
        true
    }

    /// Replaces the signer of a lane whose revocation took effect. The counter carries on, and the cap is
    /// cumulative over the generations.
    ///
    /// # Errors
    /// [`FarthingError::RevocationNotEffective`], [`FarthingError::CapBelowDebited`],
    /// [`FarthingError::GenerationsExhausted`].
    pub fn rotate(&mut self, new: &NewLane, grace_seconds: u32, now: ChainTime) -> Result<()> {
        require!(
            grace_is_over(self.revoked(), grace_seconds, now),
            FarthingError::RevocationNotEffective
        );
        require!(new.cap >= self.debited, FarthingError::CapBelowDebited);
        let generation = self
            .generation
            .checked_add(1)
            .ok_or(FarthingError::GenerationsExhausted)?;
        *self = Self {
            debited: self.debited,
            generation,
            ..Self::new(new)
        };
        Ok(())
    }

    const fn is_revoked(&self) -> bool {
        self.revoked_at != NEVER
    }

    fn revoked(&self) -> ChainTime {
        let mut slot = [0; 8];
        slot[..6].copy_from_slice(&self.revoked_slot);
        ChainTime {
            unix_timestamp: self.revoked_at,
            slot: u64::from_le_bytes(slot),
        }
    }
}
