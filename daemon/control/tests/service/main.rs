//! The service on a real socket, asked by a real client.

mod approvals;
mod coherence;
mod doors;
mod emergency;
mod flow;
mod judging;
mod peers;
mod results;
mod steering;
mod support;
