//! Tools: those that the client runs count by their bytes; those that the upstream runs are refused unless the provider
//! has a price for them. Such a price bounds the calls and the input that their results add.

use serde_json::Value;

use super::fields::{Fields, json_length, not_bounded, whole_number};
use super::{Change, Endpoint, QuoteError, QuotedTool};

/// Fields of a tool by which some servers know tools that they run, whatever the tool's type.
const RUN_BY_FIELD: &[&str] = &[
    "googleSearch",
    "google_search",
    "googleSearchRetrieval",
    "google_search_retrieval",
    "enterpriseWebSearch",
    "googleMaps",
    "google_maps",
    "codeExecution",
    "code_execution",
    "urlContext",
    "url_context",
    "fileSearch",
    "file_search",
    "retrieval",
    "web_search",
    "computerUse",
];

/// The tools of a request.
pub(super) struct Tools {
    /// The most input tokens of their descriptions and results.
    pub(super) tokens: u64,
    /// Those that the upstream runs, once each.
    pub(super) quoted: Vec<QuotedTool>,
    pub(super) changes: Vec<Change>,
}

/// The tools of a request, with the most input tokens that they add.
pub(super) fn bound(fields: &Fields<'_>) -> Result<Tools, QuoteError> {
    let tools = fields.optional("tools", Value::as_array, "an array")?;
    let mut quoted: Vec<QuotedTool> = Vec::new();
    let mut dropped = Vec::new();
    for (at, tool) in tools.into_iter().flatten().enumerate() {
        let Some(name) = run_by_upstream(fields.endpoint, tool) else {
            continue;
        };
        let sold_as = sold_as(&name);
        match fields.rules.tools.get(sold_as) {
            Some(price) => {
                if fields.endpoint == Endpoint::Messages {
                    require_max_uses(tool, &name, price.max_calls)?;
                }
                if quoted.iter().all(|known| known.tool != sold_as) {
                    quoted.push(QuotedTool {
                        tool: sold_as.to_owned(),
                        price: *price,
                    });
                }
            }
            None if fields.rules.drop_tools.contains(sold_as) => dropped.push(at),
            None => return Err(refused("tools", &name)),
        }
    }
    let results = quoted
        .iter()
        .map(|tool| u64::from(tool.price.max_input_tokens));
    let mut changes = limit_calls(fields, &quoted)?;
    changes.extend(without(fields, &dropped));
    Ok(Tools {
        tokens: fields.json_bytes(&["tools", "tool_choice"]) + results.sum::<u64>(),
        changes,
        quoted,
    })
}

/// The changes that leave out some of the tools. Without any tool nothing may be said of which to choose.
fn without(fields: &Fields<'_>, dropped: &[usize]) -> Vec<Change> {
    if dropped.is_empty() {
        return Vec::new();
    }
    let tools = fields.body.list("tools").into_iter().enumerate();
    let kept: Vec<_> = tools
        .filter_map(|(at, tool)| dropped.binary_search(&at).is_err().then_some(tool))
        .collect();
    if !kept.is_empty() {
        return vec![Change::set_list("tools", &kept)];
    }
    let about_tools = ["tools", "tool_choice", "parallel_tool_calls"];
    let given = about_tools
        .iter()
        .filter(|name| fields.given(name).is_some());
    given.map(|name| Change::remove(*name)).collect()
}

/// In Anthropic's API a tool itself says how often it may be called.
fn require_max_uses(tool: &Value, name: &str, max_calls: u32) -> Result<(), QuoteError> {
    let uses = tool.get("max_uses").and_then(whole_number);
    if uses.is_some_and(|uses| uses <= u64::from(max_calls)) {
        return Ok(());
    }
    let why = format!("its calls have no bound: give \"max_uses\" of at most {max_calls}");
    Err(not_bounded(format!("tools.{name}"), why))
}

/// Limits the calls of the tools that the upstream runs, where the API has a field for it.
fn limit_calls(fields: &Fields<'_>, quoted: &[QuotedTool]) -> Result<Vec<Change>, QuoteError> {
    if fields.endpoint != Endpoint::Responses || quoted.is_empty() {
        return Ok(Vec::new());
    }
    // The field does not tell the tools apart, so that any of them may have all of the calls.
    let most = quoted.iter().map(|tool| u64::from(tool.price.max_calls));
    let most = most.min().unwrap_or_default();
    let asked = fields.optional("max_tool_calls", whole_number, "a whole number")?;
    Ok(match asked {
        Some(asked) if asked <= most => Vec::new(),
        _ => vec![Change::set("max_tool_calls", &most)],
    })
}

/// The name under which a tool is sold: its type without a date or the word preview.
fn sold_as(kind: &str) -> &str {
    let kind = kind.find("_preview").map_or(kind, |at| &kind[..at]);
    match kind.rsplit_once('_') {
        Some((name, date)) if date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit()) => {
            name
        }
        _ => kind,
    }
}

/// The most input tokens of tools that an item of a request adds.
pub(super) fn of_item(item: &Value, param: &str) -> Result<u64, QuoteError> {
    let tools = item.get("tools").and_then(Value::as_array);
    for tool in tools.into_iter().flatten() {
        if let Some(name) = run_by_upstream(Endpoint::Responses, tool) {
            return Err(refused(param, &name));
        }
    }
    Ok(json_length(item))
}

fn refused(param: &str, name: &str) -> QuoteError {
    let why = format!(
        "the upstream would run this tool, and what that costs has no bound: leave it out (the provider can set a price \
         in [pricing.models.<model>.tools.{0}], or leave it out with pricing.drop_tools = [\"{0}\"])",
        sold_as(name)
    );
    not_bounded(format!("{param}.{name}"), why)
}

/// The name of a tool that the upstream runs; `None` if the client runs it.
fn run_by_upstream(endpoint: Endpoint, tool: &Value) -> Option<String> {
    let Some(fields) = tool.as_object() else {
        return Some("type".to_owned());
    };
    if let Some(name) = fields
        .keys()
        .find(|name| RUN_BY_FIELD.contains(&name.as_str()))
    {
        return Some(name.clone());
    }
    let kind = fields.get("type").and_then(Value::as_str);
    let is_clients = match (endpoint, kind) {
        (_, Some("function" | "custom")) => true,
        (Endpoint::Messages | Endpoint::CountTokens, None) => fields.contains_key("input_schema"),
        (Endpoint::Messages | Endpoint::CountTokens, Some(kind)) => {
            let clients = ["bash_", "text_editor_", "memory_", "computer_"];
            clients.iter().any(|prefix| kind.starts_with(prefix))
        }
        (Endpoint::Responses, Some("local_shell" | "apply_patch")) => true,
        (Endpoint::Responses, Some("shell")) => {
            tool.pointer("/environment/type").and_then(Value::as_str) == Some("local")
        }
        (Endpoint::Responses, Some("tool_search")) => {
            tool.get("execution").and_then(Value::as_str) == Some("client")
        }
        (Endpoint::Responses, Some("namespace")) => {
            let tools = tool.get("tools").and_then(Value::as_array);
            let mut inner = tools.into_iter().flatten();
            return inner.find_map(|tool| run_by_upstream(endpoint, tool));
        }
        (_, None) => fields.get("function").is_some_and(Value::is_object),
        (_, Some(_)) => false,
    };
    (!is_clients).then(|| kind.unwrap_or("type").to_owned())
}
