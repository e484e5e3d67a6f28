//! Which socket to ask.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

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
