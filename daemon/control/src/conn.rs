//! Connections: accepted, named by the kernel, charged to their user.

use std::{
    future::Future,
    io,
    os::fd::AsFd,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use fak_sys::Pidfd;
use fak_telemetry::{Event, Notice};
use fak_types::Principal;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::UnixStream,
    time::{Sleep, sleep},
};
use tokio_stream::Stream;
use tonic::transport::server::Connected;

use crate::{
    account::{Account, Accounts, Seat},
    door::{Door, Entrance},
};

/// Bytes of the HTTP/2 greeting every client begins with.
const GREETING_BYTES: usize = 24;

/// How long a peer may take over its greeting. LIMIT: then the connection is closed.
const GREETING_WAIT: Duration = Duration::from_secs(5);

/// How long a connection over its user's bound stays open to be told so.
const EXCESS_WAIT: Duration = Duration::from_secs(2);

/// How long to wait when the process has run out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Who is at the other end of a connection.
#[derive(Debug)]
pub struct Peer {
    /// As the kernel says.
    pub principal: Principal,
    /// `principal`'s stable name.
    pub name: Arc<str>,
    /// The process that connected; `None` where the kernel gives no handle.
    pub pidfd: Option<Pidfd>,
    /// Where it came in.
    pub door: Door,
    pub(crate) account: Arc<Account>,
    pub(crate) excess: bool,
}

/// What every request of a connection carries.
#[derive(Clone, Debug)]
pub struct PeerInfo(pub Arc<Peer>);

/// One connection.
#[derive(Debug)]
pub(crate) struct Conn {
    stream: UnixStream,
    peer: Arc<Peer>,
    _seat: Seat,
    deadline: Option<Deadline>,
}

#[derive(Debug)]
struct Deadline {
    /// Bytes still to come before it is lifted; `None`: it is never lifted.
    missing: Option<usize>,
    sleep: Pin<Box<Sleep>>,
}

impl Conn {
    /// Names and charges a fresh connection; `None` when it must be closed at once.
    fn new(stream: UnixStream, door: Door, accounts: &Accounts) -> Option<Self> {
        // Without credentials nobody is there: this check carries the security of the socket.
        let peer = fak_sys::peer(stream.as_fd()).ok()?;
        let (uid, gid, pid) = (peer.uid, peer.gid, peer.pid);
        let principal = Principal::Local {
            uid,
            gid,
            groups: peer.groups,
            pid,
        };
        let name: Arc<str> = principal.name().into();
        let Some(seat) = accounts.seat(uid) else {
            Notice::of(Event::Shed)
                .principal(&name)
                .say("a connection was closed: too many are open");
            return None;
        };
        let account = Arc::clone(&seat.account);
        let excess = seat.excess;
        let wait = if excess { EXCESS_WAIT } else { GREETING_WAIT };
        let deadline = Deadline {
            missing: (!excess).then_some(GREETING_BYTES),
            sleep: Box::pin(sleep(wait)),
        };
        let peer = Arc::new(Peer {
            principal,
            name,
            pidfd: peer.pidfd,
            door,
            account,
            excess,
        });
        Some(Self {
            stream,
            peer,
            _seat: seat,
            deadline: Some(deadline),
        })
    }

    /// Whether the deadline has passed, after `bytes` more have come.
    fn is_late(&mut self, cx: &mut Context<'_>, bytes: usize) -> bool {
        let Some(deadline) = &mut self.deadline else {
            return false;
        };
        if let Some(missing) = &mut deadline.missing {
            *missing = missing.saturating_sub(bytes);
            if *missing == 0 {
                self.deadline = None;
                return false;
            }
        }
        deadline.sleep.as_mut().poll(cx).is_ready()
    }
}

impl Connected for Conn {
    type ConnectInfo = PeerInfo;

    fn connect_info(&self) -> PeerInfo {
        PeerInfo(Arc::clone(&self.peer))
    }
}

impl AsyncRead for Conn {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let came = buffer.filled().len().saturating_sub(before);
        if self.is_late(cx, came) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Conn {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }
}

/// The connections of all listeners, as they come.
pub(crate) struct Incoming {
    entrances: Vec<Entrance>,
    accounts: Arc<Accounts>,
    pause: Option<Pin<Box<Sleep>>>,
    /// The listener asked first next time, so that a busy one does not starve the others.
    first: usize,
}

impl Incoming {
    pub(crate) fn new(entrances: Vec<Entrance>, accounts: Arc<Accounts>) -> Self {
        Self {
            entrances,
            accounts,
            pause: None,
            first: 0,
        }
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(UnixStream, Door)>> {
        let count = self.entrances.len();
        self.first = self.first.wrapping_add(1);
        for turn in 0..count {
            let entrance = &self.entrances[(self.first.wrapping_add(turn)) % count];
            if let Poll::Ready(accepted) = entrance.listener.poll_accept(cx) {
                return Poll::Ready(accepted.map(|(stream, _)| (stream, entrance.door)));
            }
        }
        Poll::Pending
    }
}

impl Stream for Incoming {
    type Item = io::Result<Conn>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(pause) = &mut self.pause {
                std::task::ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            match std::task::ready!(self.poll_accept(cx)) {
                Ok((stream, door)) => {
                    if let Some(conn) = Conn::new(stream, door, &self.accounts) {
                        return Poll::Ready(Some(Ok(conn)));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    // Out of descriptors or memory: others must first give some back.
                    Notice::of(Event::Shed).say(&format!("no connection can be accepted: {error}"));
                    self.pause = Some(Box::pin(sleep(ACCEPT_PAUSE)));
                }
            }
        }
    }
}
