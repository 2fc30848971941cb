//! The fields of request bodies that are known, each with what becomes of it and why.
//!
//! A field is refused only if its cost has no bound. What cannot raise the cost passes; what may be put into the prompt
//! counts by its bytes. `null`, an empty value and the API's own default ask for nothing and always pass.

use serde_json::Value;

use Rule::{Counts, CountsIf, Only, Passes, Read, Refused};

use super::Endpoint::{
    self, ChatCompletions, Completions, CountTokens, Embeddings, Messages, Responses,
};
use super::dialect::Dialect::{
    self, DeepSeek, LiteLlm, LlamaCpp, Ollama, OpenRouter, SgLang, Vllm,
};

/// What becomes of a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// It is read where its endpoint is priced.
    Read,
    /// It passes: the limits on input and output hold whatever it says.
    Passes,
    /// It passes, and its bytes count as input.
    Counts,
    /// It passes with such a value, and its bytes count as input; any other value is refused.
    CountsIf(fn(&Value) -> bool),
    /// It passes with a value that asks for nothing; any other value is refused.
    Only(fn(&Value) -> bool),
    /// It is refused, unless it is empty.
    Refused,
}

/// Fields with the same rule for the same reason.
pub(super) struct Known {
    names: &'static [&'static str],
    endpoints: &'static [Endpoint],
    /// The dialects that have them; empty if they are part of the endpoint's own API.
    dialects: &'static [Dialect],
    pub(super) rule: Rule,
    /// Why; for a refusal it completes the sentence "… is not sold here: ".
    pub(super) why: &'static str,
}

/// What the table says of a field.
pub(super) enum Found {
    Known(&'static Known),
    /// It is a field of other dialects than the upstream's.
    OfAnotherDialect,
    Unknown,
}

/// Looks a field up, for an upstream of a dialect or of an unknown one.
pub(super) fn known(endpoint: Endpoint, name: &str, dialect: Option<Dialect>) -> Found {
    let mut of_another = false;
    for known in KNOWN {
        if !known.endpoints.contains(&endpoint) || !known.names.contains(&name) {
            continue;
        }
        let has_it = known.dialects.is_empty()
            || dialect.is_none_or(|dialect| known.dialects.contains(&dialect));
        if has_it {
            return Found::Known(known);
        }
        of_another = true;
    }
    if of_another {
        Found::OfAnotherDialect
    } else {
        Found::Unknown
    }
}

const CHAT: &[Endpoint] = &[ChatCompletions];
const RESPONSES: &[Endpoint] = &[Responses];
const TEXT: &[Endpoint] = &[ChatCompletions, Completions];
const CHAT_AND_RESPONSES: &[Endpoint] = &[ChatCompletions, Responses];
const GENERATING: &[Endpoint] = &[ChatCompletions, Completions, Responses];
const OPENAI: &[Endpoint] = &[ChatCompletions, Completions, Responses, Embeddings];
const PROMPTS: &[Endpoint] = &[Completions, Embeddings];
const EMBEDDINGS: &[Endpoint] = &[Embeddings];
const ANTHROPIC: &[Endpoint] = &[Messages, CountTokens];
const ALL: &[Endpoint] = &Endpoint::ALL;

/// The endpoint's own API.
const API: &[Dialect] = &[];
/// Servers of open models.
const ENGINES: &[Dialect] = &[Vllm, SgLang, LlamaCpp, LiteLlm];
const SAMPLERS: &[Dialect] = &[Vllm, SgLang, LlamaCpp, Ollama, OpenRouter, LiteLlm];
const PYTHON_ENGINES: &[Dialect] = &[Vllm, SgLang, LiteLlm];

macro_rules! known {
    ($([$($name:literal),+ $(,)?], $endpoints:expr, $dialects:expr, $rule:expr, $why:literal;)+) => {
        &[$(Known {
            names: &[$($name),+],
            endpoints: $endpoints,
            dialects: $dialects,
            rule: $rule,
            why: $why,
        }),+]
    };
}

#[rustfmt::skip]
static KNOWN: &[Known] = known![
    // Read where the endpoint is priced.
    ["model", "stream"], ALL, API, Read, "chosen by the client";
    ["messages", "max_tokens"], &[ChatCompletions, Messages], API, Read, "input and output limit";
    ["messages"], &[CountTokens], API, Read, "input";
    ["max_completion_tokens"], CHAT, API, Read, "output limit";
    ["max_output_tokens"], RESPONSES, API, Read, "output limit";
    ["max_tokens", "prompt", "suffix"], &[Completions], API, Read, "input and output limit";
    ["n"], TEXT, API, Read, "multiplies the output";
    ["best_of"], TEXT, API, Only(is_one), "it multiplies the output: ask for several answers with \"n\"";
    ["stream_options"], GENERATING, API, Read, "usage is asked for in it";
    ["tools", "tool_choice"], CHAT_AND_RESPONSES, API, Read, "input, unless the upstream runs them";
    ["tools", "tool_choice"], ANTHROPIC, API, Read, "input, unless the upstream runs them";
    ["input", "instructions"], RESPONSES, API, Read, "input";
    ["store"], CHAT_AND_RESPONSES, API, Read, "nothing is stored: it would be the provider's";
    ["input"], EMBEDDINGS, API, Read, "input";
    ["system"], ANTHROPIC, API, Read, "input";

    // Sampling: which token comes next, not how many.
    ["temperature", "top_p"], GENERATING, API, Passes, "sampling";
    ["temperature", "top_p", "top_k"], ANTHROPIC, API, Passes, "sampling";
    ["stop", "seed", "presence_penalty", "frequency_penalty", "logit_bias"], TEXT, API, Passes, "sampling";
    ["logprobs", "top_logprobs"], TEXT, API, Only(are_few), "more than 20 alternatives for each token make an answer too long to count";
    ["top_logprobs"], RESPONSES, API, Only(are_few), "more than 20 alternatives for each token make an answer too long to count";
    ["stop_sequences"], ANTHROPIC, API, Passes, "ends the answer earlier";
    ["top_k", "min_p", "repetition_penalty", "top_a", "typical_p"], GENERATING, SAMPLERS, Passes, "sampling";
    ["repeat_penalty", "repeat_last_n", "tfs_z", "mirostat", "mirostat_tau", "mirostat_eta", "dynatemp_range",
     "dynatemp_exponent", "dry_multiplier", "dry_base", "dry_allowed_length", "dry_penalty_last_n",
     "dry_sequence_breakers", "xtc_probability", "xtc_threshold", "top_n_sigma", "samplers", "n_probs", "min_keep",
     "post_sampling_probs"], TEXT, &[LlamaCpp, Ollama, LiteLlm], Passes, "sampling";
    ["min_tokens", "ignore_eos", "stop_token_ids", "include_stop_str_in_output", "skip_special_tokens",
     "spaces_between_special_tokens", "no_stop_trim", "length_penalty", "logits_processors_args", "bad_words",
     "allowed_token_ids", "stop_regex", "repetition_detection", "watermarking"], GENERATING, ENGINES, Passes,
     "the output limit holds whatever it says";
    ["seed", "stop", "presence_penalty", "frequency_penalty", "logit_bias"], RESPONSES, ENGINES, Passes, "sampling";
    ["add_special_tokens", "return_token_ids", "return_tokens_as_token_ids", "return_hidden_states",
     "separate_reasoning", "stream_reasoning", "include_reasoning", "priority", "request_id", "vllm_xargs",
     "thinking_token_budget", "add_generation_prompt", "continue_final_message", "rid", "return_tokens",
     "return_progress", "timings_per_token", "reasoning_format", "parse_tool_calls", "logprob_token_ids",
     "return_weight_versions", "return_token_offsets", "return_prompt_text", "return_routed_experts",
     "return_cached_tokens_details", "return_mm_kwargs", "routed_experts_prompt_start", "stream_interval", "custom_labels"],
     GENERATING, ENGINES, Passes, "form of the answer, or place in the queue";
    ["echo"], CHAT, PYTHON_ENGINES, Passes, "repeats a text of the input in the answer";
    ["request_id", "rid", "priority", "add_special_tokens", "use_activation", "embed_dtype", "endianness", "normalize"],
     EMBEDDINGS, PYTHON_ENGINES, Passes, "form of the vectors, or place in the queue";
    ["watermarking", "vllm_xargs"], ANTHROPIC, PYTHON_ENGINES, Passes, "the output limit holds whatever it says";
    ["cache_salt", "cache_prompt", "n_keep", "n_cache_reuse", "extra_key"], GENERATING, ENGINES, Passes,
     "what is cached only lowers the cost";
    ["cache_salt"], &[Embeddings, Messages, CountTokens], PYTHON_ENGINES, Passes, "what is cached only lowers the cost";
    ["truncate_prompt_tokens", "truncation_side"], OPENAI, PYTHON_ENGINES, Passes, "shortens the input";
    ["keep_alive"], OPENAI, &[Ollama], Passes, "how long a model stays in memory after the answer";

    // How the model thinks and answers: within the output limit.
    ["reasoning_effort", "verbosity"], CHAT, API, Passes, "within the output limit";
    ["reasoning"], RESPONSES, API, Passes, "within the output limit";
    ["thinking"], ANTHROPIC, API, Passes, "within the output limit";
    ["thinking", "enable_thinking", "think", "reasoning", "thinking_budget", "include_thoughts", "chat_id"], CHAT,
     &[Vllm, SgLang, LlamaCpp, Ollama, OpenRouter, LiteLlm, DeepSeek], Passes, "within the output limit";
    ["parallel_tool_calls", "modalities"], &[Responses], API, Passes, "within the output limit";
    ["parallel_tool_calls"], CHAT, API, Passes, "within the output limit";
    ["max_tool_calls", "truncation", "include"], RESPONSES, API, Passes, "limits or describes the answer";
    ["modalities"], CHAT, API, Only(is_text_only), "output other than text has no bound by tokens";
    ["output_config", "output_format"], ANTHROPIC, API, Counts, "form of the answer";
    ["context_management"], ANTHROPIC, API, CountsIf(compacts_nothing), "to compact the context is another answer, which is not reported";

    // Labels, and keys of caches.
    ["metadata"], OPENAI, &[LiteLlm], Only(chooses_nothing), "with tags or guardrails it chooses another deployment";
    ["user", "metadata", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "client_metadata",
     "prompt_cache_options"], OPENAI, API, Passes, "a label";
    ["metadata", "cache_control"], ANTHROPIC, API, Passes, "a label";
    ["inference_geo"], ANTHROPIC, API, Only(is_global), "another place has another price";
    ["usage"], CHAT, &[OpenRouter, LiteLlm], Passes, "asks for usage";
    ["session_id", "trace"], GENERATING, &[OpenRouter, LiteLlm, Vllm], Passes, "a label";
    ["dimensions", "encoding_format", "input_type"], EMBEDDINGS, API, Passes, "form of the vectors";
    ["echo"], &[Completions], API, Passes, "repeats the input in the answer, which is counted as input";

    // What is written into the prompt, or may be.
    ["response_format"], CHAT, API, Counts, "a schema may be written into the prompt";
    ["response_format"], &[Completions, Embeddings], ENGINES, Counts, "a schema may be written into the prompt";
    ["functions", "function_call"], CHAT, API, Counts, "the older form of tools";
    ["text"], RESPONSES, API, Counts, "a schema may be written into the prompt";
    ["prediction"], CHAT, API, Counts, "text that the model compares its answer with";
    ["chat_template_kwargs"], &[ChatCompletions, Responses, Messages], ENGINES, CountsIf(has_no_template),
     "it may carry a template of its own, or pad the prompt";
    ["guided_json", "guided_regex", "guided_choice", "guided_grammar", "guided_decoding_backend",
     "guided_whitespace_pattern", "structured_outputs", "structural_tag", "grammar", "json_schema", "regex", "ebnf",
     "format", "grammar_lazy", "grammar_triggers", "preserved_tokens"], GENERATING, SAMPLERS, Counts, "a grammar for the answer";
    ["documents"], CHAT, PYTHON_ENGINES, Counts, "texts that the template writes into the prompt";
    ["enable_response_messages"], RESPONSES, PYTHON_ENGINES, Passes, "form of the answer";

    // What depends on stored state, or costs more than tokens.
    ["background"], RESPONSES, API, Only(is_false), "an answer in the background is not seen here and cannot be counted";
    ["previous_response_id", "conversation"], RESPONSES, API, Refused, "it continues what the upstream has stored, which this body does not show: send the whole input";
    ["thread"], ANTHROPIC, API, Refused, "it continues what the upstream has stored, which this body does not show: send all messages";
    ["prompt"], RESPONSES, API, Refused, "a stored prompt has a length that this body does not show: send its text";
    ["service_tier"], CHAT_AND_RESPONSES, API, Only(is_common_tier), "another tier has another price: tiers are chosen with the header Farthing-Tier";
    ["service_tier"], ANTHROPIC, API, Only(is_common_tier), "another tier has another price: tiers are chosen with the header Farthing-Tier";
    ["speed"], ANTHROPIC, API, Only(is_common_tier), "another tier has another price: tiers are chosen with the header Farthing-Tier";
    ["audio"], CHAT, API, Refused, "speech has no bound by tokens";
    ["web_search_options"], CHAT, API, Refused, "the upstream would search the web, and what it finds is input without a bound";
    ["mcp_servers", "container"], ANTHROPIC, API, Refused, "the upstream would run tools, and what they return is input without a bound";
    ["fallbacks", "models", "route", "provider", "plugins", "transforms", "preset", "web_search", "context_window_fallback_dict",
     "guardrails", "mock_response", "api_base", "base_url", "api_key", "custom_llm_provider", "model_list"], TEXT,
     &[OpenRouter, LiteLlm], Refused, "it may choose another model or service, with another price";
    ["fallbacks", "models", "route", "provider", "plugins", "preset"], &[Responses, Embeddings, Messages], &[OpenRouter, LiteLlm], Refused, "it may choose another model or service, with another price";
    ["options"], OPENAI, &[Ollama, LlamaCpp], Refused, "it may set another output limit";
    ["n_predict", "max_new_tokens", "num_predict", "max_length"], GENERATING, API, Refused, "it would set another output limit: use the API's own field";
    ["id_slot", "lora", "lora_path", "t_max_predict_ms", "t_max_prompt_ms", "save_slot", "data_parallel_rank",
     "session_params"], OPENAI, ENGINES, Refused, "it addresses what the server keeps";
    ["use_beam_search"], TEXT, ENGINES, Only(is_false), "beams multiply the output: ask for several answers with \"n\"";
    ["prompt_logprobs", "logprob_start_len"], TEXT, ENGINES, Refused, "it makes the answer as long as the input many times over";
    ["chat_template", "custom_params", "mm_processor_kwargs", "kv_transfer_params", "custom_logit_processor",
     "bootstrap_host", "bootstrap_port", "bootstrap_room", "previous_input_messages", "media_io_kwargs", "mm_payload",
     "ec_transfer_params", "max_dynamic_patch", "min_dynamic_patch", "padding"],
     &[ChatCompletions, Completions, Responses, Embeddings, Messages], ENGINES, Refused,
     "it may make the prompt longer than its bytes";
    ["drop_params", "additional_drop_params", "allowed_openai_params", "num_retries", "max_retries", "extra_headers",
     "default_headers", "timeout", "request_timeout", "api_version", "deployment_id", "organization"],
     &[ChatCompletions, Completions, Responses, Embeddings, Messages], &[LiteLlm], Refused,
     "it may remove the output limit, ask again, or choose another service";
    ["prompt_embeds", "input_embeds"], PROMPTS, ENGINES, Refused, "embeddings have no bound by tokens";
];

fn has_no_template(value: &Value) -> bool {
    let passed_on = [
        "chat_template",
        "tokenize",
        "padding",
        "max_length",
        "truncation",
        "tokenizer_kwargs",
        "return_tensors",
        "return_dict",
        "conversation",
    ];
    let fields = value.as_object();
    fields.is_some_and(|fields| passed_on.iter().all(|name| !fields.contains_key(*name)))
}

fn are_few(value: &Value) -> bool {
    value.is_boolean()
        || value
            .as_f64()
            .is_some_and(|number| (0.0..=20.0).contains(&number))
}

fn chooses_nothing(value: &Value) -> bool {
    let chooses = |name: &str| {
        value
            .get(name)
            .is_some_and(|value| !value.is_null() && !value.is_string())
    };
    !chooses("tags") && !chooses("guardrails")
}

fn is_global(value: &Value) -> bool {
    value == "global"
}

fn compacts_nothing(value: &Value) -> bool {
    !value.to_string().contains("compact")
}

fn is_false(value: &Value) -> bool {
    *value == false
}

fn is_text_only(value: &Value) -> bool {
    let kinds = value.as_array();
    kinds.is_some_and(|kinds| kinds.iter().all(|kind| kind == "text"))
}

fn is_common_tier(value: &Value) -> bool {
    let common = ["auto", "default", "standard", "standard_only"];
    common.iter().any(|tier| value == tier)
}

fn is_one(value: &Value) -> bool {
    value.as_f64() == Some(1.0)
}
