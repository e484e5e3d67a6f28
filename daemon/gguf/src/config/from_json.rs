//! A model's description out of the `config.json` beside safetensors, as transformers writes it: version 4 with
//! `rope_theta` and `rope_scaling`, version 5 with `rope_parameters`.

use serde_json::{Map, Value};

use super::{
    Architecture, ConfigError, Experts, FAMILIES, Family, Heads, ModelConfig, Norm, Rope,
    RopeScaling, Scales, Sliding, SpecialTokens, Yarn, periodic,
};

/// LIMIT: Bytes of a `config.json`.
pub const CONFIG_BYTES_MAX: usize = 1 << 20;

impl ModelConfig {
    /// What a `config.json` says of the model. The chat template is in another file.
    ///
    /// # Errors
    /// When it is no JSON object, the architecture is not known, a key is missing or wrong, or the numbers contradict
    /// each other.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ConfigError> {
        if bytes.len() > CONFIG_BYTES_MAX {
            return Err(ConfigError::Json("is larger than 1 MiB".to_owned()));
        }
        let all: Map<String, Value> = serde_json::from_slice(bytes)
            .map_err(|error| ConfigError::Json(crate::error::shown(&error.to_string())))?;
        // Models that also see keep the part that writes in an object of its own.
        let text = all.get("text_config").and_then(Value::as_object);
        let map = text.unwrap_or(&all);
        let name = map
            .get("model_type")
            .ok_or_else(|| ConfigError::Missing("model_type".to_owned()))?
            .as_str()
            .ok_or_else(|| ConfigError::wrong("model_type", "text"))?;
        let family = FAMILIES
            .iter()
            .find(|family| family.json.contains(&name))
            .ok_or_else(|| ConfigError::unknown(name))?;
        Keys { map, family }.config()
    }
}

/// The object of one model.
struct Keys<'a> {
    map: &'a Map<String, Value>,
    family: &'static Family,
}

/// An object within, where there is one.
type Part<'a> = Option<&'a Map<String, Value>>;

/// A key's value, unless it is `null`.
fn said<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    map.get(key).filter(|value| !value.is_null())
}

fn whole(key: &str, value: Option<&Value>) -> Result<Option<u32>, ConfigError> {
    let wrong = || ConfigError::wrong(key, "a whole number below 2^32");
    let number = value
        .map(|value| value.as_u64().ok_or_else(wrong))
        .transpose()?;
    number
        .map(|n| u32::try_from(n).map_err(|_| wrong()))
        .transpose()
}

fn real(key: &str, value: Option<&Value>) -> Result<Option<f64>, ConfigError> {
    let wrong = || ConfigError::wrong(key, "a number");
    value
        .map(|value| value.as_f64().ok_or_else(wrong))
        .transpose()
}

impl Keys<'_> {
    /// The number under the first of `keys` that is said.
    fn number(&self, keys: &[&str]) -> Result<Option<u32>, ConfigError> {
        for key in keys {
            if let Some(number) = whole(key, said(self.map, key))? {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    fn need(&self, key: &str) -> Result<u32, ConfigError> {
        self.number(&[key])?
            .ok_or_else(|| ConfigError::Missing(key.to_owned()))
    }

    fn float(&self, key: &str) -> Result<Option<f64>, ConfigError> {
        real(key, said(self.map, key))
    }

    fn flag(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        let wrong = || ConfigError::wrong(key, "a boolean");
        said(self.map, key)
            .map(|value| value.as_bool().ok_or_else(wrong))
            .transpose()
    }

    fn config(&self) -> Result<ModelConfig, ConfigError> {
        let layers = self.need("num_hidden_layers")?;
        if layers > super::LAYERS_MAX {
            return Err(ConfigError::wrong("num_hidden_layers", "at most 1024"));
        }
        let hidden = self.need("hidden_size")?;
        let heads = self.heads(hidden)?;
        let context = self.need("max_position_embeddings")?;
        let config = ModelConfig {
            architecture: self.family.architecture,
            layers,
            hidden,
            vocab: self.need("vocab_size")?,
            context,
            heads,
            ffn: self.need("intermediate_size")?,
            rope: self.rope(&heads, context)?,
            norm: self.norm()?,
            sliding: self.sliding(layers)?,
            tied: self
                .flag("tie_word_embeddings")?
                .unwrap_or(self.family.tied),
            tokens: self.tokens()?,
            chat_template: None,
            experts: self.experts()?,
            scales: self.scales(&heads, hidden)?,
        };
        config.checked()
    }

    fn heads(&self, hidden: u32) -> Result<Heads, ConfigError> {
        let query = self.need("num_attention_heads")?;
        if query == 0 {
            return Err(ConfigError::wrong("num_attention_heads", "at least 1"));
        }
        let kv = self.number(&["num_key_value_heads"])?.unwrap_or(query);
        if kv == 0 {
            return Err(ConfigError::wrong("num_key_value_heads", "at least 1"));
        }
        let dim = self.number(&["head_dim"])?.unwrap_or(hidden / query);
        Ok(Heads {
            query,
            kv,
            key_dim: dim,
            value_dim: dim,
        })
    }

    /// The objects that speak of rotation: those of full layers and those of sliding ones.
    fn rope_objects(&self) -> (Part<'_>, Part<'_>) {
        let object = |key| said(self.map, key).and_then(Value::as_object);
        let all = object("rope_parameters").or_else(|| object("rope_scaling"));
        let inner = |key| {
            all.and_then(|all| said(all, key))
                .and_then(Value::as_object)
        };
        match inner("full_attention") {
            Some(full) => (Some(full), inner("sliding_attention")),
            None => (all, None),
        }
    }

    fn rope(&self, heads: &Heads, context: u32) -> Result<Rope, ConfigError> {
        let (full, sliding) = self.rope_objects();
        let within = |map: Part<'_>, key: &str| real(key, map.and_then(|map| said(map, key)));
        let theta = within(full, "rope_theta")?.or(self.float("rope_theta")?);
        let theta_sliding = within(sliding, "rope_theta")?.or(self.float("rope_local_base_freq")?);
        let default = match self.family.architecture {
            Architecture::Gemma3 => (1_000_000.0, Some(10_000.0)),
            _ => (10_000.0, None),
        };
        let part = within(full, "partial_rotary_factor")?
            .or(self.float("partial_rotary_factor")?)
            .unwrap_or(match self.family.architecture {
                Architecture::Glm4 => 0.5,
                Architecture::StableLm => 0.25,
                _ => 1.0,
            });
        Ok(Rope {
            theta: theta.unwrap_or(default.0),
            theta_sliding: theta_sliding.or(default.1),
            dims: rotated(heads.key_dim, part)?,
            scaling: match full {
                Some(map) => self.scaling(map, context)?,
                None => RopeScaling::None,
            },
        })
    }

    fn scaling(&self, map: &Map<String, Value>, context: u32) -> Result<RopeScaling, ConfigError> {
        let kind = said(map, "rope_type").or_else(|| said(map, "type"));
        let kind = match kind {
            Some(kind) => kind
                .as_str()
                .ok_or_else(|| ConfigError::wrong("rope_type", "text"))?,
            None => "default",
        };
        let float = |key: &str| real(key, said(map, key));
        let need = |key: &str| float(key)?.ok_or_else(|| ConfigError::Missing(key.to_owned()));
        let key = "original_max_position_embeddings";
        let original_context = match whole(key, said(map, key))? {
            Some(original) => original,
            None => self.number(&[key])?.unwrap_or(context),
        };
        match kind {
            "default" => Ok(RopeScaling::None),
            "linear" => Ok(RopeScaling::Linear {
                factor: need("factor")?,
            }),
            "llama3" => Ok(RopeScaling::Llama3 {
                factor: need("factor")?,
                low: need("low_freq_factor")?,
                high: need("high_freq_factor")?,
                original_context,
            }),
            "yarn" => Ok(RopeScaling::Yarn(Yarn {
                factor: need("factor")?,
                original_context,
                beta_fast: float("beta_fast")?.unwrap_or(32.0),
                beta_slow: float("beta_slow")?.unwrap_or(1.0),
                attention_factor: float("attention_factor")?,
            })),
            "longrope" | "su" => Ok(RopeScaling::LongRope {
                short: factors(map, "short_factor")?,
                long: factors(map, "long_factor")?,
                original_context,
                attention_factor: float("attention_factor")?,
            }),
            other => Err(ConfigError::RopeScaling(crate::error::shown(other))),
        }
    }

    fn norm(&self) -> Result<Norm, ConfigError> {
        let mut eps = None;
        for key in ["rms_norm_eps", "layer_norm_eps", "norm_epsilon"] {
            eps = eps.or(self.float(key)?);
        }
        Ok(Norm {
            centred: self.family.layer_norm,
            eps: eps.ok_or_else(|| ConfigError::Missing("rms_norm_eps".to_owned()))?,
        })
    }

    fn sliding(&self, layers: u32) -> Result<Option<Sliding>, ConfigError> {
        let Some(window) = self
            .number(&["sliding_window"])?
            .filter(|&window| window > 0)
        else {
            return Ok(None);
        };
        if self.flag("use_sliding_window")? == Some(false) {
            return Ok(None);
        }
        let sliding = match said(self.map, "layer_types") {
            Some(types) => {
                let layers = listed(types, layers).ok_or_else(|| {
                    ConfigError::wrong(
                        "layer_types",
                        "full_attention or sliding_attention for each layer",
                    )
                })?;
                Sliding { window, layers }
            }
            None if self.flag("use_sliding_window")? == Some(true) => {
                let first = self.number(&["max_window_layers"])?.unwrap_or(0);
                let layers = (0..layers).map(|layer| layer >= first).collect();
                Sliding { window, layers }
            }
            None => {
                let period = self.number(&["sliding_window_pattern", "_sliding_window_pattern"])?;
                periodic(window, layers, period.unwrap_or(self.family.period))
            }
        };
        Ok(Some(sliding).filter(|sliding| sliding.layers.contains(&true)))
    }

    fn tokens(&self) -> Result<SpecialTokens, ConfigError> {
        let key = "eos_token_id";
        let eos = match said(self.map, key) {
            Some(Value::Array(all)) => {
                let all: Result<Vec<_>, _> = all.iter().map(|one| whole(key, Some(one))).collect();
                all?.into_iter().flatten().collect()
            }
            one => whole(key, one)?.into_iter().collect(),
        };
        Ok(SpecialTokens {
            bos: self.number(&["bos_token_id"])?,
            eos,
            pad: self.number(&["pad_token_id"])?,
        })
    }

    fn experts(&self) -> Result<Option<Experts>, ConfigError> {
        let count = self
            .number(&["num_local_experts", "num_experts"])?
            .unwrap_or(0);
        if count == 0 {
            return Ok(None);
        }
        let qwen2 = self.family.architecture == Architecture::Qwen2Moe;
        let ffn = match self.number(&["moe_intermediate_size"])? {
            Some(ffn) => ffn,
            None => self.need("intermediate_size")?,
        };
        Ok(Some(Experts {
            count,
            used: self.need("num_experts_per_tok")?,
            ffn,
            shared_ffn: self.number(&["shared_expert_intermediate_size"])?,
            normalise: self.flag("norm_topk_prob")?.unwrap_or(!qwen2),
        }))
    }

    fn scales(&self, heads: &Heads, hidden: u32) -> Result<Scales, ConfigError> {
        let gemma = matches!(
            self.family.architecture,
            Architecture::Gemma | Architecture::Gemma2 | Architecture::Gemma3
        );
        let embedding = if gemma { f64::from(hidden).sqrt() } else { 1.0 };
        let scalar = self.float("query_pre_attn_scalar")?;
        let attention = scalar
            .unwrap_or_else(|| heads.key_dim.into())
            .sqrt()
            .recip();
        let divisor = self.float("logits_scaling")?.map(f64::recip);
        Ok(Scales {
            embedding: self.float("embedding_multiplier")?.unwrap_or(embedding),
            residual: self.float("residual_multiplier")?.unwrap_or(1.0),
            attention: self.float("attention_multiplier")?.unwrap_or(attention),
            logit: self.float("logit_scale")?.or(divisor).unwrap_or(1.0),
            attention_cap: self.float("attn_logit_softcapping")?,
            logit_cap: self.float("final_logit_softcapping")?,
        })
    }
}

/// Elements of a head that are turned when a part of it is.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and the head's own size"
)]
fn rotated(head: u32, part: f64) -> Result<u32, ConfigError> {
    if !(part > 0.0 && part <= 1.0) {
        return Err(ConfigError::wrong(
            "partial_rotary_factor",
            "above 0 and at most 1",
        ));
    }
    Ok((f64::from(head) * part) as u32)
}

/// Which layers slide, if exactly that is said.
fn listed(types: &Value, layers: u32) -> Option<Vec<bool>> {
    let types = types.as_array()?;
    if u32::try_from(types.len()) != Ok(layers) {
        return None;
    }
    let slides = |ty: &Value| match ty.as_str() {
        Some("sliding_attention") => Some(true),
        Some("full_attention") => Some(false),
        _ => None,
    };
    types.iter().map(slides).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "factors are floats of 32 bits"
)]
fn factors(map: &Map<String, Value>, key: &str) -> Result<Vec<f32>, ConfigError> {
    let wrong = || ConfigError::wrong(key, "a list of numbers");
    let list = said(map, key).and_then(Value::as_array).ok_or_else(wrong)?;
    list.iter()
        .map(|factor| Ok(factor.as_f64().ok_or_else(wrong)? as f32))
        .collect()
}
