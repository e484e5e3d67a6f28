//! What came back from a tool, before a model may read it.
//!
//! Bytes in, an [`Admission`] out: [`Outcome::Allow`] and they pass as they are; [`Outcome::Redact`] and some spans are
//! replaced; [`Outcome::PageOut`] and a stub stands for them; [`Outcome::Quarantine`] and nothing of them is shown.
//!
//! - `media`: what the bytes are, by content. A picture or an archive is not read as text.
//! - `packed`: what gzip and zlib hold is read, within bounds.
//! - `layers`: every reading of a text, from the one as it stands to what is left when escapes, entities, look-alikes,
//!   encodings and packing come off; each knows where its bytes came from. Depth and size are bounded.
//! - `needles`: one search for the words of all rules.
//! - `secrets`: credentials, in every reading, and what names people where the settings ask for it.
//! - `injection`: text that wants to be obeyed, in every reading, by the rules of `injection.rules`.
//! - `pollution` and `page`: the same thing over and over, and too much of anything.
//! - [`shape`]: whether an answer of a model has fallen into a loop; no part of judging results.
//! - `fold`: one answer out of all opinions; another opinion can only tighten it.
//!
//! Nothing here reads a clock, a file or a socket, and the same bytes get the same answer. No finding carries the text
//! that was found.

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

mod admission;
mod concat;
mod durability;
mod encoded;
mod fields;
mod fold;
mod injection;
mod lanes;
mod layers;
mod media;
mod needles;
mod packed;
mod page;
mod pollution;
mod rules;
mod screen;
mod secrets;
mod settings;
pub mod shape;
mod spread;
mod unfold;
mod unicode;
mod view;

pub use admission::{Admission, Edit, Finding, Incoming, Outcome, Page, Trust};
pub use durability::{Durability, Situation};
pub use layers::{LAYER_BYTES_EXTRA_MAX, LAYER_BYTES_FACTOR_MAX, LAYER_DEPTH_MAX, LAYERS_MAX};
pub use media::Media;
pub use packed::{PACKED_BYTES_MAX, PACKED_DEPTH_MAX, PACKED_RATIO_MAX};
pub use page::STUB_BYTES_MAX;
pub use screen::{FINDINGS_MAX, SCAN_BYTES_MAX, Screen};
pub use settings::{Cut, OVERSIZE_BYTES_DEFAULT, People, Settings};
