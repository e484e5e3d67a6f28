//! Listening sockets: our own, with the right mode from their first instant, and inherited ones.

use std::{
    fmt, fs, io,
    os::{
        fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd},
        unix::{ffi::OsStrExt, fs::PermissionsExt, net::UnixListener},
    },
    path::{Path, PathBuf},
};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrLike, UnixAddr, bind, getsockname,
    getsockopt, listen, socket, sockopt,
};

/// Longest path of a Unix socket, in bytes, less the terminating zero. LIMIT: the kernel's own.
pub const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;

/// A socket could not be made.
#[derive(Debug)]
pub enum BindError {
    /// The path does not fit a socket address.
    PathTooLong(PathBuf),
    /// A step failed.
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PathTooLong(path) => write!(
                f,
                "{}: a socket path has at most {SOCKET_PATH_BYTES_MAX} bytes; choose a shorter one",
                path.display()
            ),
            Self::Io {
                doing,
                path,
                source,
            } => {
                write!(f, "{}: cannot {doing}: {source}", path.display())
            }
        }
    }
}

impl std::error::Error for BindError {}

/// Makes a listening Unix stream socket at `path` with exactly `mode`.
///
/// The socket is bound beside its place, given its mode, set to listen and only then moved onto
/// `path`, replacing what was there: nobody can ever connect to it under a looser mode, and the
/// process-wide umask is not touched. The caller must first have made sure that nobody else serves
/// `path`.
///
/// # Errors
/// [`BindError`] with the step that failed; nothing is left behind.
pub fn bind_listener(path: &Path, mode: u32) -> Result<UnixListener, BindError> {
    let beside = beside(path);
    if path.as_os_str().len() > SOCKET_PATH_BYTES_MAX
        || beside.as_os_str().len() > SOCKET_PATH_BYTES_MAX
    {
        return Err(BindError::PathTooLong(path.to_owned()));
    }
    let made = bind_beside(&beside, mode).and_then(|socket| {
        let failed = |source| step("move the socket to its place", path, source);
        fs::rename(&beside, path).map_err(failed)?;
        Ok(socket)
    });
    if made.is_err() {
        // The first error is the one worth telling.
        let _ = fs::remove_file(&beside);
    }
    made
}

fn bind_beside(beside: &Path, mode: u32) -> Result<UnixListener, BindError> {
    let failed = |doing| move |errno: nix::Error| step(doing, beside, errno.into());
    match fs::remove_file(beside) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            return Err(step("remove what an earlier attempt left", beside, source));
        }
        _ => {}
    }
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)
        .map_err(failed("make a socket"))?;
    let address = UnixAddr::new(beside).map_err(failed("name the socket"))?;
    bind(std::os::fd::AsRawFd::as_raw_fd(&socket), &address).map_err(failed("bind the socket"))?;
    fs::set_permissions(beside, fs::Permissions::from_mode(mode))
        .map_err(|source| step("set the socket's mode", beside, source))?;
    let backlog = Backlog::new(BACKLOG).map_err(failed("listen"))?;
    listen(&socket, backlog).map_err(failed("listen"))?;
    Ok(UnixListener::from(socket))
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().as_bytes().to_vec();
    name.extend_from_slice(b".new");
    PathBuf::from(std::ffi::OsString::from(std::ffi::OsStr::from_bytes(&name)))
}

fn step(doing: &'static str, path: &Path, source: io::Error) -> BindError {
    BindError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

/// Takes over a listening Unix stream socket the service manager passed as descriptor `fd`.
///
/// Call it once per descriptor, before anything else in the process could own that number: the value
/// returned owns it and closes it.
///
/// # Errors
/// When `fd` is not open, or is not a listening Unix stream socket.
pub fn adopt_listener(fd: RawFd) -> io::Result<UnixListener> {
    let wrong = |what: &str| {
        let text = format!("descriptor {fd} from the service manager is {what}");
        io::Error::new(io::ErrorKind::InvalidInput, text)
    };
    if fd < 3 {
        return Err(wrong("a standard stream"));
    }
    // SAFETY: the descriptor is only borrowed for the checks below, which fail with EBADF when it is
    // not open; nothing in this process closes it meanwhile, as the caller promises.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    let kind = getsockopt(&borrowed, sockopt::SockType).map_err(|_| wrong("not a socket"))?;
    let address = getsockname::<nix::sys::socket::SockaddrStorage>(fd)?;
    if kind != SockType::Stream || address.family() != Some(AddressFamily::Unix) {
        return Err(wrong("not a Unix stream socket"));
    }
    if !getsockopt(&borrowed, sockopt::AcceptConn)? {
        return Err(wrong("not listening"));
    }
    // SAFETY: the checks above show that `fd` is an open descriptor, and the caller promises that no
    // other value of this process owns it.
    let listener = UnixListener::from(unsafe { OwnedFd::from_raw_fd(fd) });
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use std::os::{fd::IntoRawFd, unix::net::UnixStream};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").permissions().mode() & 0o777
    }

    #[test]
    fn the_socket_has_its_mode_and_serves() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("s.sock");
        let _listener = bind_listener(&path, 0o660).expect("bound");
        assert_eq!(mode(&path), 0o660);
        UnixStream::connect(&path).expect("connected");
        assert_eq!(fs::read_dir(dir.path()).expect("read").count(), 1);
    }

    #[test]
    fn a_stale_socket_is_replaced() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("s.sock");
        drop(bind_listener(&path, 0o600).expect("bound"));
        assert!(UnixStream::connect(&path).is_err());
        let _listener = bind_listener(&path, 0o600).expect("bound again");
        UnixStream::connect(&path).expect("connected");
    }

    #[test]
    fn a_long_path_says_so() {
        let path = PathBuf::from(format!("/tmp/{}", "x".repeat(120)));
        let error = bind_listener(&path, 0o600).expect_err("too long");
        assert!(error.to_string().contains("at most 107 bytes"), "{error}");
    }

    #[test]
    fn a_missing_directory_is_named() {
        let error = bind_listener(Path::new("/no/such/dir/s"), 0o600).expect_err("no directory");
        assert!(
            error
                .to_string()
                .starts_with("/no/such/dir/s.new: cannot bind the socket"),
            "{error}"
        );
    }

    #[test]
    fn an_inherited_listener_is_adopted_and_a_stranger_is_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("s.sock");
        let fd = bind_listener(&path, 0o600).expect("bound").into_raw_fd();
        let _listener = adopt_listener(fd).expect("adopted");
        UnixStream::connect(&path).expect("connected");

        let (one, _two) = UnixStream::pair().expect("a pair");
        assert!(
            adopt_listener(one.into_raw_fd())
                .expect_err("connected")
                .to_string()
                .contains("not listening")
        );
        let file = tempfile::tempfile().expect("a file");
        assert!(
            adopt_listener(file.into_raw_fd())
                .expect_err("a file")
                .to_string()
                .contains("not a socket")
        );
        assert!(adopt_listener(1).is_err());
    }
}
