//! A model's description out of GGUF metadata. Key names are those of `docs/gguf.md` in ggml; the prefix is the
//! architecture.

use crate::{Value, ValueType, dequantize_row, gguf::Gguf, tensor::TensorType};

use super::{
    Architecture, ConfigError, Experts, FAMILIES, Family, Heads, ModelConfig, Norm, Rope,
    RopeScaling, Scales, Sliding, SpecialTokens, Yarn, periodic,
};

/// LIMIT: Rotation factors of a file.
const ROPE_FACTORS_MAX: usize = 4096;

impl ModelConfig {
    /// What the metadata of a GGUF file says of the model.
    ///
    /// # Errors
    /// When the architecture is not known, a key is missing or wrong, or the numbers contradict each other.
    pub fn from_gguf(file: &Gguf<'_>) -> Result<Self, ConfigError> {
        let name = file
            .get("general.architecture")
            .ok_or_else(|| ConfigError::Missing("general.architecture".to_owned()))?
            .as_str()
            .ok_or_else(|| ConfigError::wrong("general.architecture", "text"))?;
        let family = FAMILIES
            .iter()
            .find(|family| family.gguf == name)
            .ok_or_else(|| ConfigError::unknown(name))?;
        let keys = Keys { file, family };
        let layers = keys.need("block_count")?;
        if layers > super::LAYERS_MAX {
            return Err(ConfigError::wrong("block_count", "at most 1024"));
        }
        let hidden = keys.need("embedding_length")?;
        let heads = keys.heads(hidden, layers)?;
        let context = keys.need("context_length")?;
        let experts = keys.experts()?;
        let ffn = match keys.uniform("feed_forward_length", layers)? {
            Some(ffn) => ffn,
            None => experts
                .map(|experts| experts.ffn)
                .ok_or_else(|| keys.missing("feed_forward_length"))?,
        };
        let config = Self {
            architecture: family.architecture,
            layers,
            hidden,
            vocab: keys.vocab()?,
            context,
            heads,
            ffn,
            rope: keys.rope(&heads, context)?,
            norm: keys.norm()?,
            sliding: keys.sliding(layers)?,
            tied: file.tensor("output.weight").is_none(),
            tokens: keys.tokens()?,
            chat_template: keys.text("tokenizer.chat_template")?.map(str::to_owned),
            experts,
            scales: keys.scales(&heads, hidden)?,
        };
        config.checked()
    }
}

/// The metadata of one architecture.
struct Keys<'f, 'a> {
    file: &'f Gguf<'a>,
    family: &'static Family,
}

impl<'a> Keys<'_, 'a> {
    fn full(&self, key: &str) -> String {
        format!("{}.{key}", self.family.gguf)
    }

    fn missing(&self, key: &str) -> ConfigError {
        ConfigError::Missing(self.full(key))
    }

    fn value(&self, key: &str) -> Option<&Value<'a>> {
        self.file.get(&self.full(key))
    }

    fn number(&self, key: &str) -> Result<Option<u32>, ConfigError> {
        whole(&self.full(key), self.value(key))
    }

    fn need(&self, key: &str) -> Result<u32, ConfigError> {
        self.number(key)?.ok_or_else(|| self.missing(key))
    }

    fn float(&self, key: &str) -> Result<Option<f64>, ConfigError> {
        let wrong = || ConfigError::wrong(&self.full(key), "a float");
        self.value(key)
            .map(|value| value.as_f64().ok_or_else(wrong))
            .transpose()
    }

    fn flag(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        let wrong = || ConfigError::wrong(&self.full(key), "a boolean");
        self.value(key)
            .map(|value| value.as_bool().ok_or_else(wrong))
            .transpose()
    }

    fn text(&self, key: &str) -> Result<Option<&'a str>, ConfigError> {
        let wrong = || ConfigError::wrong(key, "text");
        self.file
            .get(key)
            .map(|value| value.as_str().ok_or_else(wrong))
            .transpose()
    }

    /// A number that is said once, or for each layer the same.
    fn uniform(&self, key: &str, layers: u32) -> Result<Option<u32>, ConfigError> {
        let Some(Value::Array(array)) = self.value(key) else {
            return self.number(key);
        };
        let wrong = || ConfigError::wrong(&self.full(key), "one number for all layers");
        let mut numbers = array.u64s().ok_or_else(wrong)?;
        let first = numbers.next().flatten().ok_or_else(wrong)?;
        let same = numbers.all(|number| number == Some(first));
        if !same || u32::try_from(array.len()) != Ok(layers) {
            return Err(wrong());
        }
        u32::try_from(first).map(Some).map_err(|_| wrong())
    }

    fn vocab(&self) -> Result<u32, ConfigError> {
        let rows = self
            .file
            .tensor("token_embd.weight")
            .map(crate::Tensor::rows);
        if let Some(rows) = rows {
            return u32::try_from(rows)
                .map_err(|_| ConfigError::wrong("token_embd.weight", "a matrix"));
        }
        if let Some(vocab) = self.number("vocab_size")? {
            return Ok(vocab);
        }
        let tokens = self
            .file
            .get("tokenizer.ggml.tokens")
            .and_then(Value::as_array);
        tokens
            .and_then(|tokens| u32::try_from(tokens.len()).ok())
            .ok_or_else(|| self.missing("vocab_size"))
    }

    fn heads(&self, hidden: u32, layers: u32) -> Result<Heads, ConfigError> {
        let query = self
            .uniform("attention.head_count", layers)?
            .ok_or_else(|| self.missing("attention.head_count"))?;
        let kv = self
            .uniform("attention.head_count_kv", layers)?
            .unwrap_or(query);
        let even = hidden.checked_div(query).unwrap_or(0);
        if query == 0 || kv == 0 {
            return Err(ConfigError::wrong("attention.head_count", "at least 1"));
        }
        let key_dim = self.number("attention.key_length")?.unwrap_or(even);
        let value_dim = self.number("attention.value_length")?.unwrap_or(even);
        Ok(Heads {
            query,
            kv,
            key_dim,
            value_dim,
        })
    }

    fn rope(&self, heads: &Heads, context: u32) -> Result<Rope, ConfigError> {
        let sliding = match self.family.architecture {
            Architecture::Gemma3 => Some(10_000.0),
            _ => None,
        };
        let key = "rope.dimension_count";
        Ok(Rope {
            theta: self.float("rope.freq_base")?.unwrap_or(10_000.0),
            theta_sliding: self.float("rope.freq_base_swa")?.or(sliding),
            dims: self.number(key)?.unwrap_or(heads.key_dim),
            scaling: self.scaling(context)?,
        })
    }

    fn scaling(&self, context: u32) -> Result<RopeScaling, ConfigError> {
        let original = self
            .number("rope.scaling.original_context_length")?
            .unwrap_or(context);
        let attention_factor = self.float("rope.scaling.attn_factor")?;
        if let (Some(short), Some(long)) = (
            self.factors("rope_factors_short.weight")?,
            self.factors("rope_factors_long.weight")?,
        ) {
            return Ok(RopeScaling::LongRope {
                short,
                long,
                original_context: original,
                attention_factor,
            });
        }
        if let Some(factors) = self.factors("rope_freqs.weight")? {
            return Ok(RopeScaling::Factors(factors));
        }
        let key = self.full("rope.scaling.type");
        let factor = self.float("rope.scaling.factor")?;
        let need = || factor.ok_or_else(|| self.missing("rope.scaling.factor"));
        match self.text(&key)? {
            None | Some("none") => Ok(RopeScaling::None),
            Some("linear") => Ok(RopeScaling::Linear { factor: need()? }),
            Some("yarn") => Ok(RopeScaling::Yarn(Yarn {
                factor: need()?,
                original_context: original,
                beta_fast: self.float("rope.scaling.yarn_beta_fast")?.unwrap_or(32.0),
                beta_slow: self.float("rope.scaling.yarn_beta_slow")?.unwrap_or(1.0),
                attention_factor: self
                    .float("rope.scaling.yarn_attn_factor")?
                    .or(attention_factor),
            })),
            Some(other) => Err(ConfigError::RopeScaling(crate::error::shown(other))),
        }
    }

    /// The floats of a small tensor.
    fn factors(&self, name: &str) -> Result<Option<Vec<f32>>, ConfigError> {
        let Some(tensor) = self.file.tensor(name) else {
            return Ok(None);
        };
        let wrong = || ConfigError::wrong(name, "a list of floats of 32 bits");
        let len = tensor.row_len();
        if tensor.ty() != TensorType::F32 || tensor.rows() != 1 || len > ROPE_FACTORS_MAX {
            return Err(wrong());
        }
        let mut factors = vec![0.0; len];
        dequantize_row(TensorType::F32, tensor.data(), &mut factors).map_err(|_| wrong())?;
        Ok(Some(factors))
    }

    fn norm(&self) -> Result<Norm, ConfigError> {
        let centred = self.family.layer_norm;
        let key = if centred {
            "attention.layer_norm_epsilon"
        } else {
            "attention.layer_norm_rms_epsilon"
        };
        let eps = self.float(key)?.ok_or_else(|| self.missing(key))?;
        Ok(Norm { centred, eps })
    }

    fn sliding(&self, layers: u32) -> Result<Option<Sliding>, ConfigError> {
        let window = self.number("attention.sliding_window")?.unwrap_or(0);
        if window == 0 {
            return Ok(None);
        }
        let key = "attention.sliding_window_pattern";
        let wrong = || ConfigError::wrong(&self.full(key), "a period, or a boolean for each layer");
        match self.value(key) {
            None => Ok(Some(periodic(window, layers, self.family.period))),
            Some(Value::Array(array)) => {
                let flags: Option<Vec<bool>> = array.items().map(|item| item.as_bool()).collect();
                let right = array.item_type() == ValueType::Bool
                    && u32::try_from(array.len()) == Ok(layers);
                let layers = flags.filter(|_| right).ok_or_else(wrong)?;
                Ok(Some(Sliding { window, layers }))
            }
            Some(_) => {
                let period = self.number(key).map_err(|_| wrong())?.unwrap_or(0);
                Ok(Some(periodic(window, layers, period)))
            }
        }
    }

    fn token(&self, key: &str) -> Result<Option<u32>, ConfigError> {
        let key = format!("tokenizer.ggml.{key}_token_id");
        whole(&key, self.file.get(&key))
    }

    fn tokens(&self) -> Result<SpecialTokens, ConfigError> {
        let mut eos = Vec::new();
        for key in ["eos", "eot", "eom"] {
            eos.extend(self.token(key)?.filter(|token| !eos.contains(token)));
        }
        Ok(SpecialTokens {
            bos: self.token("bos")?,
            eos,
            pad: self.token("padding")?,
        })
    }

    fn experts(&self) -> Result<Option<Experts>, ConfigError> {
        let count = self.number("expert_count")?.unwrap_or(0);
        if count == 0 {
            return Ok(None);
        }
        let ffn = match self.number("expert_feed_forward_length")? {
            Some(ffn) => ffn,
            None => self.need("feed_forward_length")?,
        };
        // Where the file does not say: Qwen2 takes the weights as they come, the others make them add up.
        let normalise = self.family.architecture != Architecture::Qwen2Moe;
        Ok(Some(Experts {
            count,
            used: self.need("expert_used_count")?,
            ffn,
            shared_ffn: self.number("expert_shared_feed_forward_length")?,
            normalise: self.flag("expert_weights_norm")?.unwrap_or(normalise),
        }))
    }

    fn scales(&self, heads: &Heads, hidden: u32) -> Result<Scales, ConfigError> {
        let gemma = matches!(
            self.family.architecture,
            Architecture::Gemma | Architecture::Gemma2 | Architecture::Gemma3
        );
        let embedding = if gemma { f64::from(hidden).sqrt() } else { 1.0 };
        let logit = self.float("logit_scale")?.unwrap_or(1.0);
        // Granite's number divides.
        let divides = self.family.architecture == Architecture::Granite;
        Ok(Scales {
            embedding: self.float("embedding_scale")?.unwrap_or(embedding),
            residual: self.float("residual_scale")?.unwrap_or(1.0),
            attention: self
                .float("attention.scale")?
                .unwrap_or_else(|| f64::from(heads.key_dim).sqrt().recip()),
            logit: if divides { logit.recip() } else { logit },
            attention_cap: self.float("attn_logit_softcapping")?,
            logit_cap: self.float("final_logit_softcapping")?,
        })
    }
}

/// A value as a count.
fn whole(key: &str, value: Option<&Value<'_>>) -> Result<Option<u32>, ConfigError> {
    let wrong = || ConfigError::wrong(key, "a whole number below 2^32");
    let Some(value) = value else {
        return Ok(None);
    };
    let number = value.as_u64().ok_or_else(wrong)?;
    u32::try_from(number).map(Some).map_err(|_| wrong())
}
