//! The service on a real socket, asked by a real client.

mod judging;
mod peers;
mod support;
