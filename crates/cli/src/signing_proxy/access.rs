//! Who may use the proxy: programs of this machine's user, with the token if there is one, and no web page that was not
//! named.

use std::net::IpAddr;

use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName};

use super::error::ProxyError;

/// Says of a browser's request who asks for it.
const SEC_FETCH_SITE: &str = "sec-fetch-site";
/// The header in which clients of Anthropic's API have their key.
pub(super) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Who may use a proxy.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Names or addresses in a request's `Host`, besides those of the loopback interface.
    pub hosts: Vec<String>,
    /// Origins of web pages that may use the proxy.
    pub origins: Vec<String>,
    /// The token that a client must give as its API key; none is needed if absent.
    pub token: Option<String>,
}

impl Access {
    /// Refuses what a web page asks for, unless it was named.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), ProxyError> {
        self.check_host(headers)?;
        if let Some(origin) = headers.get(ORIGIN) {
            let origin = origin.to_str().unwrap_or("null");
            let is_named = self.origins.iter().any(|named| named == origin);
            return is_named
                .then_some(())
                .ok_or_else(|| ProxyError::origin(origin));
        }
        // Browsers send no origin with images and links, but say that a page asks.
        let site = headers.get(SEC_FETCH_SITE);
        match site {
            Some(site) if site != "none" && site != "same-origin" => Err(ProxyError::web_page()),
            _ => Ok(()),
        }
    }

    /// A page may let a domain of its own point to this machine, so only names count that it cannot have.
    fn check_host(&self, headers: &HeaderMap) -> Result<(), ProxyError> {
        let Some(host) = headers.get(HOST) else {
            return Ok(());
        };
        let text = host.to_str().unwrap_or_default();
        let Ok(authority) = text.parse::<Authority>() else {
            return Err(ProxyError::host(text));
        };
        let name = authority.host().to_ascii_lowercase();
        let name = name.trim_start_matches('[').trim_end_matches(']');
        let is_loopback = match name.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => name == "localhost" || name.ends_with(".localhost"),
        };
        let mut named = self.hosts.iter();
        if is_loopback || named.any(|named| named.eq_ignore_ascii_case(name)) {
            Ok(())
        } else {
            Err(ProxyError::host(name))
        }
    }

    /// The part of the client's API key that is not the token: it chooses the lane of a proxy that has several.
    pub(super) fn lane_chosen<'a>(&self, headers: &'a HeaderMap) -> Result<&'a str, ProxyError> {
        let key = api_key(headers);
        let Some(token) = &self.token else {
            return Ok(key);
        };
        let rest = key.get(token.len()..).filter(|_| is_prefix(token, key));
        match rest {
            Some("") => Ok(""),
            Some(rest) => rest.strip_prefix('.').ok_or_else(ProxyError::token),
            None => Err(ProxyError::token()),
        }
    }
}

/// Whether a token begins a key, compared in a time that does not depend on where they differ.
fn is_prefix(token: &str, key: &str) -> bool {
    let (token, key) = (token.as_bytes(), key.as_bytes());
    let differences = token.iter().zip(key).map(|(a, b)| a ^ b);
    key.len() >= token.len() && differences.fold(0, |all, difference| all | difference) == 0
}

/// The API key that a client sends; empty if it sends none.
pub(super) fn api_key(headers: &HeaderMap) -> &str {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    let key = headers.get(API_KEY).and_then(|value| value.to_str().ok());
    bearer.or(key).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&str, &str)]) -> HeaderMap {
        let headers = list.iter().map(|(name, value)| {
            let name = HeaderName::try_from(*name).expect("a name");
            (name, value.parse().expect("a value"))
        });
        headers.collect()
    }

    #[test]
    fn only_this_machine_and_what_was_named_may_use_it() {
        let access = Access {
            hosts: vec!["gpu-box.lan".to_owned()],
            origins: vec!["app://obsidian.md".to_owned()],
            token: None,
        };
        for (list, is_allowed) in [
            (&[("host", "127.0.0.1:8400")][..], true),
            (&[("host", "[::1]:8400")], true),
            (&[("host", "localhost")], true),
            (&[("host", "a.localhost:1")], true),
            (&[("host", "GPU-box.lan:8400")], true),
            (&[], true),
            (&[("host", "evil.example:8400")], false),
            (&[("host", "192.168.1.7")], false),
            (&[("host", "localhost.evil.example")], false),
            (
                &[
                    ("origin", "app://obsidian.md"),
                    ("sec-fetch-site", "cross-site"),
                ],
                true,
            ),
            (&[("origin", "https://evil.example")], false),
            (&[("origin", "null")], false),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "same-site")], false),
        ] {
            assert_eq!(access.check(&headers(list)).is_ok(), is_allowed, "{list:?}");
        }
    }

    #[test]
    fn the_token_comes_first_and_the_lane_behind_it() {
        let open = Access::default();
        let closed = Access {
            token: Some("secret".to_owned()),
            ..Access::default()
        };
        for (list, without, with) in [
            (&[][..], Some(""), None),
            (&[("authorization", "Bearer lane-7")], Some("lane-7"), None),
            (&[("x-api-key", "lane-7")], Some("lane-7"), None),
            (
                &[("authorization", "Bearer secret")],
                Some("secret"),
                Some(""),
            ),
            (
                &[("authorization", "bearer secret.lane-7")],
                Some("secret.lane-7"),
                Some("lane-7"),
            ),
            (&[("x-api-key", "secretlane-7")], Some("secretlane-7"), None),
            (&[("x-api-key", "secre")], Some("secre"), None),
        ] {
            let headers = headers(list);
            assert_eq!(open.lane_chosen(&headers).ok(), without);
            assert_eq!(closed.lane_chosen(&headers).ok(), with);
        }
    }
}
