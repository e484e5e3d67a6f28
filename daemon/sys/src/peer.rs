//! Who is at the other end of a Unix socket, as the kernel says.

use std::{
    io, mem,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{getsockopt, sockopt},
};

/// Most supplementary groups read of one peer. LIMIT: the kernel's own bound is 65536.
const GROUPS_MAX: usize = 65_536;

/// Groups read without asking twice.
const GROUPS_FIRST: usize = 64;

/// The credentials a peer had when it connected.
#[derive(Debug)]
pub struct Peer {
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
    /// Process id: a label, never an authority; the process may be gone and its id reused.
    pub pid: u32,
    /// Supplementary groups.
    pub groups: Arc<[u32]>,
    /// A handle on the very process that connected; `None` on kernels before 6.5 and when the process
    /// has already gone.
    pub pidfd: Option<Pidfd>,
}

/// A handle on one process, which never comes to mean another.
#[derive(Debug)]
pub struct Pidfd(OwnedFd);

impl Pidfd {
    /// Whether the process still runs. A process whose handle cannot be asked counts as gone.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let mut asked = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        matches!(poll(&mut asked, PollTimeout::ZERO), Ok(0))
    }
}

/// Reads the credentials of the peer of a connected Unix stream socket: `SO_PEERCRED`,
/// `SO_PEERGROUPS` and `SO_PEERPIDFD`.
///
/// # Errors
/// When the kernel does not say who the peer is; the caller must then refuse the connection.
pub fn peer(socket: BorrowedFd<'_>) -> io::Result<Peer> {
    let cred = getsockopt(&socket, sockopt::PeerCredentials)?;
    let unknown = || {
        io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the peer has no process id",
        )
    };
    let pid = u32::try_from(cred.pid())
        .ok()
        .filter(|pid| *pid != 0)
        .ok_or_else(unknown)?;
    Ok(Peer {
        uid: cred.uid(),
        gid: cred.gid(),
        pid,
        groups: peer_groups(socket)?.into(),
        pidfd: getsockopt(&socket, sockopt::PeerPidfd).ok().map(Pidfd),
    })
}

fn peer_groups(socket: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    let mut room = GROUPS_FIRST;
    loop {
        let mut groups = vec![0_u32; room];
        match read_groups(socket, &mut groups) {
            Ok(count) => {
                groups.truncate(count);
                return Ok(groups);
            }
            Err((error, wanted)) if error.raw_os_error() == Some(libc::ERANGE) && wanted > room => {
                if wanted > GROUPS_MAX {
                    return Err(error);
                }
                room = wanted;
            }
            Err((error, _)) => return Err(error),
        }
    }
}

/// Fills `groups` and says how many were filled; on failure, how many the kernel wanted to give.
fn read_groups(socket: BorrowedFd<'_>, groups: &mut [u32]) -> Result<usize, (io::Error, usize)> {
    let bytes = mem::size_of_val(groups);
    let mut length = libc::socklen_t::try_from(bytes)
        .map_err(|_| (io::Error::from(io::ErrorKind::InvalidInput), 0))?;
    // SAFETY: the descriptor is borrowed and so open for the whole call; `groups` is a writable buffer
    // of exactly `length` bytes, and `gid_t` is `u32` on Linux, so any bytes the kernel writes are
    // valid elements; `length` lives across the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERGROUPS,
            groups.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    let error = io::Error::last_os_error();
    let count = usize::try_from(length).unwrap_or(usize::MAX) / mem::size_of::<u32>();
    if result == 0 {
        Ok(count.min(groups.len()))
    } else {
        Err((error, count))
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::net::UnixStream, process::Command};

    use nix::unistd::{getegid, geteuid, getgroups};

    use super::*;

    #[test]
    fn the_peer_of_a_pair_is_this_process() {
        let (one, _two) = UnixStream::pair().expect("a pair");
        let peer = peer(one.as_fd()).expect("credentials");
        assert_eq!(peer.uid, geteuid().as_raw());
        assert_eq!(peer.gid, getegid().as_raw());
        assert_eq!(peer.pid, std::process::id());
        assert_eq!(peer.groups.len(), getgroups().expect("groups").len());
    }

    #[test]
    fn more_groups_than_the_first_guess_are_all_read() {
        let (one, _two) = UnixStream::pair().expect("a pair");
        let all = getgroups().expect("groups").len();
        if all > 0 {
            let mut none: [u32; 0] = [];
            let (error, wanted) = read_groups(one.as_fd(), &mut none).expect_err("no room");
            assert_eq!(error.raw_os_error(), Some(libc::ERANGE));
            assert_eq!(wanted, all);
        }
    }

    #[test]
    fn a_regular_file_has_no_peer() {
        let file = tempfile::tempfile().expect("a file");
        assert!(peer(file.as_fd()).is_err());
    }

    #[test]
    fn a_pidfd_sees_its_process_end() {
        let path = tempfile::tempdir().expect("a directory");
        let socket = path.path().join("s");
        let listener = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
        let script = format!(
            "import socket,time; s=socket.socket(socket.AF_UNIX); s.connect({:?}); time.sleep(60)",
            socket.display().to_string()
        );
        let Ok(mut child) = Command::new("python3").arg("-c").arg(script).spawn() else {
            return; // No interpreter to play the peer.
        };
        let (stream, _) = listener.accept().expect("accepted");
        let peer = peer(stream.as_fd()).expect("credentials");
        assert_eq!(peer.pid, child.id());
        if let Some(pidfd) = peer.pidfd {
            assert!(pidfd.is_alive());
            child.kill().expect("killed");
            child.wait().expect("reaped");
            assert!(!pidfd.is_alive());
        }
    }
}
