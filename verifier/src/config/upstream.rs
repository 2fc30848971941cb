//! `[[upstream]]`: the servers that answer what is sold.

use std::collections::BTreeSet;

use axum::http::HeaderName;
use farthing_wire::pricing::Dialect;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_with::serde_as;

use super::ConfigError;
use super::units::Secret;
use super::url::check_url;

/// A server that answers requests to some of the models.
#[serde_as]
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// Name of the upstream in logs.
    pub name: String,
    /// Base URL of its API, with or without `/v1` at its end.
    pub url: String,
    /// API key that is sent to it as a bearer token. It is never logged or shown.
    #[serde_as(as = "Option<Secret>")]
    #[serde(default)]
    pub api_key: Option<SecretString>,
    /// Its dialect of the API: `openai`, `vllm`, `sglang`, `llama.cpp`, `ollama`, `openrouter`, `litellm` or `deepseek`;
    /// it decides which fields of its own are accepted, and the name of the output limit. Without it, the fields of all
    /// dialects are accepted.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub dialect: Option<Dialect>,
    /// The models that it serves, by name or pattern; the first upstream serves all that no other one lists.
    #[serde(default)]
    pub models: Vec<String>,
}

/// Checks the list of upstreams.
pub(super) fn check(upstreams: &[UpstreamConfig]) -> Result<(), ConfigError> {
    let mut names = BTreeSet::new();
    let mut models = BTreeSet::new();
    for upstream in upstreams {
        let refuse = |reason: String| Err(ConfigError::value("upstream", reason));
        check_origin("upstream.url", &upstream.url)?;
        if !names.insert(&upstream.name) {
            return refuse(format!("the name {:?} is given twice", upstream.name));
        }
        if let Some(model) = upstream.models.iter().find(|model| !models.insert(*model)) {
            return refuse(format!("model {model:?} is listed for two upstreams"));
        }
    }
    Ok(())
}

/// Checks the URL of an upstream. It is shown, so it must not carry what must not be shown; and paths are put behind it.
pub(super) fn check_origin(key: &'static str, url: &str) -> Result<(), ConfigError> {
    check_url(key, url)?;
    let carries_more = |url: reqwest::Url| {
        !url.username().is_empty() || url.password().is_some() || url.query().is_some()
    };
    if url.parse().is_ok_and(carries_more) {
        let reason = "must have no user, password or query: give the upstream's key as its API key";
        return Err(ConfigError::value(key, reason));
    }
    Ok(())
}

impl UpstreamConfig {
    /// The URL without `/v1`.
    #[must_use]
    pub fn base(&self) -> &str {
        let base = self.url.trim_end_matches('/');
        base.strip_suffix("/v1").unwrap_or(base)
    }
}

/// Checks names of headers, in which a `*` at the end stands for any text.
pub(super) fn check_headers(key: &'static str, names: &[String]) -> Result<(), ConfigError> {
    for name in names {
        let plain = name.strip_suffix('*').unwrap_or(name);
        if HeaderName::try_from(plain).is_err() {
            let reason = format!("{name:?} is not the name of a header");
            return Err(ConfigError::value(key, reason));
        }
    }
    Ok(())
}
