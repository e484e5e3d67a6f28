//! `changes`, `revoke`: what makes kept answers stale.

use std::time::Duration;

use fak_proto::v1::{Change, ChangesRequest, ChangesResponse, RevokeRequest};
use serde::Serialize;

use crate::{
    answer::is_zero,
    client::Daemon,
    exit::{Exit, Failure, Outcome},
    flags::ChangesFlags,
    follow::{self, Follow},
    out::{Out, Tint, plain},
};

/// How often fakd is asked for what is new.
const EVERY: Duration = Duration::from_millis(500);

/// What happened since a cursor; with `--follow` what goes on happening.
pub(crate) fn changes(out: &Out, daemon: &Daemon, flags: &ChangesFlags) -> Outcome {
    let limit = flags.limit;
    if !flags.follow {
        let since = flags.since;
        let request = ChangesRequest { since, limit };
        let answer = daemon.call(async |mut client| client.changes(request).await)?;
        if out.json {
            out.object(&Page {
                changes: answer.changes.iter().map(ChangeObject::of).collect(),
                cursor: answer.cursor,
                gap: answer.gap,
            })?;
        } else {
            out.text(&page(out, &answer))?;
            if !out.quiet {
                crate::out::complain(&format!("fakctl: go on from --since {}", answer.cursor));
            }
        }
        return Ok(Exit::Ok);
    }
    let since = std::cell::Cell::new(flags.since);
    follow::asking(
        daemon,
        EVERY,
        |mut client| {
            let since = since.get();
            async move { client.changes(ChangesRequest { since, limit }).await }
        },
        |answer: ChangesResponse| {
            since.set(answer.cursor);
            each(out, &answer)?;
            Ok(Follow::On)
        },
    )
}

/// Every change as it comes: one line, or one object.
fn each(out: &Out, answer: &ChangesResponse) -> Result<(), Failure> {
    if !out.json {
        return out.text(&page(out, answer));
    }
    if answer.gap {
        out.object(&Gap {
            gap: true,
            cursor: answer.cursor,
        })?;
    }
    for change in &answer.changes {
        out.object(&One {
            change: ChangeObject::of(change),
        })?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Page<'a> {
    changes: Vec<ChangeObject<'a>>,
    cursor: u64,
    gap: bool,
}

#[derive(Serialize)]
struct Gap {
    gap: bool,
    cursor: u64,
}

#[derive(Serialize)]
struct One<'a> {
    change: ChangeObject<'a>,
}

#[derive(Serialize)]
struct ChangeObject<'a> {
    cursor: u64,
    kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    tool: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    resources: &'a [String],
    #[serde(skip_serializing_if = "str::is_empty")]
    witness: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    evicted: u64,
    world_version: u64,
    trust_epoch: u64,
}

impl<'a> ChangeObject<'a> {
    fn of(change: &'a Change) -> Self {
        Self {
            cursor: change.cursor,
            kind: &change.kind,
            tool: &change.tool,
            namespace: &change.namespace,
            resources: &change.resources,
            witness: &change.witness,
            evicted: change.evicted,
            world_version: change.world_version,
            trust_epoch: change.trust_epoch,
        }
    }
}

fn page(out: &Out, answer: &ChangesResponse) -> String {
    let mut text = String::new();
    if answer.gap {
        let said = "GAP: older changes are forgotten; read anew whatever was kept elsewhere";
        text.push_str(&format!("{}\n", out.paint(Tint::Bad, said)));
    }
    for change in &answer.changes {
        text.push_str(&line(out, change));
    }
    text
}

/// A change on one line.
fn line(out: &Out, change: &Change) -> String {
    let mut parts = vec![
        out.paint(Tint::Dim, &format!("#{}", change.cursor))
            .into_owned(),
        out.paint(Tint::Bold, &plain(&change.kind)).into_owned(),
    ];
    let texts = [&change.tool, &change.namespace, &change.witness];
    parts.extend(
        texts
            .into_iter()
            .filter(|part| !part.is_empty())
            .map(|part| plain(part).into_owned()),
    );
    if change.kind == "mutation" {
        parts.push(if change.resources.is_empty() {
            "all of it".to_owned()
        } else {
            plain(&change.resources.join(", ")).into_owned()
        });
    } else {
        parts.push(format!("{} kept answers went", change.evicted));
    }
    parts.push(
        out.paint(
            Tint::Dim,
            &format!(
                "world {} trust {}",
                change.world_version, change.trust_epoch
            ),
        )
        .into_owned(),
    );
    format!("{}\n", parts.join("  "))
}

/// Takes back a witness: nothing that was admitted under it may be read from the cache again.
pub(crate) fn revoke(out: &Out, daemon: &Daemon, witness: String, reason: String) -> Outcome {
    let request = RevokeRequest { witness, reason };
    let answer = daemon.call(async |mut client| client.revoke(request).await)?;
    if out.json {
        #[derive(Serialize)]
        struct Revoked<'a> {
            witness: &'a str,
            evicted: u64,
            trust_epoch: u64,
            seq: u64,
        }
        out.object(&Revoked {
            witness: &answer.witness,
            evicted: answer.evicted,
            trust_epoch: answer.trust_epoch,
            seq: answer.seq,
        })?;
    } else {
        out.text(&format!(
            "revoked {}: {} kept answers went, trust epoch {}; row #{} says so\n",
            plain(&answer.witness),
            answer.evicted,
            answer.trust_epoch,
            answer.seq
        ))?;
    }
    Ok(Exit::Ok)
}
