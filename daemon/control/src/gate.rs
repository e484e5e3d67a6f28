//! What every request passes before a byte of its message is read: the RPC is known, the rights
//! suffice, the user has room.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use fak_types::Rights;
use http::{Request, Response};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};

use crate::{
    account::{Charge, Claim},
    conn::{Peer, PeerInfo},
    door::{Door, Doors},
    rpc::{self, Rpc},
};

/// What the gate asks of the daemon behind it.
pub(crate) trait Porter: Send + Sync + 'static {
    /// What the peer may do now, by the lists alone and at a door.
    fn rights_at(&self, door: Door, peer: &Peer) -> Rights;
    /// An RPC was refused; `count` refusals are told at once.
    fn refused(&self, peer: &Peer, rpc: &str, rights: Rights, count: u64);
    /// Longest message.
    fn frame_bytes(&self) -> usize;
}

/// The layer that puts a [`Gate`] before a service.
pub(crate) struct GateLayer<P> {
    pub(crate) porter: Arc<P>,
    pub(crate) doors: Doors,
}

// A derived Clone would ask the same of `P`.
impl<P> Clone for GateLayer<P> {
    fn clone(&self) -> Self {
        Self {
            porter: Arc::clone(&self.porter),
            doors: self.doors.clone(),
        }
    }
}

impl<S, P> Layer<S> for GateLayer<P> {
    type Service = Gate<S, P>;

    fn layer(&self, inner: S) -> Gate<S, P> {
        Gate {
            inner,
            porter: Arc::clone(&self.porter),
            doors: self.doors.clone(),
        }
    }
}

/// The gate before a service.
pub(crate) struct Gate<S, P> {
    inner: S,
    porter: Arc<P>,
    doors: Doors,
}

impl<S: Clone, P> Clone for Gate<S, P> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            porter: Arc::clone(&self.porter),
            doors: self.doors.clone(),
        }
    }
}

/// What a handler learns about its caller.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) peer: Arc<Peer>,
    pub(crate) rights: Rights,
    /// A stream's claim, for the stream to keep.
    pub(crate) claim: Option<Arc<Claim>>,
}

impl<S, P> Service<Request<Body>> for Gate<S, P>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
    P: Porter,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        match self.admit(&request) {
            Ok((mut caller, claim)) => {
                let mut held = Some(claim);
                if held.as_ref().is_some_and(|claim| claim.is_stream()) {
                    caller.claim = held.take().map(Arc::new);
                }
                request.extensions_mut().insert(caller);
                let answer = self.inner.call(request);
                let frame_bytes = self.porter.frame_bytes();
                Box::pin(async move {
                    let answer = answer.await;
                    drop(held);
                    answer.map(|response| name_the_bound(response, frame_bytes))
                })
            }
            Err(status) => Box::pin(std::future::ready(Ok(status.into_http()))),
        }
    }
}

impl<S, P: Porter> Gate<S, P> {
    fn admit(&self, request: &Request<Body>) -> Result<(Caller, Claim), Box<Status>> {
        let Some(PeerInfo(peer)) = request.extensions().get::<PeerInfo>() else {
            return Err(Box::new(Status::unauthenticated(
                "the peer has no credentials",
            )));
        };
        if peer.excess {
            let text = format!("{} has too many connections open; close some", peer.name);
            return Err(Box::new(Status::resource_exhausted(text)));
        }
        let rights = self.porter.rights_at(peer.door, peer);
        let path = request.uri().path();
        let Some(rpc) = rpc::of_path(path) else {
            self.tell(peer, &shown(path), rights);
            let text = "this fakd serves no such RPC; compare the versions of fakd and its client";
            return Err(Box::new(Status::unimplemented(text)));
        };
        if !rpc.passes(peer.door, rights) {
            self.tell(peer, rpc.name, rights);
            return Err(Box::new(self.not_permitted(peer, rpc, rights)));
        }
        let claim = peer
            .account
            .claim(rpc.charge)
            .map_err(|bound| Box::new(no_room(peer, rpc, bound)))?;
        Ok((
            Caller {
                peer: Arc::clone(peer),
                rights,
                claim: None,
            },
            claim,
        ))
    }

    fn tell(&self, peer: &Peer, rpc: &str, rights: Rights) {
        if let Some(count) = peer.account.tell_refusal(Instant::now()) {
            self.porter.refused(peer, rpc, rights, count);
        }
    }

    /// The wrong door is told apart from the missing right: only the second needs an administrator.
    fn not_permitted(&self, peer: &Peer, rpc: Rpc, rights: Rights) -> Status {
        let needs = rpc.right.as_str();
        let elsewhere = self
            .doors
            .towards(|door| rpc.passes(door, self.porter.rights_at(door, peer)));
        Status::permission_denied(match elsewhere {
            Some(socket) => format!(
                "{} is not answered on this socket; ask at {socket}",
                rpc.name
            ),
            None => format!(
                "{} needs the role `{needs}`, {} has `{}`; an administrator grants it under \
                 [acl.{needs}] in fakd.toml",
                rpc.name,
                peer.name,
                rights.as_str(),
            ),
        })
    }
}

fn no_room(peer: &Peer, rpc: Rpc, bound: usize) -> Status {
    let what = match rpc.charge {
        Charge::Call => "calls in flight (limits.in_flight_per_uid)",
        Charge::Stream => "streams open (limits.streams_per_uid)",
    };
    Status::resource_exhausted(format!(
        "{} already has {bound} {what}; try again later",
        peer.name
    ))
}

/// A path as it may stand in a record: short, nothing invisible.
fn shown(path: &str) -> String {
    path.chars()
        .take(128)
        .map(|c| if c.is_ascii_graphic() { c } else { '?' })
        .collect()
}

/// tonic answers a message that is too long with OUT_OF_RANGE, which says nothing of the remedy.
fn name_the_bound(response: Response<Body>, frame_bytes: usize) -> Response<Body> {
    let status = Status::from_header_map(response.headers());
    if status.is_some_and(|status| status.code() == Code::OutOfRange) {
        too_long(frame_bytes).into_http()
    } else {
        response
    }
}

/// The answer to a message that is too long.
pub(crate) fn too_long(frame_bytes: usize) -> Status {
    Status::resource_exhausted(format!(
        "the message is longer than {frame_bytes} bytes (limits.frame_bytes in fakd.toml); send less at once"
    ))
}
