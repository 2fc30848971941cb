//! A real inference engine: llama.cpp's server, from PyPI `xllamacpp`, with a small model of random weights.

use std::path::Path;
use std::process::{Command, Stdio};

use super::server::Server;

/// The model that it serves.
pub const RANDOM: &str = "random";

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct Llama(Server);

impl Llama {
    /// Starts it on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(python: &Path) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/python/llama_server.py");
        let mut command = Command::new(python);
        // It ends with its stdin, so that nothing of it is left behind if this process is killed.
        command
            .arg(script)
            .stdin(Stdio::piped())
            .stderr(Stdio::null());
        Self(Server::start(&mut command))
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> &str {
        self.0.url()
    }
}
