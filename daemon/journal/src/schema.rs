//! The tables, and how a file comes to have them.
//!
//! `application_id` says that a file is a journal, `user_version` which format it has. Formats only go
//! forward, one migration each; a file of a later format is refused and left as it is. A new key or kind
//! of record is a new format too, so that an older reader says "newer" and never "tampered".

use fak_chain::Fault;
use rusqlite::{Connection, OptionalExtension};

use crate::tiles;

/// `fakJ`, big-endian, in the database header.
pub(crate) const APPLICATION_ID: i32 = 0x6661_6b4a;

/// The newest format this build knows.
pub(crate) const FORMAT: u32 = 2;

/// The first format that keeps tiles of the Merkle tree.
pub(crate) const FORMAT_WITH_TILES: u32 = 2;

/// `MIGRATIONS[n]` takes a file from format `n` to `n + 1`.
const MIGRATIONS: [&[&str]; FORMAT as usize] = [
    &[
        RECORDS,
        RECORDS_TRACE,
        RECORDS_GAP,
        RECORDS_KEEP,
        RECORDS_STAY,
        KERNEL_STATE,
    ],
    &[TREE_TILES],
];

/// INVARIANT: readers compare this text with the file's, so it changes only with a migration.
const RECORDS: &str = "\
CREATE TABLE records (
  seq INTEGER PRIMARY KEY CHECK (seq > 0),
  body TEXT NOT NULL,
  hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT";

// The indices hold nothing of their own: SQLite derives them from the bodies, and `integrity_check`
// compares them. A quote inside a JSON string is always escaped, so the text below is the key and its
// value wherever it appears.
const RECORDS_TRACE: &str = "\
CREATE INDEX records_trace ON records (json_extract(body, '$.trace'))
  WHERE json_extract(body, '$.trace') IS NOT NULL";
const RECORDS_GAP: &str = "\
CREATE INDEX records_gap ON records (seq) WHERE instr(body, '\"kind\":\"GAP\"') > 0";

// Against accidents at a prompt; against intent there is the hash chain.
const RECORDS_KEEP: &str = "\
CREATE TRIGGER records_keep BEFORE UPDATE ON records
  BEGIN SELECT RAISE(ABORT, 'a journal is append-only'); END";
const RECORDS_STAY: &str = "\
CREATE TRIGGER records_stay BEFORE DELETE ON records
  BEGIN SELECT RAISE(ABORT, 'a journal is append-only'); END";

// A cache of folds over the records, in the same transactions; never evidence.
const KERNEL_STATE: &str = "\
CREATE TABLE kernel_state (
  key TEXT PRIMARY KEY,
  value BLOB NOT NULL,
  seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID";

// Complete tiles of the Merkle tree over the bodies, written by the transaction that completes them; the
// incomplete one at the end of each level is computed from the tiles below it and the last rows.
const TREE_TILES: &str = "\
CREATE TABLE tree_tiles (
  level INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  hashes BLOB NOT NULL CHECK (length(hashes) = 8192),
  root BLOB NOT NULL CHECK (length(root) = 32),
  PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID";

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// No tables at all: a new file.
    Blank,
    /// A journal of this format.
    Journal(u32),
    /// A journal of a later format.
    TooNew(u32),
    /// Something else.
    Foreign(&'static str),
}

/// Tells what a file is, without writing to it.
pub(crate) fn kind_of(conn: &Connection) -> rusqlite::Result<FileKind> {
    let application: i32 = pragma(conn, "application_id")?;
    let format: u32 = pragma(conn, "user_version")?;
    let objects: u64 =
        conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application == 0 && format == 0 && objects == 0 {
        return Ok(FileKind::Blank);
    }
    if application != APPLICATION_ID {
        return Ok(FileKind::Foreign("its application id is another program's"));
    }
    if format > FORMAT {
        return Ok(FileKind::TooNew(format));
    }
    // A view or a virtual table under the table's name could make up rows.
    let records: Option<String> = conn
        .query_row(
            "SELECT sql FROM sqlite_schema WHERE name = 'records' AND type = 'table'",
            [],
            |row| row.get(0),
        )
        .optional()?;
    match records {
        Some(sql) if sql == RECORDS => Ok(FileKind::Journal(format)),
        _ => Ok(FileKind::Foreign("its table of records is another one")),
    }
}

/// Whether the file keeps tiles of the tree in the table this build knows.
pub(crate) fn has_tiles(conn: &Connection) -> rusqlite::Result<bool> {
    let sql: Option<String> = conn
        .query_row(
            "SELECT sql FROM sqlite_schema WHERE name = 'tree_tiles' AND type = 'table'",
            [],
            |row| row.get(0),
        )
        .optional()?;
    Ok(sql.is_some_and(|sql| sql == TREE_TILES))
}

/// Brings a blank file or a journal of an earlier format to [`FORMAT`]; yields the fault that stands in
/// the way when its rows cannot be carried over. Each format is one transaction.
pub(crate) fn migrate(conn: &mut Connection, from: u32) -> rusqlite::Result<Result<(), Fault>> {
    for (format, steps) in (from + 1..).zip(MIGRATIONS.iter().skip(from as usize)) {
        let change = conn.transaction()?;
        for step in *steps {
            change.execute_batch(step)?;
        }
        if format == FORMAT_WITH_TILES
            && let Err(fault) = tiles::fill(&change)?
        {
            return Ok(Err(fault));
        }
        change.pragma_update(None, "application_id", APPLICATION_ID)?;
        change.pragma_update(None, "user_version", format)?;
        change.commit()?;
    }
    Ok(Ok(()))
}

/// Whether a file of [`FORMAT`] has exactly the tables, indices and triggers of that format. Anything
/// else that runs or hides when the writer appends has no place in a journal.
pub(crate) fn is_exact(conn: &Connection) -> rusqlite::Result<bool> {
    // Names with this prefix are SQLite's own: statistics, automatic indices.
    let mut statement = conn.prepare(
        "SELECT sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY sql",
    )?;
    let found = statement
        .query_map([], |row| row.get(0))?
        .collect::<Result<Vec<String>, _>>()?;
    let mut wanted = MIGRATIONS.concat();
    wanted.sort_unstable();
    Ok(found == wanted)
}

fn pragma<T: rusqlite::types::FromSql>(conn: &Connection, name: &str) -> rusqlite::Result<T> {
    conn.pragma_query_value(None, name, |row| row.get(0))
}
