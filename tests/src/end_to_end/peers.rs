//! Finds third-party programs. They are installed by `scripts/setup-test-peers` only.

use std::io::Write;
use std::path::PathBuf;

/// Environment variable with a comma-separated list of the peers that must be installed; without the others, tests are
/// skipped.
const REQUIRED: &str = "FARTHING_REQUIRE";

/// The folder of the npm packages that are servers or clients of inference, or `None` if they
/// are not installed, in which case the calling test is reported as skipped.
///
/// # Panics
/// If they are missing and `FARTHING_REQUIRE` names `node`.
#[must_use]
pub fn node_modules() -> Option<PathBuf> {
    installed(
        "node",
        concat!(env!("CARGO_MANIFEST_DIR"), "/peers/node/node_modules"),
        // Beside the modules once all of them are there.
        ".installed-lock.json",
    )
}

/// The folder of the npm packages that are coding agents, or `None` if they are not installed, as by default.
///
/// # Panics
/// If they are missing and `FARTHING_REQUIRE` names `agents`.
#[must_use]
pub fn agent_modules() -> Option<PathBuf> {
    installed(
        "agents",
        concat!(env!("CARGO_MANIFEST_DIR"), "/peers/agents/node_modules"),
        ".installed-lock.json",
    )
}

/// The folder of the npm packages that Anchor's tools use, or `None` if they are not installed.
///
/// # Panics
/// If they are missing and `FARTHING_REQUIRE` names `node`.
#[must_use]
pub fn anchor_modules() -> Option<PathBuf> {
    installed(
        "node",
        concat!(env!("CARGO_MANIFEST_DIR"), "/../node_modules"),
        "@anchor-lang/core/package.json",
    )
}

/// The folder of the npm packages of the Express example, or `None` if they are not installed.
///
/// # Panics
/// If they are missing and `FARTHING_REQUIRE` names `node`.
#[must_use]
pub fn express_modules() -> Option<PathBuf> {
    installed(
        "node",
        concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../examples/express/node_modules"
        ),
        ".installed-lock.json",
    )
}

/// The Python that has the packages which are clients of inference.
///
/// # Panics
/// If it is missing and `FARTHING_REQUIRE` names `python`.
#[must_use]
pub fn python() -> Option<PathBuf> {
    installed(
        "python",
        concat!(env!("CARGO_MANIFEST_DIR"), "/peers/python/.venv"),
        ".installed-requirements.txt",
    )
    .map(|folder| folder.join("bin/python"))
}

/// The Python that has the packages of the FastAPI example.
///
/// # Panics
/// If it is missing and `FARTHING_REQUIRE` names `python`.
#[must_use]
pub fn fastapi_python() -> Option<PathBuf> {
    installed(
        "python",
        concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/fastapi/.venv"),
        ".installed-requirements.txt",
    )
    .map(|folder| folder.join("bin/python"))
}

/// The folder of a peer, or `None` if its packages are not installed, in which case the calling test is reported as
/// skipped.
fn installed(peer: &str, folder: &str, file: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(folder);
    if folder.join(file).is_file() {
        return Some(folder);
    }
    let advice = match peer {
        "agents" => "install it with scripts/setup-test-peers agents",
        _ => "install it with scripts/setup-test-peers",
    };
    let required = std::env::var(REQUIRED).unwrap_or_default();
    assert!(
        !required.split(',').any(|name| name.trim() == peer),
        "{REQUIRED} names {peer}, but {} is missing: {advice}",
        folder.display()
    );
    // Written directly, because the test harness hides the output of `eprintln!` in tests that pass.
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED: {} is missing: {advice}",
        folder.display()
    );
    None
}
