//! `approvals`: calls that wait for somebody other than who asked.

mod claims;

use std::{
    cell::Cell,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use fak_proto::v1::{
    Approval, ApprovalListRequest, ApprovalListResponse, ApprovalWatchRequest, ApproveRequest,
    Evidence,
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio_stream::StreamExt as _;
use tonic::{Code, Status};

use crate::{
    answer::is_zero,
    client::{Daemon, Fak},
    exit::{Exit, Failure, Outcome},
    flags::{ApprovalsVerb, ApproveFlags},
    follow::{self, Follow, Patience, Trouble},
    operate::{age, hex, span},
    out::{self, Out, Tint, clip, plain, table},
    question,
    status::fetch_status,
};

/// Looks at what waits, or decides it.
pub(crate) fn approvals(out: &Out, daemon: &Daemon, verb: ApprovalsVerb) -> Outcome {
    match verb {
        ApprovalsVerb::List { all, limit } => list(out, daemon, all, limit),
        ApprovalsVerb::Show { id, args } => show(out, daemon, &id, args.as_deref()),
        ApprovalsVerb::Approve(flags) => approve(out, daemon, flags),
        ApprovalsVerb::Deny { id, reason } => {
            let request = ApproveRequest {
                id,
                approve: false,
                reason,
                evidence: Vec::new(),
            };
            decide(out, daemon, request, &[])
        }
        ApprovalsVerb::Watch { id: None, .. } => watch(out, daemon),
        ApprovalsVerb::Watch { id: Some(id), wait } => {
            let exit = decided(daemon, &id, wait, |approval| tell(out, approval))?;
            Ok(exit)
        }
    }
}

fn list(out: &Out, daemon: &Daemon, all: bool, limit: u32) -> Outcome {
    let request = ApprovalListRequest {
        all,
        limit,
        id: String::new(),
    };
    let list = daemon.call(async |mut client| client.approval_list(request).await)?;
    if out.json {
        #[derive(Serialize)]
        struct List<'a> {
            pending: u64,
            approvals: Vec<ApprovalObject<'a>>,
        }
        out.object(&List {
            pending: list.pending,
            approvals: list.approvals.iter().map(ApprovalObject::of).collect(),
        })?;
    } else {
        out.text(&list_text(out, &list))?;
    }
    Ok(Exit::Ok)
}

fn list_text(out: &Out, list: &ApprovalListResponse) -> String {
    let mut rows = vec![out::heads(&[
        "id", "state", "who", "tool", "by", "asked", "left", "claims",
    ])];
    rows.extend(list.approvals.iter().map(|approval| {
        vec![
            (plain(&approval.id).into_owned(), Some(Tint::Bold)),
            (plain(&approval.state).into_owned(), Some(tint(approval))),
            (clip(&plain(&approval.principal), 24).into_owned(), None),
            (clip(&plain(&approval.tool), 28).into_owned(), None),
            (plain(&approval.by).into_owned(), None),
            (age(ms(approval.asked_unix_ms)), None),
            (left(approval), None),
            (plain(&approval.claims.join(", ")).into_owned(), None),
        ]
    }));
    format!("{}{} waiting\n", table(out, &rows), list.pending)
}

/// One approval by its id.
///
/// # Errors
/// [`Exit::Missing`] when there is none the caller may see.
fn find(daemon: &Daemon, id: &str) -> Result<Approval, Failure> {
    let request = one(id);
    let list = daemon.call(async |mut client| client.approval_list(request).await)?;
    list.approvals
        .into_iter()
        .find(|approval| approval.id == id)
        .ok_or_else(|| missing(id))
}

fn one(id: &str) -> ApprovalListRequest {
    ApprovalListRequest {
        all: true,
        limit: 1,
        id: id.to_owned(),
    }
}

fn missing(id: &str) -> Failure {
    Failure::new(Exit::Missing, format!("no approval {}", plain(id)))
        .fix("`fakctl approvals list --all` shows those you may see; ids are whole")
}

fn show(out: &Out, daemon: &Daemon, id: &str, args: Option<&str>) -> Outcome {
    let approval = find(daemon, id)?;
    let given = args
        .map(|args| question::args_text(Some(args)))
        .transpose()?
        .map(|args| is_of_call(&approval, args.as_bytes()));
    if out.json {
        #[derive(Serialize)]
        struct One<'a> {
            approval: ApprovalObject<'a>,
            /// Whether the arguments that were given are those of the call.
            #[serde(skip_serializing_if = "Option::is_none")]
            args_match: Option<bool>,
        }
        out.object(&One {
            approval: ApprovalObject::of(&approval),
            args_match: given,
        })?;
    } else {
        let mut text = whole(out, &approval);
        match given {
            Some(true) => text.push_str("these are the arguments of the call\n"),
            Some(false) => text.push_str("these are NOT the arguments of the call\n"),
            None => {}
        }
        out.text(&text)?;
    }
    Ok(if given == Some(false) {
        Exit::No
    } else {
        Exit::Ok
    })
}

/// Whether the call that waits was asked with these arguments.
fn is_of_call(approval: &Approval, args: &[u8]) -> bool {
    let wanted = approval
        .args_digest
        .strip_prefix("sha256:")
        .unwrap_or(&approval.args_digest);
    wanted == hex(&Sha256::digest(args))
}

fn approve(out: &Out, daemon: &Daemon, flags: ApproveFlags) -> Outcome {
    let approval = find(daemon, &flags.id)?;
    if approval.state != "pending" {
        return Err(over(&approval));
    }
    // The daemon decides who may; whoever may not need not run anything to learn it.
    if let Ok(status) = fetch_status(daemon)
        && status.you.split_whitespace().next() == Some(approval.principal.as_str())
    {
        return Err(own(&approval));
    }
    let evidence = corroborated(&approval, &flags)?;
    let request = ApproveRequest {
        id: flags.id,
        approve: true,
        reason: flags.reason,
        evidence: evidence.clone(),
    };
    decide(out, daemon, request, &evidence)
}

/// What was seen of each claim. The place is looked at only when there is one: an approver may stand where they may not look.
fn corroborated(approval: &Approval, flags: &ApproveFlags) -> Result<Vec<Evidence>, Failure> {
    if approval.claims.is_empty() {
        return Ok(Vec::new());
    }
    let dir = match &flags.dir {
        Some(dir) => dir.clone(),
        None => std::env::current_dir().map_err(|error| Failure::reading(".", &error))?,
    };
    let hands = claims::Hands {
        dir: real(&dir)?,
        run_tests: flags.run_tests,
        test_time_max: flags.test_timeout,
    };
    let mut evidence = Vec::new();
    for claim in &approval.claims {
        let seen = hands.look(claim)?;
        evidence.push(Evidence {
            claim: claim.clone(),
            holds: true,
            seen,
        });
    }
    Ok(evidence)
}

fn real(dir: &Path) -> Result<PathBuf, Failure> {
    dir.canonicalize()
        .map_err(|error| Failure::reading(&dir.to_string_lossy(), &error))
}

fn decide(out: &Out, daemon: &Daemon, request: ApproveRequest, evidence: &[Evidence]) -> Outcome {
    let id = request.id.clone();
    let approval = daemon.call_or(
        async |mut client| client.approve(request).await,
        |status| undecided(daemon, &id, status),
    )?;
    if out.json {
        #[derive(Serialize)]
        struct Decided<'a> {
            approval: ApprovalObject<'a>,
            evidence: Vec<EvidenceObject<'a>>,
        }
        out.object(&Decided {
            approval: ApprovalObject::of(&approval),
            evidence: evidence.iter().map(EvidenceObject::of).collect(),
        })?;
    } else {
        let mut text = whole(out, &approval);
        for seen in evidence {
            text.push_str(&format!(
                "{}  {}  sha256:{}\n",
                out.paint(Tint::Good, "holds"),
                plain(&seen.claim),
                seen.seen
            ));
        }
        out.text(&text)?;
    }
    Ok(Exit::Ok)
}

/// What a refusal to decide means.
fn undecided(daemon: &Daemon, id: &str, status: &Status) -> Option<Failure> {
    let said = plain(status.message()).into_owned();
    match status.code() {
        Code::NotFound => Some(missing(id)),
        Code::FailedPrecondition | Code::Aborted => Some(
            Failure::new(Exit::No, said).fix("`fakctl approvals show ID` says where it stands"),
        ),
        Code::PermissionDenied => {
            let mut failure = daemon.failed(status);
            failure.fix = "an approval is given by an administrator who is not the one who asked: \
                           another user, or `sudo fakctl approvals approve ..`"
                .to_owned();
            Some(failure)
        }
        _ => None,
    }
}

fn own(approval: &Approval) -> Failure {
    Failure::new(
        Exit::NotPermitted,
        format!(
            "the call is {}'s own, and that is you: nobody is the witness of his own call",
            plain(&approval.principal)
        ),
    )
    .fix("have another administrator approve it")
}

fn over(approval: &Approval) -> Failure {
    let mut said = format!("it is {} already", plain(&approval.state));
    if !approval.decided_by.is_empty() {
        said.push_str(&format!(" by {}", plain(&approval.decided_by)));
    }
    if !approval.why.is_empty() {
        said.push_str(&format!(": {}", plain(&approval.why)));
    }
    Failure::new(Exit::No, said).fix("when the call is asked again, it may get another approval")
}

/// Every change, one line each.
fn watch(out: &Out, daemon: &Daemon) -> Outcome {
    let mut seen = follow::Seen::default();
    follow::stream(
        daemon,
        Exit::Ok,
        async |mut client| {
            client
                .approval_watch(ApprovalWatchRequest { id: String::new() })
                .await
        },
        |approval: Approval| {
            if seen.is_new(approval.id.clone(), approval.state.clone()) {
                tell(out, &approval)?;
            }
            Ok(Follow::On)
        },
    )
}

/// Follows one approval until it is decided; `on` hears every change once.
///
/// # Errors
/// [`Exit::Missing`] when there is none by that id; what keeps fakd from answering; whatever `on` says.
pub(crate) fn decided(
    daemon: &Daemon,
    id: &str,
    wait: Option<Duration>,
    mut on: impl FnMut(&Approval) -> Result<(), Failure>,
) -> Outcome {
    let mut seen = follow::Seen::default();
    let mut hear = |approval: &Approval| -> Result<Follow, Trouble> {
        if seen.is_new(String::new(), approval.state.clone()) {
            on(approval).map_err(Trouble::Final)?;
        }
        Ok(exit_of(approval).map_or(Follow::On, Follow::End))
    };
    let patience = Patience {
        wait,
        over: Exit::Approval,
    };
    follow::rounds(
        daemon,
        patience,
        async |mut client: Fak, heard: &Cell<bool>| {
            let failed = |status: Status| Trouble::of(daemon, &status);
            // It may have been decided while nobody listened.
            let list = daemon.in_time(client.approval_list(one(id))).await;
            let list = list
                .map_err(Trouble::Passing)?
                .map_err(failed)?
                .into_inner();
            heard.set(true);
            let now = list.approvals.iter().find(|approval| approval.id == id);
            let now = now.ok_or_else(|| Trouble::Final(missing(id)))?;
            if let Follow::End(exit) = hear(now)? {
                return Ok(Follow::End(exit));
            }
            let request = ApprovalWatchRequest { id: id.to_owned() };
            let opened = daemon.in_time(client.approval_watch(request)).await;
            let mut changes = opened
                .map_err(Trouble::Passing)?
                .map_err(failed)?
                .into_inner();
            while let Some(change) = changes.next().await {
                if let Follow::End(exit) = hear(&change.map_err(failed)?)? {
                    return Ok(Follow::End(exit));
                }
            }
            Ok(Follow::On)
        },
    )
}

/// How a decided one ends; nothing while it waits.
fn exit_of(approval: &Approval) -> Option<Exit> {
    match approval.state.as_str() {
        "pending" => None,
        "approved" | "spent" => Some(Exit::Ok),
        _ => Some(Exit::Deny),
    }
}

/// A change on one line, or as one object.
fn tell(out: &Out, approval: &Approval) -> Result<(), Failure> {
    if out.json {
        #[derive(Serialize)]
        struct One<'a> {
            approval: ApprovalObject<'a>,
        }
        return out.object(&One {
            approval: ApprovalObject::of(approval),
        });
    }
    let mut parts = vec![
        out.paint(Tint::Bold, &plain(&approval.id)).into_owned(),
        out.paint(tint(approval), &plain(&approval.state))
            .into_owned(),
        plain(&approval.principal).into_owned(),
        plain(&approval.tool).into_owned(),
        format!("by {}", plain(&approval.by)),
    ];
    let left = left(approval);
    if !left.is_empty() {
        parts.push(format!("{left} left"));
    }
    if !approval.decided_by.is_empty() {
        parts.push(format!("decided by {}", plain(&approval.decided_by)));
    }
    if !approval.why.is_empty() {
        parts.push(plain(&approval.why).into_owned());
    }
    out.text(&format!("{}\n", parts.join("  ")))
}

fn whole(out: &Out, approval: &Approval) -> String {
    let mut because = approval.by.clone();
    for part in [&approval.reason, &approval.detail] {
        if !part.is_empty() && part != "NONE" {
            because.push_str(": ");
            because.push_str(part);
        }
    }
    let mut rows = vec![
        ("approval", approval.id.clone()),
        ("state", approval.state.clone()),
        ("who asks", approval.principal.clone()),
        ("session", approval.trace_id.clone()),
        ("tool", approval.tool.clone()),
        ("arguments", approval.args_digest.clone()),
        ("because", because),
        ("asked", age(ms(approval.asked_unix_ms))),
        ("left", left(approval)),
        ("decided by", approval.decided_by.clone()),
        ("why", approval.why.clone()),
    ];
    rows.extend(approval.claims.iter().map(|claim| ("claim", claim.clone())));
    out::fields(out, &rows)
}

fn tint(approval: &Approval) -> Tint {
    match approval.state.as_str() {
        "approved" | "spent" => Tint::Good,
        "pending" => Tint::Warn,
        _ => Tint::Bad,
    }
}

fn ms(unix_ms: i64) -> u64 {
    u64::try_from(unix_ms).unwrap_or(0)
}

/// How long one that waits may still be approved.
fn left(approval: &Approval) -> String {
    if approval.state != "pending" || approval.expires_unix_ms <= 0 {
        return String::new();
    }
    let until = UNIX_EPOCH + Duration::from_millis(ms(approval.expires_unix_ms));
    until
        .duration_since(SystemTime::now())
        .map_or_else(|_| "none".to_owned(), span)
}

#[derive(Serialize)]
struct ApprovalObject<'a> {
    id: &'a str,
    state: &'a str,
    principal: &'a str,
    trace_id: &'a str,
    tool: &'a str,
    args_digest: &'a str,
    by: &'a str,
    reason: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    detail: &'a str,
    claims: &'a [String],
    asked_unix_ms: i64,
    expires_unix_ms: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    decided_by: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    why: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    seq: u64,
}

impl<'a> ApprovalObject<'a> {
    fn of(approval: &'a Approval) -> Self {
        Self {
            id: &approval.id,
            state: &approval.state,
            principal: &approval.principal,
            trace_id: &approval.trace_id,
            tool: &approval.tool,
            args_digest: &approval.args_digest,
            by: &approval.by,
            reason: &approval.reason,
            detail: &approval.detail,
            claims: &approval.claims,
            asked_unix_ms: approval.asked_unix_ms,
            expires_unix_ms: approval.expires_unix_ms,
            decided_by: &approval.decided_by,
            why: &approval.why,
            seq: approval.seq,
        }
    }
}

#[derive(Serialize)]
struct EvidenceObject<'a> {
    claim: &'a str,
    seen: &'a str,
}

impl<'a> EvidenceObject<'a> {
    fn of(evidence: &'a Evidence) -> Self {
        Self {
            claim: &evidence.claim,
            seen: &evidence.seen,
        }
    }
}
