//! `doctor text`, `answer-shape`: what would be done with a text, said here and without fakd.

use fak_screen::{
    Admission, Finding, Incoming, Outcome as Rung, Screen, Settings, Trust, shape::answer_shape,
};
use serde::Serialize;

use crate::{
    exit::{Exit, Outcome},
    flags::{ShapeFlags, TextFlags, TextFrom},
    out::{Out, Tint, plain, table},
    results,
};

/// Screens a text as a tool's result would be, and says why.
pub(crate) fn text(out: &Out, flags: &TextFlags) -> Outcome {
    let bytes = results::read(&flags.file)?;
    let screen = Screen::new(Settings {
        oversize_bytes: flags.oversize_bytes,
        redact: !flags.no_redact,
        ..Settings::default()
    });
    let found = screen.judge(&Incoming {
        tool: "",
        bytes: &bytes,
        trust: match flags.from {
            TextFrom::Anybody => Trust::Untrusted,
            TextFrom::Local => Trust::Local,
        },
    });
    let said = said(&found.verdict);
    if out.json {
        out.object(&TextObject {
            kind: said.kind,
            reason: found.reason.as_str(),
            would: said.words.clone(),
            durability: found.durability.as_str(),
            bytes: bytes.len(),
            findings: found.findings.iter().map(FindingObject::of).collect(),
        })?;
    } else {
        out.text(&lines(out, &found, &said))?;
    }
    Ok(if matches!(found.verdict, Rung::Allow) {
        Exit::Ok
    } else {
        Exit::No
    })
}

/// Says whether a model's answer has fallen apart. Bytes that are no text count as marks of their own.
pub(crate) fn shape(out: &Out, flags: &ShapeFlags) -> Outcome {
    let bytes = results::read(&flags.file)?;
    let found = answer_shape(&String::from_utf8_lossy(&bytes));
    if out.json {
        #[derive(Serialize)]
        struct ShapeObject<'a> {
            degenerate: bool,
            #[serde(skip_serializing_if = "str::is_empty")]
            why: &'a str,
        }
        out.object(&ShapeObject {
            degenerate: found.degenerate,
            why: found.why,
        })?;
    } else if found.degenerate {
        let said = out.paint(Tint::Bad, "degenerate");
        out.text(&format!("{said}: {}\n", found.why))?;
    } else {
        out.text(&format!("{}\n", out.paint(Tint::Good, "sound")))?;
    }
    Ok(if found.degenerate { Exit::No } else { Exit::Ok })
}

/// A rung as the verdict it becomes, and what that means.
struct Said {
    kind: &'static str,
    tint: Tint,
    words: String,
}

fn said(rung: &Rung) -> Said {
    let (kind, tint, words) = match rung {
        Rung::Allow => ("ALLOW", Tint::Good, "it passes byte for byte".to_owned()),
        Rung::Redact(edits) => (
            "TRANSFORM",
            Tint::Warn,
            format!("it passes with {} spans cut out", edits.len()),
        ),
        Rung::PageOut(page) => (
            "TRANSFORM",
            Tint::Warn,
            format!(
                "it is kept whole and a stub is shown: {} bytes are too many",
                page.len
            ),
        ),
        Rung::Quarantine => (
            "QUARANTINE",
            Tint::Bad,
            "it is sealed, and nothing of it is shown".to_owned(),
        ),
    };
    Said { kind, tint, words }
}

#[derive(Serialize)]
struct TextObject<'a> {
    kind: &'a str,
    reason: &'a str,
    would: String,
    durability: &'a str,
    bytes: usize,
    findings: Vec<FindingObject<'a>>,
}

#[derive(Serialize)]
struct FindingObject<'a> {
    screen: &'a str,
    rule: &'a str,
    reason: &'a str,
    start: usize,
    end: usize,
    #[serde(skip_serializing_if = "str::is_empty")]
    layer: &'a str,
}

impl<'a> FindingObject<'a> {
    fn of(finding: &'a Finding) -> Self {
        Self {
            screen: finding.screen,
            rule: &finding.rule,
            reason: finding.reason.as_str(),
            start: finding.span.start,
            end: finding.span.end,
            layer: &finding.layer,
        }
    }
}

fn lines(out: &Out, found: &Admission, said: &Said) -> String {
    let mut text = out.paint(said.tint, said.kind).into_owned();
    if !matches!(found.verdict, Rung::Allow) {
        text.push_str(&format!(" {}", found.reason.as_str()));
    }
    text.push_str(&format!(": {}\n", said.words));
    let rows: Vec<_> = found
        .findings
        .iter()
        .map(|finding| {
            let layer = if finding.layer.is_empty() {
                String::new()
            } else {
                format!("under {}", plain(&finding.layer))
            };
            vec![
                (
                    format!("  {}/{}", finding.screen, plain(&finding.rule)),
                    None,
                ),
                (finding.reason.as_str().to_owned(), Some(Tint::Dim)),
                (
                    format!("bytes {} to {}", finding.span.start, finding.span.end),
                    None,
                ),
                (layer, None),
            ]
        })
        .collect();
    text.push_str(&table(out, &rows));
    text
}
