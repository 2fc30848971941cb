//! Tests of the command `farthing dev`: its last line, its exit code, the files that it leaves behind, and the commands
//! that it prints.
#![cfg(all(feature = "dev", unix))]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The command, with its own folder for temporary files.
fn farthing(temporary: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_farthing"));
    command.args(arguments).env("TMPDIR", temporary.path());
    command
}

fn temporary() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn is_empty(folder: &Path) -> bool {
    let mut entries = std::fs::read_dir(folder).expect("the directory is there");
    entries.next().is_none()
}

fn shown(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    String::from_utf8_lossy(&[out.as_slice(), err].concat()).into_owned()
}

fn assert_reconciles(line: &str, agents: u64, requests: u64) {
    let figures: Value = serde_json::from_str(line).expect("the last line is JSON");
    let figure = |name: &str| {
        figures[name]
            .as_u64()
            .unwrap_or_else(|| panic!("{name}: {line}"))
    };
    assert_eq!(figure("agents"), agents);
    assert_eq!(figure("requests_ok"), requests);
    assert_eq!(figure("requests_failed"), 0);
    assert!(figure("streamed") * 10 >= requests * 4);
    assert!(figure("charged") > 0);
    assert_eq!(figure("charged"), figure("settled_on_chain"));
    assert_eq!(figure("charged"), figure("payee_received"));
    assert_eq!(
        figure("owner_deposited"),
        figure("payee_received") + figure("owner_refunded")
    );
    assert_eq!(figure("vault_left"), 0);
    let (transactions, rounds) = (figure("settle_transactions"), figure("settlement_rounds"));
    assert!(rounds >= 1 && transactions <= rounds * (agents.div_ceil(10) + 1));
    assert!(figure("lamports_fees") >= 5_000 * transactions);
    for name in ["first_paid_ms", "paid_p50_ms", "paid_p99_ms"] {
        assert!(
            figures[name].as_f64().is_some_and(|time| time > 0.0),
            "{name}: {line}"
        );
    }
}

fn interrupt(child: &Child) {
    let status = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "the process was running"
    );
}

#[test]
fn the_last_line_reconciles_and_nothing_is_left_behind() {
    let temporary = temporary();
    let output = farthing(
        &temporary,
        &["dev", "--json", "--agents", "3", "--requests", "5"],
    )
    .output()
    .expect("the binary runs");
    assert!(output.status.success(), "{}", shown(&output));
    let text = String::from_utf8(output.stdout).expect("text");
    assert_reconciles(text.lines().last().expect("a line"), 3, 15);
    assert!(is_empty(temporary.path()));
}

#[test]
fn an_interrupted_run_leaves_nothing_behind() {
    let temporary = temporary();
    let mut child = farthing(&temporary, &["dev"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let stderr = child.stderr.take().expect("stderr is piped");
    let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
    lines
        .find(|line| line.contains("starting the gateway"))
        .expect("it says what it does");
    interrupt(&child);
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(is_empty(temporary.path()));
}

#[test]
fn what_it_keeps_can_be_paid_for_with_the_line_that_it_prints() {
    let temporary = temporary();
    let arguments = [
        "dev",
        "--keep",
        "--json",
        "--agents",
        "1",
        "--requests",
        "2",
    ];
    let mut child = farthing(&temporary, &arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let stderr = child.stderr.take().expect("stderr is piped");
    let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
    // The gateway keeps serving after the line that pays has been printed.
    let pay = lines
        .by_ref()
        .find(|line| line.contains(" pay http://127.0.0.1:"))
        .expect("it prints a line that pays");
    let paid = Command::new("sh")
        .args(["-c", &format!("{pay} --json")])
        .output();
    let paid = paid.expect("there is a shell");
    assert!(paid.status.success(), "{pay}: {}", shown(&paid));
    let answer: Value = serde_json::from_slice(&paid.stdout).expect("one object");
    assert!(answer.to_string().contains("\"charged\""), "{answer}");

    interrupt(&child);
    assert!(child.wait().expect("it ends").success());
    let mut report = String::new();
    let mut stdout = child.stdout.take().expect("stdout is piped");
    stdout.read_to_string(&mut report).expect("text");
    assert_reconciles(report.lines().last().expect("a line"), 1, 2);
    let kept = std::fs::read_dir(temporary.path()).expect("the directory is there");
    assert_eq!(kept.count(), 1, "keys and ledger are kept");
}
