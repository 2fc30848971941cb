//! An OpenAI-compatible server that we did not write: npm `@copilotkit/aimock`, answering from the
//! fixtures in `tests/peers/node/fixtures`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

/// How long it may take to listen.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// What it logs when it listens, before its URL.
const LISTENING: &str = "listening on ";

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct Aimock {
    child: Child,
    url: String,
}

impl Aimock {
    /// Starts it on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(node_modules: &Path) -> Self {
        let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/node/fixtures");
        let mut child = Command::new("node")
            .arg(node_modules.join("@copilotkit/aimock/dist/cli.js"))
            .args(["-p", "0", "-h", "127.0.0.1", "-f", fixtures])
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is installed where its packages are");
        let output = child.stdout.take().expect("stdout is piped");
        let (sender, receiver) = channel();
        // Reads on until the end, so that the server never blocks on a full pipe.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some((_, url)) = line.split_once(LISTENING) {
                    // Nobody listens any more if the test has given up.
                    let _ = sender.send(url.trim().to_owned());
                }
            }
        });
        let mut server = Self {
            child,
            url: String::new(),
        };
        server.url = receiver
            .recv_timeout(START_TIMEOUT)
            .expect("aimock says where it listens");
        server
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Aimock {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
