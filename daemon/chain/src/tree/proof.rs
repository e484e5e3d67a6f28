//! Proofs about one tree: that a leaf is in it, and that an earlier tree is its beginning.
//!
//! RFC 9162, sections 2.1.3 and 2.1.4. What makes a proof reads tiles; what verifies one has only the
//! numbers and the hashes, and follows the text of the algorithms there step by step.

use std::{collections::BTreeMap, fmt};

use fak_types::Digest;

use super::{TILE_HASHES, empty_root, perfect_root};
use crate::hash::node;

/// Where hashes of a tree are kept.
pub trait Tiles {
    /// Why a tile cannot be had.
    type Error;

    /// The hashes of tile `index` of `level`. The last tile of a level may be incomplete, and may hold
    /// more hashes than the tree that is asked about has.
    ///
    /// # Errors
    /// When the tile cannot be had.
    fn hashes(&mut self, level: u8, index: u64) -> Result<Vec<Digest>, Self::Error>;
}

/// Why a proof or a root cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProofError<E> {
    /// There is no such leaf, or the smaller tree is the larger one.
    Beyond {
        /// What was asked about.
        asked: u64,
        /// The leaves of the tree.
        size: u64,
    },
    /// A tile holds fewer hashes than a tree of that size has.
    Short {
        /// The tile's level.
        level: u8,
        /// Its place there.
        index: u64,
        /// How many hashes it holds.
        found: usize,
    },
    /// The tile cannot be had.
    Source(E),
}

impl<E: fmt::Display> fmt::Display for ProofError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Beyond { asked, size } => {
                write!(f, "{asked} is beyond a tree of {size} leaves")
            }
            Self::Short {
                level,
                index,
                found,
            } => write!(
                f,
                "the tile {level}/{index} of the tree has {found} hashes, too few for a tree of this size"
            ),
            Self::Source(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for ProofError<E> {}

/// What is wrong with a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofFault {
    /// The leaf is not among that many.
    IndexBeyond {
        /// The leaf's place.
        index: u64,
        /// The leaves of the tree.
        size: u64,
    },
    /// The tree that should be the earlier one is the larger one.
    SizesReversed {
        /// The size that was said to come first.
        old: u64,
        /// The size that was said to come later.
        new: u64,
    },
    /// Fewer hashes than the sizes ask for.
    TooShort {
        /// How many there are.
        hashes: usize,
    },
    /// More hashes than the sizes ask for.
    TooLong {
        /// How many there are.
        hashes: usize,
    },
    /// The hashes do not lead to the root of the tree.
    Root {
        /// Where they lead.
        computed: Digest,
        /// The root they should lead to.
        wanted: Digest,
    },
    /// The hashes do not lead to the root of the earlier tree.
    OldRoot {
        /// Where they lead.
        computed: Digest,
        /// The root they should lead to.
        wanted: Digest,
    },
}

impl fmt::Display for ProofFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IndexBeyond { index, size } => {
                write!(f, "leaf {index} is beyond a tree of {size} leaves")
            }
            Self::SizesReversed { old, new } => write!(
                f,
                "a tree of {old} leaves cannot be the beginning of one of {new}"
            ),
            Self::TooShort { hashes } => write!(
                f,
                "the proof has {hashes} hashes, fewer than these sizes ask for"
            ),
            Self::TooLong { hashes } => write!(
                f,
                "the proof has {hashes} hashes, more than these sizes ask for"
            ),
            Self::Root { computed, wanted } => write!(
                f,
                "the proof leads to the root {computed} and the tree's is {wanted}"
            ),
            Self::OldRoot { computed, wanted } => write!(
                f,
                "the proof leads to the earlier root {computed} and the earlier tree's is {wanted}"
            ),
        }
    }
}

impl std::error::Error for ProofFault {}

/// The root of the tree of the first `size` leaves.
///
/// # Errors
/// [`ProofError`] when a tile cannot be had or is too short.
pub fn root_at<S: Tiles>(size: u64, source: &mut S) -> Result<Digest, ProofError<S::Error>> {
    if size == 0 {
        return Ok(empty_root());
    }
    Subtrees::new(source).root(0, size)
}

/// The proof that leaf `index` is in the tree of the first `size` leaves, from the leaf upwards.
///
/// # Errors
/// [`ProofError`] when there is no such leaf, or a tile cannot be had or is too short.
pub fn inclusion_proof<S: Tiles>(
    index: u64,
    size: u64,
    source: &mut S,
) -> Result<Vec<Digest>, ProofError<S::Error>> {
    if index >= size {
        return Err(ProofError::Beyond { asked: index, size });
    }
    let mut subtrees = Subtrees::new(source);
    let (mut from, mut to, mut path) = (0, size, Vec::new());
    while to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            path.push(subtrees.root(middle, to)?);
            to = middle;
        } else {
            path.push(subtrees.root(from, middle)?);
            from = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree of the first `old` leaves is the beginning of that of the first `new`.
///
/// Empty when the sizes are equal, and when `old` is 0: the tree without leaves begins every tree.
///
/// # Errors
/// [`ProofError`] when `old` is larger, or a tile cannot be had or is too short.
pub fn consistency_proof<S: Tiles>(
    old: u64,
    new: u64,
    source: &mut S,
) -> Result<Vec<Digest>, ProofError<S::Error>> {
    if old > new {
        return Err(ProofError::Beyond {
            asked: old,
            size: new,
        });
    }
    let (mut from, mut to, mut path) = (0, new, Vec::new());
    if old == 0 {
        return Ok(path);
    }
    let mut subtrees = Subtrees::new(source);
    while old != to {
        let middle = from + split(to - from);
        if old <= middle {
            path.push(subtrees.root(middle, to)?);
            to = middle;
        } else {
            path.push(subtrees.root(from, middle)?);
            from = middle;
        }
    }
    // What is left is the earlier tree's last subtree. When it is the whole of that tree, whoever
    // verifies has its root already.
    if from > 0 {
        path.push(subtrees.root(from, to)?);
    }
    path.reverse();
    Ok(path)
}

/// Verifies that `leaf` is at `index` in the tree of `size` leaves with this root.
///
/// # Errors
/// [`ProofFault`] says what is wrong.
pub fn verify_inclusion(
    leaf: Digest,
    index: u64,
    size: u64,
    proof: &[Digest],
    root: Digest,
) -> Result<(), ProofFault> {
    if index >= size {
        return Err(ProofFault::IndexBeyond { index, size });
    }
    let (mut place, mut last, mut computed) = (index, size - 1, leaf);
    for hash in proof {
        if last == 0 {
            return Err(ProofFault::TooLong {
                hashes: proof.len(),
            });
        }
        if place & 1 == 1 || place == last {
            computed = node(hash, &computed);
            skip_to_set_bit(&mut place, &mut last);
        } else {
            computed = node(&computed, hash);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    finish(last, proof, computed, root)
}

/// Verifies that the tree of `old_size` leaves with `old_root` is the beginning of that of `new_size`
/// leaves with `new_root`.
///
/// Equal sizes want equal roots and no hashes; an `old_size` of 0 wants [`empty_root`] and no hashes.
///
/// # Errors
/// [`ProofFault`] says what is wrong.
pub fn verify_consistency(
    old_size: u64,
    old_root: Digest,
    new_size: u64,
    new_root: Digest,
    proof: &[Digest],
) -> Result<(), ProofFault> {
    let hashes = proof.len();
    if old_size > new_size {
        return Err(ProofFault::SizesReversed {
            old: old_size,
            new: new_size,
        });
    }
    if old_size == 0 || old_size == new_size {
        let known = if old_size == 0 {
            empty_root()
        } else {
            new_root
        };
        if !proof.is_empty() {
            return Err(ProofFault::TooLong { hashes });
        }
        return same_old(known, old_root);
    }
    // A complete subtree is its own root, which the proof leaves out.
    let (first, rest) = match proof.split_first() {
        None => return Err(ProofFault::TooShort { hashes }),
        Some(_) if old_size.is_power_of_two() => (old_root, proof),
        Some((first, rest)) => (*first, rest),
    };
    let (mut place, mut last) = (old_size - 1, new_size - 1);
    while place & 1 == 1 {
        (place, last) = (place >> 1, last >> 1);
    }
    let (mut old, mut new) = (first, first);
    for hash in rest {
        if last == 0 {
            return Err(ProofFault::TooLong { hashes });
        }
        if place & 1 == 1 || place == last {
            (old, new) = (node(hash, &old), node(hash, &new));
            skip_to_set_bit(&mut place, &mut last);
        } else {
            new = node(&new, hash);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    finish(last, proof, new, new_root)?;
    same_old(old, old_root)
}

/// On the right edge a node without a sibling is the node above it.
const fn skip_to_set_bit(place: &mut u64, last: &mut u64) {
    while *place & 1 == 0 && *place != 0 {
        (*place, *last) = (*place >> 1, *last >> 1);
    }
}

fn finish(last: u64, proof: &[Digest], computed: Digest, wanted: Digest) -> Result<(), ProofFault> {
    if last != 0 {
        return Err(ProofFault::TooShort {
            hashes: proof.len(),
        });
    }
    if computed != wanted {
        return Err(ProofFault::Root { computed, wanted });
    }
    Ok(())
}

fn same_old(computed: Digest, wanted: Digest) -> Result<(), ProofFault> {
    if computed != wanted {
        return Err(ProofFault::OldRoot { computed, wanted });
    }
    Ok(())
}

/// The largest power of two below `count`, which is at least 2.
const fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// Roots of parts of a tree, from its tiles; each tile is fetched once.
struct Subtrees<'a, S: Tiles> {
    source: &'a mut S,
    tiles: BTreeMap<(u8, u64), Vec<Digest>>,
}

impl<'a, S: Tiles> Subtrees<'a, S> {
    const fn new(source: &'a mut S) -> Self {
        Self {
            source,
            tiles: BTreeMap::new(),
        }
    }

    /// The root over the leaves `[from, to)`.
    ///
    /// INVARIANT: `from` is a multiple of the power of two at or above `to - from`; every part RFC 9162
    /// cuts a tree into is.
    fn root(&mut self, from: u64, to: u64) -> Result<Digest, ProofError<S::Error>> {
        let mut roots = Vec::new();
        let mut from = from;
        while from < to {
            let height = (to - from).ilog2();
            roots.push(self.perfect(height, from >> height)?);
            from += 1 << height;
        }
        let joined = roots
            .into_iter()
            .rev()
            .reduce(|right, left| node(&left, &right));
        Ok(joined.unwrap_or_else(empty_root))
    }

    /// The root over the leaves `[index * 2^height, (index + 1) * 2^height)`.
    fn perfect(&mut self, height: u32, index: u64) -> Result<Digest, ProofError<S::Error>> {
        let level = u8::try_from(height / 8).unwrap_or(u8::MAX);
        let count = 1_usize << (height % 8);
        let first = index << (height % 8);
        let tile = first / TILE_HASHES as u64;
        let at = usize::try_from(first % TILE_HASHES as u64).unwrap_or(0);
        let hashes = match self.tiles.entry((level, tile)) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(room) => room.insert(
                self.source
                    .hashes(level, tile)
                    .map_err(ProofError::Source)?,
            ),
        };
        match hashes.get(at..at + count) {
            Some(hashes) => Ok(perfect_root(hashes)),
            None => Err(ProofError::Short {
                level,
                index: tile,
                found: hashes.len(),
            }),
        }
    }
}
