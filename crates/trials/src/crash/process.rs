//! Runs `farthing serve` in a separate process that is killed at a given point.
//!
//! The process is the same executable, started with a hidden command: it arms its crash point and then runs
//! `farthing serve` with the given command line. It kills itself with SIGKILL, so that nothing is flushed, closed or
//! cleaned up.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use farthing_verifier::crash_point::CrashPoint;
use rustix::process::{Pid, Signal, getpid, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::plan::Passage;
use super::{PATIENCE, Result};

/// Arguments of the process that `crash` kills.
#[derive(Debug, Clone, Args)]
pub struct DyingArgs {
    /// Crash point at which the process kills itself
    #[arg(long, value_name = "NAME", value_parser = crash_point)]
    pub point: Option<CrashPoint>,
    /// Number of the passage of the crash point at which it does
    #[arg(long, default_value_t = 1)]
    pub passage: u64,
    /// Count passages from the start of the process instead of from the first line on stdin
    #[arg(long)]
    pub from_start: bool,
    /// Arguments of `farthing serve`
    #[arg(last = true)]
    pub serve: Vec<OsString>,
}

fn crash_point(name: &str) -> std::result::Result<CrashPoint, String> {
    let mut points = CrashPoint::ALL.iter().copied();
    points
        .find(|point| point.name() == name)
        .ok_or_else(|| format!("there is no crash point {name}"))
}

/// Name of the hidden command.
pub const COMMAND: &str = "serve-and-die";
/// Interval between two health checks.
const HEALTH_INTERVAL: Duration = Duration::from_millis(1);
/// Number of log lines that an error shows.
const LAST_WORDS: usize = 10;

/// Runs `farthing serve` in this process until it is killed.
#[must_use]
pub fn serve(args: DyingArgs) -> ExitCode {
    let armed = Arc::new(AtomicBool::new(args.from_start));
    if let Some(point) = args.point {
        let (armed, passages) = (Arc::clone(&armed), AtomicU64::new(0));
        point.on_pass(move || {
            if armed.load(Ordering::Relaxed)
                && passages.fetch_add(1, Ordering::Relaxed) + 1 == args.passage
            {
                die();
            }
        });
    }
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            if line.is_err() {
                break;
            }
            armed.store(true, Ordering::Relaxed);
        }
        // Stdin was closed, so the parent process has ended. Without it, nobody else would end this process.
        die();
    });
    let command = ["farthing", "--json", "serve"].map(OsString::from);
    farthing_cli::run(command.into_iter().chain(args.serve).collect())
}

fn die() {
    // This cannot fail, because a process may send any signal to itself.
    let _ = kill_process(getpid(), Signal::KILL);
}

/// The inputs that every process is started with.
#[derive(Debug)]
pub struct Processes {
    /// The executable of this program.
    pub executable: PathBuf,
    /// Path of `farthing.toml`.
    pub config: PathBuf,
    /// The settler's key file.
    pub settler_key: PathBuf,
    /// File that the processes log to.
    pub log: PathBuf,
    /// Client for health checks.
    pub http: reqwest::Client,
}

/// A process that is serving.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    log: PathBuf,
    /// URL at which it listens.
    pub url: String,
    /// Time from the start of the process until its health check succeeded.
    pub ready_in: Duration,
}

impl Processes {
    /// Starts a process that kills itself at this passage, if one is given, and waits until it serves. Returns `None`
    /// if it was killed before.
    ///
    /// # Errors
    /// If it ends in another way, or takes too long.
    pub async fn start(&self, death: Option<Passage>) -> Result<Option<Process>> {
        let mut command = self.command(death)?;
        let started_at = Instant::now();
        let mut child = command.spawn()?;
        let stdin = child.stdin.take().ok_or("stdin is piped")?;
        let stdout = child.stdout.take().ok_or("stdout is piped")?;
        let mut stdout = BufReader::new(stdout).lines();
        let Some(line) = timeout(PATIENCE, stdout.next_line()).await?? else {
            check_death(child.wait().await?, &self.log)?;
            return Ok(None);
        };
        let listening: Value = serde_json::from_str(&line)?;
        let url = listening["url"]
            .as_str()
            .ok_or("the process did not report its URL")?;
        let admin = listening["admin"]
            .as_str()
            .ok_or("the process did not report its admin address")?;
        let healthz = format!("{admin}/healthz");
        let mut process = Process {
            child,
            stdin,
            stdout,
            log: self.log.clone(),
            url: url.to_owned(),
            ready_in: Duration::ZERO,
        };
        while !self.is_well(&healthz).await {
            if let Some(status) = process.child.try_wait()? {
                check_death(status, &self.log)?;
                return Ok(None);
            }
            if started_at.elapsed() > PATIENCE {
                return Err("timeout: a process listens but its health check fails".into());
            }
            tokio::time::sleep(HEALTH_INTERVAL).await;
        }
        process.ready_in = started_at.elapsed();
        Ok(Some(process))
    }

    async fn is_well(&self, healthz: &str) -> bool {
        let answer = self.http.get(healthz).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    fn command(&self, death: Option<Passage>) -> io::Result<Command> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)?;
        let mut command = Command::new(&self.executable);
        command.arg(COMMAND);
        if let Some(passage) = death {
            command.args(["--point", passage.point.name()]);
            command.args(["--passage", &passage.number.to_string()]);
            if passage.from_start {
                command.arg("--from-start");
            }
        }
        command.arg("--").arg("--config").arg(&self.config);
        command.arg("--settler-key").arg(&self.settler_key);
        // The caller's FARTHING_ variables must not configure the process.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FARTHING_") {
                command.env_remove(name);
            }
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log);
        command.kill_on_drop(true);
        Ok(command)
    }
}

impl Process {
    /// Starts to count passages of the crash point.
    pub async fn arm(&mut self) {
        // If the process has died meanwhile, waiting for it reports that.
        let _ = self.stdin.write_all(b"the load has begun\n").await;
    }

    /// Waits until the process has killed itself.
    ///
    /// # Errors
    /// If it ends in another way, or does not end.
    pub async fn died(mut self) -> Result<()> {
        match timeout(PATIENCE, self.child.wait()).await {
            Ok(status) => check_death(status?, &self.log),
            Err(_) => Err("timeout: a process did not reach its crash point".into()),
        }
    }

    /// Kills the process.
    ///
    /// # Errors
    /// If it ended by itself before.
    pub async fn kill(mut self) -> Result<()> {
        self.child.start_kill()?;
        check_death(self.child.wait().await?, &self.log)
    }

    /// Sends SIGTERM, as a supervisor does, and waits until the process has settled everything and ended.
    ///
    /// # Errors
    /// If it does not end successfully.
    pub async fn stop(mut self) -> Result<()> {
        let pid = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id.try_into().ok()?));
        kill_process(pid.ok_or("the process has ended already")?, Signal::TERM)?;
        let ended = async {
            while self.stdout.next_line().await?.is_some() {}
            self.child.wait().await
        };
        let status = timeout(PATIENCE, ended).await??;
        if status.success() {
            return Ok(());
        }
        Err(with_log(
            &format!("after SIGTERM the process ended with {status}"),
            &self.log,
        ))
    }
}

/// Checks that a process ended by SIGKILL. If it ended in any other way, it has a defect.
fn check_death(status: ExitStatus, log: &Path) -> Result<()> {
    if status.signal() == Some(Signal::KILL.as_raw()) {
        return Ok(());
    }
    Err(with_log(
        &format!("the process was not killed but ended with {status}"),
        log,
    ))
}

fn with_log(what: &str, log: &Path) -> Box<dyn std::error::Error + Send + Sync> {
    let text = fs::read_to_string(log).unwrap_or_default();
    let tail: Vec<&str> = text.lines().rev().take(LAST_WORDS).collect();
    let tail: String = tail
        .into_iter()
        .rev()
        .map(|line| format!("\n  {line}"))
        .collect();
    format!("{what}; last lines of its log:{tail}").into()
}
