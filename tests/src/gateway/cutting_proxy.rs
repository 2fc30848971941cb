//! A proxy that cuts off answers: within the headers, within the body, or after it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Start of the header line by which an answer with an idempotency key is recognised.
const KEY_HEADER: &str = "idempotency-key: ";

/// Which answers to cut, and where.
#[derive(Debug, Clone, Copy)]
pub struct Cuts {
    /// Seed of the random places of the cuts.
    pub seed: u64,
    /// Maximum number of bytes after which an answer is cut, at least one. A shorter answer may pass uncut.
    pub within_bytes: usize,
    /// Maximum number of cut answers per idempotency key.
    pub per_key: usize,
}

#[derive(Debug)]
struct State {
    random: StdRng,
    cuts: HashMap<String, usize>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    cuts: Cuts,
    state: Mutex<State>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("tests do not poison")
    }

    /// Number of bytes after which the next answer to an idempotency key is cut.
    fn place(&self, key: &str) -> Option<usize> {
        let mut state = self.state();
        let so_far = state.cuts.get(key).copied().unwrap_or_default();
        let place = state.random.gen_range(1..=self.cuts.within_bytes);
        (so_far < self.cuts.per_key).then_some(place)
    }
}

/// A running proxy. Requests without an idempotency key pass unchanged.
#[derive(Debug, Clone)]
pub struct CuttingProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl CuttingProxy {
    /// Starts a proxy in front of a base URL.
    ///
    /// # Panics
    /// If the URL is not that of a server on this machine.
    pub async fn start(url: &str, cuts: Cuts) -> Self {
        let address = url.strip_prefix("http://").expect("a URL of a test");
        let shared = Arc::new(Shared {
            target: address.parse().expect("an address of a test"),
            cuts,
            state: Mutex::new(State {
                random: StdRng::seed_from_u64(cuts.seed),
                cuts: HashMap::new(),
            }),
        });
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("the loopback interface has free ports");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let proxy = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, Arc::clone(&proxy)));
            }
        });
        Self { address, shared }
    }

    /// Base URL of the proxy.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Number of answers that were cut.
    #[must_use]
    pub fn cuts(&self) -> usize {
        self.shared.state().cuts.values().sum()
    }
}

/// The answer that is being passed on: its idempotency key, and the number of bytes left before the cut.
type Passing = Arc<Mutex<Option<(String, usize)>>>;

/// Forwards a connection until either side ends it or an answer is cut. Dropping the sockets disconnects both sides.
async fn pass(client: TcpStream, shared: Arc<Shared>) {
    let Ok(server) = TcpStream::connect(shared.target).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let passing = Passing::default();
    tokio::select! {
        () = requests(from_client, to_server, Arc::clone(&passing), &shared) => {}
        () = answers(from_server, to_client, passing, &shared) => {}
    }
}

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    passing: Passing,
    shared: &Shared,
) {
    let mut buffer = vec![0; 64 * 1024];
    let mut head = String::new();
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        head.push_str(&String::from_utf8_lossy(&buffer[..length]));
        // Headers may arrive in pieces and are complete with the last one. Bodies contain no such line.
        if let Some(key) = key_of(&head) {
            let place = shared.place(&key);
            *passing.lock().expect("tests do not poison") = place.map(|place| (key, place));
            head.clear();
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

fn key_of(head: &str) -> Option<String> {
    let (_, after) = head.split_once(KEY_HEADER)?;
    let (key, _) = after.split_once("\r\n")?;
    Some(key.to_owned())
}

async fn answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    passing: Passing,
    shared: &Shared,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let cut = cut_of(&passing, length);
        let passes = cut.as_ref().map_or(length, |(_, place)| *place);
        if to.write_all(&buffer[..passes]).await.is_err() {
            return;
        }
        if let Some((key, _)) = cut {
            *shared.state().cuts.entry(key).or_default() += 1;
            return;
        }
    }
}

/// Determines whether the cut is within the next `length` bytes, and after how many of them.
fn cut_of(passing: &Passing, length: usize) -> Option<(String, usize)> {
    let mut passing = passing.lock().expect("tests do not poison");
    let (_, left) = passing.as_mut()?;
    if length < *left {
        *left -= length;
        return None;
    }
    passing.take()
}
