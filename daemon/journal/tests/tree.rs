//! The Merkle tree beside the records: written, read again, proved, migrated to, lost and found.

#![expect(clippy::print_stdout, reason = "a skipped or measured test says so")]

mod support;

use std::{fs, path::Path};

use fak_chain::{Tree, empty_root, leaf, verify_consistency, verify_inclusion};
use fak_journal::{
    Draft, Head, Journal, OpenError, ReadError, Reader, RecordKind, Settings, TreeSource,
};
use support::{draft, filled, format_1, open, sound};
use tempfile::tempdir;

/// The tree over the bodies, by the library alone.
fn oracle(path: &Path, size: u64) -> Tree {
    let rows = Reader::open(path)
        .unwrap()
        .rows(1, usize::try_from(size).unwrap())
        .unwrap();
    let mut tree = Tree::new();
    for row in rows {
        tree.push(leaf(&row.body));
    }
    assert_eq!(tree.size(), size);
    tree
}

fn tiles(path: &Path) -> Vec<(u8, u64)> {
    let conn = rusqlite::Connection::open(path).unwrap();
    let mut select = conn
        .prepare("SELECT level, idx FROM tree_tiles ORDER BY level, idx")
        .unwrap();
    let rows = select
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    rows.map(Result::unwrap).collect()
}

fn format_of(path: &Path) -> u32 {
    let conn = rusqlite::Connection::open(path).unwrap();
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap()
}

/// Every kind of proof, against roots the rows alone give.
fn proves(path: &Path, rows: u64) {
    let reader = Reader::open(path).unwrap();
    let root = reader.tree_root_at(rows).unwrap();
    assert_eq!(root, oracle(path, rows).root());
    for seq in [1, 2, 256, 257, rows - 1, rows] {
        let (body, proof) = reader.inclusion(seq, rows).unwrap();
        assert_eq!(body, reader.rows(seq, 1).unwrap()[0].body);
        verify_inclusion(leaf(&body), seq - 1, rows, &proof, root).unwrap();
    }
    for old in [0, 1, 255, 256, 257, rows - 1, rows] {
        let begun = reader.tree_root_at(old).unwrap();
        assert_eq!(begun, oracle(path, old).root());
        let proof = reader.consistency(old, rows).unwrap();
        verify_consistency(old, begun, rows, root, &proof).unwrap();
    }
}

#[tokio::test]
async fn the_writer_knows_the_tree_of_its_rows() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let (journal, _) = open(&path);
    assert_eq!(journal.tree().await, Ok((0, empty_root())));
    let mut size = 0;
    for batch in [1, 254, 1, 1, 300, 0, 1000, 3] {
        journal
            .append_all((0..batch).map(draft).collect())
            .await
            .unwrap();
        size += batch;
        let root = oracle(&path, size).root();
        assert_eq!(journal.tree().await, Ok((size, root)));
        let reader = Reader::open(&path).unwrap();
        assert_eq!(reader.tree_root_at(size), Ok(root));
        assert_eq!(reader.tree_source(), TreeSource::Tiles);
    }
    journal.close().await.unwrap();
    assert!(journal.tree().await.is_err());
    assert_eq!(tiles(&path), (0..6).map(|idx| (0, idx)).collect::<Vec<_>>());
    proves(&path, size);

    // The right edge is found again, and goes on.
    let (journal, _) = open(&path);
    assert_eq!(journal.tree().await, Ok((size, oracle(&path, size).root())));
    journal
        .append_all((0..300).map(draft).collect())
        .await
        .unwrap();
    size += 300;
    assert_eq!(journal.tree().await, Ok((size, oracle(&path, size).root())));
    // A question sees what was queued before it.
    journal.offer(draft(1));
    assert_eq!(journal.tree().await.unwrap().0, size + 1);
    journal.close().await.unwrap();
    assert_eq!(sound(&path).root, oracle(&path, size + 1).root());
}

#[tokio::test]
async fn tiles_of_the_second_level_are_written_and_read() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    const ROWS: u64 = 65_536 + 600;
    filled(&path, ROWS).await;
    assert_eq!(tiles(&path).last(), Some(&(1, 0)));
    assert_eq!(tiles(&path).len(), 256 + 2 + 1);
    assert_eq!(sound(&path).root, oracle(&path, ROWS).root());
    proves(&path, ROWS);
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.tile(1, 0, ROWS).unwrap().len(), 256);
    assert_eq!(reader.tile(1, 1, ROWS).unwrap().len(), 2);
    assert_eq!(
        reader.tile(2, 0, ROWS).unwrap(),
        [reader.tree_root_at(65_536).unwrap()]
    );
    assert_eq!(reader.tile(0, 258, ROWS).unwrap().len(), 88);
    assert_eq!(reader.tile(0, 258, ROWS - 8).unwrap().len(), 80);
    assert_eq!(reader.tile(0, 259, ROWS).unwrap(), []);
    assert_eq!(reader.tile(9, u64::MAX, ROWS).unwrap(), []);
    let (journal, _) = open(&path);
    journal.append(draft(1)).await.unwrap();
    assert_eq!(
        journal.tree().await,
        Ok((ROWS + 1, oracle(&path, ROWS + 1).root()))
    );
    journal.close().await.unwrap();
}

#[tokio::test]
async fn a_journal_of_format_1_is_read_and_brought_forward() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    const ROWS: u64 = 1500;
    format_1(&path, ROWS);

    // Read where it stands: the rows give the tree.
    let before = fak_journal::verify(&path).unwrap();
    assert_eq!((before.rows, &before.fault), (ROWS, &None));
    assert_eq!(before.root, oracle(&path, ROWS).root());
    proves(&path, ROWS);
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.tree_root_at(ROWS), Ok(before.root));
    assert_eq!(reader.tree_source(), TreeSource::Bodies);
    assert_eq!(format_of(&path), 1);

    let (journal, opened) = open(&path);
    assert_eq!((opened.rows, opened.head), (ROWS, before.head));
    assert_eq!(journal.tree().await, Ok((ROWS, before.root)));
    // Beside the reader that was open meanwhile, as well.
    assert_eq!(reader.tree_root_at(ROWS), Ok(before.root));
    let receipt = journal.append(draft(7)).await.unwrap();
    assert_eq!(receipt.seq, ROWS + 1);
    drop(reader);
    journal.close().await.unwrap();
    assert_eq!((format_of(&path), tiles(&path).len()), (2, 5));
    let after = sound(&path);
    assert_eq!(after.rows, ROWS + 1);
    let kept = Reader::open(&path).unwrap();
    let report = kept
        .verify_against(Some(before.head), &[(ROWS, before.root)])
        .unwrap();
    assert!(report.is_sound());
}

#[tokio::test]
async fn an_empty_journal_of_format_1_is_brought_forward() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    format_1(&path, 0);
    let (journal, opened) = open(&path);
    assert_eq!(opened.head, Head::EMPTY);
    journal.append(draft(1)).await.unwrap();
    journal.close().await.unwrap();
    assert_eq!(sound(&path).rows, 1);
}

/// A number that is missing long before the end: no leaf can stand in its place.
#[test]
fn a_journal_with_a_hole_is_not_brought_forward() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    format_1(&path, 3000);
    let conn = rusqlite::Connection::open(&path).unwrap();
    let trigger = "SELECT sql FROM sqlite_schema WHERE name = 'records_stay'";
    let trigger: String = conn.query_row(trigger, [], |row| row.get(0)).unwrap();
    conn.execute_batch("DROP TRIGGER records_stay; DELETE FROM records WHERE seq = 9")
        .unwrap();
    conn.execute_batch(&trigger).unwrap();
    drop(conn);
    let error = Journal::open(Settings::new(&path)).unwrap_err();
    let OpenError::Unsound { fault, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(fault.seq, 10, "{error}");
    assert_eq!(format_of(&path), 1, "a refusal changes nothing");
}

/// Derived data: lost or damaged, it is computed from the rows, and the daemon keeps it again.
#[tokio::test]
async fn tiles_that_are_missing_or_damaged_are_computed_again() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    const ROWS: u64 = 1000;
    filled(&path, ROWS).await;
    let root = sound(&path).root;
    // What only a look at all rows tells: a tile that fits itself and not the rows.
    let forged = "UPDATE tree_tiles SET (hashes, root) = \
         (SELECT hashes, root FROM tree_tiles WHERE idx = 0) WHERE idx = 1";
    let cases = [
        "DELETE FROM tree_tiles",
        "DELETE FROM tree_tiles WHERE idx = 1",
        "DELETE FROM tree_tiles WHERE idx = 2",
        "UPDATE tree_tiles SET root = zeroblob(32) WHERE idx = 1",
        "UPDATE tree_tiles SET hashes = zeroblob(8192) WHERE idx = 1",
        forged,
        "DROP TABLE tree_tiles",
        "DROP TABLE tree_tiles; CREATE VIEW tree_tiles AS SELECT 0 AS level, 0 AS idx, \
         zeroblob(32) AS root, zeroblob(8192) AS hashes",
    ];
    for sql in cases {
        let copy = dir.path().join("copy.db");
        fs::copy(&path, &copy).unwrap();
        rusqlite::Connection::open(&copy)
            .unwrap()
            .execute_batch(sql)
            .unwrap();
        let reader = Reader::open(&copy).unwrap();
        assert!(
            sql == forged || reader.tree_root_at(ROWS) == Ok(root),
            "{sql}"
        );
        // A proof is held against the row's body before it is handed out.
        let (body, proof) = reader.inclusion(300, ROWS).unwrap();
        verify_inclusion(leaf(&body), 299, ROWS, &proof, root).unwrap();
        assert_eq!(reader.tree_source(), TreeSource::Bodies, "{sql}");
        let fault = reader.verify(None).unwrap().fault;
        if sql.contains("DROP") {
            assert_eq!(fault, None, "{sql}");
            continue;
        }
        let fault = fault.expect("a fault").to_string();
        assert!(fault.contains("of the Merkle tree"), "{sql}: {fault}");
        assert!(fault.contains("derived data"), "{sql}: {fault}");
    }
    // What is missing at the edge is noticed when the daemon opens the file.
    for sql in &cases[..5] {
        rusqlite::Connection::open(&path)
            .unwrap()
            .execute_batch(sql)
            .unwrap();
        let (journal, _) = open(&path);
        assert_eq!(journal.tree().await, Ok((ROWS, root)), "{sql}");
        journal.close().await.unwrap();
        assert_eq!(sound(&path).root, root, "{sql}");
    }
}

#[tokio::test]
async fn a_root_kept_elsewhere_shows_a_rewrite_and_a_cut() {
    let dir = tempdir().unwrap();
    let (path, other) = (dir.path().join("journal.db"), dir.path().join("other.db"));
    filled(&path, 700).await;
    let reader = Reader::open(&path).unwrap();
    let root_at = |size| (size, reader.tree_root_at(size).unwrap());
    let kept = [
        root_at(700),
        root_at(0),
        root_at(300),
        root_at(301),
        root_at(300),
    ];
    assert!(reader.verify_against(None, &kept).unwrap().is_sound());

    // The same length, another row 300: a chain and a tree of its own, sound by itself.
    let (journal, _) = open(&other);
    let drafts = (1..=700).map(|n| draft(n + u64::from(n == 300)));
    for chunk in drafts.collect::<Vec<_>>().chunks(100) {
        journal.append_all(chunk.to_vec()).await.unwrap();
    }
    journal.close().await.unwrap();
    sound(&other);
    let rewritten = Reader::open(&other).unwrap();
    let report = rewritten.verify_against(None, &kept).unwrap();
    let fault = report.fault.expect("a fault");
    assert_eq!((fault.seq, report.rows), (300, 300));
    assert!(
        fault.to_string().contains("the journal was rewritten"),
        "{fault}"
    );
    let nothing = rewritten.verify_against(None, &[(0, kept[0].1)]).unwrap();
    assert_eq!(nothing.fault.map(|fault| fault.seq), Some(0));

    let beyond = [(300, kept[2].1), (900, kept[0].1), (800, kept[0].1)];
    let report = reader.verify_against(None, &beyond).unwrap();
    let fault = report.fault.expect("a fault");
    assert_eq!((fault.seq, report.rows), (800, 700));
    assert!(fault.to_string().contains("ends at row 700"), "{fault}");
}

#[tokio::test]
async fn what_is_not_there_cannot_be_proved() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    filled(&path, 10).await;
    let reader = Reader::open(&path).unwrap();
    let beyond = |asked, rows| ReadError::Beyond {
        path: path.clone(),
        asked,
        rows,
    };
    assert_eq!(reader.tree_root_at(11), Err(beyond(11, 10)));
    assert_eq!(reader.inclusion(6, 5), Err(beyond(6, 5)));
    assert_eq!(reader.inclusion(0, 5), Err(beyond(0, 5)));
    assert_eq!(reader.consistency(6, 5), Err(beyond(6, 5)));
    assert_eq!(reader.consistency(6, 11), Err(beyond(11, 10)));
    assert_eq!(reader.tile(0, 0, 11), Err(beyond(11, 10)));
    assert!(beyond(11, 10).to_string().contains("row 11 of 10"));
}

#[tokio::test]
async fn the_last_rows_of_a_kind() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let (journal, _) = open(&path);
    for n in 1..=20_u64 {
        let kind = [RecordKind::Decide, RecordKind::Backup][usize::from(n % 5 == 0)];
        let who = format!("uid:{}", n % 2);
        let row = Draft {
            who,
            ..Draft::new(kind, n)
        };
        journal.append(row).await.unwrap();
    }
    journal.close().await.unwrap();
    let reader = Reader::open(&path).unwrap();
    let last = |kinds: &[RecordKind], who, limit, looked_at| {
        let rows = reader.last_matching(kinds, who, limit, looked_at).unwrap();
        rows.iter().map(|row| row.seq).collect::<Vec<_>>()
    };
    use RecordKind::{Backup, Decide, Key};
    assert_eq!(last(&[Backup], None, 2, 100), [20, 15]);
    assert_eq!(last(&[Backup], None, 9, 6), [20, 15]);
    assert_eq!(last(&[Backup], Some("uid:1"), 9, 100), [15, 5]);
    assert_eq!(last(&[Backup, Decide], Some("uid:1"), 2, 100), [19, 17]);
    assert_eq!(last(&[], None, 3, 100), [20, 19, 18]);
    assert_eq!(last(&[Key], None, 3, 100), []);
    assert_eq!(last(&[], None, 0, 100), []);
    assert_eq!(last(&[], None, 5, 0), []);
}
