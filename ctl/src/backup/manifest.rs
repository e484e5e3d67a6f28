//! What a copy must be, in a file beside it.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use fak_chain::{Checkpoint, Head, Note, PublicKey};
use fak_journal::Report;
use fak_types::Digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    audit,
    exit::{Exit, Failure},
};

/// The manifest's name in a copy.
pub(crate) const FILE: &str = "manifest.json";

const SCHEMA: &str = "fak-backup/v1";

/// What is read at once.
const BLOCK_BYTES: usize = 64 << 10;

/// Longest manifest read. LIMIT: a longer one is refused; one that was written is a few hundred bytes and a checkpoint.
const MANIFEST_BYTES_MAX: u64 = 256 << 10;

/// What a copy is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// [`SCHEMA`].
    schema: String,
    /// When it was made, in seconds since 1970.
    pub(crate) made_s: u64,
    /// How many rows it holds.
    pub(crate) rows: u64,
    /// The hash of the last one.
    head: String,
    /// The root of the tree over them.
    root: String,
    /// The file's size.
    pub(crate) bytes: u64,
    /// The file's SHA-256.
    digest: String,
    /// The newest checkpoint when it was made, a signed note.
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<String>,
    /// The public key that verifies it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl Manifest {
    /// Of a copy that was just verified.
    pub(super) fn of(
        file: &Path,
        report: &Report,
        made_s: u64,
        checkpoint: Option<String>,
        key: Option<String>,
    ) -> Result<Self, Failure> {
        let (digest, bytes) = digest_of(file)?;
        Ok(Self {
            schema: SCHEMA.to_owned(),
            made_s,
            rows: report.rows,
            head: report.head.hash.to_string(),
            root: report.root.to_string(),
            bytes,
            digest: digest.to_string(),
            checkpoint,
            key,
        })
    }

    /// Writes it into a copy's directory, durably.
    pub(super) fn write(&self, copy: &Path) -> Result<(), Failure> {
        let path = copy.join(FILE);
        let failed =
            |error: &io::Error| Failure::new(Exit::Io, format!("{}: {error}", path.display()));
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|error| Failure::new(Exit::Internal, error.to_string()))?;
        text.push(b'\n');
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| failed(&error))?;
        file.write_all(&text)
            .and_then(|()| file.sync_all())
            .and_then(|()| File::open(copy)?.sync_all())
            .map_err(|error| failed(&error))
    }

    /// Reads a copy's manifest.
    pub(super) fn read(copy: &Path) -> Result<Self, Failure> {
        let path = copy.join(FILE);
        let at = path.display().to_string();
        let mut text = String::new();
        File::open(&path)
            .and_then(|file| file.take(MANIFEST_BYTES_MAX).read_to_string(&mut text))
            .map_err(|error| Failure::reading(&at, &error))?;
        let manifest: Self =
            serde_json::from_str(&text).map_err(|error| Failure::data(format!("{at}: {error}")))?;
        if manifest.schema == SCHEMA {
            Ok(manifest)
        } else {
            Err(Failure::data(format!(
                "{at}: has schema `{}` and this program knows `{SCHEMA}`",
                manifest.schema
            )))
        }
    }

    /// What is wrong with the journal this manifest is about; `None` when nothing is.
    pub(super) fn problem_of(&self, journal: &Path) -> Result<Option<String>, Failure> {
        let (digest, bytes) = digest_of(journal)?;
        if bytes != self.bytes {
            let text = format!("the file has {bytes} bytes and should have {}", self.bytes);
            return Ok(Some(text));
        }
        if digest.to_string() != self.digest {
            return Ok(Some(
                "the file is not the one that was copied: its digest is another".to_owned(),
            ));
        }
        let checkpoint = match self.kept() {
            Ok(kept) => kept,
            Err(why) => return Ok(Some(why)),
        };
        let head = Digest::parse(&self.head).ok().map(|hash| Head {
            seq: self.rows,
            hash,
        });
        let mut roots: Vec<_> = checkpoint.iter().map(|at| (at.size, at.root)).collect();
        roots.extend(Digest::parse(&self.root).ok().map(|root| (self.rows, root)));
        let report = fak_journal::Reader::open(journal)
            .and_then(|reader| reader.verify_against(head, &roots))
            .map_err(|error| audit::unreadable(journal, &error))?;
        Ok(report.fault.map(|fault| fault.to_string()))
    }

    /// The checkpoint it carries, once its signature by the key it carries holds. That finds damage, and
    /// nobody who made both.
    fn kept(&self) -> Result<Option<Checkpoint>, String> {
        let (Some(text), Some(key)) = (&self.checkpoint, &self.key) else {
            return Ok(None);
        };
        let key = PublicKey::parse(key).map_err(|error| format!("its key: {error}"))?;
        let note = Note::parse(text).map_err(|error| format!("its checkpoint: {error}"))?;
        Checkpoint::open(&note, &key)
            .map(Some)
            .map_err(|error| format!("its checkpoint: {error}"))
    }
}

/// The SHA-256 and the size of a file.
fn digest_of(path: &Path) -> Result<(Digest, u64), Failure> {
    let failed = |error: &io::Error| Failure::reading(&path.display().to_string(), error);
    let mut file = File::open(path).map_err(|error| failed(&error))?;
    let mut hash = Sha256::new();
    let mut block = vec![0; BLOCK_BYTES];
    let mut bytes = 0;
    loop {
        let taken = file.read(&mut block).map_err(|error| failed(&error))?;
        let Some(part) = block.get(..taken).filter(|part| !part.is_empty()) else {
            return Ok((Digest(hash.finalize().into()), bytes));
        };
        hash.update(part);
        bytes += u64::try_from(taken).unwrap_or(u64::MAX);
    }
}
