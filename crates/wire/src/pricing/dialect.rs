//! The dialects of the OpenAI API that upstreams speak.

use serde::{Deserialize, Serialize};

/// A dialect: which fields of its own an upstream knows, and the name that it takes for the output limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// OpenAI's own API.
    OpenAi,
    /// vLLM.
    Vllm,
    /// SGLang.
    SgLang,
    /// The server of llama.cpp.
    #[serde(rename = "llama.cpp")]
    LlamaCpp,
    /// Ollama.
    Ollama,
    /// OpenRouter.
    OpenRouter,
    /// LiteLLM's proxy.
    LiteLlm,
    /// DeepSeek's API.
    DeepSeek,
}

impl Dialect {
    /// All dialects.
    pub const ALL: [Self; 8] = [
        Self::OpenAi,
        Self::Vllm,
        Self::SgLang,
        Self::LlamaCpp,
        Self::Ollama,
        Self::OpenRouter,
        Self::LiteLlm,
        Self::DeepSeek,
    ];

    /// Its name in configurations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Vllm => "vllm",
            Self::SgLang => "sglang",
            Self::LlamaCpp => "llama.cpp",
            Self::Ollama => "ollama",
            Self::OpenRouter => "openrouter",
            Self::LiteLlm => "litellm",
            Self::DeepSeek => "deepseek",
        }
    }

    /// The name under which it takes the output limit of a chat completion.
    #[must_use]
    pub const fn output_limit_field(self) -> OutputLimitField {
        match self {
            Self::OpenAi => OutputLimitField::MaxCompletionTokens,
            Self::Vllm
            | Self::SgLang
            | Self::LlamaCpp
            | Self::Ollama
            | Self::OpenRouter
            | Self::LiteLlm
            | Self::DeepSeek => OutputLimitField::MaxTokens,
        }
    }

    /// Whether it takes the output limit of a chat completion under this name.
    #[must_use]
    pub fn takes_limit(self, name: &str) -> bool {
        match self {
            Self::OpenAi | Self::Vllm | Self::SgLang | Self::OpenRouter | Self::LiteLlm => true,
            Self::LlamaCpp | Self::Ollama | Self::DeepSeek => name == "max_tokens",
        }
    }

    /// Whether its usage is that of one choice although several were asked for, as llama.cpp's is.
    #[must_use]
    pub const fn reports_one_choice(self) -> bool {
        matches!(self, Self::LlamaCpp)
    }

    /// Whether it can report usage with every chunk of a stream (`continuous_usage_stats`).
    #[must_use]
    pub const fn reports_usage_continuously(self) -> bool {
        matches!(self, Self::Vllm | Self::SgLang)
    }
}

/// The name under which an upstream takes the output limit of a chat completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputLimitField {
    /// `max_tokens`, the older name.
    MaxTokens,
    /// `max_completion_tokens`, the only name that OpenAI's newer models take.
    MaxCompletionTokens,
    /// The upstream takes none: no limit is added to a request that has none.
    None,
}

impl OutputLimitField {
    /// The field's name, unless there is none.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::MaxTokens => Some("max_tokens"),
            Self::MaxCompletionTokens => Some("max_completion_tokens"),
            Self::None => None,
        }
    }
}
