//! Self-modification: a write to what guards the agent.

use aho_corasick::AhoCorasick;
use fak_args::{Fragment, Kind, Value};
use fak_shell::{Word, code_writes, inline_code};

use super::{
    facts::{ShellText, changes, ground, path_text},
    patch::patched_paths,
};
use crate::{names, rules::meet::globs_meet, spot::Ground};

/// Longest single-line text taken for a path. LIMIT: the kernel takes no longer one.
const PATH_BYTES_MAX: usize = 4096;

/// What the text of a string leaf is to the guard.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaf {
    /// A place, if it is a single line; a patch, if it is more.
    Place,
    /// A patch.
    Patch,
    /// Content: not searched.
    Content,
}

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
                .ascii_case_insensitive(true)
                .build(&needles);
            Some(built.map_err(|problem| (0, problem.to_string()))?)
        } else {
            None
        };
        Ok(Some(Self { entries, quick }))
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

    /// The fragment a path lies under: by its text, in its normal form, and where its links lead.
    fn hit(&self, path: &str, ground: &Ground<'_>) -> Option<&str> {
        if let Some(fragment) = self.named_in(path) {
            return Some(fragment);
        }
        let spot = ground.spot(path);
        let inside = |text: &str| {
            // A directory is guarded as a whole: `.git/` is meant by the path `.git` as well.
            self.named_in(text)
        };
        inside(&spot.lexical.text).or_else(|| inside(&spot.real?.text))
    }

    /// The fragment a write-shaped call names in one of its arguments. Content is not searched: a file
    /// may speak of a guarded one. The text a patching tool gets is, for the paths it changes.
    pub(crate) fn in_arguments(
        &self,
        tool: &str,
        root: Value<'_, '_>,
        ground: &Ground<'_>,
    ) -> Option<&str> {
        let content = if names::patches(tool) {
            Leaf::Patch
        } else {
            Leaf::Content
        };
        self.in_value(root, ground, (Leaf::Place, content))
    }

    fn in_value(
        &self,
        value: Value<'_, '_>,
        ground: &Ground<'_>,
        leaf: (Leaf, Leaf),
    ) -> Option<&str> {
        match value.kind() {
            Kind::Object => value.items().find_map(|member| {
                let content = member.key().is_some_and(|key| names::content_key(&key));
                self.in_value(
                    member,
                    ground,
                    (if content { leaf.1 } else { Leaf::Place }, leaf.1),
                )
            }),
            Kind::Array => value
                .items()
                .find_map(|item| self.in_value(item, ground, leaf)),
            Kind::String if leaf.0 == Leaf::Content => None,
            Kind::String => {
                let text = value.as_str()?;
                if text.contains('\n') || leaf.0 == Leaf::Patch {
                    return patched_paths(&text).find_map(|path| self.hit(path, ground));
                }
                let path = text.strip_prefix("file://").unwrap_or(&text);
                if path.is_empty() || path.len() > PATH_BYTES_MAX {
                    return None;
                }
                self.hit(path, ground)
            }
            _ => None,
        }
    }

    /// The fragment a command of the text writes to or removes, and the byte where it says so.
    pub(crate) fn in_shell(
        &self,
        shell: &ShellText<'_>,
        call: &Ground<'_>,
    ) -> Option<(&str, usize)> {
        for touch in shell.touches() {
            if !changes(touch.effect.kind) {
                continue;
            }
            let Some(command) = shell.command(touch) else {
                continue;
            };
            for directory in shell.directories(command, call.cwd) {
                let ground = ground(directory.as_deref(), call);
                if let Some(fragment) = self.word_hits(&touch.effect.target, &ground) {
                    return Some((fragment, touch.effect.target.at));
                }
            }
        }
        shell.script.commands.iter().find_map(|command| {
            let code = inline_code(command)?.code;
            for directory in shell.directories(command, call.cwd) {
                let ground = ground(directory.as_deref(), call);
                let mut found = None;
                let spy = std::cell::Cell::new(None);
                let guarded = |path: &str| {
                    let hit = self.hit(path, &ground);
                    if hit.is_some() {
                        spy.set(hit);
                    }
                    hit.is_some()
                };
                if code_writes(&code.text, &guarded) {
                    found = spy.get();
                }
                if found.is_some() {
                    return found.map(|fragment| (fragment, command.at));
                }
            }
            None
        })
    }

    fn word_hits(&self, word: &Word, ground: &Ground<'_>) -> Option<&str> {
        let text = path_text(word);
        if let Some(fragment) = self.hit(&text, ground) {
            return Some(fragment);
        }
        if !word.glob {
            return None;
        }
        let spot = ground.spot(&text);
        // `*` alone says nothing about a name, so it does not name a file that is guarded anywhere.
        let name = spot.lexical.text.rsplit('/').next().unwrap_or_default();
        let nameless = name.chars().all(|c| matches!(c, '*' | '?' | '.'));
        let entry = self.entries.iter().find(|entry| {
            if nameless && !entry.text.trim_matches('/').contains('/') {
                return false;
            }
            let rooted = entry.text.starts_with('/');
            let pattern = format!(
                "{}{}",
                if rooted { "" } else { "**/" },
                entry.text.trim_matches('/')
            );
            globs_meet(&spot.lexical.text, &pattern)
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
