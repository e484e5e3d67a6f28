//! Manifest to [`Policy`]: everything that can be prepared once is.

use std::{collections::HashMap, fmt, sync::Arc};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use fak_args::{PathGlob, Selector, compare_numbers};
use fak_types::{Posture, Reason, SourceClass, VerdictKind};

use crate::{
    cache, claim,
    diagnostic::Diagnostic,
    dump, flow,
    index::{Index, Table, ToolPattern},
    judge::guard::Guard,
    manifest::{
        ArgRule, Bind, Manifest, Matcher, RateLimit, ShellArg,
        cache::Cache,
        flow::Flow,
        session::{Approval, Budget},
    },
    names,
    rules::{
        Check, Pattern, Rule, argv::ArgvCheck, path::PathCheck, place::PlaceCheck,
        schema::SchemaCheck,
    },
};

/// The policy that judges whoever no profile binds.
const EMBEDDED: &str = include_str!("../../../policy.d/coding-agent.yaml");

/// Tools that are known to take shell text, for manifests that declare none, and the argument's names.
const SHELL_TOOLS: [&str; 16] = [
    "bash",
    "shell",
    "sh",
    "zsh",
    "terminal",
    "run_shell_command",
    "run_command",
    "run_terminal_cmd",
    "run_in_terminal",
    "execute_command",
    "exec_command",
    "shell_command",
    "local_shell",
    "run_shell",
    "powershell",
    "execute_bash",
];
const SHELL_ARGS: [&str; 2] = ["command", "cmd"];

/// A compiled policy: immutable, waiting for no other call, and judged in time that follows the rules
/// that concern the call, not the size of the policy.
pub struct Policy {
    name: String,
    digest_text: String,
    posture: Posture,
    bind: Option<Bind>,
    rate_limits: Vec<RateLimit>,
    pub(crate) permits: Permits,
    pub(crate) index: Index,
    pub(crate) denied: Vec<(Reason, Arc<str>)>,
    pub(crate) guard: Option<Guard>,
    /// Finds the paths that a guarded fragment or a denied glob may name.
    pub(crate) watch: Option<AhoCorasick>,
    pub(crate) redact: Vec<String>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) forms: Table<String, Vec<u32>>,
    pub(crate) selectors: Vec<Selector>,
    pub(crate) shell: Vec<u32>,
    pub(crate) lint_writes: bool,
    sources: HashMap<String, SourceClass>,
    flow: Option<Flow>,
    approval: Approval,
    budget: Option<Budget>,
    cache: Option<Cache>,
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What a policy allows: by exact name, or by the beginning of a name.
#[derive(Debug, Default)]
pub(crate) struct Permits {
    exact: Table<Box<str>, Arc<str>>,
    prefixes: Table<Box<str>, Arc<str>>,
    lengths: Vec<usize>,
    /// The allowed names by their folded form, for the caller who misspelt one.
    folded: Table<String, Box<str>>,
    /// The hint of a default denial.
    pub(crate) unlisted: Option<Arc<str>>,
}

impl Permits {
    fn new(name: &str, manifest: &Manifest) -> Self {
        let by = |kind: &str, names: &[String]| -> Table<Box<str>, Arc<str>> {
            names
                .iter()
                .map(|name| (name.as_str().into(), format!("{kind}/{name}").into()))
                .collect()
        };
        let prefixes = by("allow_prefix", &manifest.allow_prefix);
        let mut lengths: Vec<usize> = prefixes.keys().map(|prefix| prefix.len()).collect();
        lengths.sort_unstable_by(|left, right| right.cmp(left));
        lengths.dedup();
        let unlisted = if manifest.allow.is_empty() && prefixes.is_empty() {
            format!("the profile {name} allows no tool")
        } else {
            format!("the tool is not on the allow list of the profile {name}")
        };
        Self {
            exact: by("allow", &manifest.allow),
            prefixes,
            lengths,
            folded: manifest
                .allow
                .iter()
                .rev()
                .map(|name| (names::fold_key(name), name.as_str().into()))
                .collect(),
            unlisted: Some(unlisted.into()),
        }
    }

    /// The permission that covers exactly this name, the longest prefix first.
    pub(crate) fn find(&self, tool: &str) -> Option<&Arc<str>> {
        self.exact.get(tool).or_else(|| {
            self.lengths
                .iter()
                .find_map(|&length| self.prefixes.get(tool.get(..length)?))
        })
    }

    /// An allowed name that differs only in case and separators: what the caller may have meant.
    pub(crate) fn near(&self, tool: &str) -> Option<&str> {
        self.folded.get(&names::fold_key(tool)).map(|name| &**name)
    }
}

impl Policy {
    /// Compiles a manifest under the name reports use.
    ///
    /// # Errors
    /// Every part that cannot be compiled, each with its field; never an empty list.
    pub fn compile(name: &str, manifest: &Manifest) -> Result<Self, Vec<Diagnostic>> {
        let mut problems = Vec::new();
        let mut parts = Parts::default();
        parts.shell_declarations(manifest, &mut problems);
        for (place, rule) in manifest.arg_rules.iter().enumerate() {
            parts.rule(place, rule, &mut problems);
        }
        let guard = Guard::new(&manifest.self_modify_globs).unwrap_or_else(|(place, message)| {
            problems.push(Diagnostic::error(
                format!("self_modify_globs[{place}]"),
                message,
                "",
            ));
            None
        });
        claim::check(&manifest.arg_rules, &mut problems);
        let flow = flow::resolve(manifest, &mut problems);
        if let Some(said) = &manifest.cache {
            cache::check(said, &mut problems);
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let denied: Vec<String> = manifest.deny.iter().map(|(tool, _)| tool.clone()).collect();
        let allowed = manifest.allow.iter().map(String::as_str);
        Ok(Self {
            name: name.to_owned(),
            digest_text: dump(manifest),
            posture: manifest.posture.unwrap_or(Posture::FailClosed),
            bind: manifest.bind.clone(),
            rate_limits: manifest.rate_limit.clone(),
            permits: Permits::new(name, manifest),
            index: Index::build(&parts.tools, &parts.shell_tools, &denied, allowed),
            denied: manifest
                .deny
                .iter()
                .map(|(tool, reason)| (*reason, format!("deny/{tool}").into()))
                .collect(),
            watch: watch(guard.as_ref(), &parts.rules),
            guard,
            redact: manifest
                .redact_fields
                .iter()
                .map(|field| names::fold_key(field))
                .collect(),
            forms: parts.forms(),
            rules: parts.rules,
            selectors: parts.selectors,
            shell: parts.shell,
            lint_writes: manifest.lint_writes,
            sources: manifest.sources.iter().cloned().collect(),
            flow,
            approval: manifest.approval.unwrap_or_default(),
            budget: manifest.budget.clone(),
            cache: manifest.cache.clone(),
        })
    }

    /// The floor that is compiled in: the shipped `coding-agent` policy. Should it not load, which a
    /// test excludes, the policy that denies every call.
    #[must_use]
    pub fn embedded() -> Self {
        let manifest = crate::load::read_only(EMBEDDED, crate::Format::Yaml).unwrap_or_default();
        Self::compile("coding-agent", &manifest).unwrap_or_else(|_| Self::nothing("coding-agent"))
    }

    /// The policy that denies every call.
    fn nothing(name: &str) -> Self {
        let manifest = Manifest::default();
        Self {
            name: name.to_owned(),
            digest_text: dump(&manifest),
            posture: Posture::FailClosed,
            bind: None,
            rate_limits: Vec::new(),
            permits: Permits::new(name, &manifest),
            index: Index::default(),
            denied: Vec::new(),
            guard: None,
            watch: None,
            redact: Vec::new(),
            rules: Vec::new(),
            forms: Table::default(),
            selectors: Vec::new(),
            shell: Vec::new(),
            lint_writes: false,
            sources: HashMap::new(),
            flow: None,
            approval: Approval::default(),
            budget: None,
            cache: None,
        }
    }

    /// The text of the embedded floor, as shipped.
    #[must_use]
    pub const fn embedded_text() -> &'static str {
        EMBEDDED
    }

    /// The profile's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The canonical manifest: two policies with the same text judge the same.
    #[must_use]
    pub fn digest_text(&self) -> &str {
        &self.digest_text
    }

    /// What happens to a refusal.
    #[must_use]
    pub const fn posture(&self) -> Posture {
        self.posture
    }

    /// Whom the profile binds.
    #[must_use]
    pub const fn bind(&self) -> Option<&Bind> {
        self.bind.as_ref()
    }

    /// How far the results of a tool may be trusted; a tool nobody lists is tainted.
    #[must_use]
    pub fn source(&self, tool: &str) -> SourceClass {
        let listed = self.sources.get(tool).copied();
        listed.unwrap_or(SourceClass::Tainted)
    }

    /// What the profile says about information flow; `None` when its file does not.
    ///
    /// Guarantees: every source says `otherwise` and every field its `trust`, the classes of `sources` are among them,
    /// every selector parses (those of fields below a result), at most [`crate::FLOW_CLASSES_MAX`] classes are named,
    /// each endorsed one by a control, and no pattern stands twice in one list.
    #[must_use]
    pub const fn flow(&self) -> Option<&Flow> {
        self.flow.as_ref()
    }

    /// How questions to a person are kept; the default when the file does not say.
    #[must_use]
    pub const fn approval(&self) -> Approval {
        self.approval
    }

    /// What a session may spend when it begins; `None` is unbounded throughout.
    #[must_use]
    pub const fn budget(&self) -> Option<&Budget> {
        self.budget.as_ref()
    }

    /// Which answers may be kept and what makes them stale; `None`: none are kept.
    ///
    /// Guarantees: every selector parses, and no tool is in both lists.
    #[must_use]
    pub const fn cache(&self) -> Option<&Cache> {
        self.cache.as_ref()
    }

    /// The quotas; counting is the kernel's.
    #[must_use]
    pub fn rate_limits(&self) -> &[RateLimit] {
        &self.rate_limits
    }
}

/// The tables under construction.
#[derive(Default)]
struct Parts {
    rules: Vec<Rule>,
    /// Each rule's tools, and whether it is about the form of a command.
    tools: Vec<(ToolPattern, bool)>,
    selectors: Vec<Selector>,
    places: HashMap<String, u32>,
    shell: Vec<u32>,
    shell_tools: Vec<ToolPattern>,
}

impl Parts {
    fn selector(&mut self, text: &str) -> Result<u32, String> {
        if let Some(&place) = self.places.get(text) {
            return Ok(place);
        }
        let selector = Selector::parse(text).map_err(|problem| problem.to_string())?;
        let place =
            u32::try_from(self.selectors.len()).map_err(|_| "too many selectors".to_owned())?;
        self.selectors.push(selector);
        self.places.insert(text.to_owned(), place);
        Ok(place)
    }

    /// What is declared; what a form of command is required of; and for a manifest that declares
    /// nothing but restricts something, the tools everybody knows.
    fn shell_declarations(&mut self, manifest: &Manifest, problems: &mut Vec<Diagnostic>) {
        let mut declared: Vec<(String, ShellArg)> = Vec::new();
        for (place, shell) in manifest.shell.iter().enumerate() {
            declared.push((format!("shell[{place}].arg"), shell.clone()));
        }
        let restricts = !manifest.self_modify_globs.is_empty() || !manifest.arg_rules.is_empty();
        if manifest.shell.is_empty() && restricts {
            for (tool, arg) in SHELL_TOOLS
                .iter()
                .flat_map(|tool| SHELL_ARGS.map(|arg| (tool, arg)))
            {
                declared.push((
                    String::new(),
                    ShellArg {
                        tool: (*tool).to_owned(),
                        arg: arg.to_owned(),
                    },
                ));
            }
        }
        // Where nothing is declared, a form asked of an argument declares it.
        for rule in manifest
            .arg_rules
            .iter()
            .filter(|_| manifest.shell.is_empty())
        {
            if matches!(rule.matcher, Matcher::Argv(_)) && rule.arg != "*" {
                declared.push((
                    String::new(),
                    ShellArg {
                        tool: rule.tool.clone(),
                        arg: rule.arg.clone(),
                    },
                ));
            }
        }
        for (field, shell) in declared {
            let pattern = ToolPattern::parse(&shell.tool);
            match self.selector(&shell.arg) {
                Ok(place) => {
                    let known = self
                        .shell
                        .iter()
                        .zip(&self.shell_tools)
                        .any(|(&other, tool)| other == place && *tool == pattern);
                    if !known {
                        self.shell.push(place);
                        self.shell_tools.push(pattern);
                    }
                }
                Err(message) if !field.is_empty() => {
                    problems.push(Diagnostic::error(field, message, ""))
                }
                // The rule that brought the selector reports it.
                Err(_) => {}
            }
        }
    }

    fn rule(&mut self, place: usize, rule: &ArgRule, problems: &mut Vec<Diagnostic>) {
        let field = |part: &str| format!("arg_rules[{place}].{part}");
        let selector = self.selector(&rule.arg).unwrap_or_else(|message| {
            problems.push(Diagnostic::error(field("arg"), message, ""));
            0
        });
        let check = match check(&rule.matcher) {
            Ok(check) => check,
            Err((part, message)) => {
                problems.push(Diagnostic::error(field(&part), message, ""));
                return;
            }
        };
        let shape = matches!(rule.matcher, Matcher::Schema(_));
        let by = match &rule.name {
            Some(name) => format!("arg_rules/{name}"),
            None => format!("arg_rules/{place}"),
        };
        let reason = rule.reason.unwrap_or(match (rule.require_witness, shape) {
            (true, _) => Reason::None,
            (false, true) => Reason::Malformed,
            (false, false) => Reason::PolicyBlock,
        });
        self.tools.push((
            ToolPattern::parse(&rule.tool),
            matches!(check, Check::Argv(_)),
        ));
        self.rules.push(Rule {
            by: by.into(),
            selector,
            every_leaf: rule.arg == "*",
            check,
            reason,
            kind: if rule.require_witness {
                VerdictKind::RequireWitness
            } else {
                VerdictKind::Deny
            },
            claims: claim::shared(&rule.witness),
            hint: rule.hint.as_deref().map(Into::into),
            required: rule.required,
        });
    }

    /// From a program to the rules about its forms.
    fn forms(&self) -> Table<String, Vec<u32>> {
        let mut forms: Table<String, Vec<u32>> = Table::default();
        for (place, rule) in (0_u32..).zip(&self.rules) {
            if let Check::Argv(argv) = &rule.check {
                for program in argv.programs() {
                    let rules = forms.entry(program).or_default();
                    if rules.last() != Some(&place) {
                        rules.push(place);
                    }
                }
            }
        }
        forms
    }
}

/// One automaton for what all guarded fragments and denied globs look for, so that a path none of them can
/// concern is read once.
fn watch(guard: Option<&Guard>, rules: &[Rule]) -> Option<AhoCorasick> {
    let checks = rules.iter().filter_map(|rule| match &rule.check {
        Check::Path(check) => Some(check.literals()),
        _ => None,
    });
    let needles: Vec<String> = guard
        .into_iter()
        .flat_map(Guard::needles)
        .chain(checks.flatten())
        .collect();
    AhoCorasick::builder()
        .kind(Some(AhoCorasickKind::DFA))
        .ascii_case_insensitive(true)
        .build(&needles)
        .ok()
}

/// Compiles a matcher. The error names the part of the rule and what is wrong with it.
fn check(matcher: &Matcher) -> Result<Check, (String, String)> {
    let within = |part: &'static str| {
        move |(inner, message): (String, String)| (format!("{part}.{inner}"), message)
    };
    Ok(match matcher {
        Matcher::DenyRegex(text) => Check::DenyRegex(
            Pattern::new(text).map_err(|message| ("deny_regex".to_owned(), message))?,
        ),
        Matcher::AllowGlob(text) => {
            let built = PathGlob::new(text, false);
            Check::AllowGlob(
                built.map_err(|problem| ("allow_glob".to_owned(), problem.to_string()))?,
            )
        }
        Matcher::MaxBytes(most) => Check::MaxBytes(*most),
        Matcher::MaxLen(most) => Check::MaxLen(*most),
        Matcher::Range { min, max } => {
            for (part, bound) in [("range.min", min), ("range.max", max)] {
                if bound
                    .as_ref()
                    .is_some_and(|text| compare_numbers(text, text).is_none())
                {
                    return Err((part.to_owned(), "not a decimal number".to_owned()));
                }
            }
            Check::Range {
                min: min.clone(),
                max: max.clone(),
            }
        }
        Matcher::OneOf(listed) => Check::OneOf(listed.clone()),
        Matcher::Path(rule) => Check::Path(PathCheck::new(rule).map_err(within("path"))?),
        Matcher::Host(rule) => Check::Place(PlaceCheck::new(rule, false).map_err(within("host"))?),
        Matcher::Url(rule) => Check::Place(PlaceCheck::new(rule, true).map_err(within("url"))?),
        Matcher::Schema(schema) => Check::Schema(
            SchemaCheck::new(schema).map_err(|message| ("schema".to_owned(), message))?,
        ),
        Matcher::Argv(rule) => Check::Argv(ArgvCheck::new(rule).map_err(within("argv"))?),
    })
}
