//! This process: its ids, its memory, its locks.

use std::{fs::File, io, path::Path};

use nix::{
    fcntl::{Flock, FlockArg},
    sys::{
        prctl,
        resource::{Resource, setrlimit},
    },
    unistd::{SysconfVar, getegid, geteuid, gethostname, sysconf},
};

/// The effective user id of this process.
#[must_use]
pub fn effective_uid() -> u32 {
    geteuid().as_raw()
}

/// The effective group id of this process.
#[must_use]
pub fn effective_gid() -> u32 {
    getegid().as_raw()
}

/// The machine's name; empty when the kernel does not say.
#[must_use]
pub fn host_name() -> String {
    gethostname().map_or_else(
        |_| String::new(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// Keeps this process's memory out of core dumps and away from debuggers of the same user: clears the
/// dumpable flag and sets the core size limit to zero.
///
/// # Errors
/// When the kernel refuses either.
pub fn forbid_dumps() -> io::Result<()> {
    prctl::set_dumpable(false)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    Ok(())
}

/// Takes an exclusive lock on an open file without waiting; the lock lives as long as the value.
/// `None` when another process holds it.
///
/// # Errors
/// When the file cannot be locked at all.
pub fn lock_exclusive(file: File) -> io::Result<Option<Flock<File>>> {
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, errno)) => Err(errno.into()),
    }
}

/// The resident memory of this process in bytes; `None` where `/proc` cannot be read.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = pages.split(' ').nth(1)?.parse().ok()?;
    let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten()?;
    pages.checked_mul(u64::try_from(page).ok()?)
}

/// The room left for this user on the file system that holds `path`, in bytes.
#[must_use]
pub fn free_bytes(path: &Path) -> Option<u64> {
    let found = nix::sys::statvfs::statvfs(path).ok()?;
    found.blocks_available().checked_mul(found.fragment_size())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_until_the_first_is_gone() {
        let dir = tempfile::tempdir().expect("a directory");
        let open = || File::create(dir.path().join("lock")).expect("a file");
        let first = lock_exclusive(open()).expect("asked").expect("free");
        assert!(lock_exclusive(open()).expect("asked").is_none());
        drop(first);
        assert!(lock_exclusive(open()).expect("asked").is_some());
    }

    #[test]
    fn this_process_takes_memory() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > 0));
    }
}
