//! The verdict and its parts.

use std::{borrow::Cow, fmt, ops::Range, sync::Arc};

/// Longest text a [`Detail`] keeps, in bytes. LIMIT: a refusal is an answer, not a policy oracle.
pub const DETAIL_BYTES_MAX: usize = 240;

/// What the kernel says about one call or one result.
///
/// The discriminants are the fold ranks' companions on the wire and are append-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VerdictKind {
    /// Go ahead.
    Allow,
    /// A provable refusal.
    Deny,
    /// Go ahead with the edited arguments.
    Transform,
    /// The result is sealed away from the model.
    Quarantine,
    /// Waits for a witness or a person other than the requester.
    RequireWitness,
    /// This rung has no opinion.
    Defer,
}

impl VerdictKind {
    /// Every kind, in wire order.
    pub const ALL: [Self; 6] = [
        Self::Allow,
        Self::Deny,
        Self::Transform,
        Self::Quarantine,
        Self::RequireWitness,
        Self::Defer,
    ];

    /// The wire spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "ALLOW",
            Self::Deny => "DENY",
            Self::Transform => "TRANSFORM",
            Self::Quarantine => "QUARANTINE",
            Self::RequireWitness => "REQUIRE_WITNESS",
            Self::Defer => "DEFER",
        }
    }

    /// The fold rank: the highest non-defer rank wins, whatever the order of the rungs.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Allow => 0,
            Self::Defer => 1,
            Self::Transform => 2,
            Self::Quarantine => 3,
            Self::RequireWitness => 4,
            Self::Deny => 100,
        }
    }

    /// Reads a wire spelling; `None` for a kind this build does not know, which callers count as a denial.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The wire spelling of a kind read as a number from outside; unknown numbers render `KIND_<n>`.
    #[must_use]
    pub fn render(number: u32) -> Cow<'static, str> {
        match Self::ALL.get(number as usize) {
            Some(kind) => Cow::Borrowed(kind.as_str()),
            None => Cow::Owned(format!("KIND_{number}")),
        }
    }

    /// Whether the call may run, possibly edited. Everything else is a refusal.
    #[must_use]
    pub const fn admits(self) -> bool {
        matches!(self, Self::Allow | Self::Transform)
    }
}

impl fmt::Display for VerdictKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a call was refused: a closed, append-only vocabulary of twelve, plus `NONE` on an allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Not a refusal.
    None,
    /// Never allowed by any rule.
    DefaultDeny,
    /// Refused by a named rule.
    PolicyBlock,
    /// A write to what guards the agent.
    SelfModify,
    /// The resource is leased to another holder.
    LeaseHeld,
    /// Information would flow where it was not given.
    TrustViolation,
    /// The call's form is wrong; a corrected call may pass.
    Malformed,
    /// The call went to the wrong place; a corrected call may pass.
    Misroute,
    /// Too many or too much; wait.
    RateLimited,
    /// A secret would leave.
    SecretExfil,
    /// A claim nobody corroborated.
    Unwitnessed,
    /// Larger than the limit.
    Oversize,
    /// No such tool is registered.
    UnknownTool,
}

impl Reason {
    /// `NONE` first, then the twelve refusals, in wire order.
    pub const ALL: [Self; 13] = [
        Self::None,
        Self::DefaultDeny,
        Self::PolicyBlock,
        Self::SelfModify,
        Self::LeaseHeld,
        Self::TrustViolation,
        Self::Malformed,
        Self::Misroute,
        Self::RateLimited,
        Self::SecretExfil,
        Self::Unwitnessed,
        Self::Oversize,
        Self::UnknownTool,
    ];

    /// The wire spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::DefaultDeny => "DEFAULT_DENY",
            Self::PolicyBlock => "POLICY_BLOCK",
            Self::SelfModify => "SELF_MODIFY",
            Self::LeaseHeld => "LEASE_HELD",
            Self::TrustViolation => "TRUST_VIOLATION",
            Self::Malformed => "MALFORMED",
            Self::Misroute => "MISROUTE",
            Self::RateLimited => "RATE_LIMITED",
            Self::SecretExfil => "SECRET_EXFIL",
            Self::Unwitnessed => "UNWITNESSED",
            Self::Oversize => "OVERSIZE",
            Self::UnknownTool => "UNKNOWN_TOOL",
        }
    }

    /// Reads a wire spelling; `None` for a reason this build does not know.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }

    /// The wire spelling of a reason read as a number from outside; unknown numbers render `REASON_<n>`.
    #[must_use]
    pub fn render(number: u32) -> Cow<'static, str> {
        match Self::ALL.get(number as usize) {
            Some(reason) => Cow::Borrowed(reason.as_str()),
            None => Cow::Owned(format!("REASON_{number}")),
        }
    }

    /// What the caller should do about a denial with this reason.
    #[must_use]
    pub const fn disposition(self) -> Disposition {
        match self {
            Self::Malformed | Self::Misroute => Disposition::Retryable,
            Self::RateLimited | Self::LeaseHeld => Disposition::Wait,
            Self::SelfModify | Self::TrustViolation => Disposition::Escalate,
            _ => Disposition::Terminal,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the caller should do about a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// Correct the call and try again.
    Retryable,
    /// Try the same call later.
    Wait,
    /// Ask a person or a witness.
    Escalate,
    /// Do not try again.
    Terminal,
}

impl Disposition {
    /// Every disposition, in wire order.
    pub const ALL: [Self; 4] = [Self::Retryable, Self::Wait, Self::Escalate, Self::Terminal];

    /// The wire spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retryable => "RETRYABLE",
            Self::Wait => "WAIT",
            Self::Escalate => "ESCALATE",
            Self::Terminal => "TERMINAL",
        }
    }
}

impl fmt::Display for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Bounded disclosure: which rule, which bound, at which byte. Never an argument's value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail(Option<Box<str>>);

impl Detail {
    /// Nothing to add.
    pub const NONE: Self = Self(None);

    /// Keeps at most [`DETAIL_BYTES_MAX`] bytes of `text`, cut at a character boundary.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut end = text.len().min(DETAIL_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self(text.get(..end).map(Into::into))
    }

    /// The text, empty when there is none.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

/// One replacement of a TRANSFORM: these bytes of the original arguments become `with`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Byte range in the original argument text.
    pub span: Range<usize>,
    /// The replacement bytes, already valid JSON in that place.
    pub with: Box<str>,
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Verdict {
    /// What is decided.
    pub kind: VerdictKind,
    /// Why, `Reason::None` when the call is admitted.
    pub reason: Reason,
    /// The rule or rung that decided, for example `deny/delete_account` or `arg_rules/git-force-push`.
    pub by: Arc<str>,
    /// Bounded disclosure for the person who reads the refusal.
    pub detail: Detail,
    /// What would be allowed instead, when that is safe to say; text from the policy, never from the call.
    pub hint: Option<Arc<str>>,
    /// For `RATE_LIMITED`: milliseconds after which the same call may pass.
    pub retry_after_ms: Option<u64>,
    /// For an allow under a relaxed posture: the reason that would have refused.
    pub would_deny: Option<Reason>,
    /// For TRANSFORM: the edits, in ascending order, not overlapping.
    pub edits: Vec<Edit>,
    /// For REQUIRE_WITNESS: what must be seen to hold before somebody may approve; `None` for nothing.
    pub claims: Option<Arc<[Arc<str>]>>,
}

impl Verdict {
    /// A verdict with no reason and nothing to add.
    pub fn of(kind: VerdictKind, by: impl Into<Arc<str>>) -> Self {
        Self {
            kind,
            reason: Reason::None,
            by: by.into(),
            detail: Detail::NONE,
            hint: None,
            retry_after_ms: None,
            would_deny: None,
            edits: Vec::new(),
            claims: None,
        }
    }

    /// An allow.
    pub fn allow(by: impl Into<Arc<str>>) -> Self {
        Self::of(VerdictKind::Allow, by)
    }

    /// No opinion.
    pub fn defer(by: impl Into<Arc<str>>) -> Self {
        Self::of(VerdictKind::Defer, by)
    }

    /// A denial.
    pub fn deny(reason: Reason, by: impl Into<Arc<str>>, detail: &str) -> Self {
        Self {
            reason,
            detail: Detail::new(detail),
            ..Self::of(VerdictKind::Deny, by)
        }
    }

    /// The claims a witness must corroborate, in the policy's order.
    #[must_use]
    pub fn claims(&self) -> &[Arc<str>] {
        self.claims.as_deref().unwrap_or_default()
    }

    /// What the caller should do; `None` when the call is admitted.
    #[must_use]
    pub fn disposition(&self) -> Option<Disposition> {
        match self.kind {
            VerdictKind::Allow | VerdictKind::Transform | VerdictKind::Defer => None,
            VerdictKind::RequireWitness => Some(Disposition::Escalate),
            VerdictKind::Deny | VerdictKind::Quarantine => Some(self.reason.disposition()),
        }
    }
}
