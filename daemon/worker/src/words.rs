//! What is said between a worker and its parent.

use serde::{Deserialize, Serialize};

/// Most threads of a worker. LIMIT: as many as the pool of kernels takes.
pub const THREADS_MAX: usize = fak_simd::POOL_THREADS_MAX;

/// Numbers of the cache of keys and values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KvNumbers {
    /// 32 bits.
    F32,
    /// 16 bits.
    #[default]
    F16,
    /// 8 bits with a scale.
    Q8,
}

/// How the model is to be loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Numbers of the cache.
    pub kv: KvNumbers,
    /// Rows of one pass.
    pub rows_max: u32,
    /// The longest text; `None`: all the model was made for.
    pub context: Option<u32>,
    /// Bytes of weights, buffers and cache together.
    pub memory_bytes_max: u64,
}

/// What an answer begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Prompt {
    /// Tokens as they are.
    Tokens(Vec<u32>),
    /// A text; names of control tokens in it are text.
    Text(String),
    /// A conversation, by the model's own template: JSON lists of messages and of tools.
    Chat {
        /// The messages.
        messages: String,
        /// The tools on offer.
        tools: Option<String>,
    },
}

/// How tokens are chosen; fields as in [`fak_engine::Sampling`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// 0: the most probable token, always.
    pub temperature: f32,
    /// 0: all.
    pub top_k: u32,
    /// 1: all.
    pub top_p: f32,
    /// 0: all.
    pub min_p: f32,
    /// 1: off.
    pub repetition_penalty: f32,
    /// 0: off.
    pub frequency_penalty: f32,
    /// 0: off.
    pub presence_penalty: f32,
    /// Added to tokens' logits.
    pub logit_bias: Vec<(u32, f32)>,
    /// The draw's seed.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        let engine = fak_engine::Sampling::default();
        Self {
            temperature: engine.temperature,
            top_k: engine.top_k,
            top_p: engine.top_p,
            min_p: engine.min_p,
            repetition_penalty: engine.repetition_penalty,
            frequency_penalty: engine.frequency_penalty,
            presence_penalty: engine.presence_penalty,
            logit_bias: engine.logit_bias,
            seed: engine.seed,
        }
    }
}

impl From<Sampling> for fak_engine::Sampling {
    fn from(said: Sampling) -> Self {
        Self {
            temperature: said.temperature,
            top_k: said.top_k,
            top_p: said.top_p,
            min_p: said.min_p,
            repetition_penalty: said.repetition_penalty,
            frequency_penalty: said.frequency_penalty,
            presence_penalty: said.presence_penalty,
            logit_bias: said.logit_bias,
            seed: said.seed,
        }
    }
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Generate {
    /// Echoed in every tell about it.
    pub id: u64,
    /// What it begins with.
    pub prompt: Prompt,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Most tokens of the answer.
    pub tokens_max: u32,
}

/// What a worker is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Ask {
    /// Load the model; once, first.
    Load(Load),
    /// Answer. Answers are made one after the other.
    Generate(Generate),
    /// Make no more of the answer with this id.
    Cancel(u64),
}

/// What a model is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Its family of architectures.
    pub architecture: String,
    /// Layers.
    pub layers: u32,
    /// Tokens of its vocabulary.
    pub vocab: u32,
    /// The longest text.
    pub context: u32,
    /// Bytes of weights in memory.
    pub weight_bytes: u64,
    /// Bytes of the cache of one token.
    pub kv_token_bytes: u64,
    /// The family of kernels whose bits these are.
    pub kernels: String,
    /// The instruction set they run on.
    pub isa: String,
    /// It has a template for conversations.
    pub chats: bool,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Finished {
    /// By a token that ends it.
    Stop,
    /// It is as long as was asked.
    Length,
    /// The text is as long as the model's context.
    Context,
    /// It was cancelled.
    Cancelled,
}

/// What a worker tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Tell {
    /// It is closed in and waits.
    Ready,
    /// The model is loaded.
    Loaded(Info),
    /// An ask cannot be done; the id of an answer, or none for the loading.
    Failed {
        /// Which.
        id: Option<u64>,
        /// A sentence.
        why: String,
    },
    /// The next token, and the text it completes, which may be none.
    Token {
        /// Of which answer.
        id: u64,
        /// The token.
        token: u32,
        /// Whole characters.
        text: String,
    },
    /// An answer is over.
    Done {
        /// Which.
        id: u64,
        /// Why.
        finished: Finished,
        /// What was left of its text.
        text: String,
        /// Tokens of the prompt.
        prompt_tokens: u32,
        /// Tokens of the answer.
        tokens: u32,
    },
}
