//! An outsider with a public key and a checkpoint against whoever owns the journal's file.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use fak_chain::{Checkpoint, Note, PublicKey, Record, RecordKind, decode, link};
use fak_e2e::{ask, fakctl, said};
use fak_journal::Reader;
use fak_support::Place;
use fak_types::Digest;

fn keep(place: &Place, name: &str, text: &str) -> String {
    let path = place.join(name);
    fs::write(&path, text).expect("written");
    path.display().to_string()
}

fn records(journal: &Path) -> Vec<Record> {
    let reader = Reader::open(journal).expect("a journal");
    let rows = reader.rows(1, 100_000).expect("rows");
    rows.iter()
        .map(|row| row.record().expect("a record"))
        .collect()
}

/// Asks the second implementation, which shares no line with the first.
fn second_opinion(args: &[&str], code: i32) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/evidence_check.py");
    match Command::new("python3").arg(script).args(args).output() {
        Ok(output) => assert_eq!(
            output.status.code(),
            Some(code),
            "{args:?}: {}",
            said(&output)
        ),
        Err(error) => fak_support::skip("evidence_check.py", &error.to_string()),
    }
}

/// A journal with some rows, its public key and a checkpoint of it, kept by somebody else.
struct Kept {
    place: Place,
    key: String,
    checkpoint: String,
    size: u64,
}

impl Kept {
    fn new() -> Self {
        let place = Place::new();
        let daemon = place.start(&[]);
        ask(&place, 300);
        let checkpoint = fakctl(&place, &["audit", "checkpoint"], 0);
        let key = fakctl(&place, &["audit", "checkpoint", "--key"], 0);
        ask(&place, 20);
        assert_eq!(daemon.stop(), Some(0));
        let note = Note::parse(&checkpoint).expect("a note");
        let public = PublicKey::parse(&key).expect("a key");
        let size = Checkpoint::open(&note, &public).expect("signed").size;
        assert!(size > 300, "{size}");
        let checkpoint = keep(&place, "kept.checkpoint", &checkpoint);
        let key = keep(&place, "kept.vkey", &key);
        Self {
            place,
            key,
            checkpoint,
            size,
        }
    }

    fn copy(&self) -> PathBuf {
        let copy = self.place.join("copy.db");
        let _ = fs::remove_file(&copy);
        fs::copy(self.place.journal(), &copy).expect("copied");
        copy
    }

    /// Verifies a copy against what was kept; yields what was said.
    fn verify(&self, copy: &Path, code: i32) -> String {
        let copy = copy.display().to_string();
        let args = [
            "audit",
            "verify",
            &copy,
            "--checkpoint",
            &self.checkpoint,
            "--key",
            &self.key,
        ];
        fakctl(&self.place, &args, code)
    }
}

/// Changes a copy as its owner could: triggers off, then this.
fn tamper(copy: &Path, sql: &str) {
    let conn = rusqlite::Connection::open(copy).expect("opened");
    conn.execute_batch("DROP TRIGGER records_keep; DROP TRIGGER records_stay;")
        .expect("dropped");
    conn.execute_batch(sql).expect("changed");
}

/// Recomputes every hash from `seq` on, so that the chain alone shows nothing.
fn relink(copy: &Path, seq: u64) {
    let conn = rusqlite::Connection::open(copy).expect("opened");
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?));
    let rows: Vec<_> = conn
        .prepare("SELECT seq, body FROM records ORDER BY seq")
        .expect("prepared")
        .query_map([], read)
        .expect("asked")
        .collect::<Result<_, _>>()
        .expect("read");
    conn.execute_batch("BEGIN").expect("begun");
    let mut head = Digest::ZERO;
    for (at, body) in rows {
        head = link(&head, body.as_bytes());
        if at >= seq {
            let change = "UPDATE records SET hash = ?2 WHERE seq = ?1";
            conn.execute(change, rusqlite::params![at, head.0])
                .expect("changed");
        }
    }
    conn.execute_batch("COMMIT").expect("done");
}

/// Starts and stops a daemon in order.
fn start_and_stop(place: &Place) {
    let daemon = place.start(&[]);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn the_kept_checkpoint_finds_what_the_chain_alone_cannot() {
    let kept = Kept::new();
    let sound = kept.verify(&kept.copy(), 0);
    assert!(
        sound.contains(&format!(
            "it begins with the {} rows of the kept checkpoint",
            kept.size
        )),
        "{sound}"
    );

    // Every field of a record, changed with all hashes made to fit.
    let body = Reader::open(kept.place.journal())
        .expect("opened")
        .rows(50, 1)
        .expect("read")[0]
        .body
        .clone();
    let fields: Vec<String> =
        serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&body)
            .expect("an object")
            .keys()
            .filter(|key| !matches!(key.as_str(), "seq" | "kind"))
            .cloned()
            .collect();
    assert!(fields.len() > 10, "{fields:?}");
    for field in fields {
        let mut changed: serde_json::Value = serde_json::from_slice(&body).expect("json");
        let value = &mut changed[&field];
        *value = match &*value {
            serde_json::Value::Number(number) => (number.as_u64().expect("whole") + 1).into(),
            serde_json::Value::String(text) if text.starts_with("sha256:") => text
                .replace(|c: char| c == text.as_bytes()[7] as char, "0")
                .replacen("sha256:0", "sha256:1", 1)
                .into(),
            serde_json::Value::String(text) => format!("{text}x").into(),
            other => panic!("{other}"),
        };
        let text = serde_json::to_string(&changed)
            .expect("json")
            .replace('\'', "''");
        let copy = kept.copy();
        tamper(
            &copy,
            &format!("UPDATE records SET body = '{text}' WHERE seq = 50"),
        );
        relink(&copy, 50);
        let said = kept.verify(&copy, 1);
        assert!(said.contains("NOT SOUND"), "{field}: {said}");
    }
}

#[test]
fn a_cut_off_tail_and_a_rewritten_file_are_named() {
    let kept = Kept::new();
    let copy = kept.copy();
    tamper(
        &copy,
        &format!(
            "DELETE FROM records WHERE seq >= {}; DELETE FROM tree_tiles;",
            kept.size
        ),
    );
    let said = kept.verify(&copy, 1);
    assert!(
        said.contains("NOT SOUND") && said.contains("cut off") || said.contains("ends at row"),
        "{said}"
    );

    // Another daemon's journal, whole and sound, in its place.
    let other = Kept::new();
    let said = kept.verify(&other.copy(), 1);
    assert!(said.contains("rewritten"), "{said}");
    // Another daemon's checkpoint and its key do not help: the key is the one that was kept.
    let args = [
        "audit",
        "verify",
        &kept.copy().display().to_string(),
        "--checkpoint",
        &other.checkpoint,
        "--key",
        &kept.key,
    ];
    let said = fakctl(&kept.place, &args, 1);
    assert!(
        said.contains("has not signed it; it is signed by"),
        "{said}"
    );
}

#[test]
fn a_daemon_does_not_write_to_a_journal_that_contradicts_its_checkpoint() {
    let kept = Kept::new();
    let place = &kept.place;
    let journal = place.journal();
    let refused = |why: &str| {
        let daemon = place.spawn(&[]);
        let log = place.join("fakd.log");
        let _ = fs::write(&log, "");
        assert_eq!(daemon.wait(), Some(74));
        let said = fs::read_to_string(&log).expect("a log");
        assert!(said.contains(why), "{said}");
    };
    let original = kept.copy();
    tamper(
        &journal,
        &format!("DELETE FROM records WHERE seq > {};", kept.size - 100),
    );
    tamper_triggers_back(&journal);
    refused("rows were cut off");
    for part in ["-wal", "-shm"] {
        let _ = fs::remove_file(place.join(&format!("state/fak/journal.db{part}")));
    }
    fs::copy(&original, &journal).expect("put back");

    let key = place.join("state/fak/keys/journal.key");
    let other = Kept::new();
    fs::copy(other.place.join("state/fak/keys/journal.key"), &key).expect("swapped");
    // The key the journal names is still trusted for the checkpoint; the swap is a row.
    start_and_stop(place);
    let row = records(&journal)
        .into_iter()
        .rfind(|record| record.kind == RecordKind::Key)
        .expect("a row");
    assert_eq!(row.note, "found in the place of the one before");
    assert!(row.subject != fs::read_to_string(&kept.key).expect("kept").trim());
    // For an outsider with the kept key, what is signed now is another log's.
    let daemon = place.start(&[]);
    let now = keep(
        place,
        "now.checkpoint",
        &fakctl(place, &["audit", "checkpoint"], 0),
    );
    let copy = kept.copy().display().to_string();
    let said = fakctl(
        place,
        &[
            "audit",
            "verify",
            &copy,
            "--checkpoint",
            &now,
            "--key",
            &kept.key,
        ],
        1,
    );
    assert!(said.contains("has not signed it"), "{said}");
    assert_eq!(daemon.stop(), Some(0));
}

/// A daemon opens only files whose schema is exact.
fn tamper_triggers_back(journal: &Path) {
    let conn = rusqlite::Connection::open(journal).expect("opened");
    conn.execute_batch(
        "CREATE TRIGGER records_keep BEFORE UPDATE ON records\n  BEGIN SELECT RAISE(ABORT, 'a journal is append-only'); END;\
         CREATE TRIGGER records_stay BEFORE DELETE ON records\n  BEGIN SELECT RAISE(ABORT, 'a journal is append-only'); END;",
    )
    .expect("made");
}

#[test]
fn a_row_is_proven_offline_and_a_changed_proof_is_not() {
    let kept = Kept::new();
    let place = &kept.place;
    let daemon = place.start(&[]);
    let text = fakctl(place, &["audit", "prove", "200"], 0);
    let proof = keep(place, "row.tlog-proof", &text);
    assert_eq!(daemon.stop(), Some(0));
    assert!(text.len() < 2048, "{}", text.len());
    let said = fakctl(place, &["audit", "check", &proof, "--key", &kept.key], 0);
    assert!(
        said.contains("proven: row 200") && said.contains("Read"),
        "{said}"
    );
    second_opinion(&[&kept.key, "row", &proof], 0);
    second_opinion(&[&kept.key, "checkpoint", &kept.checkpoint], 0);
    // The key as text, too.
    let key = fs::read_to_string(&kept.key).expect("a key");
    fakctl(place, &["audit", "check", &proof, "--key", key.trim()], 0);
    let other = keep(
        place,
        "other.tlog-proof",
        &text.replace("index 199", "index 198"),
    );
    let said = fakctl(place, &["audit", "check", &other, "--key", &kept.key], 1);
    assert!(said.contains("NOT PROVEN"), "{said}");
    second_opinion(&[&kept.key, "row", &other], 1);
    let nothing = keep(place, "nothing", "c2sp.org/tlog-proof@v1\n");
    fakctl(place, &["audit", "check", &nothing, "--key", &kept.key], 65);

    // From a copy, without a daemon, against the kept checkpoint.
    let copy = kept.copy().display().to_string();
    let args = [
        "audit",
        "prove",
        "200",
        "--journal",
        &copy,
        "--checkpoint",
        &kept.checkpoint,
    ];
    let text = fakctl(place, &args, 0);
    let proof = keep(place, "offline.tlog-proof", &text);
    fakctl(place, &["audit", "check", &proof, "--key", &kept.key], 0);
    let beyond = (kept.size + 1).to_string();
    let args = [
        "audit",
        "prove",
        &beyond,
        "--journal",
        &copy,
        "--checkpoint",
        &kept.checkpoint,
    ];
    fakctl(place, &args, 66);
}

#[test]
fn growth_is_proven_from_the_kept_checkpoint_on() {
    let kept = Kept::new();
    let place = &kept.place;
    let daemon = place.start(&[]);
    ask(place, 300);
    let growth = fakctl(place, &["audit", "prove-consistency", &kept.checkpoint], 0);
    let growth = keep(place, "growth", &growth);
    assert_eq!(daemon.stop(), Some(0));
    let args = [
        "audit",
        "check",
        &growth,
        "--old",
        &kept.checkpoint,
        "--key",
        &kept.key,
    ];
    let said = fakctl(place, &args, 0);
    assert!(
        said.contains(&format!("grew from {} rows", kept.size)),
        "{said}"
    );
    second_opinion(&[&kept.key, "growth", &growth, &kept.checkpoint], 0);
    let other = Kept::new();
    let args = [
        "audit",
        "check",
        &growth,
        "--old",
        &other.checkpoint,
        "--key",
        &kept.key,
    ];
    fakctl(place, &args, 1);
    second_opinion(&[&kept.key, "growth", &growth, &other.checkpoint], 1);
    fakctl(place, &["audit", "check", &growth, "--key", &kept.key], 64);
}

#[test]
fn a_rotated_key_is_vouched_for_by_the_one_before() {
    let kept = Kept::new();
    let place = &kept.place;
    let old = PublicKey::parse(&fs::read_to_string(&kept.key).expect("kept")).expect("a key");
    let secret = fs::read_to_string(place.join("state/fak/keys/journal.key")).expect("a key");
    let daemon = place.start(&[]);
    let said = fakctl(
        place,
        &["audit", "rotate-key", "--reason", "yearly", "--json"],
        0,
    );
    let answer: serde_json::Value = serde_json::from_str(&said).expect("json");
    let note = Note::parse(answer["note"].as_str().expect("a note")).expect("a note");
    let new = PublicKey::parse(answer["key"].as_str().expect("a key")).expect("a key");
    assert_ne!(old, new);
    let at = Checkpoint::open(&note, &old).expect("signed by the old key");
    assert_eq!(Checkpoint::open(&note, &new), Ok(at.clone()));
    let row = records(&place.journal())
        .into_iter()
        .rfind(|record| record.kind == RecordKind::Key)
        .expect("a row");
    assert!(row.seq <= at.size);
    assert_eq!(
        (row.subject.clone(), row.by.clone(), row.note.as_str()),
        (new.to_string(), old.label(), "yearly")
    );
    let now = fs::read_to_string(place.join("state/fak/keys/journal.key")).expect("a key");
    assert_ne!(now, secret);
    assert_eq!(daemon.stop(), Some(0));
    // The next start takes it as it is, and the old checkpoint still holds under the old key.
    start_and_stop(place);
    kept.verify(&kept.copy(), 0);
    // No secret is in the journal.
    let file = fs::read(place.journal()).expect("read");
    let last = secret
        .trim()
        .splitn(5, '+')
        .nth(4)
        .expect("the secret half")
        .as_bytes()
        .to_vec();
    assert!(!file.windows(last.len()).any(|part| part == last));
}

#[test]
fn a_kill_between_a_new_key_and_its_first_checkpoint_locks_nobody_out() {
    let kept = Kept::new();
    let place = &kept.place;
    let file = place.join("state/fak/checkpoint");
    let before = fs::read(&file).expect("there");
    let daemon = place.start(&[]);
    fakctl(place, &["audit", "rotate-key", "--reason", "drill"], 0);
    daemon.kill();
    fs::write(&file, &before).expect("as it was");
    start_and_stop(place);

    // The same with a key that was put in the other's place.
    let before = fs::read(&file).expect("there");
    let other = Kept::new();
    let key = "state/fak/keys/journal.key";
    fs::copy(other.place.join(key), place.join(key)).expect("copied");
    place.start(&[]).kill();
    fs::write(&file, &before).expect("as it was");
    start_and_stop(place);
}

#[test]
fn a_witness_cosigns_growth_and_no_fork() {
    let (log, witness) = (Kept::new(), Place::new());
    let watching = witness.start(&[]);
    let daemon = log.place.start(&[]);
    let prove = |old: &str| fakctl(&log.place, &["audit", "prove-consistency", old], 0);
    let first = keep(&witness, "first", &prove("0"));
    let cosign = |proof: &str, code: i32| {
        let output = witness.fakctl(&["audit", "witness", proof, "--log-key", &log.key]);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        said(&output)
    };
    let line = cosign(&first, 0);
    // The line goes below the checkpoint, and both signatures hold.
    let text = fs::read_to_string(&first).expect("there");
    let (_, note) = text.split_once("\n\n").expect("a checkpoint");
    let note = Note::parse(&format!("{note}{line}")).expect("a note");
    assert_eq!(note.signatures.len(), 2);
    let size = Checkpoint::of_text(note.text())
        .expect("a checkpoint")
        .size
        .to_string();
    let answer = fakctl(&log.place, &["audit", "checkpoint", "--key"], 0);
    Checkpoint::open(&note, &PublicKey::parse(&answer).expect("a key")).expect("signed");

    ask(&log.place, 10);
    fakctl(&log.place, &["audit", "checkpoint"], 0);
    // From the wrong size; then as it should be; then another journal of the same name.
    let said = cosign(&first, 78);
    assert!(
        said.contains(&format!("{size} rows were cosigned before")),
        "{said}"
    );
    let second = keep(&witness, "second", &prove(&size));
    cosign(&second, 0);
    let cosigned: Vec<_> = records(&witness.journal())
        .into_iter()
        .filter(|record| record.kind == RecordKind::Witness)
        .collect();
    assert_eq!(cosigned.len(), 2);
    assert_eq!(cosigned[0].count.to_string(), size);
    assert_eq!(watching.stop(), Some(0));
    assert_eq!(daemon.stop(), Some(0));

    // What was seen outlives the witness's restart.
    let watching = witness.start(&[]);
    cosign(&second, 78);
    assert_eq!(watching.stop(), Some(0));
}

#[test]
fn a_tiled_log_has_the_rows_and_the_signed_root() {
    let kept = Kept::new();
    let place = &kept.place;
    let daemon = place.start(&[]);
    let dir = place.join("log");
    fakctl(
        place,
        &["audit", "export", "--tiles", &dir.display().to_string()],
        0,
    );
    assert_eq!(daemon.stop(), Some(0));
    let note =
        Note::parse(&fs::read_to_string(dir.join("checkpoint")).expect("there")).expect("a note");
    let key = PublicKey::parse(&fs::read_to_string(&kept.key).expect("kept")).expect("a key");
    let at = Checkpoint::open(&note, &key).expect("signed");
    assert!(at.size >= kept.size);
    let mut entries = fs::read(dir.join("tile/entries/000")).expect("there");
    entries.extend(
        fs::read(dir.join(format!("tile/entries/001.p/{}", at.size - 256))).expect("there"),
    );
    let mut tree = fak_chain::Tree::default();
    let mut rest = entries.as_slice();
    while let Some((length, tail)) = rest.split_first_chunk::<2>() {
        let (body, tail) = tail.split_at(usize::from(u16::from_be_bytes(*length)));
        assert_eq!(decode(body).expect("a record").seq, tree.size() + 1);
        tree.push(fak_chain::leaf(body));
        rest = tail;
    }
    assert_eq!((tree.size(), tree.root()), (at.size, at.root));
}

#[test]
fn keys_come_as_credentials_too() {
    let place = Place::new();
    let other = Kept::new();
    let credentials = place.join("credentials");
    fs::create_dir(&credentials).expect("made");
    let held = credentials.join("fak.journal-key");
    fs::copy(other.place.join("state/fak/keys/journal.key"), &held).expect("copied");
    fs::set_permissions(&held, fs::Permissions::from_mode(0o400)).expect("set");
    let mut command = place.command("fakd");
    let mut child = command
        .arg("--user")
        .env("CREDENTIALS_DIRECTORY", &credentials)
        .spawn()
        .expect("started");
    while std::os::unix::net::UnixStream::connect(place.socket()).is_err() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let key = fakctl(&place, &["audit", "checkpoint", "--key"], 0);
    assert_eq!(key, fs::read_to_string(&other.key).expect("kept"));
    assert!(!place.join("state/fak/keys/journal.key").exists());
    let output = place.fakctl(&["audit", "rotate-key", "--reason", "why not"]);
    assert_eq!(output.status.code(), Some(78), "{}", said(&output));
    assert!(
        said(&output).contains("replace the credential"),
        "{}",
        said(&output)
    );
    child.kill().expect("killed");
    child.wait().expect("ended");
}
