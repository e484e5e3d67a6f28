//! What came back from a tool, before a model may read it.

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
mod durability;
mod encoded;
mod fields;
mod fold;
mod injection;
mod layers;
mod media;
mod page;
mod pollution;
mod rules;
mod screen;
mod secrets;
mod settings;
mod spread;
mod unfold;
mod unicode;
mod view;

pub use admission::{Admission, Edit, Finding, Incoming, Outcome, Page, Trust};
pub use durability::{Durability, Situation};
pub use layers::{LAYER_BYTES_EXTRA_MAX, LAYER_BYTES_FACTOR_MAX, LAYER_DEPTH_MAX, LAYERS_MAX};
pub use media::Media;
pub use page::STUB_BYTES_MAX;
pub use screen::{FINDINGS_MAX, SCAN_BYTES_MAX, Screen};
pub use settings::{OVERSIZE_BYTES_DEFAULT, Settings};
