//! The forward pass of language models, and what stands directly on it.
//!
//! - [`Model::load`] finds every tensor of a GGUF file or of safetensors, refuses what is missing, left over or odd by its
//!   name, plans the memory, and packs the weights.
//! - [`Runner::forward`] computes rows of several sequences at once over pages of keys and values ([`KvMemory`]).
//! - [`KvPages`] is such memory within this process, [`Runner::generate`] the loop over it for one sequence.
//! - [`Sampler`] makes a token of logits.
//!
//! INVARIANT: the bits of a row's logits depend on the weights, on [`fak_simd::FAMILY`], and on the ordered tokens the row
//! sees. Not on the batch, chunks, threads, instruction set, forks, or what was evicted before
//! (docs/decisions/0015-engine.md).
//!
//! A family of models is a row of a table, not code of its own.
//!
//! What this crate does *not* do: open files, own the cache of a daemon, schedule, turn text into tokens, or time anything.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::panic
    )
)]

mod arch;
mod batch;
mod error;
mod experts;
mod forward;
mod generate;
mod kv;
mod load;
mod math;
mod model;
mod philox;
mod rope;
mod sample;
mod source;

pub use batch::{Row, Sequence, VISIBLE_MAX};
pub use error::{ForwardError, LoadError};
pub use forward::{Runner, Watch};
pub use generate::{Finish, GenerateError, Request, Text};
pub use kv::{KvFull, KvLayout, KvMemory, KvPages, PageList, PageView};
pub use load::ROWS_MAX;
pub use model::{LoadOptions, MemoryPlan, Model};
pub use sample::{BIASES_MAX, Sampler, Sampling, SamplingError};
pub use source::Source;
