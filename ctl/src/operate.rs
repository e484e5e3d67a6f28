//! `metrics`, `reload`, `version`: looking at the daemon and telling it to read its files again.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use fak_proto::v1::{Diagnostic, MetricsRequest, ReloadRequest};
use serde::Serialize;

use crate::{
    client::Daemon,
    exit::{Exit, Outcome},
    out::{Out, Tint, plain},
};

/// This build.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The daemon's numbers, as they are.
pub(crate) fn metrics(out: &Out, daemon: &Daemon) -> Outcome {
    let answer = daemon.call(async |mut client| client.metrics(MetricsRequest {}).await)?;
    if out.json {
        #[derive(Serialize)]
        struct Page {
            openmetrics: String,
        }
        out.object(&Page {
            openmetrics: answer.text,
        })?;
    } else {
        out.text(&answer.text)?;
    }
    Ok(Exit::Ok)
}

/// Makes fakd read its policy files again.
pub(crate) fn reload(out: &Out, daemon: &Daemon) -> Outcome {
    let answer = daemon.call(async |mut client| client.reload(ReloadRequest {}).await)?;
    if out.json {
        #[derive(Serialize)]
        struct Reload {
            reloaded: bool,
            generation: u64,
            diagnostics: Vec<DiagnosticObject>,
        }
        let diagnostics = answer
            .diagnostics
            .iter()
            .map(DiagnosticObject::of_proto)
            .collect();
        out.object(&Reload {
            reloaded: answer.reloaded,
            generation: answer.generation,
            diagnostics,
        })?;
    } else {
        let mut text = String::new();
        for diagnostic in &answer.diagnostics {
            text.push_str(&diagnostic_text(
                out,
                &DiagnosticObject::of_proto(diagnostic),
            ));
        }
        if answer.reloaded {
            let _ = writeln!(
                text,
                "reloaded: generation {} is in force",
                answer.generation
            );
        } else {
            let _ = writeln!(
                text,
                "not reloaded: generation {} stays in force",
                answer.generation
            );
        }
        out.text(&text)?;
    }
    Ok(if answer.reloaded {
        Exit::Ok
    } else {
        Exit::Config
    })
}

/// One problem of a manifest.
#[derive(Serialize)]
pub(crate) struct DiagnosticObject {
    pub(crate) severity: String,
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) help: String,
}

impl DiagnosticObject {
    fn of_proto(diagnostic: &Diagnostic) -> Self {
        let Diagnostic {
            severity,
            file,
            line,
            column,
            message,
            help,
        } = diagnostic.clone();
        Self {
            severity,
            file,
            line,
            column,
            message,
            help,
        }
    }
}

/// `policy.yaml:3:5: error: unknown key` and the help below it.
pub(crate) fn diagnostic_text(out: &Out, diagnostic: &DiagnosticObject) -> String {
    let mut text = String::new();
    if !diagnostic.file.is_empty() {
        let _ = write!(text, "{}:", plain(&diagnostic.file));
    }
    if diagnostic.line > 0 {
        let _ = write!(text, "{}:{}:", diagnostic.line, diagnostic.column);
    }
    if !text.is_empty() {
        text.push(' ');
    }
    let tint = if diagnostic.severity == "error" {
        Tint::Bad
    } else {
        Tint::Warn
    };
    let _ = writeln!(
        text,
        "{}: {}",
        out.paint(tint, &plain(&diagnostic.severity)),
        plain(&diagnostic.message)
    );
    if !diagnostic.help.is_empty() {
        let _ = writeln!(
            text,
            "  {} {}",
            out.paint(Tint::Dim, "help:"),
            plain(&diagnostic.help)
        );
    }
    text
}

/// Versions of this program and what it speaks.
pub(crate) fn version(out: &Out) -> Outcome {
    if out.json {
        #[derive(Serialize)]
        struct Version {
            version: &'static str,
            protocol: &'static str,
        }
        out.object(&Version {
            version: VERSION,
            protocol: fak_proto::PROTOCOL,
        })?;
    } else {
        out.text(&format!(
            "fakctl {VERSION}, protocol {}\n",
            fak_proto::PROTOCOL
        ))?;
    }
    Ok(Exit::Ok)
}

/// `4m ago`, from milliseconds since the epoch.
pub(crate) fn age(unix_ms: u64) -> String {
    if unix_ms == 0 {
        return String::new();
    }
    let then = UNIX_EPOCH + Duration::from_millis(unix_ms);
    SystemTime::now().duration_since(then).map_or_else(
        |_| "in the future".to_owned(),
        |ago| format!("{} ago", span(ago)),
    )
}

/// A length of time in its two largest units.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{}ms", time.as_millis()),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86400, seconds / 3600 % 24),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

pub(crate) fn short_digest(digest: &str) -> String {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
    plain(hex.get(..12).unwrap_or(hex)).into_owned()
}
