//! Judging in this process: the same policy and kernel code as fakd, no socket and no journal.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use fak_kernel::{Kernel, Limits, Snapshot, Timestamp};
use fak_policy::{Diagnostic, Format, Policy, PolicySet, World, manifest::Manifest};
use fak_proto::v1::{AdjudicateRequest, AdjudicateResponse, ExplainResponse, Rung, Verdict};
use fak_types::{Principal, ToolCall};

use crate::{
    answer::Answer,
    exit::{Exit, Failure},
    question,
};

/// The name that stands for the built-in floor where a file is expected.
pub(crate) const EMBEDDED: &str = "embedded";

/// The trace id of calls that bring none.
const TRACE: &str = "offline";

/// A policy and the kernel around it. Quotas count as in the daemon, over the calls this judge sees.
pub(crate) struct Judge {
    snapshot: Snapshot,
    kernel: RefCell<Kernel>,
    who: Principal,
}

impl Judge {
    /// The built-in floor, or the manifest in a file.
    ///
    /// # Errors
    /// When the file cannot be read, or is refused: [`Exit::Config`] with every problem.
    pub(crate) fn load(policy: Option<&str>) -> Result<Self, Failure> {
        let set = match policy {
            None | Some(EMBEDDED) => PolicySet::embedded(),
            Some(path) => {
                let (manifest, _) = manifest(path)?;
                PolicySet::new(vec![compile(path, manifest)?])
                    .map_err(|problems| refused(path, &problems))?
            }
        };
        Ok(Self::over(set))
    }

    fn over(set: PolicySet) -> Self {
        let uid = nix::unistd::geteuid().as_raw();
        let gid = nix::unistd::getegid().as_raw();
        let who = Principal::Local {
            uid,
            gid,
            groups: Arc::from([]),
            pid: std::process::id(),
        };
        let snapshot = Snapshot::new(1, set);
        let mut kernel = Kernel::new(Limits::default());
        // The rows would be a journal's; here there is none.
        drop(kernel.install(now(), &snapshot));
        Self {
            snapshot,
            kernel: RefCell::new(kernel),
            who,
        }
    }

    /// Judges one call, as fakd would.
    ///
    /// # Errors
    /// [`Exit::Data`] when the arguments are not UTF-8.
    pub(crate) fn answer(
        &self,
        request: &AdjudicateRequest,
        explain: bool,
    ) -> Result<Answer, Failure> {
        let args = std::str::from_utf8(&request.args)
            .map_err(|_| Failure::data("the arguments are not UTF-8"))?;
        let some = |text: &'_ String| (!text.is_empty()).then(|| text.clone());
        let (cwd, home) = (some(&request.cwd), some(&request.home));
        let call = ToolCall {
            tool: &request.tool,
            args,
            trace: if request.trace_id.is_empty() {
                TRACE
            } else {
                &request.trace_id
            },
            cwd: cwd.as_deref(),
            home: home.as_deref(),
        };
        let mut kernel = self.kernel.borrow_mut();
        let now = now();
        let explanation = explain.then(|| {
            let (judgement, rungs) = self.snapshot.explain(&self.who, &call, &Disk);
            let explained = kernel.explain(now, &self.who, &call, &judgement, rungs);
            ExplainResponse {
                verdict: Some(proto(&explained.verdict)),
                rungs: explained
                    .rungs
                    .iter()
                    .map(|rung| Rung {
                        name: rung.name.clone(),
                        verdict: Some(proto(&rung.verdict)),
                        winner: rung.winner,
                    })
                    .collect(),
                profile: judgement.profile.to_string(),
                policy_digest: judgement.policy.to_string(),
                generation: 0,
            }
        });
        let judgement = match kernel.precheck(now, &self.who, &call, &self.snapshot) {
            Some(shed) => self.snapshot.shed(&self.who, &call, shed),
            None => self.snapshot.judge(&self.who, &call, &Disk),
        };
        let verdict = kernel.settle(now, &self.who, &call, judgement).verdict;
        let edits: Vec<_> = verdict
            .edits
            .iter()
            .map(|edit| (edit.span.clone(), &*edit.with))
            .collect();
        let repaired = if edits.is_empty() {
            String::new()
        } else {
            fak_args::apply_edits(args, &edits)
        };
        let response = AdjudicateResponse {
            verdict: Some(proto(&verdict)),
            trace_id: request.trace_id.clone(),
            call_id: request.call_id.clone(),
            repaired_args: repaired.into_bytes(),
            ..AdjudicateResponse::default()
        };
        Ok(Answer {
            explanation,
            offline: true,
            ..Answer::of(response)
        })
    }
}

/// The neutral verdict in the protocol's form.
fn proto(verdict: &fak_types::Verdict) -> Verdict {
    Verdict {
        kind: verdict.kind.as_str().into(),
        reason: verdict.reason.as_str().into(),
        by: verdict.by.to_string(),
        disposition: verdict
            .disposition()
            .map_or_else(String::new, |disposition| disposition.as_str().into()),
        detail: verdict.detail.as_str().into(),
        hint: verdict.hint.as_deref().unwrap_or_default().into(),
        retry_after_ms: verdict.retry_after_ms.unwrap_or(0),
        would_deny: verdict
            .would_deny
            .map_or_else(String::new, |reason| reason.as_str().into()),
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

/// The file system of this machine, for the one question a policy asks of it.
pub(crate) struct Disk;

impl World for Disk {
    fn real_path(&self, path: &str) -> Option<String> {
        let path = Path::new(path);
        let mut rest = PathBuf::new();
        for prefix in path.ancestors() {
            if let Ok(real) = prefix.canonicalize() {
                rest = path
                    .strip_prefix(prefix)
                    .map(Path::to_owned)
                    .unwrap_or(rest);
                let whole = if rest.as_os_str().is_empty() {
                    real
                } else {
                    real.join(&rest)
                };
                return whole.into_os_string().into_string().ok();
            }
        }
        None
    }
}

/// Reads a manifest from a file, standard input (`-`), or the built-in floor (`embedded`).
///
/// # Errors
/// When it cannot be read, or is refused: [`Exit::Config`] with every problem.
pub(crate) fn manifest(path: &str) -> Result<(Manifest, Vec<Diagnostic>), Failure> {
    let (name, text) = text_of(path)?;
    fak_policy::load(&name, &text, Format::guess(&name, &text))
        .map_err(|problems| refused(path, &problems))
}

/// A manifest's name in messages, and its text.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn text_of(path: &str) -> Result<(String, String), Failure> {
    match path {
        "-" => Ok(("<stdin>".to_owned(), question::stdin_text()?)),
        EMBEDDED => Ok((
            "embedded.yaml".to_owned(),
            Policy::embedded_text().to_owned(),
        )),
        path => Ok((path.to_owned(), question::file_text(path)?)),
    }
}

/// Compiles a manifest for whoever asks, whatever its `bind` says.
///
/// # Errors
/// [`Exit::Config`] with every problem.
pub(crate) fn compile(path: &str, mut manifest: Manifest) -> Result<Policy, Failure> {
    manifest.bind = None;
    let name = manifest.name.clone().unwrap_or_else(|| {
        Path::new(path).file_stem().map_or_else(
            || "policy".to_owned(),
            |stem| stem.to_string_lossy().into_owned(),
        )
    });
    Policy::compile(&name, &manifest).map_err(|problems| refused(path, &problems))
}

fn refused(path: &str, problems: &[Diagnostic]) -> Failure {
    let mut message = format!("{path}: the policy is refused");
    for problem in problems {
        message.push('\n');
        message.push_str(&problem.to_string());
    }
    Failure::new(Exit::Config, message)
}
