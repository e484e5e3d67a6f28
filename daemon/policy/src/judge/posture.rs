//! What a policy does with a refusal.

use std::sync::{Arc, LazyLock};

use fak_types::{Detail, Posture, Reason, Verdict};

static LOGGED: LazyLock<Arc<str>> = LazyLock::new(|| "posture/admit_and_log".into());
static OBSERVED: LazyLock<Arc<str>> = LazyLock::new(|| "posture/observe".into());

/// Applies the posture. `plainly_reads` is asked only when it matters: nothing the caller says about
/// itself counts, only the tool's name and the keys of its arguments.
pub(crate) fn apply(
    posture: Posture,
    verdict: Verdict,
    plainly_reads: impl FnOnce() -> bool,
) -> Verdict {
    if verdict.kind.admits() {
        return verdict;
    }
    match posture {
        Posture::FailClosed => verdict,
        Posture::AdmitAndLog
            if verdict.reason == Reason::DefaultDeny
                && &*verdict.by == "default"
                && plainly_reads() =>
        {
            relaxed(&verdict, &LOGGED)
        }
        Posture::AdmitAndLog => verdict,
        Posture::Observe => relaxed(&verdict, &OBSERVED),
    }
}

fn relaxed(verdict: &Verdict, by: &Arc<str>) -> Verdict {
    // A witness asked for without a reason is recorded as what it would have waited for.
    let reason = if verdict.reason == Reason::None {
        Reason::Unwitnessed
    } else {
        verdict.reason
    };
    let words = match verdict.detail.as_str() {
        "" => format!("would be refused by {}", verdict.by),
        detail => format!("would be refused by {}: {detail}", verdict.by),
    };
    Verdict {
        would_deny: Some(reason),
        detail: Detail::new(&words),
        ..Verdict::allow(Arc::clone(by))
    }
}
