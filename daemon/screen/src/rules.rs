//! The file of injection rules, read into an automaton over words.

use foldhash::{HashMap, HashMapExt};

/// The blocks of 64 slots all rules together may fill; a test says that the file fits. No rule lies in two of them.
pub(crate) const BLOCKS: usize = 14;

/// The longest word a rule may hold.
pub(crate) const WORD_BYTES: usize = 24;

/// A word in lower case, filled up with noughts.
pub(crate) type Spelled = [u8; WORD_BYTES];

/// The same as numbers, which hash faster.
type Key = (u64, u64, u64);

/// One bit per slot of every rule.
pub(crate) type Bits = [u64; BLOCKS];

/// The file.
pub(crate) const FILE: &str = include_str!("injection.rules");

/// A rule's name and how much it weighs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) weight: u32,
}

/// A text that is found as it stands.
#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) rule: usize,
    pub(crate) text: String,
}

/// The rules, compiled.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) rules: Vec<Rule>,
    pub(crate) marks: Vec<Mark>,
    pub(crate) anchors: Vec<String>,
    /// Lines that say nothing; a test says there are none.
    pub(crate) broken: Vec<String>,
    words: HashMap<Key, Box<Word>>,
    any: Bits,
    skip: Bits,
    /// Runs of slots that may be passed over: where they begin, what they lead to, and the slot behind the last one.
    runs: [Run; BLOCKS],
    first: Bits,
    last: Bits,
    /// The rule that each slot belongs to; none where a block is not filled.
    owner: Vec<Option<usize>>,
}

/// What a word may stand for.
#[derive(Clone, Debug, Default)]
struct Word {
    /// The slots it fits.
    slots: Bits,
    /// The blocks in which it may begin a rule.
    begins: u32,
}

/// The runs of one block.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    begin: u64,
    inner: u64,
    end: u64,
}

impl Run {
    fn of(skip: u64) -> Self {
        let before = skip << 1;
        Self {
            begin: skip & !before,
            inner: before,
            end: before & !skip,
        }
    }

    /// `slots`, and what can be reached from them by passing over slots.
    ///
    /// With the slot behind each run set, taking away its first slot borrows up to the lowest slot that is set, and all
    /// slots of the run above that one are those that can be reached.
    const fn closed(self, slots: u64) -> u64 {
        let held = slots | self.end;
        slots | self.inner & (!held.wrapping_sub(self.begin) ^ held)
    }
}

impl Rules {
    pub(crate) fn builtin() -> Self {
        Self::read(FILE)
    }

    pub(crate) fn read(file: &str) -> Self {
        let mut rules = Self::default();
        let mut classes: HashMap<&str, Vec<&str>> = HashMap::new();
        for line in file.lines() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if rules.line(line, &mut classes).is_none() {
                rules.broken.push(line.to_owned());
            }
        }
        rules.anchors.sort();
        rules.anchors.dedup();
        for word in rules.words.values_mut() {
            for (known, any) in word.slots.iter_mut().zip(rules.any) {
                *known |= any;
            }
            word.begins = (0..BLOCKS).fold(0, |begins, block| {
                let at = |bits: &Bits| bits.get(block).copied().unwrap_or_default();
                begins | u32::from(at(&word.slots) & at(&rules.first) != 0) << block
            });
        }
        for (run, skip) in rules.runs.iter_mut().zip(rules.skip) {
            *run = Run::of(skip);
        }
        rules
    }

    fn line<'a>(
        &mut self,
        line: &'a str,
        classes: &mut HashMap<&'a str, Vec<&'a str>>,
    ) -> Option<()> {
        let (head, body) = line.split_once(": ")?;
        let mut head = head.split(' ');
        let (kind, name) = (head.next()?, head.next()?);
        if kind == "class" {
            classes.insert(name, body.split(' ').collect());
            return Some(());
        }
        let weight = head.next()?.parse().ok()?;
        let rule = self.rule(name, weight);
        match kind {
            "mark" => self.marks.push(Mark {
                rule,
                text: body.to_owned(),
            }),
            "words" => self.slots(rule, body, classes)?,
            _ => return None,
        }
        Some(())
    }

    fn rule(&mut self, name: &str, weight: u32) -> usize {
        let rule = Rule {
            name: name.to_owned(),
            weight,
        };
        if let Some(known) = self.rules.iter().position(|known| *known == rule) {
            return known;
        }
        self.rules.push(rule);
        self.rules.len() - 1
    }

    fn slots(&mut self, rule: usize, body: &str, classes: &HashMap<&str, Vec<&str>>) -> Option<()> {
        let begin = self.room_for(body)?;
        for slot in body.split(' ') {
            if let Some(count) = slot.strip_prefix('~') {
                for _ in 0..count.parse::<u8>().ok()? {
                    let at = self.slot(rule)?;
                    set(&mut self.any, at);
                    set(&mut self.skip, at);
                }
                continue;
            }
            let at = self.slot(rule)?;
            let (slot, anchor) = slot
                .strip_prefix('!')
                .map_or((slot, false), |slot| (slot, true));
            let (slot, optional) = slot
                .strip_suffix('?')
                .map_or((slot, false), |slot| (slot, true));
            if optional {
                set(&mut self.skip, at);
            }
            for word in slot.split('|') {
                let members = match word.strip_prefix('@') {
                    Some(class) => classes.get(class)?.as_slice(),
                    None => &[word],
                };
                for &word in members {
                    if anchor {
                        self.anchors.push(word.to_owned());
                    }
                    let word = self.words.entry(key(&spelled(word)?)).or_default();
                    set(&mut word.slots, at);
                }
            }
        }
        set(&mut self.first, begin);
        set(&mut self.last, self.owner.len().checked_sub(1)?);
        Some(())
    }

    /// Where the slots of `body` begin: in the next block when this one has no room for all of them.
    fn room_for(&mut self, body: &str) -> Option<usize> {
        let mut slots = 0;
        for slot in body.split(' ') {
            slots += match slot.strip_prefix('~') {
                Some(count) => usize::from(count.parse::<u8>().ok()?),
                None => 1,
            };
        }
        if self.owner.len() % 64 + slots > 64 {
            self.owner
                .resize(self.owner.len().next_multiple_of(64), None);
        }
        Some(self.owner.len()).filter(|_| slots <= 64)
    }

    fn slot(&mut self, rule: usize) -> Option<usize> {
        self.owner.push(Some(rule));
        Some(self.owner.len() - 1).filter(|&at| at < BLOCKS * 64)
    }

    /// One word further; the rules that end with it are added to `out`.
    pub(crate) fn step(&self, state: &mut State, word: &Spelled, out: &mut Vec<usize>) {
        let known = self.words.get(&key(word));
        if known.is_none() && state.live == 0 {
            return;
        }
        let allowed = known.map_or(&self.any, |known| &known.slots);
        // Elsewhere nothing is held and nothing begins.
        let mut blocks = state.live | known.map_or(0, |known| known.begins);
        state.live = 0;
        while blocks != 0 {
            let block = usize::try_from(blocks.trailing_zeros()).unwrap_or_default() % BLOCKS;
            blocks &= blocks - 1;
            let at = |bits: &Bits| bits.get(block).copied().unwrap_or_default();
            let run = self.runs.get(block).copied().unwrap_or_default();
            let next = run.closed(at(&state.held) << 1) | at(&self.first);
            let held = next & at(allowed);
            if let Some(slot) = state.held.get_mut(block) {
                *slot = held;
            }
            state.live |= u32::from(held != 0) << block;
            self.endings(block, held & at(&self.last), out);
        }
    }

    fn endings(&self, block: usize, mut ended: u64, out: &mut Vec<usize>) {
        while ended != 0 {
            let bit = usize::try_from(ended.trailing_zeros()).unwrap_or_default();
            ended &= ended - 1;
            out.extend(self.owner.get(block * 64 + bit).copied().flatten());
        }
    }
}

/// How far every rule has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    held: Bits,
    /// The blocks in which something is held.
    live: u32,
}

fn key(word: &Spelled) -> Key {
    let (parts, _) = word.as_chunks::<8>();
    match parts {
        &[first, second, third] => (
            u64::from_le_bytes(first),
            u64::from_le_bytes(second),
            u64::from_le_bytes(third),
        ),
        _ => (0, 0, 0),
    }
}

fn spelled(word: &str) -> Option<Spelled> {
    let mut spelled = [0; WORD_BYTES];
    spelled
        .get_mut(..word.len())?
        .copy_from_slice(word.as_bytes());
    Some(spelled)
}

fn set(bits: &mut Bits, at: usize) {
    if let Some(block) = bits.get_mut(at / 64) {
        *block |= 1 << (at % 64);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn passing_over_is_going_slot_by_slot(skip: u64, slots: u64, more: u64) {
            // Runs of every length, and none at the end of a block: the last slot ends a rule.
            let skip = (skip | skip >> 1 & more) & (u64::MAX >> 1);
            let mut reached = slots;
            for slot in 0..63 {
                reached |= (reached & skip & 1 << slot) << 1;
            }
            prop_assert_eq!(Run::of(skip).closed(slots), reached);
        }
    }

    #[test]
    fn the_file_says_what_it_means() {
        let rules = Rules::builtin();
        assert_eq!(rules.broken, [] as [String; 0]);
        assert!(
            rules.owner.len() <= BLOCKS * 64,
            "{} slots",
            rules.owner.len()
        );
        assert!(rules.words.keys().all(|&(first, second, third)| {
            let bytes = [first, second, third].map(u64::to_le_bytes).concat();
            let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            bytes.iter().all(|byte| plain(byte) || *byte == 0)
        }));
        // The first slot starts a rule and the last one ends it: neither may be passed over.
        for block in 0..BLOCKS {
            assert_eq!(
                rules.skip[block] & (rules.first[block] | rules.last[block]),
                0
            );
        }
    }

    #[test]
    fn slots_gaps_and_options() {
        let rules = Rules::read(
            "class c: x y\nwords r 3: a ~2 !@c b?  z"
                .replace("  ", " ")
                .as_str(),
        );
        let runs = |text: &str| {
            let mut out = Vec::new();
            let mut state = State::default();
            for word in text.split(' ') {
                rules.step(&mut state, &spelled(word).unwrap(), &mut out);
            }
            !out.is_empty()
        };
        for (text, want) in [
            ("a x z", true),
            ("a q x z", true),
            ("a q q y b z", true),
            ("a q q q y b z", false),
            ("a x q z", false),
            ("x z", false),
            ("a a a x z", true),
        ] {
            assert_eq!(runs(text), want, "{text}");
        }
        assert_eq!(rules.anchors, ["x", "y"]);
    }
}
