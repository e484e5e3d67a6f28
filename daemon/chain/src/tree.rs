//! The Merkle tree over a journal's bodies: RFC 6962 hashing in C2SP tlog-tiles shape.
//!
//! A leaf is [`crate::leaf`] of a body, leaf `i` belongs to row `i + 1`. Eight levels of the binary tree
//! make one level of tiles: hash `i` of level `L` is the root over the leaves `[i * 256^L, (i+1) * 256^L)`,
//! and a tile holds 256 neighbours of one level.
//!
//! ```text
//! level 1   [ r0  r1  r2 ................ ]           a hash here is the root of a whole tile below
//!             |   |   |
//! level 0   [256][256][256][ 17 hashes ]              the last tile of a level is the right edge
//! ```
//!
//! [`Tree`] keeps the right edge only, at most 255 hashes to a level, and hands out each tile as it is
//! completed. [`root_at`], [`inclusion_proof`] and [`consistency_proof`] read tiles from wherever they are
//! kept; [`verify_inclusion`] and [`verify_consistency`] need none.

mod proof;

#[cfg(test)]
mod tests;

use std::mem;

use fak_types::Digest;

pub use proof::{
    ProofError, ProofFault, Tiles, consistency_proof, inclusion_proof, root_at, verify_consistency,
    verify_inclusion,
};

use crate::hash::{digest_bytes, node};

/// Hashes in a complete tile.
pub const TILE_HASHES: usize = 256;

/// Bytes of a complete tile.
pub const TILE_BYTES: usize = TILE_HASHES * 32;

/// Levels of tiles there can be: 256^8 is beyond any number of rows.
pub const TILE_LEVELS: u8 = 8;

/// A complete tile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Its level; 0 holds leaves.
    pub level: u8,
    /// Its place among the tiles of its level.
    pub index: u64,
    /// Its hashes, [`TILE_HASHES`] of them.
    pub hashes: Vec<Digest>,
    /// The root over them: the hash that stands for this tile one level up.
    pub root: Digest,
}

impl Tile {
    /// The hashes one after the other: how C2SP tlog-tiles stores and serves them.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.hashes.iter().flat_map(|hash| hash.0).collect()
    }

    /// How many leaves there are up to the end of this tile: the rows it needs.
    #[must_use]
    pub const fn leaves_to_end(&self) -> u64 {
        leaves_to_end(self.level, self.index)
    }
}

/// How many leaves there are up to the end of the complete tile `index` of `level`.
#[must_use]
pub const fn leaves_to_end(level: u8, index: u64) -> u64 {
    index
        .saturating_add(1)
        .saturating_mul(span(level))
        .saturating_mul(TILE_HASHES as u64)
}

/// The hashes of a tile from their bytes; `None` when the length is no multiple of 32.
#[must_use]
pub fn tile_hashes(bytes: &[u8]) -> Option<Vec<Digest>> {
    let hashes = bytes.chunks_exact(32);
    if !hashes.remainder().is_empty() {
        return None;
    }
    hashes
        .map(|hash| hash.try_into().ok().map(Digest))
        .collect()
}

/// The root over a complete tile's hashes; `None` when their number is not [`TILE_HASHES`].
#[must_use]
pub fn tile_root(hashes: &[Digest]) -> Option<Digest> {
    (hashes.len() == TILE_HASHES).then(|| perfect_root(hashes))
}

/// The root of a tree without leaves: the SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> Digest {
    digest_bytes(b"")
}

/// Levels that do not make a tree: a level with a complete tile in it, or more levels than there can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdgeError {
    /// The level.
    pub level: usize,
    /// How many hashes it was given.
    pub hashes: usize,
}

impl std::fmt::Display for EdgeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { level, hashes } = self;
        write!(
            f,
            "level {level} of the tree's right edge has {hashes} hashes: at most {} on each of {} levels",
            TILE_HASHES - 1,
            TILE_LEVELS
        )
    }
}

impl std::error::Error for EdgeError {}

/// A growing tree: its right edge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// INVARIANT: fewer than [`TILE_HASHES`] hashes to a level, no empty level at the end.
    levels: Vec<Vec<Digest>>,
}

impl Tree {
    /// A tree without leaves.
    #[must_use]
    pub const fn new() -> Self {
        Self { levels: Vec::new() }
    }

    /// The tree with this right edge: the hashes of the incomplete tile of every level, from level 0 on.
    ///
    /// # Errors
    /// [`EdgeError`] when a level holds a whole tile or there are too many levels.
    pub fn from_edge(mut levels: Vec<Vec<Digest>>) -> Result<Self, EdgeError> {
        while levels.last().is_some_and(Vec::is_empty) {
            levels.pop();
        }
        let bad = levels.iter().enumerate().find(|(level, hashes)| {
            hashes.len() >= TILE_HASHES || *level >= usize::from(TILE_LEVELS)
        });
        match bad {
            Some((level, hashes)) => Err(EdgeError {
                level,
                hashes: hashes.len(),
            }),
            None => Ok(Self { levels }),
        }
    }

    /// How many leaves there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.count_from(0)
    }

    /// The hashes of the incomplete tile of a level; none when the level ends with a complete one.
    #[must_use]
    pub fn edge(&self, level: u8) -> &[Digest] {
        self.levels
            .get(usize::from(level))
            .map_or(&[], Vec::as_slice)
    }

    /// Takes the next leaf, and yields the tiles it completes: mostly none, the lower level first.
    pub fn push(&mut self, leaf: Digest) -> Vec<Tile> {
        let (mut hash, mut done) = (leaf, Vec::new());
        for level in 0..TILE_LEVELS {
            let at = usize::from(level);
            if self.levels.len() == at {
                self.levels.push(Vec::with_capacity(TILE_HASHES));
            }
            let index = self.count_from(at + 1);
            let Some(edge) = self.levels.get_mut(at) else {
                break;
            };
            edge.push(hash);
            if edge.len() < TILE_HASHES {
                break;
            }
            let hashes = mem::replace(edge, Vec::with_capacity(TILE_HASHES));
            hash = perfect_root(&hashes);
            done.push(Tile {
                level,
                index,
                hashes,
                root: hash,
            });
        }
        done
    }

    /// The root, as RFC 6962 defines it; [`empty_root`] without leaves.
    #[must_use]
    pub fn root(&self) -> Digest {
        let mut right = None;
        for hashes in &self.levels {
            right = fold_left(hashes, right);
        }
        right.unwrap_or_else(empty_root)
    }

    /// How many hashes level `from` has in all, complete tiles included.
    fn count_from(&self, from: usize) -> u64 {
        let levels = self.levels.get(from..).unwrap_or_default();
        let sum = |above: u64, hashes: &Vec<Digest>| {
            above
                .saturating_mul(TILE_HASHES as u64)
                .saturating_add(hashes.len() as u64)
        };
        levels.iter().rev().fold(0, sum)
    }
}

/// How many leaves one hash of `level` stands for.
const fn span(level: u8) -> u64 {
    match 1_u64.checked_shl(8 * level as u32) {
        Some(span) => span,
        None => u64::MAX,
    }
}

/// Joins neighbours of one level, and what lies to the right of them, into one root.
///
/// INVARIANT: the first of `hashes` is the first of its tile, so that the powers of two their number is
/// made of, largest first, are subtrees of the whole.
fn fold_left(hashes: &[Digest], right: Option<Digest>) -> Option<Digest> {
    let (mut rest, mut right) = (hashes, right);
    while !rest.is_empty() {
        let subtree = 1 << rest.len().trailing_zeros();
        let (before, last) = rest.split_at(rest.len() - subtree);
        let root = perfect_root(last);
        right = Some(right.map_or(root, |right| node(&root, &right)));
        rest = before;
    }
    right
}

/// The root over a power of two of hashes.
fn perfect_root(hashes: &[Digest]) -> Digest {
    let pairs = |hashes: &[Digest]| -> Vec<Digest> {
        hashes
            .chunks_exact(2)
            .filter_map(|pair| match pair {
                [left, right] => Some(node(left, right)),
                _ => None,
            })
            .collect()
    };
    if let [hash] = hashes {
        return *hash;
    }
    let mut level = pairs(hashes);
    while level.len() > 1 {
        level = pairs(&level);
    }
    level.first().copied().unwrap_or_else(empty_root)
}
