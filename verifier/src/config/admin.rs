//! `[admin]`: what only the operator reaches.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ConfigError;

/// What only the operator reaches.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// Address of `GET /metrics`, for Prometheus, and `GET /healthz`, which says whether the verifier serves; by default
    /// none. It tells what is earned and asks for no password: choose one that only the operator reaches.
    #[schemars(with = "Option<String>")]
    pub listen: Option<SocketAddr>,
}

impl AdminConfig {
    pub(crate) fn check(&self, clients: SocketAddr) -> Result<(), ConfigError> {
        if self.listen == Some(clients) && clients.port() != 0 {
            let reason = "must not be http.listen: clients are not told what is earned";
            return Err(ConfigError::value("admin.listen", reason));
        }
        Ok(())
    }
}
