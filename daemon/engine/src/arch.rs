//! What tells one family of models from another, as data.
//!
//! There is one forward pass. A family is a row here; what a row does not say is in the model's own configuration.

use fak_gguf::Architecture;

/// How Q and K are normalised before they are turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QkNorm {
    /// Not at all.
    None,
    /// Every head by itself.
    Head,
    /// All heads of a token together.
    Whole,
}

/// What stands between the two halves of a feed-forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bend {
    /// `silu(gate) * up`.
    Silu,
    /// `gelu(gate) * up`.
    Gelu,
    /// Held within limits: `gate' * sigmoid(1.702 gate') * (up' + 1)`.
    Clamped,
}

/// The norms of a layer, by the names of their tensors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NormNames {
    /// Before attention.
    pub(crate) before_attention: Option<&'static str>,
    /// Behind attention, before it is added.
    pub(crate) after_attention: Option<&'static str>,
    /// Before the feed-forward.
    pub(crate) before_ffn: Option<&'static str>,
    /// Behind the feed-forward, before it is added.
    pub(crate) after_ffn: Option<&'static str>,
}

/// How a family's safetensors hold experts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ExpertNames {
    /// One tensor for each expert and matrix: router, prefix, then gate, up and down.
    Single {
        router: &'static str,
        prefix: &'static str,
        matrices: [&'static str; 3],
    },
    /// One tensor for all: rows are inputs, gate and up are interleaved.
    Packed {
        router: &'static str,
        gate_up: &'static str,
        down: &'static str,
    },
}

/// One family.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arch {
    pub(crate) architecture: Architecture,
    /// Norms in safetensors.
    pub(crate) norms: NormNames,
    /// Norms in GGUF.
    pub(crate) gguf_norms: NormNames,
    /// Whether safetensors hold the weights of norms less one.
    pub(crate) plus_one: bool,
    pub(crate) qk_norm: QkNorm,
    /// Whether Q, K and V must have biases; else they may.
    pub(crate) qkv_biased: bool,
    /// Whether GGUF files hold the two halves of each head of Q and K interleaved.
    pub(crate) gguf_interleaved: bool,
    /// Whether pairs that are turned stand side by side.
    pub(crate) adjacent: bool,
    /// Every how many layers one is not turned; 0 = all are.
    pub(crate) unturned_period: usize,
    /// Whether the bounds of YaRN's ramp are made whole.
    pub(crate) yarn_whole: bool,
    /// Whether sliding layers are turned by the bent frequencies too.
    pub(crate) bent_sliding: bool,
    pub(crate) bend: Bend,
    /// Whether attention has sinks.
    pub(crate) sinks: bool,
    pub(crate) experts: ExpertNames,
}

const BEFORE: NormNames = NormNames {
    before_attention: Some("input_layernorm"),
    after_attention: None,
    before_ffn: Some("post_attention_layernorm"),
    after_ffn: None,
};

const GGUF_BEFORE: NormNames = NormNames {
    before_attention: Some("attn_norm"),
    after_attention: None,
    before_ffn: Some("ffn_norm"),
    after_ffn: None,
};

const AROUND: NormNames = NormNames {
    before_attention: Some("input_layernorm"),
    after_attention: Some("post_attention_layernorm"),
    before_ffn: Some("pre_feedforward_layernorm"),
    after_ffn: Some("post_feedforward_layernorm"),
};

const GGUF_AROUND: NormNames = NormNames {
    before_attention: Some("attn_norm"),
    after_attention: Some("post_attention_norm"),
    before_ffn: Some("ffn_norm"),
    after_ffn: Some("post_ffw_norm"),
};

const QWEN_EXPERTS: ExpertNames = ExpertNames::Single {
    router: "mlp.gate",
    prefix: "mlp.experts",
    matrices: ["gate_proj", "up_proj", "down_proj"],
};

/// What most rows share.
const PLAIN: Arch = Arch {
    architecture: Architecture::Llama,
    norms: BEFORE,
    gguf_norms: GGUF_BEFORE,
    plus_one: false,
    qk_norm: QkNorm::None,
    qkv_biased: false,
    gguf_interleaved: false,
    adjacent: false,
    unturned_period: 0,
    yarn_whole: true,
    bent_sliding: true,
    bend: Bend::Silu,
    sinks: false,
    experts: QWEN_EXPERTS,
};

const GEMMA: Arch = Arch {
    architecture: Architecture::Gemma,
    plus_one: true,
    bend: Bend::Gelu,
    ..PLAIN
};

/// Every family there is a forward pass for.
pub(crate) const ARCHS: &[Arch] = &[
    // Llama, Mistral and Mixtral.
    Arch {
        gguf_interleaved: true,
        experts: ExpertNames::Single {
            router: "block_sparse_moe.gate",
            prefix: "block_sparse_moe.experts",
            matrices: ["w1", "w3", "w2"],
        },
        ..PLAIN
    },
    Arch {
        architecture: Architecture::Qwen2,
        qkv_biased: true,
        ..PLAIN
    },
    Arch {
        architecture: Architecture::Qwen2Moe,
        qkv_biased: true,
        ..PLAIN
    },
    Arch {
        architecture: Architecture::Qwen3,
        qk_norm: QkNorm::Head,
        ..PLAIN
    },
    Arch {
        architecture: Architecture::Qwen3Moe,
        qk_norm: QkNorm::Head,
        ..PLAIN
    },
    GEMMA,
    Arch {
        architecture: Architecture::Gemma2,
        norms: AROUND,
        gguf_norms: GGUF_AROUND,
        ..GEMMA
    },
    Arch {
        architecture: Architecture::Gemma3,
        norms: AROUND,
        gguf_norms: GGUF_AROUND,
        qk_norm: QkNorm::Head,
        bent_sliding: false,
        ..GEMMA
    },
    Arch {
        architecture: Architecture::Phi3,
        ..PLAIN
    },
    Arch {
        architecture: Architecture::Granite,
        gguf_interleaved: true,
        ..PLAIN
    },
    Arch {
        architecture: Architecture::Olmo2,
        norms: NormNames {
            before_attention: None,
            before_ffn: None,
            ..AROUND
        },
        gguf_norms: NormNames {
            before_attention: None,
            before_ffn: None,
            ..GGUF_AROUND
        },
        qk_norm: QkNorm::Whole,
        ..PLAIN
    },
    Arch {
        architecture: Architecture::SmolLm3,
        gguf_interleaved: true,
        unturned_period: 4,
        ..PLAIN
    },
    Arch {
        architecture: Architecture::GptOss,
        gguf_norms: NormNames {
            before_ffn: Some("post_attention_norm"),
            ..GGUF_BEFORE
        },
        qkv_biased: true,
        yarn_whole: false,
        bend: Bend::Clamped,
        sinks: true,
        experts: ExpertNames::Packed {
            router: "mlp.router",
            gate_up: "mlp.experts.gate_up_proj",
            down: "mlp.experts.down_proj",
        },
        ..PLAIN
    },
    Arch {
        architecture: Architecture::Glm4,
        norms: NormNames {
            before_attention: Some("input_layernorm"),
            after_attention: Some("post_self_attn_layernorm"),
            before_ffn: Some("post_attention_layernorm"),
            after_ffn: Some("post_mlp_layernorm"),
        },
        gguf_norms: GGUF_AROUND,
        adjacent: true,
        ..PLAIN
    },
];

/// The row of a family; `None` where there is none.
pub(crate) fn arch(architecture: Architecture) -> Option<&'static Arch> {
    ARCHS.iter().find(|arch| arch.architecture == architecture)
}
