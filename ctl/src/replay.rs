//! `run`: a recorded session, call by call, as a table of verdicts.

use std::{collections::BTreeMap, fmt::Write as _};

use fak_proto::v1::Verdict;
use fak_types::VerdictKind;
use serde::Serialize;

use crate::{
    answer::{VerdictObject, tint_of, verdict_of},
    client::Daemon,
    exit::{Exit, Failure, Outcome},
    flags::RunFlags,
    offline::Judge,
    out::{Out, Tint, clip, compact, plain, table},
    trace::{self, Recorded, Step},
};

/// Widest preview of a call's arguments in the table.
const PREVIEW_WIDTH: usize = 48;

/// A step and what was said about it.
struct Judged {
    step: Step,
    verdict: Verdict,
    /// Whether the verdict is the one recorded; `None` when none was, or nobody asked.
    met: Option<bool>,
}

/// Replays every session of a trace file.
pub(crate) fn run(out: &Out, daemon: &Daemon, flags: &RunFlags) -> Outcome {
    let sessions = trace::read(&flags.trace)?;
    let replayed: Vec<(String, Vec<Judged>)> = if flags.offline {
        let judge = Judge::load(flags.policy.as_deref())?;
        let mut replayed = Vec::new();
        for (number, recorded) in sessions.into_iter().enumerate() {
            replayed.push(offline(&judge, recorded, number, flags.expect)?);
        }
        replayed
    } else {
        online(daemon, sessions, flags.expect)?
    };
    let tally = Tally::of(&replayed);
    if out.json {
        out.object(&RunObject::of(&replayed, &tally))?;
    } else {
        let mut text = String::new();
        for (name, steps) in &replayed {
            text.push_str(&session_text(out, name, steps, flags.expect));
        }
        text.push_str(&tally.text(out));
        out.text(&text)?;
    }
    Ok(if tally.missed > 0 { Exit::No } else { Exit::Ok })
}

fn offline(
    judge: &Judge,
    recorded: Recorded,
    number: usize,
    expect: bool,
) -> Result<(String, Vec<Judged>), Failure> {
    let mut judged = Vec::new();
    for mut step in recorded.steps {
        if step.request.trace_id.is_empty() {
            step.request.trace_id = format!("session-{}", number + 1);
        }
        let verdict = judge.answer(&step.request, false)?.verdict;
        judged.push(compared(step, verdict, expect));
    }
    Ok((recorded.name, judged))
}

fn online(
    daemon: &Daemon,
    sessions: Vec<Recorded>,
    expect: bool,
) -> Result<Vec<(String, Vec<Judged>)>, Failure> {
    daemon.converse(async |mut client| {
        let mut replayed = Vec::new();
        for recorded in sessions {
            let mut judged = Vec::new();
            let mut minted = String::new();
            for mut step in recorded.steps {
                if step.request.trace_id.is_empty() {
                    step.request.trace_id.clone_from(&minted);
                }
                let asked = client.adjudicate(step.request.clone());
                let response = daemon
                    .in_time(asked)
                    .await?
                    .map_err(|status| daemon.failed(&status))?
                    .into_inner();
                minted.clone_from(&response.trace_id);
                judged.push(compared(step, verdict_of(&response), expect));
            }
            replayed.push((recorded.name, judged));
        }
        Ok(replayed)
    })
}

fn compared(step: Step, verdict: Verdict, expect: bool) -> Judged {
    let met = step
        .expect
        .as_deref()
        .filter(|_| expect)
        .map(|wanted| meets(wanted, &verdict));
    Judged { step, verdict, met }
}

/// `allow` is anything that runs, `deny` anything that does not; else the verdict kind itself.
fn meets(wanted: &str, verdict: &Verdict) -> bool {
    let admits = VerdictKind::parse(&verdict.kind).is_some_and(VerdictKind::admits);
    match wanted {
        "allow" => admits,
        "deny" => !admits,
        kind => kind == verdict.kind,
    }
}

fn session_text(out: &Out, name: &str, steps: &[Judged], expect: bool) -> String {
    let mut text = String::new();
    if !name.is_empty() {
        let _ = writeln!(text, "{}", out.paint(Tint::Bold, &plain(name)));
    }
    let with_src = steps.iter().any(|judged| !judged.step.src.is_empty());
    let mut rows = Vec::new();
    for (index, Judged { step, verdict, met }) in steps.iter().enumerate() {
        let reason = if verdict.reason == "NONE" {
            ""
        } else {
            &verdict.reason
        };
        let mut row = vec![(format!("{:>3}", index + 1), Some(Tint::Dim))];
        if with_src {
            let tint = (step.src == "injection").then_some(Tint::Warn);
            row.push((clip(&plain(&step.src), 10).into_owned(), tint));
        }
        row.extend([
            (clip(&plain(&step.request.tool), 24).into_owned(), None),
            (
                clip(&plain(&compact(step.args())), PREVIEW_WIDTH).into_owned(),
                Some(Tint::Dim),
            ),
            (plain(&verdict.kind).into_owned(), Some(tint_of(verdict))),
            (plain(reason).into_owned(), None),
            (plain(&verdict.by).into_owned(), None),
        ]);
        if expect {
            row.push(match met {
                None => (String::new(), None),
                Some(true) => ("as expected".to_owned(), Some(Tint::Good)),
                Some(false) => {
                    let wanted = step.expect.as_deref().unwrap_or_default();
                    (format!("EXPECTED {}", plain(wanted)), Some(Tint::Bad))
                }
            });
        }
        rows.push(row);
    }
    text.push_str(&table(out, &rows));
    text.push_str(&reasons(out, steps));
    text.push('\n');
    text
}

/// Why each refused call was refused, in fakd's words.
fn reasons(out: &Out, steps: &[Judged]) -> String {
    let mut text = String::new();
    for (index, Judged { verdict, .. }) in steps.iter().enumerate() {
        let told = [verdict.detail.as_str(), verdict.hint.as_str()];
        let told: Vec<_> = told
            .into_iter()
            .filter(|part| !part.is_empty())
            .map(plain)
            .collect();
        if !told.is_empty() && !VerdictKind::parse(&verdict.kind).is_some_and(VerdictKind::admits) {
            let number = format!("{:>3}", index + 1);
            let _ = writeln!(
                text,
                "{}  refused: {}",
                out.paint(Tint::Dim, &number),
                told.join("; instead: ")
            );
        }
    }
    text
}

/// Counts over all sessions.
#[derive(Default, Serialize)]
struct Tally {
    calls: usize,
    allowed: usize,
    transformed: usize,
    refused: usize,
    needs_approval: usize,
    met: usize,
    missed: usize,
    by_reason: BTreeMap<String, usize>,
}

impl Tally {
    fn of(replayed: &[(String, Vec<Judged>)]) -> Self {
        let mut tally = Self::default();
        for Judged { verdict, met, .. } in replayed.iter().flat_map(|(_, steps)| steps) {
            tally.calls += 1;
            match VerdictKind::parse(&verdict.kind) {
                Some(VerdictKind::Allow) => tally.allowed += 1,
                Some(VerdictKind::Transform) => tally.transformed += 1,
                Some(VerdictKind::RequireWitness) => tally.needs_approval += 1,
                _ => tally.refused += 1,
            }
            if !verdict.reason.is_empty() && verdict.reason != "NONE" {
                *tally.by_reason.entry(verdict.reason.clone()).or_default() += 1;
            }
            match met {
                Some(true) => tally.met += 1,
                Some(false) => tally.missed += 1,
                None => {}
            }
        }
        tally
    }

    fn text(&self, out: &Out) -> String {
        let mut text = format!(
            "{} calls: {} allowed, {} transformed, {} refused, {} for approval",
            self.calls, self.allowed, self.transformed, self.refused, self.needs_approval
        );
        let reasons: Vec<_> = self
            .by_reason
            .iter()
            .map(|(reason, count)| format!("{count} {}", plain(reason)))
            .collect();
        if !reasons.is_empty() {
            let _ = write!(text, " ({})", reasons.join(", "));
        }
        text.push('\n');
        if self.met + self.missed > 0 {
            let said = format!("expectations: {} met, {} missed", self.met, self.missed);
            let _ = writeln!(
                text,
                "{}",
                out.paint(
                    if self.missed == 0 {
                        Tint::Good
                    } else {
                        Tint::Bad
                    },
                    &said
                )
            );
        }
        text
    }
}

#[derive(Serialize)]
struct RunObject<'a> {
    sessions: Vec<SessionObject<'a>>,
    summary: &'a Tally,
}

#[derive(Serialize)]
struct SessionObject<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    steps: Vec<StepObject<'a>>,
}

#[derive(Serialize)]
struct StepObject<'a> {
    index: usize,
    tool: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    src: &'a str,
    verdict: VerdictObject<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expect: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    met: Option<bool>,
}

impl<'a> RunObject<'a> {
    fn of(replayed: &'a [(String, Vec<Judged>)], summary: &'a Tally) -> Self {
        let step = |(index, judged): (usize, &'a Judged)| StepObject {
            index: index + 1,
            tool: &judged.step.request.tool,
            src: &judged.step.src,
            verdict: VerdictObject::of(&judged.verdict),
            expect: judged.step.expect.as_deref(),
            met: judged.met,
        };
        let sessions = replayed
            .iter()
            .map(|(name, steps)| SessionObject {
                name,
                steps: steps.iter().enumerate().map(step).collect(),
            })
            .collect();
        Self { sessions, summary }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations_compare_what_happens_or_the_kind() {
        let verdict = |kind: &str| Verdict {
            kind: kind.into(),
            ..Verdict::default()
        };
        for (wanted, kind, met) in [
            ("allow", "ALLOW", true),
            ("allow", "TRANSFORM", true),
            ("allow", "REQUIRE_WITNESS", false),
            ("deny", "DENY", true),
            ("deny", "REQUIRE_WITNESS", true),
            ("deny", "KIND_9", true),
            ("deny", "ALLOW", false),
            ("REQUIRE_WITNESS", "REQUIRE_WITNESS", true),
            ("DENY", "REQUIRE_WITNESS", false),
        ] {
            assert_eq!(meets(wanted, &verdict(kind)), met, "{wanted} {kind}");
        }
    }
}
