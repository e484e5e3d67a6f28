use std::{collections::BTreeSet, fs, path::Path};

use super::*;

/// A page with something of every metric.
fn full() -> Page {
    let mut page = Page::new();
    for &metric in Metric::ALL {
        let labels: Vec<_> = metric.labels().iter().map(|_| "a \"b\" \\ c\nd").collect();
        match metric.shape() {
            Shape::Counter => page.count(metric, &labels, 7),
            Shape::Gauge => page.level(metric, &labels, 7),
            Shape::Info => page.word(metric, "1.0"),
            Shape::Histogram => page.histogram(
                metric,
                Histogram {
                    buckets: vec![(0.1, 2), (0.5, 3)],
                    count: 6,
                    sum: 9.25,
                },
            ),
        }
    }
    page
}

#[test]
fn names_are_well_formed_and_unique() {
    let names: BTreeSet<_> = Metric::ALL
        .iter()
        .map(|metric| metric.full_name())
        .collect();
    assert_eq!(names.len(), Metric::ALL.len());
    for name in names {
        assert!(
            name.starts_with("fak_")
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
                && !name.ends_with("_total")
                && !name.ends_with("_info"),
            "{name}"
        );
    }
}

#[test]
fn every_sample_stands_below_its_type_and_help_and_the_page_ends() {
    let text = full().render();
    assert!(text.ends_with("\n# EOF\n") && text.matches("# EOF").count() == 1);
    let mut family = (String::new(), String::new());
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| *line != "# EOF") {
        let words: Vec<_> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "HELP", name, help] => {
                assert!(seen.insert(name.to_owned()), "{name} twice");
                assert!(!help.is_empty());
                family.0 = name.to_owned();
            }
            ["#", "TYPE", name, shape] => {
                assert_eq!(name, family.0);
                family.1 = shape.to_owned();
            }
            ["#", "UNIT", name, unit] => {
                assert!(name == family.0 && name.ends_with(&format!("_{unit}")));
            }
            _ => {
                let end = line.find(['{', ' ']).expect("a name");
                let added = line[..end]
                    .strip_prefix(&family.0)
                    .expect("its family's name");
                let allowed: &[&str] = match family.1.as_str() {
                    "counter" => &["_total"],
                    "info" => &["_info"],
                    "histogram" => &["_bucket", "_sum", "_count"],
                    _ => &[""],
                };
                assert!(allowed.contains(&added), "{line}");
                assert!(!line.contains("{}"), "{line}");
                let value = line.rsplit(' ').next().expect("a value");
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
    }
    assert_eq!(seen.len(), Metric::ALL.len());
}

#[test]
fn what_callers_named_cannot_break_a_line() {
    let text = full().render();
    assert!(
        text.contains(r#"fak_refusals_total{rule="a \"b\" \\ c\nd"} 7"#),
        "{text}"
    );
}

#[test]
fn a_histogram_is_cumulated_and_ends_with_infinity() {
    let text = full().render();
    let found: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("fak_verdict_duration_seconds"))
        .collect();
    assert_eq!(
        found,
        [
            "fak_verdict_duration_seconds_sum 9.25",
            "fak_verdict_duration_seconds_count 6",
            "fak_verdict_duration_seconds_bucket{le=\"0.1\"} 2",
            "fak_verdict_duration_seconds_bucket{le=\"0.5\"} 5",
            "fak_verdict_duration_seconds_bucket{le=\"+Inf\"} 6",
        ]
    );
}

/// `docs/metrics.md` is generated: `FAK_TIDY_WRITE=1 cargo test -p fak-telemetry` writes it.
#[test]
fn the_documented_list_is_this_one() {
    let mut text = String::from(
        "# Metrics\n\n\
         What `fakctl metrics` prints, as OpenMetrics 1.0. Generated from `daemon/telemetry/src/metric.rs`.\n\n\
         Counters are folded from the journal's rows: they go on across restarts, and a fresh fold over the file gives the\n\
         same numbers. `fak_log_lines_dropped` and `fak_cache_*` alone begin anew with the process. Nothing here is about a single\n\
         principal.\n\n\
         | name | kind | labels | what it says |\n|---|---|---|---|\n",
    );
    for metric in Metric::ALL {
        let suffix = match metric.shape() {
            Shape::Counter => "_total",
            Shape::Info => "_info",
            Shape::Gauge | Shape::Histogram => "",
        };
        text.push_str(&format!(
            "| `{}{suffix}` | {} | {} | {} |\n",
            metric.full_name(),
            metric.shape().as_str(),
            metric.labels().join(", "),
            metric.help(),
        ));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    if std::env::var_os("FAK_TIDY_WRITE").is_some() {
        fs::write(&path, &text).expect("written");
    }
    let committed = fs::read_to_string(&path).expect("the list");
    assert_eq!(
        committed, text,
        "run FAK_TIDY_WRITE=1 cargo test -p fak-telemetry"
    );
}
