//! Tests of `farthing store`: what it refuses, and a backup with its restoration.

use std::fs;
use std::path::{Path, PathBuf};

use farthing_protocol::{BaseUnits, Domain, Generation, LaneIndex};
use farthing_verifier::record::{LaneKey, Record};
use farthing_verifier::store::{RedbStore, Store};
use serde_json::{Value, json};

use crate::terminal::{Terminal, error_of, text};

/// An unreachable node: no command of `farthing store` uses one.
const NO_NODE: &str = "http://127.0.0.1:1";

fn fixture(name: &str) -> PathBuf {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../verifier/fixtures/stores"
    );
    Path::new(folder).join(name)
}

/// A folder with an export.
fn terminal() -> Terminal {
    let terminal = Terminal::new(NO_NODE);
    fs::copy(fixture("0.1.0+held.jsonl"), terminal.path("backup.jsonl")).expect("writable");
    terminal
}

async fn import(terminal: &Terminal, store: &str) -> Value {
    let arguments = ["store", "import", "backup.jsonl", "--store", store];
    terminal.ok(&arguments).await
}

#[tokio::test]
async fn a_store_must_be_there_whole_and_not_in_use() {
    let terminal = terminal();
    for command in ["inspect", "export", "check"] {
        let (code, message) = terminal.fails(2, &["store", command]).await;
        assert_eq!(code, "usage");
        assert_eq!(
            message,
            "there is no store at farthing.redb: give its path with --store, or its configuration with --config"
        );
    }
    assert!(!terminal.path("farthing.redb").exists());

    import(&terminal, "farthing.redb").await;
    let path = terminal.path("farthing.redb");
    let serving = RedbStore::open(&path).expect("it opens");
    for command in ["inspect", "export", "check"] {
        let (code, message) = terminal.fails(1, &["store", command]).await;
        assert_eq!(code, "failed");
        let expected = "the store is open in another process, which must end first: ";
        assert!(message.contains(expected), "{message}");
        assert!(message.contains("farthing.redb"), "{message}");
    }
    drop(serving);

    fs::write(&path, "not a database".repeat(1_000)).expect("writable");
    for command in ["inspect", "export", "check"] {
        let (_, message) = terminal.fails(1, &["store", command]).await;
        assert!(message.contains("the store's file is damaged"), "{message}");
        assert!(message.contains("farthing.redb"), "{message}");
    }
}

#[tokio::test]
async fn an_import_takes_only_whole_exports_and_replaces_nothing() {
    let terminal = terminal();
    let (code, message) = terminal
        .fails(
            2,
            &["store", "import", "missing.jsonl", "--store", "new.redb"],
        )
        .await;
    assert_eq!(code, "usage");
    assert!(
        message.starts_with("cannot read missing.jsonl"),
        "{message}"
    );
    let (code, _) = terminal
        .fails(2, &["store", "import", "backup.jsonl"])
        .await;
    assert_eq!(code, "usage", "a new store is named");

    let whole = fs::read_to_string(terminal.path("backup.jsonl")).expect("readable");
    fs::write(terminal.path("cut.jsonl"), &whole[..whole.len() / 2]).expect("writable");
    let changed = whole.replace(r#""value":"500""#, r#""value":"501""#);
    fs::write(terminal.path("changed.jsonl"), changed).expect("writable");
    for (file, expected) in [
        (
            "cut.jsonl",
            "the export was cut: its last line, with the hash of those before, is missing",
        ),
        (
            "changed.jsonl",
            "the export was changed or damaged: its lines do not have the hash in its last line",
        ),
    ] {
        let arguments = ["store", "import", file, "--store", "new.redb"];
        let (code, message) = terminal.fails(1, &arguments).await;
        assert_eq!((code.as_str(), message.as_str()), ("failed", expected));
    }
    assert!(!terminal.path("new.redb").exists());

    import(&terminal, "new.redb").await;
    let before = fs::read(terminal.path("new.redb")).expect("readable");
    let arguments = ["store", "import", "backup.jsonl", "--store", "new.redb"];
    let (_, message) = terminal.fails(1, &arguments).await;
    assert_eq!(
        message,
        "new.redb exists already: an import makes a new store, and replaces none"
    );
    assert!(fs::read(terminal.path("new.redb")).expect("readable") == before);

    let arguments = [
        "store",
        "export",
        "--store",
        "new.redb",
        "-o",
        "backup.jsonl",
    ];
    let (_, message) = terminal.fails(1, &arguments).await;
    assert_eq!(
        message,
        "backup.jsonl exists already: name a new file with --output"
    );
}

#[tokio::test]
async fn a_store_is_backed_up_and_restored() {
    let terminal = terminal();
    let counts = json!({"channels": 2, "lanes": 3, "used": 3, "reservations": 2, "settlements": 1, "outcomes": 1});
    let imported = import(&terminal, "ledger.redb").await;
    assert_eq!(imported["counts"], counts);
    let before = fs::read(terminal.path("ledger.redb")).expect("readable");

    // The configuration names the store, as it does for the verifier.
    let configuration = "[store]\npath = \"ledger.redb\"\n";
    fs::write(terminal.path("farthing.toml"), configuration).expect("writable");
    let exported = terminal.ok(&["store", "export", "-o", "again.jsonl"]).await;
    assert_eq!(exported["sha256"], imported["sha256"]);
    assert_eq!(exported["counts"], counts);
    let whole = fs::read(terminal.path("backup.jsonl")).expect("readable");
    let again = fs::read(terminal.path("again.jsonl")).expect("readable");
    assert!(again == whole, "an export of an import is the export");
    for arguments in [&["store", "export"][..], &["--json", "store", "export"]] {
        let output = terminal.run(arguments).await;
        assert!(output.status.success());
        assert!(output.stdout == whole, "stdout has the export alone");
    }

    let inspected = terminal.ok(&["store", "inspect"]).await;
    assert_eq!(inspected["counts"], counts);
    // 300 of lane 0, and 250 of lane 1, whose second generation continued the counter of the first.
    assert_eq!(inspected["charged"], json!(550));
    assert_eq!(inspected["reserved"], json!(210));
    assert_eq!(inspected["file_bytes"], json!(before.len()));
    let lane = &inspected["lanes"][0];
    assert_eq!(
        (&lane["authorized"], &lane["charged"], &lane["floor"]),
        (&json!(1_000), &json!(300), &json!(2))
    );
    assert_eq!(
        (&lane["used_values"], &lane["requests_in_flight"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(inspected["settlements"][0]["owed"], json!(70));

    let checked = terminal.ok(&["store", "check"]).await;
    assert_eq!(
        (&checked["records"], &checked["findings"]),
        (&json!(12), &json!([]))
    );
    let human = terminal
        .run(&["store", "inspect", "--store", "ledger.redb"])
        .await;
    let human = String::from_utf8_lossy(&human.stdout).into_owned();
    for expected in ["0.00055 USDC", "at most 0.00021 USDC", "0.0003"] {
        assert!(human.contains(expected), "{human}");
    }
    let after = fs::read(terminal.path("ledger.redb")).expect("readable");
    assert!(after == before, "who only looks changes nothing");
}

#[tokio::test]
async fn a_check_reports_everything_that_no_verifier_writes() {
    let terminal = terminal();
    import(&terminal, "farthing.redb").await;
    let mut store = RedbStore::open(&terminal.path("farthing.redb")).expect("it opens");
    let key = |lane| LaneKey {
        domain: Domain([3; 32]),
        lane: LaneIndex(lane),
        generation: Generation(1),
    };
    let records = [
        Record::Used(key(0), BaseUnits(7)),
        Record::Used(key(5), BaseUnits(8)),
    ];
    store.commit(&records).expect("it is written");
    drop(store);

    let arguments = ["--json", "store", "check"];
    let output = terminal.run(&arguments).await;
    let (code, message) = error_of(&output, 1, &arguments);
    assert_eq!(code, "failed");
    assert!(
        message.starts_with("2 of the records in farthing.redb"),
        "{message}"
    );
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON on stdout");
    assert_eq!(text(&report, "store"), "farthing.redb");
    let domain = "CktRuQ2mttgRGkXJtyksdKHjUdc2C4TgDzyB98oEzy8";
    assert_eq!(
        report["findings"],
        json!([
            format!(
                "value 7 was used on lane 0, generation 1 of domain {domain}, but must be above 300 and at most 1000"
            ),
            format!(
                "value 8 was used on lane 5, generation 1 of domain {domain}, which is not in the store"
            ),
        ])
    );
}
