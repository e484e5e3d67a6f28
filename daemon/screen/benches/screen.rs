//! How fast a result is read: clean text, and text made to be slow, beside a plain search for as many needles.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use base64::{Engine, engine::general_purpose::STANDARD};
use divan::{Bencher, counter::BytesCount};
use fak_screen::{Incoming, Screen, Settings, Trust};

const LEN: usize = 1 << 20;

static SCREEN: LazyLock<Screen> = LazyLock::new(|| {
    Screen::new(Settings {
        oversize_bytes: usize::MAX,
        redact: true,
    })
});

fn main() {
    divan::main();
}

fn fill(mut piece: impl FnMut(usize) -> String) -> String {
    let mut text = String::with_capacity(LEN + 256);
    let mut n = 0;
    while text.len() < LEN {
        text.push_str(&piece(n));
        n += 1;
    }
    text
}

/// Words of ordinary prose, no two sentences alike.
fn prose() -> String {
    const WORDS: [&str; 24] = [
        "the",
        "of",
        "and",
        "reservation",
        "hotel",
        "was",
        "confirmed",
        "for",
        "three",
        "nights",
        "with",
        "breakfast",
        "please",
        "check",
        "your",
        "booking",
        "number",
        "before",
        "arrival",
        "at",
        "our",
        "front",
        "desk",
        "Friday",
    ];
    let mut seed = 1_usize;
    fill(|_| {
        let mut line = String::new();
        for _ in 0..12 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            line.push_str(WORDS[(seed >> 33) % WORDS.len()]);
            line.push(' ');
        }
        line.push_str(".\n");
        line
    })
}

fn json() -> String {
    let rows = fill(|n| {
        format!(
            "{{\"id\":{n},\"name\":\"guest number {}\",\"note\":\"arrives late\\nand alone\"}},",
            n * 7919 % 1013
        )
    });
    format!("[{}{{}}]", rows)
}

fn text(kind: &str) -> String {
    match kind {
        "prose" => prose(),
        "json" => json(),
        "cyrillic" => fill(|n| format!("номер {n} подтверждён вчера вечером. ")),
        "anchors" => {
            fill(|n| ["ignore ", "instructions ", "unrestricted ", "forget "][n % 4].to_owned())
        }
        "almost" => fill(|_| "ignore all of the previous orderly instruction ".to_owned()),
        "base64" => STANDARD.encode(prose()),
        "short-runs" => fill(|n| format!("{} ", &STANDARD.encode(n.to_le_bytes().repeat(2))[..21])),
        "percent" => prose()
            .bytes()
            .take(LEN / 3)
            .map(|byte| format!("%{byte:02x}"))
            .collect(),
        "nested-percent" => fill(|_| "%252525252541".to_owned()),
        "entities" => prose()
            .bytes()
            .take(LEN / 6)
            .map(|byte| format!("&#{byte};"))
            .collect(),
        "homoglyphs" => fill(|_| "іgnоrе ".to_owned()),
        "spread" => fill(|_| "i g n o r e   a l l ".to_owned()),
        "quotes" => format!("[{}\"\"]", fill(|_| "\"a\",".to_owned())),
        "keys" => fill(|_| "sk- ghp_ AKIA xoxb- eyJ key= token: password ".to_owned()),
        "digits" => fill(|n| format!("{:016} ", n * 7919)),
        kind => panic!("no text called {kind}"),
    }
}

#[divan::bench(args = [
    "prose", "json", "cyrillic", "anchors", "almost", "base64", "short-runs", "percent", "nested-percent",
    "entities", "homoglyphs", "spread", "quotes", "keys", "digits",
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
