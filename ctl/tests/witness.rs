//! Approvals, sessions, trust and what makes kept answers stale, against a scripted fakd.

mod support;

use fak_proto::v1::{
    self, AdjudicateResponse, Approval, Budget, Change, ChangesResponse, Pace, Session, Taint,
};
use serde_json::Value;
use support::{Asked, FakeFakd, Replies, Script, code, run, stderr, stdout, verdict};
use tonic::Code;

const ID: &str = "0123456789abcdef0123456789abcdef";

fn approval(state: &str) -> Approval {
    Approval {
        id: ID.into(),
        state: state.into(),
        principal: "uid:1000".into(),
        trace_id: "t-1".into(),
        tool: "Bash".into(),
        args_digest: "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
            .into(),
        by: "arg_rules/publish".into(),
        reason: "UNWITNESSED".into(),
        ..Approval::default()
    }
}

fn fakd(replies: Replies) -> FakeFakd {
    FakeFakd::with(Script::Echo, replies)
}

fn json(output: &std::process::Output) -> Value {
    let text = stdout(output);
    let object: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
    assert_eq!(object["schema"], "fakctl/v1");
    object
}

#[test]
fn nobody_approves_his_own_call() {
    let fakd = fakd(Replies {
        approvals: vec![approval("pending")],
        approve: Some(Ok(approval("approved"))),
        you: "uid:1000 (someone) pid 7",
        ..Replies::default()
    });
    let output = fakd.ask(&["approvals", "approve", ID, "--reason", "mine"]);
    assert_eq!(code(&output), 77);
    let said = stderr(&output);
    assert!(
        said.contains("that is you: nobody is the witness of his own call"),
        "{said}"
    );
    let asked = fakd.logged();
    assert!(
        !asked.iter().any(|asked| matches!(asked, Asked::Approve(_))),
        "{asked:?}"
    );
}

#[test]
fn a_claim_that_does_not_hold_stops_before_fakd_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a"), "one").unwrap();
    let claims = ["file:00:a", "test:true", "moon:full", "git:clean"];
    for claim in claims {
        let fakd = fakd(Replies {
            approvals: vec![Approval {
                claims: vec![claim.into()],
                ..approval("pending")
            }],
            approve: Some(Ok(approval("approved"))),
            you: "uid:0 (root) pid 7",
            ..Replies::default()
        });
        let place = dir.path().to_str().unwrap();
        let words = ["approvals", "approve", ID, "--reason", "x", "--dir", place];
        let output = fakd.ask(&words);
        let wanted = if claim == "test:true" { 64 } else { 1 };
        assert_eq!(code(&output), wanted, "{claim}: {}", stderr(&output));
        assert!(stderr(&output).contains(claim), "{}", stderr(&output));
        let asked = fakd.logged();
        assert!(
            !asked.iter().any(|asked| matches!(asked, Asked::Approve(_))),
            "{asked:?}"
        );
    }
}

#[test]
fn what_was_seen_goes_with_the_approval() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a"), "one").unwrap();
    let sha = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed";
    let claim = format!("file:{sha}:a");
    let fakd = fakd(Replies {
        approvals: vec![Approval {
            claims: vec![claim.clone(), "test:echo fine".into()],
            ..approval("pending")
        }],
        approve: Some(Ok(Approval {
            decided_by: "uid:0".into(),
            ..approval("approved")
        })),
        you: "uid:0 (root) pid 7",
        ..Replies::default()
    });
    let place = dir.path().to_str().unwrap();
    let words = [
        "--json",
        "approvals",
        "approve",
        ID,
        "--reason",
        "seen",
        "--dir",
        place,
        "--run-tests",
    ];
    let output = fakd.ask(&words);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(
        stderr(&output).contains("running in"),
        "the command is shown first"
    );
    assert_eq!(json(&output)["approval"]["state"], "approved");
    let Some(Asked::Approve(request)) = fakd.logged().pop() else {
        panic!("{:?}", fakd.logged());
    };
    assert!(request.approve && request.id == ID && request.reason == "seen");
    let fine = "afdc50e3ef06c3c1eceb3da8f5d0a8e31a9d4c6a7ee2a8d6a4c2b5a3cf3a0d1e";
    let seen: Vec<_> = request
        .evidence
        .iter()
        .map(|seen| (seen.claim.as_str(), seen.holds))
        .collect();
    assert_eq!(seen, [(claim.as_str(), true), ("test:echo fine", true)]);
    assert_eq!(request.evidence[0].seen, sha);
    assert_eq!(request.evidence[1].seen.len(), fine.len());
}

#[test]
fn a_decision_that_is_not_taken_says_why() {
    let table = [
        (Code::NotFound, 66),
        (Code::FailedPrecondition, 1),
        (Code::PermissionDenied, 77),
        (Code::InvalidArgument, 65),
    ];
    for (said, exit) in table {
        let fakd = fakd(Replies {
            approve: Some(Err((said, "the words of fakd"))),
            ..Replies::default()
        });
        let output = fakd.ask(&["approvals", "deny", ID, "--reason", "no"]);
        assert_eq!(code(&output), exit, "{said:?}: {}", stderr(&output));
    }
    for state in ["approved", "denied", "expired", "spent"] {
        let fakd = fakd(Replies {
            approvals: vec![approval(state)],
            ..Replies::default()
        });
        let output = fakd.ask(&["approvals", "approve", ID, "--reason", "x"]);
        assert_eq!(code(&output), 1, "{state}");
        assert!(stderr(&output).contains(&format!("it is {state} already")));
    }
    let nothing = fakd(Replies::default());
    for words in [
        &["approvals", "show", ID][..],
        &["approvals", "approve", ID, "--reason", "x"],
        &["approvals", "watch", ID],
    ] {
        assert_eq!(code(&nothing.ask(words)), 66, "{words:?}");
    }
    assert_eq!(
        code(&nothing.ask(&["approvals", "approve", ID])),
        64,
        "a reason is wanted"
    );
    assert_eq!(
        code(&nothing.ask(&["approvals", "watch", "--wait", "1s"])),
        64
    );
}

#[test]
fn approvals_are_listed_and_held_against_arguments() {
    let fakd = fakd(Replies {
        approvals: vec![Approval {
            claims: vec!["git:clean".into()],
            ..approval("pending")
        }],
        ..Replies::default()
    });
    let output = fakd.ask(&["approvals", "list"]);
    let text = stdout(&output);
    assert!(
        code(&output) == 0 && text.contains(ID) && text.contains("git:clean"),
        "{text}"
    );
    assert!(text.ends_with("1 waiting\n"), "{text}");
    let list = json(&fakd.ask(&["--json", "approvals", "list", "--all"]));
    assert_eq!(
        (&list["pending"], &list["approvals"][0]["tool"]),
        (&1.into(), &"Bash".into())
    );
    let shown = fakd.ask(&["approvals", "show", ID, "--args", "{}"]);
    assert_eq!(code(&shown), 0);
    assert!(stdout(&shown).ends_with("these are the arguments of the call\n"));
    assert_eq!(
        code(&fakd.ask(&["approvals", "show", ID, "--args", "{ }"])),
        1
    );
}

#[test]
fn a_watched_approval_ends_with_its_decision_across_a_lost_stream() {
    for (state, exit) in [("approved", 0), ("spent", 0), ("denied", 3), ("expired", 3)] {
        let fakd = fakd(Replies {
            approvals: vec![approval("pending")],
            approval_watch: vec![
                vec![approval("pending")],
                vec![],
                vec![approval("pending"), approval(state)],
            ],
            ..Replies::default()
        });
        let output = fakd.ask(&["approvals", "watch", ID]);
        assert_eq!(code(&output), exit, "{state}: {}", stderr(&output));
        let lines: Vec<_> = stdout(&output).lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 2, "one line for each change: {lines:?}");
        assert!(
            lines[0].contains("pending") && lines[1].contains(state),
            "{lines:?}"
        );
        assert!(stderr(&output).contains("waiting for it to come back"));
    }
}

#[test]
fn waiting_for_an_approval_ends() {
    let fakd = fakd(Replies {
        approvals: vec![approval("pending")],
        approval_watch: vec![vec![]],
        ..Replies::default()
    });
    let output = fakd.ask(&["approvals", "watch", ID, "--wait", "1s"]);
    assert_eq!(code(&output), 4, "{}", stderr(&output));
}

#[test]
fn a_call_that_needs_a_witness_names_the_approval_and_can_wait_for_it() {
    let response = AdjudicateResponse {
        verdict: Some(verdict(
            "REQUIRE_WITNESS",
            "UNWITNESSED",
            "arg_rules/publish",
        )),
        approval_id: ID.into(),
        ..AdjudicateResponse::default()
    };
    let start = |state| {
        FakeFakd::with(
            Script::Verdict(response.clone()),
            Replies {
                approvals: vec![approval(state)],
                ..Replies::default()
            },
        )
    };
    let fakd = start("pending");
    let output = fakd.ask(&["adjudicate", "Bash", "--witness", "commit-1"]);
    assert_eq!(code(&output), 4);
    let text = stdout(&output);
    let command = format!("fakctl approvals approve {ID} --reason TEXT");
    assert!(text.contains(&command), "{text}");
    assert_eq!(fakd.asked.lock().unwrap()[0].witness, "commit-1");
    let object = json(&fakd.ask(&["--json", "adjudicate", "Bash"]));
    assert_eq!(object["approval_id"], ID);

    // Once it is decided the same call of the same session is asked again.
    let fakd = start("approved");
    let output = fakd.ask(&["adjudicate", "Bash", "--trace", "t-1", "--wait", "5s"]);
    assert_eq!(code(&output), 4, "the scripted verdict stays what it is");
    let asked = fakd.asked.lock().unwrap();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0], asked[1]);
}

#[test]
fn an_answer_that_was_kept_is_shown_and_written() {
    let fakd = FakeFakd::start(Script::Verdict(AdjudicateResponse {
        verdict: Some(verdict("ALLOW", "NONE", "allow/Read")),
        cached: Some(v1::Cached {
            result: b"kept".to_vec(),
            taint: "trusted".into(),
            kept_seq: 5,
            seq: 9,
        }),
        ..AdjudicateResponse::default()
    }));
    let file = fakd.dir.path().join("answer");
    let output = fakd.ask(&["adjudicate", "Read", "--cached", file.to_str().unwrap()]);
    assert_eq!(code(&output), 0);
    assert!(stdout(&output).contains("row #5 has the answer, 4 bytes, trusted"));
    assert_eq!(std::fs::read(&file).unwrap(), b"kept");
    let object = json(&fakd.ask(&["--json", "adjudicate", "Read"]));
    assert_eq!(
        (&object["cached"]["result"], &object["cached"]["seq"]),
        (&"kept".into(), &9.into())
    );
}

fn session(run: &str, rev: u64) -> Session {
    Session {
        trace_id: "t-1".into(),
        principal: "uid:1000".into(),
        run: run.into(),
        rev,
        budget: Some(Budget {
            turns: Some(3),
            ..Budget::default()
        }),
        ..Session::default()
    }
}

#[test]
fn steering_says_only_what_was_said() {
    let fakd = fakd(Replies {
        session: Some(Ok(session("paused", 8))),
        ..Replies::default()
    });
    let asked = |words: &[&str]| {
        let output = fakd.ask(words);
        assert_eq!(code(&output), 0, "{words:?}: {}", stderr(&output));
        match fakd.logged().pop() {
            Some(Asked::SessionControl(request)) => request,
            other => panic!("{other:?}"),
        }
    };
    let base = v1::SessionControlRequest {
        trace_id: "t-1".into(),
        reason: "why".into(),
        ..v1::SessionControlRequest::default()
    };
    for (verb, run) in [
        ("pause", "paused"),
        ("resume", "running"),
        ("drain", "draining"),
        ("stop", "stopped"),
    ] {
        let request = asked(&["session", verb, "t-1", "--reason", "why", "--if-rev", "7"]);
        let wanted = v1::SessionControlRequest {
            run: run.into(),
            if_rev: Some(7),
            ..base.clone()
        };
        assert_eq!(request, wanted, "{verb}");
    }
    let request = asked(&[
        "session",
        "reset",
        "t-1",
        "--reason",
        "why",
        "--principal",
        "uid:5",
    ]);
    assert!(request.reset && request.principal == "uid:5" && request.run.is_empty());
    let request = asked(&[
        "session",
        "set",
        "t-1",
        "--reason",
        "why",
        "--budget-turns",
        "0",
        "--budget-tokens",
        "none",
        "--turn-gap-ms",
        "2000",
        "--turn-tokens",
        "none",
        "--priority",
        "-3",
        "--run",
        "throttled",
    ]);
    let wanted = v1::SessionControlRequest {
        run: "throttled".into(),
        budget: Some(Budget {
            turns: Some(0),
            ..Budget::default()
        }),
        unbounded: vec!["tokens".into(), "turn_tokens".into()],
        pace: Some(Pace {
            turn_gap_ms_min: Some(2000),
            ..Pace::default()
        }),
        priority: Some(-3),
        ..base
    };
    assert_eq!(request, wanted);
    let before = fakd.logged().len();
    for words in [
        &["session", "set", "t-1", "--reason", "why"][..],
        &[
            "session",
            "set",
            "t-1",
            "--reason",
            "why",
            "--budget-turns",
            "many",
        ],
        &["session", "stop", "t-1"],
        &["session", "set", "t-1", "--priority", "1"],
    ] {
        assert_eq!(code(&fakd.ask(words)), 64, "{words:?}");
    }
    assert_eq!(fakd.logged().len(), before, "nothing was asked");
}

#[test]
fn a_lost_rev_and_a_stopped_session_have_their_exits() {
    let table = [
        (Code::Aborted, 75, "decide anew with its rev"),
        (Code::FailedPrecondition, 1, "the words of fakd"),
        (Code::NotFound, 66, "the words of fakd"),
        (Code::PermissionDenied, 77, ""),
    ];
    for (said, exit, words) in table {
        let fakd = fakd(Replies {
            session: Some(Err((said, "the words of fakd"))),
            reserve: Some(Err((said, "the words of fakd"))),
            ..Replies::default()
        });
        for verb in [
            &["session", "pause", "t-1", "--reason", "x"][..],
            &["session", "settle", "t-1", "--turn", "1"],
            &["session", "reserve", "t-1", "--turn", "1"],
        ] {
            let output = fakd.ask(verb);
            assert_eq!(code(&output), exit, "{said:?} {verb:?}");
            assert!(stderr(&output).contains(words), "{}", stderr(&output));
        }
    }
}

#[test]
fn a_turn_is_put_aside_or_not() {
    for (kind, exit) in [("ALLOW", 0), ("DENY", 3), ("KIND_9", 3), ("", 3)] {
        let fakd = fakd(Replies {
            reserve: Some(Ok(v1::SessionReserveResponse {
                verdict: Some(verdict(kind, "RATE_LIMITED", "session/budget")),
                session: Some(session("running", 2)),
                seq: 4,
            })),
            ..Replies::default()
        });
        let words = [
            "session",
            "reserve",
            "t-1",
            "--turn",
            "7",
            "--input-tokens",
            "900",
            "--model",
            "m",
        ];
        let output = fakd.ask(&words);
        assert_eq!(code(&output), exit, "{kind}");
        assert!(
            stdout(&output).contains("left: 3 turns"),
            "{}",
            stdout(&output)
        );
        let wanted = v1::SessionReserveRequest {
            trace_id: "t-1".into(),
            turn_id: "7".into(),
            input_tokens: 900,
            output_tokens: 0,
            model: "m".into(),
        };
        assert_eq!(fakd.logged(), [Asked::SessionReserve(wanted)]);
    }
    let fakd = fakd(Replies {
        reserve: Some(Ok(v1::SessionReserveResponse::default())),
        ..Replies::default()
    });
    let output = fakd.ask(&["session", "reserve", "t-1", "--turn", "7"]);
    assert_eq!(code(&output), 3, "no verdict is a denial");
}

#[test]
fn both_spellings_show_a_session() {
    let fakd = fakd(Replies {
        session: Some(Ok(session("running", 2))),
        ..Replies::default()
    });
    let old = fakd.ask(&["sessions", "show", "t-1"]);
    let new = fakd.ask(&["session", "get", "t-1"]);
    assert_eq!((code(&old), stdout(&old)), (0, stdout(&new)));
    assert!(
        stdout(&new).contains("budget left  3 turns"),
        "{}",
        stdout(&new)
    );
    let object = json(&fakd.ask(&["--json", "session", "get", "t-1"]));
    assert_eq!(object["session"]["budget"], serde_json::json!({"turns": 3}));
}

#[test]
fn a_watched_session_tells_each_change_once_and_ends_when_stopped() {
    let fakd = fakd(Replies {
        session_watch: vec![
            vec![session("running", 1), session("paused", 2)],
            vec![session("paused", 2), session("stopped", 3)],
        ],
        ..Replies::default()
    });
    let output = fakd.ask(&["--json", "session", "watch", "t-1"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let text = stdout(&output);
    let runs: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["session"]["run"].to_string())
        .collect();
    assert_eq!(runs, ["\"running\"", "\"paused\"", "\"stopped\""]);
}

#[test]
fn words_and_scope_are_told() {
    let fakd = fakd(Replies {
        tell: Some(Ok(v1::TellResponse {
            trace_id: "t-1".into(),
            seq: 3,
            taint: Some(Taint {
                taint: "trusted".into(),
                scoped: true,
                ..Taint::default()
            }),
        })),
        ..Replies::default()
    });
    let words = [
        "tell",
        "--trace",
        "t-1",
        "--words",
        "-",
        "--scope",
        "Read,MCP:get:2",
    ];
    let output = run(&mut fakd.fakctl(&words), "mail ann");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(stdout(&output).contains("held to a list of tools"));
    let tool = |name: &str, count_max| v1::ScopeTool {
        name: name.into(),
        count_max,
    };
    let wanted = v1::TellRequest {
        trace_id: "t-1".into(),
        words: "mail ann".into(),
        scope: Some(v1::Scope {
            tools: vec![tool("Read", 0), tool("MCP:get", 2)],
        }),
    };
    assert_eq!(fakd.logged(), [Asked::Tell(wanted)]);
    for words in [
        &["tell", "--trace", "t-1"][..],
        &["tell", "--words", "x"],
        &["tell", "--trace", "t-1", "--scope", "Read:0"],
    ] {
        assert_eq!(code(&fakd.ask(words)), 64, "{words:?}");
    }
}

#[test]
fn trust_is_shown_and_reset() {
    let fakd = fakd(Replies {
        taint: Some(Ok(Taint {
            trace_id: "t-1".into(),
            taint: "tainted".into(),
            values: 12,
            value_bytes: 345,
            full: true,
            ..Taint::default()
        })),
        ..Replies::default()
    });
    let output = fakd.ask(&["taint", "get", "t-1"]);
    let text = stdout(&output);
    assert!(
        code(&output) == 0 && text.contains("12 values, 345 bytes"),
        "{text}"
    );
    assert!(
        text.contains("what is not known counts as a stranger's"),
        "{text}"
    );
    let words = [
        "--json",
        "taint",
        "reset",
        "t-1",
        "--principal",
        "uid:5",
        "--reason",
        "looked",
    ];
    assert_eq!(json(&fakd.ask(&words))["taint"]["taint"], "tainted");
    let wanted = v1::TaintResetRequest {
        trace_id: "t-1".into(),
        principal: "uid:5".into(),
        reason: "looked".into(),
    };
    assert_eq!(fakd.logged().pop(), Some(Asked::TaintReset(wanted)));
    assert_eq!(
        code(&fakd.ask(&["taint", "reset", "t-1"])),
        64,
        "a reason is wanted"
    );
}

#[test]
fn changes_are_read_and_a_witness_is_revoked() {
    let change = Change {
        cursor: 7,
        kind: "mutation".into(),
        tool: "Edit".into(),
        namespace: "fs".into(),
        resources: vec!["/a".into()],
        world_version: 3,
        ..Change::default()
    };
    let fakd = fakd(Replies {
        changes: vec![ChangesResponse {
            changes: vec![change],
            cursor: 7,
            gap: true,
        }],
        revoke: Some(Ok(v1::RevokeResponse {
            witness: "commit-1".into(),
            evicted: 4,
            trust_epoch: 2,
            seq: 11,
        })),
        ..Replies::default()
    });
    let output = fakd.ask(&["changes", "--since", "6", "-n", "5"]);
    let text = stdout(&output);
    assert!(
        text.starts_with("GAP") && text.contains("#7  mutation  Edit  fs  /a"),
        "{text}"
    );
    assert!(stderr(&output).contains("--since 7"));
    let page = json(&fakd.ask(&["--json", "changes"]));
    assert_eq!((&page["cursor"], &page["gap"]), (&7.into(), &true.into()));
    assert_eq!(
        fakd.logged().first(),
        Some(&Asked::Changes(v1::ChangesRequest { since: 6, limit: 5 }))
    );
    let output = fakd.ask(&["revoke", "commit-1", "--reason", "it lied"]);
    assert!(
        stdout(&output).contains("4 kept answers went"),
        "{}",
        stdout(&output)
    );
    assert_eq!(
        code(&fakd.ask(&["revoke", "commit-1"])),
        64,
        "a reason is wanted"
    );
}

#[test]
fn an_admission_says_which_call_it_answers_and_how_that_went() {
    let fakd = fakd(Replies {
        admit: Some(Ok(v1::AdmitResponse {
            verdict: Some(verdict("ALLOW", "NONE", "screen")),
            result: b"fine".to_vec(),
            ..v1::AdmitResponse::default()
        })),
        ..Replies::default()
    });
    let words = [
        "admit",
        "Bash",
        "--call-seq",
        "12",
        "--outcome",
        "fail",
        "--args",
        "{\"command\":\"x\"}",
    ];
    let output = run(&mut fakd.fakctl(&words), "fine");
    assert_eq!((code(&output), stdout(&output).as_str()), (0, "fine"));
    let wanted = v1::AdmitRequest {
        tool: "Bash".into(),
        result: b"fine".to_vec(),
        call_seq: 12,
        outcome: "FAIL".into(),
        args: b"{\"command\":\"x\"}".to_vec(),
        ..v1::AdmitRequest::default()
    };
    assert_eq!(fakd.logged(), [Asked::Admit(wanted)]);
    assert_eq!(code(&fakd.ask(&["admit", "Bash", "--outcome", "well"])), 64);
}
