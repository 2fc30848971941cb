//! A server in a separate process that prints its URL when it listens.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

/// Timeout until the server listens.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// The text that the server prints before its URL when it listens.
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
        // The output is read until its end, so that the server never blocks on a full pipe.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some((_, url)) = line.split_once(LISTENING) {
                    // Sending fails if the test has already given up.
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
        // Killing fails if the server has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
