//! Opening what a crash left.

use std::path::Path;

use fak_journal::{Draft, Head, Journal, Reader, RecordKind, Settings};
use rusqlite::Connection;
use tokio::runtime::Builder;

use crate::load;

/// What an image turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Everything acknowledged is there, and it goes on.
    Sound,
    /// It is a sound database without rows that were acknowledged.
    Lost(String),
    /// It does not open, does not verify, or does not go on.
    Corrupt(String),
}

use Finding::{Corrupt, Lost, Sound};

/// Examines a journal by the journal's own means.
#[must_use]
pub fn journal(path: &Path, acked: Option<Head>) -> Finding {
    let before = match acked {
        // Nothing was promised: there need not be a journal yet, but one must come to be.
        None => Ok(0),
        Some(acked) => standing(path, acked),
    };
    match before.and_then(|rows| goes_on(path, rows)) {
        Ok(()) => Sound,
        Err(finding) => finding,
    }
}

/// Whether the file is sound as it lies there and holds the row; yields how many rows there are.
fn standing(path: &Path, acked: Head) -> Result<u64, Finding> {
    let corrupt = |error: fak_journal::ReadError| Corrupt(error.to_string());
    if !path.exists() {
        return Err(Lost("there is no file".into()));
    }
    let reader = Reader::open(path).map_err(corrupt)?;
    let complaints = reader.check_file().map_err(corrupt)?;
    if !complaints.is_empty() {
        return Err(Corrupt(complaints.join("; ")));
    }
    let report = reader.verify(None).map_err(corrupt)?;
    if let Some(fault) = report.fault {
        return Err(Corrupt(fault.to_string()));
    }
    let row = reader.rows(acked.seq, 1).map_err(corrupt)?.pop();
    match row {
        Some(row) if row.seq == acked.seq && row.hash == acked.hash => Ok(report.rows),
        Some(row) if row.seq == acked.seq => Err(Lost(format!("row {} is another", acked.seq))),
        _ => Err(Lost(format!(
            "row {} was acknowledged, the last is {}",
            acked.seq, report.rows
        ))),
    }
}

/// Whether the writer takes the file over, appends to it, and leaves it sound.
fn goes_on(path: &Path, rows: u64) -> Result<(), Finding> {
    let runtime = Builder::new_current_thread()
        .build()
        .map_err(|error| Corrupt(error.to_string()))?;
    let appended = runtime.block_on(async {
        let (journal, opened) =
            Journal::open(Settings::new(path)).map_err(|error| error.to_string())?;
        if opened.rows < rows {
            return Err(format!(
                "{rows} rows were read, {} are written to",
                opened.rows
            ));
        }
        let draft = Draft::new(RecordKind::Start, 1);
        let receipt = journal.append(draft).await;
        let receipt = receipt.map_err(|error| error.to_string())?;
        journal.close().await.map_err(|error| error.to_string())?;
        Ok(Head {
            seq: receipt.seq,
            hash: receipt.hash,
        })
    });
    let head = appended.map_err(Corrupt)?;
    match standing(path, head) {
        Ok(_) => Ok(()),
        Err(Lost(what) | Corrupt(what)) => Err(Corrupt(format!("after going on: {what}"))),
        Err(Sound) => Ok(()),
    }
}

/// Examines the table of [`load::plain`], whose every row is known.
#[must_use]
pub fn plain(path: &Path, acked: Option<Head>) -> Finding {
    let Some(acked) = acked else { return Sound };
    match plain_rows(path) {
        Ok(rows) if rows < acked.seq => Lost(format!("row {} of {}", rows, acked.seq)),
        Ok(_) => Sound,
        // A table that is not there is a commit that is lost; a file that is no database is damage.
        Err(error) if error.to_string().contains("no such table") => Lost(error.to_string()),
        Err(error) => Corrupt(error.to_string()),
    }
}

fn plain_rows(path: &Path) -> Result<u64, Box<dyn std::error::Error>> {
    let conn = Connection::open(path)?;
    let complaint: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if complaint != "ok" {
        return Err(complaint.into());
    }
    let mut select = conn.prepare("SELECT seq, body, hash FROM records ORDER BY seq")?;
    let mut rows = select.query([])?;
    let mut expected = 0;
    while let Some(row) = rows.next()? {
        expected += 1;
        let found: (u64, String, [u8; 32]) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (body, hash) = load::plain_row(expected);
        if found != (expected, body, hash) {
            return Err(format!("row {expected} is not as it was written").into());
        }
    }
    Ok(expected)
}
