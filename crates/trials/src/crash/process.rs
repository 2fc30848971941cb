//! `farthing serve` in a process of its own, which dies as it is told.
//!
//! The process is this very program, started again with a hidden command: it prepares its own death and then runs what
//! `farthing serve` runs, with its command line. It dies by SIGKILL, so that nothing is flushed, closed or tidied.

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
    /// Where to die
    #[arg(long, value_name = "NAME", value_parser = crash_point)]
    pub point: Option<CrashPoint>,
    /// At which passage
    #[arg(long, default_value_t = 1)]
    pub passage: u64,
    /// Count from the start, and not from the first line on stdin
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

/// The hidden command.
pub const COMMAND: &str = "serve-and-die";
/// Pause between two questions whether it serves.
const HEALTH_INTERVAL: Duration = Duration::from_millis(1);
/// How many lines of the log an error shows.
const LAST_WORDS: usize = 10;

/// Runs `farthing serve` in this process until it dies.
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
        // Whoever started this process is gone, and nobody would end it.
        die();
    });
    let command = ["farthing", "--json", "serve"].map(OsString::from);
    farthing_cli::run(command.into_iter().chain(args.serve).collect())
}

fn die() {
    // It cannot fail: every process may send itself any signal.
    let _ = kill_process(getpid(), Signal::KILL);
}

/// What every process is started with.
#[derive(Debug)]
pub struct Processes {
    /// This program.
    pub executable: PathBuf,
    /// `farthing.toml`.
    pub config: PathBuf,
    /// The settler's key.
    pub settler_key: PathBuf,
    /// Where its log goes.
    pub log: PathBuf,
    /// Asks whether it is well.
    pub http: reqwest::Client,
}

/// A process that serves.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    log: PathBuf,
    /// Where it listens.
    pub url: String,
    /// How long it took from its start to its first word that it is well.
    pub ready_in: Duration,
}

impl Processes {
    /// Starts a process that dies at this passage, if at any, and waits until it serves; `None` if it died before.
    ///
    /// # Errors
    /// If it ends otherwise, or takes too long.
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
            .ok_or("it says where it listens")?;
        let admin = listening["admin"]
            .as_str()
            .ok_or("it says where the operator asks")?;
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
                return Err("a process listens and is not well".into());
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
        // Settings of whoever runs this are not the process's.
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
    /// From now on passages count.
    pub async fn arm(&mut self) {
        // A process that has died meanwhile is noticed by whoever waits for it.
        let _ = self.stdin.write_all(b"the load has begun\n").await;
    }

    /// Waits until it has died by its own hand.
    ///
    /// # Errors
    /// If it ends otherwise, or lives on.
    pub async fn died(mut self) -> Result<()> {
        match timeout(PATIENCE, self.child.wait()).await {
            Ok(status) => check_death(status?, &self.log),
            Err(_) => Err("a process does not pass the point at which it should die".into()),
        }
    }

    /// Kills it.
    ///
    /// # Errors
    /// If it ended by itself before.
    pub async fn kill(mut self) -> Result<()> {
        self.child.start_kill()?;
        check_death(self.child.wait().await?, &self.log)
    }

    /// Asks it to end, as a supervisor does, and waits until it has settled everything.
    ///
    /// # Errors
    /// If it does not end well.
    pub async fn stop(mut self) -> Result<()> {
        let pid = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id.try_into().ok()?));
        kill_process(pid.ok_or("it has ended already")?, Signal::TERM)?;
        let ended = async {
            while self.stdout.next_line().await?.is_some() {}
            self.child.wait().await
        };
        let status = timeout(PATIENCE, ended).await??;
        if status.success() {
            return Ok(());
        }
        Err(with_log(
            &format!("asked to end, it ended with {status}"),
            &self.log,
        ))
    }
}

/// A process that ends in any other way has a defect of its own.
fn check_death(status: ExitStatus, log: &Path) -> Result<()> {
    if status.signal() == Some(Signal::KILL.as_raw()) {
        return Ok(());
    }
    Err(with_log(
        &format!("it was not killed, it ended with {status}"),
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
    format!("{what}; its last words:{tail}").into()
}
