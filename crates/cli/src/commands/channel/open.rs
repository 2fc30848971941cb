//! Implementation of `farthing channel open`.

use farthing_chain::instructions::{AddLanes, OpenChannel, add_lanes, open_channel};
use farthing_chain::{
    ChainError, NewLane, associated_token_address, channel_address, channel_domain,
};
use solana_commitment_config::CommitmentConfig;
use solana_sdk::pubkey::Pubkey;

use super::authority::{Lock, authorize};
use super::lanes::{self, PlannedLane};
use super::report::{LaneRow, Opened};
use crate::commands::channel::args::OpenChannelArgs;
use crate::commands::support::{self, Signers};
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::Output;

/// Number of lanes that fit into the transaction that opens the channel.
pub(crate) const LANES_AT_OPEN: usize = 16;
/// Number of lanes that fit into a transaction that adds lanes.
pub(crate) const LANES_PER_ADDITION: usize = 21;
/// Maximum number of channel numbers that are tried to find an unused one.
const MAX_TRIED_IDS: u64 = 256;

/// Opens a channel, adds the lanes that did not fit into the first transaction, and checks the result on the chain.
///
/// # Errors
/// [`CliError`], whose message says what to do next.
pub async fn run(args: OpenChannelArgs, output: Output) -> Result<(), CliError> {
    let signers = Signers::read(&args.signer)?;
    let connection = Connection::open(&args.chain).await?;
    let escrow = support::escrow(&connection, &args.escrow).await?;
    let lock = Lock {
        payee: args.payee,
        grace_seconds: args.grace,
        amount: args.deposit,
    };
    let approval = authorize(&connection, &signers, &args.escrow, &escrow, &lock).await?;
    let (channel_id, address) = choose_id(&connection, &args).await?;
    let lanes = lanes::plan(&args, &address.to_string())?;
    let (first, more) = lanes.split_at(lanes.len().min(LANES_AT_OPEN));
    let opened_slot = connection.chain.slot(CommitmentConfig::confirmed()).await?;
    let input = OpenChannel {
        authority: signers.actor(),
        rent_payer: signers.payer(),
        escrow: args.escrow,
        token: escrow.token(),
        approval,
        payee: args.payee,
        settler: args.settler,
        channel_id,
        deposit: args.deposit,
        grace_seconds: args.grace,
        genesis_hash: connection.genesis_hash,
        opened_slot,
        lanes: new_lanes(first),
    };
    let instruction = open_channel(connection.program(), &input);
    let transaction = match signers.send(&connection, &[instruction], output).await {
        Ok(transaction) => transaction,
        Err(error) => return Err(not_opened(error, &lanes)),
    };
    add_more(&connection, &signers, &args.escrow, &address, more, output).await?;
    check_domain(&connection, &address, opened_slot).await?;
    let payee_account = associated_token_address(&args.payee, &escrow.token());
    let payee_can_receive = connection
        .chain
        .token_balance(&payee_account, CommitmentConfig::confirmed())
        .await?
        .is_some();
    let domain = channel_domain(
        connection.program(),
        &connection.genesis_hash,
        &address,
        opened_slot,
    );
    output.report(&Opened {
        channel: address.to_string(),
        channel_id,
        escrow: args.escrow.to_string(),
        payee: args.payee.to_string(),
        settler: args.settler.to_string(),
        deposit: args.deposit.0,
        grace_seconds: args.grace,
        opened_slot,
        domain: super::report::base58(&domain),
        lanes: lanes.iter().enumerate().map(LaneRow::planned).collect(),
        payee_can_receive,
        transaction: transaction.to_string(),
    })
}

fn new_lanes(lanes: &[PlannedLane]) -> Vec<NewLane> {
    lanes.iter().map(|planned| planned.lane).collect()
}

/// Returns the given channel number, which must be unused, or else the first unused one, with the channel's address.
async fn choose_id(
    connection: &Connection,
    args: &OpenChannelArgs,
) -> Result<(u64, Pubkey), CliError> {
    let candidates = args
        .id
        .map_or(0..MAX_TRIED_IDS, |id| id..id.saturating_add(1));
    for id in candidates {
        let (address, _) = channel_address(connection.program(), &args.escrow, &args.payee, id);
        let existing = connection
            .chain
            .channel(&address, CommitmentConfig::confirmed())
            .await?;
        if existing.is_none() {
            return Ok((id, address));
        }
    }
    Err(CliError::failed(
        "a channel with this number already exists: choose another --id, or fund that channel with \
         `farthing channel fund`",
    ))
}

/// Deletes the generated lane keys if the error means that the channel was certainly not opened; keeps them otherwise.
fn not_opened(error: CliError, lanes: &[PlannedLane]) -> CliError {
    if let CliError::Chain(
        ChainError::Refused { .. }
        | ChainError::Failed { .. }
        | ChainError::Expired { .. }
        | ChainError::Unsignable(_),
    ) = &error
    {
        lanes::discard(lanes);
    }
    error
}

async fn add_more(
    connection: &Connection,
    signers: &Signers,
    escrow: &Pubkey,
    channel: &Pubkey,
    lanes: &[PlannedLane],
    output: Output,
) -> Result<(), CliError> {
    for batch in lanes.chunks(LANES_PER_ADDITION) {
        let input = AddLanes {
            authority: signers.actor(),
            rent_payer: signers.payer(),
            escrow: *escrow,
            channel: *channel,
            lanes: new_lanes(batch),
        };
        let instruction = add_lanes(connection.program(), &input);
        signers
            .send(connection, &[instruction], output)
            .await
            .map_err(|error| {
                CliError::failed(format!(
                    "channel {channel} is open, but not all of its lanes could be added ({error}): run \
                     `farthing channel status {channel}` to see which lanes it has"
                ))
            })?;
    }
    Ok(())
}

/// Checks that the channel has the expected domain on the chain; with another one, every voucher would be worthless.
async fn check_domain(
    connection: &Connection,
    address: &Pubkey,
    opened_slot: u64,
) -> Result<(), CliError> {
    let channel = support::channel(connection, address).await?;
    let is_ours = channel.header.opened_slot == opened_slot
        && channel.domain_is_of(connection.program(), &connection.genesis_hash, address);
    if is_ours {
        return Ok(());
    }
    Err(CliError::failed(format!(
        "the domain of channel {address} is not that of this cluster: do not pay through the channel, close it"
    )))
}

#[cfg(test)]
mod tests {
    use farthing_chain::{NewLane, Token};
    use farthing_protocol::BaseUnits;
    use solana_message::v0;
    use solana_sdk::hash::Hash;
    use solana_sdk::instruction::Instruction;

    use super::*;

    const MAX_TRANSACTION_BYTES: usize = 1_232;
    const SIGNATURE_BYTES: usize = 64;

    fn key(byte: u8) -> Pubkey {
        Pubkey::new_from_array([byte; 32])
    }

    fn transaction_bytes(instruction: Instruction) -> usize {
        let message = v0::Message::try_compile(&key(1), &[instruction], &[], Hash::default())
            .expect("few accounts");
        let signatures = usize::from(message.header.num_required_signatures);
        1 + signatures * SIGNATURE_BYTES + message.serialize().len()
    }

    fn lanes(count: usize) -> Vec<NewLane> {
        let lane = NewLane {
            signer: key(9),
            cap: BaseUnits(1),
        };
        vec![lane; count]
    }

    /// Length of the largest form of the transaction: manager, fee payer and approval are three different accounts.
    fn opening(count: usize) -> usize {
        transaction_bytes(open_channel(
            &key(100),
            &OpenChannel {
                authority: key(2),
                rent_payer: key(1),
                escrow: key(3),
                token: Token::classic(key(4)),
                approval: Some(key(5)),
                payee: key(6),
                settler: key(7),
                channel_id: 0,
                deposit: BaseUnits(1),
                grace_seconds: 900,
                genesis_hash: Hash::default(),
                opened_slot: 0,
                lanes: lanes(count),
            },
        ))
    }

    fn addition(count: usize) -> usize {
        transaction_bytes(add_lanes(
            &key(100),
            &AddLanes {
                authority: key(2),
                rent_payer: key(1),
                escrow: key(3),
                channel: key(4),
                lanes: lanes(count),
            },
        ))
    }

    #[test]
    fn batches_fill_a_transaction_and_no_more() {
        assert!(opening(LANES_AT_OPEN) <= MAX_TRANSACTION_BYTES);
        assert!(opening(LANES_AT_OPEN + 1) > MAX_TRANSACTION_BYTES);
        assert!(addition(LANES_PER_ADDITION) <= MAX_TRANSACTION_BYTES);
        assert!(addition(LANES_PER_ADDITION + 1) > MAX_TRANSACTION_BYTES);
    }
}
