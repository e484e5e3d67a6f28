//! Reading commands of 100 bytes, 1 KiB and 1 MiB, with everything a judge asks of them.

use std::hint::black_box;

use divan::{Bencher, counter::BytesCount};
use fak_shell::{Limits, parse};

fn main() {
    divan::main();
}

const SHORT: &str = "cd src && env FOO=1 timeout 30 git commit -m \"fix: read $(basename x)\" -- a.rs b.rs > /tmp/log 2>&1";

/// About `bytes` bytes of ordinary commands.
fn text(bytes: usize) -> String {
    let lines = [
        "grep -rn 'some words' src/ | head -n 20 >> out.log 2>&1",
        "for f in a b c; do cp \"$f\" /tmp/work/; done",
        "if [ -f build.log ]; then cat build.log; else make -j4 all; fi",
        "git -C sub commit -m \"message with $VAR inside\" && echo done",
        "sudo env A=1 tar -xzf archive.tgz -C out/",
    ];
    let mut text = String::with_capacity(bytes + 100);
    for line in lines.iter().cycle() {
        if text.len() + line.len() + 1 > bytes {
            return text;
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

fn judge(text: &str) -> usize {
    let script = parse(text, &Limits::default());
    let facts: usize = script
        .commands
        .iter()
        .map(|c| c.options().flags.len() + c.effects().len())
        .sum();
    facts + script.unresolved.len()
}

#[divan::bench(args = [100, 1 << 10, 1 << 20])]
fn parse_only(bencher: Bencher<'_, '_>, bytes: usize) {
    let text = if bytes == 100 {
        SHORT.to_owned()
    } else {
        text(bytes)
    };
    bencher
        .counter(BytesCount::of_str(&text))
        .bench_local(|| parse(black_box(&text), &Limits::default()));
}

#[divan::bench(args = [100, 1 << 10, 1 << 20])]
fn parse_options_effects(bencher: Bencher<'_, '_>, bytes: usize) {
    let text = if bytes == 100 {
        SHORT.to_owned()
    } else {
        text(bytes)
    };
    bencher
        .counter(BytesCount::of_str(&text))
        .bench_local(|| judge(black_box(&text)));
}
