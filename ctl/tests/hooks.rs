//! Golden transcripts of every harness's hook: `tests/conformance/hooks/<harness>/*.json`.
//!
//! A file holds what the harness writes on standard input, what fakd answers, what fakd must have been asked,
//! and what the harness must get back: stdout, stderr and the exit code.

mod support;

use std::{fs, path::PathBuf};

use fak_proto::v1::{AdjudicateResponse, AdmitResponse, TellResponse, Verdict};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use support::{Asked as Logged, FakeFakd, Replies, Script, code, fakctl, run, stderr, stdout};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case<'a> {
    /// What this transcript shows.
    #[serde(rename = "about")]
    _about: &'a str,
    #[serde(default)]
    flags: Vec<String>,
    /// The hook's input, or with `input_text` bytes that need not be JSON.
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    #[serde(default)]
    input_text: Option<String>,
    /// fakd's verdict, or `unreachable`, or `silent`.
    fakd: Value,
    /// The question fakd got; absent when it must not have been asked.
    #[serde(default)]
    asked: Option<Asked>,
    /// The result fakd got.
    #[serde(default)]
    admitted: Option<Admitted>,
    /// The user's words fakd got: trace, words.
    #[serde(default)]
    told: Option<(String, String)>,
    exit: i32,
    /// One JSON value, or null for nothing at all.
    stdout: Value,
    /// The exact text without the last newline; `$SOCKET` stands for the socket's path.
    stderr: String,
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Asked {
    tool: String,
    args: String,
    trace_id: String,
    cwd: String,
    call_id: String,
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Admitted {
    tool: String,
    result: String,
    args: String,
    trace_id: String,
    call_id: String,
    #[serde(default)]
    outcome: String,
}

/// What fakd answers about results and words.
fn replies(fakd: &Value) -> Replies {
    let verdict = match script(fakd) {
        Script::Verdict(answer) => answer.verdict,
        _ => None,
    };
    Replies {
        admit: Some(Ok(AdmitResponse {
            verdict,
            result: fakd["result"].as_str().unwrap_or_default().into(),
            seal: fakd["seal"].as_str().unwrap_or_default().into(),
            seq: 9,
            ..AdmitResponse::default()
        })),
        tell: Some(match &fakd["full"] {
            Value::Null => Ok(TellResponse {
                seq: 8,
                ..TellResponse::default()
            }),
            _ => Err((tonic::Code::ResourceExhausted, "no room for more words")),
        }),
        ..Replies::default()
    }
}

fn script(fakd: &Value) -> Script {
    let text = |key: &str| fakd[key].as_str().unwrap_or_default().to_owned();
    match fakd.as_str() {
        Some("unreachable" | "silent") => Script::Silent,
        Some(other) => panic!("fakd: {other}?"),
        None => Script::Verdict(AdjudicateResponse {
            verdict: Some(Verdict {
                kind: text("kind"),
                reason: text("reason"),
                by: text("by"),
                disposition: text("disposition"),
                detail: text("detail"),
                hint: text("hint"),
                retry_after_ms: fakd["retry_after_ms"].as_u64().unwrap_or(0),
                would_deny: String::new(),
            }),
            repaired_args: text("repaired_args").into_bytes(),
            approval_id: text("approval_id"),
            ..AdjudicateResponse::default()
        }),
    }
}

fn check(harness: &str, name: &str, text: &str) -> Result<(), String> {
    let case: Case<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let fakd = FakeFakd::with(script(&case.fakd), replies(&case.fakd));
    let socket = if case.fakd == "unreachable" {
        fakd.dir.path().join("none.sock")
    } else {
        fakd.socket()
    };
    let input = case.input_text.unwrap_or_else(|| {
        case.input
            .map_or_else(String::new, |input| input.get().to_owned())
    });
    let mut command = fakctl(fakd.dir.path());
    command
        .current_dir("/")
        .arg("--socket")
        .arg(&socket)
        .args(["--timeout", "1s", "hook", harness])
        .args(&case.flags);
    let output = run(&mut command, &input);

    let asked = fakd.asked.lock().unwrap().first().map(|request| Asked {
        tool: request.tool.clone(),
        args: String::from_utf8_lossy(&request.args).into_owned(),
        trace_id: request.trace_id.clone(),
        cwd: request.cwd.clone(),
        call_id: request.call_id.clone(),
    });
    let differs = |what: &str, want: &dyn std::fmt::Debug, got: &dyn std::fmt::Debug| {
        Err(format!(
            "{harness}/{name}: {what}\n  want {want:?}\n  got  {got:?}"
        ))
    };
    if case.fakd != "silent" && asked != case.asked {
        return differs("asked", &case.asked, &asked);
    }
    let (mut admitted, mut told) = (None, None);
    for asked in fakd.logged() {
        match asked {
            Logged::Admit(request) => {
                admitted = Some(Admitted {
                    tool: request.tool,
                    result: String::from_utf8_lossy(&request.result).into_owned(),
                    args: String::from_utf8_lossy(&request.args).into_owned(),
                    trace_id: request.trace_id,
                    call_id: request.call_id,
                    outcome: request.outcome,
                })
            }
            Logged::Tell(request) => told = Some((request.trace_id, request.words)),
            other => return differs("asked for something else", &"", &other),
        }
    }
    if case.fakd != "silent" && admitted != case.admitted {
        return differs("admitted", &case.admitted, &admitted);
    }
    if case.fakd != "silent" && told != case.told {
        return differs("told", &case.told, &told);
    }
    if code(&output) != case.exit {
        return differs("exit", &case.exit, &(code(&output), stderr(&output)));
    }
    let named = |text: String| text.replace(socket.to_str().unwrap_or_default(), "$SOCKET");
    let printed = named(stdout(&output));
    let got = if printed.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(&printed).unwrap_or(Value::String(printed))
    };
    if got != case.stdout {
        return differs("stdout", &case.stdout.to_string(), &got.to_string());
    }
    let (want, got) = (case.stderr, named(stderr(&output)));
    if got.trim_end() != want {
        return differs("stderr", &want, &got);
    }
    Ok(())
}

fn conformance(harness: &str) {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/conformance/hooks")
        .join(harness);
    let mut files: Vec<_> = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 5, "{}", dir.display());
    let problems: Vec<_> = files
        .iter()
        .filter_map(|file| {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            check(harness, &name, &fs::read_to_string(file).unwrap()).err()
        })
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn claude_code() {
    conformance("claude-code");
}

#[test]
fn codex() {
    conformance("codex");
}

#[test]
fn gemini() {
    conformance("gemini");
}

#[test]
fn cursor() {
    conformance("cursor");
}

#[test]
fn generic() {
    conformance("generic");
}

/// A hook's wrong command line must block too: harnesses read every code but 2 as "go ahead".
#[test]
fn a_misspelt_hook_blocks() {
    let dir = tempfile::tempdir().unwrap();
    for words in [
        &["hook", "claud-code"][..],
        &["hook"],
        &["hook", "codex", "--no-such-flag"],
        &["--json", "hook", "gemini", "--on-error", "allow"],
    ] {
        let output = run(fakctl(dir.path()).args(words), "{}");
        assert_eq!(code(&output), 2, "{words:?}");
    }
}

/// No harness gets a let-through without fakd, whatever its input and whatever the flags.
#[test]
fn nothing_passes_without_a_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let inputs = [
        "",
        "null",
        "{}",
        "{\"hook_event_name\":\"PreToolUse\",\"tool_name\":\"Bash\",\"tool_input\":{}}",
        "{\"hook_event_name\":\"BeforeTool\",\"tool_name\":\"Bash\",\"tool_input\":{}}",
        "{\"hook_event_name\":\"beforeShellExecution\",\"command\":\"ls\"}",
        "{\"tool\":\"Bash\",\"args\":{}}",
        "{\"hook_event_name\":\"UserPromptSubmit\",\"prompt\":\"hello\"}",
        "{\"hook_event_name\":\"BeforeAgent\",\"prompt\":\"hello\"}",
        "{\"hook_event_name\":\"AfterTool\",\"tool_name\":\"Bash\",\"tool_response\":{}}",
        "{\"tool\":\"Bash\",\"result\":\"hello\"}",
    ];
    for harness in ["claude-code", "codex", "gemini", "cursor", "generic"] {
        for input in inputs {
            for flags in [&[][..], &["--on-error", "ask"], &["--rewrite"]] {
                let output = run(
                    fakctl(dir.path()).args(["hook", harness]).args(flags),
                    input,
                );
                // A prompt whose words fakd did not hear goes on with a warning where the operator said so.
                let asks = stdout(&output).contains("\"ask\"")
                    || (flags.contains(&"ask") && stdout(&output).contains("systemMessage"));
                assert!(
                    code(&output) != 0 || asks,
                    "{harness} {flags:?} {input}: {}",
                    stdout(&output)
                );
                assert!(!stdout(&output).contains("\"allow\""), "{harness} {input}");
                if code(&output) == 2 {
                    assert!(
                        !stderr(&output).is_empty(),
                        "{harness} {input}: a block without a reason"
                    );
                }
            }
        }
    }
}
