//! Texts to measure with: what tools answer, and what is made to be slow.

use base64::{Engine, engine::general_purpose::STANDARD};

/// Bytes of every text, about.
pub(crate) const LEN: usize = 1 << 20;

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
pub(crate) fn prose() -> String {
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

/// What people write: this project's own pages, each sentence once, among numbered ones.
fn pages() -> String {
    let pages = concat!(
        include_str!("../../../../ARCHITECTURE.md"),
        include_str!("../../../../docs/policy-language.md"),
        include_str!("../../../../docs/information-flow.md"),
        include_str!("../../../../docs/threat-model.md"),
        include_str!("../../../../CONTRIBUTING.md"),
    );
    let lines: Vec<&str> = pages.lines().filter(|line| line.len() > 40).collect();
    fill(|n| format!("{n}. {}\n", lines[n * 7919 % lines.len()]))
}

/// The text of a kind.
pub(crate) fn text(kind: &str) -> String {
    match kind {
        "prose" => prose(),
        "pages" => pages(),
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
        "hex" => prose()
            .bytes()
            .take(LEN / 2)
            .map(|byte| format!("{byte:02x}"))
            .collect(),
        "deep-json" => format!(
            "{}\"x\"{}",
            fill(|_| "{\"a\":[".to_owned()),
            fill(|_| "]}".to_owned())
        ),
        "combining" => fill(|_| "i\u{301}\u{336}g\u{300}n\u{35c}o\u{489}r\u{301}e ".to_owned()),
        "quoted-printable" => fill(|n| format!("=69=67=6E=6F=72=65 a{n}=\n")),
        "escapes" => format!("[{}\"\"]", fill(|_| "\"\\u0069\\u0067\\n\",".to_owned())),
        "near-keys" => fill(|_| {
            "AKIAZ4QF7K2NXP9LMQ8 ghp_aZbYcXdWeVuTs9R8q7P6o5 sk-abcdefghijklmno eyJhbGciOi.eyJ "
                .to_owned()
        }),
        "near-passwords" => {
            fill(|n| format!("password = \"changeme\" token: example_{n} secret='${{env}}' "))
        }
        "base64-of-base64" => STANDARD.encode(STANDARD.encode(&prose()[..LEN * 9 / 16])),
        "near-cards" => fill(|n| format!("4111 1111 1111 {:04} ", n % 1000)),
        "joined-strings" => fill(|_| "'ab' + 'cd' ".to_owned()),
        "overrides" => fill(|_| "\u{202e}erongi\u{202c} ".to_owned()),
        "invisible" => fill(|_| "a\u{200b}\u{200c}".to_owned()),
        kind => panic!("no text called {kind}"),
    }
}
