//! `audit checkpoint`, `prove`, `prove-consistency`, `check`, `witness`, `rotate-key`: evidence for people who do
//! not trust this machine.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use fak_chain::{Checkpoint, GrowthProof, Note, PROOF_BYTES_MAX, PublicKey, RowProof};
use fak_journal::Reader;
use fak_proto::v1::{
    CheckpointRequest, ProveConsistencyRequest, ProveRequest, RotateKeyRequest, WitnessRequest,
};
use serde::Serialize;

use crate::{
    audit,
    client::Daemon,
    exit::{Exit, Failure, Outcome},
    flags::{AuditVerb, ProofFrom},
    out::{Out, Tint, plain},
    record::{self, Row},
};

/// The newest checkpoint, beside the journal.
const CHECKPOINT_FILE: &str = "checkpoint";

/// The journal's public key, beside the journal.
const KEY_FILE: &str = "journal.vkey";

/// Runs one of the verbs above.
pub(crate) fn evidence(out: &Out, daemon: &Daemon, verb: AuditVerb) -> Outcome {
    match verb {
        AuditVerb::Checkpoint { size, key } => checkpoint(out, daemon, size, key),
        AuditVerb::Prove { seq, from } => {
            let text = match &from.journal {
                Some(journal) => row_from_file(journal, &from, seq)?,
                None => ask_row(daemon, seq)?,
            };
            print_proof(out, &text)
        }
        AuditVerb::ProveConsistency { old, new, from } => {
            let (old, new) = (old.0, new.map_or(0, |new| new.0));
            let text = match &from.journal {
                Some(journal) => growth_from_file(journal, &from, old, new)?,
                None => ask_growth(daemon, old, new)?,
            };
            print_proof(out, &text)
        }
        AuditVerb::Check { proof, key, old } => check(out, &proof, &key.0, old.as_deref()),
        AuditVerb::Witness { proof, log_key } => witness(out, daemon, &proof, &log_key.0),
        AuditVerb::RotateKey { reason } => rotate(out, daemon, &reason),
        AuditVerb::Verify { .. }
        | AuditVerb::Tail { .. }
        | AuditVerb::Show { .. }
        | AuditVerb::Export { .. } => audit::audit(out, daemon, verb),
    }
}

/// A signed note and the key to verify it with.
#[derive(Serialize)]
struct SignedObject<'a> {
    note: &'a str,
    key: &'a str,
}

/// A fresh checkpoint from fakd: the note and the public key.
pub(crate) fn ask_checkpoint(daemon: &Daemon, size: u64) -> Result<(String, String), Failure> {
    let request = CheckpointRequest { size };
    let answer = daemon.call(async |mut client| client.checkpoint(request).await)?;
    Ok((answer.note, answer.key))
}

fn checkpoint(out: &Out, daemon: &Daemon, size: Option<u64>, key_only: bool) -> Outcome {
    let (note, key) = ask_checkpoint(daemon, size.unwrap_or(0))?;
    if out.json {
        out.object(&SignedObject {
            note: &note,
            key: &key,
        })?;
    } else if key_only {
        out.text(&format!("{}\n", plain(&key)))?;
    } else {
        out.text(&lines(&note))?;
    }
    Ok(Exit::Ok)
}

fn ask_row(daemon: &Daemon, seq: u64) -> Result<String, Failure> {
    let request = ProveRequest { seq, size: 0 };
    let answer = daemon.call(async |mut client| client.prove(request).await)?;
    Ok(answer.proof)
}

/// The proof that a journal with `old` rows is the beginning of that with `new`, 0 for all; from fakd.
pub(crate) fn ask_growth(daemon: &Daemon, old: u64, new: u64) -> Result<String, Failure> {
    let request = ProveConsistencyRequest {
        old_size: old,
        new_size: new,
    };
    let answer = daemon.call(async |mut client| client.prove_consistency(request).await)?;
    Ok(answer.proof)
}

fn row_from_file(journal: &Path, from: &ProofFrom, seq: u64) -> Result<String, Failure> {
    let (note, size) = note_for(journal, from)?;
    if seq == 0 || seq > size {
        let text = format!("the checkpoint covers rows 1 to {size}, not row {seq}");
        return Err(Failure::new(Exit::Missing, text).fix(
            "name a later checkpoint with --checkpoint; `fakctl audit checkpoint` makes one",
        ));
    }
    let reader = open(journal)?;
    let found = reader.inclusion(seq, size);
    let (body, hashes) = found.map_err(|error| audit::unreadable(journal, &error))?;
    let proof = RowProof {
        seq,
        body,
        hashes,
        note,
    };
    Ok(proof.to_string())
}

fn growth_from_file(
    journal: &Path,
    from: &ProofFrom,
    old: u64,
    new: u64,
) -> Result<String, Failure> {
    let (note, size) = note_for(journal, from)?;
    if new != 0 && new != size {
        let text = format!("from a file, the later size is the checkpoint's, {size}, not {new}");
        return Err(Failure::new(Exit::Usage, text)
            .fix("leave NEW out, or name that checkpoint with --checkpoint"));
    }
    if old > size {
        let text = format!("the checkpoint covers {size} rows, fewer than {old}");
        return Err(
            Failure::new(Exit::Missing, text).fix("name a later checkpoint with --checkpoint")
        );
    }
    let hashes = open(journal)?.consistency(old, size);
    let proof = GrowthProof {
        old_size: old,
        hashes: hashes.map_err(|error| audit::unreadable(journal, &error))?,
        note,
    };
    Ok(proof.to_string())
}

fn open(journal: &Path) -> Result<Reader, Failure> {
    Reader::open(journal).map_err(|error| audit::unreadable(journal, &error))
}

fn note_for(journal: &Path, from: &ProofFrom) -> Result<(Note, u64), Failure> {
    let file = from
        .checkpoint
        .clone()
        .unwrap_or_else(|| checkpoint_beside(journal));
    let (note, checkpoint) = read_checkpoint(&file)?;
    Ok((note, checkpoint.size))
}

/// Where fakd keeps the newest checkpoint of this journal.
pub(crate) fn checkpoint_beside(journal: &Path) -> PathBuf {
    journal.with_file_name(CHECKPOINT_FILE)
}

/// The public key beside a journal, when there is one.
///
/// # Errors
/// When it cannot be read as a key.
pub(crate) fn key_beside(journal: &Path) -> Result<Option<PublicKey>, Failure> {
    let file = journal.with_file_name(KEY_FILE);
    match fs::read_to_string(&file) {
        Ok(text) => PublicKey::parse(&text)
            .map(Some)
            .map_err(|error| Failure::data(format!("{}: {error}", file.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::reading(&file.display().to_string(), &error)),
    }
}

/// Reads a checkpoint; whether its signature holds is for [`Checkpoint::open`] to say.
///
/// # Errors
/// When the file cannot be read, or holds no checkpoint.
pub(crate) fn read_checkpoint(file: &Path) -> Result<(Note, Checkpoint), Failure> {
    let at = file.display().to_string();
    let text = read(&at)?;
    let note = Note::parse(&text).map_err(|error| Failure::data(format!("{at}: {error}")))?;
    let checkpoint = Checkpoint::of_text(note.text())
        .ok_or_else(|| Failure::data(format!("{at}: it is signed, and no checkpoint")))?;
    Ok((note, checkpoint))
}

/// The text of a file, or of standard input for `-`, up to a bound.
fn read(name: &str) -> Result<String, Failure> {
    let mut text = String::new();
    let limit = u64::try_from(PROOF_BYTES_MAX)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let taken = if name == "-" {
        io::stdin().lock().take(limit).read_to_string(&mut text)
    } else {
        fs::File::open(name).and_then(|file| file.take(limit).read_to_string(&mut text))
    };
    match taken {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(Failure::data(format!("{name}: is not text")))
        }
        Err(error) => Err(Failure::reading(name, &error)),
    }
}

fn print_proof(out: &Out, proof: &str) -> Outcome {
    if out.json {
        #[derive(Serialize)]
        struct Proof<'a> {
            proof: &'a str,
        }
        out.object(&Proof { proof })?;
    } else {
        out.text(&lines(proof))?;
    }
    Ok(Exit::Ok)
}

/// What fakd said, made harmless for a terminal line by line.
fn lines(text: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| match line.strip_suffix('\n') {
            Some(line) => format!("{}\n", plain(line)),
            None => plain(line).into_owned(),
        })
        .collect()
}

/// What `check` found.
#[derive(Serialize)]
struct Checked {
    proven: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_size: Option<u64>,
}

fn check(out: &Out, name: &str, key: &PublicKey, old: Option<&Path>) -> Outcome {
    let text = read(name)?;
    let no_proof = |error: fak_chain::EvidenceError| Failure::data(format!("{name}: {error}"));
    if text.starts_with("old ") {
        let proof = GrowthProof::parse(&text).map_err(no_proof)?;
        return check_growth(out, &proof, key, old);
    }
    let proof = RowProof::parse(&text).map_err(no_proof)?;
    match proof.verify(key) {
        Err(error) => not_proven(out, &error.to_string()),
        Ok((_, at)) => {
            if out.json {
                out.object(&Checked {
                    proven: true,
                    problem: None,
                    origin: Some(at.origin),
                    size: Some(at.size),
                    seq: Some(proof.seq),
                    old_size: None,
                })?;
                return Ok(Exit::Ok);
            }
            let said = format!(
                "{}: row {} of {}, which had {} rows\n",
                out.paint(Tint::Good, "proven"),
                proof.seq,
                plain(&at.origin),
                at.size
            );
            let row = Row::new(proof.seq, proof.body, Vec::new())?;
            out.text(&(said + &record::whole(out, &row)))?;
            Ok(Exit::Ok)
        }
    }
}

fn check_growth(out: &Out, proof: &GrowthProof, key: &PublicKey, old: Option<&Path>) -> Outcome {
    let Some(old) = old else {
        return Err(Failure::new(
            Exit::Usage,
            "a proof of growth begins at a checkpoint you kept",
        )
        .fix("name it with --old FILE"));
    };
    let (note, _) = read_checkpoint(old)?;
    let kept = match Checkpoint::open(&note, key) {
        Ok(kept) => kept,
        Err(error) => return not_proven(out, &format!("{}: {error}", old.display())),
    };
    match proof.verify(&kept, key) {
        Err(error) => not_proven(out, &error.to_string()),
        Ok(at) => {
            if out.json {
                out.object(&Checked {
                    proven: true,
                    problem: None,
                    origin: Some(at.origin),
                    size: Some(at.size),
                    seq: None,
                    old_size: Some(kept.size),
                })?;
            } else {
                out.text(&format!(
                    "{}: {} grew from {} rows to {}, and the first {} are the same\n",
                    out.paint(Tint::Good, "proven"),
                    plain(&at.origin),
                    kept.size,
                    at.size,
                    kept.size
                ))?;
            }
            Ok(Exit::Ok)
        }
    }
}

fn not_proven(out: &Out, why: &str) -> Outcome {
    if out.json {
        out.object(&Checked {
            proven: false,
            problem: Some(why.to_owned()),
            origin: None,
            size: None,
            seq: None,
            old_size: None,
        })?;
    } else {
        out.text(&format!(
            "{}: {}\n",
            out.paint(Tint::Bad, "NOT PROVEN"),
            plain(why)
        ))?;
    }
    Ok(Exit::No)
}

fn witness(out: &Out, daemon: &Daemon, name: &str, log_key: &PublicKey) -> Outcome {
    let proof = read(name)?;
    let request = WitnessRequest {
        proof,
        log_key: log_key.to_string(),
    };
    let answer = daemon.call(async |mut client| client.witness(request).await)?;
    if out.json {
        #[derive(Serialize)]
        struct Cosigned<'a> {
            line: &'a str,
            key: &'a str,
        }
        out.object(&Cosigned {
            line: &answer.line,
            key: &answer.key,
        })?;
    } else {
        out.text(&lines(&answer.line))?;
    }
    Ok(Exit::Ok)
}

fn rotate(out: &Out, daemon: &Daemon, reason: &str) -> Outcome {
    let request = RotateKeyRequest {
        reason: reason.to_owned(),
    };
    let answer = daemon.call(async |mut client| client.rotate_key(request).await)?;
    if out.json {
        out.object(&SignedObject {
            note: &answer.note,
            key: &answer.key,
        })?;
    } else {
        out.text(&format!(
            "the new key is {}\nkeep this checkpoint, which both keys signed:\n\n{}",
            plain(&answer.key),
            lines(&answer.note)
        ))?;
    }
    Ok(Exit::Ok)
}
