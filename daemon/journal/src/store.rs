//! The connection that writes.

use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    io,
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use fak_chain::{Fault, Head, Problem, Tree, Verifier, encode_into, leaf, link};
use fak_types::Digest;
use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior, config::DbConfig,
    params,
};

use crate::{
    error::{AppendError, OpenError, Trouble},
    handle::{Receipt, StatePut, StateValue},
    queue::Job,
    schema::{self, FORMAT, FileKind},
    tiles,
};

/// Rows at the end of the file that are verified before anything is appended to them. LIMIT: opening
/// stays quick however long the journal is; the whole of it is for `verify`.
const TAIL_ROWS: u64 = 1024;

/// After a checkpoint the write-ahead log is cut back to this size. LIMIT: a burst does not keep disk.
const WAL_BYTES_KEPT: i64 = 16 << 20;

/// Pages in the write-ahead log that make a commit move them into the database. A checkpoint stalls one
/// commit for two more syncs; at this size it is one commit in about a thousand.
const WAL_PAGES_MAX: u32 = 4000;

/// How much of the write-ahead log is written again at a time.
const REWRITE_BYTES: usize = 1 << 20;

/// How long another program's lock on the database is waited for.
const BUSY_WAIT: Duration = Duration::from_millis(250);

const SELECT_HEAD: &str = "SELECT seq, hash FROM records ORDER BY seq DESC LIMIT 1";
const SELECT_FROM: &str = "SELECT seq, body, hash FROM records WHERE seq >= ?1 ORDER BY seq";
const SELECT_GAPS: &str = "SELECT coalesce(sum(json_extract(body, '$.count')), 0) FROM records \
    WHERE instr(body, '\"kind\":\"GAP\"') > 0";
const SELECT_STATE: &str = "SELECT value, seq FROM kernel_state WHERE key = ?1";
const INSERT: &str = "INSERT INTO records (seq, body, hash) VALUES (?1, ?2, ?3)";
const PUT_STATE: &str = "INSERT INTO kernel_state (key, value, seq) VALUES (?1, ?2, ?3) \
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, seq = excluded.seq";

/// Where a journal ends: its last row, and the tree over all of them.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) head: Head,
    pub(crate) tree: Tree,
}

/// An open journal file.
#[derive(Debug)]
pub(crate) struct Store {
    conn: Connection,
    path: PathBuf,
    /// Device and inode: what the path named when it was opened.
    identity: (u64, u64),
    body: Vec<u8>,
}

impl Store {
    /// Opens the file, makes it when it is missing, and brings it to the current format.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o640)
            .open(path)
        {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Trouble::io(path, &error).into());
            }
            _ => {}
        }
        let identity = identify(path).map_err(|error| Trouble::io(path, &error))?;
        let storage = |error: rusqlite::Error| match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => {
                let why = "it is not a database";
                OpenError::NotAJournal {
                    path: path.into(),
                    why,
                }
            }
            _ => OpenError::Storage(Trouble::sqlite(path, &error)),
        };
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut conn = Connection::open_with_flags(path, flags).map_err(storage)?;
        harden(&conn).map_err(storage)?;
        let format = match schema::kind_of(&conn).map_err(storage)? {
            FileKind::Blank => 0,
            FileKind::Journal(format) => format,
            FileKind::TooNew(found) => {
                return Err(OpenError::TooNew {
                    path: path.into(),
                    found,
                    known: FORMAT,
                });
            }
            FileKind::Foreign(why) => {
                return Err(OpenError::NotAJournal {
                    path: path.into(),
                    why,
                });
            }
        };
        rewrite_log(path).map_err(|error| Trouble::io(path, &error))?;
        make_durable(&conn).map_err(storage)?;
        schema::migrate(&mut conn, format)
            .map_err(storage)?
            .map_err(|fault| OpenError::Unsound {
                path: path.into(),
                fault,
            })?;
        if !schema::is_exact(&conn).map_err(storage)? {
            let why = "it has tables, indices or triggers no journal has";
            return Err(OpenError::NotAJournal {
                path: path.into(),
                why,
            });
        }
        Ok(Self {
            conn,
            path: path.into(),
            identity,
            body: Vec::new(),
        })
    }

    /// Verifies the last rows and yields where the file ends.
    pub(crate) fn verified_end(&mut self) -> Result<End, OpenError> {
        let head = self.verified_head()?;
        let path = self.path.clone();
        let tree = self
            .tree(head)
            .map_err(|error| Trouble::sqlite(&path, &error))?;
        match tree {
            Ok(tree) => Ok(End { head, tree }),
            Err(fault) => Err(OpenError::Unsound { path, fault }),
        }
    }

    fn verified_head(&self) -> Result<Head, OpenError> {
        let storage =
            |error: rusqlite::Error| OpenError::Storage(Trouble::sqlite(&self.path, &error));
        let Some(head) = self.head().map_err(storage)? else {
            return Ok(Head::EMPTY);
        };
        let known = match head.seq.saturating_sub(TAIL_ROWS) {
            0 => Head::EMPTY,
            seq => {
                let hash = self.hash_at(seq).map_err(storage)?;
                Head {
                    seq,
                    hash: hash.unwrap_or(Digest::ZERO),
                }
            }
        };
        self.verify_after(known)
            .map_err(storage)?
            .map_err(|fault| OpenError::Unsound {
                path: self.path.clone(),
                fault,
            })
    }

    /// Finds the end after a failure, when it is not known whether the last commit reached the disk.
    ///
    /// Rows after `acknowledged` are taken over when they are this chain's: a commit that was reported
    /// as failed may have happened.
    pub(crate) fn end_after(&mut self, acknowledged: Head) -> Result<End, AppendError> {
        let head = self.head_after(acknowledged)?;
        match self.tree(head) {
            Ok(Ok(tree)) => Ok(End { head, tree }),
            Ok(Err(fault)) => Err(AppendError::Rewritten {
                path: self.path.clone(),
                fault,
            }),
            Err(error) => Err(self.trouble(&error)),
        }
    }

    /// The tree over the rows up to `head`. Tiles that do not fit them are computed again from all rows.
    fn tree(&mut self, head: Head) -> rusqlite::Result<Result<Tree, Fault>> {
        if let Some(tree) = tiles::tree(&self.conn, head.seq)? {
            return Ok(Ok(tree));
        }
        let change = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        match tiles::fill(&change)? {
            Ok(tree) => change.commit().map(|()| Ok(tree)),
            Err(fault) => Ok(Err(fault)),
        }
    }

    fn head_after(&self, acknowledged: Head) -> Result<Head, AppendError> {
        let rewritten = |fault| AppendError::Rewritten {
            path: self.path.clone(),
            fault,
        };
        if acknowledged.seq > 0 {
            let hash = self
                .hash_at(acknowledged.seq)
                .map_err(|error| self.trouble(&error))?;
            if hash != Some(acknowledged.hash) {
                let problem = Problem::Forked {
                    kept: acknowledged.hash,
                };
                return Err(rewritten(Fault {
                    seq: acknowledged.seq,
                    problem,
                }));
            }
        }
        self.verify_after(acknowledged)
            .map_err(|error| self.trouble(&error))?
            .map_err(rewritten)
    }

    /// How many records the journal says were lost.
    pub(crate) fn gaps(&self) -> Result<u64, Trouble> {
        self.conn
            .query_row(SELECT_GAPS, [], |row| row.get(0))
            .map_err(|error| Trouble::sqlite(&self.path, &error))
    }

    /// Whether the path still names the file that is open here. A database that was unlinked takes
    /// commits as before, and they are gone with the last descriptor.
    pub(crate) fn still_in_place(&self) -> Result<(), AppendError> {
        match identify(&self.path) {
            Ok(identity) if identity == self.identity => Ok(()),
            _ => Err(AppendError::Moved {
                path: self.path.clone(),
            }),
        }
    }

    /// Writes the jobs in one transaction. On success every row is on disk, in order after `end`, with
    /// the tiles it completes; yields where the file ends now.
    pub(crate) fn commit(
        &mut self,
        end: End,
        jobs: &[Job],
    ) -> Result<(Vec<Receipt>, End), Trouble> {
        let path = self.path.clone();
        self.write(end, jobs)
            .map_err(|error| Trouble::sqlite(&path, &error))
    }

    fn write(&mut self, end: End, jobs: &[Job]) -> rusqlite::Result<(Vec<Receipt>, End)> {
        let End { mut head, mut tree } = end;
        let rows = jobs.iter().map(|job| job.drafts.len()).sum();
        let mut receipts = Vec::with_capacity(rows);
        let change = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut insert = change.prepare_cached(INSERT)?;
            for job in jobs {
                for draft in &job.drafts {
                    let seq = head.seq + 1;
                    self.body.clear();
                    encode_into(&mut self.body, draft, seq);
                    let hash = link(&head.hash, &self.body);
                    // The encoder's bytes are UTF-8 by construction; this is where SQLite wants a `str`.
                    let body = std::str::from_utf8(&self.body)
                        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
                    insert.execute(params![seq, body, hash.0])?;
                    tiles::insert(&change, &tree.push(leaf(&self.body)))?;
                    head = Head { seq, hash };
                    receipts.push(Receipt { seq, hash });
                }
                for StatePut { key, value } in &job.state {
                    change
                        .prepare_cached(PUT_STATE)?
                        .execute(params![key, value, head.seq])?;
                }
            }
        }
        change.commit()?;
        Ok((receipts, End { head, tree }))
    }

    pub(crate) fn state(&self, key: &str) -> Result<Option<StateValue>, Trouble> {
        let read = |row: &rusqlite::Row<'_>| {
            Ok(StateValue {
                value: row.get(0)?,
                seq: row.get(1)?,
            })
        };
        let value = self
            .conn
            .prepare_cached(SELECT_STATE)
            .and_then(|mut select| select.query_row([key], read).optional());
        value.map_err(|error| Trouble::sqlite(&self.path, &error))
    }

    /// Moves the write-ahead log into the database without waiting for readers.
    pub(crate) fn checkpoint(&self) {
        // It is tried again at the next idle moment; until then the log is as durable as the database.
        let _ = self
            .conn
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    }

    fn trouble(&self, error: &rusqlite::Error) -> AppendError {
        Trouble::sqlite(&self.path, error).into()
    }

    fn head(&self) -> rusqlite::Result<Option<Head>> {
        self.conn
            .prepare_cached(SELECT_HEAD)?
            .query_row([], |row| {
                Ok(Head {
                    seq: row.get(0)?,
                    hash: Digest(row.get(1)?),
                })
            })
            .optional()
    }

    fn hash_at(&self, seq: u64) -> rusqlite::Result<Option<Digest>> {
        self.conn
            .prepare_cached("SELECT hash FROM records WHERE seq = ?1")?
            .query_row([seq], |row| row.get(0).map(Digest))
            .optional()
    }

    fn verify_after(&self, known: Head) -> rusqlite::Result<Result<Head, Fault>> {
        let mut verifier = Verifier::after(known);
        let mut select = self.conn.prepare_cached(SELECT_FROM)?;
        let mut rows = select.query([known.seq + 1])?;
        while let Some(row) = rows.next()? {
            let (body, hash) = (row.get_ref(1)?.as_bytes()?, row.get_ref(2)?.as_bytes()?);
            if let Err(fault) = verifier.feed(row.get(0)?, body, hash) {
                return Ok(Err(fault));
            }
        }
        Ok(verifier.finish())
    }
}

/// Device and inode of what the path names now.
fn identify(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|meta| (meta.dev(), meta.ino()))
}

/// What every connection to a journal has, whoever made the file.
pub(crate) fn harden(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(BUSY_WAIT)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    // A bad sector is an error in a read call and a signal in a mapping.
    conn.pragma_update(None, "mmap_size", 0)?;
    conn.pragma_update(None, "temp_store", "MEMORY")
}

/// Writes the write-ahead log again as it stands, and syncs it.
///
/// A sync that failed leaves pages which the kernel holds for written and shows to everybody, and which the disk may
/// lack; this process or the one before it may have met such a failure. Rows that follow them in the log, and pages
/// copied from them into the database, would outlive them in a power cut. Written again the pages are dirty again, and
/// this sync speaks of them. It has to be done before SQLite writes anything.
fn rewrite_log(path: &Path) -> io::Result<()> {
    let mut name = OsString::from(path);
    name.push("-wal");
    let file = match OpenOptions::new().read(true).write(true).open(name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let (mut block, mut at) = (vec![0; REWRITE_BYTES], 0);
    loop {
        let count = file.read_at(&mut block, at)?;
        if count == 0 {
            break;
        }
        file.write_all_at(block.get(..count).unwrap_or_default(), at)?;
        at += count as u64;
    }
    if at > 0 { file.sync_all() } else { Ok(()) }
}

/// Turns the write-ahead log on, and sees that it is. The mode comes back before it is committed, so whoever reads the
/// answer and no further never hears that the commit failed, and goes on in a mode that loses rows in a power cut.
fn turn_on_log(conn: &Connection) -> rusqlite::Result<()> {
    let mut change = conn.prepare("PRAGMA journal_mode = WAL")?;
    let mut answer = change.query([])?;
    while answer.next()?.is_some() {}
    let mode: String = conn.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    if mode == "wal" {
        return Ok(());
    }
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR);
    let why = format!("the write-ahead log cannot be turned on, the mode stays {mode}");
    Err(rusqlite::Error::SqliteFailure(code, Some(why)))
}

fn make_durable(conn: &Connection) -> rusqlite::Result<()> {
    turn_on_log(conn)?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "wal_autocheckpoint", WAL_PAGES_MAX)?;
    conn.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)
}
