//! A model in memory: packed matrices, norms and biases, and what it asks of memory.

use fak_gguf::ModelConfig;
use fak_simd::{KvKind, Matrix, Pool};

use crate::{
    arch::Arch,
    error::LoadError,
    kv::KvLayout,
    load::blueprint,
    rope::{Turn, turns},
    source::{Source, Weight},
};

/// What the caller decides about a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadOptions {
    /// Numbers of the cache.
    pub kv: KvKind,
    /// LIMIT: rows one forward pass takes, which bounds its buffers.
    pub rows_max: usize,
    /// The longest text that will be run; a model bent for longer texts than those of its training turns positions
    /// differently from there on, for every text alike. `None` = all the model was made for.
    pub context: Option<u32>,
    /// LIMIT: bytes of weights, buffers and one page of cache.
    pub memory_bytes_max: u64,
}

impl Default for LoadOptions {
    fn default() -> LoadOptions {
        LoadOptions {
            kv: KvKind::F16,
            rows_max: 512,
            context: None,
            memory_bytes_max: u64::MAX,
        }
    }
}

/// What a model asks of memory, known before anything is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// Packed weights; an upper bound, at most one part in 30 too large.
    pub weight_bytes: u64,
    /// One page of keys and values.
    pub kv_page_bytes: u64,
    /// Keys and values of one token.
    pub kv_token_bytes: u64,
    /// Buffers of a pass of as many rows as it takes, all of them asked for logits.
    pub scratch_bytes: u64,
}

impl MemoryPlan {
    /// What is needed to run one page of text.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.weight_bytes
            .saturating_add(self.kv_page_bytes)
            .saturating_add(self.scratch_bytes)
    }
}

/// One matrix with its bias.
#[derive(Debug)]
pub(crate) struct Linear<M> {
    pub(crate) matrix: M,
    pub(crate) bias: Option<Vec<f32>>,
}

/// Gate, up and down.
#[derive(Debug)]
pub(crate) struct Ffn<M> {
    pub(crate) gate: Linear<M>,
    pub(crate) up: Linear<M>,
    pub(crate) down: Linear<M>,
}

/// Experts and who chooses among them.
#[derive(Debug)]
pub(crate) struct Moe<M> {
    pub(crate) router: Linear<M>,
    pub(crate) experts: Vec<Ffn<M>>,
    pub(crate) used: usize,
    pub(crate) normalise: bool,
    pub(crate) shared: Option<Shared<M>>,
}

/// The expert every token is sent to, and what says how much of it counts.
#[derive(Debug)]
pub(crate) struct Shared<M> {
    pub(crate) expert: Ffn<M>,
    pub(crate) gate: M,
}

#[derive(Debug)]
pub(crate) enum Half<M> {
    Dense(Ffn<M>),
    Experts(Moe<M>),
}

/// One layer.
#[derive(Debug)]
pub(crate) struct Layer<M> {
    pub(crate) before_attention: Option<Vec<f32>>,
    pub(crate) after_attention: Option<Vec<f32>>,
    pub(crate) before_ffn: Option<Vec<f32>>,
    pub(crate) after_ffn: Option<Vec<f32>>,
    pub(crate) q: Linear<M>,
    pub(crate) k: Linear<M>,
    pub(crate) v: Linear<M>,
    pub(crate) o: Linear<M>,
    pub(crate) q_norm: Option<Vec<f32>>,
    pub(crate) k_norm: Option<Vec<f32>>,
    pub(crate) sinks: Option<Vec<f32>>,
    pub(crate) half: Half<M>,
    /// Tokens a row sees, the own one included.
    pub(crate) window: Option<usize>,
    /// Which of the model's turns positions make; `None` = none.
    pub(crate) turn: Option<usize>,
}

/// All of a model, its matrices as `M`.
#[derive(Debug)]
pub(crate) struct Parts<M> {
    pub(crate) embedding: M,
    /// `None` when it is the embedding.
    pub(crate) head: Option<M>,
    pub(crate) norm: Vec<f32>,
    pub(crate) layers: Vec<Layer<M>>,
}

type Packing<'p> = &'p mut dyn FnMut(&Weight<'_>) -> Result<Matrix, LoadError>;

impl Linear<Weight<'_>> {
    fn pack(self, pack: Packing<'_>) -> Result<Linear<Matrix>, LoadError> {
        Ok(Linear {
            matrix: pack(&self.matrix)?,
            bias: self.bias,
        })
    }
}

impl Ffn<Weight<'_>> {
    fn pack(self, pack: Packing<'_>) -> Result<Ffn<Matrix>, LoadError> {
        Ok(Ffn {
            gate: self.gate.pack(pack)?,
            up: self.up.pack(pack)?,
            down: self.down.pack(pack)?,
        })
    }
}

impl Half<Weight<'_>> {
    fn pack(self, pack: Packing<'_>) -> Result<Half<Matrix>, LoadError> {
        Ok(match self {
            Half::Dense(ffn) => Half::Dense(ffn.pack(pack)?),
            Half::Experts(moe) => {
                let mut experts = Vec::with_capacity(moe.experts.len());
                for expert in moe.experts {
                    experts.push(expert.pack(pack)?);
                }
                let shared = match moe.shared {
                    Some(shared) => Some(Shared {
                        expert: shared.expert.pack(pack)?,
                        gate: pack(&shared.gate)?,
                    }),
                    None => None,
                };
                Half::Experts(Moe {
                    shared,
                    router: moe.router.pack(pack)?,
                    experts,
                    used: moe.used,
                    normalise: moe.normalise,
                })
            }
        })
    }
}

impl Layer<Weight<'_>> {
    fn pack(self, pack: Packing<'_>) -> Result<Layer<Matrix>, LoadError> {
        Ok(Layer {
            before_attention: self.before_attention,
            after_attention: self.after_attention,
            before_ffn: self.before_ffn,
            after_ffn: self.after_ffn,
            q: self.q.pack(pack)?,
            k: self.k.pack(pack)?,
            v: self.v.pack(pack)?,
            o: self.o.pack(pack)?,
            q_norm: self.q_norm,
            k_norm: self.k_norm,
            sinks: self.sinks,
            half: self.half.pack(pack)?,
            window: self.window,
            turn: self.turn,
        })
    }
}

impl Parts<Weight<'_>> {
    fn pack(self, pack: Packing<'_>) -> Result<Parts<Matrix>, LoadError> {
        let mut layers = Vec::with_capacity(self.layers.len());
        for layer in self.layers {
            layers.push(layer.pack(pack)?);
        }
        Ok(Parts {
            embedding: pack(&self.embedding)?,
            head: self.head.as_ref().map(pack).transpose()?,
            norm: self.norm,
            layers,
        })
    }
}

/// A model, ready to run. It holds its weights itself; the file is not needed any more.
#[derive(Debug)]
pub struct Model {
    pub(crate) config: ModelConfig,
    pub(crate) arch: &'static Arch,
    pub(crate) parts: Parts<Matrix>,
    pub(crate) turns: Vec<Turn>,
    pub(crate) layout: KvLayout,
    pub(crate) rows_max: usize,
    plan: MemoryPlan,
}

impl Model {
    /// What loading with these options would take.
    ///
    /// # Errors
    /// As [`Model::load`], but for memory.
    pub fn plan(
        config: &ModelConfig,
        source: Source<'_>,
        options: &LoadOptions,
    ) -> Result<MemoryPlan, LoadError> {
        Ok(blueprint(config, source, options)?.plan)
    }

    /// Checks all tensors, then packs them.
    ///
    /// # Errors
    /// When the family or something of its configuration is not run, a tensor is missing, left over, or of another shape
    /// or type than it must be, or the plan is over the options' bound. Nothing is packed then.
    pub fn load(
        config: &ModelConfig,
        source: Source<'_>,
        options: &LoadOptions,
        pool: &mut Pool,
    ) -> Result<Model, LoadError> {
        let drawn = blueprint(config, source, options)?;
        let (needed, given) = (drawn.plan.total_bytes(), options.memory_bytes_max);
        if needed > given {
            return Err(LoadError::Memory { needed, given });
        }
        let parts = drawn.parts.pack(&mut |weight| weight.pack(pool))?;
        Ok(Model {
            turns: turns(config, drawn.arch, options.context),
            config: config.clone(),
            arch: drawn.arch,
            parts,
            layout: drawn.layout,
            rows_max: options.rows_max,
            plan: drawn.plan,
        })
    }

    /// The configuration it was loaded by.
    #[must_use]
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// How pages of its keys and values lie.
    #[must_use]
    pub fn kv_layout(&self) -> KvLayout {
        self.layout
    }

    /// What it was planned to take.
    #[must_use]
    pub fn memory(&self) -> MemoryPlan {
        self.plan
    }

    /// LIMIT: rows one forward pass takes.
    #[must_use]
    pub fn rows_max(&self) -> usize {
        self.rows_max
    }

    /// Tokens of the vocabulary: the numbers of one row of logits.
    #[must_use]
    pub fn vocab(&self) -> usize {
        self.config.vocab as usize
    }
}
