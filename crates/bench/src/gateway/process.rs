//! Servers in processes of their own, and what they take of the processor.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use rustix::param::clock_ticks_per_second;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::part::LISTENING;
use super::{PATIENCE, Result};

/// User and system time in `/proc/…/stat`, counted from the state, which is the first field after the name.
const USER_TIME: usize = 11;
const SYSTEM_TIME: usize = 12;

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Its process.
    pub pid: u32,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts one and waits until it listens. It is killed when this is dropped.
    ///
    /// # Errors
    /// If it does not start, or says something else.
    pub async fn start(mut command: Command) -> Result<Self> {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let pid = child.id().ok_or("it has just started")?;
        let stdout = child.stdout.take().ok_or("stdout is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let line = timeout(PATIENCE, lines.next_line()).await??;
        let line = line.ok_or("a server ended before it listened")?;
        let url = line.strip_prefix(LISTENING);
        let address = url.and_then(|url| url.strip_prefix("http://"));
        let address = address.ok_or_else(|| format!("a server says {line:?}"))?;
        Ok(Self {
            pid,
            address: address.parse()?,
            child,
        })
    }

    /// The base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Asks it to end, and waits for that.
    ///
    /// # Errors
    /// If it ends with an error, or does not end.
    pub async fn stop(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        let status = timeout(PATIENCE, self.child.wait()).await??;
        if status.success() {
            return Ok(());
        }
        Err(format!("a server ended with {status}").into())
    }
}

/// What a process has taken of the processor so far.
///
/// # Errors
/// If there is no such process, or no `/proc`.
pub fn processor_time(pid: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name is in brackets, and may have brackets and spaces in it.
    let fields = stat.rsplit_once(") ").map(|(_, fields)| fields);
    let ticks = |field: usize| fields?.split(' ').nth(field)?.parse::<u64>().ok();
    let ticks = ticks(USER_TIME).zip(ticks(SYSTEM_TIME));
    let (user, system) = ticks.ok_or_else(|| io::Error::other("/proc has no times"))?;
    let seconds = (user + system) as f64 / clock_ticks_per_second() as f64;
    Ok(Duration::from_secs_f64(seconds))
}
