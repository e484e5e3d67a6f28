//! Claims a witness must corroborate before somebody may approve a call.
//!
//! - `git:clean`: the work tree holds no change that is not committed.
//! - `git:commit:<hex>`: its head is this commit.
//! - `file:<sha256>:<path>`: the file has these bytes.
//! - `test:<command>`: the command ends well.
//!
//! Here they are words: whoever approves looks, and says what was seen.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::{
    diagnostic::{Diagnostic, shown},
    manifest::ArgRule,
};

/// Most bytes of all claims one call may be asked for, each counted with eight more. LIMIT: they stand in one row of the
/// journal beside the refusal's words; a longer list could never be approved.
const CLAIMS_BYTES_MAX: usize = 640;

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
        }
    }
    together(rules, problems);
}

/// Finds tools of which more claims are asked than a row holds. A call is asked for the claims of the rules that name its
/// tool, and of those whose prefix it has.
fn together(rules: &[ArgRule], problems: &mut Vec<Diagnostic>) {
    let mut groups: HashMap<String, (usize, HashSet<&str>)> = HashMap::new();
    for (place, rule) in rules.iter().enumerate() {
        if !rule.witness.is_empty() {
            let group = groups.entry(rule.tool.to_ascii_lowercase());
            let (last, claims) = group.or_default();
            *last = place;
            claims.extend(rule.witness.iter().map(String::as_str));
        }
    }
    for (tool, (last, own)) in &groups {
        let mut claims: HashSet<&str> = own.clone();
        let stem = tool.strip_suffix('*').unwrap_or(tool);
        for (end, _) in stem.char_indices().chain([(stem.len(), ' ')]) {
            let wider = format!("{}*", stem.get(..end).unwrap_or_default());
            let found = groups.get(&wider);
            claims.extend(found.iter().flat_map(|(_, claims)| claims.iter()));
        }
        let bytes: usize = claims.iter().map(|claim| claim.len() + 8).sum();
        if bytes > CLAIMS_BYTES_MAX {
            let message = format!(
                "the claims asked of `{}` take {bytes} bytes, at most {CLAIMS_BYTES_MAX}",
                shown(tool)
            );
            let help = "ask for fewer; one test can stand for many";
            let here = format!("arg_rules[{last}].witness");
            problems.push(Diagnostic::error(here, message, help));
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

    fn asking(tool: &str, claims: &[String]) -> ArgRule {
        ArgRule {
            name: None,
            tool: tool.into(),
            arg: "a".into(),
            matcher: crate::manifest::Matcher::MaxLen(1),
            reason: None,
            require_witness: true,
            witness: claims.to_vec(),
            hint: None,
            required: false,
        }
    }

    #[test]
    fn what_one_call_is_asked_for_fits_a_row() {
        let claim = |n: u32| format!("test:{n}{}", "x".repeat(234));
        let told = |rules: &[ArgRule]| {
            let mut problems = Vec::new();
            check(rules, &mut problems);
            problems.len()
        };
        let (one, two, three) = ([claim(1)], [claim(2)], [claim(3)]);
        for (rules, expected) in [
            (vec![asking("a", &one), asking("a", &two)], 0),
            (
                vec![asking("a", &one), asking("A", &two), asking("a", &three)],
                1,
            ),
            (
                vec![asking("ab", &one), asking("a*", &two), asking("*", &three)],
                1,
            ),
            (
                vec![asking("ab", &one), asking("ac", &two), asking("*", &three)],
                0,
            ),
            (
                vec![asking("ab*", &one), asking("a*", &two), asking("*", &three)],
                1,
            ),
            (
                vec![asking("a", &one), asking("a*", &one), asking("*", &one)],
                0,
            ),
        ] {
            assert_eq!(told(&rules), expected, "{rules:?}");
        }
    }

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
