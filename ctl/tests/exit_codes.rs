//! How the program ends, for every way a question can go; and what `--json` prints then.

mod support;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::Stdio,
};

use fak_proto::v1::AdjudicateResponse;
use support::{FakeFakd, Script, code, fakctl, run, stderr, stdout, verdict};
use tonic::Code;

fn answering(kind: &str) -> FakeFakd {
    FakeFakd::start(Script::Verdict(AdjudicateResponse {
        verdict: Some(verdict(kind, "POLICY_BLOCK", "arg_rules/x")),
        repaired_args: if kind == "TRANSFORM" {
            b"{\"token\":\"[REDACTED]\"}".to_vec()
        } else {
            Vec::new()
        },
        ..AdjudicateResponse::default()
    }))
}

#[test]
fn every_verdict_has_its_exit_code() {
    let table = [
        ("ALLOW", 0, 0),
        ("DENY", 3, 3),
        ("TRANSFORM", 3, 0),
        ("QUARANTINE", 3, 3),
        ("REQUIRE_WITNESS", 4, 4),
        ("DEFER", 3, 3),
        ("KIND_17", 3, 3),
        ("", 3, 3),
    ];
    for (kind, plain, rewriting) in table {
        let fakd = answering(kind);
        let ask = |extra: &[&str]| {
            let mut command = fakctl(fakd.dir.path());
            command.arg("--socket").arg(fakd.socket()).args([
                "adjudicate",
                "T",
                "--args",
                "{\"token\":1}",
            ]);
            run(command.args(extra), "")
        };
        assert_eq!(code(&ask(&[])), plain, "{kind}");
        assert_eq!(code(&ask(&["--json"])), plain, "{kind} --json");
        assert_eq!(code(&ask(&["--quiet"])), plain, "{kind} --quiet");
        let rewritten = ask(&["--rewrite"]);
        assert_eq!(code(&rewritten), rewriting, "{kind} --rewrite");
        let printed = match kind {
            "ALLOW" => "{\"token\":1}",
            "TRANSFORM" => "{\"token\":\"[REDACTED]\"}",
            _ => "",
        };
        assert_eq!(
            stdout(&rewritten),
            printed,
            "{kind}: what to run, or nothing"
        );
    }
}

#[test]
fn every_failure_has_its_exit_code_and_one_error_object() {
    let table = [
        (Code::InvalidArgument, 65, "bad_input"),
        (Code::NotFound, 66, "missing"),
        (Code::Unavailable, 69, "unreachable"),
        (Code::Internal, 70, "internal"),
        (Code::ResourceExhausted, 75, "try_again"),
        (Code::DeadlineExceeded, 75, "try_again"),
        (Code::Unimplemented, 76, "protocol"),
        (Code::PermissionDenied, 77, "not_permitted"),
        (Code::FailedPrecondition, 78, "config"),
    ];
    for (said, exit, name) in table {
        let fakd = FakeFakd::start(Script::Error(said, "the words of fakd"));
        for verb in [
            &["adjudicate", "T"][..],
            &["status"],
            &["reload"],
            &["sessions"],
        ] {
            let mut command = fakctl(fakd.dir.path());
            let output = run(
                command
                    .arg("--socket")
                    .arg(fakd.socket())
                    .arg("--json")
                    .args(verb),
                "",
            );
            assert_eq!(
                code(&output),
                exit,
                "{said:?} {verb:?}: {}",
                stdout(&output)
            );
            assert_one_error(&stdout(&output), exit, name);
            assert_eq!(stderr(&output), "");
        }
    }
}

fn assert_one_error(text: &str, exit: i32, name: &str) {
    let object: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(object["schema"], "fakctl/v1");
    assert_eq!(object["error"]["code"], exit);
    assert_eq!(object["error"]["name"], name);
    assert!(
        object["error"]["message"]
            .as_str()
            .is_some_and(|message| !message.is_empty()),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn an_absent_fakd_is_a_refusal_that_names_the_socket_and_the_fix() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("none.sock");
    let output = run(
        fakctl(dir.path())
            .arg("--socket")
            .arg(&socket)
            .args(["adjudicate", "Bash"]),
        "",
    );
    assert_eq!(code(&output), 69);
    assert_eq!(stdout(&output), "");
    let said = stderr(&output);
    assert!(
        said.contains(socket.to_str().unwrap()) && said.contains("systemctl start fakd"),
        "{said}"
    );
    assert!(said.contains("fakd --user"), "{said}");

    let output = run(
        fakctl(dir.path())
            .arg("--socket")
            .arg(&socket)
            .args(["adjudicate", "Bash", "--json"]),
        "",
    );
    assert_one_error(&stdout(&output), 69, "unreachable");

    // A socket file nobody listens on any more.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let output = run(
        fakctl(dir.path())
            .env("FAK_SOCKET", &socket)
            .args(["adjudicate", "Bash"]),
        "",
    );
    assert_eq!(code(&output), 69);
}

#[test]
fn a_listener_that_speaks_something_else_is_a_protocol_mismatch() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("web.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let _ = connection.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
    });
    let output = run(
        fakctl(dir.path())
            .arg("--socket")
            .arg(&socket)
            .args(["adjudicate", "Bash", "--json"]),
        "",
    );
    assert_eq!(code(&output), 76, "{}", stdout(&output));
}

#[test]
fn silence_ends_after_the_time_limit() {
    let fakd = FakeFakd::start(Script::Silent);
    let start = std::time::Instant::now();
    let mut command = fakctl(fakd.dir.path());
    let output = run(
        command.arg("--socket").arg(fakd.socket()).args([
            "--timeout",
            "150ms",
            "--json",
            "adjudicate",
            "T",
        ]),
        "",
    );
    assert_eq!(code(&output), 75);
    assert_one_error(&stdout(&output), 75, "try_again");
    assert!(start.elapsed() < std::time::Duration::from_secs(2));
}

#[test]
fn a_wrong_command_line_ends_with_64() {
    let dir = tempfile::tempdir().unwrap();
    for words in [
        &["frobnicate"][..],
        &[],
        &["adjudicate"],
        &["adjudicate", "T", "--no-such-flag"],
        &["adjudicate", "T", "--stream"],
        &["--timeout", "soon", "status"],
        &["run"],
        &["policy", "learn"],
    ] {
        let output = run(fakctl(dir.path()).args(words), "");
        assert_eq!(code(&output), 64, "{words:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "", "{words:?}");
        let output = run(fakctl(dir.path()).args(words).arg("--json"), "");
        assert_eq!(code(&output), 64, "{words:?}");
        assert_one_error(&stdout(&output), 64, "usage");
    }
    for words in [
        &["--help"][..],
        &["--version"],
        &["hook", "--help"],
        &["version"],
        &["completions", "zsh"],
    ] {
        assert_eq!(
            code(&run(fakctl(dir.path()).args(words), "")),
            0,
            "{words:?}"
        );
    }
}

#[test]
fn arguments_reach_fakd_byte_for_byte() {
    let fakd = answering("ALLOW");
    let odd = "{ \"b\":1.00,\t\"a\" : \"\\u0041\" }\n";
    let file = fakd.dir.path().join("call.json");
    std::fs::write(&file, odd).unwrap();
    let at_file = format!("@{}", file.display());
    for (given, input) in [(odd, ""), ("-", odd), (at_file.as_str(), "")] {
        let mut command = fakctl(fakd.dir.path());
        command
            .arg("--socket")
            .arg(fakd.socket())
            .args(["adjudicate", "T", "--args", given]);
        assert_eq!(code(&run(&mut command, input)), 0);
    }
    for request in fakd.asked.lock().unwrap().iter() {
        assert_eq!(request.args, odd.as_bytes());
        assert_eq!(request.home, "/home/someone");
        assert_eq!(
            request.cwd,
            std::env::current_dir().unwrap().to_str().unwrap()
        );
    }
    let missing = run(
        fakctl(fakd.dir.path())
            .arg("--socket")
            .arg(fakd.socket())
            .args(["adjudicate", "T", "--args", "@/no/such"]),
        "",
    );
    assert_eq!(code(&missing), 66);
    let mut command = fakctl(fakd.dir.path());
    command
        .arg("--socket")
        .arg(fakd.socket())
        .args(["adjudicate", "T", "--args", "-"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"{\"a\":\"\xff\"}")
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(65), "not UTF-8");
}

#[test]
fn a_stream_answers_every_line_in_order() {
    let fakd = FakeFakd::start(Script::Echo);
    let mut command = fakctl(fakd.dir.path());
    command
        .arg("--socket")
        .arg(fakd.socket())
        .args(["adjudicate", "--stream"]);
    let input = "{\"tool\":\"ALLOW\",\"args\":{\"a\" :1},\"call_id\":\"1\"}\n\
                 \n\
                 {\"tool\":\"ALLOW\",\"arguments\":{}}\n\
                 not json\n\
                 {\"tool\":\"DENY\",\"trace_id\":\"t\",\"call_id\":\"2\"}";
    let output = run(&mut command, input);
    let lines: Vec<serde_json::Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 4, "{}", stdout(&output));
    assert_eq!(
        (&lines[0]["verdict"]["kind"], &lines[0]["call_id"]),
        (&"ALLOW".into(), &"1".into())
    );
    assert_eq!(
        (&lines[1]["line"], &lines[1]["error"]["fix"]),
        (&3.into(), &"use `args`".into())
    );
    assert_eq!(
        (&lines[2]["line"], &lines[2]["error"]["code"]),
        (&4.into(), &65.into())
    );
    assert_eq!(
        (&lines[3]["verdict"]["kind"], &lines[3]["trace_id"]),
        (&"DENY".into(), &"t".into())
    );
    assert_eq!(code(&output), 65, "a bad line is not silent");
    assert_eq!(fakd.asked.lock().unwrap()[0].args, b"{\"a\" :1}");
}

#[test]
fn a_stream_answers_before_the_next_question() {
    let fakd = FakeFakd::start(Script::Echo);
    let mut command = fakctl(fakd.dir.path());
    command
        .arg("--socket")
        .arg(fakd.socket())
        .args(["adjudicate", "--stream"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut to, mut from) = (
        child.stdin.take().unwrap(),
        BufReader::new(child.stdout.take().unwrap()),
    );
    for _ in 0..3 {
        to.write_all(b"{\"tool\":\"ALLOW\"}\n").unwrap();
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        assert!(line.contains("\"ALLOW\""), "{line}");
    }
    drop(to);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_stream_that_breaks_refuses_what_it_has_read() {
    let fakd = FakeFakd::start(Script::Error(Code::Unavailable, "draining"));
    let mut command = fakctl(fakd.dir.path());
    command
        .arg("--socket")
        .arg(fakd.socket())
        .args(["adjudicate", "--stream"]);
    let output = run(&mut command, "{\"tool\":\"A\"}\n{\"tool\":\"B\"}\n");
    assert_eq!(code(&output), 69);
    let first: serde_json::Value =
        serde_json::from_str(stdout(&output).lines().next().unwrap()).unwrap();
    assert_eq!(first["error"]["name"], "unreachable");
}

#[test]
fn status_says_when_fakd_refuses() {
    let fakd = answering("ALLOW");
    let output = run(
        fakctl(fakd.dir.path())
            .arg("--socket")
            .arg(fakd.socket())
            .arg("status"),
        "",
    );
    assert_eq!(code(&output), 1);
    assert!(
        stdout(&output).contains("refusing") && stdout(&output).contains("disk is full"),
        "{}",
        stdout(&output)
    );
    let output = run(
        fakctl(fakd.dir.path())
            .arg("--socket")
            .arg(fakd.socket())
            .args(["status", "--json"]),
        "",
    );
    let object: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(object["status"]["state"], "refusing");
}

#[test]
fn a_refused_reload_lists_the_problems_and_ends_with_78() {
    let fakd = answering("ALLOW");
    let output = run(
        fakctl(fakd.dir.path())
            .arg("--socket")
            .arg(fakd.socket())
            .arg("reload"),
        "",
    );
    assert_eq!(code(&output), 78);
    assert!(
        stdout(&output).contains("10-ops.yaml:3:5: error: unknown key `allwo`"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = fakctl(dir.path())
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(stderr(&output), "");
}
