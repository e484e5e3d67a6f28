//! Every shipped policy against its table: one line per case, denials first.

mod common;

use common::policy;
use fak_policy::{NoWorld, Policy, table};

const SHIPPED: [(&str, &str, &str, usize); 6] = [
    (
        "coding-agent",
        include_str!("../../../policy.d/coding-agent.yaml"),
        include_str!("../../../policy.d/coding-agent.cases"),
        150,
    ),
    (
        "research-readonly",
        include_str!("../../../policy.d/research-readonly.yaml"),
        include_str!("../../../policy.d/research-readonly.cases"),
        25,
    ),
    (
        "customer-support-readonly",
        include_str!("../../../policy.d/customer-support-readonly.yaml"),
        include_str!("../../../policy.d/customer-support-readonly.cases"),
        25,
    ),
    (
        "devops-dryrun",
        include_str!("../../../policy.d/devops-dryrun.yaml"),
        include_str!("../../../policy.d/devops-dryrun.cases"),
        25,
    ),
    (
        "mail-assistant",
        include_str!("../../../policy.d/mail-assistant.yaml"),
        include_str!("../../../policy.d/mail-assistant.cases"),
        25,
    ),
    (
        "observe",
        include_str!("../../../policy.d/observe.yaml"),
        include_str!("../../../policy.d/observe.cases"),
        25,
    ),
];

#[test]
fn shipped_policies_answer_their_tables() {
    for (name, text, cases, least) in SHIPPED {
        let policy = policy(text);
        assert_eq!(policy.name(), name);
        let cases = table::parse(name, cases).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert!(cases.len() >= least, "{name}: {} cases", cases.len());
        let failures = table::run(&policy, &cases, &NoWorld);
        let lines: Vec<String> = failures
            .iter()
            .map(|failure| format!("{failure}  {}", failure.case.args))
            .collect();
        assert!(
            lines.is_empty(),
            "{name}: {} cases fail\n{}",
            lines.len(),
            lines.join("\n")
        );
    }
}

#[test]
fn the_embedded_floor_is_the_shipped_one() {
    let shipped = policy(Policy::embedded_text());
    let embedded = Policy::embedded();
    assert_eq!(embedded.digest_text(), shipped.digest_text());
    assert_eq!(embedded.name(), "coding-agent");
    let allowed = common::shell(&embedded, "ls");
    assert_eq!(&*allowed.by, "allow/Bash");
}
