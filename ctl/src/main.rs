//! Ask, inspect and operate fakd.
fn main() {}
