//! Bodies and their prices: what is refused, with its exact error, then what is bounded, endpoint by endpoint.

use serde_json::json;

use super::fields::not_bounded;
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

fn quoted(endpoint: Endpoint, body: &Value) -> Result<Quote, QuoteError> {
    list().quote(endpoint, body)
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
        (chat(json!({"audio": {}})), "audio"),
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
            quoted(Endpoint::ChatCompletions, &body),
            Err(not_bounded(param))
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
        (chat(json!({"max_tokens": 101})), "max_tokens"),
        (chat(json!({"max_tokens": -1})), "max_tokens"),
        (
            chat(json!({"max_tokens": 5, "max_completion_tokens": 5})),
            "max_tokens",
        ),
        (chat(json!({"n": 0})), "n"),
        (chat(json!({"n": 17})), "n"),
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
    assert_eq!(quote.upstream_body["max_tokens"], 100);
    assert!(quote.upstream_body.get("stream_options").is_none());

    let quote = quoted(
        Endpoint::ChatCompletions,
        &chat(json!({"max_completion_tokens": 7, "n": 3, "stream": true})),
    )
    .expect("a streaming chat has a price");
    assert_eq!(quote.bounds.completion_tokens, 21);
    assert_eq!(quote.upstream_body["max_completion_tokens"], 7);
    assert!(quote.upstream_body.get("max_tokens").is_none());
    assert_eq!(quote.upstream_body["stream_options"]["include_usage"], true);
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
    let again = quoted(endpoint, &quote.upstream_body);
    let again = again.expect("what is sent upstream has one as well");
    assert_eq!((again.bounds, again.maximum), (quote.bounds, quote.maximum));
    (quote.bounds.prompt_tokens, quote.bounds.completion_tokens)
}

fn refused(endpoint: Endpoint, body: Value) -> String {
    match quoted(endpoint, &body) {
        Err(QuoteError::Invalid { param, .. }) => param,
        Err(QuoteError::NotBounded { param }) => format!("unbounded {param}"),
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
            json!({"model": "m", "prompt": "a", "max_tokens": 101}),
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
    assert_eq!(refused(Embeddings, stream), "unbounded stream");
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
            json!({"model": "m", "input": "a", "store": true}),
            "unbounded store",
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
    let first = "user".len() + "typeinput_texttexthello".len();
    let second = "typefunction_call_outputcall_idcoutput42".len();
    let input = 16 + 7 + 16 + first + 16 + second;
    assert_eq!(bounded(Responses, body), (input as u64, 7));
    let quote = quoted(
        Responses,
        &json!({"model": "m", "input": "a", "stream": true}),
    );
    let quote = quote.expect("a plain response has a price");
    assert_eq!(quote.upstream_body["store"], json!(false));
    assert!(quote.stream && quote.wants_usage);
}

#[test]
fn whether_the_client_asked_for_usage_is_known() {
    for (options, wants) in [
        (json!(null), false),
        (json!({}), false),
        (json!({"include_usage": false}), false),
        (json!({"include_usage": true}), true),
    ] {
        let body = chat(json!({"stream": true, "stream_options": options}));
        let quote = quoted(Endpoint::ChatCompletions, &body).expect("it has a price");
        assert_eq!(quote.wants_usage, wants, "{options}");
        assert_eq!(quote.upstream_body["stream_options"]["include_usage"], true);
    }
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

#[test]
fn usage_is_read_by_either_name() {
    let chat = json!({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 3}, "completion_tokens_details": {"reasoning_tokens": 1}});
    let responses = json!({"input_tokens": 5, "output_tokens": 2, "total_tokens": 7,
        "input_tokens_details": {"cached_tokens": 3}, "output_tokens_details": {"reasoning_tokens": 1}});
    let expected = Usage {
        prompt_tokens: 5,
        cached_tokens: 3,
        completion_tokens: 2,
        reasoning_tokens: 1,
    };
    assert_eq!(Usage::read(&chat), Some(expected));
    assert_eq!(Usage::read(&responses), Some(expected));
    assert_eq!(
        Usage::read(&json!({"prompt_tokens": 5})),
        Some(Usage {
            prompt_tokens: 5,
            ..Usage::default()
        })
    );
    for none in [
        json!(null),
        json!({}),
        json!({"prompt_tokens": -1}),
        json!({"completion_tokens": 2}),
    ] {
        assert_eq!(Usage::read(&none), None, "{none}");
    }
}
