//! Roots and proofs from a journal's tiles, or from its rows where tiles are missing.
//!
//! A stored tile is believed when its hashes make its root, a proof when it leads from the row's body to
//! the root. What fails that is computed from the bodies, once, and the roots of whole tiles are kept for
//! as long as the reader lives.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    ops::Range,
};

use fak_chain::{
    Fault, Problem, ProofError, TILE_HASHES, TILE_LEVELS, Tile, Tiles, consistency_proof,
    inclusion_proof, leaf, leaves_to_end, root_at, tile_root, verify_consistency, verify_inclusion,
};
use fak_types::Digest;

use super::Reader;
use crate::{error::ReadError, tiles};

/// Where the hashes of a reader's proofs come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeSource {
    /// From the stored tiles and the last rows.
    Tiles,
    /// At least in part from the bodies of all rows: the file has no tiles, or one of them is missing or
    /// not what its rows make it.
    Bodies,
}

/// What a reader has learned of its tree.
#[derive(Debug, Default)]
pub(super) struct Learned {
    from_bodies: Cell<bool>,
    /// Roots of complete tiles, which no later row changes.
    roots: RefCell<BTreeMap<(u8, u64), Digest>>,
}

impl Reader {
    /// Where the hashes of the answers so far came from.
    #[must_use]
    pub fn tree_source(&self) -> TreeSource {
        if self.has_tiles && !self.learned.from_bodies.get() {
            TreeSource::Tiles
        } else {
            TreeSource::Bodies
        }
    }

    /// The root of the Merkle tree over the first `size` rows.
    ///
    /// # Errors
    /// [`ReadError::Beyond`] when there are fewer rows; otherwise when one of them cannot be read.
    pub fn tree_root_at(&self, size: u64) -> Result<Digest, ReadError> {
        let mut source = self.source(size)?;
        root_at(size, &mut source).map_err(|error| self.unproved(error))
    }

    /// The body of row `seq`, and the proof that its leaf is in the tree over the first `size` rows, at
    /// place `seq - 1`.
    ///
    /// # Errors
    /// [`ReadError::Beyond`] when there is no such row among the first `size`, or there are fewer rows;
    /// otherwise when one of them cannot be read.
    pub fn inclusion(&self, seq: u64, size: u64) -> Result<(Vec<u8>, Vec<Digest>), ReadError> {
        let mut source = self.source(size)?;
        if seq == 0 || seq > size {
            return Err(self.beyond(seq, size));
        }
        let row = self.rows(seq, 1)?.into_iter().next();
        let row = row.filter(|row| row.seq == seq);
        let body = row.ok_or_else(|| self.beyond(seq, size))?.body;
        loop {
            let index = seq - 1;
            let proof =
                inclusion_proof(index, size, &mut source).map_err(|error| self.unproved(error))?;
            let root = root_at(size, &mut source).map_err(|error| self.unproved(error))?;
            let holds = verify_inclusion(leaf(&body), index, size, &proof, root).is_ok();
            if holds || !source.distrust() {
                return Ok((body, proof));
            }
        }
    }

    /// The proof that the tree over the first `old` rows is the beginning of that over the first `new`.
    ///
    /// # Errors
    /// [`ReadError::Beyond`] when `old` is larger or there are fewer rows; otherwise when one of them
    /// cannot be read.
    pub fn consistency(&self, old: u64, new: u64) -> Result<Vec<Digest>, ReadError> {
        let mut source = self.source(new)?;
        if old > new {
            return Err(self.beyond(old, new));
        }
        loop {
            let proof = consistency_proof(old, new, &mut source);
            let proof = proof.map_err(|error| self.unproved(error))?;
            let begun = root_at(old, &mut source).map_err(|error| self.unproved(error))?;
            let root = root_at(new, &mut source).map_err(|error| self.unproved(error))?;
            let holds = verify_consistency(old, begun, new, root, &proof).is_ok();
            if holds || !source.distrust() {
                return Ok(proof);
            }
        }
    }

    /// The hashes of tile `index` of `level` in the tree over the first `size` rows: 256 of a complete
    /// tile, fewer at the right edge, none beyond it. Those of level 0 are the leaves.
    ///
    /// # Errors
    /// [`ReadError::Beyond`] when there are fewer rows; otherwise when one of them cannot be read.
    pub fn tile(&self, level: u8, index: u64, size: u64) -> Result<Vec<Digest>, ReadError> {
        self.source(size)?.hashes(level, index)
    }

    fn source(&self, size: u64) -> Result<Source<'_>, ReadError> {
        let rows = self.head()?.seq;
        if size > rows {
            return Err(self.beyond(size, rows));
        }
        Ok(Source {
            reader: self,
            size,
            stored: self.has_tiles,
            fetched: BTreeMap::new(),
        })
    }

    fn beyond(&self, asked: u64, rows: u64) -> ReadError {
        ReadError::Beyond {
            path: self.path.clone(),
            asked,
            rows,
        }
    }

    fn unproved(&self, error: ProofError<ReadError>) -> ReadError {
        match error {
            ProofError::Source(error) => error,
            ProofError::Beyond { asked, size } => self.beyond(asked, size),
            ProofError::Short { level, index, .. } => ReadError::Row {
                path: self.path.clone(),
                fault: Fault {
                    seq: leaves_to_end(level, index),
                    problem: Problem::Tile {
                        level,
                        index,
                        why: "has too few hashes",
                    },
                },
            },
        }
    }
}

/// The tree over the first `size` rows, all of which are there.
struct Source<'a> {
    reader: &'a Reader,
    size: u64,
    /// Whether stored tiles are believed.
    stored: bool,
    fetched: BTreeMap<(u8, u64), Vec<Digest>>,
}

impl Tiles for Source<'_> {
    type Error = ReadError;

    fn hashes(&mut self, level: u8, index: u64) -> Result<Vec<Digest>, ReadError> {
        if let Some(hashes) = self.fetched.get(&(level, index)) {
            return Ok(hashes.clone());
        }
        let first = index.saturating_mul(TILE_HASHES as u64);
        let (mut hashes, mut spans) = (self.size, 0);
        while spans < level.min(TILE_LEVELS) {
            (hashes, spans) = (hashes / TILE_HASHES as u64, spans + 1);
        }
        let range = first..hashes.clamp(first, first.saturating_add(TILE_HASHES as u64));
        let whole = range.end - range.start == TILE_HASHES as u64;
        let found = match whole.then(|| self.believed(level, index)).flatten() {
            Some(tile) => tile.hashes,
            None if range.is_empty() => Vec::new(),
            None => match level.checked_sub(1) {
                None => self.leaves(range)?,
                Some(below) => range
                    .map(|index| self.root_of(below, index))
                    .collect::<Result<_, _>>()?,
            },
        };
        self.fetched.insert((level, index), found.clone());
        Ok(found)
    }
}

impl Source<'_> {
    /// Stops believing stored tiles; yields whether that makes a difference.
    fn distrust(&mut self) -> bool {
        self.fetched.clear();
        self.reader.learned.roots.borrow_mut().clear();
        self.reader.learned.from_bodies.set(true);
        std::mem::take(&mut self.stored)
    }

    /// The stored tile, when its hashes make its root.
    fn believed(&self, level: u8, index: u64) -> Option<Tile> {
        if !self.stored {
            return None;
        }
        let tile = tiles::sound(&self.reader.conn, level, index).ok().flatten();
        if tile.is_none() {
            self.reader.learned.from_bodies.set(true);
        }
        tile
    }

    /// The leaves at these places.
    fn leaves(&self, range: Range<u64>) -> Result<Vec<Digest>, ReadError> {
        let limit = usize::try_from(range.end - range.start).unwrap_or(TILE_HASHES);
        let rows = self.reader.rows(range.start + 1, limit)?;
        let mut leaves = Vec::with_capacity(limit);
        for expected in range.start + 1..=range.end {
            match rows.get(leaves.len()) {
                Some(row) if row.seq == expected => leaves.push(leaf(&row.body)),
                other => {
                    let seq = other.map_or(expected, |row| row.seq);
                    return Err(ReadError::Row {
                        path: self.reader.path.clone(),
                        fault: Fault {
                            seq,
                            problem: Problem::Sequence { expected },
                        },
                    });
                }
            }
        }
        Ok(leaves)
    }

    /// The root of a complete tile.
    fn root_of(&mut self, level: u8, index: u64) -> Result<Digest, ReadError> {
        let known = self
            .reader
            .learned
            .roots
            .borrow()
            .get(&(level, index))
            .copied();
        if let Some(root) = known {
            return Ok(root);
        }
        let root = match self.believed(level, index) {
            Some(tile) => tile.root,
            None => self.computed_root(level, index)?,
        };
        let mut roots = self.reader.learned.roots.borrow_mut();
        roots.insert((level, index), root);
        Ok(root)
    }

    fn computed_root(&mut self, level: u8, index: u64) -> Result<Digest, ReadError> {
        let hashes = self.hashes(level, index)?;
        self.fetched.remove(&(level, index));
        // INVARIANT: only complete tiles are asked for, so a short one means that rows vanished meanwhile.
        tile_root(&hashes).ok_or_else(|| {
            self.reader.unproved(ProofError::Short {
                level,
                index,
                found: hashes.len(),
            })
        })
    }
}
