//! `settle_statement`: debits many lanes by one signature of the escrow's countersigner.
//!
//! The countersigner vouches for totals that it compared with the agents' receipts, so caps and deposit
//! bound what it can give away, as they bound the lanes' keys.

use anchor_lang::prelude::*;
use farthing_protocol::deadline::ChainTime;
use farthing_protocol::statement::{
    MAX_STATEMENT_ENTRIES, StatementEntry, StatementError, statement_bytes,
};
use farthing_protocol::{BaseUnits, Generation, LaneIndex};

// With the modules that the macros generate beside it.
use super::funds::*;
use crate::clock;
use crate::error::FarthingError;
use crate::signature::{is_signed, sha256};
use crate::state::ChannelMut;
use crate::state::channel::Debit;

/// A lane's total. Its generation is the lane's present one, unless [`SettleStatementArgs::earlier`] says
/// otherwise.
#[derive(Debug, Clone, AnchorSerialize, AnchorDeserialize)]
pub struct StatementClaim {
    /// The lane.
    pub lane: u16,
    /// The cumulative debit, in base units.
    pub debit_to: u64,
}

/// A lane that was rotated after the statement was signed.
#[derive(Debug, Clone, AnchorSerialize, AnchorDeserialize)]
pub struct EarlierGeneration {
    /// The lane.
    pub lane: u16,
    /// The generation that was signed.
    pub generation: u16,
}

/// Arguments of `settle_statement`.
#[derive(Debug, Clone, AnchorSerialize, AnchorDeserialize)]
pub struct SettleStatementArgs {
    /// The countersigner's signature over the statement.
    pub signature: [u8; 64],
    /// At least one, lanes strictly ascending.
    pub entries: Vec<StatementClaim>,
    /// Of entries whose lane was rotated since; usually none. Lanes strictly ascending. Without it one
    /// rotation would make a signed statement worthless for all its other lanes.
    pub earlier: Vec<EarlierGeneration>,
}

/// Accounts of `settle_statement`.
#[derive(Accounts)]
pub struct SettleStatement<'info> {
    /// The channel's settler or payee. Decides only when; what is paid goes to the payee.
    pub authority: Signer<'info>,
    /// The channel whose lanes are debited.
    pub funds: Funds<'info>,
}

impl SettleStatement<'_> {
    /// Requires the authority's rights, entries, and a countersigner that does not earn by signing.
    ///
    /// # Errors
    /// One for each rule.
    pub fn validate(&self, args: &SettleStatementArgs) -> Result<()> {
        let channel = self.funds.channel.load()?;
        channel.require_settler_or_payee(self.authority.key)?;
        require!(!args.entries.is_empty(), FarthingError::NoEntries);
        require!(
            args.entries.len() <= MAX_STATEMENT_ENTRIES,
            FarthingError::TooManyEntries
        );
        require!(
            args.earlier.is_sorted_by(|one, next| one.lane < next.lane),
            FarthingError::LanesNotAscending
        );
        // Whoever became payee or settler unknown to the escrow is caught here.
        self.funds
            .escrow
            .require_countersigner_is_neither(&channel.payee, &channel.settler)
    }

    /// Checks the statement, then debits, then pays what is owed, earlier debts included.
    ///
    /// # Errors
    /// One for each rule that a statement can break; the token program's.
    pub fn handler(ctx: Context<Self>, args: &SettleStatementArgs) -> Result<()> {
        let funds = &mut ctx.accounts.funds;
        let now = clock::now()?;
        let countersigner = funds
            .escrow
            .countersigner
            .ok_or(FarthingError::NoCountersigner)?;
        let lanes = {
            let mut data = funds.channel.as_ref().try_borrow_mut_data()?;
            let mut channel = ChannelMut::from_data(&mut data)?;
            let entries = args.signed_entries(&channel)?;
            require_statement(&channel, &entries, &countersigner, &args.signature)?;
            let debits = entries
                .iter()
                .map(|entry| debit(entry, &channel, now))
                .collect::<Result<Vec<_>>>()?;
            channel.debit(&debits)?
        };
        funds.pay_settled(lanes, now)
    }
}

impl SettleStatementArgs {
    /// The entries as they were signed.
    fn signed_entries(&self, channel: &ChannelMut<'_>) -> Result<Vec<StatementEntry>> {
        let mut earlier = self.earlier.iter().peekable();
        let mut entries = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            let lane = channel.lane(LaneIndex(entry.lane))?;
            let generation = match earlier.next_if(|earlier| earlier.lane == entry.lane) {
                Some(earlier) => {
                    let generation = Generation(earlier.generation);
                    require!(
                        generation < lane.generation(),
                        FarthingError::GenerationNotEarlier
                    );
                    generation
                }
                None => lane.generation(),
            };
            entries.push(StatementEntry {
                lane: LaneIndex(entry.lane),
                generation,
                debit_to: BaseUnits(entry.debit_to),
            });
        }
        require!(
            earlier.peek().is_none(),
            FarthingError::GenerationWithoutEntry
        );
        Ok(entries)
    }
}

/// Requires that the countersigner signed exactly these entries for this incarnation of the channel.
fn require_statement(
    channel: &ChannelMut<'_>,
    entries: &[StatementEntry],
    countersigner: &Pubkey,
    signature: &[u8; 64],
) -> Result<()> {
    let statement = statement_bytes(sha256, &channel.header.domain(), entries).map_err(
        |error| match error {
            StatementError::Empty => FarthingError::NoEntries,
            StatementError::TooManyEntries => FarthingError::TooManyEntries,
            StatementError::LanesNotAscending => FarthingError::LanesNotAscending,
        },
    )?;
    require!(
        is_signed(&statement, countersigner, signature),
        FarthingError::StatementNotSigned
    );
    Ok(())
}

/// What an entry is good for; nothing if it is stale or of an earlier generation.
fn debit(entry: &StatementEntry, channel: &ChannelMut<'_>, now: ChainTime) -> Result<Debit> {
    let lane = channel.lane(entry.lane)?;
    let owed = if entry.generation == lane.generation() {
        lane.owed(entry.debit_to, channel.header.grace_seconds, now)?
    } else {
        BaseUnits::ZERO
    };
    Ok(Debit {
        lane: entry.lane,
        owed,
    })
}
