//! Runs the command in its own folder, against a given node, and without the developer's environment variables.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A folder to run the command in, and the node that it talks to.
pub struct Terminal {
    folder: tempfile::TempDir,
    rpc_url: String,
}

impl Terminal {
    pub fn new(rpc_url: &str) -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            rpc_url: rpc_url.to_owned(),
        }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_farthing"));
        // The developer's settings must not influence the tests.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FARTHING_") {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .current_dir(self.folder())
            .env("FARTHING_RPC_URL", &self.rpc_url);
        command
    }

    pub async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output().expect("the command starts"))
            .await
            .expect("no panic")
    }

    /// Runs a command that must succeed, and returns its JSON.
    pub async fn ok(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[&["--json"], arguments].concat()).await;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        serde_json::from_slice(&output.stdout).expect("JSON on stdout")
    }

    /// Runs a command that must fail with this exit code, and returns the error's code and message.
    pub async fn fails(&self, exit_code: i32, arguments: &[&str]) -> (String, String) {
        let output = self.run(&[&["--json"], arguments].concat()).await;
        error_of(&output, exit_code, arguments)
    }
}

/// The error's code and message in the output of a command, which must have ended with this exit code.
pub fn error_of(output: &Output, exit_code: i32, arguments: &[&str]) -> (String, String) {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        output.status.code(),
        Some(exit_code),
        "{arguments:?}: {stderr}"
    );
    let error: Value = serde_json::from_str(&stderr).expect("JSON on stderr");
    let field = |name: &str| error["error"][name].as_str().expect("text").to_owned();
    (field("code"), field("message"))
}

pub fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field} in {value}"))
}
