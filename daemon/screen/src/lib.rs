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
mod media;
mod screen;
mod secrets;
mod settings;

pub use admission::{Admission, Durability, Edit, Finding, Incoming, Outcome, Page, Trust};
pub use media::Media;
pub use screen::Screen;
pub use settings::{OVERSIZE_BYTES_DEFAULT, Settings};
