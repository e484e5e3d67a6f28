//! A call to a verdict.
//!
//! The rungs stand in a fixed order and a refusal of an earlier one stands: form, explicit denial,
//! self-modification by path, self-modification in shell text, argument rules, content lint; then the
//! allow list, without which everything is refused; then redaction. The posture comes last.

pub(crate) mod facts;
pub(crate) mod guard;
mod lint_write;
pub(crate) mod patch;
mod posture;
mod redact;
mod unresolved;

use std::{borrow::Cow, cell::OnceCell, sync::Arc, sync::LazyLock};

use fak_args::{Args, Kind, Limits, NormalPath, Value};
use fak_types::{CallLimits, Detail, Reason, ToolCall, Verdict, VerdictKind};

use self::facts::{Leaf, ShellText};
use crate::{
    claim,
    compile::Policy,
    index::Plan,
    names,
    rules::{
        Check, Finding, Rule, View,
        argv::{ANY_PROGRAM, Fit, Subject},
    },
    spot::Ground,
    world::World,
};

/// Most shell arguments of one call. LIMIT: a tool has one or two; more are refused.
const SHELL_TEXTS_MAX: usize = 64;

/// The names of the rungs, made once: a verdict clones them.
struct Words {
    parse: Arc<str>,
    self_modify: Arc<str>,
    shell_form: Arc<str>,
    lint: Arc<str>,
    redact: Arc<str>,
    default: Arc<str>,
    guarded: Arc<str>,
    form: Arc<str>,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| Words {
    parse: "parse".into(),
    self_modify: "self_modify_globs".into(),
    shell_form: "shell/form".into(),
    lint: "lint_writes".into(),
    redact: "redact_fields".into(),
    default: "default".into(),
    guarded: "reading it is not refused; ask a person to change it".into(),
    form: "send one JSON object without repeated keys".into(),
});

/// What the parts of a case refer to.
struct Desk<'c> {
    args: Args<'c>,
    here: OnceCell<NormalPath>,
}

impl<'c> Desk<'c> {
    const fn new(args: Args<'c>) -> Self {
        Self {
            args,
            here: OnceCell::new(),
        }
    }
}

/// One call under judgement.
struct Case<'c> {
    policy: &'c Policy,
    tool: &'c str,
    args: &'c Args<'c>,
    plan: Cow<'c, Plan>,
    /// The tool's name says that it changes something.
    write_shaped: bool,
    ground: Ground<'c>,
    leaves: OnceCell<Vec<Leaf<'c, 'c>>>,
    shells: OnceCell<Result<Vec<ShellText<'c>>, &'static str>>,
}

/// A rung's name and its opinion.
type Rung = (&'static str, fn(&Case<'_>) -> Option<Verdict>);

/// The rungs that refuse, in order.
const REFUSING: [Rung; 5] = [
    ("deny", |case| case.explicit_deny()),
    ("self_modify", |case| case.self_modify_path()),
    ("self_modify_shell", |case| case.self_modify_shell()),
    ("arg_rules", |case| case.argument_rules()),
    ("lint_writes", |case| case.lint_writes()),
];

impl Policy {
    /// Judges a call. Pure: no lock, no clock, no I/O but what `world` does.
    pub fn adjudicate(&self, call: &ToolCall<'_>, world: &dyn World) -> Verdict {
        match read(call) {
            Ok(args) => {
                let desk = Desk::new(args);
                let case = Case::new(self, call, &desk, world);
                posture::apply(self.posture(), case.decide(), || case.plainly_reads())
            }
            Err(verdict) => posture::apply(self.posture(), verdict, || false),
        }
    }

    /// Judges a call and says what every rung thinks of it, in order. The last entry, `posture`, is
    /// the verdict [`Policy::adjudicate`] gives.
    pub fn explain(&self, call: &ToolCall<'_>, world: &dyn World) -> Vec<(String, Verdict)> {
        let mut opinions = Vec::new();
        let mut add = |rung: &str, verdict: Option<Verdict>| {
            opinions.push((
                rung.to_owned(),
                verdict.unwrap_or_else(|| Verdict::defer(rung)),
            ));
        };
        match read(call) {
            Err(verdict) => add("parse", Some(verdict)),
            Ok(args) => {
                let desk = Desk::new(args);
                let case = Case::new(self, call, &desk, world);
                add("parse", None);
                for (name, rung) in REFUSING {
                    add(name, rung(&case));
                }
                add("allow", case.permission());
                add("redact_fields", case.redaction());
                if case.permission().is_none() {
                    add("default", Some(case.default_deny()));
                }
                if let Some(sink) = self.flow().and_then(|flow| flow.sink(call.tool)) {
                    let by = format!("flow/{}", sink.tool);
                    let words = "where its values come from is judged in its session";
                    let detail = Detail::new(words);
                    add(
                        "sinks",
                        Some(Verdict {
                            detail,
                            ..Verdict::defer(by)
                        }),
                    );
                }
            }
        }
        add("posture", Some(self.adjudicate(call, world)));
        opinions
    }
}

/// Reads the call's form.
fn read<'c>(call: &ToolCall<'c>) -> Result<Args<'c>, Verdict> {
    let malformed = |words: &str| Verdict::deny(Reason::Malformed, Arc::clone(&WORDS.parse), words);
    if let Some(problem) = names::name_problem(call.tool) {
        return Err(malformed(problem));
    }
    let limits = CallLimits::default();
    let limits = Limits {
        bytes_max: limits.args_bytes_max,
        depth_max: limits.depth_max,
        values_max: limits.values_max,
    };
    Args::parse(call.args, &limits).map_err(|problem| Verdict {
        hint: Some(Arc::clone(&WORDS.form)),
        ..malformed(&problem.to_string())
    })
}

impl<'c> Case<'c> {
    fn new(
        policy: &'c Policy,
        call: &ToolCall<'c>,
        desk: &'c Desk<'c>,
        world: &'c dyn World,
    ) -> Self {
        let lower: Cow<'_, str> = if call.tool.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(call.tool.to_ascii_lowercase())
        } else {
            Cow::Borrowed(call.tool)
        };
        let plan = policy.index.plan(&lower);
        Self {
            policy,
            tool: call.tool,
            args: &desk.args,
            write_shaped: plan
                .write_shaped
                .unwrap_or_else(|| names::write_shaped(call.tool)),
            plan,
            ground: Ground {
                here: call.cwd,
                here_path: &desk.here,
                cwd: call.cwd,
                home: call.home,
                watch: policy.watch.as_ref(),
                world,
            },
            leaves: OnceCell::new(),
            shells: OnceCell::new(),
        }
    }

    /// The string leaves of the call, collected at first need.
    fn leaves(&self) -> &[Leaf<'c, 'c>] {
        self.leaves.get_or_init(|| Leaf::all(self.args.root()))
    }

    /// The fold of the rungs, before the posture. A witness asked for does not end the search for a
    /// refusal, and does not make up for a missing permission.
    fn decide(&self) -> Verdict {
        let mut held = None;
        for (_, rung) in REFUSING {
            match rung(self) {
                Some(verdict) if verdict.kind == VerdictKind::Deny => return verdict,
                Some(verdict) => held = held.or(Some(verdict)),
                None => {}
            }
        }
        let Some(allowed) = self.permission() else {
            return self.default_deny();
        };
        match held {
            // Whoever approves the call approves it as it would have run: redacted.
            Some(held) => Verdict {
                edits: self.redaction().map_or_else(Vec::new, |cut| cut.edits),
                ..held
            },
            None => self.redaction().unwrap_or(allowed),
        }
    }

    fn explicit_deny(&self) -> Option<Verdict> {
        let (reason, by) = self.policy.denied.get(self.plan.deny? as usize)?;
        Some(Verdict::deny(
            *reason,
            Arc::clone(by),
            "the tool is denied by name",
        ))
    }

    fn self_modify_path(&self) -> Option<Verdict> {
        let guard = self.policy.guard.as_ref()?;
        if !self.write_shaped {
            return None;
        }
        let fragment = guard.in_arguments(self.tool, self.leaves(), &self.ground)?;
        Some(self_modify(&format!("the call writes to {fragment}")))
    }

    fn self_modify_shell(&self) -> Option<Verdict> {
        let guard = self.policy.guard.as_ref()?;
        let (fragment, at) = self
            .shells()
            .ok()?
            .iter()
            .find_map(|shell| guard.in_shell(shell, &self.ground))?;
        Some(self_modify(&format!(
            "the command writes to {fragment} (byte {at})"
        )))
    }

    /// The shell texts of the call, read at first need.
    fn shells(&self) -> Result<&[ShellText<'c>], &'static str> {
        let read = self.shells.get_or_init(|| {
            let mut shells: Vec<ShellText<'c>> = Vec::new();
            for &place in &self.plan.shell {
                let selector = self
                    .policy
                    .shell
                    .get(place as usize)
                    .and_then(|&at| self.policy.selectors.get(at as usize));
                let Some(selector) = selector else { continue };
                for value in self.args.select(selector) {
                    let at = value.span().start;
                    if value.kind() == Kind::Null
                        || shells.iter().any(|shell| shell.span.start == at)
                    {
                        continue;
                    }
                    if shells.len() == SHELL_TEXTS_MAX {
                        return Err("the call holds more shell arguments than can be examined");
                    }
                    shells.push(ShellText::read(value, parent_of(self.args.root(), at))?);
                }
            }
            Ok(shells)
        });
        match read {
            Ok(shells) => Ok(shells),
            Err(problem) => Err(problem),
        }
    }

    /// The argument rules, forms of commands included, in file order; then what could not be read.
    fn argument_rules(&self) -> Option<Verdict> {
        if self.plan.rules.is_empty() && self.plan.shell.is_empty() {
            return None;
        }
        let shells = match self.shells() {
            Ok(shells) => shells,
            Err(problem) => {
                return Some(Verdict::deny(
                    Reason::Malformed,
                    Arc::clone(&WORDS.shell_form),
                    problem,
                ));
            }
        };
        let view = View {
            root: self.args.root(),
            leaves: self.leaves(),
            shells,
            ground: &self.ground,
            tool: self.tool,
            write_shaped: self.write_shaped,
        };
        let mut found: Vec<(u32, Verdict)> = Vec::new();
        let mut selected: Vec<(u32, Vec<Value<'c, 'c>>)> = Vec::new();
        for &place in &self.plan.rules {
            let Some(rule) = self.policy.rules.get(place as usize) else {
                continue;
            };
            let values = if rule.every_leaf {
                &[][..]
            } else {
                self.select(rule, &mut selected)
            };
            if let Some(finding) = rule.judge(values, &view) {
                let verdict = refusal(rule, finding);
                let denied = verdict.kind == VerdictKind::Deny;
                found.push((place, verdict));
                if denied {
                    break;
                }
            }
        }
        let forms = shells.iter().flat_map(|shell| self.forms(shell));
        found.extend(forms);
        found.sort_by_key(|(place, verdict)| (verdict.kind != VerdictKind::Deny, *place));
        // Whoever approves the call approves it for all of them.
        let claims = claim::joined(found.iter().filter_map(|(_, found)| found.claims.as_ref()));
        let first = found.into_iter().next().map(|(_, verdict)| verdict);
        match first {
            Some(verdict) if verdict.kind == VerdictKind::Deny => Some(verdict),
            held => shells
                .iter()
                .find_map(unresolved::refusal)
                .or_else(|| held.map(|held| Verdict { claims, ..held })),
        }
    }

    /// The values a rule's selector names, selected once per selector.
    fn select<'m>(
        &self,
        rule: &Rule,
        selected: &'m mut Vec<(u32, Vec<Value<'c, 'c>>)>,
    ) -> &'m [Value<'c, 'c>] {
        let known = selected
            .iter()
            .position(|(selector, _)| *selector == rule.selector);
        let known = known.unwrap_or_else(|| {
            let selector = self.policy.selectors.get(rule.selector as usize);
            let values = selector
                .map(|selector| self.args.select(selector))
                .unwrap_or_default();
            selected.push((rule.selector, values));
            selected.len() - 1
        });
        selected.get(known).map_or(&[], |(_, values)| values)
    }

    /// The rules about forms that one of the text's commands has: the first of each kind of verdict.
    fn forms(&self, shell: &ShellText<'_>) -> Vec<(u32, Verdict)> {
        let mut found: Vec<(u32, Verdict)> = Vec::new();
        let mut selected = Vec::new();
        let any = self
            .policy
            .forms
            .get(ANY_PROGRAM)
            .map_or(&[][..], Vec::as_slice);
        for command in &shell.script.commands {
            let own = self
                .policy
                .forms
                .get(&command.program)
                .map_or(&[][..], Vec::as_slice);
            if own.is_empty() && any.is_empty() {
                continue;
            }
            let subject = Subject::new(command, shell);
            for place in own.iter().chain(any) {
                if self.plan.forms.binary_search(place).is_err()
                    || found.iter().any(|(known, _)| known == place)
                {
                    continue;
                }
                let Some(rule) = self.policy.rules.get(*place as usize) else {
                    continue;
                };
                let Check::Argv(form) = &rule.check else {
                    continue;
                };
                if !rule.every_leaf
                    && !self
                        .select(rule, &mut selected)
                        .iter()
                        .any(|one| one.span() == shell.span)
                {
                    continue;
                }
                let words = match form.fit(&subject) {
                    Fit::No => continue,
                    Fit::Yes => format!("the command at byte {} has the refused form", command.at),
                    Fit::Possible => {
                        format!(
                            "a word of the command at byte {} is computed when it runs and may give it the refused form",
                            command.at
                        )
                    }
                };
                found.push((*place, refusal(rule, Finding::Refused(words))));
            }
        }
        found
    }

    fn lint_writes(&self) -> Option<Verdict> {
        if !self.policy.lint_writes || !lint_write::writes_whole_files(self.tool) {
            return None;
        }
        let problem = lint_write::problem(self.args.root())?;
        Some(Verdict::deny(
            Reason::Malformed,
            Arc::clone(&WORDS.lint),
            &problem,
        ))
    }

    fn permission(&self) -> Option<Verdict> {
        self.policy
            .permits
            .find(self.tool)
            .map(|by| Verdict::allow(Arc::clone(by)))
    }

    fn redaction(&self) -> Option<Verdict> {
        let edits = redact::edits(self.args.root(), &self.policy.redact);
        if edits.is_empty() {
            return None;
        }
        Some(Verdict {
            edits,
            ..Verdict::of(VerdictKind::Transform, Arc::clone(&WORDS.redact))
        })
    }

    fn default_deny(&self) -> Verdict {
        let hint = match self.policy.permits.near(self.tool) {
            Some(near) => {
                Some(format!("names are compared exactly; the profile allows {near}").into())
            }
            None => self.policy.permits.unlisted.clone(),
        };
        let verdict = Verdict::deny(
            Reason::DefaultDeny,
            Arc::clone(&WORDS.default),
            "no rule allows the tool",
        );
        Verdict { hint, ..verdict }
    }

    /// Whether the call only reads, by its name, and names neither a command nor a path.
    fn plainly_reads(&self) -> bool {
        names::read_shaped(self.tool) && !reaches(self.args.root())
    }
}

fn self_modify(words: &str) -> Verdict {
    let verdict = Verdict::deny(Reason::SelfModify, Arc::clone(&WORDS.self_modify), words);
    Verdict {
        hint: Some(Arc::clone(&WORDS.guarded)),
        ..verdict
    }
}

/// A rule's finding as a verdict. A value of the wrong kind is a matter of form, whatever the rule says.
fn refusal(rule: &Rule, finding: Finding) -> Verdict {
    let (kind, reason, words): (_, _, Cow<'_, str>) = match finding {
        Finding::Refused(words) => (rule.kind, rule.reason, words.into()),
        Finding::Malformed(words) => (VerdictKind::Deny, Reason::Malformed, words.into()),
        Finding::Unreadable(words) => (VerdictKind::Deny, Reason::Malformed, words.into()),
    };
    let verdict = Verdict::deny(reason, Arc::clone(&rule.by), &words);
    let asks = kind == VerdictKind::RequireWitness;
    Verdict {
        kind,
        hint: rule.hint.clone(),
        claims: rule.claims.clone().filter(|_| asks),
        ..verdict
    }
}

/// The object or array that directly holds the value at a byte.
fn parent_of<'s, 'a>(root: Value<'s, 'a>, at: usize) -> Option<Value<'s, 'a>> {
    let mut parent = root;
    loop {
        let child = parent.items().find(|item| item.span().contains(&at))?;
        if child.span().start == at {
            return Some(parent);
        }
        parent = child;
    }
}

fn reaches(value: Value<'_, '_>) -> bool {
    value
        .items()
        .any(|item| item.key().is_some_and(|key| names::reaching_key(&key)) || reaches(item))
}
