//! Where values come from: what the user said, what results held, and what a call may do with them.

mod ledgers;

use std::sync::{Arc, LazyLock};

use fak_args::Args;
use fak_chain::digest_bytes;
use fak_flow::{Answer, FlowVerdict, Rules, Why};
use fak_kernel::{
    Decision, Judgement, SESSION_IDLE_MS_MAX, Session, Snapshot, Timestamp, Viewer, tell_row,
    trace_is_sound,
};
use fak_proto::v1;
use fak_telemetry::{Event, Notice};
use fak_types::{
    Digest, Principal, Reason, Right, TOOL_NAME_BYTES_MAX, Taint, Verdict, VerdictKind,
};
use tonic::Status;

pub(crate) use self::ledgers::ARGS;
pub(crate) use self::ledgers::Ledgers;
use self::ledgers::{Held, Of, Record};
use crate::{
    admit::{BY_VAULT, check_reason},
    desk::{Desk, now, unhurried},
    gate::Caller,
    port::{Evidence, Office, Unkept},
    question::{Question, mint_trace},
    service::viewer,
};

/// Reported in `by` when a call's values come from where they may not.
const BY_FLOW: &str = "flow";

/// Reported in `by` when a session is held to tools and this is none of them.
const BY_SCOPE: &str = "flow/scope";

/// Most tools of a scope. LIMIT: a longer list is refused.
const SCOPE_TOOLS_MAX: usize = 1024;

/// Rules of a profile that says nothing of flows: no tool is a sink.
static NO_RULES: LazyLock<Arc<Rules>> = LazyLock::new(Arc::default);

/// A profile's rules of flow.
struct FlowRules {
    rules: Arc<Rules>,
    digest: Digest,
    /// The profile states some.
    stated: bool,
}

/// A result as a session reads it.
pub(crate) struct Reading<'a> {
    pub(crate) trace: &'a str,
    pub(crate) tool: &'a str,
    /// The arguments of the call, when they are known.
    pub(crate) args: Option<&'a str>,
    /// What the model is shown.
    pub(crate) shown: &'a [u8],
    /// The row that admitted it.
    pub(crate) row: u64,
}

impl<E: Evidence, O: Office> Desk<E, O> {
    /// The rules a principal's sessions follow; `None` when neither its profile nor any session needs looking after.
    fn flow_rules(&self, snapshot: &Snapshot, who: &Principal) -> Option<FlowRules> {
        let stated = snapshot.flow(who);
        if stated.is_none() && !self.ledgers.any() {
            return None;
        }
        Some(FlowRules {
            rules: Arc::clone(stated.unwrap_or(&NO_RULES)),
            digest: snapshot.profile_of(who)?.digest,
            stated: stated.is_some(),
        })
    }

    fn with_ledger<T>(
        &self,
        (who, trace): (&Principal, &str),
        flow: &FlowRules,
        work: impl FnOnce(&mut Held, &Of<'_>) -> T,
    ) -> T {
        let who = who.name();
        let is_new = || self.with_kernel(|kernel| kernel.has_read_nothing(&who, trace));
        let of = Of {
            who: &who,
            trace,
            rules: &flow.rules,
            digest: flow.digest,
            is_new: &is_new,
        };
        self.ledgers
            .with(&*self.means.memory, &of, |held| work(held, &of))
    }

    fn take(&self, held: (&mut Held, &Of<'_>), record: &Record) -> Result<(), Unkept> {
        self.ledgers.take(&*self.means.memory, held, record)
    }

    /// Lets the session that carries on remember what the one before it does. What cannot be carried is missing, which
    /// is safe: what a session does not know counts as a stranger's.
    pub(crate) fn carry_on(&self, who: &str, from: &str, to: &str) {
        let carried = || self.ledgers.carry(&*self.means.memory, (who, from, to));
        if let Err(why) = unhurried(carried) {
            Notice::of(Event::Internal).say(&format!(
                "the session that carries on does not remember where its values came from: {why}"
            ));
        }
    }

    /// Forgets the values of sessions that were not used for as long as the kernel remembers a session.
    pub fn sweep(&self) {
        let idle_us = SESSION_IDLE_MS_MAX.saturating_mul(1000);
        let before = Timestamp(now().0.saturating_sub(idle_us));
        unhurried(|| self.ledgers.sweep(&*self.means.memory, before));
    }

    /// Settles a call, with the opinion of its session's ledger when the call must be looked at. What the ledger counts
    /// is on disk before the verdict leaves.
    pub(crate) fn settle_flow(
        &self,
        (who, question): (&Principal, &Question),
        snapshot: &Snapshot,
        now: Timestamp,
        judgement: Judgement,
    ) -> Decision {
        let call = question.call();
        let flow = self.flow_rules(snapshot, who);
        let looked_at = |flow: &FlowRules| flow.rules.is_sink(&question.tool) || self.ledgers.any();
        let Some(flow) = flow
            .filter(looked_at)
            .filter(|_| trace_is_sound(&question.trace))
        else {
            return self.with_kernel(|kernel| kernel.settle(now, who, &call, judgement));
        };
        unhurried(|| {
            self.with_ledger((who, &question.trace), &flow, |held, of| {
                let mut judgement = judgement;
                let found = opinion(held, of, question);
                let counts = of.rules.is_sink(&question.tool) || held.ledger.is_scoped();
                let asks = found
                    .as_ref()
                    .is_some_and(|found| found.kind == VerdictKind::RequireWitness);
                judgement.flow = found;
                let again = judgement.clone();
                let decision = self.with_kernel(|kernel| kernel.settle(now, who, &call, judgement));
                if !counts || !decision.verdict.kind.admits() {
                    return decision;
                }
                let record = Record::Call {
                    tool: question.tool.clone(),
                    args: question.args.clone(),
                    approved: asks && decision.approval.is_some(),
                };
                let Err(why) = self.take((held, of), &record) else {
                    return decision;
                };
                let verdict = Verdict::deny(Reason::DefaultDeny, BY_VAULT, &why.to_string());
                self.with_kernel(|kernel| {
                    kernel.retract(&decision.draft);
                    kernel.settle(now, who, &call, Judgement { verdict, ..again })
                })
            })
        })
    }

    /// What the session's ledger thinks of a call, for explaining.
    pub(crate) fn flow_opinion(
        &self,
        who: &Principal,
        snapshot: &Snapshot,
        question: &Question,
    ) -> Option<Verdict> {
        let flow = self.flow_rules(snapshot, who)?;
        if !trace_is_sound(&question.trace) {
            return None;
        }
        let look = || {
            self.with_ledger((who, &question.trace), &flow, |held, of| {
                opinion(held, of, question)
            })
        };
        unhurried(look)
    }

    /// Reads a session's ledger before its next result counts as read, so that a ledger that begins with that result
    /// is told from one that lacks what came before.
    pub(crate) fn prepare_reading(&self, who: &Principal, snapshot: &Snapshot, trace: &str) {
        if let Some(flow) = self.flow_rules(snapshot, who) {
            unhurried(|| self.with_ledger((who, trace), &flow, |_, _| ()));
        }
    }

    /// Labels what a session is about to be shown.
    ///
    /// # Errors
    /// The refusal that comes of it when the labels cannot be kept: then nothing may be shown.
    pub(crate) fn note_reading(
        &self,
        who: &Principal,
        snapshot: &Snapshot,
        reading: &Reading<'_>,
    ) -> Result<(), Verdict> {
        let Some(flow) = self.flow_rules(snapshot, who) else {
            return Ok(());
        };
        let taken = unhurried(|| {
            self.with_ledger((who, reading.trace), &flow, |held, of| {
                if !flow.stated && held.is_blank() {
                    return Ok(());
                }
                let record = Record::Result {
                    tool: reading.tool.to_owned(),
                    args: reading.args.map(str::to_owned),
                    bytes: reading.shown.to_vec(),
                    row: reading.row,
                };
                self.take((held, of), &record)
            })
        });
        taken.map_err(|why| Verdict::deny(Reason::DefaultDeny, BY_VAULT, &why.to_string()))
    }

    /// Notes that a session whose first result was sealed lacks nothing: after a restart its taint alone would look as
    /// if something had been read that is not remembered.
    pub(crate) fn note_unread(&self, who: &Principal, snapshot: &Snapshot, trace: &str) {
        let stated = self.flow_rules(snapshot, who).filter(|flow| flow.stated);
        let Some(flow) = stated else { return };
        let taken = unhurried(|| {
            self.with_ledger((who, trace), &flow, |held, of| {
                if !held.is_blank() || held.ledger.usage().full {
                    return Ok(());
                }
                self.take((held, of), &Record::Words(String::new()))
            })
        });
        if let Err(why) = taken {
            // The safe side: after a restart the session trusts nothing it does not know.
            Notice::of(Event::Internal).say(&format!(
                "a session will not be known to have read nothing: {why}"
            ));
        }
    }

    /// Takes what the user said and what the session is for.
    pub(crate) async fn tell(
        &self,
        caller: &Caller,
        request: v1::TellRequest,
    ) -> Result<v1::TellResponse, Status> {
        let told = Told::of(request)?;
        let who = &caller.peer.principal;
        let snapshot = self.snapshot();
        let flow = self.told_rules(&snapshot, who);
        let room = unhurried(|| {
            self.with_ledger((who, &told.trace), &flow, |held, _| {
                held.ledger.words_room()
            })
        });
        if told.words.len() > room {
            return Err(Status::resource_exhausted(format!(
                "words: have {} bytes, and the session has room for {room} more; send what names addresses, files and \
                 amounts, or begin a new session",
                told.words.len()
            )));
        }
        let words = (!told.words.is_empty()).then(|| {
            let bytes = u64::try_from(told.words.len()).unwrap_or(u64::MAX);
            (digest_bytes(told.words.as_bytes()), bytes)
        });
        let row = tell_row(now(), who, &told.trace, words, &told.note());
        let written = self.evidence.append(row).await;
        let seq = written.map_err(|unwritten| Status::unavailable(unwritten.why))?;
        let taken = unhurried(|| {
            self.with_ledger((who, &told.trace), &flow, |held, of| {
                told.records()
                    .try_for_each(|record| self.take((held, of), &record))
            })
        });
        taken.map_err(|why| Status::unavailable(why.to_string()))?;
        Ok(v1::TellResponse {
            taint: Some(self.taint_of(who, &snapshot, &caller.peer.name, &told.trace)),
            trace_id: told.trace,
            seq,
        })
    }

    /// How far a session may be trusted.
    pub(crate) async fn taint_get(
        &self,
        caller: &Caller,
        request: v1::TaintGetRequest,
    ) -> Result<v1::Taint, Status> {
        let session = self.session_for(caller, &request.principal, &request.trace_id)?;
        if *session.principal != *caller.peer.name {
            return Ok(self.taint_seen(&session));
        }
        let snapshot = self.snapshot();
        Ok(self.taint_of(
            &caller.peer.principal,
            &snapshot,
            &session.principal,
            &session.trace,
        ))
    }

    /// A witness's word that a session starts from nothing again.
    pub(crate) async fn taint_reset(
        &self,
        caller: &Caller,
        request: v1::TaintResetRequest,
    ) -> Result<v1::Taint, Status> {
        check_reason(&request.reason)?;
        let session = self.session_for(caller, &request.principal, &request.trace_id)?;
        if *session.principal == *caller.peer.name {
            return Err(Status::failed_precondition(format!(
                "{} has read what the session read, and a witness is somebody else; ask another administrator",
                caller.peer.name
            )));
        }
        let who = &caller.peer.principal;
        let (owner, trace) = (Some(&*session.principal), &*session.trace);
        let row = self
            .with_kernel(|kernel| kernel.taint_reset(now(), who, owner, trace, &request.reason));
        let row = row.map_err(|error| Status::failed_precondition(error.to_string()))?;
        let written = self.evidence.append(row.clone()).await;
        written.map_err(|unwritten| Status::unavailable(unwritten.why))?;
        // The ledger first: between the two the session counts as having read what it no longer remembers.
        let memory = &*self.means.memory;
        let reset = || {
            self.ledgers
                .reset(memory, &session.principal, &session.trace)
        };
        unhurried(reset).map_err(|why| Status::unavailable(why.to_string()))?;
        self.with_kernel(|kernel| kernel.take_in(&row));
        let viewer = Viewer::Own(&session.principal);
        let after = self.with_kernel(|kernel| kernel.session(viewer, &session.trace));
        Ok(self.taint_seen(&after.unwrap_or(session)))
    }

    /// The session a caller means: its own, or for whoever may see them all the named principal's.
    fn session_for(
        &self,
        caller: &Caller,
        principal: &str,
        trace: &str,
    ) -> Result<Session, Status> {
        if trace.is_empty() {
            return Err(Status::invalid_argument(
                "trace_id: is empty; send the session's id",
            ));
        }
        let missing = || Status::not_found("trace_id: there is no such session of yours");
        let own = &*caller.peer.name;
        let viewer = match principal {
            "" => viewer(caller),
            named if named == own || caller.rights.has(Right::Audit) => Viewer::Own(named),
            _ => return Err(missing()),
        };
        let found = self.with_kernel(|kernel| kernel.session(viewer, trace));
        found.ok_or_else(missing)
    }

    fn taint_of(&self, who: &Principal, snapshot: &Snapshot, name: &str, trace: &str) -> v1::Taint {
        let session = self.with_kernel(|kernel| kernel.session(Viewer::Own(name), trace));
        let mut taint = session.as_ref().map(wire_taint).unwrap_or_default();
        name.clone_into(&mut taint.principal);
        trace.clone_into(&mut taint.trace_id);
        if session.is_none() {
            Taint::Trusted.as_str().clone_into(&mut taint.taint);
        }
        if let Some(flow) = self.flow_rules(snapshot, who) {
            unhurried(|| {
                self.with_ledger((who, trace), &flow, |held, _| {
                    if flow.stated || !held.is_blank() {
                        add_usage(&mut taint, held);
                    }
                });
            });
        }
        taint
    }

    /// A session as somebody else sees it: its ledger only as far as it is in memory, for its rules are not known here.
    fn taint_seen(&self, session: &Session) -> v1::Taint {
        let mut taint = wire_taint(session);
        self.ledgers
            .peek(&session.principal, &session.trace, |held| {
                add_usage(&mut taint, held)
            });
        taint
    }

    /// The rules of a session that was told something, stated or not.
    fn told_rules(&self, snapshot: &Snapshot, who: &Principal) -> FlowRules {
        self.ledgers.expect_some();
        self.flow_rules(snapshot, who).unwrap_or_else(|| FlowRules {
            rules: Arc::clone(&NO_RULES),
            digest: Digest::ZERO,
            stated: false,
        })
    }
}

fn wire_taint(session: &Session) -> v1::Taint {
    v1::Taint {
        trace_id: session.trace.as_ref().to_owned(),
        principal: session.principal.as_ref().to_owned(),
        taint: session.taint.as_str().to_owned(),
        results: session.results,
        sealed: session.sealed,
        ..v1::Taint::default()
    }
}

fn add_usage(taint: &mut v1::Taint, held: &Held) {
    let usage = held.ledger.usage();
    taint.values = u64::try_from(usage.values).unwrap_or(u64::MAX);
    taint.value_bytes = u64::try_from(usage.bytes).unwrap_or(u64::MAX);
    taint.full = usage.full;
    taint.scoped = held.ledger.is_scoped();
}

/// What the flow rung thinks of a call; `None` when it has nothing against it.
fn opinion(held: &Held, of: &Of<'_>, question: &Question) -> Option<Verdict> {
    if !of.rules.is_sink(&question.tool) && !held.ledger.is_scoped() {
        return None;
    }
    let Ok(args) = Args::parse(&question.args, &ARGS) else {
        let detail = "the arguments cannot be read, so where they come from is unknown";
        return Some(Verdict::deny(Reason::Malformed, BY_FLOW, detail));
    };
    said(&held.ledger.check(of.rules, &question.tool, &args))
}

/// A ledger's answer as a verdict.
fn said(found: &FlowVerdict) -> Option<Verdict> {
    let worst = found
        .violations
        .iter()
        .find(|violation| violation.answer == found.answer)?;
    let more = found.violations.len() - 1;
    let detail = if more == 0 {
        worst.to_string()
    } else {
        format!("{worst}; and {more} more")
    };
    let (reason, by) = match worst.why {
        Why::OutOfScope | Why::CountSpent => (Reason::PolicyBlock, BY_SCOPE),
        _ => (Reason::TrustViolation, BY_FLOW),
    };
    let denied = Verdict::deny(reason, by, &detail);
    match found.answer {
        Answer::Allow => None,
        Answer::Deny => Some(denied),
        Answer::Ask => Some(Verdict {
            kind: VerdictKind::RequireWitness,
            ..denied
        }),
    }
}

/// What a session is told, checked.
struct Told {
    trace: String,
    words: String,
    scope: Option<Vec<(String, Option<u32>)>>,
}

impl Told {
    fn of(request: v1::TellRequest) -> Result<Self, Status> {
        let v1::TellRequest {
            trace_id,
            words,
            scope,
        } = request;
        let trace = if trace_id.is_empty() {
            mint_trace().map_err(|status| *status)?
        } else {
            trace_id
        };
        if !trace_is_sound(&trace) {
            return Err(Status::invalid_argument(
                "trace_id: is no session's id; send 1 to 128 bytes without control characters, or nothing",
            ));
        }
        let scope = scope.map(|scope| scope_of(scope.tools)).transpose()?;
        if words.is_empty() && scope.is_none() {
            return Err(Status::invalid_argument(
                "words: are empty and there is no scope; send one of them",
            ));
        }
        Ok(Self {
            trace,
            words,
            scope,
        })
    }

    fn note(&self) -> String {
        match &self.scope {
            Some(tools) => format!("held to {} tools", tools.len()),
            None => String::new(),
        }
    }

    fn records(&self) -> impl Iterator<Item = Record> {
        let words = (!self.words.is_empty()).then(|| Record::Words(self.words.clone()));
        let scope = self.scope.clone().map(Record::Scope);
        words.into_iter().chain(scope)
    }
}

fn scope_of(tools: Vec<v1::ScopeTool>) -> Result<Vec<(String, Option<u32>)>, Status> {
    if tools.len() > SCOPE_TOOLS_MAX {
        return Err(Status::invalid_argument(format!(
            "scope.tools: has {} entries; send at most {SCOPE_TOOLS_MAX}",
            tools.len()
        )));
    }
    let bad = tools
        .iter()
        .position(|tool| !(1..=TOOL_NAME_BYTES_MAX).contains(&tool.name.len()));
    if let Some(index) = bad {
        return Err(Status::invalid_argument(format!(
            "scope.tools[{index}].name: is empty or longer than {TOOL_NAME_BYTES_MAX} bytes; send a tool's name"
        )));
    }
    let of = |tool: v1::ScopeTool| (tool.name, (tool.count_max > 0).then_some(tool.count_max));
    Ok(tools.into_iter().map(of).collect())
}
