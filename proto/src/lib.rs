//! The fak.v1 gRPC protocol.
