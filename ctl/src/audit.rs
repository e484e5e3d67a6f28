//! `audit`: the journal as evidence, read from the file, live or a copy.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use fak_config::Dirs;
use fak_journal::{ReadError, Reader, RecordKind, TroubleKind};
use fak_proto::v1::JournalTailRequest;
use fak_types::VerdictKind;
use serde::Serialize;
use tokio_stream::StreamExt as _;

use crate::{
    client::Daemon,
    exit::{Exit, Failure, Outcome},
    flags::AuditVerb,
    out::{self, Out, Tint},
    record::{self, Row},
};

/// Rows to one read.
const BATCH_ROWS: usize = 4096;

/// How often `tail -f` looks at the file.
const POLL: Duration = Duration::from_millis(200);

/// Reads and verifies the journal.
pub(crate) fn audit(out: &Out, daemon: &Daemon, verb: AuditVerb) -> Outcome {
    match verb {
        AuditVerb::Verify { which, head } => verify(out, which.named(), head.map(|head| head.0)),
        AuditVerb::Tail {
            which,
            lines,
            follow,
        } => tail(out, daemon, which.named(), lines, follow),
        AuditVerb::Show { which, seq, trace } => show(out, which.journal, seq, trace.as_deref()),
        AuditVerb::Export { which, from, to } => export(out, which.named(), from, to),
    }
}

/// The journal to read when none is named: the user daemon's when there is one, else the system daemon's.
pub(crate) fn default_journal() -> PathBuf {
    let name = "journal.db";
    let env = |name: &str| std::env::var_os(name);
    let user = Dirs::user(&env, nix::unistd::geteuid().as_raw()).map(|dirs| dirs.state.join(name));
    match user {
        Ok(user) if user.exists() => user,
        _ => Dirs::system().state.join(name),
    }
}

fn open(named: Option<PathBuf>) -> Result<(PathBuf, Reader), Failure> {
    let path = named.unwrap_or_else(default_journal);
    let reader = Reader::open(&path).map_err(|error| unreadable(&path, &error))?;
    Ok((path, reader))
}

/// What a journal that cannot be read means for the exit code.
pub(crate) fn unreadable(path: &Path, error: &ReadError) -> Failure {
    let at = path.display();
    match error {
        ReadError::Missing { .. } => Failure::new(Exit::Missing, format!("{at}: missing"))
            .fix("name the journal, for example ~/.local/state/fak/journal.db or /var/lib/fakd/journal.db"),
        ReadError::NotAJournal { .. } => Failure::data(error.to_string()),
        ReadError::TooNew { .. } => Failure::new(Exit::Protocol, error.to_string()),
        ReadError::Row { .. } => Failure::new(Exit::No, error.to_string()).fix("`fakctl audit verify` says more"),
        ReadError::Storage(trouble) if trouble.kind == TroubleKind::Denied => {
            Failure::new(Exit::NotPermitted, error.to_string()).fix("read it as root or as a member of its group")
        }
        _ => Failure::new(Exit::Io, error.to_string()),
    }
}

/// Which tools were called, and what was decided.
///
/// # Errors
/// When the journal cannot be read.
pub(crate) fn decisions(path: &Path) -> Result<Vec<(String, VerdictKind)>, Failure> {
    let reader = Reader::open(path).map_err(|error| unreadable(path, &error))?;
    let seen = reader.fold(1, Vec::new(), |mut seen, record| {
        if matches!(record.kind, RecordKind::Decide | RecordKind::Deny) {
            let kind = VerdictKind::parse(&record.verdict).unwrap_or(VerdictKind::Deny);
            seen.push((record.tool.clone(), kind));
        }
        seen
    });
    seen.map_err(|error| unreadable(path, &error))
}

fn verify(out: &Out, path: Option<PathBuf>, kept: Option<fak_journal::Head>) -> Outcome {
    let (path, reader) = open(path)?;
    let report = reader
        .verify(kept)
        .map_err(|error| unreadable(&path, &error))?;
    if out.json {
        #[derive(Serialize)]
        struct Verified {
            sound: bool,
            path: String,
            rows: u64,
            head: Option<HeadObject>,
            #[serde(skip_serializing_if = "Option::is_none")]
            bad: Option<BadRow>,
        }
        #[derive(Serialize)]
        struct HeadObject {
            seq: u64,
            hash: String,
        }
        #[derive(Serialize)]
        struct BadRow {
            seq: u64,
            problem: String,
        }
        let head = (report.rows > 0).then(|| HeadObject {
            seq: report.head.seq,
            hash: report.head.hash.to_string(),
        });
        let bad = report.fault.as_ref().map(|fault| BadRow {
            seq: fault.seq,
            problem: fault.to_string(),
        });
        let path = path.display().to_string();
        out.object(&Verified {
            sound: report.is_sound(),
            path,
            rows: report.rows,
            head,
            bad,
        })?;
    } else {
        let text = match &report.fault {
            None => format!(
                "{}: {} rows, head #{} {}, {} rows/s: {}\n",
                out.paint(Tint::Good, "sound"),
                report.rows,
                report.head.seq,
                report.head.hash,
                report.rows_per_second(),
                path.display()
            ),
            Some(fault) => format!(
                "{}: {fault}\n  {} rows before it are sound: {}\n",
                out.paint(Tint::Bad, "NOT SOUND"),
                report.rows,
                path.display()
            ),
        };
        out.text(&text)?;
    }
    Ok(if report.is_sound() {
        Exit::Ok
    } else {
        Exit::No
    })
}

fn tail(out: &Out, daemon: &Daemon, named: Option<PathBuf>, lines: u32, follow: bool) -> Outcome {
    let explicit = named.is_some();
    match open(named) {
        Ok((path, reader)) => {
            let rows = reader
                .last(lines as usize)
                .map_err(|error| unreadable(&path, &error))?;
            let mut next = rows.last().map_or(1, |row| row.seq.saturating_add(1));
            print(out, &decoded(rows)?)?;
            if !follow {
                return Ok(Exit::Ok);
            }
            loop {
                std::thread::sleep(POLL);
                let rows = reader
                    .rows(next, BATCH_ROWS)
                    .map_err(|error| unreadable(&path, &error))?;
                next = rows.last().map_or(next, |row| row.seq.saturating_add(1));
                print(out, &decoded(rows)?)?;
            }
        }
        // fakd reads its own journal for whoever may ask it.
        Err(failure) if !explicit && matches!(failure.exit, Exit::Missing | Exit::NotPermitted) => {
            from_fakd(out, daemon, lines, follow)
        }
        Err(failure) => Err(failure),
    }
}

fn from_fakd(out: &Out, daemon: &Daemon, lines: u32, follow: bool) -> Outcome {
    daemon.converse(async |mut client| {
        let request = JournalTailRequest {
            from_seq: 0,
            limit: lines,
            follow,
        };
        let rows = daemon.in_time(client.journal_tail(request)).await?;
        let mut rows = rows.map_err(|status| daemon.failed(&status))?.into_inner();
        while let Some(row) = rows.next().await {
            let row = row.map_err(|status| daemon.failed(&status))?;
            print(out, &[Row::of_proto(&row)?])?;
        }
        Ok(Exit::Ok)
    })
}

fn show(out: &Out, named: Option<PathBuf>, seq: Option<u64>, trace: Option<&str>) -> Outcome {
    let (path, reader) = open(named)?;
    let rows = match (seq, trace) {
        (Some(seq), _) => reader.rows(seq, 1).map(|mut rows| {
            rows.retain(|row| row.seq == seq);
            rows
        }),
        (None, Some(trace)) => reader.trace(trace, 1, BATCH_ROWS),
        (None, None) => Ok(Vec::new()),
    };
    let rows = decoded(rows.map_err(|error| unreadable(&path, &error))?)?;
    match rows.as_slice() {
        [] => Err(Failure::new(
            Exit::Missing,
            format!("{}: no such row", path.display()),
        )),
        [row] if !out.json && seq.is_some() => {
            out.text(&record::whole(out, row))?;
            Ok(Exit::Ok)
        }
        rows => {
            print(out, rows)?;
            Ok(Exit::Ok)
        }
    }
}

fn export(out: &Out, named: Option<PathBuf>, from: u64, to: Option<u64>) -> Outcome {
    let (path, reader) = open(named)?;
    let last = to.unwrap_or(u64::MAX);
    let mut next = from;
    while next <= last {
        let rows = reader
            .rows(next, BATCH_ROWS)
            .map_err(|error| unreadable(&path, &error))?;
        let Some(newest) = rows.last().map(|row| row.seq) else {
            break;
        };
        let lines: Vec<u8> = rows
            .iter()
            .filter(|row| row.seq <= last)
            .flat_map(line)
            .collect();
        if !out.quiet {
            out::write(&lines)?;
        }
        next = newest.saturating_add(1);
    }
    Ok(Exit::Ok)
}

/// A row as one line of JSON. The body is copied, not read: an export keeps what is there, sound or not.
fn line(row: &fak_journal::Row) -> Vec<u8> {
    let mut line = format!("{{\"schema\":\"{}\",", fak_proto::JSON_SCHEMA).into_bytes();
    line.extend_from_slice(row.to_line().get(1..).unwrap_or_default());
    line.push(b'\n');
    line
}

fn decoded(rows: Vec<fak_journal::Row>) -> Result<Vec<Row>, Failure> {
    rows.into_iter()
        .map(|row| Row::new(row.seq, row.body, row.hash.0.to_vec()))
        .collect()
}

fn print(out: &Out, rows: &[Row]) -> Result<(), Failure> {
    if out.json {
        rows.iter().try_for_each(|row| out.object(row))
    } else if rows.is_empty() {
        Ok(())
    } else {
        out.text(&record::lines(out, rows))
    }
}
