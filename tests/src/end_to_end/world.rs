//! A local chain with an owner, a payee and a gateway, and one funded channel.

use farthing_cli::dev::Options;
use farthing_cli::dev::gateway::LEDGER;
use farthing_cli::dev::progress::Progress;
use farthing_cli::dev::swarm::{self, PayingChannel};
use farthing_cli::dev::world::{FundedChannel, LanesToOpen, World};
use farthing_client::paying_client::{FinishedAnswer, PayingClient};
use farthing_protocol::{BaseUnits, Generation, LaneIndex};
use farthing_verifier::Config;
use farthing_verifier::store::{RedbStore, audit};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Amount that the owner sends to the escrow.
pub const PREPAID: BaseUnits = BaseUnits(2_000_000);
/// Deposit of the channel.
pub const DEPOSIT: BaseUnits = BaseUnits(1_000_000);
/// The cap of each lane.
pub const CAP: BaseUnits = BaseUnits(400_000);
/// The lanes of the channel.
pub const LANES: usize = 2;

/// A running world with its channel.
pub struct FundedWorld {
    /// The running demo world.
    pub world: World,
    /// The channel with the keys of its lanes.
    pub funded: FundedChannel,
    // Contains the keys and the ledger, and is removed last.
    _folder: TempDir,
}

impl FundedWorld {
    /// Starts a chain, a gateway with this configuration, and opens a channel.
    ///
    /// # Panics
    /// If something does not start.
    pub async fn start(options: &Options, configure: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let mut world = World::start_with(options, folder.path(), &Progress::hidden(), configure)
            .await
            .expect("the world starts");
        let lanes = LanesToOpen {
            name: "agent",
            count: LANES,
            cap: CAP,
        };
        let funded = world
            .fund_channel(0, PREPAID, DEPOSIT, &lanes)
            .await
            .expect("the owner has the money");
        Self {
            world,
            funded,
            _folder: folder,
        }
    }

    /// Creates a client of one lane, with the lane's current state on the chain.
    ///
    /// # Panics
    /// If the channel is gone.
    pub async fn client(&self, lane: u16) -> PayingClient {
        self.client_of(&self.world.verifier.url(), lane).await
    }

    /// Creates a client of one lane for another server.
    ///
    /// # Panics
    /// If the channel is gone.
    pub async fn client_of(&self, url: &str, lane: u16) -> PayingClient {
        let account = self
            .world
            .economy
            .channel(&self.funded.address)
            .await
            .expect("the channel is open");
        let channel = PayingChannel {
            gateway: url,
            address: self.funded.address,
            channel: &account,
        };
        let key = &self.funded.keys[usize::from(lane)];
        swarm::client(&channel, LaneIndex(lane), key).expect("the key is the lane's")
    }

    /// A chat completion's body for the model that is sold.
    #[must_use]
    pub fn chat(&self, question: &str, stream: bool) -> Value {
        json!({
            "model": self.world.sale.model,
            "messages": [{"role": "user", "content": question}],
            "max_tokens": 64,
            "stream": stream,
        })
    }

    /// Sum of the gateway's charges of all lanes.
    ///
    /// # Panics
    /// If the gateway does not know the channel.
    #[must_use]
    pub fn charged(&self) -> u64 {
        (0..LANES as u16)
            .map(|lane| {
                let (lane, generation) = (LaneIndex(lane), Generation(0));
                let snapshot = self
                    .world
                    .verifier
                    .lane(&self.funded.address, lane, generation);
                snapshot.expect("the gateway knows the lane").charged.0
            })
            .sum()
    }

    /// Settles and closes everything, and checks that no base unit is missing: the payee has what was charged, and the
    /// owner has the rest. Then stops the world, and checks its store.
    ///
    /// # Panics
    /// If anything fails or does not add up.
    pub async fn close_and_reconcile(mut self) {
        let charged = self.charged();
        let report = self
            .world
            .verifier
            .settle_now()
            .await
            .expect("the chain is up");
        let economy = &mut self.world.economy;
        let channel = economy
            .channel(&self.funded.address)
            .await
            .expect("it is open");
        assert_eq!(channel.header.debited.0, charged);
        economy
            .close_channel(&self.funded.address)
            .await
            .expect("the payee may close");
        economy
            .close_escrow(&self.funded.escrow)
            .await
            .expect("the owner may close");
        let escrow = &self.funded.escrow;
        assert_eq!(escrow.deposited, PREPAID);
        assert_eq!(
            economy.payee_balance().await.expect("the chain is up").0,
            charged
        );
        let refunded = economy.refunded(escrow).await.expect("the chain is up");
        assert_eq!(refunded.0, PREPAID.0 - charged);
        let left = economy
            .balance(&escrow.vault)
            .await
            .expect("the chain is up");
        assert_eq!(left, BaseUnits::ZERO);
        let fees = economy
            .fees(&report.transactions)
            .await
            .expect("the chain knows them");
        assert!(fees >= 5_000 * report.transactions.len() as u64);
        let store = self.world.folder.join(LEDGER);
        self.world.shutdown().await.expect("everything stops");
        // As `farthing store check` reads it.
        let mut store = RedbStore::open_read_only(&store).expect("the verifier has closed it");
        let (_, findings) = audit(&mut store).expect("the store can be read");
        assert!(findings.is_empty(), "{findings:?}");
    }
}

/// Sends a request and reads its whole answer.
///
/// # Panics
/// If the payment is refused or the answer is cut off.
pub async fn ask(client: &PayingClient, body: Value) -> FinishedAnswer {
    let answer = client.chat(body).await.expect("the payment is accepted");
    answer.finish().await.expect("the answer is whole")
}

/// The charge in an answer's receipt.
///
/// # Panics
/// If there is no receipt.
#[must_use]
pub fn cost(answer: &FinishedAnswer) -> u64 {
    let receipt = answer.receipt.as_ref();
    receipt.expect("a paid answer has a receipt").charged.0
}
