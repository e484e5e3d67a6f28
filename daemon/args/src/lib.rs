//! What the bytes of a tool argument mean: JSON leaves with positions, paths, hosts and URLs.
//!
//! Three readers, each pure: they take text and return facts with byte positions. None of them opens a
//! file, resolves a name, reads a clock or says yes or no; judging belongs to the policy.
//!
//! - [`json`]: a strict reader of argument text that keeps the span of every member, and edits in place.
//! - [`path`]: lexical normalisation of paths, containment, globs and guarded fragments.
//! - [`host`]: URLs and hosts in every spelling programs accept, and the class of the address they name.

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

pub mod host;
pub mod json;
pub mod path;

pub use host::{
    AddressClass, Host, HostPattern, HostPatternError, Place, PlaceError, looks_like_destination,
    parse_host, parse_url,
};
pub use json::{
    Args, Kind, Limits, Malformed, Problem, Selector, SelectorError, Value, apply_edits,
    compare_numbers,
};
pub use path::{Fragment, GlobError, NormalPath, PathGlob, normalize_path, path_within};
