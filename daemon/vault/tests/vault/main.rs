//! The vault as its callers see it, and its files as others do.

#![expect(clippy::print_stdout, reason = "a skipped or measured test says so")]

mod at_rest;
mod kill;
mod limits;
mod logs;
mod storage;
mod store;
mod support;
