//! A server in a process of its own, which says where it listens.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

/// How long it may take to listen.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// What it says when it listens, before its URL.
const LISTENING: &str = "listening on ";

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    url: String,
}

impl Server {
    /// Starts it, and waits until it listens.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("an interpreter is installed where its packages are");
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
            .expect("the server says where it listens");
        server
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
