//! Verifying a whole journal: the chain, the tree over the bodies, and what is stored of it.

use std::{
    ops::ControlFlow,
    path::Path,
    time::{Duration, Instant},
};

use fak_chain::{Fault, Head, Problem, Tile, Tree, Verifier, leaf};
use fak_types::Digest;

use super::{RawRow, Reader};
use crate::{
    TroubleKind,
    error::{ReadError, Trouble},
    tiles,
};

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many rows are good, counted from the first.
    pub rows: u64,
    /// The last good row.
    pub head: Head,
    /// The root of the Merkle tree over the good rows, computed from their bodies.
    pub root: Digest,
    /// The first bad row; when every row is good, the first bad tile; `None` when the journal is sound.
    pub fault: Option<Fault>,
    /// How long it took.
    pub took: Duration,
}

impl Report {
    /// Whether every row is good.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.fault.is_none()
    }

    /// How many rows were verified in a second.
    #[must_use]
    pub fn rows_per_second(&self) -> u64 {
        let micros = self.took.as_micros().max(1);
        u64::try_from(u128::from(self.rows) * 1_000_000 / micros).unwrap_or(u64::MAX)
    }
}

/// Verifies the journal at `path`, the live file or a copy.
///
/// # Errors
/// [`ReadError`] when there is no journal there or it cannot be opened. A bad row is no error: it is in
/// the report.
pub fn verify(path: impl AsRef<Path>) -> Result<Report, ReadError> {
    Reader::open(path)?.verify(None)
}

impl Reader {
    /// Verifies every row that is on disk when it begins, and that `kept`, a head that was kept
    /// elsewhere, is among them.
    ///
    /// # Errors
    /// [`ReadError`] when the storage refuses. A bad row, a page that cannot be read included, is no
    /// error: it is in the report.
    pub fn verify(&self, kept: Option<Head>) -> Result<Report, ReadError> {
        self.verify_against(kept, &[])
    }

    /// As [`Reader::verify`], and that the tree had each of `roots`, kept elsewhere, when it had that
    /// many rows.
    ///
    /// # Errors
    /// As [`Reader::verify`].
    pub fn verify_against(
        &self,
        kept: Option<Head>,
        roots: &[(u64, Digest)],
    ) -> Result<Report, ReadError> {
        let begun = Instant::now();
        let mut walk = Walk::new(self, kept, roots);
        let mut fault = walk.roots_here();
        if fault.is_none() {
            let walked = self.walk(i64::MIN, self.last_seq(), &mut |raw| {
                fault = walk.row(&raw).err();
                match fault {
                    None => ControlFlow::Continue(()),
                    Some(_) => ControlFlow::Break(()),
                }
            });
            if let (Err(error), None) = (walked, &fault) {
                fault = Some(match Trouble::sqlite(&self.path, &error) {
                    Trouble {
                        kind: TroubleKind::Damaged,
                        detail,
                        ..
                    } => walk.verifier.unreadable(detail),
                    trouble => return Err(trouble.into()),
                });
            }
        }
        let fault = fault.or_else(|| walk.end());
        Ok(Report {
            rows: walk.verifier.rows(),
            head: walk.verifier.head(),
            root: walk.tree.root(),
            fault,
            took: begun.elapsed(),
        })
    }
}

struct Walk<'a> {
    reader: &'a Reader,
    verifier: Verifier,
    tree: Tree,
    /// The kept roots, the one that is met last first.
    roots: Vec<(u64, Digest)>,
    /// The first tile that is not as the rows make it: said when no row is bad.
    tile: Option<Fault>,
}

impl<'a> Walk<'a> {
    fn new(reader: &'a Reader, kept: Option<Head>, roots: &[(u64, Digest)]) -> Self {
        let mut verifier = Verifier::new();
        if let Some(kept) = kept {
            verifier = verifier.expecting(kept);
        }
        let mut roots = roots.to_vec();
        roots.sort_unstable_by(|a, b| b.cmp(a));
        Self {
            reader,
            verifier,
            tree: Tree::new(),
            roots,
            tile: None,
        }
    }

    fn row(&mut self, raw: &RawRow<'_>) -> Result<(), Fault> {
        // A sound table is in order, so a smaller number stands where the expected row was.
        match u64::try_from(raw.seq) {
            Ok(seq) if seq >= self.verifier.expected() => {
                self.verifier.feed(seq, raw.body, raw.hash)?;
            }
            _ => {
                let words = format!("a row numbered {} is in its place", raw.seq);
                return Err(self.verifier.unreadable(words));
            }
        }
        let completed = self.tree.push(leaf(raw.body));
        if self.reader.has_tiles && self.tile.is_none() {
            self.tile = completed.iter().find_map(|tile| self.compare(tile));
        }
        self.roots_here().map_or(Ok(()), Err)
    }

    /// The fault of a kept root for the rows so far, when it is not theirs.
    fn roots_here(&mut self) -> Option<Fault> {
        let seq = self.verifier.head().seq;
        while let Some((_, kept)) = self.roots.pop_if(|(size, _)| *size == seq) {
            let found = self.tree.root();
            if found != kept {
                let problem = Problem::RootForked { found, kept };
                return Some(Fault { seq, problem });
            }
        }
        None
    }

    fn compare(&self, tile: &Tile) -> Option<Fault> {
        let why = match tiles::stored(&self.reader.conn, tile.level, tile.index) {
            Ok(Some((root, hashes))) => {
                if root == tile.root.0 && hashes == tile.to_bytes() {
                    return None;
                }
                "is not the one of the rows it covers"
            }
            Ok(None) => "is missing",
            Err(_) => "cannot be read",
        };
        let (level, index) = (tile.level, tile.index);
        Some(Fault {
            seq: tile.leaves_to_end(),
            problem: Problem::Tile { level, index, why },
        })
    }

    /// The fault that shows only when there are no more rows.
    fn end(&mut self) -> Option<Fault> {
        if let Err(fault) = self.verifier.finish() {
            return Some(fault);
        }
        let last = self.verifier.head().seq;
        match self.roots.last() {
            Some(&(seq, _)) => Some(Fault {
                seq,
                problem: Problem::CutOff { last },
            }),
            None => self.tile.take(),
        }
    }
}
