//! What a model is: one plain form for what GGUF metadata and a `config.json` say.

mod checks;
mod from_gguf;
mod from_json;

use thiserror::Error;

pub use checks::LAYERS_MAX;
pub use from_json::CONFIG_BYTES_MAX;

/// A family of models that compute alike, up to what [`ModelConfig`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// Llama, Mistral and Mixtral. GGUF files hold the rows of Q and K in another order than safetensors: the two halves
    /// of each head interleaved.
    Llama,
    /// Qwen2 and Qwen2.5: biases on Q, K and V.
    Qwen2,
    /// Qwen2 with experts and a shared one.
    Qwen2Moe,
    /// Qwen3: Q and K normalised per head.
    Qwen3,
    /// Qwen3 with experts.
    Qwen3Moe,
    /// Gemma: scaled embeddings, a norm that adds one to its weights.
    Gemma,
    /// Gemma 2: soft caps, norms around each half of a layer, every other layer sliding.
    Gemma2,
    /// Gemma 3: normalised Q and K, five sliding layers to one that is not.
    Gemma3,
    /// Phi 3 and 4: Q, K, V in one tensor, gate and up in one.
    Phi3,
    /// Granite: four multipliers.
    Granite,
    /// OLMo 2: norms behind attention and feed-forward.
    Olmo2,
    /// SmolLM 3: some layers without rotation.
    SmolLm3,
    /// GPT-OSS: experts, attention sinks, every other layer sliding.
    GptOss,
    /// GLM 4: half of each head is rotated.
    Glm4,
    /// StableLM: a quarter of each head is rotated, layer norms with biases.
    StableLm,
    /// StarCoder 2: layer norms and biases throughout.
    Starcoder2,
    /// Command R7B: attention and feed-forward side by side, three sliding layers to one.
    Cohere2,
}

/// A row of the table of architectures.
pub(crate) struct Family {
    pub(crate) architecture: Architecture,
    /// The prefix of its keys in GGUF.
    pub(crate) gguf: &'static str,
    /// Its `model_type`s in `config.json`.
    pub(crate) json: &'static [&'static str],
    /// Whether its norms are layer norms.
    pub(crate) layer_norm: bool,
    /// Whether the output is the embedding where `config.json` does not say.
    pub(crate) tied: bool,
    /// Where a window is said and its layers are not: every how many layers one does not slide; 0 = all slide.
    pub(crate) period: u32,
}

impl Family {
    const fn new(
        architecture: Architecture,
        gguf: &'static str,
        json: &'static [&'static str],
    ) -> Self {
        Self {
            architecture,
            gguf,
            json,
            layer_norm: false,
            tied: false,
            period: 0,
        }
    }

    const fn tied(mut self) -> Self {
        self.tied = true;
        self
    }

    const fn layer_norm(mut self) -> Self {
        self.layer_norm = true;
        self
    }

    const fn period(mut self, period: u32) -> Self {
        self.period = period;
        self
    }
}

/// Every architecture that is known.
pub(crate) const FAMILIES: &[Family] = &[
    Family::new(
        Architecture::Llama,
        "llama",
        &["llama", "mistral", "mixtral"],
    ),
    Family::new(Architecture::Qwen2, "qwen2", &["qwen2"]),
    Family::new(Architecture::Qwen2Moe, "qwen2moe", &["qwen2_moe"]),
    Family::new(Architecture::Qwen3, "qwen3", &["qwen3"]),
    Family::new(Architecture::Qwen3Moe, "qwen3moe", &["qwen3_moe"]),
    Family::new(Architecture::Gemma, "gemma", &["gemma"]).tied(),
    Family::new(Architecture::Gemma2, "gemma2", &["gemma2"])
        .tied()
        .period(2),
    Family::new(Architecture::Gemma3, "gemma3", &["gemma3_text", "gemma3"])
        .tied()
        .period(6),
    Family::new(Architecture::Phi3, "phi3", &["phi3"]),
    Family::new(Architecture::Granite, "granite", &["granite"]),
    Family::new(Architecture::Olmo2, "olmo2", &["olmo2"]),
    Family::new(Architecture::SmolLm3, "smollm3", &["smollm3"]).tied(),
    Family::new(Architecture::GptOss, "gpt-oss", &["gpt_oss"]).period(2),
    Family::new(Architecture::Glm4, "glm4", &["glm4"]),
    Family::new(Architecture::StableLm, "stablelm", &["stablelm"]).layer_norm(),
    Family::new(Architecture::Starcoder2, "starcoder2", &["starcoder2"])
        .layer_norm()
        .tied(),
    Family::new(Architecture::Cohere2, "cohere2", &["cohere2"])
        .layer_norm()
        .tied()
        .period(4),
];

impl Architecture {
    pub(crate) fn family(self) -> Option<&'static Family> {
        FAMILIES.iter().find(|family| family.architecture == self)
    }

    /// The architecture's name in GGUF.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.family().map_or("", |family| family.gguf)
    }

    /// Every name that is known, GGUF's and `config.json`'s.
    #[must_use]
    pub fn known() -> Vec<&'static str> {
        let mut names: Vec<_> = FAMILIES
            .iter()
            .flat_map(|family| family.json.iter().copied().chain([family.gguf]))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// What a model is. Counts are at least 1; floats are finite.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// The family.
    pub architecture: Architecture,
    /// Layers.
    pub layers: u32,
    /// Width of the residual stream.
    pub hidden: u32,
    /// Rows of the embedding.
    pub vocab: u32,
    /// Tokens the model was made for.
    pub context: u32,
    /// The attention heads.
    pub heads: Heads,
    /// Width of the feed-forward between its two halves, in layers without experts.
    pub ffn: u32,
    /// How positions turn Q and K.
    pub rope: Rope,
    /// The norms.
    pub norm: Norm,
    /// The layers that see only a window.
    pub sliding: Option<Sliding>,
    /// Whether the output matrix is the embedding.
    pub tied: bool,
    /// Tokens with a meaning.
    pub tokens: SpecialTokens,
    /// The chat template, where the file carries one.
    pub chat_template: Option<String>,
    /// The experts, in models that have them.
    pub experts: Option<Experts>,
    /// Multipliers and soft caps.
    pub scales: Scales,
}

/// The attention heads of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// Query heads, a multiple of `kv`.
    pub query: u32,
    /// Key and value heads.
    pub kv: u32,
    /// Elements of a query's and a key's head.
    pub key_dim: u32,
    /// Elements of a value's head.
    pub value_dim: u32,
}

/// How positions turn Q and K.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// The base of the frequencies.
    pub theta: f64,
    /// The base in sliding layers, where it differs.
    pub theta_sliding: Option<f64>,
    /// Elements of a head that are turned; even, at most the head.
    pub dims: u32,
    /// How the frequencies are bent for longer texts.
    pub scaling: RopeScaling,
}

/// How rotation frequencies are bent for texts longer than those of training.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// Positions are divided by the factor.
    Linear {
        /// The factor.
        factor: f64,
    },
    /// YaRN.
    Yarn(Yarn),
    /// Llama 3.1: low frequencies are divided, high ones kept, those between blended.
    Llama3 {
        /// What low frequencies are divided by.
        factor: f64,
        /// Wavelengths above `original_context / low` are divided.
        low: f64,
        /// Wavelengths below `original_context / high` are kept.
        high: f64,
        /// Tokens of training.
        original_context: u32,
    },
    /// Every frequency is divided by a factor of its own, which the file holds; `dims / 2` of them.
    Factors(Vec<f32>),
    /// Two sets of such factors: for texts up to the length of training, and for longer ones.
    LongRope {
        /// Factors for texts of at most `original_context` tokens.
        short: Vec<f32>,
        /// Factors for longer ones.
        long: Vec<f32>,
        /// Tokens of training.
        original_context: u32,
        /// What sine and cosine are multiplied by; `None` = by the lengths' ratio, as the method says.
        attention_factor: Option<f64>,
    },
}

/// The parameters of YaRN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Yarn {
    /// How much longer texts may be.
    pub factor: f64,
    /// Tokens of training.
    pub original_context: u32,
    /// Rotations above which a frequency is kept.
    pub beta_fast: f64,
    /// Rotations below which it is divided.
    pub beta_slow: f64,
    /// What sine and cosine are multiplied by; `None` = `0.1 ln(factor) + 1`.
    pub attention_factor: Option<f64>,
}

/// The norms of a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Norm {
    /// Whether the mean is taken off (layer norm) or not (RMS norm).
    pub centred: bool,
    /// What is added under the root.
    pub eps: f64,
}

/// Layers that see only the last tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sliding {
    /// How many tokens, the own one included.
    pub window: u32,
    /// For each layer, whether it slides.
    pub layers: Vec<bool>,
}

/// Tokens with a meaning; each is below [`ModelConfig::vocab`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpecialTokens {
    /// The beginning of a text.
    pub bos: Option<u32>,
    /// Tokens that end an answer, the file's main one first.
    pub eos: Vec<u32>,
    /// Padding.
    pub pad: Option<u32>,
}

/// The experts of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Experts {
    /// How many there are.
    pub count: u32,
    /// How many a token is sent to.
    pub used: u32,
    /// Width of one.
    pub ffn: u32,
    /// Width of the one every token is sent to.
    pub shared_ffn: Option<u32>,
    /// Whether the weights of the used ones are made to add up to one.
    pub normalise: bool,
}

/// Multipliers and soft caps. A soft cap `c` makes `c * tanh(x / c)` of `x`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scales {
    /// What embeddings are multiplied by.
    pub embedding: f64,
    /// What a half layer's output is multiplied by before it is added.
    pub residual: f64,
    /// What a query times a key is multiplied by.
    pub attention: f64,
    /// What the logits are multiplied by.
    pub logit: f64,
    /// Soft cap of attention scores.
    pub attention_cap: Option<f64>,
    /// Soft cap of logits.
    pub logit_cap: Option<f64>,
}

/// A model description that is not understood.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum ConfigError {
    /// An architecture there is no code for.
    #[error("architecture {name:?} is not known; known are {}", known.join(", "))]
    Architecture {
        /// What the file says.
        name: String,
        /// What is known.
        known: Vec<&'static str>,
    },
    /// A key that must be there.
    #[error("{0} is missing")]
    Missing(String),
    /// A value of the wrong type or out of range.
    #[error("{key} must be {must}")]
    Wrong {
        /// The key.
        key: String,
        /// What it must be.
        must: &'static str,
    },
    /// A way of bending frequencies there is no code for.
    #[error("rope scaling {0:?} is not known")]
    RopeScaling(String),
    /// Numbers that contradict each other.
    #[error("{0}")]
    Contradiction(&'static str),
    /// A `config.json` that is too large or no JSON.
    #[error("config.json: {0}")]
    Json(String),
}

impl ConfigError {
    pub(crate) fn wrong(key: &str, must: &'static str) -> Self {
        Self::Wrong {
            key: crate::error::shown(key),
            must,
        }
    }

    pub(crate) fn unknown(name: &str) -> Self {
        Self::Architecture {
            name: crate::error::shown(name),
            known: Architecture::known(),
        }
    }
}

/// The layers that slide when only a period is said: all but every `period`-th.
pub(crate) fn periodic(window: u32, layers: u32, period: u32) -> Sliding {
    let slides = |layer: u32| period == 0 || !(layer + 1).is_multiple_of(period);
    Sliding {
        window,
        layers: (0..layers).map(slides).collect(),
    }
}
