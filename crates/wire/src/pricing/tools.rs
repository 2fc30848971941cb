//! Tools: those that the client runs count by their bytes; those that the upstream runs are refused unless the provider
//! has a price for them.

use serde_json::Value;

use super::fields::{Fields, json_length, not_bounded};
use super::{Endpoint, QuoteError};

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

/// The most input tokens of the tools of a request.
pub(super) fn bound(fields: &Fields<'_>) -> Result<u64, QuoteError> {
    let tools = fields.optional("tools", Value::as_array, "an array")?;
    for tool in tools.into_iter().flatten() {
        require_client_runs(fields.endpoint, tool, "tools")?;
    }
    Ok(fields.json_bytes(&["tools", "tool_choice"]))
}

/// The most input tokens of tools that an item of a request adds.
pub(super) fn of_item(item: &Value, param: &str) -> Result<u64, QuoteError> {
    let tools = item.get("tools").and_then(Value::as_array);
    for tool in tools.into_iter().flatten() {
        require_client_runs(Endpoint::Responses, tool, param)?;
    }
    Ok(json_length(item))
}

fn require_client_runs(endpoint: Endpoint, tool: &Value, param: &str) -> Result<(), QuoteError> {
    match run_by_upstream(endpoint, tool) {
        None => Ok(()),
        Some(name) => {
            let why = "the upstream would run this tool, and what that costs has no bound";
            Err(not_bounded(format!("{param}.{name}"), why))
        }
    }
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
