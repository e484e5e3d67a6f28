//! Where fakd listens: sockets the service manager hands over, else one of its own.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::{
        fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

use fak_config::Config;
use fak_control::Door;

use crate::exit::{self, Failure};

/// The listeners, and what must stay open and be cleaned up with them.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) listeners: Vec<(UnixListener, Door)>,
    own: Option<Own>,
}

/// A socket this process made: removed when it stops, unless another has taken its place.
#[derive(Debug)]
struct Own {
    path: PathBuf,
    inode: u64,
    _lock: Box<dyn std::fmt::Debug + Send>,
}

impl Drop for Own {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            // Who cannot remove it leaves a stale socket, which the next start replaces.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Listening {
    /// Where it listens, for people.
    pub(crate) fn place(&self) -> String {
        match &self.own {
            Some(own) => own.path.display().to_string(),
            None if self.listeners.len() == 1 => "the service manager's socket".to_owned(),
            None => format!("the service manager's {} sockets", self.listeners.len()),
        }
    }
}

/// Takes over inherited sockets, or makes the configured one.
pub(crate) fn listen(config: &Config) -> Result<Listening, Failure> {
    let inherited = inherited()?;
    if inherited.is_empty() {
        return own(config);
    }
    Ok(Listening {
        listeners: inherited,
        own: None,
    })
}

fn inherited() -> Result<Vec<(UnixListener, Door)>, Failure> {
    let failed = |error: io::Error| Failure::new(exit::CANNOT_CREATE, error.to_string());
    let fds = sd_notify::listen_fds_with_names().map_err(failed)?;
    let is_only = fds.len() == 1;
    fds.map(|(fd, name)| {
        let listener = fak_sys::adopt_listener(fd).map_err(failed)?;
        Ok((listener, door(&name, is_only)?))
    })
    .collect()
}

/// What a socket lets through. The one everyone asks at, where it is the only one, must serve everybody.
fn door(name: &str, is_only: bool) -> Result<Door, Failure> {
    match Door::named(name) {
        None | Some(Door::Submit) if is_only => Ok(Door::Any),
        Some(door) => Ok(door),
        None => {
            let known = Door::NAMED.map(|(name, _)| name).join("`, `");
            let text = format!(
                "the service manager hands over a socket named `{name}`; with several sockets each is \
                 named one of `{known}`: set FileDescriptorName= in its socket unit"
            );
            Err(Failure::new(exit::CANNOT_CREATE, text))
        }
    }
}

fn own(config: &Config) -> Result<Listening, Failure> {
    let path = config.socket.clone();
    let failed = |text: String| Failure::new(exit::CANNOT_CREATE, text);
    let dir = path.parent().unwrap_or_else(|| Path::new("/"));
    let is_private = config.socket_mode & 0o077 == 0;
    make_dir(dir, if is_private { 0o700 } else { 0o755 }).map_err(failed)?;
    if is_private {
        check_private(dir).map_err(failed)?;
    }
    let lock = socket_lock(&path)?;
    if UnixStream::connect(&path).is_ok() {
        return Err(in_use(&path));
    }
    if fs::symlink_metadata(&path).is_ok_and(|found| !is_socket(&found)) {
        let text = format!(
            "{}: is not a socket; remove it or listen elsewhere",
            path.display()
        );
        return Err(failed(text));
    }
    let listener = fak_sys::bind_listener(&path, config.socket_mode)
        .map_err(|error| failed(error.to_string()))?;
    let inode = fs::symlink_metadata(&path).map_or(0, |found| found.ino());
    let own = Own {
        path,
        inode,
        _lock: lock,
    };
    Ok(Listening {
        listeners: vec![(listener, Door::Any)],
        own: Some(own),
    })
}

/// Holds the right to replace the socket: two daemons that start at once must not both find it stale.
fn socket_lock(path: &Path) -> Result<Box<dyn std::fmt::Debug + Send>, Failure> {
    let lock_path = path.with_extension("lock");
    let failed = |error: &io::Error| {
        Failure::new(
            exit::CANNOT_CREATE,
            format!("{}: cannot be locked: {error}", lock_path.display()),
        )
    };
    let file = File::options()
        .create(true)
        .truncate(false)
        // Whoever could open it could hold the lock and keep fakd from starting.
        .mode(0o600)
        .write(true)
        .open(&lock_path)
        .map_err(|error| failed(&error))?;
    let lock = fak_sys::lock_exclusive(file).map_err(|error| failed(&error))?;
    lock.map(|lock| Box::new(lock) as Box<_>)
        .ok_or_else(|| in_use(path))
}

fn in_use(path: &Path) -> Failure {
    let text = format!(
        "{}: another fakd listens there; stop it or listen elsewhere",
        path.display()
    );
    Failure::new(exit::CANNOT_CREATE, text)
}

fn is_socket(found: &fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    found.file_type().is_socket()
}

/// Makes a directory and what is missing above it.
pub(crate) fn make_dir(dir: &Path, mode: u32) -> Result<(), String> {
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(dir)
        .map_err(|error| format!("{}: cannot be made: {error}", dir.display()))
}

/// A private socket's directory must be this user's alone: `/tmp` is everybody's, and whoever owns the
/// directory can put another socket in the place of ours.
fn check_private(dir: &Path) -> Result<(), String> {
    let found = fs::symlink_metadata(dir)
        .map_err(|error| format!("{}: cannot be looked at: {error}", dir.display()))?;
    let why = if !found.is_dir() {
        "is not a directory"
    } else if found.uid() != fak_sys::effective_uid() {
        "belongs to another user"
    } else if found.permissions().mode() & 0o022 != 0 {
        "can be written by others"
    } else {
        return Ok(());
    };
    Err(format!(
        "{}: {why}; remove it, or set XDG_RUNTIME_DIR",
        dir.display()
    ))
}

#[cfg(test)]
mod tests {
    use fak_config::Dirs;

    use super::*;

    fn config_in(dir: &Path) -> Config {
        Config {
            socket: dir.join("run/fakd.sock"),
            socket_mode: 0o600,
            ..Config::defaults(&Dirs::system())
        }
    }

    #[test]
    fn a_socket_in_use_is_left_alone_and_a_stale_one_is_replaced() {
        let dir = tempfile::tempdir().expect("a directory");
        let config = config_in(dir.path());
        let first = own(&config).expect("listening");
        let error = own(&config).expect_err("in use");
        assert!(
            error.to_string().contains("another fakd listens there"),
            "{error}"
        );
        assert_eq!(error.code, exit::CANNOT_CREATE);
        drop(first);
        assert!(!config.socket.exists());
        // What a killed daemon leaves behind.
        drop(UnixListener::bind(&config.socket).expect("bound"));
        assert!(config.socket.exists());
        own(&config).expect("listening again");
    }

    #[test]
    fn one_socket_serves_everybody_and_several_are_told_apart_by_name() {
        assert_eq!(door("fakd.socket", true).expect("known"), Door::Any);
        assert_eq!(door("grpc", true).expect("known"), Door::Any);
        assert_eq!(door("audit", true).expect("known"), Door::Audit);
        assert_eq!(door("grpc", false).expect("known"), Door::Submit);
        let error = door("grcp", false).expect_err("unknown");
        assert_eq!(error.code, exit::CANNOT_CREATE);
        assert_eq!(
            error.to_string(),
            "the service manager hands over a socket named `grcp`; with several sockets each is named \
             one of `grpc`, `audit`, `admin`: set FileDescriptorName= in its socket unit"
        );
    }

    #[test]
    fn a_file_in_the_sockets_place_is_not_removed() {
        let dir = tempfile::tempdir().expect("a directory");
        let config = config_in(dir.path());
        make_dir(config.socket.parent().expect("a parent"), 0o700).expect("made");
        fs::write(&config.socket, "precious").expect("written");
        assert!(
            own(&config)
                .expect_err("refused")
                .to_string()
                .contains("is not a socket")
        );
        assert_eq!(
            fs::read_to_string(&config.socket).expect("there"),
            "precious"
        );
    }

    #[test]
    fn a_directory_others_can_write_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let config = config_in(dir.path());
        let run = config.socket.parent().expect("a parent");
        make_dir(run, 0o700).expect("made");
        fs::set_permissions(run, fs::Permissions::from_mode(0o777)).expect("set");
        assert!(
            own(&config)
                .expect_err("refused")
                .to_string()
                .contains("can be written by others")
        );
    }
}
