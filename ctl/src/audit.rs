//! `audit`: the journal as evidence, read from the file, live or a copy.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use fak_chain::{Checkpoint, GrowthProof, Note, PublicKey};
use fak_config::Dirs;
use fak_journal::{Head, ReadError, Reader, RecordKind, TroubleKind};
use fak_proto::v1::{JournalTailRequest, JournalVerifyRequest};
use fak_types::{Digest, VerdictKind};
use serde::Serialize;
use tokio_stream::StreamExt as _;

use crate::{
    client::Daemon,
    evidence,
    exit::{Exit, Failure, Outcome},
    flags::AuditVerb,
    out::{self, Out, Tint},
    record::{self, Row},
    tiles::Tiles,
};

/// Rows to one read.
const BATCH_ROWS: usize = 4096;

/// How often `tail -f` looks at the file.
const POLL: Duration = Duration::from_millis(200);

/// Reads and verifies the journal.
pub(crate) fn audit(out: &Out, daemon: &Daemon, verb: AuditVerb) -> Outcome {
    match verb {
        AuditVerb::Verify {
            which,
            head,
            checkpoint,
            key,
        } => {
            let kept = Kept {
                head: head.map(|head| head.0),
                checkpoint,
                key: key.map(|key| key.0),
            };
            verify(out, daemon, which.named(), &kept)
        }
        AuditVerb::Tail {
            which,
            lines,
            follow,
        } => tail(out, daemon, which.named(), lines, follow),
        AuditVerb::Show { which, seq, trace } => show(out, which.journal, seq, trace.as_deref()),
        AuditVerb::Export {
            which,
            tiles: Some(dir),
            checkpoint,
            ..
        } => publish(out, daemon, which.named(), &dir, checkpoint.as_deref()),
        AuditVerb::Export {
            which, from, to, ..
        } => export(out, which.named(), from, to),
        other => evidence::evidence(out, daemon, other),
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

/// What was kept elsewhere, to hold the journal against.
struct Kept {
    head: Option<Head>,
    checkpoint: Option<PathBuf>,
    key: Option<PublicKey>,
}

impl Kept {
    /// The kept checkpoint, once its signature holds; `Err` in the inner result says why it proves nothing.
    fn opened(
        &self,
        journal: Option<&Path>,
    ) -> Result<Option<Result<Checkpoint, String>>, Failure> {
        let Some(file) = &self.checkpoint else {
            return Ok(None);
        };
        let (note, _) = evidence::read_checkpoint(file)?;
        let beside = match (&self.key, journal) {
            (None, Some(journal)) => evidence::key_beside(journal)?,
            _ => None,
        };
        let Some(key) = self.key.as_ref().or(beside.as_ref()) else {
            return Err(Failure::new(
                Exit::Usage,
                "a checkpoint is verified with the journal's public key",
            )
            .fix("name it with --key; `fakctl audit checkpoint --key` prints it"));
        };
        if beside.is_some() {
            out::complain(
                "fakctl: the key is the one beside the journal: whoever replaced one may have replaced both; --key names \
                 one kept elsewhere",
            );
        }
        let opened = Checkpoint::open(&note, key);
        Ok(Some(
            opened.map_err(|error| format!("{}: {error}", file.display())),
        ))
    }
}

fn verify(out: &Out, daemon: &Daemon, named: Option<PathBuf>, kept: &Kept) -> Outcome {
    let explicit = named.is_some();
    let (path, reader) = match open(named) {
        Ok(opened) => opened,
        // fakd verifies its own journal for whoever may ask it.
        Err(failure) if !explicit && matches!(failure.exit, Exit::Missing | Exit::NotPermitted) => {
            return verified_by_fakd(out, daemon, kept);
        }
        Err(failure) => return Err(failure),
    };
    let checkpoint = match kept.opened(Some(&path))? {
        Some(Err(why)) => return unsound(out, &path.display().to_string(), &why),
        Some(Ok(checkpoint)) => Some(checkpoint),
        None => None,
    };
    let roots: Vec<_> = checkpoint.iter().map(|at| (at.size, at.root)).collect();
    let report = reader
        .verify_against(kept.head, &roots)
        .map_err(|error| unreadable(&path, &error))?;
    let found = Found {
        rows: report.rows,
        head: report.head,
        root: Some(report.root),
        bad: report.fault.map(|fault| (fault.seq, fault.to_string())),
    };
    tell(
        out,
        &path.display().to_string(),
        &found,
        checkpoint.as_ref(),
    )
}

/// What a verification found, here or in fakd.
struct Found {
    rows: u64,
    head: Head,
    root: Option<Digest>,
    bad: Option<(u64, String)>,
}

fn verified_by_fakd(out: &Out, daemon: &Daemon, kept: &Kept) -> Outcome {
    if kept.head.is_some() {
        return Err(Failure::new(
            Exit::NotPermitted,
            "--head needs the journal's file, which this user cannot read",
        )
        .fix("hold it against a checkpoint instead: --checkpoint FILE --key KEY"));
    }
    let place = format!("{} (by fakd)", daemon.socket.display());
    let checkpoint = match kept.opened(None)? {
        Some(Err(why)) => return unsound(out, &place, &why),
        Some(Ok(checkpoint)) => Some(checkpoint),
        None => None,
    };
    if let (Some(at), Some(key)) = (&checkpoint, &kept.key) {
        let text = evidence::ask_growth(daemon, at.size, 0)?;
        let grown = GrowthProof::parse(&text).and_then(|proof| proof.verify(at, key));
        if let Err(error) = grown {
            return unsound(out, &place, &error.to_string());
        }
    }
    let answer = daemon.converse(async |mut client| {
        let answer = client.journal_verify(JournalVerifyRequest {}).await;
        Ok(answer
            .map_err(|status| daemon.failed(&status))?
            .into_inner())
    })?;
    let hash = <[u8; 32]>::try_from(answer.head_hash.as_slice()).map_or(Digest::ZERO, Digest);
    let found = Found {
        rows: answer.rows,
        head: Head {
            seq: answer.head_seq,
            hash,
        },
        root: None,
        bad: (!answer.sound).then(|| (answer.bad_seq, out::plain(&answer.problem).into_owned())),
    };
    tell(out, &place, &found, checkpoint.as_ref())
}

#[derive(Serialize)]
struct VerifiedObject<'a> {
    sound: bool,
    path: &'a str,
    rows: u64,
    head: Option<HeadObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint_size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bad: Option<BadRow<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a str>,
}

#[derive(Serialize)]
struct HeadObject {
    seq: u64,
    hash: String,
}

#[derive(Serialize)]
struct BadRow<'a> {
    seq: u64,
    problem: &'a str,
}

fn tell(out: &Out, place: &str, found: &Found, kept: Option<&Checkpoint>) -> Outcome {
    let is_sound = found.bad.is_none();
    if out.json {
        let bad = found.bad.as_ref();
        out.object(&VerifiedObject {
            sound: is_sound,
            path: place,
            rows: found.rows,
            head: (found.rows > 0).then(|| HeadObject {
                seq: found.head.seq,
                hash: found.head.hash.to_string(),
            }),
            root: found.root.map(|root| root.to_string()),
            checkpoint_size: kept.map(|kept| kept.size),
            bad: bad.map(|(seq, problem)| BadRow { seq: *seq, problem }),
            problem: None,
        })?;
    } else if let Some((_, problem)) = &found.bad {
        out.text(&format!(
            "{}: {problem}\n  {} rows before it are sound: {place}\n",
            out.paint(Tint::Bad, "NOT SOUND"),
            found.rows,
        ))?;
    } else {
        let mut text = format!(
            "{}: {} rows, head #{} {}: {place}\n",
            out.paint(Tint::Good, "sound"),
            found.rows,
            found.head.seq,
            found.head.hash,
        );
        if let Some(root) = found.root {
            text.push_str(&format!("  root of {} rows {root}\n", found.rows));
        }
        if let Some(kept) = kept {
            text.push_str(&format!(
                "  it begins with the {} rows of the kept checkpoint of {}\n",
                kept.size,
                out::plain(&kept.origin)
            ));
        }
        out.text(&text)?;
    }
    Ok(if is_sound { Exit::Ok } else { Exit::No })
}

/// The journal is not the one that was signed.
fn unsound(out: &Out, place: &str, why: &str) -> Outcome {
    if out.json {
        out.object(&VerifiedObject {
            sound: false,
            path: place,
            rows: 0,
            head: None,
            root: None,
            checkpoint_size: None,
            bad: None,
            problem: Some(why),
        })?;
    } else {
        out.text(&format!("{}: {why}\n", out.paint(Tint::Bad, "NOT SOUND")))?;
    }
    Ok(Exit::No)
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

/// Writes the journal as a static log, as far as a checkpoint covers it.
fn publish(
    out: &Out,
    daemon: &Daemon,
    named: Option<PathBuf>,
    dir: &Path,
    checkpoint: Option<&Path>,
) -> Outcome {
    let explicit = named.is_some();
    let opened = open(named);
    let (note, at) = match (checkpoint, &opened) {
        (Some(file), _) => evidence::read_checkpoint(file)?,
        (None, Ok((path, _))) if explicit => {
            evidence::read_checkpoint(&evidence::checkpoint_beside(path))?
        }
        (None, _) => {
            let (text, _) = evidence::ask_checkpoint(daemon, 0)?;
            let note = Note::parse(&text).map_err(|error| Failure::data(error.to_string()))?;
            let at = Checkpoint::of_text(note.text());
            (
                note,
                at.ok_or_else(|| Failure::data("fakd answered with no checkpoint"))?,
            )
        }
    };
    let mut tiles = Tiles::new(dir);
    match opened {
        Ok((path, reader)) => {
            while tiles.size() < at.size {
                let rows = reader
                    .rows(tiles.size() + 1, BATCH_ROWS)
                    .map_err(|error| unreadable(&path, &error))?;
                let wanted = rows.iter().filter(|row| row.seq <= at.size);
                let before = tiles.size();
                wanted
                    .map(|row| &row.body)
                    .try_for_each(|body| tiles.push(body))?;
                if tiles.size() == before {
                    break;
                }
            }
        }
        Err(failure) if !explicit && matches!(failure.exit, Exit::Missing | Exit::NotPermitted) => {
            rows_of_fakd(daemon, at.size, &mut tiles)?;
        }
        Err(failure) => return Err(failure),
    }
    tiles.finish(&note, &at)?;
    if out.json {
        #[derive(Serialize)]
        struct Published {
            dir: String,
            origin: String,
            size: u64,
        }
        out.object(&Published {
            dir: dir.display().to_string(),
            origin: at.origin,
            size: at.size,
        })?;
    } else {
        out.text(&format!(
            "{} rows of {} are in {}\n",
            at.size,
            out::plain(&at.origin),
            dir.display()
        ))?;
    }
    Ok(Exit::Ok)
}

/// Most rows asked for at once.
const TAIL_ROWS: u32 = 1 << 16;

fn rows_of_fakd(daemon: &Daemon, size: u64, tiles: &mut Tiles) -> Result<(), Failure> {
    daemon.converse(async |mut client| {
        while tiles.size() < size {
            let left = u32::try_from(size - tiles.size()).unwrap_or(u32::MAX);
            let request = JournalTailRequest {
                from_seq: tiles.size() + 1,
                limit: left.min(TAIL_ROWS),
                follow: false,
            };
            let rows = daemon.in_time(client.journal_tail(request)).await?;
            let mut rows = rows.map_err(|status| daemon.failed(&status))?.into_inner();
            let before = tiles.size();
            while let Some(row) = daemon.in_time(rows.next()).await? {
                tiles.push(&row.map_err(|status| daemon.failed(&status))?.body)?;
            }
            if tiles.size() == before {
                break;
            }
        }
        Ok(())
    })
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
