//! How fast a result is read: clean text, and text made to be slow, beside a plain search for as many needles.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use divan::{Bencher, counter::BytesCount};
use fak_screen::{Incoming, Screen, Settings, Trust};

mod texts;
use texts::{prose, text};

static SCREEN: LazyLock<Screen> = LazyLock::new(|| {
    Screen::new(Settings {
        oversize_bytes: usize::MAX,
        ..Settings::default()
    })
});

fn main() {
    divan::main();
}

#[divan::bench(args = [
    "prose", "pages", "json", "cyrillic", "anchors", "almost", "base64", "short-runs", "percent", "nested-percent",
    "entities", "homoglyphs", "spread", "quotes", "keys", "digits", "hex", "deep-json", "combining",
    "quoted-printable", "escapes", "near-keys", "near-passwords", "base64-of-base64", "near-cards", "joined-strings",
    "overrides", "invisible",
])]
fn judge(bencher: Bencher<'_, '_>, kind: &str) {
    let text = text(kind);
    bencher.counter(BytesCount::of_str(&text)).bench(|| {
        SCREEN.judge(&Incoming {
            tool: "read",
            bytes: text.as_bytes(),
            trust: Trust::Untrusted,
        })
    });
}

/// Ordinary sizes: the cost of a byte is the same.
#[divan::bench(args = [1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20])]
fn prose_of(bencher: Bencher<'_, '_>, len: usize) {
    let text = &prose()[..len];
    bencher.counter(BytesCount::of_str(text)).bench(|| {
        SCREEN.judge(&Incoming {
            tool: "read",
            bytes: text.as_bytes(),
            trust: Trust::Untrusted,
        })
    });
}

/// The same prose, searched for the words of the injection rules and nothing else.
#[divan::bench]
fn aho_corasick(bencher: Bencher<'_, '_>) {
    let words: Vec<&str> = include_str!("../src/injection.rules")
        .split_whitespace()
        .collect();
    let needles = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(aho_corasick::AhoCorasickKind::DFA))
        .build(words.iter().filter(|word| word.len() > 8))
        .unwrap();
    let text = prose();
    bencher
        .counter(BytesCount::of_str(&text))
        .bench(|| needles.find_iter(&text).count());
}

#[divan::bench]
fn memchr(bencher: Bencher<'_, '_>) {
    let text = prose();
    bencher
        .counter(BytesCount::of_str(&text))
        .bench(|| memchr::memchr3_iter(b'\\', b'%', b'&', text.as_bytes()).count());
}

#[divan::bench(sample_count = 10)]
fn compile(bencher: Bencher<'_, '_>) {
    bencher.bench(|| Screen::new(Settings::default()));
}
