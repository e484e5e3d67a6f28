//! What the keeper of a ledger asks and says beside calls and results.

use std::{collections::BTreeMap, fmt::Write as _, sync::LazyLock};

use fak_args::Args;

use crate::{
    admit::{ECHO_VALUES_MAX, LIMITS},
    ledger::{Entry, Ledger, TAINTED, TRUSTED},
    rules::Rules,
};

/// How many of a ledger's values came from one tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolValues {
    /// The tool's name, cut where it is very long.
    pub tool: String,
    /// Values one of its trusted fields was the first to hold.
    pub trusted: usize,
    /// Values its tainted fields held; of a value with many places only the first few are remembered.
    pub tainted: usize,
}

/// A call that said too much to hold against its result.
static ANYTHING: LazyLock<String> = LazyLock::new(|| {
    let mut args = String::from("{\"fak\":[");
    for index in 0..=ECHO_VALUES_MAX {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(args, "{comma}\"fak-unasked-{index}\"");
    }
    args.push_str("]}");
    args
});

impl Ledger {
    /// Takes a result into the ledger of which nobody knows what the call asked: no field of it is trusted, for it may
    /// only repeat the call. `row` names the result in the journal.
    pub fn admit_unasked(&mut self, rules: &Rules, tool: &str, result: &[u8], row: u64) {
        if let Ok(args) = Args::parse(&ANYTHING, &LIMITS) {
            self.admit(rules, tool, &args, result, row);
        }
    }

    /// Something the session read is not in the ledger and never will be: from now on it counts as full.
    pub fn close(&mut self) {
        self.full = true;
    }

    /// How many bytes of the user's words there is room for. A longer text would be left out whole.
    #[must_use]
    pub fn words_room(&self) -> usize {
        self.bounds
            .words_bytes_max
            .saturating_sub(self.words.text.len())
    }

    /// How many values came from each tool, by name; a value that came from several is counted at each of them.
    #[must_use]
    pub fn origins_by_tool(&self) -> Vec<ToolValues> {
        let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        let tool = |origin: u32| {
            let origin = self.origins.get(origin as usize)?;
            self.names.get(origin.tool as usize).map(|name| &**name)
        };
        let tainted = |entry: &Entry| {
            let mut tools: Vec<&str> = entry.origins().filter_map(tool).collect();
            tools.sort_unstable();
            tools.dedup();
            tools
        };
        for entry in &self.entries {
            if entry.has(TRUSTED)
                && let Some(tool) = tool(entry.trusted)
            {
                counts.entry(tool).or_default().0 += 1;
            }
            if entry.has(TAINTED) {
                for tool in tainted(entry) {
                    counts.entry(tool).or_default().1 += 1;
                }
            }
        }
        let values = counts.into_iter();
        values
            .map(|(tool, (trusted, tainted))| ToolValues {
                tool: tool.to_owned(),
                trusted,
                tainted,
            })
            .collect()
    }

    /// Whether the session is held to a list of tools.
    #[must_use]
    pub fn is_scoped(&self) -> bool {
        self.scope.is_some()
    }
}

#[cfg(test)]
mod tests {
    use fak_args::Args;

    use crate::{Answer, Control, Ledger, Rules, Sink, Source, Trust};

    fn rules() -> Rules {
        let sink = Sink::new("send").control(Control::new("to"));
        let source = Source::new("contacts", Trust::Trusted);
        let rules = Rules::builder().source(source).sink(sink).build();
        rules.expect("sound")
    }

    fn asks(ledger: &Ledger, to: &str) -> Answer {
        let args = format!("{{\"to\":\"{to}\"}}");
        let args = Args::parse(&args, &super::LIMITS).expect("sound");
        ledger.check(&rules(), "send", &args).answer
    }

    #[test]
    fn a_result_nobody_knows_the_call_of_earns_no_trust() {
        let result = br#"[{"mail":"ann@a.example"}]"#;
        let mut known = Ledger::default();
        let args = Args::parse("{}", &super::LIMITS).expect("sound");
        known.admit(&rules(), "contacts", &args, result, 1);
        assert_eq!(asks(&known, "ann@a.example"), Answer::Allow);
        let mut unasked = Ledger::default();
        unasked.admit_unasked(&rules(), "contacts", result, 1);
        assert_eq!(asks(&unasked, "ann@a.example"), Answer::Deny);
    }

    #[test]
    fn values_are_counted_by_tool() {
        let mut ledger = Ledger::default();
        let args = Args::parse("{}", &super::LIMITS).expect("sound");
        for (row, tool, result) in [
            (1, "contacts", r#"["ann@a.example","bob@b.example"]"#),
            (2, "read_page", r#"["ann@a.example"]"#),
            (3, "read_page", r#"{"mail":"ann@a.example"}"#),
        ] {
            ledger.admit(&rules(), tool, &args, result.as_bytes(), row);
        }
        let counts: Vec<_> = ledger.origins_by_tool();
        let counts: Vec<_> = counts
            .iter()
            .map(|of| (of.tool.as_str(), of.trusted, of.tainted))
            .collect();
        assert_eq!(counts, [("contacts", 2, 0), ("read_page", 0, 2)]);
        assert_eq!(Ledger::default().origins_by_tool(), []);
    }

    #[test]
    fn a_closed_ledger_trusts_nothing_more_but_the_user() {
        let mut ledger = Ledger::default();
        ledger.user_said("write to bob@b.example");
        ledger.close();
        let args = Args::parse("{}", &super::LIMITS).expect("sound");
        ledger.admit(&rules(), "contacts", &args, br#"["ann@a.example"]"#, 1);
        assert_eq!(asks(&ledger, "ann@a.example"), Answer::Deny);
        assert_eq!(asks(&ledger, "bob@b.example"), Answer::Allow);
    }

    #[test]
    fn a_sink_is_gated_and_counted_however_it_is_spelled() {
        let sink = Sink::new("Send_Mail")
            .control(Control::new("to"))
            .count_max(1);
        let rules = Rules::builder().sink(sink).build().expect("sound");
        let mut ledger = Ledger::default();
        ledger.user_said("write to bob@b.example");
        let args = Args::parse("{\"to\":\"bob@b.example\"}", &super::LIMITS).expect("sound");
        for (tool, answer) in [("send_mail", Answer::Allow), ("SEND_MAIL", Answer::Deny)] {
            assert!(rules.is_sink(tool), "{tool}");
            let found = ledger.check(&rules, tool, &args);
            assert_eq!(found.answer, answer, "{tool}");
            ledger.settle(&rules, tool, &found);
        }
        let twice = Rules::builder()
            .sink(Sink::new("a"))
            .sink(Sink::new("A"))
            .build();
        assert!(twice.is_err());
    }
}
