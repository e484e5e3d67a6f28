//! A client of the control protocol over a Unix socket.

use std::{
    future::Future,
    io,
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll},
};

use fak_proto::v1::fak_client::FakClient;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::{
    codegen::http::Uri,
    transport::{Channel, Endpoint, Error},
};
use tower_service::Service;

/// A connected client.
pub type Client = FakClient<Channel>;

/// Connects to the socket.
///
/// # Errors
/// When nothing listens there.
pub async fn connect(socket: &Path) -> Result<Client, Error> {
    let channel = Endpoint::from_static(fak_proto::AUTHORITY)
        .connect_with_connector(Connector(socket.into()))
        .await?;
    Ok(FakClient::new(channel).max_decoding_message_size(fak_proto::FRAME_BYTES_MAX))
}

struct Connector(PathBuf);

impl Service<Uri> for Connector {
    type Response = TokioIo<UnixStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let path = self.0.clone();
        Box::pin(async move { UnixStream::connect(path).await.map(TokioIo::new) })
    }
}
