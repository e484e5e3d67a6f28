//! `status`: one screen that says whether fakd judges, by what, and whether its evidence is in order.

use std::{fmt::Write as _, time::Duration};

use fak_proto::v1::{Profile, StatusRequest, StatusResponse};
use serde::Serialize;

use crate::{
    client::Daemon,
    doctor,
    emergency::{EmergencyObject, banner},
    exit::{Exit, Failure, Outcome},
    operate::{age, hex, short_digest, span},
    out::{Out, Tint, clip, plain, table},
    record::Row,
};

/// One screen; ends with 0 only when fakd is judging.
pub(crate) fn status(out: &Out, daemon: &Daemon) -> Outcome {
    let status = fetch_status(daemon)?;
    if out.json {
        out.object(&StatusObject::of(&status, daemon))?;
    } else {
        out.text(&status_text(out, &status, daemon))?;
    }
    Ok(if status.state == "judging" {
        Exit::Ok
    } else {
        Exit::No
    })
}

/// Asks fakd how it is.
///
/// # Errors
/// Every way the daemon can fail to answer.
pub(crate) fn fetch_status(daemon: &Daemon) -> Result<StatusResponse, Failure> {
    daemon.call(async |mut client| client.status(StatusRequest {}).await)
}

#[derive(Serialize)]
struct StatusObject<'a> {
    status: StatusBody<'a>,
}

#[derive(Serialize)]
struct StatusBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    emergency: Option<EmergencyObject<'a>>,
    state: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    problem: &'a str,
    version: &'a str,
    pid: u32,
    socket: String,
    uptime_ms: u64,
    #[serde(flatten)]
    caller: CallerObject<'a>,
    generation: u64,
    profiles: Vec<ProfileObject<'a>>,
    journal: JournalObject<'a>,
    degraded: Vec<String>,
    sessions_live: u64,
    #[serde(flatten)]
    verdicts: VerdictsObject,
    recent_refusals: Vec<Row>,
}

#[derive(Serialize)]
struct CallerObject<'a> {
    you: &'a str,
    role: &'a str,
}

#[derive(Serialize)]
struct VerdictsObject {
    decided: u64,
    refused: u64,
    transformed: u64,
}

#[derive(Serialize)]
struct ProfileObject<'a> {
    name: &'a str,
    source: &'a str,
    digest: &'a str,
    posture: &'a str,
    bind: &'a [String],
}

#[derive(Serialize)]
struct JournalObject<'a> {
    path: &'a str,
    rows: u64,
    head: String,
    durability: &'a str,
    gaps: u64,
    #[serde(skip_serializing_if = "is_zero")]
    free_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<VerifiedObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<MarkObject<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<MarkObject<'a>>,
}

#[derive(Serialize)]
struct VerifiedObject {
    at_us: u64,
    rows: u64,
    sound: bool,
}

#[derive(Serialize)]
struct MarkObject<'a> {
    at_us: u64,
    #[serde(skip_serializing_if = "is_zero")]
    rows: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl<'a> JournalObject<'a> {
    fn of(status: &'a StatusResponse) -> Self {
        let known = status.upkeep.as_ref();
        let mark = |at_us, rows, name| (at_us > 0).then_some(MarkObject { at_us, rows, name });
        Self {
            path: &status.journal_path,
            rows: status.journal_rows,
            head: hex(&status.journal_head),
            durability: &status.durability,
            gaps: status.gaps,
            free_bytes: known.map_or(0, |known| known.disk_free_bytes),
            verified: known
                .filter(|known| known.verified_us > 0)
                .map(|known| VerifiedObject {
                    at_us: known.verified_us,
                    rows: known.verified_rows,
                    sound: known.verified_sound,
                }),
            checkpoint: known
                .and_then(|known| mark(known.checkpoint_us, known.checkpoint_rows, "")),
            backup: known.and_then(|known| mark(known.backup_us, 0, &known.backup_name)),
        }
    }
}

impl<'a> StatusObject<'a> {
    fn of(status: &'a StatusResponse, daemon: &Daemon) -> Self {
        let profile = |profile: &'a Profile| ProfileObject {
            name: &profile.name,
            source: &profile.source,
            digest: &profile.digest,
            posture: &profile.posture,
            bind: &profile.bind,
        };
        Self {
            status: StatusBody {
                emergency: status.emergency.as_ref().map(EmergencyObject::of),
                state: &status.state,
                problem: &status.problem,
                version: &status.version,
                pid: status.pid,
                socket: daemon.socket.display().to_string(),
                uptime_ms: status.uptime_ms,
                caller: CallerObject {
                    you: &status.you,
                    role: &status.role,
                },
                generation: status.generation,
                profiles: status.profiles.iter().map(profile).collect(),
                journal: JournalObject::of(status),
                degraded: doctor::degraded(),
                sessions_live: status.sessions_live,
                verdicts: VerdictsObject {
                    decided: status.decided,
                    refused: status.refused,
                    transformed: status.transformed,
                },
                recent_refusals: status
                    .recent_refusals
                    .iter()
                    .filter_map(|row| Row::of_proto(row).ok())
                    .collect(),
            },
        }
    }
}

fn status_text(out: &Out, status: &StatusResponse, daemon: &Daemon) -> String {
    let tint = if status.state == "judging" {
        Tint::Good
    } else {
        Tint::Bad
    };
    let mut text = status
        .emergency
        .as_ref()
        .map_or_else(String::new, |emergency| banner(out, emergency));
    let _ = writeln!(
        text,
        "fakd {} is {}, pid {}, up {}, at {}",
        plain(&status.version),
        out.paint(tint, &plain(&status.state)),
        status.pid,
        span(Duration::from_millis(status.uptime_ms)),
        daemon.socket.display(),
    );
    if !status.problem.is_empty() {
        let _ = writeln!(text, "  {}", out.paint(Tint::Bad, &plain(&status.problem)));
    }
    for degraded in doctor::degraded() {
        let _ = writeln!(text, "  {}", out.paint(Tint::Warn, &plain(&degraded)));
    }
    let _ = writeln!(
        text,
        "you       {} with role {}",
        plain(&status.you),
        plain(&status.role)
    );
    let _ = writeln!(text, "policy    generation {}", status.generation);
    text.push_str(&profiles_text(out, status));
    text.push_str(&journal_text(out, status));
    let _ = writeln!(
        text,
        "verdicts  {} decided, {} refused, {} transformed; {} sessions live",
        status.decided, status.refused, status.transformed, status.sessions_live
    );
    text.push_str(&refusals_text(out, status));
    text
}

fn profiles_text(out: &Out, status: &StatusResponse) -> String {
    let rows: Vec<_> = status
        .profiles
        .iter()
        .map(|profile| {
            let bind = if profile.bind.is_empty() {
                "everyone else".to_owned()
            } else {
                profile.bind.join(" ")
            };
            vec![
                (
                    format!("          {}", plain(&profile.name)),
                    Some(Tint::Bold),
                ),
                (plain(&profile.posture).into_owned(), None),
                (plain(&bind).into_owned(), None),
                (short_digest(&profile.digest), None),
                (plain(&profile.source).into_owned(), Some(Tint::Dim)),
            ]
        })
        .collect();
    table(out, &rows)
}

/// What there is, whether it is sound as far as anybody looked, and what was kept of it.
fn journal_text(out: &Out, status: &StatusResponse) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "journal   {} rows, durability {}, head {}, {}",
        status.journal_rows,
        plain(&status.durability),
        hex(&status.journal_head).get(..12).unwrap_or("none"),
        plain(&status.journal_path),
    );
    let mut facts = vec![if status.gaps > 0 {
        let lost = format!("{} records lost under overload", status.gaps);
        out.paint(Tint::Warn, &lost).into_owned()
    } else {
        "nothing lost".to_owned()
    }];
    if let Some(known) = &status.upkeep {
        if known.disk_free_bytes > 0 {
            facts.push(format!("{} free", bytes(known.disk_free_bytes)));
        }
        facts.push(match (known.verified_us, known.verified_sound) {
            (0, _) => "not verified since the start".to_owned(),
            (at, true) => format!("{} rows verified {}", known.verified_rows, age(at / 1000)),
            (at, false) => {
                let unsound = format!("found NOT SOUND {}", age(at / 1000));
                out.paint(Tint::Bad, &unsound).into_owned()
            }
        });
    }
    let _ = writeln!(text, "          {}", facts.join(", "));
    if let Some(known) = &status.upkeep {
        if known.checkpoint_us > 0 {
            let _ = writeln!(
                text,
                "          signed checkpoint over {} rows {}",
                known.checkpoint_rows,
                age(known.checkpoint_us / 1000)
            );
        }
        if known.backup_us > 0 {
            let _ = writeln!(
                text,
                "          backup {} {}",
                plain(&known.backup_name),
                age(known.backup_us / 1000)
            );
        }
    }
    text
}

/// A size in the largest binary unit that keeps it above one.
fn bytes(count: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let found = units.iter().find(|(shift, _)| count >> shift > 0);
    found.map_or_else(
        || format!("{count} B"),
        |(shift, unit)| format!("{} {unit}", count >> shift),
    )
}

fn refusals_text(out: &Out, status: &StatusResponse) -> String {
    let rows: Vec<_> = status
        .recent_refusals
        .iter()
        .filter_map(|row| Row::of_proto(row).ok())
        .map(|row| {
            vec![
                (format!("          #{}", row.seq), Some(Tint::Dim)),
                (age(row.ts_us / 1000), Some(Tint::Dim)),
                (clip(&plain(&row.tool), 24).into_owned(), None),
                (plain(&row.verdict).into_owned(), Some(Tint::Bad)),
                (plain(row.why()).into_owned(), None),
                (plain(&row.by).into_owned(), None),
            ]
        })
        .collect();
    if rows.is_empty() {
        return "refusals  none lately\n".to_owned();
    }
    format!("refusals  lately, newest first\n{}", table(out, &rows))
}
