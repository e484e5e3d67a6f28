//! Finding every tensor of a model, checking its shape, and counting what it will take. Nothing is packed here.

use fak_gguf::{Experts, ModelConfig};

use crate::{
    arch::{Arch, ExpertNames, QkNorm, arch},
    error::LoadError,
    forward::scratch_numbers,
    kv::KvLayout,
    model::{Ffn, Half, Layer, Linear, LoadOptions, MemoryPlan, Moe, Parts, Shared},
    rope::{FULL, SLIDING},
    source::{Order, Source, Tensors, Weight},
};

/// LIMIT: rows of one forward pass, whatever the options say.
pub const ROWS_MAX: usize = 8192;

/// A model that could be packed.
pub(crate) struct Blueprint<'a> {
    pub(crate) arch: &'static Arch,
    pub(crate) parts: Parts<Weight<'a>>,
    pub(crate) layout: KvLayout,
    pub(crate) plan: MemoryPlan,
}

pub(crate) fn blueprint<'a>(
    config: &ModelConfig,
    source: Source<'a>,
    options: &LoadOptions,
) -> Result<Blueprint<'a>, LoadError> {
    let arch = arch(config.architecture)
        .ok_or_else(|| LoadError::Architecture(config.architecture.name()))?;
    supported(config, options)?;
    let layout = KvLayout::new(config, options.kv)
        .ok_or(LoadError::Unsupported("heads of that many numbers"))?;
    let mut finder = Finder {
        config,
        arch,
        tensors: Tensors::new(source),
    };
    let parts = finder.parts()?;
    finder.tensors.all_used()?;
    let kv_page_bytes = layout.page_bytes() as u64;
    Ok(Blueprint {
        arch,
        parts,
        layout,
        plan: MemoryPlan {
            weight_bytes: finder.tensors.bytes,
            kv_page_bytes,
            kv_token_bytes: kv_page_bytes / fak_simd::PAGE_TOKENS as u64,
            scratch_bytes: 4 * scratch_numbers(config).saturating_mul(options.rows_max as u64),
        },
    })
}

fn supported(config: &ModelConfig, options: &LoadOptions) -> Result<(), LoadError> {
    let refused = [
        (config.norm.centred, "layer norms"),
        (
            config.heads.key_dim != config.heads.value_dim,
            "keys and values of different sizes",
        ),
        (
            options.rows_max == 0 || options.rows_max > ROWS_MAX,
            "that many rows in one pass",
        ),
    ];
    match refused.into_iter().find(|(holds, _)| *holds) {
        Some((_, what)) => Err(LoadError::Unsupported(what)),
        None => Ok(()),
    }
}

/// Names of one tensor: GGUF's and safetensors'.
type Names<'n> = (&'n str, &'n str);

struct Finder<'c, 'a> {
    config: &'c ModelConfig,
    arch: &'static Arch,
    tensors: Tensors<'a>,
}

impl<'a> Finder<'_, 'a> {
    fn parts(&mut self) -> Result<Parts<Weight<'a>>, LoadError> {
        let (hidden, vocab) = (self.config.hidden as usize, self.config.vocab as usize);
        let name = self
            .tensors
            .name("token_embd", "model.embed_tokens", ".weight");
        let embedding = self.tensors.weight(name, &[hidden, vocab])?;
        let name = self.tensors.name("output", "lm_head", ".weight");
        let head = if self.config.tied {
            // Some exporters write the embedding twice.
            self.tensors.skip(&name);
            None
        } else {
            Some(self.tensors.weight(name, &[hidden, vocab])?)
        };
        for name in [
            "rope_freqs.weight",
            "rope_factors_short.weight",
            "rope_factors_long.weight",
        ] {
            if self.tensors.is_gguf() {
                // The configuration holds these.
                self.tensors.skip(name);
            }
        }
        let name = self.tensors.name("output_norm", "model.norm", ".weight");
        let norm = self.norm(name, hidden)?;
        let layers = (0..self.config.layers as usize)
            .map(|index| self.layer(index))
            .collect::<Result<_, _>>()?;
        Ok(Parts {
            embedding,
            head,
            norm,
            layers,
        })
    }

    /// The name of a tensor of a layer, without its end.
    fn stem(&self, layer: usize, names: Names<'_>) -> String {
        if self.tensors.is_gguf() {
            format!("blk.{layer}.{}", names.0)
        } else {
            format!("model.layers.{layer}.{}", names.1)
        }
    }

    fn norm(&mut self, name: String, len: usize) -> Result<Vec<f32>, LoadError> {
        let mut weight = self.tensors.numbers(name, &[len])?;
        if self.arch.plus_one && !self.tensors.is_gguf() {
            weight.iter_mut().for_each(|w| *w += 1.0);
        }
        Ok(weight)
    }

    fn layer_norm(
        &mut self,
        layer: usize,
        names: (Option<&str>, Option<&str>),
    ) -> Result<Option<Vec<f32>>, LoadError> {
        let (Some(gguf), Some(safetensors)) = names else {
            return Ok(None);
        };
        let name = self.stem(layer, (gguf, safetensors)) + ".weight";
        self.norm(name, self.config.hidden as usize).map(Some)
    }

    fn linear(
        &mut self,
        layer: usize,
        names: Names<'_>,
        (rows, columns): (usize, usize),
        must_be_biased: bool,
    ) -> Result<Linear<Weight<'a>>, LoadError> {
        let stem = self.stem(layer, names);
        let matrix = self
            .tensors
            .weight(format!("{stem}.weight"), &[columns, rows])?;
        let bias = format!("{stem}.bias");
        let bias = if must_be_biased {
            Some(self.tensors.numbers(bias, &[rows])?)
        } else {
            self.tensors.maybe_numbers(bias, &[rows])?
        };
        Ok(Linear { matrix, bias })
    }

    fn layer(&mut self, index: usize) -> Result<Layer<Weight<'a>>, LoadError> {
        let (norms, gguf) = (self.arch.norms, self.arch.gguf_norms);
        let heads = self.config.heads;
        let (hidden, dim) = (self.config.hidden as usize, heads.key_dim as usize);
        let (query, kv) = (heads.query as usize * dim, heads.kv as usize * dim);
        let slides = self
            .config
            .sliding
            .as_ref()
            .filter(|sliding| sliding.layers.get(index) == Some(&true));
        let period = self.arch.unturned_period;
        let is_turned = period == 0 || !(index + 1).is_multiple_of(period);
        let turn = if slides.is_some() { SLIDING } else { FULL };
        let before = (gguf.before_attention, norms.before_attention);
        let after = (gguf.after_attention, norms.after_attention);
        let [q, k, v] = self.qkv(index, [query, kv, kv])?;
        Ok(Layer {
            before_attention: self.layer_norm(index, before)?,
            after_attention: self.layer_norm(index, after)?,
            before_ffn: self.layer_norm(index, (gguf.before_ffn, norms.before_ffn))?,
            after_ffn: self.layer_norm(index, (gguf.after_ffn, norms.after_ffn))?,
            q,
            k,
            v,
            o: self.linear(
                index,
                ("attn_output", "self_attn.o_proj"),
                (hidden, query),
                false,
            )?,
            q_norm: self.head_norm(index, ("attn_q_norm", "self_attn.q_norm"), (dim, query))?,
            k_norm: self.head_norm(index, ("attn_k_norm", "self_attn.k_norm"), (dim, kv))?,
            sinks: self.sinks(index, heads.query as usize)?,
            half: match self.config.experts {
                Some(experts) => Half::Experts(self.experts(index, &experts)?),
                None => Half::Dense(self.dense(index)?),
            },
            window: slides.map(|sliding| sliding.window as usize),
            turn: is_turned.then_some(turn),
        })
    }

    fn qkv(
        &mut self,
        layer: usize,
        rows: [usize; 3],
    ) -> Result<[Linear<Weight<'a>>; 3], LoadError> {
        let hidden = self.config.hidden as usize;
        let fused = self.stem(layer, ("attn_qkv", "self_attn.qkv_proj")) + ".weight";
        if self.tensors.has(&fused) {
            let all = self
                .tensors
                .weight(fused, &[hidden, rows.iter().sum::<usize>()])?;
            let [q, k, v] = rows;
            let part = |first, rows| split(&all, first, rows);
            return Ok([part(0, q)?, part(q, k)?, part(q + k, v)?]);
        }
        let biased = self.arch.qkv_biased;
        let [q, k, v] = rows.map(|rows| (rows, hidden));
        let mut q = self.linear(layer, ("attn_q", "self_attn.q_proj"), q, biased)?;
        let mut k = self.linear(layer, ("attn_k", "self_attn.k_proj"), k, biased)?;
        let v = self.linear(layer, ("attn_v", "self_attn.v_proj"), v, biased)?;
        if self.arch.gguf_interleaved && self.tensors.is_gguf() {
            let head = self.config.heads.key_dim as usize;
            for linear in [&mut q, &mut k] {
                linear.matrix.order = Order::Interleaved(head);
                if let Some(bias) = &mut linear.bias {
                    *bias = parted(bias, head);
                }
            }
        }
        Ok([q, k, v])
    }

    fn head_norm(
        &mut self,
        layer: usize,
        names: Names<'_>,
        (head, whole): (usize, usize),
    ) -> Result<Option<Vec<f32>>, LoadError> {
        let name = self.stem(layer, names) + ".weight";
        match self.arch.qk_norm {
            QkNorm::None => Ok(None),
            QkNorm::Head => self.norm(name, head).map(Some),
            QkNorm::Whole => self.norm(name, whole).map(Some),
        }
    }

    fn sinks(&mut self, layer: usize, heads: usize) -> Result<Option<Vec<f32>>, LoadError> {
        if !self.arch.sinks {
            return Ok(None);
        }
        let name = self.stem(layer, ("attn_sinks.weight", "self_attn.sinks"));
        self.tensors.numbers(name, &[heads]).map(Some)
    }

    fn dense(&mut self, layer: usize) -> Result<Ffn<Weight<'a>>, LoadError> {
        let (hidden, ffn) = (self.config.hidden as usize, self.config.ffn as usize);
        // GGUF files without a gate hold it in front of `ffn_up`.
        let gate = self.stem(layer, ("ffn_gate", "mlp.gate_proj")) + ".weight";
        let down = self.linear(layer, ("ffn_down", "mlp.down_proj"), (hidden, ffn), false)?;
        let fused = self.stem(layer, ("ffn_up", "mlp.gate_up_proj")) + ".weight";
        if !self.tensors.has(&gate) && self.tensors.has(&fused) {
            let both = self.tensors.weight(fused, &[hidden, 2 * ffn])?;
            return Ok(Ffn {
                gate: split(&both, 0, ffn)?,
                up: split(&both, ffn, ffn)?,
                down,
            });
        }
        let wide = (ffn, hidden);
        Ok(Ffn {
            gate: self.linear(layer, ("ffn_gate", "mlp.gate_proj"), wide, false)?,
            up: self.linear(layer, ("ffn_up", "mlp.up_proj"), wide, false)?,
            down,
        })
    }

    fn experts(&mut self, layer: usize, experts: &Experts) -> Result<Moe<Weight<'a>>, LoadError> {
        let (hidden, count) = (self.config.hidden as usize, experts.count as usize);
        let router = match self.arch.experts {
            ExpertNames::Single { router, .. } | ExpertNames::Packed { router, .. } => router,
        };
        let router = self.linear(layer, ("ffn_gate_inp", router), (count, hidden), false)?;
        let sizes = (count, hidden, experts.ffn as usize);
        let experts_of = match (self.tensors.is_gguf(), self.arch.experts) {
            (true, _) => self.stacked_experts(layer, sizes)?,
            (false, ExpertNames::Packed { gate_up, down, .. }) => {
                self.packed_experts(layer, sizes, (gate_up, down))?
            }
            (
                false,
                ExpertNames::Single {
                    prefix, matrices, ..
                },
            ) => self.single_experts(layer, sizes, (prefix, matrices))?,
        };
        Ok(Moe {
            router,
            experts: experts_of,
            used: experts.used as usize,
            normalise: experts.normalise,
            shared: match experts.shared_ffn {
                Some(ffn) => Some(self.shared(layer, (ffn as usize, hidden))?),
                None => None,
            },
        })
    }

    /// The expert every token is sent to.
    fn shared(
        &mut self,
        layer: usize,
        wide: (usize, usize),
    ) -> Result<Shared<Weight<'a>>, LoadError> {
        let (ffn, hidden) = wide;
        let gate = ("ffn_gate_inp_shexp", "mlp.shared_expert_gate");
        let name = self.stem(layer, gate) + ".weight";
        let dims: &[usize] = if self.tensors.is_gguf() {
            &[hidden]
        } else {
            &[hidden, 1]
        };
        let gate = self.tensors.weight(name, dims)?;
        let mut part =
            |gguf, safetensors, shape| self.linear(layer, (gguf, safetensors), shape, false);
        Ok(Shared {
            gate,
            expert: Ffn {
                gate: part("ffn_gate_shexp", "mlp.shared_expert.gate_proj", wide)?,
                up: part("ffn_up_shexp", "mlp.shared_expert.up_proj", wide)?,
                down: part(
                    "ffn_down_shexp",
                    "mlp.shared_expert.down_proj",
                    (hidden, ffn),
                )?,
            },
        })
    }

    fn single_experts(
        &mut self,
        layer: usize,
        (count, hidden, ffn): (usize, usize, usize),
        (prefix, [gate, up, down]): (&str, [&str; 3]),
    ) -> Result<Vec<Ffn<Weight<'a>>>, LoadError> {
        (0..count)
            .map(|index| {
                let mut one = |name: &str, shape| {
                    let name = format!("{prefix}.{index}.{name}");
                    self.linear(layer, ("", &name), shape, false)
                };
                Ok(Ffn {
                    gate: one(gate, (ffn, hidden))?,
                    up: one(up, (ffn, hidden))?,
                    down: one(down, (hidden, ffn))?,
                })
            })
            .collect()
    }

    /// Experts as GGUF holds them: one tensor of three dimensions for each matrix.
    fn stacked_experts(
        &mut self,
        layer: usize,
        (count, hidden, ffn): (usize, usize, usize),
    ) -> Result<Vec<Ffn<Weight<'a>>>, LoadError> {
        let mut stack = |name: &str, rows: usize, columns: usize| {
            let stem = format!("blk.{layer}.{name}");
            let all = self
                .tensors
                .weight(format!("{stem}.weight"), &[columns, rows, count])?;
            let bias = self
                .tensors
                .maybe_numbers(format!("{stem}.bias"), &[rows, count])?;
            (0..count)
                .map(|index| {
                    let bias = bias.as_ref().and_then(|bias| bias.chunks(rows).nth(index));
                    let mut linear = split(&all, index * rows, rows)?;
                    linear.bias = bias.map(<[f32]>::to_vec);
                    Ok(linear)
                })
                .collect::<Result<Vec<_>, LoadError>>()
        };
        let gates = stack("ffn_gate_exps", ffn, hidden)?;
        let ups = stack("ffn_up_exps", ffn, hidden)?;
        let downs = stack("ffn_down_exps", hidden, ffn)?;
        let both = gates.into_iter().zip(ups).zip(downs);
        Ok(both
            .map(|((gate, up), down)| Ffn { gate, up, down })
            .collect())
    }

    /// Experts with inputs and outputs exchanged, gate and up interleaved.
    fn packed_experts(
        &mut self,
        layer: usize,
        (count, hidden, ffn): (usize, usize, usize),
        (gate_up, down): (&str, &str),
    ) -> Result<Vec<Ffn<Weight<'a>>>, LoadError> {
        let gate_up = self.stem(layer, ("", gate_up));
        let down = self.stem(layer, ("", down));
        let wide_bias = format!("{gate_up}_bias");
        let wide_bias = self.tensors.numbers(wide_bias, &[2 * ffn, count])?;
        let down_bias = self
            .tensors
            .numbers(format!("{down}_bias"), &[hidden, count])?;
        let wide = self.tensors.weight(gate_up, &[2 * ffn, hidden, count])?;
        let down = self.tensors.weight(down, &[hidden, ffn, count])?;
        let biases = wide_bias.chunks(2 * ffn).zip(down_bias.chunks(hidden));
        (0..count)
            .zip(biases)
            .map(|(index, (wide_bias, down_bias))| {
                let every =
                    |first: usize| wide_bias.iter().skip(first).step_by(2).copied().collect();
                let part = split(&wide, index * hidden, hidden)?.matrix;
                let half = |first| Linear {
                    matrix: turned(&part, (ffn, hidden), first, 2),
                    bias: Some(every(first)),
                };
                let part = split(&down, index * ffn, ffn)?.matrix;
                Ok(Ffn {
                    gate: half(0),
                    up: half(1),
                    down: Linear {
                        matrix: turned(&part, (hidden, ffn), 0, 1),
                        bias: Some(down_bias.to_vec()),
                    },
                })
            })
            .collect()
    }
}

fn turned<'a>(
    part: &Weight<'a>,
    (rows, columns): (usize, usize),
    first: usize,
    step: usize,
) -> Weight<'a> {
    Weight {
        rows,
        columns,
        order: Order::Turned { first, step },
        ..part.clone()
    }
}

/// Some rows of a tensor, without a bias.
fn split<'a>(all: &Weight<'a>, first: usize, rows: usize) -> Result<Linear<Weight<'a>>, LoadError> {
    let missing = || LoadError::Missing(all.name.clone());
    Ok(Linear {
        matrix: all.part(first, rows).ok_or_else(missing)?,
        bias: None,
    })
}

/// The interleaved halves of each head, one behind the other.
fn parted(numbers: &[f32], head: usize) -> Vec<f32> {
    let halves = |head: &[f32]| -> Vec<f32> {
        let half = |first| head.iter().skip(first).step_by(2).copied();
        half(0).chain(half(1)).collect()
    };
    numbers.chunks(head).flat_map(halves).collect()
}
