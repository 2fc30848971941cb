//! What a provider would run in front of its upstream instead: nginx, and litellm's proxy. Neither sells anything.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use farthing_cli::demo_model::MODEL;
use serde_json::json;
use tokio::process::Command;

use super::Result;
use super::process::{Server, free_address};

/// nginx, passing everything on over connections that it keeps; `None` if it is not installed.
///
/// # Errors
/// If it does not start.
pub async fn nginx(folder: &Path, upstream: SocketAddr) -> Result<Option<Server>> {
    if Command::new("nginx").arg("-v").output().await.is_err() {
        return Ok(None);
    }
    let folder = folder.join("nginx");
    fs::create_dir_all(&folder)?;
    let address = free_address()?;
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {kind};\n"))
        .collect();
    let configuration = format!(
        "daemon off; worker_processes auto; pid nginx.pid; error_log stderr crit;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n\
         access_log off;\n{temporary}\
         upstream model {{ server {upstream}; keepalive 256; }}\n\
         server {{\n\
         listen {address} backlog=4096; keepalive_requests 1000000000;\n\
         location / {{\n\
         proxy_pass http://model; proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_buffering off;\n\
         }} }} }}\n"
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, configuration)?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(&folder).arg("-c").arg(&file);
    Server::start_at(command, address).await.map(Some)
}

/// litellm's proxy, as its documentation starts it, for one model; `None` if it is not installed.
///
/// # Errors
/// If it does not start.
pub async fn litellm(folder: &Path, upstream: SocketAddr) -> Result<Option<Server>> {
    let program = installed().join(".venv/bin/litellm");
    if !program.exists() {
        return Ok(None);
    }
    let folder = folder.join("litellm");
    fs::create_dir_all(&folder)?;
    let address = free_address()?;
    let configuration = json!({
        "model_list": [{
            "model_name": MODEL,
            "litellm_params": {
                "model": format!("openai/{MODEL}"),
                "api_base": format!("http://{upstream}/v1"),
                "api_key": "none",
            },
        }],
        "litellm_settings": {"telemetry": false},
    });
    // JSON is YAML.
    let file = folder.join("config.yaml");
    fs::write(&file, configuration.to_string())?;
    let mut command = Command::new(program);
    command
        .arg("--config")
        .arg(&file)
        .args(["--host", "127.0.0.1", "--port", &address.port().to_string()])
        .current_dir(&folder)
        // It must not fetch its price list from the network.
        .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        // It is reached from this machine only, and sells nothing.
        .env(
            "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY",
            "true",
        )
        .env("LITELLM_LOG", "ERROR");
    Server::start_at(command, address).await.map(Some)
}

fn installed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/litellm")
}
