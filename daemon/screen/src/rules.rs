//! The file of injection rules, read into an automaton over words.

use foldhash::{HashMap, HashMapExt};

/// The blocks of 64 slots all rules together may fill; a test says that the file fits.
pub(crate) const BLOCKS: usize = 12;
/// The most optional slots in a row that one step passes over.
const PASSES: usize = 8;

/// One bit per slot of every rule.
pub(crate) type Bits = [u64; BLOCKS];

/// The file.
const FILE: &str = include_str!("injection.rules");

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
    words: HashMap<String, Box<Bits>>,
    any: Bits,
    skip: Bits,
    first: Bits,
    last: Bits,
    /// The rule that each slot belongs to.
    owner: Vec<usize>,
}

impl Rules {
    pub(crate) fn builtin() -> Self {
        Self::read(FILE)
    }

    fn read(file: &str) -> Self {
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
        for known in rules.words.values_mut() {
            for (known, any) in known.iter_mut().zip(rules.any) {
                *known |= any;
            }
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
        let begin = self.owner.len();
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
                    set(self.words.entry(word.to_owned()).or_default(), at);
                }
            }
        }
        set(&mut self.first, begin);
        set(&mut self.last, self.owner.len().checked_sub(1)?);
        Some(())
    }

    fn slot(&mut self, rule: usize) -> Option<usize> {
        self.owner.push(rule);
        Some(self.owner.len() - 1).filter(|&at| at < BLOCKS * 64)
    }

    /// One word further; the rules that end with it are added to `out`.
    pub(crate) fn step(&self, state: &mut State, word: &str, out: &mut Vec<usize>) {
        let known = self.words.get(word);
        if known.is_none() && !state.live {
            return;
        }
        let allowed = known.map_or(&self.any, |known| known);
        let mut next = self.first;
        if state.live {
            let mut carry = 0;
            for (next, held) in next.iter_mut().zip(state.held) {
                *next |= held << 1 | carry;
                carry = held >> 63;
            }
            self.pass_over(&mut next);
        }
        let mut live = 0;
        let mut ended = 0;
        for (((held, next), allowed), last) in
            state.held.iter_mut().zip(next).zip(allowed).zip(self.last)
        {
            *held = next & allowed;
            live |= *held;
            ended |= *held & last;
        }
        state.live = live != 0;
        if ended != 0 {
            self.endings(&state.held, out);
        }
    }

    /// Optional slots need no word.
    fn pass_over(&self, next: &mut Bits) {
        for _ in 0..PASSES {
            let mut carry = 0;
            let mut new = 0;
            for (next, skip) in next.iter_mut().zip(self.skip) {
                let passed = *next & skip;
                let moved = passed << 1 | carry;
                carry = passed >> 63;
                new |= moved & !*next;
                *next |= moved;
            }
            if new == 0 {
                return;
            }
        }
    }

    fn endings(&self, held: &Bits, out: &mut Vec<usize>) {
        for (block, (held, last)) in held.iter().zip(self.last).enumerate() {
            let mut ended = held & last;
            while ended != 0 {
                let bit = usize::try_from(ended.trailing_zeros()).unwrap_or_default();
                ended &= ended - 1;
                out.extend(self.owner.get(block * 64 + bit));
            }
        }
    }
}

/// How far every rule has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    held: Bits,
    live: bool,
}

fn set(bits: &mut Bits, at: usize) {
    if let Some(block) = bits.get_mut(at / 64) {
        *block |= 1 << (at % 64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_says_what_it_means() {
        let rules = Rules::builtin();
        assert_eq!(rules.broken, [] as [String; 0]);
        assert!(
            rules.owner.len() <= BLOCKS * 64,
            "{} slots",
            rules.owner.len()
        );
        assert!(rules.words.keys().all(|word| {
            word.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
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
                rules.step(&mut state, word, &mut out);
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
