//! Decodes the program's accounts. The channel's layout is `farthing_protocol::layout`, the others are those of the
//! program's `state`; `tests/tests/chain` compares them with what the program writes.

use borsh::BorshDeserialize;
use farthing_protocol::layout::{
    APPROVAL_DISCRIMINATOR, ChannelHeader, ESCROW_DISCRIMINATOR, LAYOUT_VERSION, LaneState,
    LayoutError, lanes,
};
use farthing_protocol::{BaseUnits, LaneIndex};
use solana_sdk::hash::Hash;
use solana_sdk::pubkey::Pubkey;

use super::addresses::channel_domain;
use super::token::{Token, associated_token_address};

const DISCRIMINATOR_LENGTH: usize = 8;

/// Why account data cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// The account is of another type.
    #[error("account is not an {expected}")]
    Discriminator {
        /// What was expected.
        expected: &'static str,
    },
    /// The account has a layout that this version does not know.
    #[error("layout {version} of the {kind} is not known: update farthing")]
    Version {
        /// The kind of account.
        kind: &'static str,
        /// The version of the account's layout.
        version: u8,
    },
    /// The data is too short, or has invalid values.
    #[error("{kind} account is malformed")]
    Malformed {
        /// The kind of account.
        kind: &'static str,
    },
    /// The data is not a channel.
    #[error(transparent)]
    Channel(#[from] LayoutError),
}

/// An owner's prepaid funds in one mint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Escrow {
    /// Bump of the escrow's address.
    pub bump: u8,
    /// Bump of the vault's address.
    pub vault_bump: u8,
    /// The owner's wallet, usually a cold key.
    pub owner: Pubkey,
    /// The mint.
    pub mint: Pubkey,
    /// The mint's token program: the classic one, or Token-2022.
    pub token_program: Pubkey,
    /// Distinguishes escrows of one owner in one mint.
    pub escrow_id: u64,
    /// Who gets the rent back.
    pub rent_payer: Pubkey,
    /// What the manager may still lock in channels.
    pub manager_allowance: BaseUnits,
    /// Locked in channels: the sum of deposit - debited + unpaid.
    pub allocated: BaseUnits,
    /// Channels that are not closed.
    pub open_channels: u32,
    /// Number of the next event.
    pub event_sequence: u64,
    /// The manager's hot key, if there is a manager.
    pub manager: Option<Pubkey>,
    /// The key that signs statements, if any.
    pub countersigner: Option<Pubkey>,
}

/// The fields in the order of the account. Trailing bytes are space that is reserved for options that are `None`.
#[derive(BorshDeserialize)]
struct EscrowFields {
    bump: u8,
    vault_bump: u8,
    owner: [u8; 32],
    mint: [u8; 32],
    token_program: [u8; 32],
    escrow_id: u64,
    rent_payer: [u8; 32],
    manager_allowance: u64,
    allocated: u64,
    open_channels: u32,
    event_sequence: u64,
    manager: Option<[u8; 32]>,
    countersigner: Option<[u8; 32]>,
}

impl Escrow {
    /// Reads an escrow account.
    ///
    /// # Errors
    /// [`AccountError`] if `data` is not an escrow of a known layout.
    pub fn decode(data: &[u8]) -> Result<Self, AccountError> {
        let fields: EscrowFields = fields(data, ESCROW_DISCRIMINATOR, "escrow")?;
        Ok(Self {
            bump: fields.bump,
            vault_bump: fields.vault_bump,
            owner: fields.owner.into(),
            mint: fields.mint.into(),
            token_program: fields.token_program.into(),
            escrow_id: fields.escrow_id,
            rent_payer: fields.rent_payer.into(),
            manager_allowance: BaseUnits(fields.manager_allowance),
            allocated: BaseUnits(fields.allocated),
            open_channels: fields.open_channels,
            event_sequence: fields.event_sequence,
            manager: fields.manager.map(Pubkey::from),
            countersigner: fields.countersigner.map(Pubkey::from),
        })
    }

    /// The mint with its token program.
    #[must_use]
    pub const fn token(&self) -> Token {
        Token {
            mint: self.mint,
            program: self.token_program,
        }
    }

    /// The token account that holds the funds of the escrow at `address`. Tokens are prepaid by sending them to it.
    #[must_use]
    pub fn vault(&self, address: &Pubkey) -> Pubkey {
        associated_token_address(address, &self.token())
    }

    /// The part of the vault's balance that may be withdrawn or put into channels.
    #[must_use]
    pub const fn free(&self, vault_balance: BaseUnits) -> BaseUnits {
        vault_balance.saturating_sub(self.allocated)
    }
}

/// An owner's permission for its manager to lock funds for one payee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Approval {
    /// Bump of the approval's address.
    pub bump: u8,
    /// The escrow.
    pub escrow: Pubkey,
    /// The payee.
    pub payee: Pubkey,
    /// The longest grace that the manager may agree to.
    pub max_grace_seconds: u32,
    /// Who gets the rent back.
    pub rent_payer: Pubkey,
}

#[derive(BorshDeserialize)]
struct ApprovalFields {
    bump: u8,
    escrow: [u8; 32],
    payee: [u8; 32],
    max_grace_seconds: u32,
    rent_payer: [u8; 32],
}

impl Approval {
    /// Reads an approval account.
    ///
    /// # Errors
    /// [`AccountError`] if `data` is not an approval of a known layout.
    pub fn decode(data: &[u8]) -> Result<Self, AccountError> {
        let fields: ApprovalFields = fields(data, APPROVAL_DISCRIMINATOR, "approval")?;
        Ok(Self {
            bump: fields.bump,
            escrow: fields.escrow.into(),
            payee: fields.payee.into(),
            max_grace_seconds: fields.max_grace_seconds,
            rent_payer: fields.rent_payer.into(),
        })
    }
}

/// Funds locked for one payee, with its lanes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// All fields except the lanes.
    pub header: ChannelHeader,
    /// The lanes in ascending order.
    pub lanes: Vec<LaneState>,
}

impl Channel {
    /// Reads a channel account.
    ///
    /// # Errors
    /// [`AccountError::Channel`] if `data` is not a channel of a known layout.
    pub fn decode(data: &[u8]) -> Result<Self, AccountError> {
        let header = ChannelHeader::decode(data)?;
        Ok(Self {
            header,
            lanes: lanes(data).collect(),
        })
    }

    /// The escrow's address.
    #[must_use]
    pub fn escrow(&self) -> Pubkey {
        self.header.escrow.into()
    }

    /// The payee's wallet.
    #[must_use]
    pub fn payee(&self) -> Pubkey {
        self.header.payee.into()
    }

    /// The settler.
    #[must_use]
    pub fn settler(&self) -> Pubkey {
        self.header.settler.into()
    }

    /// Who gets the rent back.
    #[must_use]
    pub fn rent_payer(&self) -> Pubkey {
        self.header.rent_payer.into()
    }

    /// A lane, or `None` if there is no such lane.
    #[must_use]
    pub fn lane(&self, index: LaneIndex) -> Option<&LaneState> {
        self.lanes.get(usize::from(index.0))
    }

    /// Whether the channel's domain is that of `address` on the cluster with this genesis hash. If it is not, do not
    /// rely on the channel: its vouchers are worthless on that cluster, or somebody wants them to look so.
    #[must_use]
    pub fn domain_is_of(&self, program: &Pubkey, genesis_hash: &Hash, address: &Pubkey) -> bool {
        self.header.domain
            == channel_domain(program, genesis_hash, address, self.header.opened_slot)
    }
}

/// Checks discriminator and version and reads the fields after them.
fn fields<T: BorshDeserialize>(
    data: &[u8],
    discriminator: [u8; DISCRIMINATOR_LENGTH],
    kind: &'static str,
) -> Result<T, AccountError> {
    let (found, rest) = data
        .split_at_checked(DISCRIMINATOR_LENGTH)
        .ok_or(AccountError::Malformed { kind })?;
    if found != discriminator {
        return Err(AccountError::Discriminator { expected: kind });
    }
    let (&version, mut rest) = rest.split_first().ok_or(AccountError::Malformed { kind })?;
    if version != LAYOUT_VERSION {
        return Err(AccountError::Version { kind, version });
    }
    T::deserialize(&mut rest).map_err(|_| AccountError::Malformed { kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_not_an_escrow() {
        let mut data = [0; 200];
        let wrong = AccountError::Discriminator { expected: "escrow" };
        assert_eq!(Escrow::decode(&data), Err(wrong));
        data[..8].copy_from_slice(&ESCROW_DISCRIMINATOR);
        let version = AccountError::Version {
            kind: "escrow",
            version: 0,
        };
        assert_eq!(Escrow::decode(&data), Err(version));
        data[8] = LAYOUT_VERSION;
        assert!(Escrow::decode(&data).is_ok());
        assert!(Escrow::decode(&data[..177]).is_ok());
        let malformed = Err(AccountError::Malformed { kind: "escrow" });
        for length in [0, 8, 176] {
            assert_eq!(Escrow::decode(&data[..length]), malformed, "{length}");
        }
        // The tag of an option must be 0 or 1.
        data[8 + 1 + 2 + 96 + 8 + 32 + 16 + 4 + 8] = 2;
        assert_eq!(Escrow::decode(&data), malformed);
    }

    #[test]
    fn refuses_what_is_not_an_approval() {
        let wrong = AccountError::Discriminator {
            expected: "approval",
        };
        assert_eq!(Approval::decode(&[0; 110]), Err(wrong));
    }
}
