//! Arguments of `farthing channel`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use farthing_chain::NewLane;
use farthing_protocol::BaseUnits;
use farthing_protocol::limits::{MAX_GRACE_SECONDS, MIN_GRACE_SECONDS};
use solana_sdk::pubkey::Pubkey;

use crate::arguments::{ChainArgs, SignerArgs, positive_usdc};

/// Funds locked for one provider, with a lane per agent.
#[derive(Debug, Subcommand)]
pub enum ChannelCommand {
    /// Open a channel: lock free funds of the escrow for a provider, with a lane and a key per agent
    Open(Box<OpenChannelArgs>),
    /// Lock more of the escrow's free funds in a channel
    Fund(FundChannelArgs),
    /// Show a channel and its lanes, and check its domain against the cluster
    Status(ChannelStatusArgs),
    /// Request that a channel is closed: starts the grace in which the provider settles
    RequestClose(ChangeChannelArgs),
    /// Close a channel: the payee may at any time, anyone after the grace
    Close(ChangeChannelArgs),
}

/// Arguments of `channel open`.
#[derive(Debug, Args)]
pub struct OpenChannelArgs {
    /// The node
    #[command(flatten)]
    pub chain: ChainArgs,
    /// The escrow's owner, or its manager
    #[command(flatten)]
    pub signer: SignerArgs,
    /// Address of the escrow that pays
    #[arg(long, value_name = "ADDRESS")]
    pub escrow: Pubkey,
    /// The provider's wallet
    #[arg(long, value_name = "ADDRESS")]
    pub payee: Pubkey,
    /// The provider's settler, as stated in its 402
    #[arg(long, value_name = "ADDRESS")]
    pub settler: Pubkey,
    /// USDC to lock
    #[arg(long, value_parser = positive_usdc, value_name = "USDC")]
    pub deposit: BaseUnits,
    /// Time that the provider has to settle after a close is requested: seconds, or for example 15m, 48h or 2d
    #[arg(long, default_value = "2d", value_parser = grace_seconds, value_name = "TIME")]
    pub grace: u32,
    /// Generate this many lanes, each with a new key
    #[arg(long, value_name = "N", requires_all = ["cap", "lane_keys"], value_parser = clap::value_parser!(u16).range(1..))]
    pub lanes: Option<u16>,
    /// Maximum USDC that each generated lane may spend
    #[arg(long, value_parser = positive_usdc, value_name = "USDC", requires = "lanes")]
    pub cap: Option<BaseUnits>,
    /// Directory for the generated keys, which are written to DIR/CHANNEL/lane-N.json
    #[arg(long, value_name = "DIR", requires = "lanes")]
    pub lane_keys: Option<PathBuf>,
    /// Add a lane for an existing public key of an agent, as KEY:CAP with the cap in USDC; repeatable, placed after
    /// the generated lanes
    #[arg(long = "lane", value_parser = lane, value_name = "KEY:CAP", required_unless_present = "lanes")]
    pub given_lanes: Vec<NewLane>,
    /// Number that distinguishes channels from the escrow to the same payee; by default the first unused one
    #[arg(long, value_name = "N")]
    pub id: Option<u64>,
}

/// Arguments of `channel fund`.
#[derive(Debug, Args)]
pub struct FundChannelArgs {
    /// The channel's address
    pub channel: Pubkey,
    /// The node
    #[command(flatten)]
    pub chain: ChainArgs,
    /// The escrow's owner, or its manager
    #[command(flatten)]
    pub signer: SignerArgs,
    /// USDC to lock
    #[arg(long, value_parser = positive_usdc, value_name = "USDC")]
    pub amount: BaseUnits,
}

/// Arguments of `channel status`.
#[derive(Debug, Args)]
pub struct ChannelStatusArgs {
    /// The channel's address
    pub channel: Pubkey,
    /// The node
    #[command(flatten)]
    pub chain: ChainArgs,
}

/// Arguments of `channel request-close` and `channel close`.
#[derive(Debug, Args)]
pub struct ChangeChannelArgs {
    /// The channel's address
    pub channel: Pubkey,
    /// The node
    #[command(flatten)]
    pub chain: ChainArgs,
    /// The signer
    #[command(flatten)]
    pub signer: SignerArgs,
}

/// Parses a duration: a number of seconds, or a number with the unit `s`, `m`, `h` or `d`.
fn grace_seconds(text: &str) -> Result<u32, String> {
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(index) => text.split_at(index),
        None => (text, "s"),
    };
    let seconds_per_unit = match unit {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3_600),
        "d" => Some(86_400),
        _ => None,
    };
    let seconds = number
        .parse()
        .ok()
        .zip(seconds_per_unit)
        .and_then(|(number, unit): (u32, u32)| number.checked_mul(unit))
        .ok_or("must be a number of seconds, or a time such as 15m, 48h or 2d")?;
    if (MIN_GRACE_SECONDS..=MAX_GRACE_SECONDS).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(format!(
            "the grace must be between {MIN_GRACE_SECONDS} seconds and 30 days"
        ))
    }
}

/// Parses `KEY:CAP`.
fn lane(text: &str) -> Result<NewLane, String> {
    let (key, cap) = text
        .split_once(':')
        .ok_or("must be KEY:CAP, for example 9WzDX…AWWM:0.25")?;
    Ok(NewLane {
        signer: key
            .parse()
            .map_err(|_| format!("\"{key}\" is not a public key"))?,
        cap: positive_usdc(cap)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grace_has_units_and_limits() {
        for (text, seconds) in [
            ("900", 900),
            ("15m", 900),
            ("48h", 172_800),
            ("30d", 2_592_000),
        ] {
            assert_eq!(grace_seconds(text), Ok(seconds), "{text}");
        }
        for text in [
            "",
            "m",
            "899",
            "31d",
            "2w",
            "1.5h",
            "99999999999d",
            "-1",
            "10 m",
        ] {
            assert!(grace_seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lanes_have_a_key_and_a_cap() {
        let key = Pubkey::new_from_array([7; 32]);
        let expected = NewLane {
            signer: key,
            cap: BaseUnits(250_000),
        };
        assert_eq!(lane(&format!("{key}:0.25")), Ok(expected));
        for text in ["", "x", "x:1", &format!("{key}:0"), &format!("{key}")] {
            assert!(lane(text).is_err(), "{text}");
        }
    }
}
