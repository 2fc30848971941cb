//! What two readings of a channel, one finalized and one processed, mean together, and whether its escrow
//! holds what we accept. Pure.
//!
//! What enlarges spending (deposit, caps, lanes) counts as finalized; what shrinks it (closing,
//! revoked, gone) as soon as either reading shows it.

use farthing_chain::{Channel, Escrow, Token, channel_domain};
use farthing_protocol::deadline::ChainTime;
use farthing_protocol::layout::LaneState;
use farthing_protocol::{BaseUnits, Domain};
use farthing_wire::amount::Usdc;
use solana_sdk::account::Account;
use solana_sdk::hash::Hash;
use solana_sdk::pubkey::Pubkey;

use crate::ledger::{ChannelFacts, LaneFacts};

/// The most lanes of a channel that is served.
pub const MAX_LANES_SERVED: usize = 4_096;

/// What a channel must be like to be served.
#[derive(Debug, Clone, Copy)]
pub struct Criteria {
    /// The program.
    pub program: Pubkey,
    /// The cluster.
    pub genesis_hash: Hash,
    /// Our settling key.
    pub settler: Pubkey,
    /// Our wallet.
    pub payee: Pubkey,
    /// The mint we accept, with its token program.
    pub token: Token,
    /// The least grace.
    pub min_grace_seconds: u32,
    /// The least deposit.
    pub min_deposit: BaseUnits,
}

/// Why a channel is not served here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotServed {
    /// The account belongs to another program.
    #[error("the account belongs to another program than {program}")]
    OtherProgram {
        /// Ours.
        program: Pubkey,
    },
    /// The account is something else, or of an unknown layout.
    #[error("the account is not a channel that can be read: {0}")]
    NotAChannel(String),
    /// The channel's domain was made for another cluster.
    #[error(
        "the channel's domain is not of this cluster: open it with this cluster's genesis hash"
    )]
    OtherCluster,
    /// The channel names another settler.
    #[error("the channel's settler is not {settler}")]
    OtherSettler {
        /// Ours.
        settler: Pubkey,
    },
    /// The channel pays somebody else.
    #[error("the channel's payee is not {payee}")]
    OtherPayee {
        /// Ours.
        payee: Pubkey,
    },
    /// The escrow holds another mint.
    #[error("the channel's mint is not {mint}")]
    OtherMint {
        /// Ours.
        mint: Pubkey,
    },
    /// The escrow's tokens belong to another token program than the mint's, as it was configured: no
    /// settlement that we would send could succeed.
    #[error("the channel's token program is not {program}")]
    OtherTokenProgram {
        /// Ours.
        program: Pubkey,
    },
    /// Too little time to settle.
    #[error("the channel's grace is shorter than {minimum} seconds: it is {grace}")]
    GraceTooShort {
        /// The channel's.
        grace: u32,
        /// The least.
        minimum: u32,
    },
    /// Too little to be worth serving.
    #[error(
        "the channel's deposit is below {} USDC: it is {} USDC",
        Usdc(*minimum),
        Usdc(*deposit)
    )]
    DepositTooSmall {
        /// The channel's.
        deposit: BaseUnits,
        /// The least.
        minimum: BaseUnits,
    },
    /// More lanes than are served.
    #[error("the channel has more than {MAX_LANES_SERVED} lanes")]
    TooManyLanes,
    /// This verifier serves as many channels as it may.
    #[error("this provider serves no further channels at the moment")]
    Full,
}

/// What readings of a channel tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// There is no such channel, or it is not final yet.
    Unknown,
    /// Nothing that could be a channel of ours, or settled by us.
    Foreign(NotServed),
    /// A channel that names us as its settler and payee.
    Ours {
        /// What the chain says of it.
        facts: ChannelFacts,
        /// Why it is not served nevertheless.
        refusal: Option<NotServed>,
    },
}

/// Merges two readings of the account at `address`.
#[must_use]
pub fn merge(
    criteria: &Criteria,
    address: &Pubkey,
    finalized: Option<&Account>,
    processed: Option<&Account>,
) -> View {
    let Some(finalized) = finalized else {
        return View::Unknown;
    };
    let channel = match decode(criteria, address, finalized) {
        Ok(channel) => channel,
        Err(reason) => return View::Foreign(reason),
    };
    // A processed reading that is anything but the same incarnation means that this one is gone.
    let newer = processed
        .and_then(|account| decode(criteria, address, account).ok())
        .filter(|newer| newer.header.domain == channel.header.domain);
    let refusal = refusal(criteria, &channel);
    View::Ours {
        facts: facts(address, &channel, newer.as_ref()),
        refusal,
    }
}

/// Whether the account at a channel's address, as finalized, is no longer this incarnation of it.
#[must_use]
pub fn is_gone(program: &Pubkey, domain: Domain, account: Option<&Account>) -> bool {
    let Some(account) = account.filter(|account| account.owner == *program) else {
        return true;
    };
    Channel::decode(&account.data).is_ok_and(|channel| channel.header.domain != domain)
}

/// Requires that a channel's escrow holds the token that we accept.
///
/// # Errors
/// [`NotServed::OtherMint`], also if there is no escrow that can be read; [`NotServed::OtherTokenProgram`].
pub fn require_token(criteria: &Criteria, escrow: Option<&Account>) -> Result<(), NotServed> {
    let Token { mint, program } = criteria.token;
    let found = escrow
        .filter(|account| account.owner == criteria.program)
        .and_then(|account| Escrow::decode(&account.data).ok())
        .filter(|escrow| escrow.mint == mint)
        .ok_or(NotServed::OtherMint { mint })?;
    if found.token_program != program {
        return Err(NotServed::OtherTokenProgram { program });
    }
    Ok(())
}

fn decode(criteria: &Criteria, address: &Pubkey, account: &Account) -> Result<Channel, NotServed> {
    if account.owner != criteria.program {
        return Err(NotServed::OtherProgram {
            program: criteria.program,
        });
    }
    let channel = Channel::decode(&account.data)
        .map_err(|error| NotServed::NotAChannel(error.to_string()))?;
    let header = &channel.header;
    let domain = channel_domain(
        &criteria.program,
        &criteria.genesis_hash,
        address,
        header.opened_slot,
    );
    if header.domain != domain {
        return Err(NotServed::OtherCluster);
    }
    if channel.settler() != criteria.settler {
        return Err(NotServed::OtherSettler {
            settler: criteria.settler,
        });
    }
    if channel.payee() != criteria.payee {
        return Err(NotServed::OtherPayee {
            payee: criteria.payee,
        });
    }
    Ok(channel)
}

fn refusal(criteria: &Criteria, channel: &Channel) -> Option<NotServed> {
    if channel.header.grace_seconds < criteria.min_grace_seconds {
        return Some(NotServed::GraceTooShort {
            grace: channel.header.grace_seconds,
            minimum: criteria.min_grace_seconds,
        });
    }
    if channel.header.deposit < criteria.min_deposit {
        return Some(NotServed::DepositTooSmall {
            deposit: channel.header.deposit,
            minimum: criteria.min_deposit,
        });
    }
    (channel.lanes.len() > MAX_LANES_SERVED).then_some(NotServed::TooManyLanes)
}

fn facts(address: &Pubkey, finalized: &Channel, newer: Option<&Channel>) -> ChannelFacts {
    let header = &finalized.header;
    let gone = newer.is_none();
    let newer_header = newer.map_or(header, |newer| &newer.header);
    let lanes = finalized.lanes.iter().enumerate().map(|(index, lane)| {
        let newer_lane = newer.and_then(|newer| newer.lanes.get(index));
        lane_facts(lane, newer_lane.unwrap_or(lane))
    });
    ChannelFacts {
        address: *address,
        domain: header.domain,
        escrow: finalized.escrow(),
        grace_seconds: header.grace_seconds,
        deposit: header.deposit.min(newer_header.deposit),
        debited: header.debited.max(newer_header.debited),
        closing: gone || header.is_closing() || newer_header.is_closing(),
        gone,
        lanes: lanes.collect(),
    }
}

fn lane_facts(finalized: &LaneState, newer: &LaneState) -> LaneFacts {
    let revoked: Option<ChainTime> = [newer, finalized]
        .into_iter()
        .find(|lane| lane.is_revoked())
        .map(|lane| lane.revoked);
    LaneFacts {
        signer: newer.signer,
        cap: finalized.cap.min(newer.cap),
        debited: finalized.debited.max(newer.debited),
        generation: newer.generation,
        revoked,
        rotating: finalized.generation != newer.generation,
    }
}
