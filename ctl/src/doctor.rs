//! `doctor`: what an installation needs, looked at one by one, each finding with its fix.

mod system;

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use fak_config::Dirs;
use fak_journal::Reader;
use fak_policy::{Format, Severity};
use fak_proto::v1::StatusResponse;
use serde::Serialize;

use crate::{
    audit,
    client::Daemon,
    exit::{Exit, Failure, Outcome},
    flags::DoctorFlags,
    operate::VERSION,
    out::{Out, Tint, plain, table},
    question, status,
};

/// Oldest kernel with every call fakd makes: peer process descriptors came with it.
const KERNEL_WANTED: (u32, u32) = (6, 5);

/// Landlock's version from which network rules are enforced.
const LANDLOCK_WANTED: u32 = 4;

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Pass,
    Warn,
    Fail,
}

/// One finding.
#[derive(Serialize)]
struct Finding {
    check: &'static str,
    level: Level,
    said: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    fix: String,
}

impl Finding {
    fn pass(check: &'static str, said: impl Into<String>) -> Self {
        Self {
            check,
            level: Level::Pass,
            said: said.into(),
            fix: String::new(),
        }
    }

    fn warn(check: &'static str, said: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            check,
            level: Level::Warn,
            said: said.into(),
            fix: fix.into(),
        }
    }

    fn fail(check: &'static str, said: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            check,
            level: Level::Fail,
            said: said.into(),
            fix: fix.into(),
        }
    }
}

/// Looks at everything; ends with 1 when something has to be mended.
pub(crate) fn doctor(out: &Out, daemon: &Daemon, flags: &DoctorFlags) -> Outcome {
    let asked = status::fetch_status(daemon);
    let status = asked.as_ref().ok();
    let mut findings = socket(daemon, &asked);
    findings.extend(directories());
    findings.push(kernel());
    findings.push(landlock());
    findings.push(system::modules());
    findings.push(system::sandbox());
    findings.extend(system::findings());
    findings.push(journal(status, flags.journal.as_deref()));
    findings.extend(policies(flags.policy_dir.as_deref()));
    let failed = findings.iter().any(|finding| finding.level == Level::Fail);
    if out.json {
        #[derive(Serialize)]
        struct Findings {
            sound: bool,
            findings: Vec<Finding>,
        }
        out.object(&Findings {
            sound: !failed,
            findings,
        })?;
    } else {
        out.text(&text(out, &findings))?;
    }
    Ok(if failed { Exit::No } else { Exit::Ok })
}

/// What the kernel lacks for confining what fakd runs; nothing on a machine where all of it works.
pub(crate) fn degraded() -> Vec<String> {
    [landlock(), system::sandbox()]
        .into_iter()
        .filter(|finding| finding.level != Level::Pass)
        .map(|finding| format!("{}: {}; {}", finding.check, finding.said, finding.fix))
        .collect()
}

fn text(out: &Out, findings: &[Finding]) -> String {
    let mut rows = Vec::new();
    for finding in findings {
        let (word, tint) = match finding.level {
            Level::Pass => ("pass", Tint::Good),
            Level::Warn => ("warn", Tint::Warn),
            Level::Fail => ("FAIL", Tint::Bad),
        };
        let cell = |text: &str| (text.to_owned(), None);
        rows.push(vec![
            (word.to_owned(), Some(tint)),
            cell(finding.check),
            cell(&plain(&finding.said)),
        ]);
        if !finding.fix.is_empty() {
            rows.push(vec![
                cell(""),
                cell(""),
                (format!("fix: {}", plain(&finding.fix)), Some(Tint::Dim)),
            ]);
        }
    }
    table(out, &rows)
}

fn socket(daemon: &Daemon, asked: &Result<StatusResponse, Failure>) -> Vec<Finding> {
    let status = match asked {
        Err(failure) => {
            return vec![Finding::fail(
                "socket",
                failure.message.clone(),
                failure.fix.clone(),
            )];
        }
        Ok(status) => status,
    };
    let mut findings = vec![Finding::pass(
        "socket",
        format!("fakd answers at {}", daemon.socket.display()),
    )];
    findings.push(match status.state.as_str() {
        "judging" => Finding::pass("state", "judging"),
        other => Finding::fail(
            "state",
            format!("{other}: {}", status.problem),
            "`fakctl status` says more",
        ),
    });
    let role = format!("{} has role {}", status.you, status.role);
    findings.push(match status.role.as_str() {
        "submit" | "submit and audit" | "admin" => Finding::pass("role", role),
        "observe" | "audit" => Finding::warn(
            "role",
            role,
            "to ask for verdicts, the role has to be submit; see fakd.toml",
        ),
        _ => Finding::fail("role", role, "an administrator grants submit in fakd.toml"),
    });
    findings.push(if status.version == VERSION {
        Finding::pass("version", format!("fakd and fakctl are both {VERSION}"))
    } else {
        Finding::warn(
            "version",
            format!("fakd is {}, fakctl is {VERSION}", status.version),
            "install the same release of both, then `systemctl restart fakd`",
        )
    });
    findings
}

fn directories() -> Vec<Finding> {
    let uid = nix::unistd::geteuid().as_raw();
    let mut findings = Vec::new();
    findings.push(match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute()) {
        None => Finding::warn(
            "runtime",
            "XDG_RUNTIME_DIR is not set",
            "log in through PAM, or export XDG_RUNTIME_DIR=/run/user/$(id -u); `fakd --user` wants it",
        ),
        Some(dir) => private("runtime", &dir, uid),
    });
    match Dirs::user(&|name| std::env::var_os(name), uid) {
        Err(problem) => findings.push(Finding::warn("state", problem, "export HOME")),
        Ok(dirs) if dirs.state.exists() => findings.push(private("state", &dirs.state, uid)),
        Ok(dirs) => {
            let said = format!(
                "{} is not there yet; `fakd --user` makes it",
                dirs.state.display()
            );
            findings.push(Finding::pass("state", said));
        }
    }
    findings
}

/// A directory of this user that nobody else can enter.
fn private(check: &'static str, dir: &Path, uid: u32) -> Finding {
    let at = dir.display();
    match fs::metadata(dir) {
        Err(error) => Finding::warn(
            check,
            format!("{at}: {error}"),
            format!("mkdir -m 0700 {at}"),
        ),
        Ok(meta) if !meta.is_dir() => Finding::fail(
            check,
            format!("{at} is no directory"),
            format!("remove {at}"),
        ),
        Ok(meta) if meta.uid() != uid => Finding::fail(
            check,
            format!("{at} belongs to another user"),
            "use a directory of your own",
        ),
        Ok(meta) if meta.mode() & 0o022 != 0 => Finding::fail(
            check,
            format!("{at} can be written by others"),
            format!("chmod go-w {at}"),
        ),
        Ok(_) => Finding::pass(check, at.to_string()),
    }
}

fn kernel() -> Finding {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|number| number.parse::<u32>().ok());
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let said = format!("Linux {}", release.trim());
    if found >= KERNEL_WANTED {
        Finding::pass("kernel", said)
    } else {
        let fix = "with Linux 6.5 or later fakd follows peers by process descriptor; older ones know them by uid only";
        Finding::warn("kernel", said, fix)
    }
}

fn landlock() -> Finding {
    match fak_sys::landlock_version() {
        Some(version) if version >= LANDLOCK_WANTED => {
            Finding::pass("landlock", format!("version {version}"))
        }
        Some(version) => Finding::warn(
            "landlock",
            format!("version {version}: no network rules"),
            "only a sandbox with network rules wants them: Linux 6.7 or later",
        ),
        None => Finding::warn(
            "landlock",
            "not available",
            "fakd wants it: add landlock to the kernel's lsm= list, or set sandbox.allow_degraded in fakd.toml",
        ),
    }
}

fn journal(status: Option<&StatusResponse>, named: Option<&Path>) -> Finding {
    let reported = status
        .map(|status| PathBuf::from(&status.journal_path))
        .filter(|path| path.is_absolute());
    let path = named
        .map(Path::to_owned)
        .or(reported)
        .unwrap_or_else(audit::default_journal);
    let report = Reader::open(&path).and_then(|reader| reader.verify(None));
    match report {
        Ok(report) => match report.fault {
            None => Finding::pass(
                "journal",
                format!("{}: sound, {} rows", path.display(), report.rows),
            ),
            Some(fault) => Finding::fail(
                "journal",
                format!("{}: {fault}", path.display()),
                "keep a copy as evidence, find out who changed the file, and start a new journal",
            ),
        },
        Err(error) => {
            let failure = audit::unreadable(&path, &error);
            match failure.exit {
                Exit::Missing if status.is_none() => {
                    Finding::pass("journal", format!("{}: not there yet", path.display()))
                }
                Exit::NotPermitted => Finding::warn("journal", failure.message, failure.fix),
                _ => Finding::fail("journal", failure.message, failure.fix),
            }
        }
    }
}

fn policies(named: Option<&Path>) -> Vec<Finding> {
    let user = Dirs::user(
        &|name| std::env::var_os(name),
        nix::unistd::geteuid().as_raw(),
    );
    let usual = [
        user.map(|dirs| dirs.policy).unwrap_or_default(),
        Dirs::system().policy,
    ];
    let dirs: Vec<PathBuf> = match named {
        Some(dir) => vec![dir.to_owned()],
        None => usual.into_iter().filter(|dir| dir.is_dir()).collect(),
    };
    if dirs.is_empty() {
        return vec![Finding::pass(
            "policy",
            "no policy directory: the built-in floor judges everyone",
        )];
    }
    dirs.iter()
        .flat_map(|dir| directory_of_policies(dir))
        .collect()
}

fn directory_of_policies(dir: &Path) -> Vec<Finding> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            let fix = "name a directory that this user can read";
            return vec![Finding::warn(
                "policy",
                format!("{}: {error}", dir.display()),
                fix,
            )];
        }
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| {
        path.to_str()
            .is_some_and(|name| Format::of_name(name).is_some())
    });
    files.sort();
    if files.is_empty() {
        return vec![Finding::pass(
            "policy",
            format!("{}: empty, the built-in floor judges", dir.display()),
        )];
    }
    files
        .iter()
        .map(|file| policy_file(&file.to_string_lossy()))
        .collect()
}

fn policy_file(path: &str) -> Finding {
    let text = match question::file_text(path) {
        Ok(text) => text,
        Err(failure) => return Finding::fail("policy", failure.message, "make it readable"),
    };
    match fak_policy::load(path, &text, Format::guess(path, &text)) {
        Err(problems) => {
            let first = problems
                .first()
                .map(ToString::to_string)
                .unwrap_or_default();
            let said = format!("{} problems, the first: {first}", problems.len());
            Finding::fail("policy", said, format!("fakctl policy check {path}"))
        }
        Ok((manifest, mut warnings)) => {
            warnings.extend(fak_policy::lint(&manifest));
            let warned = warnings
                .iter()
                .filter(|found| found.severity == Severity::Warning)
                .count();
            if warned == 0 {
                Finding::pass("policy", path)
            } else {
                let fix = format!("fakctl policy check --lint {path}");
                Finding::warn("policy", format!("{path}: {warned} warnings"), fix)
            }
        }
    }
}
