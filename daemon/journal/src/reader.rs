//! Reading without writing.
//!
//! A reader opens the file read-only. Beside a running daemon it shares the daemon's write-ahead log; on
//! a copy, or on media nobody can write, it does without the shared-memory file SQLite would otherwise
//! want to make; of a file that was cut short it reads what is left. Rows are fetched in short transactions, so that the longest export does not hold back
//! the daemon's checkpoints.

mod backup;
mod tree;
mod verify;

use std::{
    fs,
    io::{self, Write},
    ops::ControlFlow,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

pub use backup::Copied;
use fak_chain::{DecodeError, Fault, Head, Problem, Record, RecordKind, decode};
use fak_types::Digest;
use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig, params, types::ValueRef};

pub use tree::TreeSource;
pub use verify::{Report, verify};

use crate::{
    error::{ReadError, Trouble},
    schema::{self, FORMAT, FileKind},
    store::harden,
};

/// Rows to one read transaction.
const BATCH_ROWS: usize = 4096;

/// A row as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number.
    pub seq: u64,
    /// Its body: the record's canonical bytes.
    pub body: Vec<u8>,
    /// Its hash.
    pub hash: Digest,
}

impl Row {
    /// The record in the body.
    ///
    /// # Errors
    /// [`DecodeError`] when the body is not a record of this version.
    pub fn record(&self) -> Result<Record, DecodeError> {
        decode(&self.body)
    }

    /// The row as one line of JSON, without the line feed:
    /// `{"seq":1,"hash":"sha256:...","record":{...}}`, the record's bytes as they are.
    #[must_use]
    pub fn to_line(&self) -> Vec<u8> {
        line(self.seq, &self.hash, &self.body)
    }
}

/// A journal that is open for reading.
#[derive(Debug)]
pub struct Reader {
    conn: Connection,
    path: PathBuf,
    /// Whether the file keeps tiles of the tree.
    has_tiles: bool,
    learned: tree::Learned,
}

/// A row where the database holds it.
struct RawRow<'a> {
    seq: i64,
    body: &'a [u8],
    hash: &'a [u8],
}

impl Reader {
    /// Opens the journal at `path` read-only.
    ///
    /// # Errors
    /// [`ReadError`]: `Missing` when there is no such file, `NotAJournal`, `TooNew`, or the storage's
    /// refusal.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let path = path.as_ref();
        let meta = fs::metadata(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                ReadError::Missing { path: path.into() }
            }
            _ => Trouble::io(path, &error).into(),
        })?;
        let foreign = |why| {
            Err(ReadError::NotAJournal {
                path: path.into(),
                why,
            })
        };
        if !meta.is_file() {
            return foreign("it is not a file");
        }
        if meta.len() == 0 {
            return foreign("it is empty");
        }
        let (conn, kind) = Self::connect(path)?;
        match kind {
            FileKind::Journal(_) => Ok(Self {
                // Where this cannot be read the tiles cannot either, and the bodies stand for them.
                has_tiles: schema::has_tiles(&conn).unwrap_or(false),
                conn,
                path: path.into(),
                learned: tree::Learned::default(),
            }),
            FileKind::TooNew(found) => Err(ReadError::TooNew {
                path: path.into(),
                found,
                known: FORMAT,
            }),
            FileKind::Blank => foreign("it is a database without tables"),
            FileKind::Foreign(why) => foreign(why),
        }
    }

    /// Opens the file as what it seems to be: live, then on read-only media, then as a wreck.
    fn connect(path: &Path) -> Result<(Connection, FileKind), ReadError> {
        let uri = file_uri(path);
        let code = |error: &rusqlite::Error| error.sqlite_error_code();
        let mut found = attempt(&format!("{uri}?mode=ro"), Manner::Shared);
        if let Err(error) = &found
            && matches!(
                code(error),
                Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly)
            )
        {
            found = if log_is_empty(path) {
                attempt(&format!("{uri}?mode=ro&immutable=1"), Manner::Shared)
            } else {
                attempt(&format!("{uri}?mode=ro&vfs=unix-none"), Manner::Alone)
            };
        }
        if let Err(error) = &found
            && code(error) == Some(ErrorCode::DatabaseCorrupt)
        {
            found = attempt(&format!("{uri}?mode=ro&immutable=1"), Manner::Wreck);
        }
        found.map_err(|error| match code(&error) {
            Some(ErrorCode::NotADatabase) => {
                let why = "it is not a database";
                ReadError::NotAJournal {
                    path: path.into(),
                    why,
                }
            }
            _ => Trouble::sqlite(path, &error).into(),
        })
    }

    /// The last row; [`Head::EMPTY`] when there is none.
    ///
    /// # Errors
    /// [`ReadError`] when it cannot be read.
    pub fn head(&self) -> Result<Head, ReadError> {
        let last = self.last(1)?;
        Ok(last.first().map_or(Head::EMPTY, |row| Head {
            seq: row.seq,
            hash: row.hash,
        }))
    }

    /// At most `limit` rows from number `from_seq` on, in order.
    ///
    /// # Errors
    /// [`ReadError`] when one of them cannot be read.
    pub fn rows(&self, from_seq: u64, limit: usize) -> Result<Vec<Row>, ReadError> {
        let sql = "SELECT seq, body, hash FROM records WHERE seq >= ?1 ORDER BY seq LIMIT ?2";
        self.collect(sql, params![bound(from_seq), count(limit)])
    }

    /// The last `limit` rows, in order.
    ///
    /// # Errors
    /// [`ReadError`] when one of them cannot be read.
    pub fn last(&self, limit: usize) -> Result<Vec<Row>, ReadError> {
        let sql = "SELECT seq, body, hash FROM records ORDER BY seq DESC LIMIT ?1";
        let mut rows = self.collect(sql, params![count(limit)])?;
        rows.reverse();
        Ok(rows)
    }

    /// At most `limit` rows of one trace from number `from_seq` on, in order, by the index.
    ///
    /// The index is derived data: a row that was taken out of it by hand is not found here, and
    /// [`Reader::check_file`] says so.
    ///
    /// # Errors
    /// [`ReadError`] when one of them cannot be read.
    pub fn trace(&self, trace: &str, from_seq: u64, limit: usize) -> Result<Vec<Row>, ReadError> {
        let sql = "SELECT seq, body, hash FROM records WHERE json_extract(body, '$.trace') = ?1 \
            AND seq >= ?2 ORDER BY seq LIMIT ?3";
        self.collect(sql, params![trace, bound(from_seq), count(limit)])
    }

    /// Folds the records from number `from_seq` on, in order, over what is on disk when it begins.
    ///
    /// # Errors
    /// [`ReadError`] at the first row that cannot be read or is not a record. Hashes are not looked at:
    /// that is [`Reader::verify`].
    pub fn fold<T>(
        &self,
        from_seq: u64,
        start: T,
        mut step: impl FnMut(T, Record) -> T,
    ) -> Result<T, ReadError> {
        let mut folded = Some(start);
        self.for_each(from_seq, |raw| {
            let record =
                decode(raw.body).map_err(|error| self.bad(raw.seq, Problem::Body(error)))?;
            folded = folded.take().map(|sum| step(sum, record));
            Ok(())
        })?;
        folded.ok_or_else(|| ReadError::Output("a fold was cut short".into()))
    }

    /// Writes the rows from number `from_seq` on as lines of JSON, as [`Row::to_line`]; yields how many.
    ///
    /// # Errors
    /// [`ReadError`] at the first row that cannot be read, or when `out` refuses.
    pub fn export(&self, from_seq: u64, mut out: impl Write) -> Result<u64, ReadError> {
        let refused = |error: io::Error| ReadError::Output(error.to_string());
        let mut rows = 0;
        self.for_each(from_seq, |raw| {
            let row = self.own(&raw)?;
            let mut line = row.to_line();
            line.push(b'\n');
            rows += 1;
            out.write_all(&line).map_err(refused)
        })?;
        out.flush().map_err(refused)?;
        Ok(rows)
    }

    /// The last rows of these kinds, and of this principal when one is named, newest first: at most
    /// `limit`, among the last `rows_looked_at_max`. No kinds stand for every kind.
    ///
    /// For screens that show a state: a row that is not a record is passed over here, and named by
    /// [`Reader::verify`].
    ///
    /// # Errors
    /// [`ReadError`] when the storage refuses.
    pub fn last_matching(
        &self,
        kinds: &[RecordKind],
        who: Option<&str>,
        limit: usize,
        rows_looked_at_max: usize,
    ) -> Result<Vec<Row>, ReadError> {
        let wanted = |record: &Record| {
            (kinds.is_empty() || kinds.contains(&record.kind))
                && who.is_none_or(|who| record.who == who)
        };
        let fetch = || {
            let mut found = Vec::new();
            let mut select = self
                .conn
                .prepare_cached("SELECT seq, body, hash FROM records ORDER BY seq DESC LIMIT ?1")?;
            let mut rows = select.query([count(rows_looked_at_max)])?;
            while found.len() < limit
                && let Some(row) = rows.next()?
            {
                let raw = raw(row)?;
                if decode(raw.body).is_ok_and(|record| wanted(&record)) {
                    found.push(self.own(&raw));
                }
            }
            Ok(found)
        };
        fetch()
            .map_err(|error: rusqlite::Error| self.storage(&error))?
            .into_iter()
            .collect()
    }

    /// Has SQLite check the whole file, indices included; yields its complaints, none for a sound file.
    ///
    /// # Errors
    /// [`ReadError`] when the storage refuses.
    pub fn check_file(&self) -> Result<Vec<String>, ReadError> {
        let complaints = || {
            let mut check = self.conn.prepare("PRAGMA integrity_check")?;
            check
                .query_map([], |row| row.get(0))?
                .collect::<Result<Vec<String>, _>>()
        };
        match complaints() {
            Ok(lines) => Ok(lines.into_iter().filter(|line| line != "ok").collect()),
            Err(error) => Err(self.storage(&error)),
        }
    }
}

impl Reader {
    fn storage(&self, error: &rusqlite::Error) -> ReadError {
        Trouble::sqlite(&self.path, error).into()
    }

    fn bad(&self, seq: i64, problem: Problem) -> ReadError {
        let seq = u64::try_from(seq).unwrap_or(0);
        ReadError::Row {
            path: self.path.clone(),
            fault: Fault { seq, problem },
        }
    }

    fn own(&self, raw: &RawRow<'_>) -> Result<Row, ReadError> {
        let hash = <[u8; 32]>::try_from(raw.hash).map_err(|_| {
            self.bad(
                raw.seq,
                Problem::HashLength {
                    bytes: raw.hash.len(),
                },
            )
        })?;
        let seq = u64::try_from(raw.seq).unwrap_or(0);
        Ok(Row {
            seq,
            body: raw.body.to_vec(),
            hash: Digest(hash),
        })
    }

    fn collect(&self, sql: &str, values: impl rusqlite::Params) -> Result<Vec<Row>, ReadError> {
        let fetch = || {
            let mut found = Vec::new();
            let mut select = self.conn.prepare_cached(sql)?;
            let mut rows = select.query(values)?;
            while let Some(row) = rows.next()? {
                found.push(self.own(&raw(row)?));
            }
            Ok(found)
        };
        fetch()
            .map_err(|error: rusqlite::Error| self.storage(&error))?
            .into_iter()
            .collect()
    }

    /// The number rows are read up to, so that a busy daemon cannot make reading endless.
    fn last_seq(&self) -> i64 {
        let last = self
            .conn
            .query_row("SELECT max(seq) FROM records", [], |row| row.get(0));
        // Where this cannot be read the rows cannot either, and they name the place.
        last.ok().flatten().unwrap_or(i64::MAX)
    }

    fn for_each(
        &self,
        from_seq: u64,
        mut step: impl FnMut(RawRow<'_>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let mut outcome = Ok(());
        let walked = self.walk(bound(from_seq), self.last_seq(), &mut |raw| {
            outcome = step(raw);
            if outcome.is_ok() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        outcome?;
        walked.map_err(|error| self.storage(&error))
    }

    fn walk(
        &self,
        from: i64,
        to: i64,
        step: &mut dyn FnMut(RawRow<'_>) -> ControlFlow<()>,
    ) -> rusqlite::Result<()> {
        let mut select = self.conn.prepare_cached(
            "SELECT seq, body, hash FROM records WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq LIMIT ?3",
        )?;
        let mut from = from;
        loop {
            let mut rows = select.query(params![from, to, count(BATCH_ROWS)])?;
            let mut fetched = 0;
            while let Some(row) = rows.next()? {
                let raw = raw(row)?;
                fetched += 1;
                from = raw.seq;
                if step(raw).is_break() {
                    return Ok(());
                }
            }
            if fetched < BATCH_ROWS || from == i64::MAX {
                return Ok(());
            }
            from += 1;
        }
    }
}

/// How a connection comes to terms with what it finds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// As SQLite means it.
    Shared,
    /// With an exclusive lock the log's index lives in this process and needs no file; the lock itself
    /// is nothing, by the name of the VFS.
    Alone,
    /// A file shorter than its header says is opened all the same, so that the first row that is gone
    /// can be named. Nothing is written: the connection is read-only.
    Wreck,
}

fn attempt(uri: &str, manner: Manner) -> rusqlite::Result<(Connection, FileKind)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let conn = Connection::open_with_flags(uri, flags)?;
    harden(&conn)?;
    match manner {
        Manner::Shared => {}
        Manner::Alone => conn.pragma_update(None, "locking_mode", "EXCLUSIVE")?,
        Manner::Wreck => {
            conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false)?;
            conn.pragma_update(None, "writable_schema", true)?;
        }
    }
    let kind = schema::kind_of(&conn)?;
    Ok((conn, kind))
}

fn raw<'a>(row: &'a rusqlite::Row<'_>) -> rusqlite::Result<RawRow<'a>> {
    // A column of another type than the table's is damage, and reads as no bytes: no hash fits those.
    let bytes = |value: ValueRef<'a>| match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
        _ => &[],
    };
    Ok(RawRow {
        seq: row.get(0)?,
        body: bytes(row.get_ref(1)?),
        hash: bytes(row.get_ref(2)?),
    })
}

fn line(seq: u64, hash: &Digest, body: &[u8]) -> Vec<u8> {
    let mut line = format!("{{\"seq\":{seq},\"hash\":\"{hash}\",\"record\":").into_bytes();
    line.extend_from_slice(body);
    line.push(b'}');
    line
}

fn bound(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn log_is_empty(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    fs::metadata(PathBuf::from(log)).map_or(true, |meta| meta.len() == 0)
}

/// The path as SQLite's `file:` form; bytes that mean something there are escaped.
fn file_uri(path: &Path) -> String {
    use std::fmt::Write as _;
    let mut uri = String::from("file:");
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}
