//! The form of a simple command.

use std::cell::OnceCell;

use fak_shell::{Command, Options, Word};

use super::glob::Glob;
use crate::{judge::facts::ShellText, manifest::ArgvRule};

/// Among the operands of a rule: an operand that is computed from its beginning.
const COMPUTED: &str = "$";

/// A rule about every program.
pub(crate) const ANY_PROGRAM: &str = "*";

/// A compiled [`ArgvRule`].
#[derive(Debug)]
pub(crate) struct ArgvCheck {
    rule: ArgvRule,
    any_operand: Vec<Glob>,
    /// `$` is among `any_operand`: an operand of which not even the beginning is known.
    computed_operand: bool,
    unless_operand: Vec<Glob>,
    any_setting: Vec<Setting>,
    unless_setting: Vec<Setting>,
}

#[derive(Debug)]
struct Setting {
    /// A variable, a `git -c` key, or, with dashes, an option that takes a value.
    name: String,
    shape: Glob,
    value: Glob,
}

impl Setting {
    /// Whether a value is meant: as far as it is known, and when nothing of it is known, always.
    fn fits(&self, word: &Word, text: &str) -> bool {
        self.value.matches(text)
            || (word.opaque
                && (text.is_empty()
                    || (!word.prefix().is_empty() && self.value.matches_beginning(text))))
    }
}

/// A command held against forms; its options are split at first need.
pub(crate) struct Subject<'c> {
    command: &'c Command,
    /// The words that are not known are names another command lists: operands, never options.
    listed: bool,
    options: OnceCell<Options<'c>>,
}

impl<'c> Subject<'c> {
    /// The command of a text.
    pub(crate) fn new(command: &'c Command, shell: &ShellText<'_>) -> Self {
        Self {
            command,
            listed: shell.takes_names(command),
            options: OnceCell::new(),
        }
    }

    fn options(&self) -> &Options<'c> {
        self.options.get_or_init(|| self.command.options())
    }

    /// Whether some word may bring options with it.
    fn loose(&self) -> bool {
        !self.listed && self.command.argv.iter().skip(1).any(splits)
    }
}

/// Whether a command has the form: certainly, possibly (a word's value is not known), or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fit {
    /// It has not.
    No,
    /// It has, if the words that are not known say so.
    Possible,
    /// It has.
    Yes,
}

impl Fit {
    fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

impl ArgvCheck {
    /// Compiles the rule. The error names the part and what is wrong with it.
    pub(crate) fn new(rule: &ArgvRule) -> Result<Self, (String, String)> {
        if rule.program.is_empty() {
            return Err((
                "program".to_owned(),
                "a form without a program names no command".to_owned(),
            ));
        }
        let settings = |field: &str, texts: &[String]| {
            let read = texts
                .iter()
                .enumerate()
                .map(|(place, text)| match text.split_once('=') {
                    Some((name, value)) if !name.is_empty() => Ok(Setting {
                        name: name.to_owned(),
                        shape: Glob::new(name),
                        value: Glob::new(value),
                    }),
                    _ => Err((
                        format!("{field}[{place}]"),
                        "a setting is written NAME=glob".to_owned(),
                    )),
                });
            read.collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            any_operand: rule
                .any_operand
                .iter()
                .map(|text| Glob::folding(text))
                .collect(),
            computed_operand: rule.any_operand.iter().any(|text| text == COMPUTED),
            unless_operand: rule
                .unless_operand
                .iter()
                .map(|text| Glob::new(text))
                .collect(),
            any_setting: settings("any_setting", &rule.any_setting)?,
            unless_setting: settings("unless_setting", &rule.unless_setting)?,
            rule: rule.clone(),
        })
    }

    /// The programs, in the form [`Command::program`] has.
    pub(crate) fn programs(&self) -> impl Iterator<Item = String> {
        self.rule.program.iter().map(|program| {
            let lower = program.to_ascii_lowercase();
            lower.strip_suffix(".exe").unwrap_or(&lower).to_owned()
        })
    }

    /// Whether a command whose program is one of the rule's has the form.
    pub(crate) fn fit(&self, subject: &Subject<'_>) -> Fit {
        let rule = &self.rule;
        if rule.foreground && subject.command.background {
            return Fit::No;
        }
        let mut fit = Fit::Yes;
        if !rule.sub.is_empty() || !rule.sub2.is_empty() {
            let options = subject.options();
            fit = sub_fit(&rule.sub, options.sub()).min(sub_fit(&rule.sub2, options.sub2()));
            if fit == Fit::No && subject.loose() && self.sub_is_loose(options) {
                fit = Fit::Possible;
            }
        }
        let steps: [fn(&Self, &Subject<'_>) -> Fit; 3] =
            [Self::flags_fit, Self::operands_fit, Self::settings_fit];
        for step in steps {
            if fit == Fit::No {
                break;
            }
            fit = fit.min(step(self, subject));
        }
        fit
    }

    /// Whether an unquoted expansion stands where the subcommands are looked for: it may hold them all.
    fn sub_is_loose(&self, options: &Options<'_>) -> bool {
        let wanted =
            usize::from(!self.rule.sub.is_empty()) + usize::from(!self.rule.sub2.is_empty());
        let first_fits = sub_fit(&self.rule.sub, options.sub()) != Fit::No;
        options
            .positional
            .iter()
            .take(wanted)
            .enumerate()
            .any(|(place, word)| splits(word) && (place == 0 || first_fits))
    }

    fn flags_fit(&self, subject: &Subject<'_>) -> Fit {
        let rule = &self.rule;
        if rule.any_flag.is_empty() && rule.all_flags.is_empty() && rule.unless_flag.is_empty() {
            return Fit::Yes;
        }
        let options = subject.options();
        let given = |wanted: &String| options.has(wanted);
        if rule.unless_flag.iter().any(given) {
            return Fit::No;
        }
        let any = rule.any_flag.is_empty() || rule.any_flag.iter().any(given);
        if any && rule.all_flags.iter().all(given) {
            return Fit::Yes;
        }
        Fit::of(subject.loose()).min(Fit::Possible)
    }

    fn operands_fit(&self, subject: &Subject<'_>) -> Fit {
        let rule = &self.rule;
        let counted = rule.min_operands.is_some() || rule.max_operands.is_some();
        if !counted && self.any_operand.is_empty() && self.unless_operand.is_empty() {
            return Fit::Yes;
        }
        let skip = if rule.sub2.is_empty() {
            usize::from(!rule.sub.is_empty())
        } else {
            2
        };
        let operands = subject.options().after(skip);
        let count = u32::try_from(operands.len()).unwrap_or(u32::MAX);
        if rule.max_operands.is_some_and(|most| count > most) {
            return Fit::No;
        }
        let excused = |word: &&Word| {
            !word.opaque
                && self
                    .unless_operand
                    .iter()
                    .any(|glob| glob.matches(&word.text))
        };
        if operands.iter().any(excused) {
            return Fit::No;
        }
        let mut fit = Fit::Yes;
        if rule.min_operands.is_some_and(|least| count < least) {
            fit = Fit::of(operands.iter().any(|word| splits(word))).min(Fit::Possible);
        }
        if !self.any_operand.is_empty() {
            let best = operands
                .iter()
                .map(|word| self.operand_fit(word, subject.listed))
                .max();
            fit = fit.min(best.unwrap_or(Fit::No));
        }
        fit
    }

    fn operand_fit(&self, word: &Word, listed: bool) -> Fit {
        if word.opaque && self.computed_operand && word.prefix().is_empty() {
            return Fit::Yes;
        }
        if !word.opaque {
            return Fit::of(self.any_operand.iter().any(|glob| glob.matches(&word.text)));
        }
        if splits(word) && !listed {
            return Fit::Possible;
        }
        // A quoted expansion is one operand. Only what is written of it counts: else every variable
        // would be every operand.
        let prefix = word.prefix();
        if prefix.is_empty() {
            return Fit::No;
        }
        Fit::of(
            self.any_operand
                .iter()
                .any(|glob| glob.matches_beginning(prefix)),
        )
        .min(Fit::Possible)
    }

    fn settings_fit(&self, subject: &Subject<'_>) -> Fit {
        let command = subject.command;
        let given = |setting: &Setting| {
            if setting.name.starts_with('-') {
                // An option whose value the program's table does not know is followed by it.
                let mut flags = subject
                    .options()
                    .flags
                    .iter()
                    .filter(|flag| flag.is(&setting.name));
                return flags.any(|flag| match flag.value {
                    Some(value) => setting.fits(value.word, value.text()),
                    None => {
                        let next = command.argv.get(flag.index + 1);
                        next.is_some_and(|word| setting.fits(word, &word.text))
                    }
                });
            }
            let assigned = command.assignments.iter().any(|(name, value)| {
                setting.shape.matches(name) && setting.fits(value, &value.text)
            });
            let configured = |(name, value): &(String, String)| {
                (setting.shape.matches(name) || setting.name.eq_ignore_ascii_case(name))
                    && setting.value.matches(value)
            };
            assigned
                || (command.program == "git" && subject.options().settings.iter().any(configured))
        };
        if self.unless_setting.iter().any(given) {
            return Fit::No;
        }
        Fit::of(self.any_setting.is_empty() || self.any_setting.iter().any(given))
    }
}

/// Whether the word's value may bring options with it: it is not known, nothing quotes it, and what is
/// written of it does not begin a name.
fn splits(word: &Word) -> bool {
    word.opaque && !word.quoted && (word.text.is_empty() || word.text.starts_with('-'))
}

fn sub_fit(wanted: &[String], word: Option<&Word>) -> Fit {
    if wanted.is_empty() {
        return Fit::Yes;
    }
    let Some(word) = word else { return Fit::No };
    if word.opaque {
        let prefix = word.prefix();
        let could = |sub: &String| {
            sub.get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        return Fit::of(wanted.iter().any(could)).min(Fit::Possible);
    }
    Fit::of(
        wanted
            .iter()
            .any(|sub| sub.eq_ignore_ascii_case(&word.text)),
    )
}
