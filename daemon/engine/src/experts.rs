//! Experts: which a row is sent to, and the sum of what they give.

use fak_simd::{Compute, Matrix, Product};

use crate::{
    arch::Bend,
    error::ForwardError,
    forward::{FfnBuffers, fit, run_ffn},
    math::{exp, sigmoid},
    model::{Moe, Shared},
};

/// LIMIT: what a clamped gate is held below, and its partner within.
const CLAMP: f32 = 7.0;

/// How steep the clamped gate is.
const STEEPNESS: f64 = 1.702;

#[derive(Debug, Default)]
pub(crate) struct Buffers {
    scores: Vec<f32>,
    x: Vec<f32>,
    y: Vec<f32>,
}

/// `out` = the weighted sum of what each row's experts give. Rows are gathered by expert, and experts are added in the
/// order of their numbers, so that a row's sum does not know of other rows.
pub(crate) fn run(
    compute: &mut Compute,
    (moe, bend): (&Moe<Matrix>, Bend),
    x: &[f32],
    (ffn, own): (&mut FfnBuffers, &mut Buffers),
    out: &mut [f32],
) -> Result<(), ForwardError> {
    let (hidden, count) = (moe.router.matrix.columns(), moe.router.matrix.rows());
    let rows = x.len() / hidden.max(1);
    fit(&mut own.scores, rows * count);
    let router = Product::new(&moe.router.matrix, &mut own.scores).bias(moe.router.bias.as_deref());
    compute.multiply(x, hidden, vec![router])?;
    let mut sent: Vec<Vec<(usize, f32)>> = vec![Vec::new(); count];
    for (row, scores) in own.scores.chunks(count).enumerate() {
        for (expert, weight) in choose(scores, moe.used, moe.normalise) {
            if let Some(rows) = sent.get_mut(expert) {
                rows.push((row, weight));
            }
        }
    }
    out.fill(0.0);
    for (expert, rows) in moe.experts.iter().zip(&sent) {
        if rows.is_empty() {
            continue;
        }
        own.x.clear();
        for (row, _) in rows {
            let row = x.get(row * hidden..(row + 1) * hidden);
            own.x.extend_from_slice(row.unwrap_or_default());
        }
        fit(&mut own.y, own.x.len());
        run_ffn(compute, (expert, bend), &own.x, ffn, (&mut own.y, false))?;
        for ((row, weight), y) in rows.iter().zip(own.y.chunks(hidden)) {
            let sum = out.get_mut(row * hidden..(row + 1) * hidden);
            for (sum, y) in sum.unwrap_or_default().iter_mut().zip(y) {
                *sum += weight * y;
            }
        }
    }
    match &moe.shared {
        Some(shared) => add_shared(compute, (shared, bend), x, (ffn, own), out),
        None => Ok(()),
    }
}

/// Adds `sigmoid(gate x)` times what the shared expert gives.
#[expect(clippy::cast_possible_truncation, reason = "this is the one rounding")]
fn add_shared(
    compute: &mut Compute,
    (shared, bend): (&Shared<Matrix>, Bend),
    x: &[f32],
    (ffn, own): (&mut FfnBuffers, &mut Buffers),
    out: &mut [f32],
) -> Result<(), ForwardError> {
    let hidden = shared.gate.columns();
    fit(&mut own.scores, x.len() / hidden.max(1));
    let gate = Product::new(&shared.gate, &mut own.scores);
    compute.multiply(x, hidden, vec![gate])?;
    fit(&mut own.y, x.len());
    run_ffn(compute, (&shared.expert, bend), x, ffn, (&mut own.y, false))?;
    let rows = out.chunks_mut(hidden).zip(own.y.chunks(hidden));
    for ((sum, y), score) in rows.zip(&own.scores) {
        let weight = sigmoid(f64::from(*score)) as f32;
        for (sum, y) in sum.iter_mut().zip(y) {
            *sum += weight * y;
        }
    }
    Ok(())
}

/// The `used` experts with the highest scores, of equals the first, with the weights of what they give.
#[expect(clippy::cast_possible_truncation, reason = "this is the one rounding")]
fn choose(scores: &[f32], used: usize, normalise: bool) -> Vec<(usize, f32)> {
    let mut ranked: Vec<(usize, f64)> = scores
        .iter()
        .map(|score| f64::from(*score))
        .enumerate()
        .collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let most = ranked.first().map_or(0.0, |best| best.1);
    let sum_of = |part: &[(usize, f64)]| part.iter().map(|(_, s)| exp(s - most)).sum::<f64>();
    let all = sum_of(&ranked);
    ranked.truncate(used);
    let sum = if normalise { sum_of(&ranked) } else { all };
    ranked
        .into_iter()
        .map(|(expert, score)| (expert, (exp(score - most) / sum) as f32))
        .collect()
}

/// `x * sigmoid(x)`.
#[expect(clippy::cast_possible_truncation, reason = "this is the one rounding")]
pub(crate) fn silu(x: f32) -> f32 {
    let x = f64::from(x);
    (x * sigmoid(x)) as f32
}

/// GELU by tanh.
#[expect(clippy::cast_possible_truncation, reason = "this is the one rounding")]
pub(crate) fn gelu(x: f32) -> f32 {
    let x = f64::from(x);
    let scale = std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::SQRT_2;
    (x * sigmoid(scale * (x + 0.044_715 * x * x * x))) as f32
}

/// The gate held below [`CLAMP`], its partner within it on both sides.
#[expect(clippy::cast_possible_truncation, reason = "this is the one rounding")]
pub(crate) fn clamped(gate: f32, up: f32) -> f32 {
    let gate = f64::from(gate.min(CLAMP));
    let up = f64::from(up.clamp(-CLAMP, CLAMP));
    (gate * sigmoid(STEEPNESS * gate) * (up + 1.0)) as f32
}
