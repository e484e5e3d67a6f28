//! git's subcommands: which of their options take a value.

use super::{Spec, index};

const fn sub(name: &'static str) -> Spec {
    Spec::named(name)
}

/// A subcommand of which nothing is known.
pub(super) static PLAIN: Spec = sub("");

/// Sorted by name.
pub(super) static SUBCOMMANDS: &[Spec] = &[
    sub("add").long(&["chmod", "pathspec-from-file"]),
    sub("am")
        .short("C p")
        .attached("S")
        .long(&["directory", "exclude", "include"]),
    sub("apply").short("Cp").long(&[
        "build-fake-ancestor",
        "directory",
        "exclude",
        "include",
        "whitespace",
    ]),
    sub("archive")
        .short("o")
        .long(&["exec", "format", "output", "prefix", "remote", "add-file"]),
    sub("bisect").subs(&[
        "bad",
        "good",
        "log",
        "new",
        "old",
        "replay",
        "reset",
        "run",
        "skip",
        "start",
        "terms",
        "visualize",
    ]),
    sub("blame").short("L").attached("CM").long(&[
        "contents",
        "date",
        "ignore-rev",
        "ignore-revs-file",
    ]),
    sub("branch").short("u").long(&[
        "contains",
        "format",
        "merged",
        "no-contains",
        "no-merged",
        "points-at",
        "set-upstream-to",
        "sort",
    ]),
    sub("bundle").subs(&["create", "list-heads", "unbundle", "verify"]),
    sub("checkout")
        .short("bB")
        .long(&["conflict", "orphan", "pathspec-from-file"]),
    sub("cherry-pick").short("mX").attached("S").long(&[
        "cleanup",
        "mainline",
        "strategy",
        "strategy-option",
    ]),
    sub("clean").short("e").long(&["exclude"]),
    sub("clone").short("bcjou").long(&[
        "branch",
        "bundle-uri",
        "config",
        "depth",
        "filter",
        "jobs",
        "origin",
        "reference",
        "reference-if-able",
        "separate-git-dir",
        "server-option",
        "shallow-exclude",
        "shallow-since",
        "template",
        "upload-pack",
    ]),
    sub("commit").short("CFcmt").attached("Su").long(&[
        "author",
        "cleanup",
        "date",
        "file",
        "fixup",
        "message",
        "pathspec-from-file",
        "reedit-message",
        "reuse-message",
        "squash",
        "template",
        "trailer",
    ]),
    sub("config")
        .short("f")
        .long(&["blob", "comment", "default", "file", "type", "url", "value"])
        .subs(&[
            "edit",
            "get",
            "list",
            "remove-section",
            "rename-section",
            "set",
            "unset",
        ]),
    sub("describe").long(&["candidates", "exclude", "match"]),
    sub("diff").short("GOSl").attached("BCMU").long(&[
        "anchored",
        "diff-algorithm",
        "dst-prefix",
        "inter-hunk-context",
        "output",
        "src-prefix",
        "word-diff-regex",
    ]),
    sub("fetch").short("jo").long(&[
        "deepen",
        "depth",
        "filter",
        "jobs",
        "negotiation-tip",
        "refmap",
        "server-option",
        "shallow-exclude",
        "shallow-since",
        "upload-pack",
    ]),
    sub("filter-branch").short("d").long(&[
        "commit-filter",
        "env-filter",
        "index-filter",
        "msg-filter",
        "original",
        "parent-filter",
        "setup",
        "state-branch",
        "subdirectory-filter",
        "tag-name-filter",
        "tree-filter",
    ]),
    sub("filter-repo").long(&[
        "blob-callback",
        "commit-callback",
        "email-callback",
        "filename-callback",
        "mailmap",
        "message-callback",
        "name-callback",
        "path",
        "path-glob",
        "path-regex",
        "path-rename",
        "paths-from-file",
        "refname-callback",
        "replace-message",
        "replace-refs",
        "replace-text",
        "reset-callback",
        "source",
        "strip-blobs-bigger-than",
        "strip-blobs-with-ids",
        "tag-callback",
        "tag-rename",
        "target",
        "to-subdirectory-filter",
        "subdirectory-filter",
    ]),
    sub("format-patch").short("o").attached("nv").long(&[
        "attach",
        "cc",
        "from",
        "in-reply-to",
        "output-directory",
        "start-number",
        "subject-prefix",
        "suffix",
        "to",
    ]),
    sub("grep").short("ABCefm").attached("O").long(&[
        "after-context",
        "before-context",
        "context",
        "max-count",
        "max-depth",
        "threads",
    ]),
    sub("log").short("GLSln").attached("BCMU").long(&[
        "after",
        "author",
        "before",
        "committer",
        "date",
        "encoding",
        "format",
        "grep",
        "max-count",
        "output",
        "since",
        "skip",
        "until",
    ]),
    sub("ls-files").short("Xx").long(&[
        "exclude",
        "exclude-from",
        "exclude-per-directory",
        "with-tree",
    ]),
    sub("ls-remote")
        .short("o")
        .long(&["server-option", "sort", "upload-pack"]),
    sub("merge").short("FXms").attached("S").long(&[
        "cleanup",
        "file",
        "into-name",
        "message",
        "strategy",
        "strategy-option",
    ]),
    sub("mv"),
    sub("notes")
        .short("CFcm")
        .long(&["file", "message", "ref", "reedit-message", "reuse-message"])
        .subs(&[
            "add", "append", "copy", "edit", "get-ref", "list", "merge", "prune", "remove", "show",
        ]),
    sub("pull").short("Xjos").attached("Sr").long(&[
        "cleanup",
        "deepen",
        "depth",
        "filter",
        "jobs",
        "negotiation-tip",
        "refmap",
        "server-option",
        "shallow-exclude",
        "shallow-since",
        "strategy",
        "strategy-option",
        "upload-pack",
    ]),
    sub("push")
        .short("o")
        .long(&["exec", "push-option", "receive-pack", "repo"]),
    sub("range-diff"),
    sub("rebase").short("CXsx").attached("S").long(&[
        "empty",
        "exec",
        "onto",
        "strategy",
        "strategy-option",
        "whitespace",
    ]),
    sub("reflog").subs(&["delete", "exists", "expire", "list", "show"]),
    sub("remote")
        .subs(&[
            "add",
            "get-url",
            "prune",
            "remove",
            "rename",
            "rm",
            "set-branches",
            "set-head",
            "set-url",
            "show",
            "update",
        ])
        .short("mt"),
    sub("reset").long(&["pathspec-from-file"]),
    sub("restore")
        .short("s")
        .long(&["conflict", "pathspec-from-file", "source"]),
    sub("rev-list").short("n").long(&[
        "after",
        "author",
        "before",
        "committer",
        "format",
        "grep",
        "max-count",
        "since",
        "skip",
        "until",
    ]),
    sub("revert").short("mX").attached("S").long(&[
        "cleanup",
        "mainline",
        "strategy",
        "strategy-option",
    ]),
    sub("rm").long(&["pathspec-from-file"]),
    sub("send-email").long(&[
        "bcc",
        "cc",
        "from",
        "in-reply-to",
        "smtp-pass",
        "smtp-server",
        "smtp-server-port",
        "smtp-user",
        "subject",
        "to",
    ]),
    sub("shortlog").short("w").long(&["format", "group"]),
    sub("show")
        .short("GSn")
        .attached("U")
        .long(&["date", "encoding", "format", "output"]),
    sub("sparse-checkout").subs(&[
        "add",
        "check-rules",
        "disable",
        "init",
        "list",
        "reapply",
        "set",
    ]),
    sub("stash")
        .short("m")
        .long(&["message", "pathspec-from-file"])
        .subs(&[
            "apply", "branch", "clear", "create", "drop", "export", "import", "list", "pop",
            "push", "save", "show", "store",
        ]),
    sub("status").attached("u"),
    sub("submodule")
        .short("b")
        .long(&["branch", "depth", "jobs", "name", "reference"])
        .subs(&[
            "absorbgitdirs",
            "add",
            "deinit",
            "foreach",
            "init",
            "set-branch",
            "set-url",
            "status",
            "summary",
            "sync",
            "update",
        ]),
    sub("switch")
        .short("Cc")
        .long(&["conflict", "create", "force-create", "orphan"]),
    sub("tag").short("Fmu").attached("n").long(&[
        "cleanup",
        "contains",
        "file",
        "format",
        "local-user",
        "merged",
        "message",
        "no-contains",
        "no-merged",
        "points-at",
        "sort",
        "trailer",
    ]),
    sub("update-index").long(&["cacheinfo", "chmod", "index-version"]),
    sub("worktree")
        .short("Bb")
        .long(&["expire", "reason"])
        .subs(&[
            "add", "list", "lock", "move", "prune", "remove", "repair", "unlock",
        ]),
];

static KEYS: [u64; SUBCOMMANDS.len()] = {
    let mut keys = [0; SUBCOMMANDS.len()];
    let mut at = 0;
    while at < SUBCOMMANDS.len() {
        keys[at] = index::key(SUBCOMMANDS[at].name);
        at += 1;
    }
    keys
};

/// The row of that name.
pub(super) fn find(name: &str) -> Option<&'static Spec> {
    let at = index::position(&KEYS, name, |at| SUBCOMMANDS.get(at).map(|row| row.name))?;
    SUBCOMMANDS.get(at)
}
