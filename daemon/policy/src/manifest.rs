//! The manifest `fak-policy/v1` as a value: what a file says, before it is compiled.
//!
//! Every field is the file's; nothing here has been judged. `load` builds it from JSON or YAML and
//! `dump` writes it back; `dump(load(dump(m))) == dump(m)` byte for byte.

pub mod cache;
pub mod flow;
pub mod session;

use fak_types::{Posture, Reason, SourceClass};

/// A whole manifest. An empty one denies everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    /// The profile's name in reports; letters, digits, `-`, `_`, at most 64 bytes.
    pub name: Option<String>,
    /// Whom the profile binds; `None` for the profile of everyone not bound elsewhere.
    pub bind: Option<Bind>,
    /// What happens to a refusal; `fail_closed` when the file does not say.
    pub posture: Option<Posture>,
    /// Tools allowed by exact name.
    pub allow: Vec<String>,
    /// Tools allowed by the beginning of their name.
    pub allow_prefix: Vec<String>,
    /// Tools refused by name, each with its reason, in file order.
    pub deny: Vec<(String, Reason)>,
    /// Path fragments whose modification is `SELF_MODIFY`.
    pub self_modify_globs: Vec<String>,
    /// Argument keys whose value is replaced by `[REDACTED]` before the call runs.
    pub redact_fields: Vec<String>,
    /// Which argument of which tool is shell text.
    pub shell: Vec<ShellArg>,
    /// Restrictions on arguments, in file order.
    pub arg_rules: Vec<ArgRule>,
    /// Quotas; the file holds one object or a list of them.
    pub rate_limit: Vec<RateLimit>,
    /// Tools whose calls cannot carry information out.
    pub safe_sinks: Vec<String>,
    /// Provenance class of each tool's results, in file order.
    pub sources: Vec<(String, SourceClass)>,
    /// Refuse a whole-file write of JSON or YAML or TOML that does not parse.
    pub lint_writes: bool,
    /// Where the values of calls may come from; `None` gates nothing.
    pub flow: Option<flow::Flow>,
    /// How questions to a person are kept.
    pub approval: Option<session::Approval>,
    /// What a session may spend; `None` is unbounded throughout.
    pub budget: Option<session::Budget>,
    /// Which answers may be kept; `None`: none.
    pub cache: Option<cache::Cache>,
}

/// Whom a profile binds: any match suffices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bind {
    /// User ids.
    pub uids: Vec<u32>,
    /// Group ids, primary or supplementary.
    pub gids: Vec<u32>,
    /// Names of HTTP keys.
    pub keys: Vec<String>,
}

/// An argument that is shell text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShellArg {
    /// Tool name: exact, or a prefix followed by `*`.
    pub tool: String,
    /// Selector of the argument.
    pub arg: String,
}

/// A restriction: it can refuse a call that would be allowed, never allow one.
#[derive(Clone, Debug, PartialEq)]
pub struct ArgRule {
    /// Reported in `by` as `arg_rules/<name>`; the index when absent.
    pub name: Option<String>,
    /// Tool name: exact, a prefix followed by `*`, or `*`. Matches without regard to ASCII case.
    pub tool: String,
    /// Selector: `command`, `a.b`, `a[].b`, `**.url`, or `*` for every string leaf. With `*` a schema is
    /// about the arguments as a whole, a path, host or URL rule about the leaves that are one (texts
    /// under keys such as `content` are not places), and a form about every shell text.
    pub arg: String,
    /// What is required or refused.
    pub matcher: Matcher,
    /// The reason of the refusal; `POLICY_BLOCK` when the file does not say.
    pub reason: Option<Reason>,
    /// `true`: REQUIRE_WITNESS instead of DENY (`"verdict": "REQUIRE_WITNESS"`).
    pub require_witness: bool,
    /// With REQUIRE_WITNESS: what must be seen to hold before somebody may approve.
    pub witness: Vec<String>,
    /// What to do instead, shown to the caller.
    pub hint: Option<String>,
    /// The argument must be present.
    pub required: bool,
}

/// Exactly one per rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Matcher {
    /// Refuse when the decoded string matches (RE2 syntax). On shell text also against each simple
    /// command's words joined by one space.
    DenyRegex(String),
    /// Refuse unless the value is a path under this glob that does not escape; a missing argument refuses.
    AllowGlob(String),
    /// Refuse a string longer than this many bytes.
    MaxBytes(u64),
    /// Refuse a string longer than this many characters, or an array with more elements.
    MaxLen(u64),
    /// Refuse a number outside the bounds; decimal texts compared exactly.
    Range {
        /// Inclusive lower bound.
        min: Option<String>,
        /// Inclusive upper bound.
        max: Option<String>,
    },
    /// Refuse a value not listed.
    OneOf(Vec<serde_json::Value>),
    /// Refuse a path outside the roots, or under a denied glob. On shell text: every path a command touches.
    Path(PathRule),
    /// Refuse a host (or `host:port`) outside the rule.
    Host(HostRule),
    /// Refuse a URL outside the rule. On shell text: every URL and host a command contacts.
    Url(HostRule),
    /// Refuse what does not satisfy this JSON Schema (draft 2020-12), as `MALFORMED` unless said otherwise.
    Schema(serde_json::Value),
    /// On shell text: refuse a simple command of this form.
    Argv(ArgvRule),
}

/// Where paths may lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathRule {
    /// Allowed roots: absolute, `~/...`, `.` for the caller's working directory, or `$` for places that
    /// are only known when a command runs (without it, such a path is refused). Empty: anywhere not denied.
    pub roots: Vec<String>,
    /// Globs refused even inside a root.
    pub deny: Vec<String>,
    /// On shell text, which accesses the rule governs; empty: all. Under the selector `*` a tool whose
    /// name changes things (`write_file`) writes, any other reads.
    pub access: Vec<Access>,
}

/// How a command touches a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Its bytes are read.
    Read,
    /// It is created, changed, moved onto, or its attributes change.
    Write,
    /// It is removed or moved away.
    Delete,
}

/// Which network places are in reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostRule {
    /// Allowed hosts: exact, `*.example.com`, or a CIDR. Empty: any not refused.
    pub allow: Vec<String>,
    /// Refused hosts, same forms.
    pub deny: Vec<String>,
    /// Refused address classes: `loopback private link_local metadata unspecified multicast reserved`.
    pub deny_classes: Vec<AddressClass>,
    /// Allowed schemes; empty: any.
    pub schemes: Vec<String>,
    /// Allowed ports; empty: any.
    pub ports: Vec<u16>,
    /// Allow `user:password@`; refused by default.
    pub userinfo: bool,
}

pub use fak_args::AddressClass;

/// The form of a simple command. All given conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArgvRule {
    /// Base names of the program, compared without regard to case or a `.exe` suffix; `*` is every
    /// program. Required.
    pub program: Vec<String>,
    /// First operand (after global options), for example `push`; empty: any.
    pub sub: Vec<String>,
    /// Second operand, for example `add` in `git worktree add`; empty: any.
    pub sub2: Vec<String>,
    /// At least one of these options is given: `-f`, `--force` (also inside a cluster `-fq`, as
    /// `--force=x`, and as an unambiguous abbreviation `--forc`).
    pub any_flag: Vec<String>,
    /// Each of these is given.
    pub all_flags: Vec<String>,
    /// None of these is given, else the rule does not match.
    pub unless_flag: Vec<String>,
    /// At least one operand after `sub` matches one of these globs (`*` and `?` match any character,
    /// ASCII case does not count); `$` alone stands for an operand computed from its beginning.
    pub any_operand: Vec<String>,
    /// No operand matches one of these globs, else the rule does not match.
    pub unless_operand: Vec<String>,
    /// At least / at most this many operands after `sub`.
    pub min_operands: Option<u32>,
    /// See `min_operands`.
    pub max_operands: Option<u32>,
    /// An assignment or option value given to the command matches, `NAME=glob`: environment prefixes
    /// (`GIT_EDITOR=*`), `git -c key=value` pairs (key lower-cased), and with its dashes an option that
    /// takes a value (`--volume=/:*`). The name may be a glob unless it is an option.
    pub any_setting: Vec<String>,
    /// None matches, else the rule does not match.
    pub unless_setting: Vec<String>,
    /// Match only when the command runs in the foreground.
    pub foreground: bool,
}

/// One quota.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateLimit {
    /// Most admitted calls per key; over the window when one is given, else over the key's lifetime.
    pub max_calls: Option<u64>,
    /// Most cost (argument bytes) per key; over the window when one is given, else over the key's lifetime.
    pub max_cost: Option<u64>,
    /// What is counted together.
    pub key: Option<RateKey>,
    /// Overrides the advice given with the refusal.
    pub retry_after_ms: Option<u64>,
    /// Window in milliseconds: the quota refills continuously (GCRA). Absent: a lifetime quota.
    pub window_ms: Option<u64>,
}

/// What a quota counts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RateKey {
    /// One session.
    Trace,
    /// One tool.
    Tool,
    /// One principal.
    Principal,
    /// Everything.
    Global,
}
