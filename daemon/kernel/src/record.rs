//! The rows this kernel writes.

use fak_chain::{Draft, RecordKind, TEXT_BYTES_MAX};
use fak_types::{Principal, ToolCall, Verdict, VerdictKind};

use crate::{
    Timestamp,
    form::trace_is_sound,
    judge::{Judgement, Snapshot},
    limit::{Limit, to_notes},
    rungs::tool_name,
    terms::{Budget, Pace, Terms},
    words::{Note, Words},
};

/// `subject` of the POLICY row that begins a generation.
pub const ABOUT_GENERATION: &str = "generation";
/// `subject` of a POLICY row that states one profile of the generation, with its quotas in `note`.
pub const ABOUT_PROFILE: &str = "profile";
/// `subject` of a POLICY row about a policy that was not taken into force.
pub const ABOUT_REFUSED: &str = "refused";

/// DECIDE for what is admitted, DENY for everything else.
pub(crate) fn verdict_row(
    now: Timestamp,
    who: &Principal,
    call: &ToolCall<'_>,
    verdict: &Verdict,
    judgement: &Judgement,
) -> Draft {
    let kind = if verdict.kind.admits() {
        RecordKind::Decide
    } else {
        RecordKind::Deny
    };
    Draft {
        trace: trace_id(call).to_owned(),
        tool: tool_name(call).into_owned(),
        verdict: verdict.kind.as_str().to_owned(),
        reason: verdict.reason.as_str().to_owned(),
        by: verdict.by.as_ref().to_owned(),
        disposition: verdict
            .disposition()
            .map_or("", |word| word.as_str())
            .to_owned(),
        would_deny: verdict
            .would_deny
            .map_or("", |reason| reason.as_str())
            .to_owned(),
        args_digest: Some(judgement.args_digest),
        args_bytes: u64::try_from(call.args.len()).unwrap_or(u64::MAX),
        profile: judgement.profile.as_ref().to_owned(),
        policy: Some(judgement.policy),
        generation: judgement.generation,
        note: verdict.detail.as_str().to_owned(),
        ..by_principal(kind, now, who)
    }
}

/// The trace id as records and quotas keep it: empty when the caller's names no session.
pub(crate) fn trace_id<'a>(call: &ToolCall<'a>) -> &'a str {
    if trace_is_sound(call.trace) {
        call.trace
    } else {
        ""
    }
}

/// The rows of a policy that comes into force.
pub(crate) fn policy_rows(now: Timestamp, snapshot: &Snapshot) -> Vec<Draft> {
    let profiles = snapshot.profiles();
    let mut rows = vec![Draft {
        subject: ABOUT_GENERATION.to_owned(),
        generation: snapshot.generation(),
        policy: Some(snapshot.digest()),
        count: u64::try_from(profiles.len()).unwrap_or(u64::MAX),
        ..Draft::new(RecordKind::Policy, now.0)
    }];
    for profile in profiles {
        let limits: Vec<Limit> = profile
            .rate_limits
            .iter()
            .enumerate()
            .flat_map(|(index, rule)| Limit::of_rule(index, rule))
            .collect();
        rows.extend(
            to_notes(&limits, TEXT_BYTES_MAX)
                .into_iter()
                .chain(terms_note(&profile.terms))
                .map(|note| Draft {
                    subject: ABOUT_PROFILE.to_owned(),
                    profile: profile.name.as_ref().to_owned(),
                    policy: Some(profile.digest),
                    generation: snapshot.generation(),
                    note,
                    ..Draft::new(RecordKind::Policy, now.0)
                }),
        );
    }
    rows
}

/// What begins the note of a profile's row that says what sessions are given.
const TERMS: &str = "session=given";

/// What a profile gives its sessions, as its row says it; `None` for a profile that gives no bounds.
fn terms_note(terms: &Terms) -> Option<String> {
    let (budget, pace) = (&terms.budget, &terms.pace);
    if *budget == Budget::default() && *pace == Pace::default() {
        return None;
    }
    let said = Words::default()
        .word("session", "given")
        .maybe("turns", budget.turns.map(Some))
        .maybe("tokens", budget.tokens.map(Some))
        .maybe("cost_micros", budget.cost_micros.map(Some))
        .maybe("context_tokens", budget.context_tokens.map(Some))
        .maybe("turn_tokens", pace.turn_tokens_max.map(Some))
        .maybe("turn_gap_ms", pace.turn_gap_ms_min.map(Some));
    Some(said.text(""))
}

/// What a profile's row gives its sessions, when it does.
pub(crate) fn terms_of(note: &str) -> Option<(Budget, Pace)> {
    if !note.starts_with(TERMS) {
        return None;
    }
    let note = Note::read(note);
    let budget = Budget {
        turns: note.number("turns"),
        tokens: note.number("tokens"),
        context_tokens: note.number("context_tokens"),
        cost_micros: note.number("cost_micros"),
    };
    let pace = Pace {
        turn_tokens_max: note.number("turn_tokens"),
        turn_gap_ms_min: note.number("turn_gap_ms"),
    };
    Some((budget, pace))
}

/// The row of a policy that was refused and left the one in force in force.
#[must_use]
pub fn policy_refused(now: Timestamp, who: Option<&Principal>, why: &str) -> Draft {
    let base = match who {
        Some(who) => by_principal(RecordKind::Policy, now, who),
        None => Draft::new(RecordKind::Policy, now.0),
    };
    Draft {
        subject: ABOUT_REFUSED.to_owned(),
        note: why.to_owned(),
        ..base
    }
}

/// The row of a request that was refused before any judging: who asked for what, and why not.
#[must_use]
pub fn rpc_refused(now: Timestamp, who: &Principal, method: &str, why: &str) -> Draft {
    Draft {
        subject: method.to_owned(),
        note: why.to_owned(),
        ..by_principal(RecordKind::Refused, now, who)
    }
}

/// Whether a row admits a call. A verdict this build does not know counts as a denial.
pub(crate) fn admitted(draft: &Draft) -> bool {
    draft.kind == RecordKind::Decide
        && VerdictKind::parse(&draft.verdict).is_some_and(VerdictKind::admits)
}

pub(crate) fn by_principal(kind: RecordKind, now: Timestamp, who: &Principal) -> Draft {
    let pid = match who {
        Principal::Local { pid, .. } => *pid,
        Principal::Key(_) | Principal::Node(_) => 0,
    };
    Draft {
        who: who.name(),
        pid,
        ..Draft::new(kind, now.0)
    }
}
