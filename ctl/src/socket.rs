//! Which socket to ask.

use std::{
    os::unix::{fs::MetadataExt as _, net::UnixStream},
    path::{Path, PathBuf},
};

/// The socket of administrators, beside the one everyone asks at.
const ADMIN: &str = "admin.sock";

/// The socket of auditors, beside it too.
const AUDIT: &str = "audit.sock";

/// What a verb wants of fakd, and so which of its sockets it looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Verdicts: the socket everyone asks at, and no other.
    Ask,
    /// To see as much as this user may.
    Read,
    /// To change what is in force.
    Change,
}

/// The strongest socket that serves `reach` beside `base` and takes this user in; else `base` itself.
///
/// A socket that is missing, closed to this user or left over from a daemon that is gone is passed over:
/// whether `base` will do is fakd's to say.
pub(crate) fn strongest(base: PathBuf, reach: Reach) -> PathBuf {
    let names: &[&str] = match reach {
        Reach::Ask => &[],
        Reach::Read => &[ADMIN, AUDIT],
        Reach::Change => &[ADMIN],
    };
    names
        .iter()
        .map(|name| base.with_file_name(name))
        .find(|beside| UnixStream::connect(beside).is_ok())
        .unwrap_or(base)
}

/// The socket to use: the one named, else the user's daemon when it is there, else the system's.
///
/// Without `$XDG_RUNTIME_DIR`, the fallback directory below `/tmp` counts only when it is a directory of
/// this user that nobody else can enter; anybody may create a name in `/tmp`.
pub(crate) fn resolve(named: Option<&Path>) -> PathBuf {
    if let Some(path) = named {
        return path.to_owned();
    }
    match std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| Path::new(dir).is_absolute()) {
        Some(dir) => {
            let user = Path::new(&dir).join(fak_proto::USER_SOCKET);
            if user.exists() {
                return user;
            }
        }
        None => {
            let uid = nix::unistd::geteuid().as_raw();
            let dir = PathBuf::from(format!("{}{uid}", fak_proto::USER_RUNTIME_FALLBACK));
            let user = dir.join(fak_proto::USER_SOCKET);
            if private_to(&dir, uid) && user.exists() {
                return user;
            }
        }
    }
    PathBuf::from(fak_proto::SYSTEM_SOCKET)
}

/// A real directory, owned by `uid`, closed to everybody else.
fn private_to(dir: &Path, uid: u32) -> bool {
    std::fs::symlink_metadata(dir)
        .is_ok_and(|meta| meta.is_dir() && meta.uid() == uid && meta.mode() & 0o077 == 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_verb_looks_for_the_strongest_socket_it_has_a_use_for() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        let found = |reach| {
            let socket = strongest(at("fakd.sock"), reach);
            socket
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        };
        let bind = |name: &str| UnixListener::bind(at(name)).expect("bound");
        assert_eq!(found(Reach::Read), "fakd.sock", "nothing beside it");
        let _base = bind("fakd.sock");
        let _audit = bind(AUDIT);
        assert_eq!(found(Reach::Read), AUDIT);
        assert_eq!(found(Reach::Change), "fakd.sock");
        let admin = bind(ADMIN);
        assert_eq!(found(Reach::Read), ADMIN);
        assert_eq!(found(Reach::Change), ADMIN);
        assert_eq!(found(Reach::Ask), "fakd.sock");
        drop(admin);
        assert_eq!(found(Reach::Change), "fakd.sock", "nobody listens there");
    }
}
