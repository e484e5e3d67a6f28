//! git: what its subcommands do to the tree, the repository and the network.

use super::Effects;
use crate::{
    command::{EffectKind, Word},
    options::Options,
};

impl Effects<'_> {
    pub(super) fn git(&mut self) {
        let command = self.command;
        let parts = command.options();
        let tree = parts
            .flags
            .iter()
            .filter(|f| f.global && f.is("--work-tree"))
            .find_map(|f| f.value)
            .map(|v| v.to_word());
        let sub = parts.sub().map_or("", |w| w.text.as_str());
        match sub {
            "rm" => self.each(&parts, EffectKind::Delete),
            "mv" => self.git_move(&parts),
            "clean" => self.git_clean(&parts, tree.as_ref()),
            "checkout" | "restore" => self.git_checkout(&parts, tree.as_ref()),
            "reset" if parts.has_any(&["--hard", "--merge", "--keep"]) => self.tree(tree.as_ref()),
            "apply" | "am" => self.git_apply(&parts, tree.as_ref()),
            "stash" => self.git_stash(&parts, tree.as_ref()),
            "switch" | "merge" | "rebase" | "cherry-pick" | "revert" | "read-tree"
            | "checkout-index" | "filter-branch" | "filter-repo" | "sparse-checkout" | "bisect" => {
                self.tree(tree.as_ref())
            }
            "pull" | "fetch" | "push" | "ls-remote" => {
                if sub == "pull" {
                    self.tree(tree.as_ref());
                }
                self.git_remote(&parts);
            }
            "clone" => self.git_clone(&parts),
            "remote" | "submodule" => self.git_urls(&parts),
            "init" => self.each(&parts, EffectKind::Write),
            "add" | "stage" => self.each(&parts, EffectKind::Read),
            "archive" | "bundle" | "format-patch" | "diff" | "log" | "show" => {
                self.git_output(&parts)
            }
            "config" => {
                for value in parts.values(&["-f", "--file"]) {
                    let kind = if parts.after(1).len() > 1 {
                        EffectKind::Write
                    } else {
                        EffectKind::Read
                    };
                    self.add(kind, &value.to_word());
                }
            }
            "worktree" => self.git_worktree(&parts),
            "grep" | "blame" | "hash-object" => self.each(&parts, EffectKind::Read),
            _ => {}
        }
    }

    fn git_stash(&mut self, parts: &Options<'_>, tree: Option<&Word>) {
        let verb = parts.sub2().map_or("", |w| w.text.as_str());
        let paths = parts.after(2);
        if verb == "push" && !paths.is_empty() {
            for word in paths {
                self.add(EffectKind::Write, word);
            }
        } else if !matches!(
            verb,
            "list" | "show" | "drop" | "clear" | "create" | "store"
        ) {
            self.tree(tree);
        }
    }

    /// Subcommands that print into a file when told so.
    fn git_output(&mut self, parts: &Options<'_>) {
        let sub = parts.sub().map_or("", |w| w.text.as_str());
        let short = matches!(sub, "archive" | "format-patch");
        let names: &[&str] = if short {
            &["-o", "--output", "--output-directory"]
        } else {
            &["--output"]
        };
        for value in parts.values(names) {
            self.add(EffectKind::Write, &value.to_word());
        }
        if sub == "bundle"
            && parts.sub2().is_some_and(|w| w.text == "create")
            && let Some(word) = parts.after(2).first()
        {
            self.add(EffectKind::Write, word);
        }
    }

    fn git_worktree(&mut self, parts: &Options<'_>) {
        let verb = parts.sub2().map_or("", |w| w.text.as_str());
        let paths = parts.after(2);
        let (kind, path) = match verb {
            "add" => (EffectKind::Write, paths.first()),
            "move" => (EffectKind::Write, paths.last()),
            "remove" => (EffectKind::Delete, paths.first()),
            _ => return,
        };
        if let Some(word) = path {
            self.add(kind, word);
        }
    }

    fn each(&mut self, parts: &Options<'_>, kind: EffectKind) {
        for word in parts.operands() {
            self.add(kind, word);
        }
    }

    /// The whole working tree may change.
    fn tree(&mut self, tree: Option<&Word>) {
        match tree {
            Some(word) => self.add(EffectKind::Write, word),
            None => self.add_here(EffectKind::Write),
        }
    }

    fn git_move(&mut self, parts: &Options<'_>) {
        let operands = parts.operands();
        for (index, word) in operands.iter().enumerate() {
            let last = index + 1 == operands.len();
            self.add(
                if last {
                    EffectKind::Write
                } else {
                    EffectKind::Delete
                },
                word,
            );
        }
    }

    fn git_clean(&mut self, parts: &Options<'_>, tree: Option<&Word>) {
        if parts.has("-n") || parts.has("--dry-run") {
            return;
        }
        if parts.operands().is_empty() {
            match tree {
                Some(word) => self.add(EffectKind::Delete, word),
                None => self.add_here(EffectKind::Delete),
            }
        }
        self.each(parts, EffectKind::Delete);
    }

    /// `checkout REF`, `checkout [REF] -- PATHS`, `restore PATHS`.
    fn git_checkout(&mut self, parts: &Options<'_>, tree: Option<&Word>) {
        let restore = parts.sub().is_some_and(|w| w.text == "restore");
        let operands = parts.operands();
        let paths: &[&Word] = match parts.dashes {
            Some(dash) => parts.after(dash.max(parts.subs)),
            None if restore => operands,
            // The first may be a branch or a path; what exists decides.
            None => operands,
        };
        for word in paths {
            self.add(EffectKind::Write, word);
        }
        if !restore && parts.dashes.is_none() && operands.len() < 2 {
            self.tree(tree);
        }
    }

    fn git_apply(&mut self, parts: &Options<'_>, tree: Option<&Word>) {
        let quiet = parts.has_any(&["--check", "--stat", "--numstat", "--summary"])
            && !parts.has("--apply");
        for word in parts.operands() {
            self.add(EffectKind::Read, word);
            let patch = [".patch", ".diff", ".mbox", ".eml"]
                .iter()
                .any(|end| word.text.ends_with(end));
            if !patch && !quiet && word.text != "-" {
                // A file of the tree named where a patch belongs.
                self.add(EffectKind::Write, word);
            }
        }
        if quiet {
            return;
        }
        match parts.value("--directory") {
            Some(value) => self.add(EffectKind::Write, &value.to_word()),
            None => self.tree(tree),
        }
    }

    /// The remote of `push`, `pull`, `fetch`: a URL or a configured name, which is no host.
    fn git_remote(&mut self, parts: &Options<'_>) {
        let repository = parts.value("--repo").map(|v| v.to_word());
        let word = repository.or_else(|| parts.operands().first().map(|w| (*w).clone()));
        if let Some(word) = word.filter(is_remote) {
            self.add(EffectKind::Contact, &word);
        }
    }

    fn git_clone(&mut self, parts: &Options<'_>) {
        let operands = parts.operands();
        if let Some(source) = operands.first() {
            let kind = if is_remote(source) {
                EffectKind::Contact
            } else {
                EffectKind::Read
            };
            self.add(kind, source);
        }
        match operands.get(1) {
            Some(directory) => self.add(EffectKind::Write, directory),
            None => {
                let name = operands
                    .first()
                    .and_then(|w| w.known()?.trim_end_matches('/').rsplit(['/', ':']).next());
                if let Some(name) = name {
                    let name = name.strip_suffix(".git").unwrap_or(name);
                    let at = self.command.at;
                    self.add(EffectKind::Write, &Word::fixed(name, at));
                }
            }
        }
    }

    fn git_urls(&mut self, parts: &Options<'_>) {
        for word in parts.after(2) {
            if is_remote(word) {
                self.add(EffectKind::Contact, word);
            }
        }
    }
}

/// A URL or `host:path`, as opposed to a remote's name or a path.
fn is_remote(word: &Word) -> bool {
    let text = word.text.as_str();
    if text.contains("://") {
        return true;
    }
    text.split_once(':').is_some_and(|(host, _)| {
        !host.is_empty() && !host.contains('/') && (host.contains('@') || host.contains('.'))
    })
}
