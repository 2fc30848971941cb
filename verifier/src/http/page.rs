//! The 402 page for browsers: it says what is sold here and how to pay for it.
//!
//! The page has no script, loads nothing and sends nothing; its content security policy enforces that.

use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use farthing_protocol::BaseUnits;
use farthing_wire::amount::Usdc;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::app::App;
use super::x402::payment_required::PaymentRequiredAnswer;
use crate::payment::ProviderOffer;

const STYLE: &str = "body{max-width:44rem;margin:3rem auto;padding:0 1rem;font:16px/1.5 system-ui,sans-serif;\
    color:#1b1b1b;background:#fff}h1{font-size:1.4rem}table{border-collapse:collapse}th,td{text-align:left;\
    vertical-align:top;padding:.2rem 1rem .2rem 0}td,pre{font-family:ui-monospace,monospace;\
    overflow-wrap:anywhere}pre{white-space:pre-wrap;background:#f3f3f3;padding:1rem}\
    @media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}pre{background:#242424}}";

/// Content security policy that allows only the style above, by its hash.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).expect("base64 is a header value")
});

/// Middleware that replaces the JSON body of a 402 by the HTML page for browsers. Other answers are unchanged.
pub(crate) async fn for_browsers(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Response {
    let is_browser = prefers_html(request.headers());
    let response = next.run(request).await;
    for_browser(app.checkout.payments.offer(), is_browser, response)
}

/// Replaces the body of one answer by the HTML page if it is a 402 and the client is a browser.
pub(crate) fn for_browser(offer: &ProviderOffer, is_browser: bool, response: Response) -> Response {
    if response.status() != StatusCode::PAYMENT_REQUIRED {
        return response;
    }
    let (mut head, json) = response.into_parts();
    head.headers
        .insert(VARY, HeaderValue::from_static("accept"));
    let Some(answer) = head
        .extensions
        .remove::<PaymentRequiredAnswer>()
        .filter(|_| is_browser)
    else {
        return Response::from_parts(head, json);
    };
    let wanted = Wanted {
        is_model: offer.prices.sells_models() && !names_a_route(&answer),
        url: &answer.required.resource.url,
        cost: answer.required.accepts.first().map(|way| way.amount),
    };
    let markup = page(&facts(offer), &wanted);
    dress(&mut head.headers);
    Response::from_parts(head, Body::from(markup.into_string()))
}

/// The page for a browser that opens a route which accepts only POST: without a price, because there is no request yet.
pub(crate) fn without_request(offer: &ProviderOffer, url: &str) -> Response {
    let wanted = Wanted {
        is_model: true,
        url,
        cost: None,
    };
    let page = page(&facts(offer), &wanted);
    let mut response = Response::new(Body::from(page.into_string()));
    *response.status_mut() = StatusCode::PAYMENT_REQUIRED;
    dress(response.headers_mut());
    response
}

/// Whether a request is a GET from a browser.
pub(crate) fn is_visit(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::GET && prefers_html(headers)
}

fn dress(headers: &mut HeaderMap) {
    headers.remove(CONTENT_LENGTH);
    for (name, value) in [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (VARY, "accept"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
}

/// Whether the `Accept` header names `text/html` with a higher quality than `application/json`. `*/*` alone is taken
/// for a program.
pub(crate) fn prefers_html(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(ACCEPT).iter();
    let ranges: Vec<(String, f32)> = ranges
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(media_range)
        .collect();
    let quality = |wanted: &str| {
        let range = ranges.iter().find(|(range, _)| range == wanted);
        range.map(|(_, quality)| *quality)
    };
    let json = quality("application/json").unwrap_or_default();
    quality("text/html").is_some_and(|html| html > json)
}

/// A media type in lower case, with its quality value.
fn media_range(text: &str) -> (String, f32) {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let quality = parts
        .filter_map(|part| part.split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("q"))
        .map_or(1.0, |(_, value)| value.parse().unwrap_or(0.0));
    (name, quality)
}

/// The addresses that a payment needs, and the minimum requirements on a channel.
fn facts(offer: &ProviderOffer) -> [(&'static str, String); 7] {
    [
        ("network", offer.network.clone()),
        ("program", offer.program.to_string()),
        ("mint", offer.mint.to_string()),
        ("payee", offer.payee.to_string()),
        ("settler", offer.settler.to_string()),
        (
            "minimum grace of a channel",
            format!("{} s", offer.min_grace_seconds),
        ),
        (
            "minimum deposit of a channel",
            format!("{} USDC", Usdc(offer.min_deposit)),
        ),
    ]
}

/// The resource that a visitor asked for.
struct Wanted<'a> {
    /// Whether it is a model endpoint, for which the page shows another `farthing pay` command.
    is_model: bool,
    url: &'a str,
    cost: Option<BaseUnits>,
}

impl Wanted<'_> {
    /// The URL split into the provider's base URL and the path.
    fn parts(&self) -> (&str, &str) {
        let mut slashes = self.url.match_indices('/');
        let at = slashes.nth(2).map_or(self.url.len(), |(at, _)| at);
        self.url.split_at(at)
    }
}

fn names_a_route(answer: &PaymentRequiredAnswer) -> bool {
    let way = answer.required.accepts.first();
    way.is_some_and(|way| way.extra.pointer("/pricing/routes").is_some())
}

/// Renders the page. Everything is escaped except the style.
fn page(facts: &[(&str, String)], wanted: &Wanted<'_>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "402 Payment Required" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "402: this API is paid per request" }
                p {
                    "There is no account and no API key. A client prepays USDC into an escrow on Solana and signs, for \
                     every request, the most that it may cost; it is charged only for what the answer used."
                }
                @if let Some(cost) = wanted.cost {
                    p { "This request costs at most " strong { (Usdc(cost)) " USDC" } "." }
                }
                @if wanted.is_model {
                    p { "Models and prices: " a href="/v1/models" { "/v1/models" } }
                }
                table {
                    @for (name, value) in facts {
                        tr { th scope="row" { (name) } td { (value) } }
                    }
                }
                p { "With the command " code { "farthing" } ":" }
                pre {
                    "farthing escrow create --owner owner.json\n"
                    "farthing escrow fund 25 --owner owner.json\n"
                    "farthing channel open --owner owner.json --payee <payee> --settler <settler> --deposit 10 \
                     --lanes 8 --cap 1\n"
                    @if wanted.is_model {
                        "farthing pay " (wanted.url) " --channel <channel> --lane 0 --lane-key lanes/lane-0.json \\\n"
                        "  --model <model> \"Why is a farthing called a farthing?\""
                    } @else {
                        "farthing pay --listen 127.0.0.1:8400 " (wanted.parts().0) " --channel <channel> --lane 0 \\\n"
                        "  --lane-key lanes/lane-0.json\n"
                        "curl http://127.0.0.1:8400" (wanted.parts().1)
                    }
                }
                p {
                    "Programs find the same in the header " code { "PAYMENT-REQUIRED" } " (x402 version 2, base64 of \
                     JSON), in the body if they ask for JSON, or in " code { "Payment-Methods" } "."
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(accept: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        prefers_html(&headers)
    }

    #[test]
    fn html_is_for_whoever_asks_for_it() {
        assert!(!prefers_html(&HeaderMap::new()));
        for (accept, expected) in [
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                true,
            ),
            ("text/html", true),
            ("TEXT/HTML;Q=0.9, application/json;q=0.8", true),
            ("text/html;q=0.5, application/json", false),
            ("text/html, */*", true),
            ("*/*", false),
            ("application/json", false),
            ("text/event-stream", false),
            ("text/html;q=0", false),
            ("text/html;q=much", false),
            (";;,=", false),
        ] {
            assert_eq!(wants(accept), expected, "{accept}");
        }
    }

    #[test]
    fn nothing_that_a_client_chose_is_markup() {
        let facts = [("network", "<script>".to_owned())];
        for is_model in [true, false] {
            let wanted = Wanted {
                is_model,
                url: "http://evil/\"><img src=x onerror=alert(1)>",
                cost: Some(BaseUnits(239)),
            };
            let page = page(&facts, &wanted).into_string();
            assert!(!page.contains("<script>") && !page.contains("<img"));
            assert!(page.contains("0.000239 USDC"));
            assert_eq!(page.matches("<style>").count(), 1);
        }
    }

    #[test]
    fn what_is_no_models_answer_is_bought_through_the_proxy() {
        let wanted = Wanted {
            is_model: false,
            url: "https://api.example.com/weather/berlin",
            cost: None,
        };
        let page = page(&[], &wanted).into_string();
        assert!(page.contains("--listen 127.0.0.1:8400 https://api.example.com --channel"));
        assert!(page.contains("curl http://127.0.0.1:8400/weather/berlin"));
        let bare = Wanted {
            url: "/weather",
            ..wanted
        };
        assert_eq!(bare.parts(), ("/weather", ""));
    }
}
