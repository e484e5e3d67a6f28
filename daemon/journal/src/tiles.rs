//! The Merkle tree beside the records.
//!
//! Complete tiles are kept in the file; of the incomplete ones at the right edge nothing is: a level-0
//! hash there is the leaf of a body, a hash above is the root of the tile below it. All of it is derived
//! data. Where it does not fit its own roots or the number of rows it is thrown away and computed again, and what was computed wrong
//! on purpose shows in `verify`, which computes it once more.

use std::ops::Range;

use fak_chain::{
    Fault, Problem, TILE_HASHES, TILE_LEVELS, Tile, Tree, leaf, tile_hashes, tile_root,
};
use fak_types::Digest;
use rusqlite::{Connection, OptionalExtension, params};

// A tile that is in the way is of rows that are gone, and stands for nothing.
const INSERT: &str = "INSERT INTO tree_tiles (level, idx, root, hashes) VALUES (?1, ?2, ?3, ?4) \
    ON CONFLICT (level, idx) DO UPDATE SET root = excluded.root, hashes = excluded.hashes";
const SELECT_BODIES: &str = "SELECT seq, body FROM records WHERE seq > ?1 ORDER BY seq";
const SELECT_LAST: &str = "SELECT max(idx) FROM tree_tiles WHERE level = ?1";
const SELECT_TILE: &str = "SELECT root, hashes FROM tree_tiles WHERE level = ?1 AND idx = ?2";

/// Keeps tiles.
pub(crate) fn insert(conn: &Connection, tiles: &[Tile]) -> rusqlite::Result<()> {
    for tile in tiles {
        let mut insert = conn.prepare_cached(INSERT)?;
        insert.execute(params![
            tile.level,
            tile.index,
            tile.root.0,
            tile.to_bytes()
        ])?;
    }
    Ok(())
}

/// Computes every tile from the rows and keeps it; yields the tree. For a connection in a transaction.
///
/// The bodies are taken as they are: whether they are what was written is the chain's to say. A row that
/// is missing is a fault, because no leaf can stand in its place.
pub(crate) fn fill(conn: &Connection) -> rusqlite::Result<Result<Tree, Fault>> {
    conn.execute("DELETE FROM tree_tiles", [])?;
    grow(conn, Tree::new(), |tiles| insert(conn, tiles))
}

/// The tree of the `size` rows that are there, from its tiles and the last rows; `None` where the tiles do
/// not fit that many rows.
pub(crate) fn tree(conn: &Connection, size: u64) -> rusqlite::Result<Option<Tree>> {
    let mut levels = vec![Vec::new()];
    for level in 0..TILE_LEVELS {
        let tiles = size >> (8 * (u32::from(level) + 1)).min(63);
        let last: Option<u64> = conn
            .prepare_cached(SELECT_LAST)?
            .query_row([level], |row| row.get(0))?;
        if last.map_or(0, |last| last.saturating_add(1)) != tiles {
            return Ok(None);
        }
        if tiles == 0 {
            break;
        }
        match roots(conn, level, tiles - tiles % TILE_HASHES as u64..tiles)? {
            Some(roots) => levels.push(roots),
            None => return Ok(None),
        }
    }
    let Ok(edge) = Tree::from_edge(levels) else {
        return Ok(None);
    };
    let grown = grow(conn, edge, |_| Ok(()))?;
    Ok(grown.ok().filter(|tree| tree.size() == size))
}

/// The roots of neighbouring tiles; `None` when one is missing or its hashes do not make its root.
fn roots(
    conn: &Connection,
    level: u8,
    mut range: Range<u64>,
) -> rusqlite::Result<Option<Vec<Digest>>> {
    range.try_fold(Some(Vec::new()), |roots, index| {
        let Some(mut roots) = roots else {
            return Ok(None);
        };
        Ok(sound(conn, level, index)?.map(|tile| {
            roots.push(tile.root);
            roots
        }))
    })
}

/// Pushes the leaves of the rows after those `tree` has.
fn grow(
    conn: &Connection,
    mut tree: Tree,
    mut completed: impl FnMut(&[Tile]) -> rusqlite::Result<()>,
) -> rusqlite::Result<Result<Tree, Fault>> {
    let mut select = conn.prepare_cached(SELECT_BODIES)?;
    let mut rows = select.query([tree.size()])?;
    let mut expected = tree.size() + 1;
    while let Some(row) = rows.next()? {
        let seq: u64 = row.get(0)?;
        if seq != expected {
            let problem = Problem::Sequence { expected };
            return Ok(Err(Fault { seq, problem }));
        }
        completed(&tree.push(leaf(row.get_ref(1)?.as_bytes()?)))?;
        expected += 1;
    }
    Ok(Ok(tree))
}

/// A tile as it is stored: its root, and its hashes one after the other.
pub(crate) fn stored(
    conn: &Connection,
    level: u8,
    index: u64,
) -> rusqlite::Result<Option<(Vec<u8>, Vec<u8>)>> {
    conn.prepare_cached(SELECT_TILE)?
        .query_row(params![level, index], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// A stored tile; `None` when it is missing or its hashes do not make its root.
pub(crate) fn sound(conn: &Connection, level: u8, index: u64) -> rusqlite::Result<Option<Tile>> {
    let stored = stored(conn, level, index)?;
    Ok(stored.and_then(|(stored, hashes)| {
        let hashes = tile_hashes(&hashes)?;
        let root = tile_root(&hashes).filter(|root| root.0.as_slice() == stored)?;
        Some(Tile {
            level,
            index,
            hashes,
            root,
        })
    }))
}
