//! Products of matrices with rows of activations.

use std::ops::Range;

use super::{
    Compute, ShapeError, fits,
    tiles::{Input, any_tile, few, many, open_panel},
};
use crate::{
    arch::Backend,
    generic::{
        rows::Gate,
        tile::{Quad, QuantRows},
        weights::OPEN_BYTES,
    },
    isa::with_backend,
    lines::Shared,
    panel::{Matrix, PANEL_ROWS},
};

/// Panels a unit of work takes when rows are few: enough to hide the cost of taking it.
const UNIT_PANELS_FEW: usize = 8;

/// The same when rows are many.
const UNIT_PANELS_MANY: usize = 2;

/// Numbers of the largest tile.
const TILE_NUMBERS: usize = 16 * 16;

/// One product: what is multiplied, what is done with the result, and where it goes.
#[derive(Debug)]
pub struct Product<'a> {
    matrix: &'a Matrix,
    up: Option<(&'a Matrix, Gate)>,
    bias: Option<&'a [f32]>,
    add: bool,
    out: &'a mut [f32],
}

impl<'a> Product<'a> {
    /// `out = matrix x`: `out` is one row of `matrix.rows()` numbers for each row of activations.
    #[must_use]
    pub fn new(matrix: &'a Matrix, out: &'a mut [f32]) -> Product<'a> {
        Product {
            matrix,
            up: None,
            bias: None,
            add: false,
            out,
        }
    }

    /// `out = bend(gate x) * (up x)`, without either being written.
    #[must_use]
    pub fn gated(gate: &'a Matrix, up: &'a Matrix, bend: Gate, out: &'a mut [f32]) -> Product<'a> {
        Product {
            up: Some((up, bend)),
            ..Product::new(gate, out)
        }
    }

    /// Adds `bias`, one number for each row of the matrix.
    #[must_use]
    pub fn bias(mut self, bias: Option<&'a [f32]>) -> Product<'a> {
        self.bias = bias;
        self
    }

    /// Adds to what `out` holds, after the bias.
    #[must_use]
    pub fn add(mut self) -> Product<'a> {
        self.add = true;
        self
    }

    fn check(&self, rows: usize, columns: usize) -> Result<(), ShapeError> {
        fits(self.matrix.columns() == columns, "matrix")?;
        fits(self.out.len() == rows * self.matrix.rows(), "out")?;
        fits(
            self.bias
                .is_none_or(|bias| bias.len() == self.matrix.rows()),
            "bias",
        )?;
        let Some((up, _)) = self.up else {
            return Ok(());
        };
        fits(
            up.columns() == columns && up.rows() == self.matrix.rows(),
            "up",
        )?;
        fits(self.bias.is_none() && !self.add, "gated")
    }

    fn is_quantized(&self) -> bool {
        self.matrix.kind().is_quantized() || self.up.is_some_and(|(up, _)| up.kind().is_quantized())
    }
}

/// A product as the units see it.
struct Job<'a> {
    matrix: &'a Matrix,
    up: Option<(&'a Matrix, Gate)>,
    bias: Option<&'a [f32]>,
    add: bool,
    out: Shared<f32>,
    /// Units of the jobs before this one.
    first_unit: usize,
}

impl Compute {
    /// Computes several products of the same activations in one go: `x` is whole rows of `columns` numbers.
    ///
    /// Row `t` of a result depends on row `t` of `x` only, to the bit.
    ///
    /// # Errors
    /// When a matrix or output does not fit the activations; nothing is computed then.
    pub fn multiply(
        &mut self,
        x: &[f32],
        columns: usize,
        products: Vec<Product<'_>>,
    ) -> Result<(), ShapeError> {
        fits(columns > 0 && x.len().is_multiple_of(columns), "x")?;
        let rows = x.len() / columns;
        for product in &products {
            product.check(rows, columns)?;
        }
        if rows == 0 {
            return Ok(());
        }
        if products.iter().any(Product::is_quantized) {
            self.quantize(x, columns);
        }
        let input = Input {
            x,
            quants: QuantRows {
                quads: self.quads.as_ptr(),
                blocks: columns / 32,
            },
            rows,
            columns,
        };
        let unit_panels = if rows < 4 {
            UNIT_PANELS_FEW
        } else {
            UNIT_PANELS_MANY
        };
        let mut units = 0;
        let mut jobs = Vec::with_capacity(products.len());
        for product in products {
            jobs.push(Job {
                matrix: product.matrix,
                up: product.up,
                bias: product.bias,
                add: product.add,
                out: Shared(product.out.as_mut_ptr()),
                first_unit: units,
            });
            units += product.matrix.panels().div_ceil(unit_panels);
        }
        let scratch = self.scratch(2 * OPEN_BYTES * columns.div_ceil(32));
        let isa = self.isa;
        self.pool.run(units, &|thread, unit| {
            let job = jobs.iter().rev().find(|job| job.first_unit <= unit);
            let (Some(job), Some(scratch)) = (job, scratch.get(thread)) else {
                return;
            };
            let first = (unit - job.first_unit) * unit_panels;
            let panels = first..(first + unit_panels).min(job.matrix.panels());
            with_backend!(isa, run_unit::<_>(job, &input, panels, scratch.0));
        });
        Ok(())
    }

    /// Computes chosen outputs only: `out` is `chosen.len()` numbers for each row of activations, those of the matrix rows
    /// `chosen`, to the bit what [`Compute::multiply`] gives for them. What is not chosen is not read, save for what shares a
    /// panel of sixteen with it.
    ///
    /// # Errors
    /// When sizes contradict each other or a row does not exist; nothing is computed then.
    pub fn multiply_chosen(
        &mut self,
        x: &[f32],
        matrix: &Matrix,
        chosen: &[usize],
        out: &mut [f32],
    ) -> Result<(), ShapeError> {
        let columns = matrix.columns();
        fits(x.len().is_multiple_of(columns), "x")?;
        let rows = x.len() / columns;
        fits(out.len() == rows * chosen.len(), "out")?;
        fits(chosen.iter().all(|row| *row < matrix.rows()), "chosen")?;
        if matrix.kind().is_quantized() {
            self.quantize(x, columns);
        }
        let input = Input {
            x,
            quants: QuantRows {
                quads: self.quads.as_ptr(),
                blocks: columns / 32,
            },
            rows,
            columns,
        };
        let (isa, to) = (self.isa, Shared(out.as_mut_ptr()));
        let unit_rows = chosen.len().div_ceil(self.pool.threads() * 4).max(1);
        self.pool.run(chosen.len().div_ceil(unit_rows), &|_, unit| {
            let first = unit * unit_rows;
            let end = (first + unit_rows).min(chosen.len());
            with_backend!(
                isa,
                run_chosen::<_>(matrix, &input, (chosen, first..end), to)
            );
        });
        Ok(())
    }

    /// Fills `self.quads` from `x`; columns are a multiple of 32, for a quantised matrix of so many columns exists.
    fn quantize(&mut self, x: &[f32], columns: usize) {
        let (rows, blocks) = (x.len() / columns, columns / 32);
        self.quads
            .resize(rows.div_ceil(4) * blocks, Quad::default());
        let to = Shared(self.quads.as_mut_ptr());
        let isa = self.isa;
        // Few rows are cut into runs of blocks, so that all threads have some.
        let run = if rows < 8 { blocks.min(64) } else { blocks };
        let runs = blocks.div_ceil(run);
        self.pool.run(rows * runs, &|_, unit| {
            let (row, first) = (unit / runs, unit % runs * run);
            let count = run.min(blocks - first);
            let at = row * columns + first * 32;
            let Some(x) = x.get(at..at + count * 32) else {
                return;
            };
            // SAFETY: these blocks of this row lie in the quads, and no other unit writes them.
            let out = Shared(unsafe { to.at(row / 4 * blocks + first) });
            with_backend!(isa, quantize_run::<_>(x, out, row % 4));
        });
    }
}

fn quantize_run<V: Backend>(x: &[f32], out: Shared<Quad>, lane: usize) {
    // SAFETY: the instruction set is available; `x` is whole blocks and `out` has room for them.
    unsafe { V::quantize(x.as_ptr(), x.len() / 32, out.0, lane) }
}

/// Computes some panels of a job for all rows.
fn run_unit<V: Backend>(job: &Job<'_>, input: &Input<'_>, panels: Range<usize>, scratch: *mut u8) {
    // Unpacking a panel pays when two full tiles follow; below that, packed panels are faster.
    if input.rows >= (2 * V::TILE).max(4) {
        for panel in panels {
            run_many::<V>(job, input, panel, scratch);
        }
        return;
    }
    let mut row = 0;
    let (mut at, end) = (panels.start, panels.end);
    while at < end {
        let mut side = 1;
        while row < input.rows {
            let (wide, tall) = few(V::TILE, input.rows - row);
            let (_, group, first) = job.matrix.place(at);
            let wide = if first + wide <= group { wide } else { 1 };
            // A group of panels is walked by all rows before the next is read from memory.
            side = if row == 0 { wide } else { side };
            let shape = (side, tall);
            run_tile::<V>(job, input, (at, row), shape, [None, None]);
            row += tall;
        }
        row = 0;
        at += side;
    }
}

/// Computes the chosen outputs numbered `units` for all rows, panel by panel.
fn run_chosen<V: Backend>(
    matrix: &Matrix,
    input: &Input<'_>,
    (chosen, units): (&[usize], Range<usize>),
    to: Shared<f32>,
) {
    for row in 0..input.rows {
        let mut tile = [0.0_f32; PANEL_ROWS];
        let mut held = None;
        for unit in units.clone() {
            let Some(output) = chosen.get(unit) else {
                return;
            };
            let panel = output / PANEL_ROWS;
            if held != Some(panel) {
                // SAFETY: panel and row exist, by the checks of the caller; the tile is one panel by one row.
                unsafe {
                    any_tile::<V>(matrix, input, (panel, row), (1, 1), None, tile.as_mut_ptr())
                };
                held = Some(panel);
            }
            let number = tile.get(output % PANEL_ROWS).copied().unwrap_or(0.0);
            // SAFETY: this output of this row lies in the buffer, and belongs to this unit.
            unsafe { *to.at(row * chosen.len() + unit) = number };
        }
    }
}

/// One panel for many rows: unpacked once, then tile after tile.
fn run_many<V: Backend>(job: &Job<'_>, input: &Input<'_>, panel: usize, scratch: *mut u8) {
    let blocks = input.columns / 32;
    let mut opened = [None, None];
    let both = [Some(job.matrix), job.up.map(|(up, _)| up)];
    for (index, (matrix, opened)) in both.into_iter().zip(&mut opened).enumerate() {
        let Some(matrix) = matrix else { continue };
        let to = scratch.wrapping_add(index * OPEN_BYTES * blocks);
        // SAFETY: the panel holds the blocks, and the scratch has room for two panels' worth.
        if unsafe { open_panel::<V>(matrix, panel, blocks, to) } {
            *opened = Some(to.cast_const());
        }
    }
    let mut row = 0;
    while row < input.rows {
        let tall = many(V::TILE, input.rows - row);
        run_tile::<V>(job, input, (panel, row), (1, tall), opened);
        row += tall;
    }
}

/// Computes one tile and puts it where it belongs.
fn run_tile<V: Backend>(
    job: &Job<'_>,
    input: &Input<'_>,
    (panel, row): (usize, usize),
    (wide, tall): (usize, usize),
    opened: [Option<*const u8>; 2],
) {
    let mut tile = [0.0_f32; TILE_NUMBERS];
    let [opened, opened_up] = opened;
    let n = wide * tall * PANEL_ROWS;
    // SAFETY: panels and rows exist, by the loops above, and no tile shape holds more numbers than the array.
    unsafe {
        any_tile::<V>(
            job.matrix,
            input,
            (panel, row),
            (wide, tall),
            opened,
            tile.as_mut_ptr(),
        )
    };
    if let Some((up, bend)) = job.up {
        let mut other = [0.0_f32; TILE_NUMBERS];
        let at = tile.as_mut_ptr();
        // SAFETY: as above; both arrays hold `n` numbers.
        unsafe {
            any_tile::<V>(
                up,
                input,
                (panel, row),
                (wide, tall),
                opened_up,
                other.as_mut_ptr(),
            );
            V::gated(bend, at.cast_const(), other.as_ptr(), n, at);
        }
    }
    let outputs = job.matrix.rows();
    for (index, numbers) in tile.chunks_exact(PANEL_ROWS).take(wide * tall).enumerate() {
        let first = (panel + index / tall) * PANEL_ROWS;
        let count = PANEL_ROWS.min(outputs - first);
        // SAFETY: these outputs belong to this unit's panels, lie in the output, and nobody else touches them.
        let out = unsafe {
            let at = job.out.at((row + index % tall) * outputs + first);
            std::slice::from_raw_parts_mut(at, count)
        };
        let bias = job.bias.and_then(|bias| bias.get(first..first + count));
        put(out, numbers, bias, job.add);
    }
}

/// The end of a product: the bias is added to the sum, the result to what was there.
fn put(out: &mut [f32], numbers: &[f32], bias: Option<&[f32]>, add: bool) {
    match (bias, add) {
        (None, false) => {
            for (out, y) in out.iter_mut().zip(numbers) {
                *out = *y;
            }
        }
        (None, true) => {
            for (out, y) in out.iter_mut().zip(numbers) {
                *out += *y;
            }
        }
        (Some(bias), _) => {
            for ((out, y), bias) in out.iter_mut().zip(numbers).zip(bias) {
                let y = *y + *bias;
                *out = if add { *out + y } else { y };
            }
        }
    }
}
