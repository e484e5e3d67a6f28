//! The forward pass.
//!
//! Rows of several sequences go through the layers together. What a row comes to depends on the model and on the ordered
//! tokens it sees, and on nothing else, to the bit: every kernel treats rows by themselves, experts are added in the order
//! of their numbers, and what a row does not see is in none of its sums.

use fak_gguf::ModelConfig;
use fak_simd::{Angles, Attention, Compute, Gate, KvSequence, Matrix, Product, RopeStyle};

use crate::{
    arch::Bend,
    batch::{Plan, Row, Sequence, pages_of, windowed, write_rows},
    error::ForwardError,
    experts,
    kv::KvMemory,
    math::soft_cap,
    model::{Ffn, Half, Layer, Linear, Model},
};

/// Called between layers with the number of layers done and the residual stream, row by row; `false` stops the pass. Behind
/// the last layer there are only the rows whose logits are wanted.
pub type Watch<'w> = &'w mut dyn FnMut(usize, &[f32]) -> bool;

/// Threads, kernels and buffers for forward passes of any model.
#[derive(Debug)]
pub struct Runner {
    pub(crate) compute: Compute,
    buffers: Buffers,
}

/// Everything a pass writes beside the cache, one row behind the other.
#[derive(Debug, Default)]
struct Buffers {
    /// The residual stream.
    x: Vec<f32>,
    /// What a half layer reads.
    h: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    /// What attention gives.
    a: Vec<f32>,
    /// What a half layer gives, where it is not added at once.
    y: Vec<f32>,
    logits: Vec<f32>,
    ffn: FfnBuffers,
    experts: experts::Buffers,
    angles: Vec<Angles>,
}

/// Between the halves of a feed-forward.
#[derive(Debug, Default)]
pub(crate) struct FfnBuffers {
    gate: Vec<f32>,
    up: Vec<f32>,
}

/// Numbers a row takes in the buffers, logits included.
pub(crate) fn scratch_numbers(config: &ModelConfig) -> u64 {
    let heads = config.heads;
    let attention = u64::from(heads.query + heads.kv) * u64::from(heads.key_dim) * 2;
    let experts = config.experts.map_or(0, |experts| {
        let wide = experts.ffn.max(experts.shared_ffn.unwrap_or(0));
        u64::from(experts.count) + 2 * u64::from(config.hidden) + 2 * u64::from(wide)
    });
    3 * u64::from(config.hidden)
        + attention
        + 2 * u64::from(config.ffn)
        + u64::from(config.vocab)
        + 2 * u64::from(config.rope.dims)
        + experts
}

/// Makes `buffer` as long as needed; what is in it is about to be written.
pub(crate) fn fit(buffer: &mut Vec<f32>, len: usize) {
    buffer.resize(len, 0.0);
}

/// The nearest number of 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "this is the one rounding")]
fn single(x: f64) -> f32 {
    x as f32
}

fn multiply_all(x: &mut [f32], factor: f64) {
    let factor = single(factor);
    if factor.to_bits() != 1.0_f32.to_bits() {
        x.iter_mut().for_each(|x| *x *= factor);
    }
}

impl Runner {
    /// Passes on these kernels and threads.
    #[must_use]
    pub fn new(compute: Compute) -> Runner {
        Runner {
            compute,
            buffers: Buffers::default(),
        }
    }

    /// The logits of the last pass, to be changed by whoever chooses among them.
    pub(crate) fn logits(&mut self) -> &mut [f32] {
        &mut self.buffers.logits
    }

    /// The kernels and threads.
    pub fn compute(&mut self) -> &mut Compute {
        &mut self.compute
    }

    /// Computes the new rows of all sequences, writes their keys and values, and gives the logits that were asked for, row
    /// by row in the batch's order.
    ///
    /// The bits of a row depend on the model and on the tokens and positions of what it sees, in order. They do not depend
    /// on the batch, the chunks a text was run in, the number of threads, the instruction set or the pages' numbers.
    ///
    /// # Errors
    /// When the batch does not fit the model or the memory. Nothing was written then, unless the watch stopped the pass.
    pub fn forward(
        &mut self,
        model: &Model,
        kv: &mut dyn KvMemory,
        batch: &[Sequence<'_>],
        watch: Watch<'_>,
    ) -> Result<&[f32], ForwardError> {
        let mut plan = Plan::new(model, kv, batch)?;
        self.embed(model, &plan);
        let stopped = |go_on: bool| {
            if go_on {
                Ok(())
            } else {
                Err(ForwardError::Stopped)
            }
        };
        stopped(watch(0, &self.buffers.x))?;
        for (index, layer) in model.parts.layers.iter().enumerate() {
            self.attention(model, (index, layer), kv, (batch, &mut plan))?;
            self.feed_forward(model, layer)?;
            stopped(watch(index + 1, &self.buffers.x))?;
        }
        self.head(model)?;
        Ok(&self.buffers.logits)
    }

    fn embed(&mut self, model: &Model, plan: &Plan) {
        let hidden = model.config.hidden as usize;
        let b = &mut self.buffers;
        fit(&mut b.x, plan.rows.len() * hidden);
        for (row, x) in plan.rows.iter().zip(b.x.chunks_mut(hidden)) {
            // The token was checked, so the row is there.
            let _ = model.parts.embedding.read_row(row.token as usize, x);
        }
        multiply_all(&mut b.x, model.config.scales.embedding);
        let positions: Vec<u32> = plan.rows.iter().map(|row| row.position).collect();
        b.angles.resize_with(model.turns.len(), Angles::default);
        for (angles, turn) in b.angles.iter_mut().zip(&model.turns) {
            angles.fill(&turn.frequencies, &positions, turn.magnitude);
        }
    }

    /// Norms the residual stream into `h`.
    fn before(&mut self, model: &Model, norm: Option<&[f32]>) -> Result<(), ForwardError> {
        let b = &mut self.buffers;
        fit(&mut b.h, b.x.len());
        match norm {
            Some(weight) => {
                let eps = single(model.config.norm.eps);
                self.compute.rms_norm(&b.x, weight, eps, &mut b.h)?;
            }
            None => b.h.copy_from_slice(&b.x),
        }
        Ok(())
    }

    /// Norms what a half layer gave and adds it to the residual stream.
    fn after(&mut self, model: &Model, norm: Option<&[f32]>) -> Result<(), ForwardError> {
        let b = &mut self.buffers;
        if let Some(weight) = norm {
            let eps = single(model.config.norm.eps);
            self.compute.rms_norm_in_place(&mut b.y, weight, eps)?;
        }
        multiply_all(&mut b.y, model.config.scales.residual);
        self.compute.add(&mut b.x, &b.y)?;
        Ok(())
    }

    fn attention(
        &mut self,
        model: &Model,
        (index, layer): (usize, &Layer<Matrix>),
        kv: &mut dyn KvMemory,
        (batch, plan): (&[Sequence<'_>], &mut Plan),
    ) -> Result<(), ForwardError> {
        let heads = model.config.heads;
        let (query, own) = (heads.query as usize, heads.kv as usize);
        let (dim, hidden) = (heads.key_dim as usize, model.config.hidden as usize);
        let rows = plan.rows.len();
        self.before(model, layer.before_attention.as_deref())?;
        let b = &mut self.buffers;
        fit(&mut b.q, rows * query * dim);
        fit(&mut b.k, rows * own * dim);
        fit(&mut b.v, rows * own * dim);
        let products = vec![
            product(&layer.q, &mut b.q),
            product(&layer.k, &mut b.k),
            product(&layer.v, &mut b.v),
        ];
        self.compute.multiply(&b.h, hidden, products)?;
        let eps = single(model.config.norm.eps);
        for (x, norm, heads) in [
            (&mut b.q, &layer.q_norm, query),
            (&mut b.k, &layer.k_norm, own),
        ] {
            if let Some(weight) = norm {
                self.compute.rms_norm_in_place(x, weight, eps)?;
            }
            if let Some(angles) = layer.turn.and_then(|turn| b.angles.get(turn)) {
                let style = if model.arch.adjacent {
                    RopeStyle::Norm
                } else {
                    RopeStyle::Neox
                };
                self.compute.rope(x, heads, dim, angles, style)?;
            }
        }
        write_rows(model, index, kv, plan, (&b.k, &b.v))?;
        if index + 1 == model.parts.layers.len() {
            // Of rows without logits, nobody reads what comes behind the last keys and values.
            retain(&mut b.x, hidden, &plan.rows);
            retain(&mut b.q, query * dim, &plan.rows);
            plan.retain_wanted();
        }
        self.attend(model, (index, layer), kv, (batch, plan))
    }

    /// From Q and what is in the pages to the residual stream.
    fn attend(
        &mut self,
        model: &Model,
        (index, layer): (usize, &Layer<Matrix>),
        kv: &dyn KvMemory,
        (batch, plan): (&[Sequence<'_>], &Plan),
    ) -> Result<(), ForwardError> {
        let heads = model.config.heads;
        let (query, hidden) = (heads.query as usize, model.config.hidden as usize);
        let width = query * heads.key_dim as usize;
        let b = &mut self.buffers;
        fit(&mut b.a, b.q.len());
        let scales = &model.config.scales;
        let attention = Attention {
            shape: model.layout.shape(),
            heads: query,
            kv_heads: heads.kv as usize,
            scale: single(scales.attention),
            cap: scales.attention_cap.map(single),
            sinks: layer.sinks.as_deref(),
        };
        let visible = windowed(&plan.visible, layer.window);
        let pages = pages_of(model, index, kv, batch)?;
        let sequences: Vec<KvSequence<'_>> = pages
            .iter()
            .zip(visible.iter())
            .map(|(pages, visible)| KvSequence { pages, visible })
            .collect();
        self.compute
            .attend(&attention, &sequences, &b.q, &mut b.a)?;
        let is_plain = layer.after_attention.is_none() && is_one(scales.residual);
        if is_plain {
            let out = product(&layer.o, &mut b.x).add();
            self.compute.multiply(&b.a, width, vec![out])?;
            return Ok(());
        }
        fit(&mut b.y, plan.rows.len() * hidden);
        let out = product(&layer.o, &mut b.y);
        self.compute.multiply(&b.a, width, vec![out])?;
        self.after(model, layer.after_attention.as_deref())
    }

    fn feed_forward(&mut self, model: &Model, layer: &Layer<Matrix>) -> Result<(), ForwardError> {
        self.before(model, layer.before_ffn.as_deref())?;
        let b = &mut self.buffers;
        let is_plain = layer.after_ffn.is_none() && is_one(model.config.scales.residual);
        let bend = model.arch.bend;
        match &layer.half {
            Half::Dense(ffn) if is_plain => {
                return run_ffn(
                    &mut self.compute,
                    (ffn, bend),
                    &b.h,
                    &mut b.ffn,
                    (&mut b.x, true),
                );
            }
            Half::Dense(ffn) => {
                fit(&mut b.y, b.x.len());
                run_ffn(
                    &mut self.compute,
                    (ffn, bend),
                    &b.h,
                    &mut b.ffn,
                    (&mut b.y, false),
                )?;
            }
            Half::Experts(moe) => {
                fit(&mut b.y, b.x.len());
                let buffers = (&mut b.ffn, &mut b.experts);
                experts::run(&mut self.compute, (moe, bend), &b.h, buffers, &mut b.y)?;
            }
        }
        self.after(model, layer.after_ffn.as_deref())
    }

    /// The logits of the rows that are left.
    fn head(&mut self, model: &Model) -> Result<(), ForwardError> {
        let (hidden, scales) = (model.config.hidden as usize, &model.config.scales);
        let b = &mut self.buffers;
        fit(&mut b.h, b.x.len());
        let eps = single(model.config.norm.eps);
        self.compute
            .rms_norm(&b.x, &model.parts.norm, eps, &mut b.h)?;
        let head = model.parts.head.as_ref().unwrap_or(&model.parts.embedding);
        fit(&mut b.logits, b.h.len() / hidden * head.rows());
        let out = Product::new(head, &mut b.logits);
        self.compute.multiply(&b.h, hidden, vec![out])?;
        multiply_all(&mut b.logits, scales.logit);
        if let Some(cap) = scales.logit_cap {
            b.logits.iter_mut().for_each(|x| *x = soft_cap(*x, cap));
        }
        Ok(())
    }
}

/// Keeps those of `numbers` that belong to rows whose logits are wanted.
fn retain(numbers: &mut Vec<f32>, width: usize, rows: &[Row]) {
    let mut kept = 0;
    for (index, row) in rows.iter().enumerate() {
        if row.logits {
            numbers.copy_within(index * width..(index + 1) * width, kept);
            kept += width;
        }
    }
    numbers.truncate(kept);
}

fn is_one(x: f64) -> bool {
    x.to_bits() == 1.0_f64.to_bits()
}

fn product<'a>(linear: &'a Linear<Matrix>, out: &'a mut [f32]) -> Product<'a> {
    Product::new(&linear.matrix, out).bias(linear.bias.as_deref())
}

/// `out = down(bend(gate x) * up x)`, or added to what `out` holds.
pub(crate) fn run_ffn(
    compute: &mut Compute,
    (ffn, bend): (&Ffn<Matrix>, Bend),
    x: &[f32],
    buffers: &mut FfnBuffers,
    (out, add): (&mut [f32], bool),
) -> Result<(), ForwardError> {
    let (hidden, wide) = (ffn.gate.matrix.columns(), ffn.gate.matrix.rows());
    let rows = x.len() / hidden.max(1);
    fit(&mut buffers.gate, rows * wide);
    let gate = match bend {
        Bend::Silu => Some(Gate::Silu),
        Bend::Gelu => Some(Gate::Gelu),
        Bend::Clamped => None,
    };
    match gate {
        Some(gate) if ffn.gate.bias.is_none() && ffn.up.bias.is_none() => {
            let (first, second) = (&ffn.gate.matrix, &ffn.up.matrix);
            let both = Product::gated(first, second, gate, &mut buffers.gate);
            compute.multiply(x, hidden, vec![both])?;
        }
        gate => {
            fit(&mut buffers.up, rows * wide);
            let products = vec![
                product(&ffn.gate, &mut buffers.gate),
                product(&ffn.up, &mut buffers.up),
            ];
            compute.multiply(x, hidden, products)?;
            let pairs = buffers.gate.iter_mut().zip(&buffers.up);
            match gate {
                Some(Gate::Silu) => pairs.for_each(|(g, u)| *g = experts::silu(*g) * u),
                Some(Gate::Gelu) => pairs.for_each(|(g, u)| *g = experts::gelu(*g) * u),
                None => pairs.for_each(|(g, u)| *g = experts::clamped(*g, *u)),
            }
        }
    }
    let down = product(&ffn.down, out);
    let down = if add { down.add() } else { down };
    compute.multiply(&buffers.gate, wide, vec![down])?;
    Ok(())
}
