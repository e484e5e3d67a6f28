//! The key `cache`, checked as a whole.

use std::collections::HashMap;

use fak_args::Selector;

use crate::{
    diagnostic::{Diagnostic, shown},
    manifest::cache::Cache,
};

/// Finds tools that stand in both lists or twice in one, and selectors that do not parse.
pub(crate) fn check(cache: &Cache, problems: &mut Vec<Diagnostic>) {
    let reads = cache.reads.iter();
    let writes = cache.writes.iter();
    let reads = reads.map(|read| ("reads", &read.tool, &read.resources));
    let writes = writes.map(|write| ("writes", &write.tool, &write.resources));
    let mut seen: HashMap<String, &str> = HashMap::new();
    for (list, tool, resources) in reads.chain(writes) {
        let field = format!("cache.{list}.{tool}");
        // Two reads may differ in case; whatever writes is found without regard to it.
        let key = tool.to_ascii_lowercase();
        match seen.get(key.as_str()) {
            Some(&"reads") if list == "writes" => {
                problems.push(Diagnostic::error(
                    field.clone(),
                    format!(
                        "`{}` is in `cache.reads` and in `cache.writes`",
                        shown(tool)
                    ),
                    "a tool that changes something has no answer to keep: take it out of `reads`",
                ));
            }
            Some(known) if *known == list && list == "writes" => {
                let message = format!("`{}` is named twice", shown(tool));
                let help = "case does not count; say it in one entry";
                problems.push(Diagnostic::error(field.clone(), message, help));
            }
            _ => {
                seen.insert(key, list);
            }
        }
        for (place, resource) in resources.iter().enumerate() {
            if let Err(problem) = Selector::parse(resource) {
                problems.push(Diagnostic::error(
                    format!("{field}.resources[{place}]"),
                    format!("`{}`: {problem}", shown(resource)),
                    "an argument is written `path`, `a.b`, `a[].b` or `**.url`",
                ));
            }
        }
    }
}
