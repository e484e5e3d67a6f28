//! The gRPC service on the Unix socket.
