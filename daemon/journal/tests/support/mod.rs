//! What the tests of this crate share.

#![allow(dead_code, reason = "every test binary uses its own part")]

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use fak_journal::{Draft, Journal, Opened, Reader, RecordKind, Report, Settings, TreeSource};

/// A record like those of a busy day.
pub(crate) fn draft(n: u64) -> Draft {
    Draft {
        trace: format!("trace-{}", n % 7),
        who: "uid:1000".into(),
        pid: 4242,
        tool: "Bash".into(),
        verdict: "ALLOW".into(),
        by: "allow/Bash".into(),
        args_digest: Some(fak_chain::digest_bytes(&n.to_be_bytes())),
        args_bytes: 8,
        profile: "coding-agent".into(),
        policy: Some(fak_chain::digest_bytes(b"policy")),
        generation: 1,
        call: format!("call-{n}"),
        took_us: 3,
        ..Draft::new(RecordKind::Decide, 1_700_000_000_000_000 + n)
    }
}

pub(crate) fn open(path: &Path) -> (Journal, Opened) {
    Journal::open(Settings::new(path)).expect("the journal opens")
}

/// A closed journal of `rows` rows.
pub(crate) async fn filled(path: &Path, rows: u64) {
    let (journal, _) = open(path);
    for chunk in (1..=rows).collect::<Vec<_>>().chunks(500) {
        let drafts = chunk.iter().copied().map(draft).collect();
        journal.append_all(drafts).await.expect("appended");
    }
    journal.close().await.expect("closed");
}

pub(crate) fn sound(path: &Path) -> Report {
    let report = fak_journal::verify(path).expect("readable");
    assert_eq!(
        report.fault,
        None,
        "{}",
        report.fault.as_ref().expect("a fault")
    );
    let reader = Reader::open(path).expect("readable");
    assert_eq!(reader.check_file(), Ok(Vec::new()));
    // What the tiles say is what the rows say, in a file that was written by this version.
    assert_eq!(reader.tree_root_at(report.rows), Ok(report.root));
    assert_eq!(reader.tree_source(), TreeSource::Tiles);
    report
}

/// A small file system of its own, gone when dropped.
pub(crate) struct Mount(PathBuf);

impl Mount {
    /// `None`, with the reason printed, where mounting is not permitted.
    pub(crate) fn tmpfs(at: &Path, kib: u32) -> Option<Self> {
        let options = format!("size={kib}k,mode=0755");
        if run("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", text(at)]) {
            return Some(Self(at.into()));
        }
        println!("SKIP: mounting a tmpfs needs root and CAP_SYS_ADMIN");
        None
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    #[must_use]
    pub(crate) fn remount(&self, how: &str) -> bool {
        run("mount", &["-o", &format!("remount,{how}"), text(&self.0)])
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run("umount", &["-l", text(&self.0)]);
    }
}

pub(crate) fn run(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// This test binary again, running the one test `name` with `value` in the environment.
pub(crate) fn again(name: &str, value: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(CHILD, value);
    command
}

/// What tells a test that it runs as the child of another.
pub(crate) const CHILD: &str = "FAK_JOURNAL_CHILD";

pub(crate) fn child_path() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}
