//! Properties over arbitrary and generated text, and a comparison with bash itself.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test compares with bash and bounds the time"
)]

use std::{
    fmt::Write as _,
    io::Write as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use fak_shell::{Limits, Opaque, code_writes, executes_script, inline_code, long_sleep, parse};
use proptest::prelude::*;

/// Everything a judge may ask of a text.
fn exercise(text: &str) {
    let script = parse(text, &Limits::default());
    for (index, command) in script.commands.iter().enumerate() {
        assert!(command.at <= text.len());
        assert!(
            command
                .upstream
                .is_none_or(|up| up < script.commands.len() && up != index)
        );
        assert!(
            command
                .redirects
                .iter()
                .all(|r| r.target.prefix().len() <= r.target.text.len())
        );
        for word in &command.argv {
            assert!(word.at <= text.len());
            assert!(word.text.starts_with(word.prefix()));
        }
        let options = command.options();
        assert!(options.subs <= options.positional.len());
        for flag in &options.flags {
            assert!(flag.index < command.argv.len());
        }
        let _ = (
            command.effects(),
            command.line(),
            inline_code(command),
            long_sleep(command),
        );
    }
    for unresolved in &script.unresolved {
        assert!(unresolved.at <= text.len());
    }
    let _ = executes_script(&script, &["x"]);
    let _ = code_writes(text, &|path| path.len() == 3);
}

fn shell_bytes() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "$(",
        "`",
        ")",
        "((",
        "))",
        "${",
        "}",
        "{",
        ",",
        "..",
        "'",
        "\"",
        "$'",
        "\\",
        "\n",
        "\r\n",
        "<<EOF",
        "<<-E",
        "EOF",
        "<<<",
        "<(",
        ">(",
        ">",
        ">>",
        ">&",
        "&>",
        "2>",
        "|",
        "||",
        "&",
        "&&",
        ";",
        ";;",
        "(",
        "[[",
        "]]",
        "[",
        "]",
        "if ",
        "then ",
        "fi",
        "for ",
        "in ",
        "do ",
        "done",
        "case ",
        "esac",
        "while ",
        "function ",
        "f()",
        "a=",
        "$a",
        "a=(",
        "$",
        "*",
        "?",
        "~",
        "#",
        "!",
        "eval ",
        "sh -c ",
        "sudo ",
        "env ",
        "-S",
        "xargs ",
        "find . -exec ",
        "{}",
        "\\;",
        "ssh h ",
        "git -C ",
        "-c",
        "--",
        " ",
        "\t",
        "cd ",
        "x",
        "é",
        "\u{200b}",
        "\0",
        "1",
        "=",
        "python -c ",
        "trap ",
        "alias a=",
        "time ",
        "coproc ",
        "watch ",
        "tar ",
        "sed ",
    ]);
    prop::collection::vec(pieces, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_string_is_read(text in ".{0,200}") {
        exercise(&text);
    }

    #[test]
    fn any_shell_like_text_is_read(text in shell_bytes()) {
        exercise(&text);
    }

    #[test]
    fn single_quoted_text_is_one_word(text in "[^']{0,60}") {
        let script = parse(&format!("echo '{text}'"), &Limits::default());
        prop_assert_eq!(script.commands.len(), 1);
        prop_assert_eq!(&script.commands[0].argv[1].text, &text);
        let nul = text.contains('\0');
        prop_assert_eq!(script.unresolved.is_empty(), !nul);
    }
}

/// Text that costs too much when read naively: time may grow with the length only.
#[test]
fn hostile_repetition_is_linear() {
    let patterns = [
        "$(",
        "`",
        "((",
        "$((",
        "{",
        "{a,",
        "{a,b}",
        "<<E ",
        "<<E\n",
        "\"$(",
        "${x:-",
        "sudo ",
        "eval ",
        "sh -c '",
        "a=$(",
        "[[ ",
        "$((1)) ",
        "(",
        "'\"",
        "a;",
        "a|",
        "a&&",
        "env ",
        "xargs ",
        "find . -exec ",
        "a=b;$a;",
        "echo {1..500} ",
        "cd x;",
        "f(){ ",
        "case a in a) ",
        "if a;then ",
        "a=x$a;",
        "\\\n",
        "# \n",
        "$'\\x41",
        "<(",
        ">(",
        "alias a=b;a;",
        "trap 'a' X;",
        "echo x|sh;",
        "sh<<<a;",
        "!",
        "time ",
        "x>y ",
        "((a",
        "$[",
        "a[",
        "ssh h ",
        "curl x|sh;",
        "parallel a ::: ",
        "git -c a=!b ",
        "cat <<A <<B <<C\n",
        "watch ",
    ];
    for pattern in patterns {
        let text = pattern.repeat((256 << 10) / pattern.len());
        let start = Instant::now();
        let script = parse(&text, &Limits::default());
        let effects: usize = script.commands.iter().map(|c| c.effects().len()).sum();
        let spent = start.elapsed();
        assert!(
            spent < Duration::from_secs(4),
            "{pattern:?}: {spent:?}, {effects} effects"
        );
    }
}

/// The deepest nesting that is ever followed fits the two megabytes of a test's thread.
#[test]
fn the_depth_ceiling_fits_a_small_stack() {
    let limits = Limits {
        depth_max: usize::MAX,
        ..Limits::default()
    };
    let nests = [
        "$(",
        "\"$(",
        "(",
        "{ ",
        "if ",
        "while ",
        "a=$(",
        "${x:-",
        "f() { ",
        "[[ $(",
        "<(",
        "$[",
        "case a in a) ",
        "for i in a; do ",
        "coproc ",
        "sudo ",
        "eval ",
        "time ( ",
        "! { ",
        "env -S ",
        "ssh h ",
        "trap ",
        "`sudo ",
        "a[$(",
        "watch ",
        "cat <<E\n$(",
        "find . -exec ",
        "xargs ",
        "a=(\"$(",
        "$(case a in a) ",
        "eval eval sudo $(",
    ];
    for nest in nests {
        let script = parse(&nest.repeat(300), &limits);
        assert!(
            !script.unresolved.is_empty() || !script.commands.is_empty(),
            "{nest:?}"
        );
    }
    let mut nested = String::from("rm x");
    for _ in 0..12 {
        nested = format!("sh -c {}", quote(&nested));
    }
    let script = parse(&nested, &limits);
    assert!(
        script.commands.iter().any(|c| c.program == "rm"),
        "{:?}",
        script.unresolved
    );
}

#[test]
fn limits_are_reported() {
    let limits = Limits {
        bytes_max: 64,
        depth_max: 4,
        commands_max: 8,
    };
    let has = |text: &str, what: Opaque| {
        parse(text, &limits)
            .unresolved
            .iter()
            .any(|u| u.what == what)
    };
    assert!(has(&"a".repeat(65), Opaque::TooLong));
    assert!(!has(&"a".repeat(64), Opaque::TooLong));
    assert!(has(&"$(".repeat(10), Opaque::TooDeep));
    assert!(has("sudo sudo sudo sudo sudo sudo a", Opaque::TooDeep));
    assert!(has(&"a;".repeat(9), Opaque::TooMany));
    assert!(!has(&"a;".repeat(8), Opaque::TooMany));
}

fn word() -> impl Strategy<Value = String> {
    let plain = "[a-z0-9_./:@%+=-]{1,6}";
    let piece = prop_oneof![
        plain.prop_map(|w| w),
        "[a-z $`\\\\;|&<>()]{0,6}".prop_map(|w| format!("'{w}'")),
        "[a-z ;|&<>(){}*]{0,6}".prop_map(|w| format!("\"{w}\"")),
        "[ -~]"
            .prop_filter("newline", |c| c != "\n")
            .prop_map(|c| format!("\\{c}")),
        prop::sample::select(vec![
            "$'\\x41\\n\\t\\''",
            "$'\\101\\u0042'",
            "\"a\\\"b\\\\\\$\"",
            "{a,b}",
            "{1..3}",
            "x{a,{b,c}}y",
            "{a..c}",
            "{}",
            "a,b",
            "\\\n"
        ])
        .prop_map(str::to_owned),
    ];
    ("[a-z]", prop::collection::vec(piece, 1..4))
        .prop_map(|(first, parts)| format!("{first}{}", parts.concat()))
}

fn simple() -> impl Strategy<Value = String> {
    (
        "q[a-z]{3}",
        prop::collection::vec(word(), 0..4),
        prop::sample::select(vec!["", " 2>&1", " >/dev/null", " </dev/null", " 3<<<x"]),
    )
        .prop_map(|(name, words, redirect)| format!("{name} {}{redirect}", words.join(" ")))
}

fn program() -> impl Strategy<Value = String> {
    simple().prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            (
                inner.clone(),
                prop::sample::select(vec!["; ", " && ", " | ", "\n", " & "]),
                inner.clone()
            )
                .prop_map(|(a, op, b)| format!("{a}{op}{b}")),
            inner.clone().prop_map(|a| format!("( {a} )")),
            inner.clone().prop_map(|a| format!("{{ {a}\n}}")),
            inner.clone().prop_map(|a| format!("if {a}\nthen {a}\nfi")),
            inner
                .clone()
                .prop_map(|a| format!("for i in 1; do {a}\ndone")),
            inner
                .clone()
                .prop_map(|a| format!("case x in y) qno ;; x) {a}\n;; esac")),
            inner.clone().prop_map(|a| format!("qsub \"$({a}\n)\"")),
            inner.clone().prop_map(|a| format!("eval {}", quote(&a))),
            inner
                .clone()
                .prop_map(|a| format!("{{ time {{ {a}\n}}\n}}")),
            inner.prop_map(|a| format!("{{ ! ! {{ {a}\n}} | qdoc <<E\nbody 'quote\nE\n}}")),
        ]
    })
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The command lines that bash runs, sorted. Nothing is found on its path, so every command comes to
/// the handler, which writes its words down.
fn bash(program: &str) -> Option<Vec<String>> {
    let mut script = String::from(
        "command_not_found_handle() { local s; printf -v s '%s\\x1f' \"$@\"; s=${s//$'\\n'/$'\\x1d'}; printf '%s\\x1e' \"$s\" >&9; }\nPATH=/nonexistent\n",
    );
    let _ = write!(
        script,
        "{{ {program}\n}} 9>&1 >/dev/null 2>/dev/null </dev/null\nwait\n"
    );
    let mut child = Command::new("/bin/bash")
        .args(["--norc", "--noprofile", "-s"])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    child.stdin.take()?.write_all(script.as_bytes()).ok()?;
    let output = child.wait_with_output().ok()?;
    // A newline would be written on its own, between the words of another command.
    let text = String::from_utf8_lossy(&output.stdout).replace('\u{1d}', "\n");
    let mut lines: Vec<String> = text
        .split('\u{1e}')
        .filter(|l| !l.is_empty())
        .map(|l| l.trim_end_matches('\u{1f}').to_owned())
        .collect();
    lines.sort();
    Some(lines)
}

/// The same by this crate. Words that a substitution fills are left out on both sides.
fn ours(program: &str) -> Vec<String> {
    let script = parse(program, &Limits::default());
    let mut lines: Vec<String> = script
        .commands
        .iter()
        .filter(|c| c.program.starts_with('q') && c.program != "qno")
        .map(|c| {
            c.argv
                .iter()
                .map(|w| w.text.as_str())
                .collect::<Vec<_>>()
                .join("\u{1f}")
        })
        .map(|l| l.trim_end_matches('\u{1f}').to_owned())
        .collect();
    lines.sort();
    lines
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bash_runs_the_commands_that_are_found(program in program()) {
        let Some(expected) = bash(&program) else { return Ok(()) };
        prop_assert_eq!(ours(&program), expected, "{}", program);
    }
}
