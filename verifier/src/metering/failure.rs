//! Recognises error objects in answers whose status says success.

use serde_json::Value;

/// Whether a JSON answer, a chunk or an event reports an error.
pub(super) fn is_failure(answer: &Value) -> bool {
    let says_error = |value: &Value| match value {
        Value::Object(error) => !error.is_empty(),
        Value::String(error) => !error.is_empty(),
        _ => false,
    };
    let is = |name: &str, expected: &[&str]| {
        let value = answer.get(name).and_then(Value::as_str);
        value.is_some_and(|value| expected.contains(&value))
    };
    let choices = answer.get("choices").and_then(Value::as_array);
    let mut choices = choices.into_iter().flatten();
    answer.get("error").is_some_and(says_error)
        || is("object", &["error"])
        || is("type", &["error", "response.failed"])
        || is("status", &["failed"])
        || answer.get("choices").is_some_and(Value::is_null)
        || choices.any(|choice| choice.get("error").is_some_and(says_error))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn errors_are_told_from_answers() {
        for failure in [
            json!({"error": {"message": "Provider returned error", "code": 429}, "user_id": "user-1"}),
            json!({"error": "model not found"}),
            json!({"object": "error", "message": "out of memory", "code": 500}),
            json!({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}),
            json!({"type": "error", "code": "server_error", "message": "x"}),
            json!({"type": "response.failed", "response": {"error": {"code": "x"}}}),
            json!({"id": "x", "choices": null}),
            json!({"choices": [{"index": 0, "error": {"code": 502}, "finish_reason": "error"}]}),
            json!({"object": "response", "status": "failed", "error": {"code": "x"}, "output": []}),
        ] {
            assert!(is_failure(&failure), "{failure}");
        }
        for answer in [
            json!({"choices": []}),
            json!({"choices": [{"message": {"content": "error"}}], "error": null}),
            json!({"object": "response", "status": "completed", "error": null}),
            json!({"error": {}}),
            json!({"type": "response.output_text.delta", "delta": "error"}),
            json!({}),
        ] {
            assert!(!is_failure(&answer), "{answer}");
        }
    }
}
