//! Putting a copy in the journal's place.
//!
//! Everything that can fail happens beside the journal; then the journal that is there is renamed aside and
//! the restored one renamed into its place, under the lock a daemon would hold.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
};

use fak_chain::{Checkpoint, Draft, RecordKind};
use fak_journal::{Journal, Reader, Settings};
use serde::Serialize;

use super::{JOURNAL, manifest::Manifest, now_s, stamp};
use crate::{
    audit, evidence,
    exit::{Exit, Failure, Outcome},
    out::{Out, Tint, plain},
};

/// Restores `copy` as `journal`.
pub(super) fn restore(
    out: &Out,
    journal: &Path,
    copy: &Path,
    kept: Option<&Path>,
    accept_rollback: bool,
) -> Outcome {
    let manifest = Manifest::read(copy)?;
    let source = copy.join(JOURNAL);
    if let Some(problem) = manifest.problem_of(&source)? {
        let text = format!("{}: the copy is not sound: {problem}", copy.display());
        return Err(Failure::new(Exit::No, text).fix("restore another one: `fakctl backup list`"));
    }
    let _lock = lock(journal)?;
    let behind = behind(journal, &source, kept)?;
    if let (Some(why), false) = (&behind, accept_rollback) {
        let text = format!("{}: {why}", copy.display());
        return Err(Failure::new(Exit::No, text)
            .fix("restore a newer copy, or say --accept-rollback when these rows may be lost"));
    }
    let lost = rows_of(journal).map(|rows| rows.saturating_sub(manifest.rows));
    let restoring = beside(journal, ".restoring");
    let name = copy
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let note = match (&behind, lost) {
        (Some(why), _) => format!("restored, rollback accepted: {why}"),
        (None, Some(lost)) if lost > 0 => {
            format!("restored; {lost} rows of the journal before were given up")
        }
        _ => "restored".to_owned(),
    };
    prepare(journal, &source, &restoring, &name, &note, manifest.rows)?;
    let aside = format!(".replaced-{}", stamp(now_s()));
    swap(journal, &restoring, &aside, behind.is_some())
        .map_err(|error| Failure::new(Exit::Io, format!("{}: {error}", journal.display())))?;
    tell(
        out,
        &Restored {
            journal: journal.display().to_string(),
            from: copy.display().to_string(),
            rows: manifest.rows,
            rows_given_up: lost,
            rollback: behind.as_deref(),
        },
        &aside,
    )
}

/// What was done.
#[derive(Serialize)]
struct Restored<'a> {
    journal: String,
    from: String,
    rows: u64,
    rows_given_up: Option<u64>,
    rollback: Option<&'a str>,
}

fn tell(out: &Out, done: &Restored<'_>, aside: &str) -> Outcome {
    if out.json {
        out.object(done)?;
        return Ok(Exit::Ok);
    }
    let mut text = format!(
        "{}: {} has the {} rows of {}\n",
        out.paint(Tint::Good, "restored"),
        done.journal,
        done.rows,
        plain(&done.from)
    );
    if let Some(lost) = done.rows_given_up {
        text.push_str(&format!(
            "  the journal before, with {lost} rows more, is {}{aside}\n",
            done.journal
        ));
    }
    text.push_str("  next: systemctl start fakd\n");
    out.text(&text)?;
    Ok(Exit::Ok)
}

/// Takes the lock a daemon holds while it writes.
fn lock(journal: &Path) -> Result<File, Failure> {
    let path = beside(journal, ".lock");
    let failed = |error: &io::Error| Failure::reading(&path.display().to_string(), error);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o640)
        .open(&path)
        .map_err(|error| failed(&error))?;
    own(&path, journal).map_err(|error| failed(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let text = format!("a fakd that runs holds {}", journal.display());
            Err(Failure::new(Exit::TryAgain, text)
                .fix("stop it first: systemctl stop fakd fakd.socket fakd-admin.socket fakd-audit.socket"))
        }
        Err(TryLockError::Error(error)) => Err(failed(&error)),
    }
}

/// Whether a checkpoint that is known covers rows the copy has not, or has otherwise; says so in a sentence.
fn behind(journal: &Path, source: &Path, kept: Option<&Path>) -> Result<Option<String>, Failure> {
    let reader = Reader::open(source).map_err(|error| audit::unreadable(source, &error))?;
    let rows = rows_of(source).unwrap_or(0);
    let here = evidence::checkpoint_beside(journal);
    let key = evidence::key_beside(journal)?;
    let mut files = Vec::new();
    if here.exists() {
        files.push(here.as_path());
    }
    files.extend(kept);
    for file in files {
        let (note, checkpoint) = evidence::read_checkpoint(file)?;
        // Without the key it is only a claim, and a claim is enough to ask before rows are lost.
        if let Some(key) = &key {
            Checkpoint::open(&note, key).map_err(|error| {
                let text = format!("{}: {error}", file.display());
                Failure::new(Exit::No, text)
                    .fix("name a checkpoint of this journal, or move that file away")
            })?;
        }
        if checkpoint.size > rows {
            return Ok(Some(format!(
                "it has {rows} rows, and a checkpoint of {} rows is known ({})",
                checkpoint.size,
                file.display()
            )));
        }
        let root = reader
            .tree_root_at(checkpoint.size)
            .map_err(|error| audit::unreadable(source, &error))?;
        if root != checkpoint.root {
            return Ok(Some(format!(
                "its first {} rows are not those of a checkpoint that is known ({})",
                checkpoint.size,
                file.display()
            )));
        }
    }
    Ok(None)
}

/// How many rows a journal has; `None` when it cannot be read.
fn rows_of(journal: &Path) -> Option<u64> {
    Some(Reader::open(journal).ok()?.head().ok()?.seq)
}

/// Copies the journal beside its place and has it say what became of it.
fn prepare(
    journal: &Path,
    source: &Path,
    restoring: &Path,
    name: &str,
    note: &str,
    rows: u64,
) -> Result<(), Failure> {
    let failed =
        |error: &io::Error| Failure::new(Exit::Io, format!("{}: {error}", restoring.display()));
    // Left over by a restore that was interrupted.
    remove(restoring).map_err(|error| failed(&error))?;
    fs::copy(source, restoring).map_err(|error| failed(&error))?;
    fs::set_permissions(restoring, fs::Permissions::from_mode(0o640))
        .map_err(|error| failed(&error))?;
    let root = Reader::open(source)
        .and_then(|reader| reader.tree_root_at(rows))
        .map_err(|error| audit::unreadable(source, &error))?;
    let (uid, pid) = (nix::unistd::geteuid().as_raw(), std::process::id());
    let row = Draft {
        who: format!("uid:{uid}"),
        pid,
        subject: name.to_owned(),
        count: rows,
        root: Some(root),
        note: note.to_owned(),
        ..Draft::new(RecordKind::Backup, now_s().saturating_mul(1_000_000))
    };
    append(restoring, row)?;
    remove(&beside(restoring, ".lock")).map_err(|error| failed(&error))?;
    own(restoring, journal)
        .and_then(|()| File::open(restoring)?.sync_all())
        .map_err(|error| failed(&error))
}

fn append(journal: &Path, row: Draft) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| Failure::new(Exit::Internal, format!("cannot start: {error}")))?;
    runtime.block_on(async {
        let failed = |error: &dyn std::fmt::Display| Failure::new(Exit::Io, error.to_string());
        let (open, _) = Journal::open(Settings::new(journal)).map_err(|error| failed(&error))?;
        open.append(row).await.map_err(|error| failed(&error))?;
        open.close().await.map_err(|error| failed(&error))
    })
}

/// Renames what is there aside and the restored journal into its place.
fn swap(journal: &Path, restoring: &Path, aside: &str, rollback: bool) -> io::Result<()> {
    for part in ["", "-wal", "-shm"] {
        // SQLite finds a log by its database's name.
        let to = beside(&beside(journal, aside), part);
        rename_if_there(&beside(journal, part), &to)?;
    }
    if rollback {
        let checkpoint = evidence::checkpoint_beside(journal);
        rename_if_there(&checkpoint, &beside(&checkpoint, aside))?;
    }
    fs::rename(restoring, journal)?;
    journal
        .parent()
        .map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Gives a file to the owner of the journal's directory, whoever runs this.
fn own(path: &Path, journal: &Path) -> io::Result<()> {
    let Some(dir) = journal.parent() else {
        return Ok(());
    };
    let owner = fs::metadata(dir)?;
    let there = fs::metadata(path)?;
    if (owner.uid(), owner.gid()) == (there.uid(), there.gid()) {
        return Ok(());
    }
    chown(path, Some(owner.uid()), Some(owner.gid()))
}

/// `PATH` with something after its name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
