//! Programs that are not ours. `scripts/setup-test-peers` installs them; nothing here does.

use std::io::Write;
use std::path::PathBuf;

/// A comma-separated list of the peers without which a test must not pass.
const REQUIRED: &str = "FARTHING_REQUIRE";

/// The folder of the npm packages, or `None` if they are not installed: then the test that asks says
/// that it is skipped.
///
/// # Panics
/// If they are missing and `FARTHING_REQUIRE` names `node`.
#[must_use]
pub fn node_modules() -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/peers/node/node_modules"
    ));
    if folder.join("@copilotkit/aimock/dist/cli.js").is_file() {
        return Some(folder);
    }
    let advice = "install it with scripts/setup-test-peers";
    let required = std::env::var(REQUIRED).unwrap_or_default();
    assert!(
        !required.split(',').any(|name| name.trim() == "node"),
        "{REQUIRED} names node, but {} is missing: {advice}",
        folder.display()
    );
    // Not by a macro, whose output the test harness hides when a test passes.
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED: {} is missing: {advice}",
        folder.display()
    );
    None
}
