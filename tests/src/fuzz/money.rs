//! Properties of the funds that hold after every accepted instruction.
//!
//! The reference model checks more, but only for instructions that it generated itself.

use std::collections::BTreeMap;

use anchor_lang::AccountDeserialize;
use farthing::state::Escrow;
use farthing_protocol::layout::{
    CHANNEL_DISCRIMINATOR, ChannelHeader, ESCROW_DISCRIMINATOR, LaneState, lanes,
};
use solana_sdk::account::Account;
use solana_sdk::pubkey::Pubkey;
use spl_token_2022_interface::extension::StateWithExtensions;
use spl_token_2022_interface::state::Account as TokenAccount;

use crate::program::Chain;
use crate::program::stage::Stage;

/// Accounts that an instruction names, as they are afterwards.
pub type Changed = [(Pubkey, Account)];

/// Checks the channels and escrows among `changed`, and that no token was made or lost.
///
/// # Panics
/// If something does not hold.
pub fn check(stage: &Stage, changed: &Changed) {
    let chain = &stage.world.chain;
    let mut channels: BTreeMap<Pubkey, Account> = programs(changed, CHANNEL_DISCRIMINATOR)
        .map(|(address, account)| (*address, account.clone()))
        .collect();
    let own = stage.channel.address;
    if !changed.iter().any(|(address, _)| *address == own) {
        channels.extend(chain.account(&own).map(|account| (own, account)));
    }
    for (address, account) in &channels {
        let before = chain.account(address);
        check_channel(&account.data, before.as_ref());
    }
    for (address, account) in programs(changed, ESCROW_DISCRIMINATOR) {
        let escrow = Escrow::try_deserialize(&mut &account.data[..]).expect("an escrow");
        let of_escrow: Vec<ChannelHeader> = channels
            .values()
            .map(|channel| decode(&channel.data).0)
            .filter(|header| header.escrow == address.to_bytes())
            .collect();
        let vault = stage.world.mint.address_of(address);
        check_escrow(&escrow, &of_escrow, held(chain, changed, &vault));
    }
    check_tokens(chain, changed);
}

/// Accounts of the program of one type.
fn programs(
    changed: &Changed,
    discriminator: [u8; 8],
) -> impl Iterator<Item = (&Pubkey, &Account)> {
    changed
        .iter()
        .filter(move |(_, account)| {
            account.owner == farthing::ID && account.data.starts_with(&discriminator)
        })
        .map(|(address, account)| (address, account))
}

fn decode(data: &[u8]) -> (ChannelHeader, Vec<LaneState>) {
    let header = ChannelHeader::decode(data).expect("a channel");
    (header, lanes(data).collect())
}

/// Checks that a channel's counters are within their bounds, add up, and never decrease.
fn check_channel(data: &[u8], before: Option<&Account>) {
    let (header, lanes) = decode(data);
    assert!(header.debited <= header.deposit, "{header:?}");
    assert!(header.unpaid <= header.debited, "{header:?}");
    let sum: u128 = lanes.iter().map(|lane| u128::from(lane.debited.0)).sum();
    assert_eq!(sum, u128::from(header.debited.0));
    assert!(lanes.iter().all(|lane| lane.debited <= lane.cap));
    let Some(before) = before else {
        return;
    };
    let (old_header, old_lanes) = decode(&before.data);
    assert!(header.debited >= old_header.debited);
    assert_eq!(header.domain, old_header.domain);
    assert_eq!(header.payee, old_header.payee);
    assert!(lanes.len() >= old_lanes.len());
    for (lane, old) in lanes.iter().zip(&old_lanes) {
        assert!(lane.debited >= old.debited && lane.generation >= old.generation);
    }
}

/// Checks that the locked amount is the sum over the channels, and that the vault covers it.
fn check_escrow(escrow: &Escrow, channels: &[ChannelHeader], vault: u64) {
    let locked: u128 = channels
        .iter()
        .map(|channel| u128::from(channel.deposit.0 - channel.debited.0 + channel.unpaid.0))
        .sum();
    assert_eq!(locked, u128::from(escrow.allocated));
    assert_eq!(channels.len(), escrow.open_channels as usize);
    assert!(vault >= escrow.allocated, "{vault} of {}", escrow.allocated);
}

/// Checks for every mint that the sum of the token accounts' balances is unchanged.
fn check_tokens(chain: &Chain, changed: &Changed) {
    let mut gains: BTreeMap<Pubkey, i128> = BTreeMap::new();
    for (address, after) in changed {
        if let Some((mint, amount)) = holding(after) {
            *gains.entry(mint).or_default() += i128::from(amount);
        }
        if let Some((mint, amount)) = chain.account(address).as_ref().and_then(holding) {
            *gains.entry(mint).or_default() -= i128::from(amount);
        }
    }
    assert!(gains.values().all(|gain| *gain == 0), "{gains:?}");
}

fn held(chain: &Chain, changed: &Changed, address: &Pubkey) -> u64 {
    let after = changed.iter().find(|(other, _)| other == address);
    let account = after.map_or_else(
        || chain.account(address),
        |(_, account)| Some(account.clone()),
    );
    account
        .as_ref()
        .and_then(holding)
        .map_or(0, |(_, amount)| amount)
}

/// The mint and the amount, if it is a token account.
fn holding(account: &Account) -> Option<(Pubkey, u64)> {
    let token = StateWithExtensions::<TokenAccount>::unpack(&account.data).ok()?;
    Some((token.base.mint, token.base.amount))
}
