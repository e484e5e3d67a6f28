//! The gRPC service on the Unix socket: bytes to questions, answers to bytes.
//!
//! The way of a request: [`serve`] accepts a connection, learns from the kernel who is there and charges
//! the connection to that user; the gate knows the RPC, the right it needs and whether the user has room;
//! a handler checks the message and puts the question to the [`Desk`]; the desk judges by the snapshot in
//! force without a lock, settles with the kernel, makes the row durable and only then lets the verdict
//! go. What a peer may not do is refused and journaled.
//!
//! Peers are hostile: every message, connection, call, stream and queue is bounded, per user.
//!
//! This crate decides nothing about calls and stores nothing: it sees the journal as [`Evidence`] and
//! the daemon as [`Office`], which the program provides.

#![forbid(unsafe_code)]

mod account;
mod acl;
mod admit;
mod approvals;
mod board;
mod coherence;
mod conn;
mod desk;
mod door;
mod emergency;
mod flow;
mod gate;
mod memo;
mod notary;
mod port;
mod question;
mod queue;
mod rpc;
mod service;
mod shown;
mod sparing;
mod status;
mod steer;
mod stream;
mod wire;

use std::{future::Future, sync::Arc};

use fak_proto::v1::fak_server::FakServer;
use tonic::transport::Server;

pub use account::Limits;
pub use acl::{Acl, Grant};
pub use conn::{Peer, PeerInfo};
pub use desk::{BY_JOURNAL, Desk, now};
pub use door::{Door, Entrance};
pub use tonic::transport::Error as TransportError;

pub use port::{
    About, Change, Changed, Evidence, Health, Keep, Kept, KeptAbout, KeptKind, Manifest, Means,
    Notary, Office, Prepared, ProfileInfo, Refusal, Remember, Row, Signed, Unkept, Unwritten,
    Verified,
};

/// Longest header block of a request. LIMIT: gRPC needs a few hundred bytes.
const HEADER_BYTES_MAX: u32 = 16 << 10;

/// Requests of one connection that HTTP/2 lets begin. LIMIT: beyond it the peer's own stack waits.
const CONCURRENT_STREAMS_MAX: u32 = 256;

/// Streams a peer may open and reset before anything came of them. LIMIT: beyond it the connection ends.
const PENDING_RESETS_MAX: usize = 64;

/// Serves at these entrances until `stop` resolves and what was in flight then is answered.
///
/// # Errors
/// When the transport fails as a whole; a single connection's trouble is that connection's.
pub async fn serve<E: Evidence, O: Office>(
    desk: Arc<Desk<E, O>>,
    entrances: Vec<Entrance>,
    stop: impl Future<Output = ()>,
) -> Result<(), TransportError> {
    let doors = door::Doors::of(&entrances);
    let incoming = conn::Incoming::new(entrances, Arc::clone(&desk.accounts));
    let frame_bytes = desk.limits().frame_bytes;
    let handlers = service::Handlers {
        desk: Arc::clone(&desk),
    };
    let service = FakServer::new(handlers)
        .max_decoding_message_size(frame_bytes)
        .max_encoding_message_size(usize::MAX);
    Server::builder()
        .http2_max_header_list_size(HEADER_BYTES_MAX)
        .max_concurrent_streams(CONCURRENT_STREAMS_MAX)
        .http2_max_pending_accept_reset_streams(Some(PENDING_RESETS_MAX))
        .layer(gate::GateLayer {
            porter: desk,
            doors,
        })
        .serve_with_incoming_shutdown(service, incoming, stop)
        .await
}
