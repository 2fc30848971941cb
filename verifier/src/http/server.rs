//! Accepts HTTP/1.1 connections, with limits on their number, the size of their headers and the time to send them.
//!
//! TLS and HTTP/2 are expected to be terminated by a proxy in front of the verifier.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Minimum size of the buffer for a request's head: hyper accepts no smaller one.
const MIN_BUFFER_BYTES: usize = 8 * 1024;
/// Maximum number of connections that wait to be accepted. The system drops connections beyond it, and a client retries
/// only after a second, so the backlog must fit a swarm of clients that start at the same time.
const BACKLOG: u32 = 4_096;
/// Pause after `accept` failed, which it does when the process is out of file descriptors.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_millis(50);

/// Limits on connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionLimits {
    pub(crate) max_connections: usize,
    pub(crate) header_timeout: Duration,
    pub(crate) max_header_bytes: usize,
}

/// Listens on an address; port 0 takes a free one.
///
/// # Errors
/// If the address cannot be bound.
pub(crate) fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Lets a restarted process bind while connections of its predecessor are still in TIME_WAIT.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until `draining` is cancelled, then until the last connection has ended.
pub(crate) async fn accept_all(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    draining: CancellationToken,
) {
    let permits = Arc::new(Semaphore::new(limits.max_connections));
    let connections = TaskTracker::new();
    loop {
        let next = async {
            let permit = Arc::clone(&permits).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            next = next => next,
            () = draining.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let serving = serve(stream, router.clone(), limits, draining.clone());
                connections.spawn(async move {
                    serving.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE_AFTER_REFUSAL).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn serve(
    stream: TcpStream,
    router: Router,
    limits: ConnectionLimits,
    draining: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY on a connection");
    }
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        // Leaves room for headers that the router rejects with a message; beyond it hyper itself answers 431.
        .max_buf_size((2 * limits.max_header_bytes).max(MIN_BUFFER_BYTES))
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = draining.cancelled() => {
            // Requests in flight may end; no new ones begin on this connection.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended early");
    }
}
