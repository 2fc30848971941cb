//! A third-party OpenAI-compatible server: npm `@copilotkit/aimock`, which answers from the fixtures in
//! `tests/peers/node/fixtures`.

use std::path::Path;
use std::process::Command;

use super::server::Server;

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct Aimock(Server);

impl Aimock {
    /// Starts it on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(node_modules: &Path) -> Self {
        let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/node/fixtures");
        let mut command = Command::new("node");
        command
            .arg(node_modules.join("@copilotkit/aimock/dist/cli.js"))
            .args(["-p", "0", "-h", "127.0.0.1", "-f", fixtures]);
        Self(Server::start(&mut command))
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> &str {
        self.0.url()
    }
}
