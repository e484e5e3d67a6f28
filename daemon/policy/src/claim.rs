//! Claims a witness must corroborate before somebody may approve a call.
//!
//! - `git:clean`: the work tree holds no change that is not committed.
//! - `git:commit:<hex>`: its head is this commit.
//! - `file:<sha256>:<path>`: the file has these bytes.
//! - `test:<command>`: the command ends well.
//!
//! Here they are words: whoever approves looks, and says what was seen.

use std::{collections::HashSet, sync::Arc};

use crate::{
    diagnostic::{Diagnostic, shown},
    manifest::ArgRule,
};

/// Most different claims of one manifest. LIMIT: a call may break every rule at once, and one person must see all of them
/// hold.
const CLAIMS_MAX: usize = 64;

/// Longest claim, in bytes. LIMIT: each is journaled with every approval it belongs to.
const CLAIM_BYTES_MAX: usize = 512;

const FORMS: &str =
    "one of `git:clean`, `git:commit:<hex>`, `file:<sha256>:<path>` or `test:<command>`";

/// Why a text is no claim; `None` when it is one.
fn problem(text: &str) -> Option<&'static str> {
    let hex = |text: &str| {
        text.bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    if text.len() > CLAIM_BYTES_MAX {
        return Some("longer than 512 bytes");
    }
    if text == "git:clean" {
        return None;
    }
    if let Some(commit) = text.strip_prefix("git:commit:") {
        let whole = matches!(commit.len(), 40 | 64) && hex(commit);
        return (!whole).then_some("a commit is named by 40 or 64 hex digits in lower case");
    }
    if let Some(file) = text.strip_prefix("file:") {
        let whole = |(digest, path): (&str, &str)| {
            digest.len() == 64 && hex(digest) && !path.trim().is_empty()
        };
        let fits = file.split_once(':').is_some_and(whole);
        return (!fits).then_some("a file is named by 64 hex digits in lower case and its path");
    }
    if let Some(command) = text.strip_prefix("test:") {
        return command
            .trim()
            .is_empty()
            .then_some("a test without a command");
    }
    Some("not a claim")
}

/// Checks the claims of every rule.
pub(crate) fn check(rules: &[ArgRule], problems: &mut Vec<Diagnostic>) {
    let mut seen: HashSet<&str> = HashSet::new();
    for (place, rule) in rules.iter().enumerate() {
        let here = format!("arg_rules[{place}].witness");
        if !rule.witness.is_empty() && !rule.require_witness {
            let message = "a rule that refuses asks for no witness";
            let help = "add `verdict: REQUIRE_WITNESS`, or take `witness` away";
            problems.push(Diagnostic::error(here.clone(), message, help));
        }
        for (index, claim) in rule.witness.iter().enumerate() {
            if let Some(problem) = problem(claim) {
                let message = format!("`{}`: {problem}", shown(claim));
                problems.push(Diagnostic::error(
                    format!("{here}[{index}]"),
                    message,
                    FORMS,
                ));
            }
            if seen.insert(claim) && seen.len() == CLAIMS_MAX + 1 {
                let message = format!("more than {CLAIMS_MAX} different claims");
                let help = "ask for fewer; a test can stand for many";
                problems.push(Diagnostic::error(here.clone(), message, help));
            }
        }
    }
}

/// A rule's claims as verdicts carry them.
pub(crate) fn shared(claims: &[String]) -> Option<Arc<[Arc<str>]>> {
    let shared = claims.iter().map(|claim| claim.as_str().into());
    (!claims.is_empty()).then(|| shared.collect())
}

/// The claims of several rules one call runs into, in their order, each once.
pub(crate) fn joined<'v>(
    all: impl Iterator<Item = &'v Arc<[Arc<str>]>>,
) -> Option<Arc<[Arc<str>]>> {
    let mut all = all.peekable();
    let first = all.next()?;
    if all.peek().is_none() {
        return Some(Arc::clone(first));
    }
    let mut joined: Vec<Arc<str>> = first.to_vec();
    for claim in all.flat_map(|claims| claims.iter()) {
        if !joined.contains(claim) {
            joined.push(Arc::clone(claim));
        }
    }
    Some(joined.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_have_four_forms() {
        let (short, long) = ("a1".repeat(20), "0f".repeat(32));
        let digest = &long;
        for bad in [
            "",
            "git",
            "git:dirty",
            "git:clean ",
            "Git:clean",
            "git:commit:",
            "git:commit:abc123",
            &format!("git:commit:{}", short.to_uppercase()),
            &format!("file:{digest}"),
            &format!("file:{digest}:"),
            &format!("file:{short}:a"),
            "test:",
            "test: ",
            &format!("test:{}", "x".repeat(508)),
        ] {
            assert!(problem(bad).is_some(), "{bad}");
        }
        for good in [
            "git:clean",
            &format!("git:commit:{short}"),
            &format!("git:commit:{long}"),
            &format!("file:{digest}:/etc/a: b"),
            &format!("file:{digest}:Cargo.lock"),
            "test:make check",
        ] {
            assert_eq!(problem(good), None, "{good}");
        }
    }
}
