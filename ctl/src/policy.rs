//! `policy`: manifests on the bench. Everything but `dump --profile` works without a daemon.

use std::{fmt::Write as _, path::Path};

use fak_policy::{
    Diagnostic, Format, Policy, Severity,
    diff::{self, CallChange},
    learn::{self, Seen},
    manifest::Manifest,
    table,
};
use fak_proto::v1::PolicyListRequest;
use fak_types::{ToolCall, VerdictKind};
use serde::Serialize;

use crate::{
    audit,
    client::Daemon,
    exit::{Exit, Failure, Outcome},
    flags::{LearnFlags, PolicyVerb, WhichPolicy},
    offline::{self, Disk, EMBEDDED},
    operate::{DiagnosticObject, diagnostic_text},
    out::{self, Out, Tint, plain},
    preflight, question,
    trace::{self, Step},
};

/// Names a table beside its manifest.
const TABLE_EXTENSION: &str = "cases";

/// Works on manifests.
pub(crate) fn policy(out: &Out, daemon: &Daemon, verb: PolicyVerb) -> Outcome {
    match verb {
        PolicyVerb::Dump { which } => dump(out, daemon, &which),
        PolicyVerb::Check { files, lint } => check(out, &files, lint),
        PolicyVerb::Explain(mut flags) => {
            flags.ask.explain = true;
            preflight::preflight(out, &flags)
        }
        PolicyVerb::Diff {
            before,
            after,
            trace,
        } => diff(out, &before, &after, trace.as_deref()),
        PolicyVerb::Test { files, policy } => test(out, &files, policy.as_deref()),
        PolicyVerb::Learn(flags) => learn(out, &flags),
        PolicyVerb::Schema => {
            out::write(fak_policy::json_schema().as_bytes())?;
            Ok(Exit::Ok)
        }
    }
}

fn dump(out: &Out, daemon: &Daemon, which: &WhichPolicy) -> Outcome {
    let text = match &which.profile {
        None => {
            fak_policy::dump(&offline::manifest(which.policy.as_deref().unwrap_or(EMBEDDED))?.0)
        }
        Some(name) => {
            let list =
                daemon.call(async |mut client| client.policy_list(PolicyListRequest {}).await)?;
            let profile = list
                .profiles
                .into_iter()
                .find(|profile| profile.name == *name)
                .ok_or_else(|| {
                    Failure::new(
                        Exit::Missing,
                        format!("no profile `{}` is in force", plain(name)),
                    )
                    .fix("`fakctl status` lists them")
                })?;
            if profile.manifest.is_empty() {
                return Err(Failure::new(
                    Exit::NotPermitted,
                    "fakd shows manifests to administrators only",
                ));
            }
            profile.manifest
        }
    };
    out.text(&text)?;
    Ok(Exit::Ok)
}

/// A checked file.
#[derive(Serialize)]
struct Checked {
    file: String,
    accepted: bool,
    denies_everything: bool,
    diagnostics: Vec<DiagnosticObject>,
}

fn check(out: &Out, files: &[String], lint: bool) -> Outcome {
    let mut checked = Vec::new();
    for file in files {
        checked.push(check_one(file, lint)?);
    }
    let accepted = checked.iter().all(|file| file.accepted);
    if out.json {
        #[derive(Serialize)]
        struct Files {
            accepted: bool,
            files: Vec<Checked>,
        }
        out.object(&Files {
            accepted,
            files: checked,
        })?;
    } else {
        let text: String = checked.iter().map(|file| checked_text(out, file)).collect();
        out.text(&text)?;
    }
    Ok(if accepted { Exit::Ok } else { Exit::Config })
}

fn check_one(file: &str, lint: bool) -> Result<Checked, Failure> {
    let (name, text) = offline::text_of(file)?;
    let format = Format::guess(&name, &text);
    Ok(match fak_policy::load(&name, &text, format) {
        Err(problems) => Checked {
            file: name,
            accepted: false,
            denies_everything: false,
            diagnostics: problems.iter().map(object_of).collect(),
        },
        Ok((manifest, mut warnings)) => {
            if lint {
                let found = fak_policy::lint(&manifest);
                for found in fak_policy::load::locate(&name, &text, format, found) {
                    if !warnings.contains(&found) {
                        warnings.push(found);
                    }
                }
            }
            Checked {
                file: name,
                accepted: true,
                denies_everything: denies_everything(&manifest),
                diagnostics: warnings.iter().map(object_of).collect(),
            }
        }
    })
}

/// Nothing is allowed by any name, and the posture lets nothing through.
fn denies_everything(manifest: &Manifest) -> bool {
    manifest.allow.is_empty()
        && manifest.allow_prefix.is_empty()
        && manifest
            .posture
            .is_none_or(|posture| posture == fak_types::Posture::FailClosed)
}

fn object_of(diagnostic: &Diagnostic) -> DiagnosticObject {
    DiagnosticObject {
        severity: diagnostic.severity.as_str().to_owned(),
        file: diagnostic.file.clone(),
        line: diagnostic.line,
        column: diagnostic.column,
        message: if diagnostic.line == 0 && !diagnostic.field.is_empty() {
            format!("{}: {}", diagnostic.field, diagnostic.message)
        } else {
            diagnostic.message.clone()
        },
        help: diagnostic.help.clone(),
    }
}

fn checked_text(out: &Out, file: &Checked) -> String {
    let mut text: String = file
        .diagnostics
        .iter()
        .map(|found| diagnostic_text(out, found))
        .collect();
    let warned = file
        .diagnostics
        .iter()
        .filter(|found| found.severity == Severity::Warning.as_str())
        .count();
    let name = plain(&file.file);
    let _ = match (file.accepted, file.denies_everything) {
        (false, _) => writeln!(
            text,
            "{name}: {}, {} problems",
            out.paint(Tint::Bad, "refused"),
            file.diagnostics.len()
        ),
        (true, true) => writeln!(
            text,
            "{name}: {}, denies everything",
            out.paint(Tint::Warn, "accepted")
        ),
        (true, false) if warned > 0 => {
            writeln!(
                text,
                "{name}: {}, {warned} warnings",
                out.paint(Tint::Warn, "accepted")
            )
        }
        (true, false) => writeln!(text, "{name}: {}", out.paint(Tint::Good, "accepted")),
    };
    text
}

fn diff(out: &Out, before: &str, after: &str, recorded: Option<&str>) -> Outcome {
    let (old, new) = (offline::manifest(before)?.0, offline::manifest(after)?.0);
    let changes = diff::diff(&old, &new);
    let steps: Vec<Step> = match recorded {
        Some(path) => trace::read(path)?
            .into_iter()
            .flat_map(|session| session.steps)
            .collect(),
        None => Vec::new(),
    };
    let calls = if steps.is_empty() {
        Vec::new()
    } else {
        let (old, new) = (
            offline::compile(before, old)?,
            offline::compile(after, new)?,
        );
        diff::diff_calls(&old, &new, steps.iter().map(call_of), &Disk)
    };
    let same = changes.is_empty() && calls.is_empty();
    if out.json {
        out.object(&DiffObject::of(&changes, &calls))?;
    } else {
        out.text(&diff_text(out, &changes, &calls, steps.len()))?;
    }
    Ok(if same { Exit::Ok } else { Exit::No })
}

fn call_of(step: &Step) -> ToolCall<'_> {
    let request = &step.request;
    ToolCall {
        tool: &request.tool,
        args: step.args(),
        trace: &request.trace_id,
        cwd: (!request.cwd.is_empty()).then_some(request.cwd.as_str()),
        home: (!request.home.is_empty()).then_some(request.home.as_str()),
    }
}

#[derive(Serialize)]
struct DiffObject<'a> {
    changes: Vec<ChangeObject<'a>>,
    calls: Vec<CallObject<'a>>,
}

#[derive(Serialize)]
struct ChangeObject<'a> {
    direction: &'static str,
    field: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct CallObject<'a> {
    index: usize,
    tool: &'a str,
    direction: &'static str,
    before: Side<'a>,
    after: Side<'a>,
}

#[derive(Serialize)]
struct Side<'a> {
    kind: &'static str,
    reason: &'static str,
    by: &'a str,
}

impl<'a> Side<'a> {
    fn of(verdict: &'a fak_types::Verdict) -> Self {
        Self {
            kind: verdict.kind.as_str(),
            reason: verdict.reason.as_str(),
            by: &verdict.by,
        }
    }
}

impl<'a> DiffObject<'a> {
    fn of(changes: &'a [diff::Change], calls: &'a [CallChange]) -> Self {
        Self {
            changes: changes
                .iter()
                .map(|change| ChangeObject {
                    direction: change.direction.as_str(),
                    field: &change.field,
                    message: &change.message,
                })
                .collect(),
            calls: calls
                .iter()
                .map(|call| CallObject {
                    index: call.index + 1,
                    tool: &call.tool,
                    direction: call.direction.as_str(),
                    before: Side::of(&call.before),
                    after: Side::of(&call.after),
                })
                .collect(),
        }
    }
}

fn tint_of(direction: diff::Direction) -> Tint {
    match direction {
        diff::Direction::Widens => Tint::Bad,
        diff::Direction::Narrows => Tint::Good,
        diff::Direction::Neutral => Tint::Dim,
    }
}

fn diff_text(out: &Out, changes: &[diff::Change], calls: &[CallChange], judged: usize) -> String {
    let cell = |text: &str| (plain(text).into_owned(), None);
    let rows: Vec<_> = changes
        .iter()
        .map(|change| {
            let direction = (
                change.direction.as_str().to_owned(),
                Some(tint_of(change.direction)),
            );
            vec![direction, cell(&change.field), cell(&change.message)]
        })
        .collect();
    let mut text = out::table(out, &rows);
    if changes.is_empty() {
        text.push_str("the same policy\n");
    }
    if judged > 0 {
        let rows: Vec<_> = calls
            .iter()
            .map(|call| {
                let side =
                    |verdict: &fak_types::Verdict| format!("{} by {}", verdict.kind, verdict.by);
                vec![
                    (
                        call.direction.as_str().to_owned(),
                        Some(tint_of(call.direction)),
                    ),
                    (format!("call {}", call.index + 1), Some(Tint::Dim)),
                    cell(&call.tool),
                    cell(&side(&call.before)),
                    cell(&format!("-> {}", side(&call.after))),
                ]
            })
            .collect();
        text.push_str(&out::table(out, &rows));
        let _ = writeln!(text, "{} of {judged} recorded calls change", calls.len());
    }
    text
}

/// A table and the manifest it is about.
#[derive(Serialize)]
struct Tested {
    table: String,
    policy: String,
    cases: usize,
    failures: Vec<String>,
}

fn test(out: &Out, files: &[String], named: Option<&str>) -> Outcome {
    let mut tested = Vec::new();
    for file in files {
        let (table, policy) = pair(file, named)?;
        let text = question::file_text(&table)?;
        let cases = table::parse(&table, &text).map_err(|problems| {
            let listed: Vec<_> = problems.iter().map(ToString::to_string).collect();
            Failure::data(listed.join("\n"))
        })?;
        let compiled: Policy = offline::compile(&policy, offline::manifest(&policy)?.0)?;
        // Tables are about the policy, not about the machine they run on: no file system is asked.
        let failures = table::run(&compiled, &cases, &fak_policy::NoWorld);
        let failures = failures.iter().map(ToString::to_string).collect();
        tested.push(Tested {
            table,
            policy,
            cases: cases.len(),
            failures,
        });
    }
    let held = tested.iter().all(|table| table.failures.is_empty());
    if out.json {
        #[derive(Serialize)]
        struct Tables {
            held: bool,
            tables: Vec<Tested>,
        }
        out.object(&Tables {
            held,
            tables: tested,
        })?;
    } else {
        let mut text = String::new();
        for table in &tested {
            for failure in &table.failures {
                let _ = writeln!(text, "{}: {}", plain(&table.table), plain(failure));
            }
            let failed = table.failures.len();
            let word = if failed == 0 {
                out.paint(Tint::Good, "holds")
            } else {
                out.paint(Tint::Bad, "FAILS")
            };
            let _ = writeln!(
                text,
                "{}: {word}, {} cases, {failed} failures",
                plain(&table.table),
                table.cases
            );
        }
        out.text(&text)?;
    }
    Ok(if held { Exit::Ok } else { Exit::No })
}

/// A table and its manifest stand beside each other: `x.cases` and `x.yaml`, `x.yml` or `x.json`. Either
/// names the pair; `--policy` names another manifest.
fn pair(file: &str, named: Option<&str>) -> Result<(String, String), Failure> {
    let path = Path::new(file);
    let is_manifest = Format::of_name(file).is_some();
    let table = if is_manifest {
        path.with_extension(TABLE_EXTENSION)
    } else {
        path.to_owned()
    };
    let table = table.to_string_lossy().into_owned();
    if let Some(policy) = named {
        return Ok((table, policy.to_owned()));
    }
    if is_manifest {
        return Ok((table, file.to_owned()));
    }
    ["yaml", "yml", "json"]
        .into_iter()
        .map(|extension| path.with_extension(extension))
        .find(|manifest| manifest.exists())
        .map(|manifest| (table, manifest.to_string_lossy().into_owned()))
        .ok_or_else(|| {
            Failure::new(Exit::Missing, format!("{file}: which manifest?"))
                .fix("put the table beside its manifest as NAME.cases, or name the manifest with --policy")
        })
}

fn learn(out: &Out, flags: &LearnFlags) -> Outcome {
    let learned = match (&flags.trace, &flags.from_journal) {
        (Some(path), _) => {
            let steps: Vec<Step> = trace::read(path)?
                .into_iter()
                .flat_map(|session| session.steps)
                .collect();
            learn::learn(steps.iter().map(|step| Seen {
                tool: &step.request.tool,
                args: step.args(),
                kind: kind_of(step),
            }))
        }
        (None, path) => {
            let path = path.clone().unwrap_or_else(audit::default_journal);
            let seen = audit::decisions(&path)?;
            learn::learn(seen.iter().map(|(tool, kind)| Seen {
                tool,
                args: "",
                kind: *kind,
            }))
        }
    };
    if out.json {
        #[derive(Serialize)]
        struct Proposal {
            review: bool,
            manifest: String,
        }
        out.object(&Proposal {
            review: true,
            manifest: learned.yaml,
        })?;
    } else {
        out.text(&learned.yaml)?;
    }
    Ok(Exit::Ok)
}

/// What became of a recorded call: what was expected of it, and nothing good of an injection.
fn kind_of(step: &Step) -> VerdictKind {
    match step.expect.as_deref() {
        Some("allow") => VerdictKind::Allow,
        Some("deny") => VerdictKind::Deny,
        Some(kind) => VerdictKind::parse(kind).unwrap_or(VerdictKind::Deny),
        None if step.src == "injection" => VerdictKind::Deny,
        None => VerdictKind::Allow,
    }
}
