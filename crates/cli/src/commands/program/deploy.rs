//! Implementation of `farthing program deploy`: a first deployment or an upgrade, through a buffer.
//!
//! Everything that can be checked is checked before the first lamport is spent. After the deployment is finalized, the
//! program is read back from the chain and compared with the build.

use std::path::Path;
use std::time::Duration;

use farthing_chain::ProgramData;
use farthing_chain::keys::read_keypair;
use farthing_chain::loader::{
    MAX_BYTECODE_LENGTH, PROGRAM_ACCOUNT_LENGTH, deploy_with_max_program_len, program_data_length,
    upgrade,
};
use solana_commitment_config::CommitmentConfig;
use solana_sdk::signature::Keypair;
use solana_sdk::signer::Signer;
use tokio::time::sleep;

use super::buffer::{BufferPlan, Written};
use super::bytecode::Bytecode;
use super::extension::{extend, extension, extension_rent};
use super::funds::Funds;
use super::funds::priced;
use super::present::{SYSTEM_PROGRAM, deployed, require_answer, require_authority};
use super::report::{Action, DeployReport};
use crate::commands::program::args::DeployArgs;
use crate::commands::support::Signers;
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::Output;

/// Maximum number of reads until the node shows the finalized program.
const MAX_READS: usize = 30;
const READ_INTERVAL: Duration = Duration::from_secs(1);

/// The inputs of a deployment.
struct Deployment<'a> {
    connection: &'a Connection,
    signers: &'a Signers,
    bytecode: &'a Bytecode,
    args: &'a DeployArgs,
    output: Output,
}

/// What exists at the program's address.
enum Present {
    /// Nothing yet; this key of the address signs its creation.
    Nothing(Keypair),
    /// A deployed program.
    Program(ProgramData),
}

/// Runs `farthing program deploy`.
///
/// # Errors
/// [`CliError`], whose message says what to do next.
pub async fn run(args: DeployArgs, output: Output) -> Result<(), CliError> {
    let bytecode = Bytecode::read(&args.write.bytecode)?;
    require_length(&args, &bytecode)?;
    let signers = Signers::read(&args.signer)?;
    let program_key = args
        .program_keypair
        .as_deref()
        .map(read_keypair)
        .transpose()?;
    let connection = Connection::open(&args.chain).await?;
    bytecode.require_address(connection.program())?;
    let deployment = Deployment {
        connection: &connection,
        signers: &signers,
        bytecode: &bytecode,
        args: &args,
        output,
    };
    let present = deployment.present(program_key).await?;
    let payer = signers.payer();
    let (action, written, owned) = match present {
        Present::Nothing(key) => {
            let (written, owned) = deployment.create(&key).await?;
            (Action::Deployed, Some(written), owned)
        }
        Present::Program(data) => deployment.change(&data).await?,
    };
    let (data, rent) = deployment.read_back().await?;
    if written.is_some() {
        remove_key(&args.write.buffer_keypair, output);
    }
    let confirmed = CommitmentConfig::confirmed();
    let left = connection.chain.lamports(&payer, confirmed).await?;
    output.report(&DeployReport {
        action,
        program: connection.program().to_string(),
        program_data: connection.chain.program_data_address().to_string(),
        cluster: connection.cluster.clone(),
        slot: data.slot,
        upgrade_authority: data.authority.map(|key| key.to_string()),
        hash: data.hash().to_string(),
        length: bytecode.bytes().len(),
        space: data.bytecode.len(),
        chunks_written: written.as_ref().map_or(0, |written| written.chunks_written),
        chunks: written.as_ref().map_or(0, |written| written.chunks),
        rent,
        // The whole supply of lamports fits into 60 bits.
        spent: owned.cast_signed() - left.cast_signed(),
    })?;
    if left == 0 {
        // Nothing was changed, and a payer without lamports cannot simulate the probe.
        return Ok(());
    }
    require_answer(&connection, &payer).await
}

fn require_length(args: &DeployArgs, bytecode: &Bytecode) -> Result<(), CliError> {
    let length = bytecode.bytes().len();
    match args.max_length {
        Some(most) if most < length || most > MAX_BYTECODE_LENGTH => Err(CliError::usage(format!(
            "--max-length {most} is not between the bytecode's length of {length} bytes and {MAX_BYTECODE_LENGTH}, \
            the most that an account can hold"
        ))),
        _ => Ok(()),
    }
}

impl Deployment<'_> {
    /// Determines what exists at the program's address, and checks that a program can be deployed there.
    async fn present(&self, key: Option<Keypair>) -> Result<Present, CliError> {
        let program = self.connection.program();
        if let Some(key) = &key
            && key.pubkey() != *program
        {
            return Err(CliError::usage(format!(
                "the key file of --program-keypair is that of {}, not of program {program}: give the right key file, \
                or deploy a program of your own with --program {}",
                key.pubkey(),
                key.pubkey()
            )));
        }
        let confirmed = CommitmentConfig::confirmed();
        let chain = &self.connection.chain;
        if chain.owner(program, confirmed).await? == Some(SYSTEM_PROGRAM) {
            return Err(CliError::failed(format!(
                "somebody has sent lamports to {program}, so the loader cannot create the program there: send them \
                away with its key, as from a wallet, and run this command again"
            )));
        }
        if chain.deployed(confirmed).await?.is_some() {
            let (data, _) = deployed(self.connection, confirmed).await?;
            return Ok(Present::Program(data));
        }
        let key = key.ok_or_else(|| {
            CliError::failed(format!(
                "there is no program at {program} on {}: give the key file of that address with --program-keypair for \
                its first deployment",
                self.connection.cluster
            ))
        })?;
        // The loader creates this account at the very end, and fails if anybody has sent lamports to it.
        let data_address = chain.program_data_address();
        if chain.lamports(&data_address, confirmed).await? > 0 {
            return Err(CliError::failed(format!(
                "somebody has sent lamports to {data_address}, the program data address of {program}, so nothing can \
                be deployed there: choose another program address"
            )));
        }
        Ok(Present::Nothing(key))
    }

    /// Deploys the program for the first time. Returns the written buffer and the payer's balance before.
    async fn create(&self, key: &Keypair) -> Result<(Written, u64), CliError> {
        let chain = &self.connection.chain;
        let plan = self.plan().await?;
        let space = self.space();
        let program_rent = chain.rent(PROGRAM_ACCOUNT_LENGTH).await?;
        let data_rent = chain.rent(program_data_length(space)).await?;
        let mut funds = plan.funds().await?;
        // The loader returns the buffer's lamports to the payer before it takes those of the program data.
        funds.rent += program_rent + data_rent.saturating_sub(plan.lamports().await?);
        funds.fees += Funds::fees(1, 3, self.price());
        let owned = funds
            .require(self.connection, &self.signers.payer())
            .await?;
        let written = plan.write(self.output).await?;
        let instructions = deploy_with_max_program_len(
            &self.signers.payer(),
            &key.pubkey(),
            &written.address,
            &self.signers.actor(),
            program_rent,
            space,
        )
        .map_err(|error| CliError::failed(error.to_string()))?;
        self.output
            .progress("deploying the program and waiting until it is final");
        let instructions = priced(self.price(), instructions);
        let signers = [key, self.signers.actor_key()];
        chain
            .send_and_finalize(&instructions, self.signers.payer_key(), &signers)
            .await?;
        Ok((written, owned))
    }

    /// Upgrades or extends the program, or does nothing if it is up to date. Returns the payer's balance before.
    async fn change(&self, data: &ProgramData) -> Result<(Action, Option<Written>, u64), CliError> {
        let program = self.connection.program();
        let extended_by = extension(data, self.space());
        let payer = self.signers.payer();
        let same = data.hash() == self.bytecode.hash();
        if same && extended_by == 0 {
            let confirmed = CommitmentConfig::confirmed();
            let owned = self.connection.chain.lamports(&payer, confirmed).await?;
            return Ok((Action::Unchanged, None, owned));
        }
        require_authority(program, data, &self.signers.actor())?;
        let plan = if same { None } else { Some(self.plan().await?) };
        let mut funds = match &plan {
            Some(plan) => plan.funds().await?,
            None => Funds { rent: 0, fees: 0 },
        };
        funds.rent += extension_rent(self.connection, data, extended_by).await?;
        funds.fees += Funds::fees(2, 2, self.price());
        let owned = funds.require(self.connection, &payer).await?;
        let written = match plan {
            Some(plan) => Some(plan.write(self.output).await?),
            None => None,
        };
        extend(
            self.connection,
            self.signers,
            extended_by,
            self.price(),
            self.output,
        )
        .await?;
        let Some(written) = written else {
            return Ok((Action::Extended, None, owned));
        };
        let instruction = upgrade(program, &written.address, &self.signers.actor(), &payer);
        let instructions = priced(self.price(), vec![instruction]);
        self.signers
            .send(self.connection, &instructions, self.output)
            .await?;
        Ok((Action::Upgraded, Some(written), owned))
    }

    /// Reads the finalized program back, and checks that it is the build.
    async fn read_back(&self) -> Result<(ProgramData, u64), CliError> {
        let mut found = String::new();
        for _ in 0..MAX_READS {
            // A node that lags behind the one that confirmed shows no program yet, or the previous one.
            match deployed(self.connection, CommitmentConfig::finalized()).await {
                Ok((data, rent))
                    if data.hash() == self.bytecode.hash()
                        && data.bytecode.len() >= self.space() =>
                {
                    return Ok((data, rent));
                }
                Ok((data, _)) => {
                    found = format!(
                        "it has hash {} in {} bytes",
                        data.hash(),
                        data.bytecode.len()
                    );
                }
                Err(CliError::Failed(reason)) => found = reason,
                Err(error) => return Err(error),
            }
            sleep(READ_INTERVAL).await;
        }
        Err(CliError::failed(format!(
            "the program on the chain is not the build with hash {} ({found}): somebody else may have upgraded it, \
            check with `farthing program verify`",
            self.bytecode.hash()
        )))
    }

    async fn plan(&self) -> Result<BufferPlan<'_>, CliError> {
        let key_file = &self.args.write.buffer_keypair;
        BufferPlan::new(
            self.connection,
            self.signers,
            self.bytecode,
            key_file,
            self.price(),
        )
        .await
    }

    fn space(&self) -> usize {
        self.args
            .max_length
            .unwrap_or_else(|| self.bytecode.bytes().len())
    }

    const fn price(&self) -> u64 {
        self.args.write.compute_unit_price
    }
}

/// Removes the key file of a buffer that is no longer needed. Once the buffer is deployed or transferred, its key
/// gives no access.
pub(super) fn remove_key(path: &Path, output: Output) {
    if let Err(error) = std::fs::remove_file(path) {
        let path = path.display();
        output.progress(format_args!(
            "cannot remove {path}, which is no longer needed ({error}): remove it by hand"
        ));
    }
}
