//! Vector kernels of the engine: the same bits on every instruction set, and the threads they run on.
//!
//! - [`Matrix`] holds a weight tensor in panels of sixteen rows, in its file's own numbers ([`WeightKind`]).
//! - [`Compute`] is the kernels of one [`Isa`] on one [`Pool`]: products, norms, rotary positions, gates, attention.
//! - [`KvShape`] is how keys and values of a page lie; [`Compute::attend`] walks a list of visible pages.
//! - [`oracle`] is the numeric contract executed literally, number by number. Every kernel is held against it.
//!
//! Guarantees (docs/decisions/0013-numeric-contract.md): a result has the same bits whatever the instruction set, the
//! number of threads, and the rows that share its call. What a query does not see takes no part in its result, not even
//! as a zero.
//!
//! `unsafe` stands here because vector instructions and outputs shared by threads have no other form. Sizes are checked at
//! the safe face, [`Compute`]; below it, each entry point says what it asks for.
//!
//! What this crate does *not* do: read files, own the cache's memory, know models or sample tokens.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "kernels move between lane types; each value's range is the contract's"
)]

mod arch;
mod blocks;
mod compute;
mod generic;
mod isa;
mod kind;
mod kv;
mod lines;
pub mod oracle;
mod panel;
mod pool;
mod rope;
mod vector;

pub use compute::{Attention, Compute, KvPage, KvSequence, Product, ShapeError, argmax};
pub use generic::{attention::PAGE_TOKENS, rows::Gate};
pub use isa::Isa;
pub use kind::WeightKind;
pub use kv::{HEAD_DIM_MAX, KvKind, KvShape};
pub use panel::{MATRIX_SIDE_MAX, Matrix, PackError, read_tensor_row};
pub use pool::{POOL_THREADS_MAX, Pool};
pub use rope::{Angles, RopeStyle, rope_frequencies};

/// Names the order and the arithmetic of every reduction. Results of two families may differ in bits; caches of two
/// families never meet.
pub const FAMILY: &str = "v1";
