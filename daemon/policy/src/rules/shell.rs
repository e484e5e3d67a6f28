//! Argument rules held against shell text: by what its commands are and do, not by how it is spelled.

use std::collections::HashSet;

use fak_args::looks_like_destination;
use fak_shell::{Command, EffectKind, InlineCode, Word, code_writes};

use super::{
    Check, Finding, Pattern, Rule,
    path::PathCheck,
    place::{PlaceCheck, Reading},
};
use crate::{
    judge::facts::{Placed, ShellText, Touch, ground as ground_at},
    manifest::Access,
    spot::Ground,
};

/// Longest literal in inline code that is taken for a path or a destination.
const LITERAL_BYTES_MAX: usize = 1024;

/// Programs that remove the path they are given, not only what they find below it.
const REMOVERS: [&str; 5] = ["rm", "rmdir", "srm", "shred", "mv"];

/// What a check says about shell text.
pub(super) enum Judged {
    /// The check is about what commands are and do.
    Text(Option<Finding>),
    /// The check is about the value as such.
    NotText,
}

impl Rule {
    pub(super) fn judge_shell(&self, shell: &ShellText<'_>, call: &Ground<'_>) -> Judged {
        Judged::Text(match &self.check {
            Check::DenyRegex(pattern) => denied_text(pattern, shell),
            Check::Path(check) => {
                let mut touched = shell.touches().iter();
                touched
                    .find_map(|touch| touched_path(check, shell, touch, call))
                    .or_else(|| {
                        shell
                            .codes()
                            .find_map(|code| code_paths(check, shell, code, call))
                    })
            }
            Check::Place(check) => {
                let contacts = |touch: &&Touch| touch.effect.kind == EffectKind::Contact;
                let mut contacts = shell.touches().iter().filter(contacts);
                contacts
                    .find_map(|touch| contacted(check, &touch.effect.target))
                    .or_else(|| shell.codes().find_map(|code| code_places(check, code)))
            }
            Check::MaxBytes(most) => {
                let long = shell.text.len() as u64 > *most;
                long.then(|| Finding::Refused(format!("the text is longer than {most} bytes")))
            }
            // Forms of commands are found through an index over the programs, not rule by rule.
            Check::Argv(_) => None,
            _ => return Judged::NotText,
        })
    }
}

/// The pattern against the text as it is written, and against the words of each command.
fn denied_text(pattern: &Pattern, shell: &ShellText<'_>) -> Option<Finding> {
    let words = if pattern.is_match(&shell.text) {
        "the text matches a denied pattern".to_owned()
    } else {
        // One pass over all commands answers for most patterns and texts.
        if pattern.floats() && !pattern.is_match(shell.lines()) {
            return None;
        }
        let mut commands = shell.script.commands.iter();
        let hit = commands.find(|command| pattern.is_match(&command.line()))?;
        format!("the command at byte {} matches a denied pattern", hit.at)
    };
    Some(Finding::Refused(words))
}

fn access_of(kind: EffectKind) -> Option<Access> {
    match kind {
        EffectKind::Read => Some(Access::Read),
        EffectKind::Write => Some(Access::Write),
        EffectKind::Delete => Some(Access::Delete),
        EffectKind::Contact | EffectKind::Execute => None,
    }
}

fn touched_path(
    check: &PathCheck,
    shell: &ShellText<'_>,
    touch: &Touch,
    call: &Ground<'_>,
) -> Option<Finding> {
    let access = access_of(touch.effect.kind)?;
    let command = shell.command(touch)?;
    if !check.governs(access) || command.remote || command.contained {
        return None;
    }
    let word = &touch.effect.target;
    let removes = access == Access::Delete && REMOVERS.contains(&command.program.as_str());
    let words = shell
        .places(touch, call)
        .iter()
        .find_map(|Placed { directory, spot }| {
            let lost = directory.is_none() && call.cwd.is_some() && !is_rooted(word);
            if lost && check.confines() {
                return Some(
                    "the directory the command runs in is computed when it runs".to_owned(),
                );
            }
            let ground = ground_at(directory.as_deref(), call);
            if word.opaque {
                opaque_path(check, word, &ground)
            } else if word.glob {
                check.refuse_glob(spot, &ground)
            } else {
                let root = || {
                    if removes {
                        check.refuse_root(&spot.lexical, &ground)
                    } else {
                        None
                    }
                };
                check.refuse_spot(spot, &ground).or_else(root)
            }
        })?;
    Some(Finding::Refused(format!("{words} (byte {})", word.at)))
}

/// Whether the word says by itself where it leads.
fn is_rooted(word: &Word) -> bool {
    word.text.starts_with('/') || word.tilde
}

/// A path of which only a beginning is known. What may lie anywhere is outside of every confinement.
fn opaque_path(check: &PathCheck, word: &Word, ground: &Ground<'_>) -> Option<String> {
    let prefix = word.prefix();
    let known = prefix
        .rfind('/')
        .and_then(|slash| prefix.get(..=slash))
        .filter(|known| !known.is_empty());
    match known {
        Some(known) => {
            let after = word.text.get(prefix.len()..).unwrap_or_default();
            check
                .refuse(known, ground)
                .or_else(|| check.denies_some(prefix, after, ground))
        }
        None if check.confines() => Some("the path is computed when the command runs".to_owned()),
        None => None,
    }
}

/// Inline code of another language: the places it writes to, and the literals in it that name a place.
fn code_paths(
    check: &PathCheck,
    shell: &ShellText<'_>,
    (command, code): (&Command, &InlineCode),
    call: &Ground<'_>,
) -> Option<Finding> {
    if command.remote || command.contained {
        return None;
    }
    let changes = check.governs(Access::Write) || check.governs(Access::Delete);
    let text = code.code.text.as_str();
    let words = shell
        .directories(command, call.cwd)
        .iter()
        .find_map(|directory| {
            let ground = ground_at(directory.as_deref(), call);
            if changes && code_writes(text, &|path| check.refuse(path, &ground).is_some()) {
                return Some("it writes to a refused path".to_owned());
            }
            let mut named = literals(text).filter(|_| check.governs(Access::Read));
            named.find_map(|literal| check.denies(literal, &ground))
        })?;
    Some(Finding::Refused(format!(
        "the code at byte {}: {words}",
        command.at
    )))
}

fn code_places(check: &PlaceCheck, (command, code): (&Command, &InlineCode)) -> Option<Finding> {
    let mut places = literals(&code.code.text).filter(|literal| looks_like_destination(literal));
    places.find_map(|literal| match check.read(literal) {
        Reading::Refused(words) => Some(Finding::Refused(format!(
            "the code at byte {}: {words}",
            command.at
        ))),
        Reading::Fine | Reading::Unreadable(_) => None,
    })
}

fn contacted(check: &PlaceCheck, word: &Word) -> Option<Finding> {
    let refused = |words: &str| Some(Finding::Refused(format!("{words} (byte {})", word.at)));
    let text = if word.opaque {
        match known_authority(word.prefix()) {
            Some(text) => text,
            None => return refused("the destination is computed when the command runs"),
        }
    } else {
        word.text.as_str()
    };
    match check.read_contact(text) {
        Reading::Fine => None,
        Reading::Refused(words) | Reading::Unreadable(words) => refused(&words),
    }
}

/// The beginning of a URL, when all of its host is in it.
fn known_authority(prefix: &str) -> Option<&str> {
    let after = prefix.find("://").map_or(0, |at| at + 3);
    let authority = prefix.get(after..)?;
    authority.contains(['/', '?', '#']).then_some(prefix)
}

/// The quoted literals of code in another language, each once.
fn literals(code: &str) -> impl Iterator<Item = &str> {
    let mut seen = HashSet::new();
    let mut rest = code;
    std::iter::from_fn(move || {
        loop {
            let open = rest.find(['\'', '"', '`'])?;
            let quote = rest.get(open..)?.chars().next()?;
            let after = rest.get(open + 1..)?;
            let close = after.find(quote)?;
            let literal = after.get(..close)?;
            // The closing quote may open the next literal when the code holds an odd one.
            rest = after.get(close + 1..)?;
            if !literal.is_empty() && literal.len() <= LITERAL_BYTES_MAX && seen.insert(literal) {
                return Some(literal);
            }
        }
    })
}
