//! Servers in processes of their own, and the processor time that they take.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::part::LISTENING;
use super::{PATIENCE, Result};

/// User and system time in `/proc/…/stat`, counted from the state, which is the first field after the name.
const USER_TIME: usize = 11;
const SYSTEM_TIME: usize = 12;
/// Between two looks whether a server listens.
const PAUSE: Duration = Duration::from_millis(50);

/// How a server is asked to end.
#[derive(Debug, Clone, Copy)]
enum End {
    /// By the end of its standard input.
    Stdin,
    /// By SIGTERM.
    Signal,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    end: End,
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
            end: End::Stdin,
        })
    }

    /// Starts a program that is told where to listen and says nothing, and waits until it does. It is killed when this is
    /// dropped.
    ///
    /// # Errors
    /// If it ends, or does not listen in time.
    pub async fn start_at(mut command: Command, address: SocketAddr) -> Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let pid = child.id().ok_or("it has just started")?;
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).await.is_err() {
            if let Some(status) = child.try_wait()? {
                return Err(format!("a server ended with {status} before it listened").into());
            }
            if Instant::now() > deadline {
                return Err("a server does not listen".into());
            }
            sleep(PAUSE).await;
        }
        Ok(Self {
            pid,
            address,
            child,
            end: End::Signal,
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
        if let (End::Signal, Some(pid)) = (
            self.end,
            i32::try_from(self.pid).ok().and_then(Pid::from_raw),
        ) {
            kill_process(pid, Signal::TERM)?;
        }
        let status = timeout(PATIENCE, self.child.wait()).await??;
        if status.success() || matches!(self.end, End::Signal) {
            return Ok(());
        }
        Err(format!("a server ended with {status}").into())
    }
}

/// A free port of 127.0.0.1, for a program that must be told one.
///
/// # Errors
/// If there is none.
pub fn free_address() -> io::Result<SocketAddr> {
    std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}

/// The processor time that a process and those that it started have taken so far.
///
/// # Errors
/// If there is no such process, or no `/proc`.
pub fn processor_time(pid: u32) -> io::Result<Duration> {
    let mut time = own_processor_time(pid)?;
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    for child in children.unwrap_or_default().split_whitespace() {
        // One that has just ended is counted no longer.
        let child = child.parse().map_err(io::Error::other);
        time += child.and_then(processor_time).unwrap_or_default();
    }
    Ok(time)
}

fn own_processor_time(pid: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name is in brackets, and may have brackets and spaces in it.
    let fields = stat.rsplit_once(") ").map(|(_, fields)| fields);
    let ticks = |field: usize| fields?.split(' ').nth(field)?.parse::<u64>().ok();
    let ticks = ticks(USER_TIME).zip(ticks(SYSTEM_TIME));
    let (user, system) = ticks.ok_or_else(|| io::Error::other("/proc has no times"))?;
    let seconds = (user + system) as f64 / clock_ticks_per_second() as f64;
    Ok(Duration::from_secs_f64(seconds))
}
