//! The agent kernel as a Linux system daemon.
fn main() {}
