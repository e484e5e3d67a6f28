//! A command's words split into options, their values, subcommands and operands.

use crate::{
    command::{Command, Word},
    programs::{
        self, Spec, Style,
        wrappers::{self, Wrapper},
    },
};

/// The words after the program, by role. Borrowed from the command.
#[derive(Clone, Debug, Default)]
pub struct Options<'c> {
    /// Every option given, clusters (`-fd`) taken apart, in order. Options before and after the
    /// subcommand alike.
    pub flags: Vec<Flag<'c>>,
    /// Settings given by options: `git -c key=value` (key lower-cased).
    pub settings: Vec<(String, String)>,
    /// Every operand in order, the subcommands first.
    pub positional: Vec<&'c Word>,
    /// How many leading `positional` are subcommands of this program (0, 1 or 2), by its table.
    pub subs: usize,
    /// Index into `positional` of the first operand after `--`; `None` without `--`.
    pub dashes: Option<usize>,
}

/// An option that was given.
#[derive(Clone, Copy, Debug)]
pub struct Flag<'c> {
    /// Its name without the value.
    pub name: FlagName<'c>,
    /// Its value, attached or the next word.
    pub value: Option<FlagValue<'c>>,
    /// Index into `argv` of the word that holds the name.
    pub index: usize,
    /// Stands before the subcommand.
    pub global: bool,
}

/// The name of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagName<'c> {
    /// `-f`, alone or in a cluster.
    Short(char),
    /// `--force`, as written, without the dashes.
    Long(&'c str),
    /// `-exec`, `-Uri`: a long name after one dash, without the dash.
    Single(&'c str),
}

/// The value of an option.
#[derive(Clone, Copy, Debug)]
pub struct FlagValue<'c> {
    /// The word that holds it.
    pub word: &'c Word,
    /// Where in the word's text it starts.
    pub from: usize,
}

impl<'c> FlagValue<'c> {
    /// The text that is known of it.
    #[must_use]
    pub fn text(&self) -> &'c str {
        self.word.text.get(self.from..).unwrap_or("")
    }

    /// The value as a word of its own.
    #[must_use]
    pub fn to_word(&self) -> Word {
        self.word.after(self.from)
    }
}

impl Flag<'_> {
    /// Whether this is the option `wanted` (`-f`, `--force`, `-exec`), an abbreviation of it
    /// (`--forc`) included. A complete name that begins another one is no abbreviation.
    #[must_use]
    pub fn is(&self, wanted: &str) -> bool {
        match self.name {
            FlagName::Short(letter) => {
                let mut chars = wanted.chars();
                chars.next() == Some('-') && chars.next() == Some(letter) && chars.next().is_none()
            }
            FlagName::Long(name) => wanted.strip_prefix("--").is_some_and(|full| {
                full == name
                    || (!name.is_empty()
                        && full.starts_with(name)
                        && !programs::COMPLETE_LONG.contains(&name))
            }),
            FlagName::Single(name) => wanted
                .strip_prefix('-')
                .map(|rest| rest.strip_prefix('-').unwrap_or(rest))
                .is_some_and(|full| full.eq_ignore_ascii_case(name)),
        }
    }

    /// Whether this is exactly the option `wanted`, no abbreviation.
    #[must_use]
    pub fn is_exactly(&self, wanted: &str) -> bool {
        match self.name {
            FlagName::Long(name) => wanted.strip_prefix("--") == Some(name),
            _ => self.is(wanted),
        }
    }
}

impl<'c> Options<'c> {
    /// Whether the option is given: alone, in a cluster, with a value, or abbreviated.
    #[must_use]
    pub fn has(&self, wanted: &str) -> bool {
        self.flags.iter().any(|flag| flag.is(wanted))
    }

    /// Whether one of the options is given.
    #[must_use]
    pub fn has_any(&self, wanted: &[&str]) -> bool {
        wanted.iter().any(|name| self.has(name))
    }

    /// The last value given to the option.
    #[must_use]
    pub fn value(&self, wanted: &str) -> Option<FlagValue<'c>> {
        self.flags
            .iter()
            .rev()
            .find(|flag| flag.is(wanted))
            .and_then(|flag| flag.value)
    }

    /// Every value given to one of the options, in order.
    pub fn values<'w>(
        &'w self,
        wanted: &'w [&'w str],
    ) -> impl Iterator<Item = FlagValue<'c>> + use<'c, 'w> {
        self.flags
            .iter()
            .filter(move |flag| wanted.iter().any(|name| flag.is(name)))
            .filter_map(|flag| flag.value)
    }

    /// The first operand: `push` in `git -C x push origin`.
    #[must_use]
    pub fn sub(&self) -> Option<&'c Word> {
        self.positional.first().copied()
    }

    /// The second operand: `add` in `git worktree add`.
    #[must_use]
    pub fn sub2(&self) -> Option<&'c Word> {
        self.positional.get(1).copied()
    }

    /// The operands after the first `count` positional words.
    #[must_use]
    pub fn after(&self, count: usize) -> &[&'c Word] {
        self.positional.get(count..).unwrap_or(&[])
    }

    /// The operands after the program's subcommands.
    #[must_use]
    pub fn operands(&self) -> &[&'c Word] {
        self.after(self.subs)
    }
}

impl Command {
    /// Splits `argv[1..]` by the program's table of options that take a value.
    #[must_use]
    pub fn options(&self) -> Options<'_> {
        let wrapper = wrappers::wrapper_of(&self.program, &self.argv);
        split_with(&self.program, self.argv.get(1..).unwrap_or(&[]), wrapper)
    }
}

/// Splits the words after a program.
pub(crate) fn split<'c>(program: &str, args: &'c [Word]) -> Options<'c> {
    split_with(program, args, None)
}

fn split_with<'c>(
    program: &str,
    args: &'c [Word],
    wrapper: Option<&'static Wrapper>,
) -> Options<'c> {
    let mut splitter = Splitter {
        args,
        wrapper,
        spec: programs::spec(program),
        program,
        sub: None,
        next: 0,
        out: Options::default(),
    };
    splitter.run();
    splitter.out
}

struct Splitter<'p, 'c> {
    args: &'c [Word],
    /// The program runs another: options behind its own operands are the other's.
    wrapper: Option<&'static Wrapper>,
    spec: &'static Spec,
    program: &'p str,
    sub: Option<&'static Spec>,
    next: usize,
    out: Options<'c>,
}

impl<'c> Splitter<'_, 'c> {
    fn run(&mut self) {
        while let Some(word) = self.args.get(self.next) {
            let index = self.next;
            self.next += 1;
            if self.out.dashes.is_some() {
                self.out.positional.push(word);
                continue;
            }
            let text = word.text.as_str();
            if text == "--" && !word.opaque && self.current().style != Style::Bare {
                self.out.dashes = Some(self.out.positional.len());
            } else if self.current().style == Style::Slash && text.starts_with('/') {
                self.push(FlagName::Single(text.get(1..).unwrap_or("")), None, index);
            } else if text.len() < 2
                || !text.starts_with('-')
                || self.current().style == Style::Bare
            {
                self.operand(word);
                if self.ends_options() {
                    self.rest();
                }
            } else if let Some(long) = text.strip_prefix("--") {
                self.long(word, long, index);
            } else if matches!(self.current().style, Style::SingleDash | Style::Slash) {
                self.single(word, index);
            } else {
                self.cluster(word, index);
            }
        }
        for flag in &self.out.flags {
            if self.program == "git"
                && flag.global
                && flag.is("-c")
                && let Some(value) = flag.value
            {
                let (key, setting) = value
                    .text()
                    .split_once('=')
                    .unwrap_or_else(|| (value.text(), "true"));
                self.out
                    .settings
                    .push((key.to_ascii_lowercase(), setting.to_owned()));
            }
        }
    }

    fn current(&self) -> &'static Spec {
        self.sub.unwrap_or(self.spec)
    }

    /// Whether everything behind the operand just read is an operand.
    fn ends_options(&self) -> bool {
        let count = self.out.positional.len();
        match self.wrapper {
            Some(wrapper) => count > wrapper.operands + usize::from(!wrapper.sub.is_empty()),
            None => self.current().stops && count > self.out.subs,
        }
    }

    /// After the first operand of such programs everything is an operand of another program.
    fn rest(&mut self) {
        while let Some(word) = self.args.get(self.next) {
            self.next += 1;
            self.out.positional.push(word);
        }
    }

    fn operand(&mut self, word: &'c Word) {
        if self.sub.is_none() && self.out.positional.is_empty() && self.spec.has_sub {
            self.out.subs = 1;
            self.sub = Some(programs::sub_spec(self.program, &word.text));
        } else if self.out.positional.len() == 1
            && self.out.subs == 1
            && self
                .sub
                .is_some_and(|sub| sub.subs.contains(&word.text.as_str()))
        {
            self.out.subs = 2;
        }
        self.out.positional.push(word);
    }

    fn push(&mut self, name: FlagName<'c>, value: Option<FlagValue<'c>>, index: usize) {
        let global = self.spec.has_sub && self.sub.is_none();
        self.out.flags.push(Flag {
            name,
            value,
            index: index + 1,
            global,
        });
    }

    /// The next word as a value.
    fn take(&mut self) -> Option<FlagValue<'c>> {
        let word = self.args.get(self.next)?;
        self.next += 1;
        Some(FlagValue { word, from: 0 })
    }

    fn long(&mut self, word: &'c Word, long: &'c str, index: usize) {
        if let Some((name, _)) = long.split_once('=') {
            let from = name.len() + 3;
            self.push(FlagName::Long(name), Some(FlagValue { word, from }), index);
            return;
        }
        let value = if self.takes_long(long) {
            self.take()
        } else {
            None
        };
        self.push(FlagName::Long(long), value, index);
    }

    fn takes_long(&self, name: &str) -> bool {
        let table = self
            .wrapper
            .map_or_else(|| self.current().long_values, |w| w.long_values);
        table.contains(&name)
            || (name.len() > 1
                && !programs::COMPLETE_LONG.contains(&name)
                && table.iter().any(|full| full.starts_with(name)))
    }

    fn single(&mut self, word: &'c Word, index: usize) {
        let body = word.text.get(1..).unwrap_or("");
        let split = body.find(['=', ':']);
        if let Some(end) = split {
            let name = body.get(..end).unwrap_or(body);
            self.push(
                FlagName::Single(name),
                Some(FlagValue {
                    word,
                    from: end + 2,
                }),
                index,
            );
            return;
        }
        let takes = self
            .current()
            .long_values
            .iter()
            .any(|full| full.eq_ignore_ascii_case(body));
        let value = if takes { self.take() } else { None };
        self.push(FlagName::Single(body), value, index);
    }

    fn cluster(&mut self, word: &'c Word, index: usize) {
        let spec = self.current();
        let values = self.wrapper.map_or(spec.short_values, |w| w.short_values);
        for (offset, letter) in word.text.char_indices().skip(1) {
            let after = offset + letter.len_utf8();
            let attached = after < word.text.len() || (word.opaque && word.static_bytes >= after);
            if values.contains(letter) {
                let value = if attached {
                    Some(FlagValue { word, from: after })
                } else {
                    self.take()
                };
                self.push(FlagName::Short(letter), value, index);
                return;
            }
            if spec.short_optional.contains(letter) {
                let value = attached.then_some(FlagValue { word, from: after });
                self.push(FlagName::Short(letter), value, index);
                return;
            }
            self.push(FlagName::Short(letter), None, index);
        }
    }
}
