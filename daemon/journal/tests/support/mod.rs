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

/// A closed journal as the version before the tree left it: the tables of format 1 and nothing else.
pub(crate) fn format_1(path: &Path, rows: u64) {
    let conn = rusqlite::Connection::open(path).expect("a fixture");
    conn.execute_batch(
        "PRAGMA journal_mode = WAL;
CREATE TABLE records (
  seq INTEGER PRIMARY KEY CHECK (seq > 0),
  body TEXT NOT NULL,
  hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX records_trace ON records (json_extract(body, '$.trace'))
  WHERE json_extract(body, '$.trace') IS NOT NULL;
CREATE INDEX records_gap ON records (seq) WHERE instr(body, '\"kind\":\"GAP\"') > 0;
CREATE TRIGGER records_keep BEFORE UPDATE ON records
  BEGIN SELECT RAISE(ABORT, 'a journal is append-only'); END;
CREATE TRIGGER records_stay BEFORE DELETE ON records
  BEGIN SELECT RAISE(ABORT, 'a journal is append-only'); END;
CREATE TABLE kernel_state (
  key TEXT PRIMARY KEY,
  value BLOB NOT NULL,
  seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
PRAGMA application_id = 0x66616b4a; PRAGMA user_version = 1; BEGIN",
    )
    .expect("a fixture");
    let mut prev = fak_types::Digest::ZERO;
    for seq in 1..=rows {
        // The clock jumps back between any two rows; the order is the number's.
        let row = Draft {
            ts_us: 1_700_000_000_000_000 - seq,
            ..draft(seq)
        };
        let body = fak_chain::encode(&row, seq);
        prev = fak_chain::link(&prev, &body);
        let values = (seq, std::str::from_utf8(&body).expect("a fixture"), prev.0);
        conn.execute("INSERT INTO records VALUES (?1, ?2, ?3)", values)
            .expect("a fixture");
    }
    conn.execute_batch("COMMIT").expect("a fixture");
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
