//! The safe face of the kernels: shapes are checked here, work is given to the threads here, and nowhere else.

mod attend;
mod product;
mod row_ops;
mod tiles;

pub use attend::{Attention, KvPage, KvSequence};
pub use product::Product;
pub use row_ops::argmax;

use crate::{generic::tile::Quad, isa::Isa, lines::Lines, pool::Pool};

/// Arguments whose sizes contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} does not fit")]
pub struct ShapeError {
    /// Which argument.
    pub what: &'static str,
}

/// `Ok` when `holds`, else the name of what does not fit.
fn fits(holds: bool, what: &'static str) -> Result<(), ShapeError> {
    if holds {
        Ok(())
    } else {
        Err(ShapeError { what })
    }
}

/// The kernels of one instruction set on one set of threads.
///
/// Results have the same bits for every [`Isa`], every number of threads, and every way rows are gathered into calls
/// (docs/decisions/0013-numeric-contract.md). Numbers that are not finite give results that mean nothing, and harm nothing.
#[derive(Debug)]
pub struct Compute {
    isa: Isa,
    pool: Pool,
    /// One for each thread.
    scratch: Vec<Lines>,
    quads: Vec<Quad>,
    parts: Vec<f32>,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines")
            .field("bytes", &self.bytes())
            .finish()
    }
}

impl Compute {
    /// The fastest instruction set of this machine, on `threads` threads, the caller's among them.
    #[must_use]
    pub fn new(threads: usize) -> Compute {
        Compute::build(Isa::detect(), threads)
    }

    /// A given instruction set; `None` when this machine lacks it.
    #[must_use]
    pub fn with_isa(isa: Isa, threads: usize) -> Option<Compute> {
        isa.is_available().then(|| Compute::build(isa, threads))
    }

    fn build(isa: Isa, threads: usize) -> Compute {
        let pool = Pool::new(threads);
        Compute {
            isa,
            scratch: (0..pool.threads()).map(|_| Lines::default()).collect(),
            pool,
            quads: Vec::new(),
            parts: Vec::new(),
        }
    }

    /// The instruction set in use.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// The threads, for work of the caller's own.
    pub fn pool(&mut self) -> &mut Pool {
        &mut self.pool
    }

    /// Room for `bytes` on every thread; gives where each begins.
    fn scratch(&mut self, bytes: usize) -> Vec<crate::lines::Shared<u8>> {
        let own = self.scratch.iter_mut().map(|lines| {
            lines.reserve(bytes);
            crate::lines::Shared(lines.as_mut_ptr())
        });
        own.collect()
    }
}
