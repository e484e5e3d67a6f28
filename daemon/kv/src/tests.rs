//! The ledger against a naive one, and its rules one by one.

mod certificates;
mod model;
mod oracle;
mod prefixes;
mod rules;
