//! What the bytes of a tool argument mean: JSON leaves with positions, paths, hosts and URLs.

#![forbid(unsafe_code)]

mod class;

pub use class::AddressClass;
