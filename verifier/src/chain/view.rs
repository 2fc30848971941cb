//! Combines two readings of a channel, one finalized and one processed, into one view, and checks that its escrow holds
//! the accepted token. Pure.
//!
//! Changes that increase what can be spent (deposit, caps, lanes) count once they are finalized; changes that reduce it
//! (closing, revoked, gone) count as soon as either reading shows them.

use farthing_chain::{Channel, Escrow, Token, channel_domain};
use farthing_protocol::deadline::ChainTime;
use farthing_protocol::layout::LaneState;
use farthing_protocol::{BaseUnits, Domain};
use farthing_wire::amount::Usdc;
use solana_sdk::account::Account;
use solana_sdk::hash::Hash;
use solana_sdk::pubkey::Pubkey;

use crate::ledger::{ChannelFacts, LaneFacts};

/// Maximum number of lanes of a channel that is served.
pub const MAX_LANES_SERVED: usize = 4_096;

/// Requirements that a channel must meet to be served.
#[derive(Debug, Clone, Copy)]
pub struct Criteria {
    /// The escrow program.
    pub program: Pubkey,
    /// Genesis hash of the cluster.
    pub genesis_hash: Hash,
    /// This verifier's settler key.
    pub settler: Pubkey,
    /// This provider's wallet, to which channels must pay.
    pub payee: Pubkey,
    /// The accepted mint, with its token program.
    pub token: Token,
    /// Minimum grace of a channel.
    pub min_grace_seconds: u32,
    /// Minimum deposit of a channel.
    pub min_deposit: BaseUnits,
}

/// Why a channel is not served here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotServed {
    /// The account belongs to another program.
    #[error("the account does not belong to program {program}")]
    OtherProgram {
        /// The program that this verifier uses.
        program: Pubkey,
    },
    /// The account is not a channel, or has an unknown layout.
    #[error("the account is not a channel that can be read: {0}")]
    NotAChannel(String),
    /// The channel's domain was made for another cluster.
    #[error(
        "the channel's domain is for another cluster: open a channel with this cluster's genesis hash"
    )]
    OtherCluster,
    /// The channel names another settler.
    #[error("the channel's settler is not {settler}")]
    OtherSettler {
        /// The key of this verifier's settler.
        settler: Pubkey,
    },
    /// The channel pays somebody else.
    #[error("the channel's payee is not {payee}")]
    OtherPayee {
        /// This provider's payee.
        payee: Pubkey,
    },
    /// The escrow holds another mint.
    #[error("the channel's mint is not {mint}")]
    OtherMint {
        /// The accepted mint.
        mint: Pubkey,
    },
    /// The escrow's token program is not the configured one of the mint, so that every settlement would fail.
    #[error("the channel's token program is not {program}")]
    OtherTokenProgram {
        /// The configured token program.
        program: Pubkey,
    },
    /// The channel's grace leaves too little time to settle.
    #[error("the channel's grace is {grace} seconds, the minimum here is {minimum}")]
    GraceTooShort {
        /// The channel's grace in seconds.
        grace: u32,
        /// The minimum grace in seconds.
        minimum: u32,
    },
    /// The channel's deposit is below the minimum.
    #[error(
        "the channel's deposit is {} USDC, the minimum here is {} USDC",
        Usdc(*deposit),
        Usdc(*minimum)
    )]
    DepositTooSmall {
        /// The channel's deposit.
        deposit: BaseUnits,
        /// The minimum deposit.
        minimum: BaseUnits,
    },
    /// The channel has too many lanes.
    #[error("the channel has more than {MAX_LANES_SERVED} lanes")]
    TooManyLanes,
    /// This verifier already follows its maximum number of channels.
    #[error("this provider has reached its maximum number of channels: try again later")]
    Full,
}

/// The result of two readings of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// There is no such channel, or its opening is not finalized yet.
    Unknown,
    /// The account is not a channel that this verifier could settle.
    Foreign(NotServed),
    /// A channel that names us as its settler and payee.
    Ours {
        /// The channel's state on the chain.
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
    // If the processed reading is not the same incarnation of the channel, this incarnation is gone.
    let newer = processed
        .and_then(|account| decode(criteria, address, account).ok())
        .filter(|newer| newer.header.domain == channel.header.domain);
    let refusal = refusal(criteria, &channel);
    View::Ours {
        facts: facts(address, &channel, newer.as_ref()),
        refusal,
    }
}

/// Whether the finalized account at a channel's address is no longer the incarnation with this domain.
#[must_use]
pub fn is_gone(program: &Pubkey, domain: Domain, account: Option<&Account>) -> bool {
    let Some(account) = account.filter(|account| account.owner == *program) else {
        return true;
    };
    Channel::decode(&account.data).is_ok_and(|channel| channel.header.domain != domain)
}

/// Requires that a channel's escrow holds the accepted token.
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
