//! The lanes from which a proxy pays: one, or every lane of a folder of keys, chosen by the client's API key.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use farthing_client::paying_client::PayingClient;
use tokio::sync::OnceCell;

use super::error::ProxyError;
use crate::error::CliError;

/// Makes the client that pays with the key in a file.
pub type Opener = dyn Fn(PathBuf) -> Pin<Box<dyn Future<Output = Result<PayingClient, CliError>> + Send>>
    + Send
    + Sync;

/// The lanes from which a proxy pays.
pub enum Lanes {
    /// One lane, whatever API key a client sends.
    One(PayingClient),
    /// The lanes whose keys are in a folder.
    Folder(LaneFolder),
}

/// Lanes by the names of their key files.
pub struct LaneFolder {
    folder: PathBuf,
    open: Box<Opener>,
    /// The clients of lanes that were used, each made once.
    clients: Mutex<BTreeMap<String, Arc<OnceCell<PayingClient>>>>,
}

impl std::fmt::Debug for Lanes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::One(_) => f.write_str("One"),
            Self::Folder(folder) => write!(f, "Folder({})", folder.folder.display()),
        }
    }
}

impl LaneFolder {
    /// Lanes whose key files are in a folder; `open` makes a lane's client when it is used first.
    #[must_use]
    pub fn new(folder: PathBuf, open: Box<Opener>) -> Self {
        Self {
            folder,
            open,
            clients: Mutex::default(),
        }
    }

    /// The key file of a lane: `lane-7` or `lane-7.json`.
    fn file(&self, name: &str) -> Option<PathBuf> {
        let name = plain_name(name);
        let is_plain = !name.is_empty() && !name.contains(['/', '\\', '\0']);
        let file = self.folder.join(format!("{name}.json"));
        (is_plain && !name.starts_with('.') && file.is_file()).then_some(file)
    }

    async fn client(&self, name: &str) -> Result<PayingClient, ProxyError> {
        let file = self
            .file(name)
            .ok_or_else(|| ProxyError::lane_unknown(name))?;
        let name = plain_name(name);
        let cell = Arc::clone(self.lock().entry(name.to_owned()).or_default());
        let client = cell.get_or_try_init(|| (self.open)(file)).await;
        client.cloned().map_err(|error| ProxyError::lane(&error))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<OnceCell<PayingClient>>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn used(&self) -> Vec<PayingClient> {
        let clients = self.lock();
        let made = clients.values().filter_map(|cell| cell.get());
        made.cloned().collect()
    }
}

/// The name of a lane, also if its file was named.
fn plain_name(name: &str) -> &str {
    name.strip_suffix(".json").unwrap_or(name)
}

impl Lanes {
    /// The client that pays for a request, and the name of its lane; the name is empty if there is only one.
    pub(super) async fn chosen(&self, name: &str) -> Result<(Arc<str>, PayingClient), ProxyError> {
        match self {
            Self::One(client) => Ok((Arc::from(""), client.clone())),
            Self::Folder(folder) => {
                let client = folder.client(name).await?;
                Ok((Arc::from(plain_name(name)), client))
            }
        }
    }

    /// Any lane's client, for what costs nothing.
    pub(super) async fn any(&self, name: &str) -> Result<PayingClient, ProxyError> {
        match self {
            Self::One(client) => Ok(client.clone()),
            Self::Folder(folder) => match folder.used().into_iter().next() {
                Some(client) if folder.file(name).is_none() => Ok(client),
                _ => folder.client(name).await,
            },
        }
    }

    /// The clients of all lanes that were used.
    pub(super) fn used(&self) -> Vec<PayingClient> {
        match self {
            Self::One(client) => vec![client.clone()],
            Self::Folder(folder) => folder.used(),
        }
    }
}
