//! Runs the example servers in `examples`, which sell with the published x402 packages.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use farthing_verifier::Config;
use farthing_verifier::config::FacilitatorConfig;
use solana_sdk::pubkey::Pubkey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::peers::{express_modules, fastapi_python};
use super::server::Server;

/// Bearer token with which the servers authenticate to the verifier.
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// Start of the requests of which [`losing`] loses the first answer.
const SETTLE: &[u8] = b"POST /settle";

/// Configures a verifier as the facilitator of the example servers.
pub fn facilitating(config: &mut Config) {
    config.facilitator = Some(FacilitatorConfig::new(TOKEN));
}

/// An example server.
#[derive(Debug, Clone, Copy)]
pub enum Example {
    /// `examples/express`, with npm `@x402/express`.
    Express,
    /// `examples/fastapi`, with PyPI `x402`.
    FastApi,
}

impl Example {
    /// All example servers.
    pub const ALL: [Self; 2] = [Self::Express, Self::FastApi];

    /// Starts the server on a free port of 127.0.0.1, with the verifier at this URL. `None` if its packages are not
    /// installed.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(self, facilitator: &str, pay_to: &Pubkey) -> Option<Server> {
        let (interpreter, script, folder) = match self {
            Self::Express => {
                express_modules()?;
                ("node".into(), "server.js", "/../examples/express")
            }
            Self::FastApi => (fastapi_python()?, "server.py", "/../examples/fastapi"),
        };
        let mut command = Command::new(interpreter);
        command
            .arg(script)
            .current_dir(format!("{}{folder}", env!("CARGO_MANIFEST_DIR")))
            .env("FACILITATOR_URL", facilitator)
            .env("FACILITATOR_TOKEN", TOKEN)
            .env("PAY_TO", pay_to.to_string())
            .env("PORT", "0")
            .env("PYTHONDONTWRITEBYTECODE", "1");
        Some(Server::start(&mut command))
    }
}

/// Starts a proxy that forwards everything but loses the answer to the first request that settles, and returns its URL.
///
/// # Panics
/// If it does not start.
pub async fn losing(url: &str) -> String {
    let target = url.strip_prefix("http://").expect("a URL of a test");
    let target = target.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let has_lost = Arc::new(AtomicBool::new(false));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&target).await;
            let server = server.expect("the verifier listens");
            tokio::spawn(pass(client, server, Arc::clone(&has_lost)));
        }
    });
    format!("http://{address}")
}

/// Forwards bytes until either side ends or the answer has been lost.
async fn pass(mut client: TcpStream, mut server: TcpStream, has_lost: Arc<AtomicBool>) {
    let (mut asked, mut answered) = (vec![0; 64 * 1_024], vec![0; 64 * 1_024]);
    let mut loses = false;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => match read {
                Ok(length) if length > 0 => {
                    let settles = asked[..length].starts_with(SETTLE);
                    loses |= settles && !has_lost.swap(true, Ordering::Relaxed);
                    if server.write_all(&asked[..length]).await.is_err() {
                        return;
                    }
                }
                _ => return,
            },
            read = server.read(&mut answered) => match read {
                _ if loses => return,
                Ok(length) if length > 0 => {
                    if client.write_all(&answered[..length]).await.is_err() {
                        return;
                    }
                }
                _ => return,
            },
        }
    }
}
