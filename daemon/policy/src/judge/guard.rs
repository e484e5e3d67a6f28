//! Self-modification: a write to what guards the agent.

use std::cell::Cell;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use fak_args::{Fragment, NormalPath};
use fak_shell::{Word, code_writes};

use super::{
    facts::{Leaf, ShellText, changes, ground, path_text},
    patch::patched_paths,
};
use crate::{
    names,
    rules::meet::globs_meet,
    spot::{Ground, Spot},
};

/// The guarded fragments of a policy.
#[derive(Debug)]
pub(crate) struct Guard {
    entries: Vec<Entry>,
    /// Finds texts in which a fragment may occur; `None` when a fragment has nothing to look for.
    quick: Option<AhoCorasick>,
}

#[derive(Debug)]
struct Entry {
    /// As the policy spells it.
    text: String,
    exact: Fragment,
    /// Without regard to case. A fragment with capitals is a name of its own (`VERSION`), so in other
    /// spellings it counts only as a whole path component.
    folded: Fragment,
    capitals: bool,
}

impl Guard {
    /// Compiles the fragments; `None` when there are none. The error names the fragment.
    pub(crate) fn new(fragments: &[String]) -> Result<Option<Self>, (usize, String)> {
        let mut entries = Vec::new();
        let mut needles = Vec::new();
        for (place, text) in fragments.iter().enumerate() {
            if text.trim_matches(['/', '*']).is_empty() {
                let message = "a fragment that every path contains guards nothing in particular";
                return Err((place, message.to_owned()));
            }
            needles.push(needle(text));
            entries.push(Entry {
                text: text.clone(),
                exact: Fragment::new(text),
                folded: Fragment::new(&text.to_ascii_lowercase()),
                capitals: text.bytes().any(|byte| byte.is_ascii_uppercase()),
            });
        }
        if entries.is_empty() {
            return Ok(None);
        }
        let quick = if needles.iter().all(|needle| needle.len() > 1) {
            let built = AhoCorasick::builder()
                .kind(Some(AhoCorasickKind::DFA))
                .ascii_case_insensitive(true)
                .build(&needles);
            Some(built.map_err(|problem| (0, problem.to_string()))?)
        } else {
            None
        };
        Ok(Some(Self { entries, quick }))
    }

    /// What every text that names a fragment contains, for each fragment.
    pub(crate) fn needles(&self) -> impl Iterator<Item = String> {
        self.entries.iter().map(|entry| needle(&entry.text))
    }

    /// The fragment a text names, by itself or as a path.
    fn named_in(&self, text: &str) -> Option<&str> {
        if self
            .quick
            .as_ref()
            .is_some_and(|quick| !quick.is_match(text))
        {
            return None;
        }
        let lower = text.to_ascii_lowercase();
        let entry = self.entries.iter().find(|entry| {
            entry.exact.found_in(text)
                || (entry.folded.found_in(&lower)
                    && (!entry.capitals || stands_alone(&lower, &entry.text)))
        })?;
        Some(&entry.text)
    }

    /// The fragment a place lies under: by its text, in its normal form, and where its links lead.
    fn hit(&self, path: &str, spot: &Spot) -> Option<&str> {
        // Where a fragment has nothing to look for, no path is quiet.
        let sought = self.quick.is_some();
        let normal = |path: &'_ NormalPath, quiet: bool| {
            if quiet && sought {
                None
            } else {
                self.named_in(&path.text)
            }
        };
        let written = if path == spot.lexical.text {
            None
        } else {
            self.named_in(path)
        };
        written
            .or_else(|| normal(&spot.lexical, spot.quiet))
            .or_else(|| normal(spot.real.as_ref()?, spot.real_quiet))
    }

    /// The fragment a write-shaped call names in one of its arguments. Content is not searched: a file
    /// may speak of a guarded one. The text a patching tool gets is, for the paths it changes.
    pub(crate) fn in_arguments(
        &self,
        tool: &str,
        leaves: &[Leaf<'_, '_>],
        ground: &Ground<'_>,
    ) -> Option<&str> {
        leaves.iter().find_map(|leaf| {
            if leaf.content && !names::patches(tool) {
                return None;
            }
            if leaf.content || leaf.text.contains('\n') {
                return patched_paths(&leaf.text)
                    .find_map(|path| self.hit(path, &ground.spot(path)));
            }
            let path = leaf.path()?;
            self.hit(path, leaf.spot(path, ground))
        })
    }

    /// The fragment a command of the text writes to or removes, and the byte where it says so.
    pub(crate) fn in_shell(
        &self,
        shell: &ShellText<'_>,
        call: &Ground<'_>,
    ) -> Option<(&str, usize)> {
        let touched = shell
            .touches()
            .iter()
            .filter(|touch| changes(touch.effect.kind));
        for touch in touched {
            let word = &touch.effect.target;
            let mut places = shell.places(touch, call).iter();
            if let Some(fragment) = places.find_map(|place| self.word_hits(word, &place.spot)) {
                return Some((fragment, word.at));
            }
        }
        shell.codes().find_map(|(command, code)| {
            let directories = shell.directories(command, call.cwd);
            let hit = directories.iter().find_map(|directory| {
                self.in_code(&code.code.text, &ground(directory.as_deref(), call))
            })?;
            Some((hit, command.at))
        })
    }

    /// The fragment code in another language writes to.
    fn in_code(&self, code: &str, ground: &Ground<'_>) -> Option<&str> {
        let found = Cell::new(None);
        let guarded = |path: &str| {
            let hit = self.hit(path, &ground.spot(path));
            if hit.is_some() {
                found.set(hit);
            }
            hit.is_some()
        };
        if code_writes(code, &guarded) {
            found.get()
        } else {
            None
        }
    }

    fn word_hits(&self, word: &Word, spot: &Spot) -> Option<&str> {
        if let Some(fragment) = self.hit(&path_text(word), spot) {
            return Some(fragment);
        }
        if !word.glob {
            return None;
        }
        // `*` alone says nothing about a name, so it does not name a file that is guarded anywhere.
        let name = spot.lexical.text.rsplit('/').next().unwrap_or_default();
        let nameless = name.chars().all(|c| matches!(c, '*' | '?' | '.'));
        let entry = self.entries.iter().find(|entry| {
            let fragment = entry.text.trim_matches('/');
            if nameless && !fragment.contains('/') {
                return false;
            }
            let anywhere = if entry.text.starts_with('/') {
                ""
            } else {
                "**/"
            };
            globs_meet(&spot.lexical.text, &format!("{anywhere}{fragment}"))
        })?;
        Some(&entry.text)
    }
}

/// The longest component of a fragment that holds no wildcard: what every text that names the fragment
/// contains, however it separates the components.
fn needle(fragment: &str) -> String {
    let plain = fragment
        .split(['/', '\\'])
        .filter(|part| !part.contains(['*', '?', '[']));
    plain
        .max_by_key(|part| part.len())
        .unwrap_or_default()
        .to_ascii_lowercase()
}

/// Whether a fragment stands in a text as whole path components, whatever its case.
fn stands_alone(lower: &str, fragment: &str) -> bool {
    let needle = fragment.trim_matches('/').to_ascii_lowercase();
    lower.match_indices(&needle).any(|(at, found)| {
        let edge = |c: Option<char>| {
            c.is_none_or(|c| matches!(c, '/' | '\'' | '"' | '=' | ':') || c.is_whitespace())
        };
        edge(
            lower
                .get(..at)
                .and_then(|before| before.chars().next_back()),
        ) && edge(
            lower
                .get(at + found.len()..)
                .and_then(|after| after.chars().next()),
        )
    })
}
