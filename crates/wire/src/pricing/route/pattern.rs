//! Patterns of the requests that a route's price is for: `METHOD /path`, in which `*` matches one segment of the path.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// HTTP methods that a route may have.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
/// Maximum length of a pattern in bytes.
const MAX_LENGTH: usize = 512;
/// Matches one segment of a path.
const ANY: &str = "*";

/// A route, such as `POST /v1/audio/speech` or `GET /v1/voices/*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoutePattern(String);

/// Why a text is not a route pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoutePatternError {
    /// The method is missing or not one that a route may have.
    #[error("a route is a method ({}) and a path, as in \"POST /v1/audio/speech\"", METHODS.join(", "))]
    Method,
    /// The path is malformed.
    #[error(
        "the path of a route begins with / and is made of letters, digits and -._~:@!$&'()+,= between single slashes; \
         * stands for one whole part of it"
    )]
    Path,
    /// The pattern is longer than the maximum.
    #[error("a route is at most {MAX_LENGTH} bytes long")]
    TooLong,
}

impl RoutePattern {
    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The method of the route.
    #[must_use]
    pub fn method(&self) -> &str {
        self.parts().0
    }

    /// The path of the route, with its `*` segments.
    #[must_use]
    pub fn path(&self) -> &str {
        self.parts().1
    }

    fn parts(&self) -> (&str, &str) {
        self.0.split_once(' ').unwrap_or((&self.0, ""))
    }

    /// Whether a request matches this pattern.
    #[must_use]
    pub fn matches(&self, method: &str, path: &str) -> bool {
        matches(&self.0, method, path)
    }

    /// Sort key of patterns that match the same request: the more specific one comes first, as a literal segment
    /// precedes a `*`.
    #[must_use]
    pub fn precedence(&self) -> Vec<bool> {
        precedence(&self.0)
    }
}

/// Whether a request matches a pattern, which need not be a valid [`RoutePattern`].
pub(crate) fn matches(pattern: &str, method: &str, path: &str) -> bool {
    let Some((its_method, its_path)) = pattern.split_once(' ') else {
        return false;
    };
    let (mut its, mut given) = (its_path.split('/'), path.split('/'));
    its_method == method
        && loop {
            match (its.next(), given.next()) {
                (None, None) => break true,
                (Some(ANY), Some(given)) if is_part(given) => {}
                (Some(its), Some(given)) if its != ANY && its == given => {}
                _ => break false,
            }
        }
}

/// Sort key of patterns that match the same request: a literal segment precedes a `*`.
pub(crate) fn precedence(pattern: &str) -> Vec<bool> {
    pattern.split('/').map(|part| part == ANY).collect()
}

/// Whether a `*` matches this text. It must not be anything that another server could read as more or less than one
/// segment: not `.` or `..`, and no percent-encoded dot, slash, backslash, semicolon, percent sign or control
/// character.
fn is_part(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let code = rest.get(at + 1..at + 3);
        let code = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        if code.is_none_or(|code| b"./\\;%".contains(&code) || code.is_ascii_control()) {
            return false;
        }
        rest = &rest[at + 3..];
    }
    !matches!(text, "" | "." | "..") && text.bytes().all(|byte| byte == b'%' || is_plain(byte))
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:@!$&'()*+,=".contains(&byte)
}

impl FromStr for RoutePattern {
    type Err = RoutePatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_LENGTH {
            return Err(RoutePatternError::TooLong);
        }
        let (method, path) = text.split_once(' ').ok_or(RoutePatternError::Method)?;
        if !METHODS.contains(&method) {
            return Err(RoutePatternError::Method);
        }
        let inner = path.strip_prefix('/').ok_or(RoutePatternError::Path)?;
        let is_named = |part: &str| is_part(part) && !part.contains(['*', '%']);
        let is_path =
            inner.is_empty() || inner.split('/').all(|part| part == ANY || is_named(part));
        if is_path {
            Ok(Self(text.to_owned()))
        } else {
            Err(RoutePatternError::Path)
        }
    }
}

impl fmt::Display for RoutePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for RoutePattern {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RoutePattern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    fn route(text: &str) -> RoutePattern {
        text.parse().expect("a route")
    }

    #[test]
    fn what_is_no_route_is_refused() {
        for (text, error) in [
            ("/v1/voices", RoutePatternError::Method),
            ("get /v1/voices", RoutePatternError::Method),
            ("OPTIONS /v1/voices", RoutePatternError::Method),
            ("HEAD /v1/voices", RoutePatternError::Method),
            ("", RoutePatternError::Method),
            ("GET v1", RoutePatternError::Path),
            ("GET ", RoutePatternError::Path),
            ("GET  /v1", RoutePatternError::Path),
            ("GET /v1?x=1", RoutePatternError::Path),
            ("GET /v1//x", RoutePatternError::Path),
            ("GET /v1/", RoutePatternError::Path),
            ("GET /v1/../x", RoutePatternError::Path),
            ("GET /v1/%41", RoutePatternError::Path),
            ("GET /v1/a*", RoutePatternError::Path),
            ("GET /v1/**", RoutePatternError::Path),
            (
                &format!("GET /{}", "x".repeat(MAX_LENGTH)),
                RoutePatternError::TooLong,
            ),
        ] {
            assert_eq!(text.parse::<RoutePattern>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_star_stands_for_one_part_of_a_path() {
        let voice = route("GET /v1/voices/*/sample");
        for (method, path, expected) in [
            ("GET", "/v1/voices/anna/sample", true),
            ("GET", "/v1/voices/J%C3%BCrgen%20K/sample", true),
            ("GET", "/v1/voices/*/sample", true),
            ("POST", "/v1/voices/anna/sample", false),
            ("GET", "/v1/voices/anna", false),
            ("GET", "/v1/voices/anna/sample/", false),
            ("GET", "/v1/voices/anna/b/sample", false),
            ("GET", "/v1/voices//sample", false),
        ] {
            assert_eq!(voice.matches(method, path), expected, "{method} {path}");
        }
        assert!(route("GET /").matches("GET", "/"));
        assert!(!route("GET /").matches("GET", "/v1"));
        assert!(
            !matches("/v1", "GET", "/v1"),
            "a provider may name anything"
        );
        assert_eq!(
            (voice.method(), voice.path()),
            ("GET", "/v1/voices/*/sample")
        );
    }

    #[test]
    fn a_star_is_no_way_to_another_path() {
        let file = route("GET /v1/files/*");
        for part in [
            ".", "..", "%2e%2e", "%2E.", ".%2e", "a%2fb", "a%2Fb", "a%5Cb", "a\\b", "..;", "a;b",
            "%3b", "%252e", "%00", "%0a", "%", "%4", "%zz", "a b", "ä",
        ] {
            assert!(!file.matches("GET", &format!("/v1/files/{part}")), "{part}");
        }
    }

    proptest! {
        #[test]
        fn what_matches_is_what_an_upstream_is_asked(part in "[a.%2e5cfEFC/\\\\;:@*?# ~'\"]{0,8}") {
            let path = format!("/v1/files/{part}");
            if route("GET /v1/files/*").matches("GET", &path) {
                let url = Url::parse(&format!("http://127.0.0.1{path}")).expect("a URL");
                prop_assert_eq!(url.path(), path);
                prop_assert_eq!(url.path_segments().map(Iterator::count), Some(3));
            }
        }
    }

    #[test]
    fn a_name_precedes_a_star() {
        let mut routes = ["GET /*/*", "GET /*/b", "GET /a/*", "GET /a/b"];
        routes.sort_by_key(|route| precedence(route));
        assert_eq!(routes, ["GET /a/b", "GET /a/*", "GET /*/b", "GET /*/*"]);
    }
}
