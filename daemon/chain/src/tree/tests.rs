//! The tree against RFC 6962 written down as it stands there.

use std::{collections::BTreeMap, convert::Infallible};

use proptest::{collection, prelude::*, sample};

use super::*;
use crate::hash::leaf;

/// `MTH` of RFC 9162, section 2.1.1.
fn mth(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(largest_power_below(leaves.len()));
            node(&mth(left), &mth(right))
        }
    }
}

/// `PATH` of section 2.1.3.1.
fn path(index: usize, leaves: &[Digest]) -> Vec<Digest> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let k = largest_power_below(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut path, sibling) = if index < k {
        (path(index, left), right)
    } else {
        (path(index - k, right), left)
    };
    path.push(mth(sibling));
    path
}

/// `SUBPROOF` of section 2.1.4.1.
fn subproof(old: usize, leaves: &[Digest], whole: bool) -> Vec<Digest> {
    if old == leaves.len() {
        return if whole { Vec::new() } else { vec![mth(leaves)] };
    }
    let k = largest_power_below(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut proof, sibling) = if old <= k {
        (subproof(old, left, whole), right)
    } else {
        (subproof(old - k, right, false), left)
    };
    proof.push(mth(sibling));
    proof
}

fn largest_power_below(count: usize) -> usize {
    let mut power = 1;
    while power * 2 < count {
        power *= 2;
    }
    power
}

fn leaves(count: usize) -> Vec<Digest> {
    (0..count as u64).map(|n| leaf(&n.to_be_bytes())).collect()
}

/// Every tile, complete or not.
struct Kept {
    complete: BTreeMap<(u8, u64), Vec<Digest>>,
    tree: Tree,
}

impl Kept {
    fn of(leaves: &[Digest]) -> Self {
        let mut kept = Self {
            complete: BTreeMap::new(),
            tree: Tree::new(),
        };
        for leaf in leaves {
            for tile in kept.tree.push(*leaf) {
                assert_eq!(tile.hashes.len(), TILE_HASHES);
                assert_eq!(tile_root(&tile.hashes), Some(tile.root));
                assert_eq!(tile_hashes(&tile.to_bytes()).as_ref(), Some(&tile.hashes));
                assert_eq!(tile.leaves_to_end(), kept.tree.size());
                let place = (tile.level, tile.index);
                assert_eq!(kept.complete.insert(place, tile.hashes), None);
            }
        }
        kept
    }
}

impl Tiles for Kept {
    type Error = Infallible;

    fn hashes(&mut self, level: u8, index: u64) -> Result<Vec<Digest>, Infallible> {
        Ok(match self.complete.get(&(level, index)) {
            Some(hashes) => hashes.clone(),
            None => self.tree.edge(level).to_vec(),
        })
    }
}

fn hex(text: &str) -> Digest {
    Digest::parse(&format!("sha256:{text}")).unwrap()
}

/// The entries and roots every implementation of Certificate Transparency is tested with.
#[test]
fn the_known_vectors() {
    let entries: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut tree = Tree::new();
    let nothing = hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!((tree.size(), tree.root()), (0, nothing));
    for (entry, root) in entries.into_iter().zip(roots) {
        assert_eq!(tree.push(leaf(entry)), []);
        assert_eq!(tree.root(), hex(root), "size {}", tree.size());
    }
    let kept = &mut Kept::of(&entries.map(leaf));
    // PATH(5, D[8]) and PROOF(6, D[8]), as published with the entries.
    let path = [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];
    assert_eq!(inclusion_proof(5, 8, kept).unwrap(), path.map(hex));
    let proof = [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];
    assert_eq!(consistency_proof(6, 8, kept).unwrap(), proof.map(hex));
}

/// The vectors of the format page, computed by an independent implementation.
#[test]
fn the_format_page_shows_the_roots() {
    let page = include_str!("../../../../docs/journal-format.md");
    let shown = |size: u64, root: Digest| {
        let hex = root.to_string().replace("sha256:", "");
        let row = format!("| {size} | `{hex}` |");
        assert!(page.contains(&row), "docs/journal-format.md lacks {row}");
    };
    let mut tree = Tree::new();
    let mut shown_to = 0;
    for number in 0..70_000_u64 {
        for tile in tree.push(leaf(number.to_string().as_bytes())) {
            if (tile.level, tile.index) == (0, 0) {
                let digest = digest_bytes(&tile.to_bytes()).to_string();
                assert!(page.contains(&digest.replace("sha256:", "")), "{digest}");
            }
        }
        if [255, 256, 257, 1000, 65_536, 65_537, 70_000].contains(&tree.size()) {
            shown(tree.size(), tree.root());
            shown_to = tree.size();
        }
    }
    assert_eq!(shown_to, 70_000);

    let rows = page
        .lines()
        .filter(|line| line.starts_with("{\"") && line.contains("\"kind\":"));
    let mut tree = Tree::new();
    shown(0, tree.root());
    for row in rows {
        tree.push(leaf(row.as_bytes()));
        shown(tree.size(), tree.root());
    }
    assert_eq!(tree.size(), 4);
}

/// Across the edges of tiles of two levels, every size has the root the definition gives it.
#[test]
fn every_size_has_its_root() {
    let leaves = leaves(1200);
    let (mut tree, mut kept) = (Tree::new(), Kept::of(&leaves));
    for (size, leaf) in leaves.iter().enumerate() {
        let wanted = mth(&leaves[..size]);
        assert_eq!(tree.root(), wanted, "size {size}");
        assert_eq!(root_at(size as u64, &mut kept), Ok(wanted), "size {size}");
        assert_eq!(tree.size(), size as u64);
        tree.push(*leaf);
    }
}

#[test]
fn tiles_of_the_second_level_are_made_of_roots() {
    let count = TILE_HASHES * TILE_HASHES + 300;
    let leaves = leaves(count);
    let mut kept = Kept::of(&leaves);
    assert_eq!(kept.complete.len(), 258);
    let above = &kept.complete[&(1, 0)];
    assert_eq!(above[7], mth(&leaves[7 * 256..8 * 256]));
    assert_eq!(kept.tree.edge(2), [mth(&leaves[..65536])]);
    assert_eq!((kept.tree.edge(1).len(), kept.tree.edge(0).len()), (1, 44));
    let size = count as u64;
    assert_eq!(kept.tree.size(), size);
    assert_eq!(leaves_to_end(1, 0), 65536);
    assert_eq!(root_at(size, &mut kept), Ok(kept.tree.root()));
    for index in [0, 255, 256, 65535, 65536, 65791, 65792, size - 1] {
        let proof = inclusion_proof(index, size, &mut kept).unwrap();
        let leaf = leaves[usize::try_from(index).unwrap()];
        assert!(proof.len() <= 17);
        assert_eq!(
            verify_inclusion(leaf, index, size, &proof, kept.tree.root()),
            Ok(())
        );
    }
}

#[test]
fn an_edge_makes_the_same_tree_again() {
    let mut kept = Kept::of(&leaves(1000));
    let levels = vec![
        kept.tree.edge(0).to_vec(),
        kept.tree.edge(1).to_vec(),
        Vec::new(),
    ];
    let again = Tree::from_edge(levels).unwrap();
    assert_eq!(again, kept.tree);
    let mut copy = again.clone();
    copy.push(leaf(b"x"));
    assert_eq!((again.size(), copy.size()), (1000, 1001));
    assert_eq!(root_at(1000, &mut kept), Ok(again.root()));

    let full = vec![Vec::new(), leaves(256)];
    let error = Tree::from_edge(full).unwrap_err();
    assert_eq!((error.level, error.hashes), (1, 256));
    let tall = vec![leaves(1); 9];
    assert_eq!(Tree::from_edge(tall).unwrap_err().level, 8);
    let mut largest = Tree::from_edge(vec![leaves(255); 8]).unwrap();
    assert_eq!(largest.size(), u64::MAX);
    assert_eq!(largest.push(leaf(b"")).len(), 8);
}

#[test]
fn what_cannot_be_proved_is_refused() {
    let mut kept = Kept::of(&leaves(10));
    let beyond = ProofError::Beyond {
        asked: 10,
        size: 10,
    };
    assert_eq!(inclusion_proof(10, 10, &mut kept), Err(beyond));
    assert!(consistency_proof(11, 10, &mut kept).is_err());
    assert_eq!(consistency_proof(0, 10, &mut kept), Ok(Vec::new()));
    assert_eq!(consistency_proof(10, 10, &mut kept), Ok(Vec::new()));
    let short = inclusion_proof(0, 11, &mut kept).unwrap_err();
    assert_eq!(
        short.to_string(),
        "the tile 0/0 of the tree has 10 hashes, too few for a tree of this size"
    );
    assert!(root_at(300, &mut kept).is_err());
    assert_eq!(tile_hashes(&[0; 33]), None);
    assert_eq!(tile_root(&leaves(255)), None);
}

#[test]
fn verification_says_what_is_wrong() {
    let all = leaves(7);
    let root = mth(&all);
    let proof = path(3, &all);
    let verify = |index, size, proof: &[Digest]| verify_inclusion(all[3], index, size, proof, root);
    assert_eq!(verify(3, 7, &proof), Ok(()));
    assert_eq!(
        verify(7, 7, &proof),
        Err(ProofFault::IndexBeyond { index: 7, size: 7 })
    );
    assert_eq!(
        verify(3, 7, &proof[..2]),
        Err(ProofFault::TooShort { hashes: 2 })
    );
    let long = [proof.clone(), vec![root]].concat();
    assert_eq!(verify(3, 7, &long), Err(ProofFault::TooLong { hashes: 4 }));
    assert!(matches!(verify(2, 7, &proof), Err(ProofFault::Root { .. })));

    let (old, steps) = (mth(&all[..3]), subproof(3, &all, true));
    let verify = |from, old, to, steps: &[Digest]| verify_consistency(from, old, to, root, steps);
    assert_eq!(verify(3, old, 7, &steps), Ok(()));
    assert_eq!(
        verify(8, old, 7, &steps),
        Err(ProofFault::SizesReversed { old: 8, new: 7 })
    );
    assert_eq!(
        verify(3, old, 7, &[]),
        Err(ProofFault::TooShort { hashes: 0 })
    );
    let long = [steps.clone(), vec![root]].concat();
    assert!(matches!(
        verify(3, old, 7, &long),
        Err(ProofFault::TooLong { .. })
    ));
    assert!(matches!(
        verify(3, root, 7, &steps),
        Err(ProofFault::OldRoot { .. })
    ));
    // Nothing begins every tree, and a tree begins itself; neither takes hashes.
    assert_eq!(verify(0, empty_root(), 7, &[]), Ok(()));
    assert!(verify(0, root, 7, &[]).is_err());
    assert!(verify(0, empty_root(), 7, &steps).is_err());
    assert_eq!(verify(7, root, 7, &[]), Ok(()));
    assert!(verify(7, old, 7, &[]).is_err());
    assert!(verify(7, root, 7, &steps).is_err());
}

/// Every leaf of every size, and every pair of sizes, where the trees are small.
#[test]
fn every_small_proof_is_that_of_the_definition_and_verifies() {
    let all = leaves(66);
    let mut kept = Kept::of(&all);
    for new in 1..all.len() {
        let (size, root) = (new as u64, mth(&all[..new]));
        for index in 0..new {
            let proof = inclusion_proof(index as u64, size, &mut kept).unwrap();
            assert_eq!(proof, path(index, &all[..new]));
            assert_eq!(
                verify_inclusion(all[index], index as u64, size, &proof, root),
                Ok(())
            );
        }
        for old in 1..=new {
            let proof = consistency_proof(old as u64, size, &mut kept).unwrap();
            assert_eq!(proof, subproof(old, &all[..new], true));
            let begun = mth(&all[..old]);
            assert_eq!(
                verify_consistency(old as u64, begun, size, root, &proof),
                Ok(())
            );
        }
    }
}

#[derive(Clone, Debug)]
enum Change {
    Bit(sample::Index, usize, u8),
    Remove(sample::Index),
    Insert(sample::Index),
    Swap(sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<sample::Index>;
    prop_oneof![
        (at(), 0..32_usize, 0..8_u8).prop_map(|(at, byte, bit)| Change::Bit(at, byte, bit)),
        at().prop_map(Change::Remove),
        at().prop_map(Change::Insert),
        at().prop_map(Change::Swap),
    ]
}

/// The changed proof; `None` when this change leaves it as it is.
fn changed(proof: &[Digest], change: &Change) -> Option<Vec<Digest>> {
    let mut other = proof.to_vec();
    match change {
        Change::Insert(at) => other.insert(at.index(proof.len() + 1), leaf(b"another")),
        _ if proof.is_empty() => return None,
        Change::Bit(at, byte, bit) => other[at.index(proof.len())].0[*byte] ^= 1 << bit,
        Change::Remove(at) => drop(other.remove(at.index(proof.len()))),
        Change::Swap(at) => {
            let at = at.index(proof.len());
            other.swap(at, (at + 1) % proof.len());
        }
    }
    (other != proof).then_some(other)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn proofs_are_those_of_the_definition(
        count in 1..1200_usize, index in any::<sample::Index>(), old in any::<sample::Index>(),
        beyond in 0..300_usize,
    ) {
        // The tiles may belong to a larger tree than the one that is asked about.
        let all = leaves(count + beyond);
        let mut kept = Kept::of(&all);
        let (size, root) = (count as u64, mth(&all[..count]));
        let index = index.index(count);
        let proof = inclusion_proof(index as u64, size, &mut kept).unwrap();
        prop_assert_eq!(&proof, &path(index, &all[..count]));
        prop_assert_eq!(verify_inclusion(all[index], index as u64, size, &proof, root), Ok(()));
        let old = old.index(count) + 1;
        let proof = consistency_proof(old as u64, size, &mut kept).unwrap();
        prop_assert_eq!(&proof, &subproof(old, &all[..count], true));
        let begun = mth(&all[..old]);
        prop_assert_eq!(verify_consistency(old as u64, begun, size, root, &proof), Ok(()));
    }

    #[test]
    fn a_changed_proof_fails(
        count in 2..1200_usize, index in any::<sample::Index>(), old in any::<sample::Index>(),
        changes in collection::vec(change(), 8),
    ) {
        let all = leaves(count);
        let mut kept = Kept::of(&all);
        let (size, root) = (count as u64, kept.tree.root());
        let index = index.index(count) as u64;
        let leaf = all[usize::try_from(index).unwrap()];
        let proof = inclusion_proof(index, size, &mut kept).unwrap();
        let old = old.index(count) as u64 + 1;
        let begun = root_at(old, &mut kept).unwrap();
        let steps = consistency_proof(old, size, &mut kept).unwrap();
        for change in changes {
            if let Some(other) = changed(&proof, &change) {
                prop_assert!(verify_inclusion(leaf, index, size, &other, root).is_err());
            }
            if let Some(other) = changed(&steps, &change) {
                prop_assert!(verify_consistency(old, begun, size, root, &other).is_err());
            }
        }
        let other = Digest(leaf.0.map(|byte| !byte));
        prop_assert!(verify_inclusion(other, index, size, &proof, root).is_err());
        prop_assert!(verify_inclusion(leaf, index, size, &proof, other).is_err());
        prop_assert!(verify_consistency(old, other, size, root, &steps).is_err());
        prop_assert!(verify_consistency(old, begun, size, other, &steps).is_err());
    }

    /// Trees too large to build: every leaf is the same.
    #[test]
    fn proofs_of_huge_trees_verify(
        size in 2..=u64::MAX, index in any::<u64>(), old in any::<u64>(),
    ) {
        let (index, old) = (index % size, old % size + 1);
        let mut huge = Huge;
        let root = root_at(size, &mut huge).unwrap();
        let leaf = huge.hashes(0, index / 256).unwrap()[usize::try_from(index % 256).unwrap()];
        let proof = inclusion_proof(index, size, &mut huge).unwrap();
        prop_assert!(proof.len() <= 64);
        prop_assert_eq!(verify_inclusion(leaf, index, size, &proof, root), Ok(()));
        let begun = root_at(old, &mut huge).unwrap();
        let steps = consistency_proof(old, size, &mut huge).unwrap();
        prop_assert_eq!(verify_consistency(old, begun, size, root, &steps), Ok(()));
    }

    #[test]
    fn no_numbers_panic(
        a in any::<u64>(), b in any::<u64>(),
        proof in collection::vec(any::<[u8; 32]>().prop_map(Digest), 0..70),
    ) {
        let any = empty_root();
        let _ = verify_inclusion(any, a, b, &proof, any);
        let _ = verify_consistency(a, any, b, any, &proof);
    }
}

/// A tree in which all leaves are alike, so that the hashes of each level are too.
struct Huge;

impl Tiles for Huge {
    type Error = Infallible;

    fn hashes(&mut self, level: u8, _index: u64) -> Result<Vec<Digest>, Infallible> {
        let up = |hash, _| perfect_root(&[hash; TILE_HASHES]);
        Ok(vec![(0..level).fold(leaf(b""), up); TILE_HASHES])
    }
}
