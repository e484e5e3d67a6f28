//! Signed notes, checkpoints and cosignatures, against their formats and against whoever changes a byte.

use fak_chain::{
    Checkpoint, CheckpointError, KeyError, KeyType, Note, NoteError, PublicKey, SecretKey, cosign,
    digest_bytes, verify_cosignature,
};
use proptest::prelude::*;

// The example of the documentation of Go's golang.org/x/mod/sumdb/note.
const SECRET: &str =
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const PUBLIC: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const SIGNED: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\n\
    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn key(name: &str, kind: KeyType, seed: u8) -> SecretKey {
    SecretKey::from_seed(name, kind, &[seed; 32]).expect("a key")
}

fn checkpoint() -> Checkpoint {
    Checkpoint {
        origin: "edge-3.example/fak".to_owned(),
        size: 7,
        root: digest_bytes(b"root"),
    }
}

#[test]
fn another_implementations_note_is_read_and_made_again() {
    let public = PublicKey::parse(PUBLIC).expect("a key");
    let note = Note::parse(SIGNED).expect("a note");
    note.verify(&public).expect("signed");
    assert_eq!(note.to_string(), SIGNED);
    assert_eq!(public.to_string(), PUBLIC);
    let secret = SecretKey::parse(SECRET).expect("a key");
    assert_eq!(secret.public(), &public);
    assert_eq!(secret.reveal(), SECRET);
    let mut again = Note::new(note.text().to_owned());
    again.sign(&secret);
    assert_eq!(again, note);
}

#[test]
fn a_secret_appears_nowhere() {
    let secret = SecretKey::parse(SECRET).expect("a key");
    assert_eq!(format!("{secret:?}"), "SecretKey(PeterNeumann+c74f20a3)");
    let broken = SECRET.replace("c74f20a3", "c74f20a4");
    let error = SecretKey::parse(&broken).expect_err("another id");
    assert_eq!(error, KeyError::Id);
    assert!(!error.to_string().contains("AYEK"));
}

#[test]
fn keys_that_are_none_say_why() {
    for (text, error) in [
        ("", KeyError::Form),
        ("name", KeyError::Form),
        ("name+c74f20a3", KeyError::Form),
        ("name+c74f20a+AQ==", KeyError::Form),
        ("+c74f20a3+AQ==", KeyError::Name),
        ("a name+c74f20a3+AQ==", KeyError::Name),
        ("name+c74f20a3+A", KeyError::Encoding),
        ("name+c74f20a3+AQ==", KeyError::Encoding),
    ] {
        assert_eq!(PublicKey::parse(text), Err(error), "{text}");
    }
    let other = PUBLIC.replace("PeterNeumann", "PeterNewman");
    assert_eq!(PublicKey::parse(&other), Err(KeyError::Id));
}

#[test]
fn a_note_is_believed_for_its_key_alone() {
    let (log, other) = (
        key("log", KeyType::Ed25519, 1),
        key("log", KeyType::Ed25519, 2),
    );
    let mut note = Note::new("text\n".to_owned());
    note.sign(&other);
    let error = note.verify(log.public()).expect_err("not signed");
    let NoteError::NotSigned { by, instead } = &error else {
        panic!("{error}");
    };
    assert_eq!(
        (by, instead),
        (&log.public().label(), &vec![other.public().label()])
    );
    // The line's name and id are only a label: under the right one, a wrong signature is a forgery.
    note.signatures[0].id = log.public().id();
    assert!(matches!(
        note.verify(log.public()),
        Err(NoteError::Forged { .. })
    ));
}

#[test]
fn texts_that_are_no_notes_are_refused() {
    let no_dash = SIGNED.replace('\u{2014}', "-");
    for text in [
        "",
        "\n",
        "a\n",
        "a\n\n",
        "a\n\nb\n",
        &no_dash,
        SIGNED.trim_end(),
    ] {
        assert!(Note::parse(text).is_err(), "{text:?}");
    }
    assert!(Note::parse(&SIGNED.replace("the", "t\re")).is_err());
    assert_eq!(Note::parse(&"a".repeat(1 << 17)), Err(NoteError::TooLong));
    let line = SIGNED.rsplit("\n\n").next().expect("a line");
    assert!(Note::parse(&format!("a\n\n{}", line.repeat(64))).is_ok());
    assert_eq!(
        Note::parse(&format!("a\n\n{}", line.repeat(65))),
        Err(NoteError::Signatures)
    );
}

#[test]
fn a_checkpoint_is_believed_for_its_origin_alone() {
    let log = key("edge-3.example/fak", KeyType::Ed25519, 1);
    let note = checkpoint().sign(&log);
    let read = Note::parse(&note.to_string()).expect("a note");
    assert_eq!(Checkpoint::open(&read, log.public()), Ok(checkpoint()));
    assert!(read.text().starts_with("edge-3.example/fak\n7\n"));
    let namesake = key("other", KeyType::Ed25519, 1);
    let foreign = checkpoint().sign(&namesake);
    assert!(matches!(
        Checkpoint::open(&foreign, namesake.public()),
        Err(CheckpointError::Origin { .. })
    ));
}

#[test]
fn texts_that_are_no_checkpoints_are_refused() {
    let good = checkpoint().to_string();
    assert_eq!(Checkpoint::of_text(&good), Some(checkpoint()));
    let extended = format!("{good}an extension\n");
    assert_eq!(Checkpoint::of_text(&extended), Some(checkpoint()));
    let root = good.lines().nth(2).expect("a root").to_owned();
    for text in [
        String::new(),
        "\n".to_owned(),
        "origin\n7\n".to_owned(),
        format!("\n7\n{root}\n"),
        format!("origin\n07\n{root}\n"),
        format!("origin\n+7\n{root}\n"),
        format!("origin\n18446744073709551616\n{root}\n"),
        format!("origin\n7\n{}\n", &root[1..]),
        format!("origin\n7\n{root}\n\nmore\n"),
        good.trim_end().to_owned(),
    ] {
        assert_eq!(Checkpoint::of_text(&text), None, "{text:?}");
    }
}

#[test]
fn a_witness_says_when() {
    let log = key("edge-3.example/fak", KeyType::Ed25519, 1);
    let witness = key("witness.example/w1", KeyType::Cosignature, 9);
    let mut note = checkpoint().sign(&log);
    let line = cosign(&note, &witness, 1_679_315_147);
    note.signatures.push(line);
    let note = Note::parse(&note.to_string()).expect("a note");
    assert_eq!(
        verify_cosignature(&note, witness.public()),
        Ok(1_679_315_147)
    );
    // The log's own signature still holds, and is no cosignature.
    assert_eq!(Checkpoint::open(&note, log.public()), Ok(checkpoint()));
    assert!(matches!(
        verify_cosignature(&note, log.public()),
        Err(NoteError::Forged { .. })
    ));
    // Another time is another statement.
    let mut later = note.clone();
    later.signatures[1].bytes[7] ^= 1;
    assert!(matches!(
        verify_cosignature(&later, witness.public()),
        Err(NoteError::Forged { .. })
    ));
}

proptest! {
    #[test]
    fn a_changed_byte_is_never_believed(at in 0_usize..1000, bit in 0_u8..8) {
        let log = key("edge-3.example/fak", KeyType::Ed25519, 1);
        let good = checkpoint().sign(&log).to_string();
        let mut bytes = good.clone().into_bytes();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        let believed = String::from_utf8(bytes)
            .ok()
            .and_then(|text| Note::parse(&text).ok())
            .is_some_and(|note| Checkpoint::open(&note, log.public()).is_ok());
        prop_assert!(!believed);
    }

    #[test]
    fn reading_never_panics_and_writing_is_reading_back(text in "(\\PC|\n){0,200}") {
        if let Ok(note) = Note::parse(&text) {
            prop_assert_eq!(Note::parse(&note.to_string()), Ok(note));
        }
        let _ = PublicKey::parse(&text);
        let _ = Checkpoint::of_text(&text);
    }
}
