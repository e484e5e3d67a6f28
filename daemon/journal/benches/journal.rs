//! Durable rows per second, the latency of one append, verified rows per second.

fn main() {}
