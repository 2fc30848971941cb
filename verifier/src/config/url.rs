//! URLs in configuration files.

use super::ConfigError;

/// Whether a text is a valid value of a browser's `Origin` header.
pub(super) fn is_origin(text: &str) -> bool {
    let url = reqwest::Url::parse(text);
    url.is_ok_and(|url| url.has_host() && url.origin().ascii_serialization() == text)
}

pub(super) fn check_url(key: &'static str, url: &str) -> Result<(), ConfigError> {
    match reqwest::Url::parse(url) {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") && parsed.has_host() => Ok(()),
        _ => Err(ConfigError::value(
            key,
            "must be an http:// or https:// URL with a host",
        )),
    }
}
