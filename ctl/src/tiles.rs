//! `audit export --tiles`: the journal as a static transparency log (C2SP `tlog-tiles`).
//!
//! ```text
//! DIR/checkpoint               the signed note; written last
//! DIR/tile/L/N[.p/W]           256 hashes of level L, or the W there are at the right edge
//! DIR/tile/entries/N[.p/W]     256 bodies, each after its length in two bytes
//! ```
//!
//! Files that are whole never change, so an export into a directory that holds an earlier one goes on from it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use fak_chain::{Checkpoint, Note, TILE_HASHES, TILE_LEVELS, Tree, leaf};
use fak_types::Digest;

use crate::exit::{Exit, Failure};

/// Longest body an entry may hold.
const ENTRY_BYTES_MAX: usize = u16::MAX as usize;

/// Writes a log row by row.
pub(crate) struct Tiles {
    dir: PathBuf,
    tree: Tree,
    bundle: Vec<u8>,
}

impl Tiles {
    /// A log in `dir`, which is made when it is missing.
    pub(crate) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            tree: Tree::default(),
            bundle: Vec::new(),
        }
    }

    /// How many rows it has taken.
    pub(crate) fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Takes the next row's body.
    ///
    /// # Errors
    /// When a file cannot be written, or the body is longer than an entry may be.
    pub(crate) fn push(&mut self, body: &[u8]) -> Result<(), Failure> {
        let length = u16::try_from(body.len()).map_err(|_| {
            let seq = self.tree.size() + 1;
            Failure::data(format!(
                "row {seq}: is {} bytes long, and an entry of a log at most {ENTRY_BYTES_MAX}",
                body.len()
            ))
        })?;
        self.bundle.extend_from_slice(&length.to_be_bytes());
        self.bundle.extend_from_slice(body);
        for tile in self.tree.push(leaf(body)) {
            if tile.level == 0 {
                let bundle = std::mem::take(&mut self.bundle);
                self.write(&place("entries", tile.index, None), &bundle)?;
            }
            let at = place(&tile.level.to_string(), tile.index, None);
            self.write(&at, &bytes(&tile.hashes))?;
        }
        Ok(())
    }

    /// Writes the right edge and, if the rows are those that were signed, the checkpoint.
    ///
    /// # Errors
    /// When a file cannot be written, or the checkpoint is of other rows.
    pub(crate) fn finish(self, note: &Note, signed: &Checkpoint) -> Result<(), Failure> {
        if (self.tree.size(), self.tree.root()) != (signed.size, signed.root) {
            let text = format!(
                "the first {} rows are not those the checkpoint was signed for: the journal was rewritten",
                signed.size
            );
            return Err(Failure::new(Exit::No, text));
        }
        for level in 0..TILE_LEVELS {
            let edge = self.tree.edge(level);
            if edge.is_empty() {
                continue;
            }
            let below = u64::try_from(TILE_HASHES)
                .unwrap_or(1)
                .checked_pow(u32::from(level) + 1);
            let index = below.map_or(0, |leaves| self.tree.size() / leaves);
            let width = Some(edge.len());
            if level == 0 {
                self.write(&place("entries", index, width), &self.bundle)?;
            }
            self.write(&place(&level.to_string(), index, width), &bytes(edge))?;
        }
        self.write(Path::new("checkpoint"), note.to_string().as_bytes())
    }

    fn write(&self, place: &Path, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.dir.join(place);
        let failed = |error: &io::Error| {
            Failure::new(
                Exit::Io,
                format!("{}: cannot be written: {error}", path.display()),
            )
        };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| failed(&error))?;
        }
        // A web server that serves this directory sees a file whole or not at all.
        let aside = path.with_extension("tmp");
        fs::write(&aside, bytes)
            .and_then(|()| fs::rename(&aside, &path))
            .map_err(|error| failed(&error))
    }
}

/// `tile/LEVEL/x001/x234/067`, and `.p/WIDTH` for a partial one.
fn place(level: &str, index: u64, width: Option<usize>) -> PathBuf {
    let mut parts = vec![format!("{:03}", index % 1000)];
    let mut rest = index / 1000;
    while rest > 0 {
        parts.push(format!("x{:03}", rest % 1000));
        rest /= 1000;
    }
    parts.reverse();
    let mut path = Path::new("tile").join(level);
    path.extend(parts);
    match width {
        None => path,
        Some(width) => {
            path.as_mut_os_string().push(".p");
            path.join(width.to_string())
        }
    }
}

fn bytes(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

#[cfg(test)]
mod tests {
    use fak_chain::{KeyType, SecretKey, tile_hashes};

    use super::*;

    #[test]
    fn paths_are_those_of_the_format() {
        let at = |level, index, width| place(level, index, width).display().to_string();
        assert_eq!(at("0", 0, None), "tile/0/000");
        assert_eq!(at("0", 1_234_067, None), "tile/0/x001/x234/067");
        assert_eq!(at("1", 273, Some(112)), "tile/1/273.p/112");
        assert_eq!(at("entries", 1000, Some(1)), "tile/entries/x001/000.p/1");
    }

    #[test]
    fn a_tree_of_70_000_has_the_files_the_format_says() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut tiles = Tiles::new(dir.path());
        for seq in 0..70_000_u32 {
            tiles.push(&seq.to_be_bytes()).expect("taken");
        }
        let signed = Checkpoint {
            origin: "log".to_owned(),
            size: tiles.size(),
            root: tiles.tree.root(),
        };
        let key = SecretKey::from_seed("log", KeyType::Ed25519, &[1; 32]).expect("a key");
        tiles.finish(&signed.sign(&key), &signed).expect("written");
        let has = |path: &str| dir.path().join(path).is_file();
        for path in [
            "checkpoint",
            "tile/0/000",
            "tile/0/272",
            "tile/0/273.p/112",
            "tile/1/000",
            "tile/1/001.p/17",
            "tile/2/000.p/1",
            "tile/entries/272",
            "tile/entries/273.p/112",
        ] {
            assert!(has(path), "{path}");
        }
        assert!(!has("tile/0/273") && !has("tile/1/001"));
        let first = fs::read(dir.path().join("tile/0/000")).expect("there");
        assert_eq!(
            tile_hashes(&first).expect("hashes")[3],
            leaf(&3_u32.to_be_bytes())
        );
        let entries = fs::read(dir.path().join("tile/entries/000")).expect("there");
        assert_eq!(entries[..12], [0, 4, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1]);
    }

    #[test]
    fn a_checkpoint_of_other_rows_is_not_published() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut tiles = Tiles::new(dir.path());
        tiles.push(b"a").expect("taken");
        let signed = Checkpoint {
            origin: "log".to_owned(),
            size: 1,
            root: leaf(b"b"),
        };
        let key = SecretKey::from_seed("log", KeyType::Ed25519, &[1; 32]).expect("a key");
        let refused = tiles
            .finish(&signed.sign(&key), &signed)
            .expect_err("refused");
        assert_eq!(refused.exit, Exit::No);
        assert!(!dir.path().join("checkpoint").exists());
    }
}
