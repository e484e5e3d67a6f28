//! The closed list of metrics, and a page of them as OpenMetrics text.
//!
//! A metric is a number about fakd, never about a principal, a session or a call. What it counts is the
//! caller's business: here are the names, and the way a page is written.

use std::{collections::BTreeMap, fmt};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet, text},
    metrics::MetricType,
    registry::{Registry, Unit},
};

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Grows over the journal's whole life, restarts included.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How many took how long.
    Histogram,
    /// Words instead of a number.
    Info,
}

impl Shape {
    /// The word in the text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }

    const fn kind(self) -> MetricType {
        match self {
            Self::Counter => MetricType::Counter,
            Self::Gauge => MetricType::Gauge,
            Self::Histogram => MetricType::Histogram,
            Self::Info => MetricType::Info,
        }
    }
}

macro_rules! metrics {
    ($($variant:ident => $name:literal, $shape:ident, $unit:literal, [$($label:literal),*], $help:literal;)+) => {
        /// What is measured. The names are append-only.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Metric { $(#[doc = $help] $variant,)+ }

        impl Metric {
            /// Every metric, in the order of the page.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name without the unit and without what the text format adds.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What kind of number it is.
            #[must_use]
            pub const fn shape(self) -> Shape {
                match self { $(Self::$variant => Shape::$shape,)+ }
            }

            /// Its unit; empty: a count.
            #[must_use]
            pub const fn unit(self) -> &'static str {
                match self { $(Self::$variant => $unit,)+ }
            }

            /// What its samples are told apart by.
            #[must_use]
            pub const fn labels(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$($label),*],)+ }
            }

            /// What it says.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help,)+ }
            }
        }
    };
}

metrics! {
    Build => "fak_build", Info, "", ["version"], "The daemon that answers";
    State => "fak_state", Gauge, "", ["state"], "1 for the state fakd is in: judging, refusing or draining";
    Uptime => "fak_uptime", Gauge, "seconds", [], "Since the daemon started";
    Resident => "fak_resident", Gauge, "bytes", [], "Memory the daemon holds";
    InFlight => "fak_in_flight", Gauge, "", [], "Calls and streams being answered";
    Sessions => "fak_sessions", Gauge, "", [], "Sessions remembered";
    Generation => "fak_policy_generation", Gauge, "", [], "The policy generation in force";
    Verdicts => "fak_verdicts", Counter, "", ["kind", "reason"], "Verdicts with a row";
    Refusals => "fak_refusals", Counter, "", ["rule"], "Refused calls by the rule that refused; `other` stands for those beyond the bound on names";
    VerdictTime => "fak_verdict_duration", Histogram, "seconds", [], "From a question to its verdict, without the wait for the journal";
    Results => "fak_results", Counter, "", ["kind"], "Results of tools by what became of them";
    Clearances => "fak_clearances", Counter, "", [], "Sealed results that a witness cleared";
    Approvals => "fak_approvals", Counter, "", ["state"], "Calls that waited for somebody by what became of them; `asked` is every time one was told to wait";
    ApprovalsWaiting => "fak_approvals_waiting", Gauge, "", [], "Calls that wait for somebody now";
    Turns => "fak_turns", Counter, "", ["state"], "Turns that were put aside, refused and settled";
    SessionsSteered => "fak_sessions_steered", Counter, "", [], "Times a person steered a session, let it start over or trusted it again";
    RpcsRefused => "fak_rpcs_refused", Counter, "", [], "Requests refused before any judging";
    PolicyLoads => "fak_policy_loads", Counter, "", ["result"], "Policies that came into force, and those that did not";
    Starts => "fak_starts", Counter, "", [], "Times the daemon began to judge";
    Emergencies => "fak_emergencies", Counter, "", [], "Emergencies that began, another deadline for one included";
    EmergencyUses => "fak_emergency_uses", Counter, "", [], "Refused calls that an emergency admitted";
    EmergencyUntil => "fak_emergency_until_timestamp", Gauge, "seconds", [], "When the emergency that holds is over, since 1970; 0: none holds";
    JournalRows => "fak_journal_rows", Gauge, "", [], "Rows of the journal";
    JournalWritable => "fak_journal_writable", Gauge, "", [], "1 while rows can be written, 0 while every call is refused because they cannot";
    JournalLost => "fak_journal_lost_records", Counter, "", [], "Records lost under overload, as told by GAP rows";
    JournalGaps => "fak_journal_gaps", Gauge, "", [], "The same as the journal's writer counts it";
    JournalFree => "fak_journal_free", Gauge, "bytes", [], "Room left on the journal's file system";
    Checkpoints => "fak_checkpoints", Counter, "", [], "Signed checkpoints";
    CheckpointRows => "fak_checkpoint_rows", Gauge, "", [], "Rows the last checkpoint covers";
    CheckpointAt => "fak_checkpoint_timestamp", Gauge, "seconds", [], "When the last checkpoint was signed, since 1970; 0: never";
    Backups => "fak_backups", Counter, "", [], "Backups made or put back";
    BackupAt => "fak_backup_timestamp", Gauge, "seconds", [], "When the last backup was made or put back, since 1970; 0: never";
    CacheLookups => "fak_cache_lookups", Counter, "", [], "Admitted calls whose answer was looked for among the kept ones, since the daemon started";
    CacheHits => "fak_cache_hits", Counter, "", [], "Calls that were answered from what was kept, since the daemon started";
    CacheStores => "fak_cache_stores", Counter, "", [], "Answers that were kept, since the daemon started";
    CacheEvictions => "fak_cache_evictions", Counter, "", [], "Kept answers that went before their time or for room, since the daemon started";
    CacheRevocations => "fak_cache_revocations", Counter, "", [], "Witnesses that were revoked, since the daemon started";
    CacheEntries => "fak_cache_entries", Gauge, "", [], "Answers that are kept";
    CacheBytes => "fak_cache", Gauge, "bytes", [], "Bytes of the answers that are kept";
    LogDropped => "fak_log_lines_dropped", Counter, "", [], "Log lines dropped since the daemon started because the queue was full";
}

impl Metric {
    /// Its name on the page, without what the format adds to samples.
    #[must_use]
    pub fn full_name(self) -> String {
        match self.unit() {
            "" => self.name().to_owned(),
            unit => format!("{}_{unit}", self.name()),
        }
    }
}

/// A histogram as it is told: the bound of each bucket and how many fell into it, not cumulated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// Bounds in the metric's unit.
    pub buckets: Vec<(f64, u64)>,
    /// All of them, those beyond the last bound too.
    pub count: u64,
    /// All values together.
    pub sum: f64,
}

#[derive(Clone, Debug)]
enum Value {
    Count(u64),
    Level(i64),
    Histogram(Histogram),
    Word(String),
}

/// The values of one moment.
#[derive(Clone, Debug, Default)]
pub struct Page(BTreeMap<Metric, Vec<(Vec<String>, Value)>>);

impl Page {
    /// A page with nothing on it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A counter's value, for these values of its labels.
    pub fn count(&mut self, metric: Metric, labels: &[&str], value: u64) {
        self.put(metric, labels, Value::Count(value));
    }

    /// A gauge's value, for these values of its labels.
    pub fn level(&mut self, metric: Metric, labels: &[&str], value: u64) {
        self.put(
            metric,
            labels,
            Value::Level(i64::try_from(value).unwrap_or(i64::MAX)),
        );
    }

    /// A histogram.
    pub fn histogram(&mut self, metric: Metric, histogram: Histogram) {
        self.put(metric, &[], Value::Histogram(histogram));
    }

    /// A word.
    pub fn word(&mut self, metric: Metric, word: &str) {
        self.put(metric, &[], Value::Word(word.to_owned()));
    }

    fn put(&mut self, metric: Metric, labels: &[&str], value: Value) {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        self.0.entry(metric).or_default().push((labels, value));
    }

    /// OpenMetrics 1.0 text, up to and with `# EOF`. Metrics without a value are left out.
    #[must_use]
    pub fn render(self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        // A string takes every write.
        let _ = text::encode(&mut text, &registry);
        text
    }
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for (metric, samples) in &self.0 {
            let unit = match metric.unit() {
                "seconds" => Some(Unit::Seconds),
                "bytes" => Some(Unit::Bytes),
                _ => None,
            };
            let mut one = encoder.encode_descriptor(
                metric.name(),
                metric.help(),
                unit.as_ref(),
                metric.shape().kind(),
            )?;
            for (values, value) in samples {
                let labels: Vec<(&str, &str)> = metric
                    .labels()
                    .iter()
                    .copied()
                    .zip(values.iter().map(String::as_str))
                    .collect();
                match value {
                    // An empty set of braces is allowed, and not every reader knows it.
                    Value::Count(count) if labels.is_empty() => {
                        one.encode_counter::<NoLabelSet, u64, f64>(count, None)?;
                    }
                    Value::Count(count) => one
                        .encode_family(&labels)?
                        .encode_counter::<NoLabelSet, u64, f64>(count, None)?,
                    Value::Level(level) if labels.is_empty() => one.encode_gauge(level)?,
                    Value::Level(level) => one.encode_family(&labels)?.encode_gauge(level)?,
                    Value::Histogram(histogram) => {
                        let within: u64 = histogram.buckets.iter().map(|(_, count)| count).sum();
                        let mut buckets = histogram.buckets.clone();
                        buckets.push((f64::INFINITY, histogram.count.saturating_sub(within)));
                        one.encode_histogram::<NoLabelSet>(
                            histogram.sum,
                            histogram.count,
                            &buckets,
                            None,
                        )?;
                    }
                    Value::Word(word) => {
                        let label = metric.labels().first().copied().unwrap_or("value");
                        one.encode_info(&vec![(label, word.as_str())])?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
