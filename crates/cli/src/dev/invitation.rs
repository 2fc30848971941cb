//! What `--keep` prepares for trying out the running demo: another funded channel, whose lane key is in a file, and
//! commands that use it.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use farthing_chain::{PROGRAM_ID, USDC_MINT_DEVNET};
use farthing_protocol::BaseUnits;
use serde_json::json;
use solana_sdk::pubkey::Pubkey;
use solana_sdk::signer::Signer;

use super::DevError;
use super::economy::{owner_path, payee_path, settler_path};
use super::world::{LanesToOpen, World};

/// Number of the visitor's escrow; the swarm's has the number before.
const VISITOR_ESCROW: u64 = 1;
/// 1 USDC, all of it for the one lane.
const VISITOR_FUNDS: BaseUnits = BaseUnits(1_000_000);
/// Prefix of the key file's name.
const VISITOR: &str = "visitor";
/// Prompt in the printed commands.
const QUESTION: &str = "What does one inference cost?";

/// The addresses, key files and commands needed to try out the running demo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    rpc_url: String,
    gateway: String,
    admin: Option<SocketAddr>,
    model: String,
    free_model: Option<String>,
    folder: PathBuf,
    escrow: Pubkey,
    channel: Pubkey,
    payee: Pubkey,
    mint_authority: Pubkey,
}

impl Invitation {
    /// Prepays another escrow and opens a channel with one lane from it.
    ///
    /// # Errors
    /// [`DevError`] if a key cannot be written or the chain refuses.
    pub async fn prepare(world: &mut World) -> Result<Self, DevError> {
        let lanes = LanesToOpen {
            name: VISITOR,
            count: 1,
            cap: VISITOR_FUNDS,
        };
        let funded = world
            .fund_channel(VISITOR_ESCROW, VISITOR_FUNDS, VISITOR_FUNDS, &lanes)
            .await?;
        Ok(Self {
            rpc_url: world.localnet.rpc_url().to_owned(),
            gateway: world.verifier.url(),
            admin: world.verifier.admin_address(),
            model: world.sale.model.clone(),
            free_model: world.sale.free_model.clone(),
            folder: world.folder.clone(),
            escrow: funded.escrow.address,
            channel: funded.address,
            payee: world.economy.payee(),
            mint_authority: world.localnet.mint_authority().pubkey(),
        })
    }

    /// Path of the visitor's key file.
    #[must_use]
    pub fn lane_key(&self) -> PathBuf {
        self.folder.join(format!("{VISITOR}-0.json"))
    }

    /// A line for `curl` that asks for `model`.
    #[must_use]
    pub fn curl_line(&self, model: &str) -> String {
        let body = json!({"model": model, "messages": [{"role": "user", "content": QUESTION}]});
        format!(
            "curl -i {}/v1/chat/completions -H 'Content-Type: application/json' -d {}",
            self.gateway,
            quoted(&body.to_string()),
        )
    }

    /// The line for `farthing pay`.
    #[must_use]
    pub fn pay_line(&self) -> String {
        format!(
            "{} pay {} {} --model {} --rpc-url {} --channel {} --lane 0 --lane-key {}",
            quoted_path(&this_program()),
            self.gateway,
            quoted(QUESTION),
            quoted(&self.model),
            self.rpc_url,
            self.channel,
            quoted_path(&self.lane_key()),
        )
    }
}

impl fmt::Display for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (folder, program) = (&self.folder, quoted_path(&this_program()));
        writeln!(f, "gateway       {}", self.gateway)?;
        if let Some(address) = self.admin {
            writeln!(f, "metrics       http://{address}/metrics")?;
        }
        writeln!(f, "local chain   {}", self.rpc_url)?;
        writeln!(f, "program       {PROGRAM_ID}")?;
        writeln!(
            f,
            "USDC mint     {USDC_MINT_DEVNET}, authority {}",
            self.mint_authority
        )?;
        writeln!(f, "your escrow   {}", self.escrow)?;
        writeln!(f, "your channel  {}", self.channel)?;
        writeln!(f, "your lane key {}", self.lane_key().display())?;
        writeln!(f, "owner key     {}", owner_path(folder).display())?;
        writeln!(f, "payee         {}", self.payee)?;
        writeln!(f, "payee key     {}", payee_path(folder).display())?;
        writeln!(f, "settler key   {}", settler_path(folder).display())?;
        writeln!(
            f,
            "\nSend a request without paying, and see the price:\n  {}",
            self.curl_line(&self.model)
        )?;
        if let Some(free_model) = &self.free_model {
            writeln!(
                f,
                "\nSend a request to the free model:\n  {}",
                self.curl_line(free_model)
            )?;
        }
        writeln!(f, "\nPay for one answer:\n  {}", self.pay_line())?;
        writeln!(
            f,
            "\nSell a service of your own (a lane may only pay there if it has not paid this gateway):\n  \
             cargo run -p farthing-verifier --example weather -- {} {} {}",
            self.rpc_url,
            self.payee,
            quoted_path(&settler_path(folder)),
        )?;
        writeln!(
            f,
            "\nSee what was debited from the lane on-chain:\n  {program} channel status {} --rpc-url {}",
            self.channel, self.rpc_url,
        )
    }
}

/// Path of the running executable, which works from any directory.
fn this_program() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("farthing"))
}

fn quoted_path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

/// Quotes a word for a shell's command line, if necessary.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-:".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_shell() {
        for (text, word) in [
            ("/tmp/a-b_c.json", "/tmp/a-b_c.json"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$HOME", "'$HOME'"),
        ] {
            assert_eq!(quoted(text), word);
        }
    }
}
