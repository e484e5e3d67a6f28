//! The policy of one suite of tools, as an operator would write it.

use std::{collections::BTreeMap, sync::Arc};

use fak_flow::Rules;
use fak_kernel::Snapshot;
use fak_policy::{
    Format, Policy, PolicySet,
    diagnostic::render,
    load,
    manifest::{Manifest, flow::Flow},
};
use fak_types::Principal;

/// The suites whose policies are here.
pub const SUITES: [(&str, &str); 2] = [
    ("workspace", include_str!("../suites/workspace.yaml")),
    ("travel", include_str!("../suites/travel.yaml")),
];

/// The policy of every suite, as its file says it.
///
/// # Panics
/// When a file is not in order; the message lists its problems.
#[must_use]
pub fn manifests() -> BTreeMap<&'static str, Manifest> {
    let read = |(name, text): (&'static str, &str)| {
        let file = format!("suites/{name}.yaml");
        let loaded = load(&file, text, Format::Yaml);
        let (manifest, _) = loaded.unwrap_or_else(|problems| panic!("{}", render(&problems)));
        (name, manifest)
    };
    SUITES.into_iter().map(read).collect()
}

/// The rules of every suite, after `change`.
///
/// # Panics
/// When a file is not in order, or `change` breaks it.
#[must_use]
pub fn changed(change: impl Fn(&mut Flow)) -> BTreeMap<&'static str, Arc<Rules>> {
    let suites = manifests().into_iter();
    let rules = suites.map(|(name, mut manifest)| {
        manifest.flow.iter_mut().for_each(&change);
        let policy = Policy::compile(name, &manifest);
        (name, rules(policy.expect("the policy compiles")))
    });
    rules.collect()
}

/// The rules of every suite.
#[must_use]
pub fn all() -> BTreeMap<&'static str, Arc<Rules>> {
    changed(|_| {})
}

/// The rules as the daemon has them: of the policy in force.
fn rules(policy: Policy) -> Arc<Rules> {
    let set = PolicySet::new(vec![policy]).expect("one profile");
    let snapshot = Snapshot::new(1, set);
    let who = Principal::Key("puppet".into());
    let rules = snapshot
        .flow(&who)
        .expect("the policy says something of flow");
    Arc::clone(rules)
}
