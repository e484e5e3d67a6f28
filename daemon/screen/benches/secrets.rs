//! What it costs to look for secrets in text without one, and in text made to cost much.

#![forbid(unsafe_code)]

use divan::{Bencher, counter::BytesCount};

#[path = "../src/secrets/mod.rs"]
#[cfg_attr(
    test,
    expect(
        dead_code,
        unused_imports,
        reason = "a bench has no harness to run the tests of the room"
    )
)]
mod secrets;

fn main() {
    divan::main();
}

fn scan(bencher: Bencher<'_, '_>, text: &str) {
    let secrets = secrets::Secrets::new();
    let mut hits = Vec::new();
    bencher.counter(BytesCount::of_str(text)).bench_local(|| {
        hits.clear();
        secrets.find(divan::black_box(text), &mut hits);
        hits.iter()
            .filter(|hit| !hit.weak)
            .map(|hit| hit.kind.len() + hit.rule.len() + hit.span.len())
            .sum::<usize>()
    });
}

/// This crate's own sources, many times.
#[divan::bench]
fn sources(bencher: Bencher<'_, '_>) {
    let text = concat!(
        include_str!("../src/media.rs"),
        include_str!("../src/view.rs"),
        include_str!("../src/admission.rs")
    );
    scan(bencher, &text.repeat(64));
}

/// Prose.
#[divan::bench]
fn prose(bencher: Bencher<'_, '_>) {
    scan(
        bencher,
        &include_str!("../../../ARCHITECTURE.md").repeat(64),
    );
}

/// Nothing but keywords.
#[divan::bench(args = ["password=\"", "secret", "AZDO", "://a:", "eyJhbGciOiJIUzI1NiJ9."])]
fn keywords(bencher: Bencher<'_, '_>, unit: &str) {
    scan(bencher, &unit.repeat(1_000_000 / unit.len()));
}
