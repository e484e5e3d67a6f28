//! The notary: signs what the journal is, proves what is in it, and watches over other journals.
//!
//! A checkpoint is a signed statement about so many rows and the root of the tree over them. The newest
//! one lies beside the journal too: at the next start a journal that is shorter, or another one, is not
//! written to. That finds accidents and careless hands; against whoever owns the machine, a checkpoint
//! has to be kept elsewhere, or be cosigned by a witness elsewhere.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use fak_chain::{
    Checkpoint, Draft, GrowthProof, Note, PublicKey, RecordKind, RowProof, SecretKey, cosign,
    empty_root,
};
use fak_config::Evidence as Settings;
use fak_control::{Refusal, Signed, now};
use fak_journal::{AppendError, Journal, ReadError, Reader, StatePut};
use fak_telemetry::{Event, Notice};
use tokio::{sync::Mutex, task::spawn_blocking};

use crate::keys::{self, KeyDir, Origin};

/// The newest checkpoint's file in the state directory.
pub(crate) const CHECKPOINT_FILE: &str = "checkpoint";

/// The journal's public key, for whoever copies it away.
const PUBLIC_FILE: &str = "journal.vkey";

/// What is cached beside the rows.
const STATE_KEY: &str = "notary.key";
const STATE_KEY_BEFORE: &str = "notary.key.before";
const STATE_CHECKPOINT: &str = "notary.checkpoint";
const STATE_WITNESSED: &str = "notary.witnessed/";

/// Signs for one journal.
pub(crate) struct Notary {
    keys: KeyDir,
    journal: Journal,
    path: PathBuf,
    state_dir: PathBuf,
    in_force: Mutex<InForce>,
}

/// INVARIANT: held while anything is signed, so that no two checkpoints contradict each other.
struct InForce {
    key: SecretKey,
    origin: Origin,
    /// The key the newest KEY row names.
    recorded: Option<String>,
    newest: Option<Checkpoint>,
}

/// What a checkpoint has to cover.
#[derive(Clone, Copy)]
enum Wanted {
    /// This row.
    Row(u64),
    /// Every row there is, this many at least.
    AllRows(u64),
}

impl Notary {
    /// Takes up the key and holds the journal against the newest checkpoint.
    ///
    /// # Errors
    /// A sentence, when the key cannot be read or the journal is not the one that was signed.
    pub(crate) async fn open(
        journal: Journal,
        path: &Path,
        settings: &Settings,
    ) -> Result<Self, String> {
        let state_dir = path.parent().unwrap_or_else(|| Path::new("/")).to_owned();
        let recorded = text_state(&journal, STATE_KEY).await?;
        let stored = text_state(&journal, STATE_CHECKPOINT).await?;
        let keys = KeyDir::below(&state_dir);
        let name = match &settings.origin {
            Some(name) => name.clone(),
            None => default_name()?,
        };
        let (key, origin) = keys.journal_key(&name, recorded.as_deref())?;
        // A kill between a KEY row and the checkpoint after it leaves one that the key before has signed.
        let before = text_state(&journal, STATE_KEY_BEFORE).await?;
        let known = [recorded.as_deref(), before.as_deref()];
        let known = known
            .into_iter()
            .flatten()
            .filter_map(|text| PublicKey::parse(text).ok());
        let trusted: Vec<PublicKey> = [key.public().clone()].into_iter().chain(known).collect();
        let file = state_dir.join(CHECKPOINT_FILE);
        let journal_path = path.to_owned();
        let held =
            spawn_blocking(move || hold_against(&journal_path, &file, stored.as_deref(), &trusted));
        let newest = held.await.map_err(|error| error.to_string())?;
        if let Err(why) = &newest {
            Notice::of(Event::JournalRewritten).say(why);
        }
        let in_force = InForce {
            key,
            origin,
            recorded,
            newest: newest?,
        };
        Ok(Self {
            keys,
            journal,
            path: path.to_owned(),
            state_dir,
            in_force: Mutex::new(in_force),
        })
    }

    /// Journals the key when no row names it yet, and lays its public half beside the journal.
    pub(crate) async fn record_key(&self) -> Result<(), String> {
        let mut held = self.in_force.lock().await;
        let public = held.key.public().clone();
        self.publish(&public)?;
        if held.recorded.as_deref() == Some(public.to_string().as_str()) {
            return Ok(());
        }
        let note = match (held.origin, &held.recorded) {
            (Origin::Credential, _) => "taken from the service manager's credential",
            (_, None) => "made",
            (_, Some(_)) => "found in the place of the one before",
        };
        let row = key_row(&public, held.recorded.as_deref(), note, "");
        self.append(row, key_state(&public, held.recorded.as_deref()))
            .await
            .map_err(|error| error.to_string())?;
        Notice::of(Event::KeyMade).say(&format!("the journal's key is {}, {note}", public.label()));
        held.recorded = Some(public.to_string());
        Ok(())
    }

    /// Signs the tree of the first `size` rows, 0 for all there are.
    pub(crate) async fn checkpoint(&self, size: u64) -> Result<Signed, Refusal> {
        let mut held = self.in_force.lock().await;
        let note = self.note(&mut held, size, Wanted::AllRows(0)).await?.0;
        Ok(signed(&note, held.key.public()))
    }

    /// Signs the head when there is something new since the newest checkpoint.
    pub(crate) async fn keep_up(&self) {
        let mut held = self.in_force.lock().await;
        if let Err(refusal) = self.note(&mut held, 0, Wanted::AllRows(0)).await {
            Notice::of(Event::Internal).say(&format!("no checkpoint was signed: {refusal}"));
        }
    }

    /// Proves that row `seq` is in the tree of `size` rows, 0 for all there are.
    pub(crate) async fn prove(&self, seq: u64, size: u64) -> Result<String, Refusal> {
        let mut held = self.in_force.lock().await;
        let (note, size) = self.note(&mut held, size, Wanted::Row(seq)).await?;
        drop(held);
        if seq == 0 || seq > size {
            return Err(Refusal::Missing(format!(
                "there is no row {seq} among the first {size} rows of the journal"
            )));
        }
        let (body, hashes) = self.read(move |reader| reader.inclusion(seq, size)).await?;
        let proof = RowProof {
            seq,
            body,
            hashes,
            note,
        };
        Ok(proof.to_string())
    }

    /// Proves that the first `old` rows are the beginning of the first `new`, 0 for all there are.
    pub(crate) async fn prove_growth(&self, old: u64, new: u64) -> Result<String, Refusal> {
        let mut held = self.in_force.lock().await;
        let (note, new) = self.note(&mut held, new, Wanted::AllRows(old)).await?;
        drop(held);
        if old > new {
            return Err(Refusal::Missing(format!(
                "the journal had {old} rows only after it had {new}; name the smaller size first"
            )));
        }
        let proof = GrowthProof {
            old_size: old,
            hashes: self
                .read(move |reader| reader.consistency(old, new))
                .await?,
            note,
        };
        Ok(proof.to_string())
    }

    /// Cosigns another journal's checkpoint, when it goes on from what was cosigned for it before.
    pub(crate) async fn witness(
        &self,
        who: &str,
        proof: &str,
        log_key: &str,
    ) -> Result<Signed, Refusal> {
        let invalid = |what: &str, error: &dyn std::fmt::Display| {
            Refusal::Invalid(format!("{what}: {error}"))
        };
        let proof = GrowthProof::parse(proof).map_err(|error| invalid("proof", &error))?;
        let key = PublicKey::parse(log_key).map_err(|error| invalid("log_key", &error))?;
        let held = self.in_force.lock().await;
        let new = Checkpoint::open(&proof.note, &key).map_err(|error| invalid("proof", &error))?;
        let slot = format!("{STATE_WITNESSED}{}", new.origin);
        let seen = text_state(&self.journal, &slot)
            .await
            .map_err(Refusal::Unavailable)?;
        let old = self.seen_before(seen.as_deref(), &new.origin, &key)?;
        if proof.old_size != old.size {
            return Err(Refusal::Conflict(format!(
                "of `{}` {} rows were cosigned before: prove the growth from there, not from {}",
                new.origin, old.size, proof.old_size
            )));
        }
        proof.verify(&old, &key).map_err(|error| {
            Refusal::Conflict(format!("`{}` did not only grow: {error}", new.origin))
        })?;
        let name = format!("{}/witness", held.key.public().name());
        let witness = self.keys.witness_key(&name).map_err(Refusal::Unavailable)?;
        let row = Draft {
            who: who.to_owned(),
            subject: new.origin.clone(),
            count: new.size,
            root: Some(new.root),
            ..Draft::new(RecordKind::Witness, now().0)
        };
        let kept = format!("{key}\n{new}");
        self.append(row, vec![put(&slot, &kept)])
            .await
            .map_err(unavailable)?;
        drop(held);
        Ok(Signed {
            note: cosign(&proof.note, &witness, seconds()).to_string(),
            key: witness.public().to_string(),
        })
    }

    /// Replaces the key. A last checkpoint, over the row that names the new key, is signed by both.
    pub(crate) async fn rotate(&self, who: &str, reason: &str) -> Result<Signed, Refusal> {
        let mut held = self.in_force.lock().await;
        if held.origin == Origin::Credential {
            return Err(Refusal::Conflict(format!(
                "the key is the credential `{}`: replace the credential, then restart fakd",
                keys::CREDENTIAL
            )));
        }
        let next = self
            .keys
            .make_next(held.key.public().name())
            .map_err(Refusal::Unavailable)?;
        let public = next.public().clone();
        let row = key_row(&public, held.recorded.as_deref(), reason, who);
        self.append(row, key_state(&public, held.recorded.as_deref()))
            .await
            .map_err(unavailable)?;
        // The row is durable: whatever happens from here on, the next start finishes it.
        self.keys.adopt_next().map_err(Refusal::Unavailable)?;
        let before = std::mem::replace(&mut held.key, next);
        (held.origin, held.recorded) = (Origin::File, Some(public.to_string()));
        self.publish(&public).map_err(Refusal::Unavailable)?;
        Notice::of(Event::KeyMade).say(&format!(
            "the journal's key is {} in the place of {}",
            public.label(),
            before.public().label()
        ));
        let note = self.sign_head(&mut held, &[&before]).await?;
        Ok(signed(&note, &public))
    }

    /// A signed checkpoint and its size: of `size` rows, or for 0 the newest when it has what is wanted,
    /// else one of the head.
    async fn note(
        &self,
        held: &mut InForce,
        size: u64,
        wanted: Wanted,
    ) -> Result<(Note, u64), Refusal> {
        if size > 0 {
            let note = self.at(&held.key, size).await?.sign(&held.key);
            return Ok((note, size));
        }
        let rows = *self.journal.subscribe().borrow();
        if let Some(newest) = &held.newest
            && match wanted {
                Wanted::Row(seq) => newest.size >= seq,
                // The newest checkpoint's own row is no news: asking again would make one more for ever.
                Wanted::AllRows(least) => newest.size >= least && rows <= newest.size + 1,
            }
        {
            return Ok((newest.sign(&held.key), newest.size));
        }
        let note = self.sign_head(held, &[]).await?;
        let size = held.newest.as_ref().map_or(0, |newest| newest.size);
        Ok((note, size))
    }

    /// Signs the head with the key in force and those `beside` it, and keeps what was signed.
    async fn sign_head(&self, held: &mut InForce, beside: &[&SecretKey]) -> Result<Note, Refusal> {
        let (size, root) = self.journal.tree().await.map_err(unavailable)?;
        let checkpoint = Checkpoint {
            origin: held.key.public().name().to_owned(),
            size,
            root,
        };
        let mut note = checkpoint.sign(&held.key);
        beside.iter().for_each(|key| note.sign(key));
        let row = Draft {
            count: size,
            root: Some(root),
            subject: held.key.public().label(),
            ..Draft::new(RecordKind::Checkpoint, now().0)
        };
        self.append(row, vec![put(STATE_CHECKPOINT, &note)])
            .await
            .map_err(unavailable)?;
        let file = self.state_dir.join(CHECKPOINT_FILE);
        keys::replace(&file, 0o644, note.to_string().as_bytes()).map_err(|error| {
            Refusal::Unavailable(format!("{}: cannot be written: {error}", file.display()))
        })?;
        Notice::of(Event::CheckpointSigned)
            .seq(size)
            .say(&format!("a checkpoint of {size} rows is signed"));
        held.newest = Some(checkpoint);
        Ok(note)
    }

    /// What the journal was at `size`.
    async fn at(&self, key: &SecretKey, size: u64) -> Result<Checkpoint, Refusal> {
        let rows = *self.journal.subscribe().borrow();
        if size > rows {
            return Err(Refusal::Missing(format!(
                "the journal has {rows} rows, not {size}"
            )));
        }
        let root = self.read(move |reader| reader.tree_root_at(size)).await?;
        Ok(Checkpoint {
            origin: key.public().name().to_owned(),
            size,
            root,
        })
    }

    /// What was cosigned for a journal before; of one never seen, nothing.
    fn seen_before(
        &self,
        seen: Option<&str>,
        origin: &str,
        key: &PublicKey,
    ) -> Result<Checkpoint, Refusal> {
        let Some(seen) = seen else {
            return Ok(Checkpoint {
                origin: origin.to_owned(),
                size: 0,
                root: empty_root(),
            });
        };
        let parts = seen.split_once('\n');
        let (known, text) = parts.ok_or_else(|| {
            Refusal::Unavailable("what was cosigned before cannot be read".to_owned())
        })?;
        if known != key.to_string() {
            return Err(Refusal::Conflict(format!(
                "`{origin}` is known here by another key, {}: give that one, or have its owner show the KEY row \
                 and the checkpoint both keys signed",
                PublicKey::parse(known).map_or_else(|_| known.to_owned(), |key| key.label())
            )));
        }
        Checkpoint::of_text(text).ok_or_else(|| {
            Refusal::Unavailable("what was cosigned before cannot be read".to_owned())
        })
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Reader) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let path = self.path.clone();
        let read = spawn_blocking(move || work(&Reader::open(&path)?));
        read.await
            .map_err(|error| Refusal::Unavailable(error.to_string()))?
            .map_err(|error| Refusal::Unavailable(error.to_string()))
    }

    /// Writes a row and what is cached with it, and sees it written: under `async` durability an answer
    /// says only that it is queued.
    async fn append(&self, row: Draft, state: Vec<StatePut>) -> Result<(), AppendError> {
        let wanted = state.first().cloned();
        self.journal.append_with(vec![row], state).await?;
        let Some(StatePut { key, value }) = wanted else {
            return Ok(());
        };
        match self.journal.state(&key).await? {
            Some(found) if found.value == value => Ok(()),
            _ => Err(AppendError::Closed),
        }
    }

    fn publish(&self, key: &PublicKey) -> Result<(), String> {
        let file = self.state_dir.join(PUBLIC_FILE);
        let text = format!("{key}\n");
        if fs::read_to_string(&file).is_ok_and(|there| there == text) {
            return Ok(());
        }
        keys::replace(&file, 0o644, text.as_bytes())
            .map_err(|error| format!("{}: cannot be written: {error}", file.display()))
    }
}

/// Holds a journal against the newest checkpoint there is for it; yields that checkpoint.
fn hold_against(
    journal: &Path,
    file: &Path,
    stored: Option<&str>,
    trusted: &[PublicKey],
) -> Result<Option<Checkpoint>, String> {
    let at = file.display();
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => match stored {
            Some(stored) => stored.to_owned(),
            None => return Ok(None),
        },
        Err(error) => return Err(format!("{at}: cannot be read: {error}")),
    };
    let fix = format!(
        "restore the journal, or accept what it is now by moving {at} away; `fakctl audit verify --checkpoint` says more"
    );
    let note = Note::parse(&text).map_err(|error| format!("{at}: {error}; {fix}"))?;
    let opened: Vec<_> = trusted
        .iter()
        .map(|key| Checkpoint::open(&note, key))
        .collect();
    let kept = match opened.iter().flatten().next() {
        Some(kept) => kept.clone(),
        None => {
            let why = opened
                .into_iter()
                .find_map(Result::err)
                .map(|error| error.to_string());
            return Err(format!(
                "the checkpoint {at} is not of this journal's key: {}; put the key back that was there before, or {fix}",
                why.unwrap_or_default()
            ));
        }
    };
    let reader = Reader::open(journal).map_err(|error| error.to_string())?;
    let rows = reader.head().map_err(|error| error.to_string())?.seq;
    if rows < kept.size {
        return Err(format!(
            "the journal {} ends at row {rows}, and a checkpoint of {} rows was signed for it: rows were cut off; {fix}",
            journal.display(),
            kept.size
        ));
    }
    let root = reader
        .tree_root_at(kept.size)
        .map_err(|error| error.to_string())?;
    if root == kept.root {
        return Ok(Some(kept));
    }
    Err(format!(
        "the first {} rows of the journal {} are not those a checkpoint was signed for: it was rewritten; {fix}",
        kept.size,
        journal.display()
    ))
}

fn key_row(public: &PublicKey, before: Option<&str>, note: &str, who: &str) -> Draft {
    let before = before.and_then(|text| PublicKey::parse(text).ok());
    Draft {
        subject: public.to_string(),
        by: before.map(|key| key.label()).unwrap_or_default(),
        note: note.to_owned(),
        who: who.to_owned(),
        ..Draft::new(RecordKind::Key, now().0)
    }
}

fn key_state(public: &PublicKey, before: Option<&str>) -> Vec<StatePut> {
    let before = before.map(|before| put(STATE_KEY_BEFORE, &before));
    [put(STATE_KEY, public)].into_iter().chain(before).collect()
}

fn signed(note: &Note, key: &PublicKey) -> Signed {
    Signed {
        note: note.to_string(),
        key: key.to_string(),
    }
}

fn put(key: &str, value: &dyn std::fmt::Display) -> StatePut {
    StatePut {
        key: key.to_owned(),
        value: value.to_string().into_bytes(),
    }
}

async fn text_state(journal: &Journal, key: &str) -> Result<Option<String>, String> {
    let state = journal
        .state(key)
        .await
        .map_err(|error| error.to_string())?;
    Ok(state.and_then(|state| String::from_utf8(state.value).ok()))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unavailable(error: AppendError) -> Refusal {
    Refusal::Unavailable(error.to_string())
}

/// The machine's name and something of its own, so that no two journals share an origin by accident.
fn default_name() -> Result<String, String> {
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(|error| format!("no randomness for a name: {error}"))?;
    let host: String = fak_sys::host_name()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
        .take(64)
        .collect();
    let host = if host.is_empty() { "localhost" } else { &host };
    Ok(format!("{host}/fak-{:08x}", u32::from_be_bytes(random)))
}

fn seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
