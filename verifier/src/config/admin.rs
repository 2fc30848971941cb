//! `[admin]`: the operator's address for metrics and health checks.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ConfigError;

/// The operator's address for metrics and health checks.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// Address that serves `GET /metrics` for Prometheus and `GET /healthz`, which says whether the verifier serves;
    /// off by default. It shows what is earned and has no authentication: choose an address that only the operator can
    /// reach.
    #[schemars(with = "Option<String>")]
    pub listen: Option<SocketAddr>,
}

impl AdminConfig {
    pub(crate) fn check(&self, clients: SocketAddr) -> Result<(), ConfigError> {
        if self.listen == Some(clients) && clients.port() != 0 {
            let reason = "must differ from http.listen: clients must not see the metrics";
            return Err(ConfigError::value("admin.listen", reason));
        }
        Ok(())
    }
}
