//! Many short words in one pass over a text.
//!
//! Every place of the text is asked by the hash of its four bytes whether a needle may begin there, eight places at a time
//! and none of them waiting for the answer to another: clean text costs little more than being loaded. Where the answer is
//! yes the needles of that hash are compared. A text made of nothing but such places costs a comparison for each, never more
//! than its own length times the needles of one hash.

/// The bits of a hash; so many places of the table are marked or not.
const HASH_BITS: u32 = 17;
/// The words of the table.
const WORDS: usize = 1 << (HASH_BITS - 6);
/// The bytes hashed. A shorter needle is entered under everything that may follow it.
const HASHED: usize = 4;
/// The shortest needle that is not entered under too many hashes.
pub(crate) const NEEDLE_BYTES_MIN: usize = 3;
/// The places looked at together.
const BLOCK: usize = 8;
/// The bit in which the cases of a letter differ. Other bytes that differ in it share a hash, which costs a comparison.
const CASE: u32 = 0x2020_2020;

/// A word to look for.
#[derive(Clone, Debug)]
pub(crate) struct Needle {
    /// As it must be written.
    pub(crate) text: Box<[u8]>,
    /// Letters of ASCII count in either case.
    pub(crate) folded: bool,
    /// No letter or digit may touch it.
    pub(crate) whole: bool,
}

/// The needles, ready to be looked for.
pub(crate) struct Needles {
    needles: Box<[Needle]>,
    /// One bit for each hash that a needle has.
    marked: Box<[u64; WORDS]>,
    /// For each word of it, where the needles of its hashes begin in `order`; one more at the end.
    begins: Box<[u16; WORDS + 1]>,
    order: Vec<Candidate>,
}

/// A needle of some hash.
#[derive(Clone, Copy)]
struct Candidate {
    needle: u16,
    /// The bits of the first bytes that may differ.
    free: u32,
    /// The first bytes, without those bits.
    head: u32,
}

impl Needles {
    /// Enters the needles; one that is too short or one too many is never found, which a test of the callers excludes.
    pub(crate) fn new(needles: Vec<Needle>) -> Self {
        let mut entries: Vec<(u32, u16)> = Vec::new();
        for (index, needle) in (0_u16..).zip(&needles) {
            match *needle.text {
                [a, b, c, d, ..] => entries.push((hash([a, b, c, d]), index)),
                [a, b, c] => entries.extend((0..=u8::MAX).map(|d| (hash([a, b, c, d]), index))),
                _ => {}
            }
        }
        entries.sort_unstable();
        entries.dedup();
        let mut built = Self {
            needles: needles.into(),
            marked: Box::new([0; WORDS]),
            begins: Box::new([0; WORDS + 1]),
            order: Vec::with_capacity(entries.len()),
        };
        for (hash, index) in entries {
            if let Some(word) = built.marked.get_mut(word_of(hash)) {
                *word |= 1 << (hash & 63);
            }
            if let Some(needle) = built.needles.get(usize::from(index)) {
                built.order.push(needle.candidate(index));
            }
            if let Some(count) = built.begins.get_mut(word_of(hash) + 1) {
                *count = count.saturating_add(1);
            }
        }
        let mut sum = 0_u16;
        for begin in built.begins.iter_mut() {
            sum = sum.saturating_add(*begin);
            *begin = sum;
        }
        built
    }

    /// Calls `found` with every needle and where it begins, in order of position.
    pub(crate) fn scan(&self, text: &[u8], mut found: impl FnMut(usize, usize)) {
        let mut at = 0;
        while let Some(block) = text
            .get(at..)
            .and_then(|rest| rest.first_chunk::<{ BLOCK + HASHED - 1 }>())
        {
            let mut hits = 0_u32;
            for place in 0..BLOCK {
                hits |= self.marks(hash(window(block, place))) << place;
            }
            while hits != 0 {
                let place = usize::try_from(hits.trailing_zeros()).unwrap_or_default();
                hits &= hits - 1;
                self.compare(text, at + place, window(block, place), &mut found);
            }
            at += BLOCK;
        }
        let mut end = [0; 2 * BLOCK];
        let rest = text.get(at..).unwrap_or_default();
        for (slot, &byte) in end.iter_mut().zip(rest) {
            *slot = byte;
        }
        for place in 0..rest.len() {
            let head = window(&end, place);
            if self.marks(hash(head)) != 0 {
                self.compare(text, at + place, head, &mut found);
            }
        }
    }

    /// One where some needle has this hash.
    #[inline]
    fn marks(&self, hash: u32) -> u32 {
        let word = self.marked.get(word_of(hash)).copied().unwrap_or_default();
        u32::from(word >> (hash & 63) & 1 == 1)
    }

    #[inline(never)]
    fn compare(
        &self,
        text: &[u8],
        at: usize,
        head: [u8; HASHED],
        found: &mut impl FnMut(usize, usize),
    ) {
        let word = word_of(hash(head));
        let bound = |word: usize| self.begins.get(word).map_or(0, |&at| usize::from(at));
        let candidates = self.order.get(bound(word)..bound(word + 1));
        let head = u32::from_le_bytes(head);
        for candidate in candidates.unwrap_or_default() {
            if head & !candidate.free != candidate.head {
                continue;
            }
            let needle = usize::from(candidate.needle);
            if self
                .needles
                .get(needle)
                .is_some_and(|known| known.stands(text, at))
            {
                found(needle, at);
            }
        }
    }
}

impl Needle {
    fn candidate(&self, index: u16) -> Candidate {
        let mut head = [0; HASHED];
        let mut free = [u8::MAX; HASHED];
        for ((head, free), &byte) in head.iter_mut().zip(&mut free).zip(&self.text) {
            *free = if self.folded && byte.is_ascii_alphabetic() {
                0x20
            } else {
                0
            };
            *head = byte & !*free;
        }
        Candidate {
            needle: index,
            free: u32::from_le_bytes(free),
            head: u32::from_le_bytes(head),
        }
    }

    fn stands(&self, text: &[u8], at: usize) -> bool {
        let end = at + self.text.len();
        let Some(written) = text.get(at..end) else {
            return false;
        };
        let touched = |at: Option<usize>| {
            at.and_then(|at| text.get(at))
                .is_some_and(u8::is_ascii_alphanumeric)
        };
        if self.whole && (touched(at.checked_sub(1)) || touched(Some(end))) {
            return false;
        }
        if self.folded {
            written.eq_ignore_ascii_case(&self.text)
        } else {
            *written == *self.text
        }
    }
}

/// The bytes at `place`; nought where they end.
#[inline]
fn window<const N: usize>(block: &[u8; N], place: usize) -> [u8; HASHED] {
    block
        .get(place..)
        .and_then(|rest| rest.first_chunk::<HASHED>())
        .copied()
        .unwrap_or_default()
}

#[inline]
fn hash(bytes: [u8; HASHED]) -> u32 {
    (u32::from_le_bytes(bytes) | CASE).wrapping_mul(0x9E37_79B1) >> (u32::BITS - HASH_BITS)
}

#[inline]
fn word_of(hash: u32) -> usize {
    usize::try_from(hash >> 6).unwrap_or_default() % WORDS
}

#[cfg(test)]
mod tests {
    use aho_corasick::AhoCorasick;
    use proptest::prelude::*;

    use super::*;

    fn needles(words: &[String], folded: bool) -> Needles {
        let needle = |word: &String| Needle {
            text: word.as_bytes().into(),
            folded,
            whole: false,
        };
        Needles::new(words.iter().map(needle).collect())
    }

    fn found(words: &[String], folded: bool, text: &str) -> Vec<(usize, usize)> {
        let mut out = Vec::new();
        needles(words, folded).scan(text.as_bytes(), |needle, at| out.push((at, needle)));
        assert!(out.is_sorted_by_key(|&(at, _)| at));
        out.sort_unstable();
        out
    }

    proptest! {
        #[test]
        fn an_automaton_finds_the_same(
            words in prop::collection::btree_set("[ab@`-]{3,6}", 1..12),
            text in "[abAB@`-]{0,60}",
            folded: bool,
        ) {
            let words: Vec<String> = words.into_iter().collect();
            let automaton = AhoCorasick::builder().ascii_case_insensitive(folded).build(&words).unwrap();
            let mut want: Vec<(usize, usize)> = automaton
                .find_overlapping_iter(&text)
                .map(|found| (found.start(), found.pattern().as_usize()))
                .collect();
            want.sort_unstable();
            prop_assert_eq!(found(&words, folded, &text), want);
        }
    }

    #[test]
    fn a_whole_word_stands_alone() {
        let needle = Needle {
            text: (*b"task").into(),
            folded: true,
            whole: true,
        };
        let needles = Needles::new(vec![needle]);
        let mut places = Vec::new();
        needles.scan(b"Task tasks multitask (TASK), task", |_, at| {
            places.push(at)
        });
        assert_eq!(places, [0, 22, 29]);
    }
}
