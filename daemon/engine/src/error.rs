//! What can be wrong with a model, and with a call.

use fak_simd::{PackError, ShapeError};

/// A model that is not loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// There is no forward pass for the family.
    #[error("models of architecture {0} are not run")]
    Architecture(&'static str),
    /// Something of the configuration that is not run.
    #[error("a model with {0} is not run")]
    Unsupported(&'static str),
    /// A tensor the family must have.
    #[error("tensor {0} is missing")]
    Missing(String),
    /// A tensor nothing is known to do with: leaving it out would give other answers than the model's.
    #[error("tensor {0} belongs to no part of the model")]
    Unexpected(String),
    /// A tensor whose numbers there is no kernel for.
    #[error("tensor {name} is stored as {kind}, which is not run")]
    Kind {
        /// The tensor.
        name: String,
        /// How it is stored.
        kind: String,
    },
    /// A tensor of another shape than the configuration says.
    #[error("tensor {name} has the shape {found:?}, not {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// The expected shape, row length first.
        expected: Vec<u64>,
        /// The file's, row length first.
        found: Vec<u64>,
    },
    /// A tensor that does not pack.
    #[error("tensor {name}: {error}")]
    Pack {
        /// The tensor.
        name: String,
        /// Why.
        error: PackError,
    },
    /// More memory than the caller gives.
    #[error("the model needs {needed} bytes, {given} are given")]
    Memory {
        /// What the plan comes to.
        needed: u64,
        /// The caller's bound.
        given: u64,
    },
}

/// A batch that is not computed. Nothing was written, except for `Stopped`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForwardError {
    /// More rows than the runner has room for.
    #[error("{rows} rows, at most {most} are computed at once")]
    Rows {
        /// Rows of the batch.
        rows: usize,
        /// The most there may be.
        most: usize,
    },
    /// A token that is not in the vocabulary.
    #[error("token {0} is not in the vocabulary")]
    Token(u32),
    /// A position beyond the model's context.
    #[error("position {0} is beyond the model's context")]
    Position(u32),
    /// More visible tokens than are taken.
    #[error("a sequence of more than {0} visible tokens")]
    Visible(usize),
    /// A page that does not exist or is of another size.
    #[error("page {0} does not exist")]
    Page(u32),
    /// A view of no rows or of more than a page has.
    #[error("page {page} is listed with {rows} rows")]
    View {
        /// The page.
        page: u32,
        /// The rows.
        rows: u32,
    },
    /// More new rows than the listed pages hold.
    #[error("{rows} new rows in a sequence of {visible} visible tokens")]
    NoRoom {
        /// New rows.
        rows: usize,
        /// All rows of the sequence.
        visible: usize,
    },
    /// A place in a page that two rows would write.
    #[error("row {row} of page {page} would be written twice")]
    Twice {
        /// The page.
        page: u32,
        /// The row in it.
        row: usize,
    },
    /// The caller stopped the pass between two layers. What the batch's rows have in their pages is not to be used.
    #[error("stopped")]
    Stopped,
    /// A kernel refused: the model contradicts itself.
    #[error("{0}")]
    Kernel(#[from] ShapeError),
}
