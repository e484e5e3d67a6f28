//! Proof files: what another implementation would read, and what happens to whoever changes one.

use std::convert::Infallible;

use fak_chain::{
    Checkpoint, Draft, EvidenceError, GrowthProof, KeyType, RecordKind, RowProof, SecretKey, Tiles,
    Tree, consistency_proof, digest_bytes, empty_root, encode, inclusion_proof, leaf, root_at,
};
use fak_types::Digest;
use proptest::prelude::*;

const ROWS: u64 = 700;

/// A journal in memory: bodies, and the tiles a tree over them has.
struct Log {
    bodies: Vec<Vec<u8>>,
    key: SecretKey,
}

impl Log {
    fn new() -> Self {
        let body = |seq: u64| {
            let draft = Draft {
                tool: format!("tool-{seq}"),
                ..Draft::new(RecordKind::Decide, seq)
            };
            encode(&draft, seq)
        };
        Self {
            bodies: (1..=ROWS).map(body).collect(),
            key: SecretKey::from_seed("edge-3.example/fak", KeyType::Ed25519, &[3; 32])
                .expect("a key"),
        }
    }

    fn source(&self) -> Source {
        Source(self.bodies.iter().map(|body| leaf(body)).collect())
    }

    fn checkpoint(&self, size: u64) -> Checkpoint {
        Checkpoint {
            origin: self.key.public().name().to_owned(),
            size,
            root: root_at(size, &mut self.source()).expect("a root"),
        }
    }

    fn row(&self, seq: u64, size: u64) -> RowProof {
        let index = usize::try_from(seq - 1).expect("small");
        RowProof {
            seq,
            body: self.bodies[index].clone(),
            hashes: inclusion_proof(seq - 1, size, &mut self.source()).expect("a proof"),
            note: self.checkpoint(size).sign(&self.key),
        }
    }

    fn growth(&self, old: u64, new: u64) -> GrowthProof {
        GrowthProof {
            old_size: old,
            hashes: consistency_proof(old, new, &mut self.source()).expect("a proof"),
            note: self.checkpoint(new).sign(&self.key),
        }
    }
}

/// Every tile, computed from the leaves.
struct Source(Vec<Digest>);

impl Tiles for Source {
    type Error = Infallible;

    fn hashes(&mut self, level: u8, index: u64) -> Result<Vec<Digest>, Infallible> {
        let mut tree = Tree::default();
        let mut tiles = Vec::new();
        for leaf in &self.0 {
            tiles.extend(tree.push(*leaf));
        }
        let whole = tiles
            .into_iter()
            .find(|tile| tile.level == level && tile.index == index);
        Ok(whole.map_or_else(|| tree.edge(level).to_vec(), |tile| tile.hashes))
    }
}

#[test]
fn a_row_is_proven_by_its_file_and_the_public_key() {
    let log = Log::new();
    for (seq, size) in [
        (1, 1),
        (1, ROWS),
        (ROWS, ROWS),
        (256, 256),
        (257, 700),
        (300, 513),
    ] {
        let text = log.row(seq, size).to_string();
        assert!(text.starts_with("c2sp.org/tlog-proof@v1\nextra "));
        let proof = RowProof::parse(&text).expect("a proof");
        assert_eq!(proof, log.row(seq, size));
        let (record, checkpoint) = proof.verify(log.key.public()).expect("proven");
        assert_eq!((record.seq, checkpoint.size), (seq, size));
        assert_eq!(record.tool, format!("tool-{seq}"));
    }
}

#[test]
fn a_row_that_is_another_is_told() {
    let log = Log::new();
    let public = log.key.public();
    let mut proof = log.row(300, ROWS);
    proof.body = log.row(301, ROWS).body;
    assert!(matches!(proof.verify(public), Err(EvidenceError::Proof(_))));
    let other =
        SecretKey::from_seed("edge-3.example/fak", KeyType::Ed25519, &[4; 32]).expect("a key");
    let error = log
        .row(300, ROWS)
        .verify(other.public())
        .expect_err("another key");
    assert!(error.to_string().contains("has not signed it"), "{error}");
    // A record under another row's number, in a log whose owner signs anything.
    let mut lying = Log::new();
    lying.bodies[9] = lying.bodies[3].clone();
    assert_eq!(
        lying
            .row(10, ROWS)
            .verify(lying.key.public())
            .expect_err("twice"),
        EvidenceError::Row {
            found: 4,
            wanted: 10
        }
    );
}

#[test]
fn growth_is_proven_and_a_rewritten_beginning_is_not() {
    let log = Log::new();
    for (old, new) in [(1, 2), (256, 700), (255, 257), (512, 513), (700, 700)] {
        let text = log.growth(old, new).to_string();
        assert!(text.starts_with(&format!("old {old}\n")));
        let proof = GrowthProof::parse(&text).expect("a proof");
        let kept = log.checkpoint(old);
        assert_eq!(
            proof.verify(&kept, log.key.public()),
            Ok(log.checkpoint(new))
        );
        let rewritten = Checkpoint {
            root: digest_bytes(b"other"),
            ..kept
        };
        assert!(matches!(
            proof.verify(&rewritten, log.key.public()),
            Err(EvidenceError::Proof(_))
        ));
    }
    let from_nothing = log.growth(0, 700);
    let nothing = Checkpoint {
        root: empty_root(),
        ..log.checkpoint(0)
    };
    assert!(from_nothing.verify(&nothing, log.key.public()).is_ok());
    assert_eq!(
        log.growth(256, 700)
            .verify(&log.checkpoint(255), log.key.public()),
        Err(EvidenceError::Size {
            kept: 255,
            proof: 256
        })
    );
}

#[test]
fn texts_that_are_no_proofs_are_refused() {
    let log = Log::new();
    let (row, growth) = (
        log.row(300, ROWS).to_string(),
        log.growth(256, 700).to_string(),
    );
    for text in [
        "",
        "\n\n",
        &row.replace("@v1", "@v2"),
        &row.replace("extra ", "extra  "),
        &row.replace("index 299", "index 0299"),
        &row.replacen('\n', "\n\n", 1),
        &growth,
    ] {
        assert!(RowProof::parse(text).is_err(), "{text}");
    }
    for text in [
        "",
        &growth.replace("old 256", "old +256"),
        &growth.replace("old", "new"),
        &row,
    ] {
        assert!(GrowthProof::parse(text).is_err(), "{text}");
    }
    assert_eq!(
        RowProof::parse(&"a".repeat(1 << 18)),
        Err(EvidenceError::TooLong)
    );
}

proptest! {
    #[test]
    fn a_changed_character_proves_nothing(at in 0_usize..4000, with in "[ -~\n]") {
        let log = Log::new();
        let good = log.row(300, ROWS).to_string();
        let mut changed: Vec<char> = good.chars().collect();
        let at = at % changed.len();
        changed[at] = with.chars().next().expect("one");
        let changed: String = changed.into_iter().collect();
        prop_assume!(changed != good);
        let proven = RowProof::parse(&changed)
            .ok()
            .is_some_and(|proof| proof.verify(log.key.public()).is_ok());
        prop_assert!(!proven, "{}", changed);
    }
}
