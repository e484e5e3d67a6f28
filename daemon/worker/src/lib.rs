//! The process that runs a model, and whoever talks to it.
//!
//! A worker is given two descriptors and nothing else: a socket to its parent as standard input, and the model's file as
//! standard output, for reading. It maps the file, starts its threads, and closes itself in ([`fak_sys::Cell`]): from
//! then on it opens nothing, connects nowhere and runs nothing. Only then it reads the first byte of the file.
//!
//! - [`Frame`]s carry [`Ask`]s to it and [`Tell`]s from it, each with its length first.
//! - [`Worker`] starts one and is its parent's end; [`serve`] is the worker's.
//!
//! INVARIANT: what a worker answers is a function of the model's file and the asks. A worker that was lost is replaced, asked
//! the same, and answers the same tokens.
//!
//! What this crate does *not* do: own the cache of a daemon, schedule several requests, or decide what may be asked.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

mod frame;
mod parent;
mod serve;
mod words;

pub use frame::{FRAME_BYTES_MAX, Frame, FrameError};
pub use parent::{Worker, WorkerError};
pub use serve::{ServeError, serve};
pub use words::{
    Ask, Finished, Generate, Info, KvNumbers, Load, Prompt, Sampling, THREADS_MAX, Tell,
};
