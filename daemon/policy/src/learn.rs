//! A minimal manifest from calls that were seen, for a person to review.
//!
//! What was admitted is proposed by exact name; what was refused stays refused and is listed. Paths and
//! hosts that appeared in the arguments bound those arguments. Nothing is widened beyond what was seen,
//! except that a path stands for the directory it shares with the others. Learning proposes, it does not
//! decide: a trace with an attack in it teaches the attack.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use fak_args::Host;
use fak_types::{Posture, VerdictKind};

use crate::manifest::{ArgRule, HostRule, Manifest, Matcher, PathRule};

/// Most distinct hosts or directories proposed for one argument. LIMIT: a longer list is not reviewed, so
/// the argument is left to the reviewer.
const PLACES_MAX: usize = 20;

/// One call that was seen.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The tool called.
    pub tool: &'a str,
    /// Its raw arguments.
    pub args: &'a str,
    /// What was decided.
    pub kind: VerdictKind,
}

/// A proposal.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    /// The manifest proposed.
    pub manifest: Manifest,
    /// The manifest as YAML, with the evidence of every line as comments; it loads to `manifest`.
    pub yaml: String,
}

/// What was seen of one argument.
#[derive(Debug, Default)]
struct Evidence {
    count: usize,
    roots: BTreeSet<String>,
    hosts: BTreeSet<String>,
    schemes: BTreeSet<String>,
    /// A value that no root or host covers was seen, so no rule can be proposed.
    open: bool,
}

/// What was seen of one tool.
#[derive(Debug, Default)]
struct Tool {
    admitted: usize,
    refused: usize,
    args: BTreeMap<String, Evidence>,
}

/// Proposes the least manifest that admits what was admitted.
///
/// Guarantees: the YAML loads; a tool that was only ever refused is not allowed; arguments that cannot be
/// read teach nothing.
#[must_use]
pub fn learn<'a>(calls: impl IntoIterator<Item = Seen<'a>>) -> Learned {
    let mut tools: BTreeMap<String, Tool> = BTreeMap::new();
    let mut count = 0_usize;
    for call in calls {
        count += 1;
        if !is_plain(call.tool) {
            continue;
        }
        let tool = tools.entry(call.tool.to_owned()).or_default();
        if !call.kind.admits() {
            tool.refused += 1;
            continue;
        }
        tool.admitted += 1;
        if let Ok(serde_json::Value::Object(members)) = serde_json::from_str(call.args) {
            for (key, value) in members.iter().filter(|(key, _)| is_key(key)) {
                observe(tool.args.entry(key.clone()).or_default(), key, value);
            }
        }
    }
    let manifest = Manifest {
        posture: Some(Posture::FailClosed),
        ..propose(&tools)
    };
    let yaml = render(&manifest, &tools, count);
    Learned { manifest, yaml }
}

/// A name that can stand in a manifest and in a comment.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= fak_types::TOOL_NAME_BYTES_MAX
        && text.chars().all(|c| c.is_ascii_graphic())
        && !text.contains('*')
}

/// A key that a selector names by itself.
fn is_key(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn observe(evidence: &mut Evidence, key: &str, value: &serde_json::Value) {
    let Some(text) = value.as_str() else {
        evidence.open = true;
        return;
    };
    evidence.count += 1;
    let folded: String = key
        .chars()
        .filter(|c| !matches!(c, '_' | '-'))
        .flat_map(char::to_lowercase)
        .collect();
    let is_path = [
        "path",
        "filepath",
        "filename",
        "file",
        "dir",
        "directory",
        "notebookpath",
        "cwd",
    ]
    .contains(&folded.as_str());
    let is_url = ["url", "uri", "href", "endpoint", "link"].contains(&folded.as_str());
    if is_path && let Some(root) = root_of(text) {
        evidence.roots.insert(root);
    } else if is_url && let Some((scheme, host)) = host_of(text) {
        evidence.schemes.insert(scheme);
        evidence.hosts.insert(host);
    } else {
        evidence.open = true;
    }
}

/// The directory a path stands for; `None` when it says nothing safe.
fn root_of(path: &str) -> Option<String> {
    let clean = path
        .chars()
        .all(|c| !c.is_control() && c != '\\' && c != '%' && c != '*');
    if !clean || path.is_empty() || path.split('/').any(|part| part == "..") {
        return None;
    }
    if path.starts_with("~/") {
        let first = path.split('/').nth(1).filter(|part| !part.is_empty())?;
        // A file right under the home directory would open all of it.
        return path.split('/').nth(2).map(|_| format!("~/{first}"));
    }
    if !path.starts_with('/') {
        return (!path.starts_with('~')).then(|| ".".to_owned());
    }
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    let (_, directories) = parts.split_last()?;
    // Fewer than two directories is too much of the machine to propose; `/home/u` alone is a whole home.
    let depth = if directories.first() == Some(&"home") {
        3
    } else {
        2
    };
    (directories.len() >= depth).then(|| {
        let kept: Vec<&str> = directories.iter().take(depth).copied().collect();
        format!("/{}", kept.join("/"))
    })
}

fn host_of(url: &str) -> Option<(String, String)> {
    let place = fak_args::parse_url(url).ok()?;
    if place.userinfo || place.suspicious.is_some() {
        return None;
    }
    let host = match &place.host {
        Host::Name(name) => name.clone(),
        Host::V4(address) => address.to_string(),
        Host::V6(_) => return None,
    };
    Some((place.scheme?, host))
}

fn propose(tools: &BTreeMap<String, Tool>) -> Manifest {
    let mut manifest = Manifest::default();
    for (name, tool) in tools.iter().filter(|(_, tool)| tool.admitted > 0) {
        manifest.allow.push(name.clone());
        for (key, evidence) in &tool.args {
            if let Some(matcher) = matcher(evidence) {
                manifest.arg_rules.push(ArgRule {
                    name: None,
                    tool: name.clone(),
                    arg: key.clone(),
                    matcher,
                    reason: None,
                    require_witness: false,
                    witness: Vec::new(),
                    hint: None,
                    required: false,
                });
            }
        }
    }
    manifest
}

fn matcher(evidence: &Evidence) -> Option<Matcher> {
    let few = |set: &BTreeSet<String>| (1..=PLACES_MAX).contains(&set.len());
    let list = |set: &BTreeSet<String>| set.iter().cloned().collect();
    if evidence.open {
        return None;
    }
    match (few(&evidence.roots), few(&evidence.hosts)) {
        (true, false) => Some(Matcher::Path(PathRule {
            roots: list(&evidence.roots),
            ..PathRule::default()
        })),
        (false, true) => Some(Matcher::Url(HostRule {
            allow: list(&evidence.hosts),
            schemes: list(&evidence.schemes),
            ..HostRule::default()
        })),
        _ => None,
    }
}

/// A string that JSON and YAML read alike.
fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

fn render(manifest: &Manifest, tools: &BTreeMap<String, Tool>, count: usize) -> String {
    let mut text = format!(
        "# PROPOSED by learning from {count} calls. REVIEW every line before use: what was seen is not what is\n\
         # meant, and a recorded attack is proposed like everything else.\n\
         version: {}\nposture: fail_closed\n",
        crate::load::VERSION
    );
    text.push_str(if manifest.allow.is_empty() {
        "allow: []\n"
    } else {
        "allow:\n"
    });
    for (name, tool) in tools.iter().filter(|(_, tool)| tool.admitted > 0) {
        let _ = write!(
            text,
            "  - {}  # admitted {} times",
            quoted(name),
            tool.admitted
        );
        let _ = if tool.refused > 0 {
            writeln!(text, ", refused {} times", tool.refused)
        } else {
            writeln!(text)
        };
    }
    for (name, tool) in tools.iter().filter(|(_, tool)| tool.admitted == 0) {
        let _ = writeln!(
            text,
            "  # not proposed: {name}, refused {} times",
            tool.refused
        );
    }
    if !manifest.arg_rules.is_empty() {
        text.push_str("arg_rules:\n");
    }
    for rule in &manifest.arg_rules {
        let seen = tools
            .get(&rule.tool)
            .and_then(|tool| tool.args.get(&rule.arg))
            .map_or(0, |evidence| evidence.count);
        let list = |items: &[String]| {
            items
                .iter()
                .map(|item| quoted(item))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let _ = writeln!(
            text,
            "  - tool: {}  # `{}` seen {seen} times",
            quoted(&rule.tool),
            rule.arg
        );
        let _ = writeln!(text, "    arg: {}", quoted(&rule.arg));
        match &rule.matcher {
            Matcher::Path(path) => {
                let _ = writeln!(text, "    path: {{roots: [{}]}}", list(&path.roots));
            }
            Matcher::Url(url) => {
                let _ = writeln!(
                    text,
                    "    url: {{allow: [{}], schemes: [{}]}}",
                    list(&url.allow),
                    list(&url.schemes)
                );
            }
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, load};

    fn seen(tool: &'static str, args: &'static str) -> Seen<'static> {
        Seen {
            tool,
            args,
            kind: VerdictKind::Allow,
        }
    }

    #[test]
    fn what_was_admitted_is_proposed_with_its_evidence() {
        let learned = learn([
            seen("Read", r#"{"file_path":"/srv/app/src/main.rs","limit":3}"#),
            seen("Read", r#"{"file_path":"/srv/app/Cargo.toml"}"#),
            seen("Fetch", r#"{"url":"https://docs.example.com/a"}"#),
            Seen {
                kind: VerdictKind::Deny,
                ..seen("Bash", r#"{"command":"sudo ls"}"#)
            },
            Seen {
                kind: VerdictKind::Deny,
                ..seen("Read", r#"{"file_path":"/etc/shadow"}"#)
            },
        ]);
        let expected = r#"# PROPOSED by learning from 5 calls. REVIEW every line before use: what was seen is not what is
# meant, and a recorded attack is proposed like everything else.
version: fak-policy/v1
posture: fail_closed
allow:
  - "Fetch"  # admitted 1 times
  - "Read"  # admitted 2 times, refused 1 times
  # not proposed: Bash, refused 1 times
arg_rules:
  - tool: "Fetch"  # `url` seen 1 times
    arg: "url"
    url: {allow: ["docs.example.com"], schemes: ["https"]}
  - tool: "Read"  # `file_path` seen 2 times
    arg: "file_path"
    path: {roots: ["/srv/app"]}
"#;
        assert_eq!(learned.yaml, expected);
    }

    #[test]
    fn nothing_is_proposed_that_would_open_the_machine() {
        for path in [
            "/etc/passwd",
            "/x",
            "../a",
            "/a/b/../c/d",
            "~/x",
            "~root/a/b",
            "/home/u/x",
            "/srv/a/%2e%2e/x",
            "",
        ] {
            let root = root_of(path);
            assert!(
                root.is_none() || root.as_deref() == Some("."),
                "{path}: {root:?}"
            );
        }
        assert_eq!(root_of("src/a.rs").as_deref(), Some("."));
        assert_eq!(
            root_of("/home/u/work/a/b.rs").as_deref(),
            Some("/home/u/work")
        );
        assert_eq!(root_of("~/work/a.rs").as_deref(), Some("~/work"));
        let mixed = learn([
            seen("R", r#"{"path":"/srv/a/b"}"#),
            seen("R", r#"{"path":"/x"}"#),
        ]);
        assert!(
            mixed.manifest.arg_rules.is_empty(),
            "one value without a root leaves the argument to the reviewer"
        );
    }

    proptest::proptest! {
        #[test]
        fn the_proposal_loads_to_its_manifest(calls in proptest::collection::vec(
            ("[!-~é\n]{0,8}", "[a-z_]{1,8}|path|url", "[ -~]{0,20}|/srv/a/b[ -~]{0,6}|https://[a-z]{1,5}\\.example/", 0..3_u8), 0..8)) {
            let calls: Vec<(String, String, VerdictKind)> = calls.into_iter().map(|(tool, key, value, kind)| {
                let kind = if kind == 0 { VerdictKind::Deny } else { VerdictKind::Allow };
                let mut members = serde_json::Map::new();
                members.insert(key, value.into());
                (tool, serde_json::Value::Object(members).to_string(), kind)
            }).collect();
            let learned = learn(calls.iter().map(|(tool, args, kind)| Seen { tool, args, kind: *kind }));
            let loaded = load("learned.yaml", &learned.yaml, Format::Yaml);
            let Ok((manifest, _)) = loaded else { panic!("{loaded:?}\n{}", learned.yaml) };
            proptest::prop_assert_eq!(manifest, learned.manifest);
        }
    }
}
