//! `backup`: copies of the journal, each a directory with a manifest that says what it must be.
//!
//! ```text
//! BACKUPS/20261120T101500Z-4711/journal.db      one SQLite file, complete
//! BACKUPS/20261120T101500Z-4711/manifest.json   rows, head, root, size, digest; the newest checkpoint and key
//! ```
//!
//! A copy is made under a name that counts for nothing and renamed when it has been verified and is on disk.
//! No secret is copied: a restored journal goes on with the key of the machine it is restored on.

mod manifest;
mod restore;

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use fak_journal::Reader;
use serde::Serialize;

use crate::{
    audit, evidence,
    exit::{Exit, Failure, Outcome},
    flags::{BackupVerb, Place},
    operate::age,
    out::{self, Out, Tint, table},
};

use manifest::Manifest;

/// A copy's journal.
const JOURNAL: &str = "journal.db";

/// What a copy that is being made is called.
const UNFINISHED: &str = ".unfinished";

/// Runs one of the verbs.
pub(crate) fn backup(out: &Out, verb: BackupVerb) -> Outcome {
    match verb {
        BackupVerb::Create { place, keep } => create(out, &place, keep),
        BackupVerb::List { place } => list(out, &place),
        BackupVerb::Verify { name, place } => verify(out, &place, name.as_deref()),
        BackupVerb::Restore {
            name,
            place,
            checkpoint,
            accept_rollback,
        } => {
            let copy = find(&place, Some(&name))?;
            restore::restore(
                out,
                &journal(&place),
                &copy,
                checkpoint.as_deref(),
                accept_rollback,
            )
        }
    }
}

fn journal(place: &Place) -> PathBuf {
    place.journal.clone().unwrap_or_else(audit::default_journal)
}

fn copies_dir(place: &Place) -> PathBuf {
    place
        .dir
        .clone()
        .unwrap_or_else(|| journal(place).with_file_name("backups"))
}

/// A copy, found by name or as the newest.
fn find(place: &Place, name: Option<&Path>) -> Result<PathBuf, Failure> {
    let dir = copies_dir(place);
    let found = match name {
        Some(name) if name.components().count() > 1 || name.join(manifest::FILE).is_file() => {
            Some(name.to_owned())
        }
        Some(name) => Some(dir.join(name)),
        None => names(&dir)?.first().map(|newest| dir.join(newest)),
    };
    found
        .filter(|copy| copy.join(manifest::FILE).is_file())
        .ok_or_else(|| {
            let what = name.map_or_else(
                || "no copy".to_owned(),
                |name| format!("no copy {}", name.display()),
            );
            Failure::new(
                Exit::Missing,
                format!("there is {what} in {}", dir.display()),
            )
            .fix("`fakctl backup list` shows the copies; --from names another place")
        })
}

/// The copies' names, newest first: they begin with the time.
fn names(dir: &Path) -> Result<Vec<String>, Failure> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Failure::reading(&dir.display().to_string(), &error)),
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| dir.join(name).join(manifest::FILE).is_file() && !name.starts_with('.'))
        .collect();
    names.sort_unstable_by(|a, b| b.cmp(a));
    Ok(names)
}

fn create(out: &Out, place: &Place, keep: usize) -> Outcome {
    let source = journal(place);
    let dir = copies_dir(place);
    let reader = Reader::open(&source).map_err(|error| audit::unreadable(&source, &error))?;
    let failed = |what: &Path, error: &io::Error| {
        Failure::new(Exit::Io, format!("{}: {error}", what.display()))
    };
    make_dir(&dir).map_err(|error| failed(&dir, &error))?;
    let unfinished = dir.join(format!("{UNFINISHED}-{}", std::process::id()));
    // Left over by a process of this number that was killed.
    let _ = fs::remove_dir_all(&unfinished);
    make_dir(&unfinished).map_err(|error| failed(&unfinished, &error))?;
    let made = copy(&source, &reader, &unfinished);
    let manifest = made.inspect_err(|_| {
        let _ = fs::remove_dir_all(&unfinished);
    })?;
    let copy = place_in(&dir, &unfinished, &manifest)?;
    let removed = if keep > 0 {
        prune(&dir, keep)?
    } else {
        Vec::new()
    };
    if out.json {
        #[derive(Serialize)]
        struct Created<'a> {
            path: String,
            manifest: &'a Manifest,
            removed: Vec<String>,
        }
        out.object(&Created {
            path: copy.display().to_string(),
            manifest: &manifest,
            removed,
        })?;
    } else {
        let mut text = format!(
            "{}: {} rows, {} bytes, verified: {}\n",
            out.paint(Tint::Good, "copied"),
            manifest.rows,
            manifest.bytes,
            copy.display()
        );
        for name in removed {
            text.push_str(&format!("  removed {name}, beyond the {keep} to keep\n"));
        }
        out.text(&text)?;
    }
    Ok(Exit::Ok)
}

/// Gives a finished copy its name: the time and the rows, and a number when two share both.
fn place_in(dir: &Path, unfinished: &Path, manifest: &Manifest) -> Result<PathBuf, Failure> {
    let name = format!("{}-{}", stamp(manifest.made_s), manifest.rows);
    let mut copy = dir.join(&name);
    let mut number = 1;
    loop {
        // A rename never replaces a directory that holds something.
        match fs::rename(unfinished, &copy) {
            Ok(()) => break,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
                ) =>
            {
                number += 1;
                copy = dir.join(format!("{name}.{number}"));
            }
            Err(error) => {
                let text = format!("{}: {error}", copy.display());
                return Err(Failure::new(Exit::Io, text));
            }
        }
    }
    let synced = fs::File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(|error| Failure::new(Exit::Io, format!("{}: {error}", dir.display())))?;
    Ok(copy)
}

fn copy(source: &Path, reader: &Reader, unfinished: &Path) -> Result<Manifest, Failure> {
    let file = unfinished.join(JOURNAL);
    reader
        .backup_to(&file)
        .map_err(|error| audit::unreadable(source, &error))?;
    let report = fak_journal::verify(&file).map_err(|error| audit::unreadable(&file, &error))?;
    if let Some(fault) = report.fault {
        return Err(Failure::new(
            Exit::No,
            format!(
                "{}: the journal is not sound, so its copy is not kept: {fault}",
                source.display()
            ),
        )
        .fix("`fakctl audit verify` says more; keep the file for inspection"));
    }
    // One that was signed while the copy was made may cover rows the copy has not.
    let checkpoint = evidence::read_checkpoint(&evidence::checkpoint_beside(source))
        .ok()
        .filter(|(_, at)| at.size <= report.rows)
        .map(|(note, _)| note.to_string());
    let key = evidence::key_beside(source)?.map(|key| key.to_string());
    let manifest = Manifest::of(&file, &report, now_s(), checkpoint, key)?;
    manifest.write(unfinished)?;
    Ok(manifest)
}

/// Removes the oldest copies beyond `keep`.
fn prune(dir: &Path, keep: usize) -> Result<Vec<String>, Failure> {
    let mut removed = Vec::new();
    for name in names(dir)?.into_iter().skip(keep) {
        let copy = dir.join(&name);
        fs::remove_dir_all(&copy)
            .map_err(|error| Failure::new(Exit::Io, format!("{}: {error}", copy.display())))?;
        removed.push(name);
    }
    Ok(removed)
}

fn list(out: &Out, place: &Place) -> Outcome {
    let dir = copies_dir(place);
    let mut copies = Vec::new();
    for name in names(&dir)? {
        let read = Manifest::read(&dir.join(&name));
        copies.push((name, read));
    }
    if out.json {
        #[derive(Serialize)]
        struct Copies<'a> {
            dir: String,
            copies: Vec<Listed<'a>>,
        }
        #[derive(Serialize)]
        struct Listed<'a> {
            name: &'a str,
            manifest: Option<&'a Manifest>,
        }
        let copies = copies
            .iter()
            .map(|(name, read)| Listed {
                name,
                manifest: read.as_ref().ok(),
            })
            .collect();
        out.object(&Copies {
            dir: dir.display().to_string(),
            copies,
        })?;
        return Ok(Exit::Ok);
    }
    let rows: Vec<_> = copies
        .iter()
        .map(|(name, read)| match read {
            Ok(manifest) => vec![
                (name.clone(), Some(Tint::Bold)),
                (format!("{} rows", manifest.rows), None),
                (format!("{} bytes", manifest.bytes), None),
                (age(manifest.made_s.saturating_mul(1000)), Some(Tint::Dim)),
            ],
            Err(failure) => vec![
                (name.clone(), Some(Tint::Bold)),
                (failure.message.clone(), Some(Tint::Bad)),
            ],
        })
        .collect();
    if rows.is_empty() {
        out.text(&format!("no copies in {}\n", dir.display()))?;
    } else {
        out.text(&table(out, &rows))?;
    }
    Ok(Exit::Ok)
}

fn verify(out: &Out, place: &Place, name: Option<&Path>) -> Outcome {
    let copy = find(place, name)?;
    let manifest = Manifest::read(&copy)?;
    let problem = manifest.problem_of(&copy.join(JOURNAL))?;
    if out.json {
        #[derive(Serialize)]
        struct Checked<'a> {
            sound: bool,
            path: String,
            manifest: &'a Manifest,
            #[serde(skip_serializing_if = "Option::is_none")]
            problem: Option<&'a str>,
        }
        out.object(&Checked {
            sound: problem.is_none(),
            path: copy.display().to_string(),
            manifest: &manifest,
            problem: problem.as_deref(),
        })?;
    } else {
        out.text(&match &problem {
            None => format!(
                "{}: {} rows, as its manifest says: {}\n",
                out.paint(Tint::Good, "sound"),
                manifest.rows,
                copy.display()
            ),
            Some(problem) => format!(
                "{}: {}: {}\n",
                out.paint(Tint::Bad, "NOT SOUND"),
                out::plain(problem),
                copy.display()
            ),
        })?;
    }
    Ok(if problem.is_none() {
        Exit::Ok
    } else {
        Exit::No
    })
}

fn make_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

fn now_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// `20261120T101500Z`: sorts by time and is a file name everywhere.
fn stamp(unix_s: u64) -> String {
    let text =
        humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(unix_s)).to_string();
    text.replace(['-', ':'], "")
}
