//! Norms, rotations and gates, row by row.

use super::{Compute, ShapeError, fits};
use crate::{
    arch::Backend,
    generic::rows::Gate,
    isa::with_backend,
    lines::Shared,
    pool::Pool,
    rope::{Angles, RopeStyle},
};

/// Below this many numbers a job stays on the caller's thread: waking others would take longer.
const ALONE_NUMBERS: usize = 16_384;

/// Runs `work` on runs of rows, on all threads when there is enough of it. `work` gets the first row and how many.
fn by_rows(pool: &mut Pool, rows: usize, columns: usize, work: &(dyn Fn(usize, usize) + Sync)) {
    if rows * columns < ALONE_NUMBERS {
        work(0, rows);
        return;
    }
    let run = rows.div_ceil(pool.threads() * 4).max(1);
    pool.run(rows.div_ceil(run), &|_, unit| {
        let first = unit * run;
        work(first, run.min(rows - first));
    });
}

impl Compute {
    /// `out = x / sqrt(mean(x^2) + eps) * weight`, for each row of `weight.len()` numbers.
    ///
    /// # Errors
    /// When `x` and `out` are not the same whole number of rows.
    pub fn rms_norm(
        &mut self,
        x: &[f32],
        weight: &[f32],
        eps: f32,
        out: &mut [f32],
    ) -> Result<(), ShapeError> {
        let n = weight.len();
        fits(n > 0 && x.len().is_multiple_of(n), "x")?;
        fits(out.len() == x.len(), "out")?;
        let from = Shared(x.as_ptr().cast_mut());
        self.rms_rows(x.len() / n, from, (weight, eps), Shared(out.as_mut_ptr()));
        Ok(())
    }

    /// As [`Compute::rms_norm`], in place.
    ///
    /// # Errors
    /// When `x` is no whole number of rows.
    pub fn rms_norm_in_place(
        &mut self,
        x: &mut [f32],
        weight: &[f32],
        eps: f32,
    ) -> Result<(), ShapeError> {
        let n = weight.len();
        fits(n > 0 && x.len().is_multiple_of(n), "x")?;
        let both = Shared(x.as_mut_ptr());
        self.rms_rows(x.len() / n, both, (weight, eps), both);
        Ok(())
    }

    /// Norms `rows` rows of `from`, which is not written unless it is `to`.
    fn rms_rows(&mut self, rows: usize, from: Shared<f32>, norm: (&[f32], f32), to: Shared<f32>) {
        let (isa, n) = (self.isa, norm.0.len());
        by_rows(&mut self.pool, rows, n, &|first, count| {
            for row in first..first + count {
                with_backend!(isa, rms_row::<_>(from, norm, row, to));
            }
        });
    }

    /// `out = (x - mean) / sqrt(variance + eps) * weight + bias`, for each row.
    ///
    /// # Errors
    /// When the sizes do not fit.
    pub fn layer_norm(
        &mut self,
        x: &[f32],
        weight: &[f32],
        bias: Option<&[f32]>,
        eps: f32,
        out: &mut [f32],
    ) -> Result<(), ShapeError> {
        let n = weight.len();
        fits(n > 0 && x.len().is_multiple_of(n), "x")?;
        fits(out.len() == x.len(), "out")?;
        fits(bias.is_none_or(|bias| bias.len() == n), "bias")?;
        let (isa, to) = (self.isa, Shared(out.as_mut_ptr()));
        by_rows(&mut self.pool, x.len() / n, n, &|first, count| {
            for row in first..first + count {
                with_backend!(isa, layer_row::<_>((x, weight, bias, eps), row, to));
            }
        });
        Ok(())
    }

    /// Turns the heads of each row by the row's angles: the first `2 * angles.pairs()` numbers of every `head_dim`.
    ///
    /// # Errors
    /// When `x` is not `angles.rows()` rows of `heads * head_dim`, or a head is smaller than its pairs.
    pub fn rope(
        &mut self,
        x: &mut [f32],
        heads: usize,
        head_dim: usize,
        angles: &Angles,
        style: RopeStyle,
    ) -> Result<(), ShapeError> {
        let width = heads * head_dim;
        fits(2 * angles.pairs() <= head_dim, "head_dim")?;
        fits(x.len() == angles.rows() * width, "x")?;
        let (isa, to) = (self.isa, Shared(x.as_mut_ptr()));
        by_rows(&mut self.pool, angles.rows(), width, &|first, count| {
            for row in first..first + count {
                let Some(angles) = angles.row(row) else {
                    return;
                };
                for head in 0..heads {
                    // SAFETY: the head lies in `x`, and no other unit touches its row.
                    let head = Shared(unsafe { to.at(row * width + head * head_dim) });
                    with_backend!(isa, rotate_head::<_>(head, angles, style));
                }
            }
        });
        Ok(())
    }

    /// `out = bend(gate) * up`, or `bend(gate)` without `up`.
    ///
    /// # Errors
    /// When the lengths differ.
    pub fn gate(
        &mut self,
        bend: Gate,
        gate: &[f32],
        up: Option<&[f32]>,
        out: &mut [f32],
    ) -> Result<(), ShapeError> {
        fits(up.is_none_or(|up| up.len() == gate.len()), "up")?;
        fits(out.len() == gate.len(), "out")?;
        let (isa, to) = (self.isa, Shared(out.as_mut_ptr()));
        let (blocks, n) = (gate.len().div_ceil(16), gate.len());
        by_rows(&mut self.pool, blocks, 16, &|first, count| {
            let (first, end) = (first * 16, n.min((first + count) * 16));
            with_backend!(isa, gate_run::<_>(bend, gate, up, (first, end), to));
        });
        Ok(())
    }

    /// `x += y`.
    ///
    /// # Errors
    /// When the lengths differ.
    pub fn add(&mut self, x: &mut [f32], y: &[f32]) -> Result<(), ShapeError> {
        fits(x.len() == y.len(), "y")?;
        let to = Shared(x.as_mut_ptr());
        let (blocks, n, isa) = (x.len().div_ceil(16), x.len(), self.isa);
        by_rows(&mut self.pool, blocks, 16, &|first, count| {
            let (first, end) = (first * 16, n.min((first + count) * 16));
            with_backend!(isa, add_run::<_>(y, (first, end), to));
        });
        Ok(())
    }
}

fn rms_row<V: Backend>(
    from: Shared<f32>,
    (weight, eps): (&[f32], f32),
    row: usize,
    to: Shared<f32>,
) {
    let n = weight.len();
    // SAFETY: the instruction set is available; both hold the row, and no other unit touches it.
    unsafe { V::rms_norm(from.at(row * n), weight.as_ptr(), n, eps, to.at(row * n)) }
}

fn layer_row<V: Backend>(
    (x, weight, bias, eps): (&[f32], &[f32], Option<&[f32]>, f32),
    row: usize,
    to: Shared<f32>,
) {
    let n = weight.len();
    let bias = bias.map_or(std::ptr::null(), <[f32]>::as_ptr);
    if let Some(x) = x.get(row * n..(row + 1) * n) {
        // SAFETY: as in `rms_row`; the bias was checked to hold `n` numbers too.
        unsafe { V::layer_norm(x.as_ptr(), (weight.as_ptr(), bias), n, eps, to.at(row * n)) }
    }
}

fn rotate_head<V: Backend>(head: Shared<f32>, (cos, sin): (&[f32], &[f32]), style: RopeStyle) {
    let adjacent = style == RopeStyle::Norm;
    // SAFETY: the instruction set is available; the head was checked to hold all pairs.
    unsafe { V::rotate(head.0, cos.as_ptr(), sin.as_ptr(), cos.len(), adjacent) }
}

fn gate_run<V: Backend>(
    bend: Gate,
    gate: &[f32],
    up: Option<&[f32]>,
    (first, end): (usize, usize),
    to: Shared<f32>,
) {
    let Some(own) = gate.get(first..end) else {
        return;
    };
    let up = up
        .and_then(|up| up.get(first..end))
        .map_or(std::ptr::null(), <[f32]>::as_ptr);
    // SAFETY: the instruction set is available; all three hold the run.
    unsafe { V::gated(bend, own.as_ptr(), up, own.len(), to.at(first)) }
}

fn add_run<V: Backend>(y: &[f32], (first, end): (usize, usize), to: Shared<f32>) {
    if let Some(y) = y.get(first..end) {
        // SAFETY: the instruction set is available; both hold the run.
        unsafe { V::add_to(to.at(first), y.as_ptr(), y.len(), to.at(first)) }
    }
}

/// The place of the largest number, the first of equals; numbers that are not comparable are passed over. `None` when
/// there is no other.
#[must_use]
pub fn argmax(numbers: &[f32]) -> Option<usize> {
    let mut best: Option<(usize, f32)> = None;
    for (index, number) in numbers.iter().enumerate() {
        let better = match best {
            None => !number.is_nan(),
            Some((_, most)) => *number > most,
        };
        if better {
            best = Some((index, *number));
        }
    }
    best.map(|(index, _)| index)
}
