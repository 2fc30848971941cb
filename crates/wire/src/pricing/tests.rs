//! Bodies and their prices: what is refused, with its exact error, then what is bounded, endpoint by endpoint.

use serde_json::json;

use super::*;

fn list() -> PriceList {
    let price = ModelPrice {
        input_per_million: BaseUnits(1_000_000),
        output_per_million: BaseUnits(2_000_000),
        per_request: BaseUnits(10),
        minimum: BaseUnits(50),
        ..ModelPrice::free(100)
    };
    PriceList {
        models: BTreeMap::from([("m".to_owned(), price)]),
        ..PriceList::default()
    }
}

fn body(body: &Value) -> RequestBody {
    RequestBody::try_from(body.clone()).expect("an object")
}

fn quoted(endpoint: Endpoint, value: &Value) -> Result<Quote, QuoteError> {
    quoted_by(endpoint, value, &BodyRules::default())
}

fn quoted_by(endpoint: Endpoint, value: &Value, rules: &BodyRules) -> Result<Quote, QuoteError> {
    let body = RequestBody::try_from(value.clone())?;
    match list().models.get(model_of(&body)?) {
        Some(price) => price.quote(endpoint, &body, rules),
        None => list().quote(endpoint, &body),
    }
}

/// The body that is sent upstream.
fn sent(endpoint: Endpoint, value: &Value, rules: &BodyRules) -> Value {
    let quote = quoted_by(endpoint, value, rules).expect("it has a price");
    serde_json::from_slice(&body(value).with(&quote.changes)).expect("JSON")
}

fn chat(extra: Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]});
    for (name, value) in extra.as_object().expect("test fields are an object") {
        body[name] = value.clone();
    }
    body
}

#[test]
fn refuses_what_has_no_bound_and_names_it() {
    for (body, param) in [
        (
            chat(json!({"web_search_options": {}})),
            "web_search_options",
        ),
        (chat(json!({"audio": {"voice": "a"}})), "audio"),
        (
            chat(json!({"messages": [{"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}]})),
            "messages.content.image_url",
        ),
        (
            chat(json!({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]})),
            "messages.content.input_audio",
        ),
    ] {
        assert_eq!(
            refused(Endpoint::ChatCompletions, body),
            format!("unbounded {param}")
        );
    }
}

#[test]
fn refuses_what_is_malformed_and_names_it() {
    for (body, expected) in [
        (json!([]), "body"),
        (json!({"messages": []}), "model"),
        (json!({"model": "m"}), "messages"),
        (chat(json!({"messages": []})), "messages"),
        (chat(json!({"messages": ["hi"]})), "messages"),
        (chat(json!({"max_tokens": 0})), "max_tokens"),
        (chat(json!({"max_tokens": -2})), "max_tokens"),
        (chat(json!({"max_tokens": 1.5})), "max_tokens"),
        (chat(json!({"max_tokens": "5"})), "max_tokens"),
        (
            chat(json!({"max_tokens": 5, "max_completion_tokens": 6})),
            "max_tokens",
        ),
        (chat(json!({"n": 0})), "n"),
        (chat(json!({"n": 129})), "n"),
        (chat(json!({"stream": "yes"})), "stream"),
        (
            chat(json!({"stream": true, "stream_options": 1})),
            "stream_options",
        ),
    ] {
        match quoted(Endpoint::ChatCompletions, &body) {
            Err(QuoteError::Invalid { param, .. }) => assert_eq!(param, expected),
            other => panic!("{body}: {other:?}"),
        }
    }
    let unknown = quoted(
        Endpoint::ChatCompletions,
        &json!({"model": "x", "messages": []}),
    );
    assert_eq!(
        unknown,
        Err(QuoteError::ModelNotPriced { model: "x".into() })
    );
}

#[test]
fn bounds_input_by_bytes_and_output_by_the_model() {
    let quote =
        quoted(Endpoint::ChatCompletions, &chat(json!({}))).expect("a plain chat has a price");
    // "user" and "hello" and the template.
    assert_eq!(quote.bounds.prompt_tokens, 4 + 5 + 16);
    assert_eq!(quote.bounds.completion_tokens, 100);
    assert_eq!(quote.maximum, BaseUnits(10 + 25 + 200));
    let plain = sent(
        Endpoint::ChatCompletions,
        &chat(json!({})),
        &BodyRules::default(),
    );
    assert_eq!(plain["max_completion_tokens"], 100);
    assert!(plain.get("stream_options").is_none());

    let streamed = chat(json!({"max_completion_tokens": 7, "n": 3, "stream": true}));
    let quote = quoted(Endpoint::ChatCompletions, &streamed).expect("it has a price");
    assert_eq!(quote.bounds.completion_tokens, 21);
    let streamed = sent(Endpoint::ChatCompletions, &streamed, &BodyRules::default());
    assert_eq!(streamed["max_completion_tokens"], 7);
    assert!(streamed.get("max_tokens").is_none());
    assert_eq!(streamed["stream_options"]["include_usage"], true);
}

/// The output limit that is reserved, and the limits in the body that is sent upstream.
fn limits(body: &Value, rules: &BodyRules) -> (u64, Value, Value) {
    let quote = quoted_by(Endpoint::ChatCompletions, body, rules).expect("it has a price");
    let sent = sent(Endpoint::ChatCompletions, body, rules);
    (
        quote.bounds.completion_tokens,
        sent["max_tokens"].clone(),
        sent["max_completion_tokens"].clone(),
    )
}

#[test]
fn the_output_limit_is_what_was_asked_for_within_the_models() {
    let any = BodyRules::default();
    let dialect = |dialect| BodyRules {
        dialect: Some(dialect),
        ..BodyRules::default()
    };
    let field = |field| BodyRules {
        output_limit_field: Some(field),
        ..BodyRules::default()
    };
    let null = Value::Null;
    for (asked, rules, expected) in [
        (json!({"max_tokens": 7}), &any, (7, json!(7), null.clone())),
        (
            json!({"max_tokens": 7.0}),
            &any,
            (7, json!(7), null.clone()),
        ),
        (
            json!({"max_tokens": 101}),
            &any,
            (100, json!(100), null.clone()),
        ),
        (
            json!({"max_completion_tokens": 32_000}),
            &any,
            (100, null.clone(), json!(100)),
        ),
        (
            json!({"max_tokens": 7, "max_completion_tokens": 7}),
            &any,
            (7, json!(7), null.clone()),
        ),
        (
            json!({"max_tokens": -1}),
            &any,
            (100, null.clone(), json!(100)),
        ),
        (
            json!({"max_tokens": null}),
            &any,
            (100, null.clone(), json!(100)),
        ),
        (
            json!({}),
            &dialect(Dialect::OpenAi),
            (100, null.clone(), json!(100)),
        ),
        (
            json!({}),
            &dialect(Dialect::Vllm),
            (100, json!(100), null.clone()),
        ),
        (
            json!({"max_tokens": 7}),
            &dialect(Dialect::OpenAi),
            (7, json!(7), null.clone()),
        ),
        (
            json!({"max_completion_tokens": 7}),
            &dialect(Dialect::Ollama),
            (7, json!(7), null.clone()),
        ),
        (
            json!({"max_tokens": 7}),
            &field(OutputLimitField::MaxCompletionTokens),
            (7, null.clone(), json!(7)),
        ),
        (
            json!({}),
            &field(OutputLimitField::None),
            (100, null.clone(), null.clone()),
        ),
        (
            json!({"max_tokens": 7}),
            &field(OutputLimitField::None),
            (7, json!(7), null.clone()),
        ),
    ] {
        let body = chat(asked);
        assert_eq!(limits(&body, rules), expected, "{body}");
    }
    let strict = BodyRules {
        refuse_above_limit: true,
        ..BodyRules::default()
    };
    let above = chat(json!({"max_tokens": 101}));
    let error = quoted_by(Endpoint::ChatCompletions, &above, &strict).expect_err("it is above");
    assert!(error.to_string().contains("at most 100"), "{error}");
}

#[test]
fn a_default_limit_is_reserved_and_set() {
    let price = ModelPrice {
        default_output_tokens: Some(30),
        ..list().models["m"]
    };
    let rules = BodyRules::default();
    for (asked, expected) in [(json!({}), 30), (json!({"max_tokens": 80}), 80)] {
        let value = chat(asked);
        let quote = price.quote(Endpoint::ChatCompletions, &body(&value), &rules);
        let quote = quote.expect("it has a price");
        assert_eq!(quote.bounds.completion_tokens, expected);
    }
    let responses = body(&json!({"model": "m", "input": "a"}));
    let quote = price
        .quote(Endpoint::Responses, &responses, &rules)
        .expect("it has a price");
    let sent: Value = serde_json::from_slice(&responses.with(&quote.changes)).expect("JSON");
    assert_eq!(
        (quote.bounds.completion_tokens, &sent["max_output_tokens"]),
        (30, &json!(30))
    );
}

#[test]
fn fields_pass_as_they_were_sent_unless_their_cost_has_no_bound() {
    let chat_fields = json!({
        "store": false, "user": "u", "metadata": {"a": "b"}, "prompt_cache_key": "k", "safety_identifier": "s",
        "verbosity": "low", "modalities": ["text"], "service_tier": "auto", "parallel_tool_calls": false,
        "functions": [{"name": "f", "parameters": {}}], "function_call": "auto", "audio": null, "web_search_options": null,
        "prediction": {"type": "content", "content": "x"}, "chat_template_kwargs": {"enable_thinking": false},
        "min_tokens": 1, "ignore_eos": true, "stop_token_ids": [2], "skip_special_tokens": true, "guided_json": {"a": 1},
        "structured_outputs": {"choice": ["a"]}, "grammar": "root ::= x", "cache_prompt": true, "top_k": 3,
        "enable_thinking": false, "plugins": [], "models": [], "provider": {}, "reasoning": {"effort": "low"},
    });
    let value = chat(chat_fields.clone());
    let upstream = sent(Endpoint::ChatCompletions, &value, &BodyRules::default());
    for (name, field) in chat_fields.as_object().expect("an object") {
        assert_eq!(&upstream[name], field, "{name}");
    }
    let without = quoted(Endpoint::ChatCompletions, &chat(json!({}))).expect("it has a price");
    let counted = chat(json!({"functions": [{"name": "f"}], "guided_json": {"a": 1}}));
    let counted = quoted(Endpoint::ChatCompletions, &counted).expect("it has a price");
    let bytes = r#"[{"name":"f"}]{"a":1}"#.len() as u64;
    assert_eq!(
        counted.bounds.prompt_tokens,
        without.bounds.prompt_tokens + bytes
    );
    for (field, why) in [
        (json!({"models": ["a", "b"]}), "another model"),
        (json!({"provider": {"order": ["x"]}}), "another model"),
        (json!({"plugins": [{"id": "web"}]}), "another model"),
        (json!({"n_predict": 9}), "output limit"),
        (json!({"service_tier": "flex"}), "another price"),
        (json!({"modalities": ["text", "audio"]}), "other than text"),
        (json!({"best_of": 3}), "\"n\""),
        (json!({"extra_headers_in_body": 1}), "pricing.allow_fields"),
    ] {
        let error = quoted(Endpoint::ChatCompletions, &chat(field)).expect_err("it has no bound");
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn a_provider_may_allow_and_drop_fields() {
    let rules = BodyRules {
        allow_fields: ["extra".to_owned()].into(),
        drop_fields: ["models".to_owned(), "seed".to_owned()].into(),
        ..BodyRules::default()
    };
    let value = chat(json!({"extra": [1, 2], "models": ["a"], "seed": 7}));
    let upstream = sent(Endpoint::ChatCompletions, &value, &rules);
    assert_eq!(upstream["extra"], json!([1, 2]));
    assert!(upstream.get("models").is_none() && upstream.get("seed").is_none());
    let quote = quoted_by(Endpoint::ChatCompletions, &value, &rules).expect("it has a price");
    assert_eq!(
        quote.bounds.prompt_tokens,
        4 + 5 + 16 + "[1,2]".len() as u64
    );
}

#[test]
fn fields_of_another_dialect_are_refused() {
    let vendor = chat(json!({"guided_json": {"a": 1}}));
    for (dialect, is_sold) in [
        (None, true),
        (Some(Dialect::Vllm), true),
        (Some(Dialect::OpenAi), false),
    ] {
        let rules = BodyRules {
            dialect,
            ..BodyRules::default()
        };
        let quote = quoted_by(Endpoint::ChatCompletions, &vendor, &rules);
        assert_eq!(quote.is_ok(), is_sold, "{dialect:?}: {quote:?}");
    }
}

#[test]
fn whatever_a_server_writes_out_is_counted() {
    let input = |value: Value| {
        let body = json!({"model": "m", "messages": [{"role": "assistant", "content": [
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": value}}]}]});
        quoted(Endpoint::Messages, &body)
            .expect("it has a price")
            .bounds
            .prompt_tokens
    };
    let many = |item: Value| Value::Array(vec![item; 1_000]);
    let none = input(json!([]));
    for (item, least) in [
        (json!(null), 6_000),
        (json!(true), 6_000),
        (json!(7), 3_000),
        (json!({}), 4_000),
        (json!(1e300), 301_000),
    ] {
        let counted = input(many(item.clone()));
        assert!(counted >= none + least, "{item}: {counted}");
    }
}

#[test]
fn what_hides_in_other_places_is_refused() {
    let image = json!([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]);
    for (body, endpoint) in [
        (
            chat(json!({"chat_template_kwargs": {"chat_template": "{{ x }}"}})),
            Endpoint::ChatCompletions,
        ),
        (
            chat(json!({"chat_template_kwargs": {"padding": "max_length"}})),
            Endpoint::ChatCompletions,
        ),
        (
            chat(json!({"metadata": {"tags": ["dear"]}})),
            Endpoint::ChatCompletions,
        ),
        (
            chat(json!({"logprobs": true, "top_logprobs": 2_000})),
            Endpoint::ChatCompletions,
        ),
        (
            chat(json!({"messages": [{"role": "user", "content": "", "images": image}]})),
            Endpoint::ChatCompletions,
        ),
        (
            chat(json!({"messages": [{"role": "user", "Content": image}]})),
            Endpoint::ChatCompletions,
        ),
        (
            chat(
                json!({"model": "m", "messages": [{"role": "user", "content": "", "file_id": "f"}]}),
            ),
            Endpoint::ChatCompletions,
        ),
        (
            chat(json!({"thread": {"type": "continue"}})),
            Endpoint::Messages,
        ),
        (chat(json!({"inference_geo": "us"})), Endpoint::Messages),
        (
            chat(json!({"context_management": {"edits": [{"type": "compact_20260112"}]}})),
            Endpoint::Messages,
        ),
    ] {
        let quote = quoted(endpoint, &body);
        assert!(
            matches!(quote, Err(QuoteError::NotBounded { .. })),
            "{body}: {quote:?}"
        );
    }
    assert!(
        quoted(
            Endpoint::ChatCompletions,
            &chat(json!({"chat_template_kwargs": {"enable_thinking": true}}))
        )
        .is_ok()
    );
}

#[test]
fn usage_of_several_answers_is_asked_for_at_the_end() {
    let options = json!({"include_usage": true, "continuous_usage_stats": true});
    let rules = BodyRules {
        dialect: Some(Dialect::Vllm),
        ..BodyRules::default()
    };
    let several = json!({"model": "m", "prompt": ["a", "b"], "stream": true});
    let sent_options =
        |endpoint, body: &Value| sent(endpoint, body, &rules)["stream_options"].clone();
    assert_eq!(
        sent_options(Endpoint::Completions, &several),
        json!({"include_usage": true})
    );
    let asked = chat(json!({"n": 2, "stream": true, "stream_options": options}));
    let at_end = json!({"include_usage": true, "continuous_usage_stats": false});
    assert_eq!(sent_options(Endpoint::ChatCompletions, &asked), at_end);
}

#[test]
fn calls_of_a_priced_tool_are_limited_where_the_api_can() {
    let price = |max_calls| ToolPrice {
        per_call: BaseUnits(1_000),
        max_calls,
        max_input_tokens: 500,
    };
    let rules = BodyRules {
        tools: [
            ("web_search".to_owned(), price(4)),
            ("file_search".to_owned(), price(10)),
        ]
        .into(),
        ..BodyRules::default()
    };
    let both = json!({"model": "m", "input": "a", "tools": [{"type": "web_search"}, {"type": "file_search"}]});
    assert_eq!(
        sent(Endpoint::Responses, &both, &rules)["max_tool_calls"],
        4
    );
    for (uses, is_sold) in [(json!(4), true), (json!(100), false), (json!(null), false)] {
        let tools =
            json!([{"type": "web_search_20250305", "name": "web_search", "max_uses": uses}]);
        let body = chat(json!({"max_tokens": 5, "tools": tools}));
        assert_eq!(
            quoted_by(Endpoint::Messages, &body, &rules).is_ok(),
            is_sold,
            "{uses}"
        );
    }
}

#[test]
fn a_name_that_makes_openrouter_search_is_refused() {
    let price = list().models["m"];
    let named = body(&json!({"model": "m:online", "messages": [{"role": "user", "content": "a"}]}));
    let quote = |rules: &BodyRules| price.quote(Endpoint::ChatCompletions, &named, rules);
    for (dialect, upstream_model, is_sold) in [
        (None, None, false),
        (Some(Dialect::OpenRouter), None, false),
        (Some(Dialect::OpenRouter), Some("x:online"), true),
        (Some(Dialect::Vllm), None, true),
    ] {
        let rules = BodyRules {
            dialect,
            upstream_model: upstream_model.map(str::to_owned),
            ..BodyRules::default()
        };
        assert_eq!(quote(&rules).is_ok(), is_sold, "{dialect:?}");
    }
}

#[test]
fn tools_that_the_upstream_runs_are_refused_wherever_they_hide() {
    let chat_tools = |tool: Value| (Endpoint::ChatCompletions, chat(json!({"tools": [tool]})));
    let responses = |tool: Value| {
        let body = json!({"model": "m", "input": "a", "tools": [tool]});
        (Endpoint::Responses, body)
    };
    let messages = |tool: Value| (Endpoint::Messages, chat(json!({"tools": [tool]})));
    let function = json!({"type": "function", "function": {"name": "f"}});
    for ((endpoint, body), param) in [
        (
            chat_tools(json!({"type": "browser_search"})),
            "tools.browser_search",
        ),
        (
            chat_tools(json!({"type": "builtin_function", "function": {"name": "$web_search"}})),
            "tools.builtin_function",
        ),
        (
            chat_tools(json!({"type": "web_search_20250305", "name": "web_search"})),
            "tools.web_search_20250305",
        ),
        (
            chat_tools(json!({"googleSearch": {}})),
            "tools.googleSearch",
        ),
        (
            chat_tools(json!({"type": "function", "function": {"name": "f"}, "google_search": {}})),
            "tools.google_search",
        ),
        (chat_tools(json!("web_search")), "tools.type"),
        (
            responses(json!({"type": "mcp", "server_url": "https://x"})),
            "tools.mcp",
        ),
        (
            responses(json!({"type": "namespace", "tools": [function, {"type": "web_search"}]})),
            "tools.web_search",
        ),
        (
            responses(json!({"type": "shell", "environment": {"type": "container_auto"}})),
            "tools.shell",
        ),
        (
            (
                Endpoint::Responses,
                json!({"model": "m", "input": [
            {"type": "additional_tools", "tools": [{"type": "web_search"}]}]}),
            ),
            "input.tools.web_search",
        ),
        (
            messages(json!({"type": "web_search_20250305", "name": "web_search"})),
            "tools.web_search_20250305",
        ),
    ] {
        assert_eq!(refused(endpoint, body), format!("unbounded {param}"));
    }
    for (endpoint, body) in [
        chat_tools(function.clone()),
        chat_tools(json!({"type": "custom", "custom": {"name": "c"}})),
        responses(json!({"type": "local_shell"})),
        responses(json!({"type": "apply_patch"})),
        responses(json!({"type": "namespace", "tools": [{"type": "function", "name": "f"}]})),
        messages(json!({"name": "f", "input_schema": {}})),
        messages(json!({"type": "bash_20250124", "name": "bash"})),
    ] {
        assert!(quoted(endpoint, &body).is_ok(), "{body}");
    }
}

#[test]
fn tools_with_a_price_are_part_of_the_maximum() {
    let price = ToolPrice {
        per_call: BaseUnits(1_000),
        max_calls: 3,
        max_input_tokens: 500,
    };
    let rules = BodyRules {
        tools: [("web_search".to_owned(), price)].into(),
        ..BodyRules::default()
    };
    let request = |tools: Value| json!({"model": "m", "input": "a", "tools": tools});
    let without = quoted(Endpoint::Responses, &request(json!([]))).expect("it has a price");
    for kind in [
        "web_search",
        "web_search_preview",
        "web_search_preview_2025_03_11",
        "web_search_20250305",
    ] {
        let tools = json!([{"type": kind}, {"type": kind}]);
        let bytes = tools.to_string().len() as u64 - 2;
        let body = request(tools);
        let quote = quoted_by(Endpoint::Responses, &body, &rules).expect("it has a price");
        assert_eq!(
            quote.bounds.prompt_tokens,
            without.bounds.prompt_tokens + bytes + 500
        );
        let tokens = without.price.maximum(quote.bounds).expect("64 bits");
        assert_eq!(quote.maximum.0, tokens.0 + 3 * 1_000, "{kind}");
        assert_eq!(
            sent(Endpoint::Responses, &body, &rules)["max_tool_calls"],
            3
        );
    }
    let few =
        json!({"model": "m", "input": "a", "tools": [{"type": "web_search"}], "max_tool_calls": 2});
    assert_eq!(sent(Endpoint::Responses, &few, &rules)["max_tool_calls"], 2);
    let other = request(json!([{"type": "code_interpreter"}]));
    let error = quoted_by(Endpoint::Responses, &other, &rules).expect_err("it has no price");
    assert!(
        error.to_string().contains("tools.code_interpreter]"),
        "{error}"
    );
}

#[test]
fn tools_may_be_left_out() {
    let rules = BodyRules {
        drop_tools: ["web_search".to_owned()].into(),
        ..BodyRules::default()
    };
    let sent = |endpoint, text: &str| {
        let body = RequestBody::parse(text.to_owned()).expect("it is JSON");
        let quote = list().models["m"].quote(endpoint, &body, &rules);
        quote.map(|quote| String::from_utf8_lossy(&body.with(&quote.changes)).into_owned())
    };
    let with = |tools: &str| {
        format!(
            r#"{{"model":"m","input":"a","max_output_tokens":5,"store":false,"tools":{tools},"tool_choice":"auto"}}"#
        )
    };
    let function =
        r#"{"type":"function","name":"f","parameters":{"b":1.0,"a":12345678901234567890123}}"#;
    let both = with(&format!(
        r#"[{{"type":"web_search","external_web_access":true}}, {function}]"#
    ));
    assert_eq!(
        sent(Endpoint::Responses, &both),
        Ok(with(&format!("[{function}]")))
    );
    let only = |tools: &str| {
        format!(
            r#"{{"model":"m","max_completion_tokens":5,"messages":[{{"role":"user"}}]{tools}}}"#
        )
    };
    assert_eq!(
        sent(
            Endpoint::ChatCompletions,
            &only(r#","tools":[{"type":"web_search_preview"}],"tool_choice":"auto""#)
        ),
        Ok(only(""))
    );
    let error = sent(Endpoint::Responses, &with(r#"[{"type":"mcp"}]"#)).expect_err("another tool");
    assert!(
        error.to_string().contains("pricing.drop_tools = [\"mcp\"]"),
        "{error}"
    );
}

#[test]
fn media_are_inline_and_priced_wherever_they_stand() {
    let price = ModelPrice {
        tokens_per_image: Some(1_000),
        tokens_per_audio_kib: Some(10),
        tokens_per_file_kib: Some(100),
        ..list().models["m"]
    };
    let quote =
        |endpoint, value: &Value| price.quote(endpoint, &body(value), &BodyRules::default());
    let in_chat = |part: Value| {
        (
            Endpoint::ChatCompletions,
            json!({"model": "m", "messages": [{"role": "user", "content": [part]}]}),
        )
    };
    let in_messages = |part: Value| {
        (
            Endpoint::Messages,
            json!({"model": "m", "messages": [{"role": "user", "content": [part]}]}),
        )
    };
    let in_output = |part: Value| {
        let item = json!({"type": "function_call_output", "call_id": "c", "output": [part]});
        (Endpoint::Responses, json!({"model": "m", "input": [item]}))
    };
    let image = "data:image/png;base64,AAAA";
    for (endpoint, value) in [
        in_chat(json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}})),
        in_chat(json!({"image_url": "https://example.com/a.png"})),
        in_chat(json!({"type": "text", "text": "a", "image_url": "https://example.com/a.png"})),
        in_chat(json!({"type": "video_url", "video_url": {"url": "https://example.com/v.mp4"}})),
        in_chat(json!({"type": "file", "file": {"file_id": "f"}})),
        in_chat(json!({"type": "file", "file": {"file_data": "AAAA", "file_id": "f"}})),
        in_chat(
            json!({"type": "image_url", "image_url": {"url": image}, "file": {"file_id": "f"}}),
        ),
        in_chat(
            json!({"type": "image_url", "image_url": {"url": image, "max_dynamic_patch": 100}}),
        ),
        in_chat(json!({"type": "text", "text": "a", "image_url": null, "uuid": "of another"})),
        in_chat(json!({"type": "image_url", "image_url": {"url": image, "format": "video/mp4"}})),
        in_chat(json!({"type": "file", "file": {"file_data": "https://example.com/a.pdf"}})),
        in_chat(json!({"type": "input_audio", "input_audio": {"data": "gs://bucket/a.wav"}})),
        in_chat(json!({"type": "text", "text": "a", "Image_url": {"url": image}})),
        in_messages(
            json!({"type": "image", "source": {"type": "text", "url": "https://example.com/a.png"}}),
        ),
        in_messages(json!({"type": "image", "source": {"type": "content", "data": "AAAA"}})),
        in_messages(
            json!({"type": "image", "source": {"type": "base64", "data": "AAAA", "url": "https://example.com/a.png"}}),
        ),
        in_output(json!({"type": "input_file", "file_url": "https://example.com/1000pages.pdf"})),
        in_output(
            json!({"type": "input_image", "image_url": "https://example.com/a.png", "detail": "high"}),
        ),
        in_messages(
            json!({"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}),
        ),
        in_messages(
            json!({"type": "tool_result", "tool_use_id": "t", "content": [
            {"type": "document", "source": {"type": "file", "file_id": "f"}}]}),
        ),
        in_messages(json!({"type": "container_upload", "file_id": "f"})),
    ] {
        let quote = quote(endpoint, &value);
        assert!(
            matches!(quote, Err(QuoteError::NotBounded { .. })),
            "{value}: {quote:?}"
        );
    }
    let kib = "A".repeat(2_048);
    for ((endpoint, value), tokens) in [
        (
            in_chat(json!({"type": "image_url", "image_url": {"url": image, "detail": "low"}})),
            1_000,
        ),
        (
            // As long as a file, whatever it is called.
            in_chat(
                json!({"type": "image_url", "image_url": {"url": format!("data:application/pdf;base64,{kib}")}}),
            ),
            300,
        ),
        (
            in_chat(json!({"type": "input_audio", "input_audio": {"data": kib, "format": "wav"}})),
            20,
        ),
        (
            in_chat(json!({"type": "file", "file": {"file_data": kib, "filename": "a.pdf"}})),
            200,
        ),
        (
            in_output(json!({"type": "input_image", "image_url": image})),
            1_000,
        ),
        (
            in_messages(
                json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}),
            ),
            1_000,
        ),
        (
            in_messages(
                json!({"type": "tool_result", "tool_use_id": "t", "content": [
            {"type": "document", "source": {"type": "base64", "data": kib}}]}),
            ),
            200,
        ),
    ] {
        let bounds = quote(endpoint, &value).expect("it has a price").bounds;
        assert!(
            (tokens..tokens + 160).contains(&bounds.prompt_tokens),
            "{value}: {bounds:?}"
        );
    }
    let text = in_messages(
        json!({"type": "text", "text": "see", "citations": [{"file_id": "f", "url": "https://x"}]}),
    );
    assert!(quote(text.0, &text.1).is_ok());
}

#[test]
fn messages_are_priced_like_chat() {
    use Endpoint::{CountTokens, Messages};
    let body = json!({"model": "m", "max_tokens": 7, "system": [{"type": "text", "text": "be kind"}], "messages": [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "c2ln"},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"file_id": "f"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "42"}]}],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}], "stream": true, "metadata": {"user_id": "u"},
        "thinking": {"type": "enabled", "budget_tokens": 5}, "service_tier": "auto", "stop_sequences": ["x"]});
    let quote = quoted(Messages, &body).expect("it has a price");
    assert_eq!(quote.bounds.completion_tokens, 7);
    assert!(quote.changes.is_empty() && quote.stream);
    assert_eq!(
        refused(
            Messages,
            json!({"model": "m", "max_tokens": 7, "messages": [{"role": "user", "content": "a"}],
        "mcp_servers": [{"url": "https://x"}]})
        ),
        "unbounded mcp_servers"
    );
    let count = json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]});
    let quote = quoted(CountTokens, &count).expect("it has a price");
    assert_eq!(
        (quote.bounds, quote.maximum),
        (Usage::default(), BaseUnits(50))
    );
}

#[test]
fn never_charges_above_the_maximum() {
    let quote =
        quoted(Endpoint::ChatCompletions, &chat(json!({}))).expect("a plain chat has a price");
    let usage = |prompt_tokens, completion_tokens| Usage {
        prompt_tokens,
        completion_tokens,
        ..Usage::default()
    };
    assert_eq!(
        quote.price.charge(usage(5, 3), quote.maximum),
        BaseUnits(50)
    );
    assert_eq!(
        quote.price.charge(usage(20, 30), quote.maximum),
        BaseUnits(90)
    );
    assert_eq!(
        quote.price.charge(usage(u64::MAX, u64::MAX), quote.maximum),
        quote.maximum
    );
}

fn bounded(endpoint: Endpoint, body: Value) -> (u64, u64) {
    let quote = quoted(endpoint, &body).expect("the body has a price");
    let again = quoted(endpoint, &sent(endpoint, &body, &BodyRules::default()));
    let again = again.expect("what is sent upstream has one as well");
    assert_eq!((again.bounds, again.maximum), (quote.bounds, quote.maximum));
    (quote.bounds.prompt_tokens, quote.bounds.completion_tokens)
}

fn refused(endpoint: Endpoint, body: Value) -> String {
    match quoted(endpoint, &body) {
        Err(QuoteError::Invalid { param, .. }) => param,
        Err(QuoteError::NotBounded { param, .. }) => format!("unbounded {param}"),
        other => panic!("{body}: {other:?}"),
    }
}

#[test]
fn completions_are_bounded_by_their_prompts() {
    use Endpoint::Completions;
    for (body, param) in [
        (json!({"model": "m"}), "prompt"),
        (json!({"model": "m", "prompt": []}), "prompt"),
        (json!({"model": "m", "prompt": [1, "a"]}), "prompt"),
        (json!({"model": "m", "prompt": [[]]}), "prompt"),
        (json!({"model": "m", "prompt": {"a": 1}}), "prompt"),
        (
            json!({"model": "m", "prompt": "a", "best_of": 3}),
            "unbounded best_of",
        ),
        (
            json!({"model": "m", "prompt": "a", "max_tokens": 0}),
            "max_tokens",
        ),
    ] {
        assert_eq!(refused(Completions, body), param);
    }
    assert_eq!(
        bounded(Completions, json!({"model": "m", "prompt": "hello"})),
        (6, 100)
    );
    let many = json!({"model": "m", "prompt": ["ab", [1, 2, 3]], "n": 2, "max_tokens": 5, "suffix": "xyz"});
    assert_eq!(bounded(Completions, many), (3 + 4 + 3, 20));
    assert_eq!(
        bounded(Completions, json!({"model": "m", "prompt": [1, 2]})),
        (3, 100)
    );
}

#[test]
fn embeddings_have_no_output() {
    use Endpoint::Embeddings;
    assert_eq!(refused(Embeddings, json!({"model": "m"})), "input");
    let stream = json!({"model": "m", "input": "a", "stream": true});
    assert_eq!(refused(Embeddings, stream), "stream");
    assert_eq!(
        bounded(Embeddings, json!({"model": "m", "input": ["ab", "c"]})),
        (5, 0)
    );
}

#[test]
fn responses_are_sold_without_what_their_provider_keeps_or_runs() {
    use Endpoint::Responses;
    for (body, param) in [
        (json!({"model": "m"}), "input"),
        (json!({"model": "m", "input": [7]}), "input"),
        (
            json!({"model": "m", "input": "a", "previous_response_id": "r"}),
            "unbounded previous_response_id",
        ),
        (
            json!({"model": "m", "input": "a", "conversation": "c"}),
            "unbounded conversation",
        ),
        (
            json!({"model": "m", "input": "a", "background": true}),
            "unbounded background",
        ),
        (
            json!({"model": "m", "input": "a", "tools": [{"type": "web_search"}]}),
            "unbounded tools.web_search",
        ),
        (
            json!({"model": "m", "input": [{"type": "item_reference", "id": "i"}]}),
            "unbounded input.item_reference",
        ),
        (
            json!({"model": "m", "input": [{"id": "i"}]}),
            "unbounded input.item_reference",
        ),
        (
            json!({"model": "m", "input": [{"type": null, "id": "i"}]}),
            "unbounded input.item_reference",
        ),
        (
            json!({"model": "m", "input": [{"type": "", "id": "i"}]}),
            "unbounded input.",
        ),
        (
            json!({"model": "m", "input": [{"role": "user", "content": [{"type": "input_file"}]}]}),
            "unbounded input.content.input_file",
        ),
        (
            json!({"model": "m", "input": [{"role": "user", "content": [
                {"type": "input_image", "image_url": "https://example.com/a.png"}]}]}),
            "unbounded input.content.input_image",
        ),
        (
            json!({"model": "m", "input": "a", "max_output_tokens": 0}),
            "max_output_tokens",
        ),
    ] {
        assert_eq!(refused(Responses, body), param);
    }
    assert_eq!(
        bounded(Responses, json!({"model": "m", "input": "hello"})),
        (16 + 5, 100)
    );
    let body = json!({
        "model": "m",
        "instructions": "be kind",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "hello"}]},
            {"type": "function_call_output", "call_id": "c", "output": "42"},
        ],
        "max_output_tokens": 7,
    });
    // With the signs that stand around names and items.
    let around = 2 + 4 + 4;
    let first = "user".len() + "typeinput_texttexthello".len() + around;
    let second = "typefunction_call_outputcall_idcoutput42".len();
    let input = 16 + 7 + 16 + first + 16 + second;
    assert_eq!(bounded(Responses, body), (input as u64, 7));
    let quote = quoted(
        Responses,
        &json!({"model": "m", "input": "a", "stream": true}),
    );
    let quote = quote.expect("a plain response has a price");
    assert!(quote.stream && quote.usage == StreamUsage::Continuous);
    for store in [json!(null), json!(true), json!(false)] {
        let body = json!({"model": "m", "input": "a", "store": store});
        assert_eq!(
            sent(Responses, &body, &BodyRules::default())["store"],
            json!(false)
        );
    }
    let reasoning = json!({"model": "m", "input": [
        {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "b".repeat(600)},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "a.txt"}]});
    assert!(bounded(Responses, reasoning).0 > 600);
}

#[test]
fn whether_the_client_asked_for_usage_is_known() {
    for (options, wants) in [
        (json!(null), StreamUsage::Hidden),
        (json!({}), StreamUsage::Hidden),
        (json!({"include_usage": false}), StreamUsage::Hidden),
        (json!({"include_usage": true}), StreamUsage::AtEnd),
        (
            json!({"include_usage": true, "continuous_usage_stats": true}),
            StreamUsage::Continuous,
        ),
    ] {
        let body = chat(json!({"stream": true, "stream_options": options}));
        let quote = quoted(Endpoint::ChatCompletions, &body).expect("it has a price");
        assert_eq!(quote.usage, wants, "{options}");
        let sent = sent(Endpoint::ChatCompletions, &body, &BodyRules::default());
        assert_eq!(sent["stream_options"]["include_usage"], true);
    }
    let vllm = BodyRules {
        dialect: Some(Dialect::Vllm),
        ..BodyRules::default()
    };
    let sent = sent(
        Endpoint::ChatCompletions,
        &chat(json!({"stream": true})),
        &vllm,
    );
    assert_eq!(sent["stream_options"]["continuous_usage_stats"], true);
}

#[test]
fn cached_and_reasoning_tokens_have_their_prices() {
    let price = ModelPrice {
        cached_input_per_million: Some(BaseUnits(100_000)),
        reasoning_per_million: Some(BaseUnits(4_000_000)),
        ..list().models["m"]
    };
    let usage = Usage {
        prompt_tokens: 100,
        cached_tokens: 60,
        completion_tokens: 50,
        reasoning_tokens: 20,
    };
    // 40 and 60 tenths of input, 30 doubles and 20 quadruples of output, and the request.
    let expected = BaseUnits(40 + 6 + 60 + 80 + 10);
    assert_eq!(price.charge(usage, BaseUnits(1_000)), expected);
    // All of the output may turn out to be reasoning.
    assert_eq!(price.maximum(usage), Some(BaseUnits(100 + 200 + 10)));
}
