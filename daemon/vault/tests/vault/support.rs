//! What the tests of the vault share.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use fak_types::{Digest, Reason};
use fak_vault::{Kind, Limits, Meta, OpenError, Opened, SealId, Vault, VaultKey};
use tempfile::{Builder, TempDir};

pub(crate) const WHO: &str = "uid:1000";

pub(crate) fn meta(trace: &str, kind: Kind, at_us: u64) -> Meta {
    Meta {
        trace: trace.into(),
        who: WHO.into(),
        tool: "mcp__mail__read_inbox".into(),
        reason: Reason::TrustViolation,
        rules: Digest([7; 32]),
        kind,
        at_us,
    }
}

pub(crate) fn quarantined(trace: &str) -> Meta {
    meta(trace, Kind::Quarantined, 1)
}

/// A directory nobody else may look into.
pub(crate) fn tempdir() -> TempDir {
    Builder::new()
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir()
        .expect("a directory")
}

/// The same in memory, where there is such a place: for files that are written thousands of times.
pub(crate) fn memory_dir() -> TempDir {
    let mut private = Builder::new();
    private.permissions(fs::Permissions::from_mode(0o700));
    private.tempdir_in("/dev/shm").unwrap_or_else(|_| tempdir())
}

/// A key and a way to give it away more than once.
pub(crate) struct Key(String);

impl Key {
    pub(crate) fn new() -> Self {
        Self(VaultKey::generate().expect("random").reveal().to_string())
    }

    pub(crate) fn get(&self) -> VaultKey {
        VaultKey::from_credential_text(&self.0).expect("a key")
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

pub(crate) fn open(dir: &Path, key: &Key) -> (Vault, Opened) {
    for _ in 0..200 {
        match Vault::open(dir, key.get(), Limits::default()) {
            // Between fork and exec a child of another test has this test's lock too.
            Err(OpenError::LockHeld { .. }) => thread::sleep(Duration::from_millis(10)),
            opened => return opened.expect("a vault"),
        }
    }
    panic!("the lock is held")
}

pub(crate) fn open_with(dir: &Path, limits: Limits) -> Vault {
    Vault::open(dir, Key::new().get(), limits)
        .expect("a vault")
        .0
}

pub(crate) fn file(dir: &Path, id: SealId) -> PathBuf {
    dir.join(format!("{id}.seal"))
}

/// The names of the sealed and the half-written files.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a directory");
    let mut names: Vec<_> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("text")
        })
        .collect();
    names.sort();
    names
}

/// Bytes without a pattern, the same for the same number.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}

/// A small file system of its own, gone when dropped.
pub(crate) struct Mount(PathBuf);

impl Mount {
    /// `None`, with the reason printed, where mounting is not permitted.
    pub(crate) fn tmpfs(at: &Path, kib: u32) -> Option<Self> {
        let options = format!("size={kib}k,mode=0700");
        if run("mount", &["-t", "tmpfs", "-o", &options, "tmpfs"], at) {
            return Some(Self(at.into()));
        }
        println!("SKIP: mounting a tmpfs needs root and CAP_SYS_ADMIN");
        None
    }

    #[must_use]
    pub(crate) fn remount(&self, how: &str) -> bool {
        run("mount", &["-o", &format!("remount,{how}")], &self.0)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run("umount", &["-l"], &self.0);
    }
}

fn run(program: &str, args: &[&str], at: &Path) -> bool {
    let mut command = Command::new(program);
    command
        .args(args)
        .arg(at)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
