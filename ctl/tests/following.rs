//! Verbs that follow: across a restart of fakd, until a signal, until nobody reads them.

mod support;

use std::{
    io::{BufReader, Read as _},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use fak_proto::v1::{Approval, Change, ChangesResponse};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use support::{Asked, FakeFakd, Replies, Script};

/// Longest time a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

fn approval(id: &str, state: &str) -> Approval {
    Approval {
        id: id.into(),
        state: state.into(),
        ..Approval::default()
    }
}

fn following(fakd: &FakeFakd, words: &[&str]) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = fakd
        .fakctl(words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (child, out)
}

fn line(out: &mut impl std::io::BufRead) -> String {
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    line
}

/// The exit code, when the process ends in time.
fn ended(child: &mut Child) -> Option<i32> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        assert!(begun.elapsed() < PATIENCE, "it does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn signalled(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
}

fn watched(approvals: Vec<Approval>) -> Replies {
    Replies {
        approval_watch: vec![approvals],
        ..Replies::default()
    }
}

#[test]
fn a_restart_of_fakd_is_waited_out_and_nothing_is_told_twice() {
    let fakd = FakeFakd::with(Script::Echo, watched(vec![approval("a", "pending")]));
    let (mut child, mut out) = following(&fakd, &["approvals", "watch"]);
    assert!(line(&mut out).starts_with("a  pending"));
    let dir = fakd.gone();
    std::thread::sleep(Duration::from_millis(300));
    let again = watched(vec![approval("a", "pending"), approval("b", "pending")]);
    let fakd = FakeFakd::at(dir, Script::Echo, again);
    assert!(line(&mut out).starts_with("b  pending"));
    signalled(&child, Signal::SIGINT);
    assert_eq!(ended(&mut child), Some(0));
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(
        said.matches("waiting for it to come back").count(),
        1,
        "{said}"
    );
    drop(fakd);
}

#[test]
fn changes_go_on_from_the_last_cursor() {
    let page = |cursor| ChangesResponse {
        changes: vec![Change {
            cursor,
            kind: "revocation".into(),
            ..Change::default()
        }],
        cursor,
        gap: false,
    };
    let quiet = |cursor| ChangesResponse {
        cursor,
        ..ChangesResponse::default()
    };
    let first = Replies {
        changes: vec![page(5), quiet(5)],
        ..Replies::default()
    };
    let fakd = FakeFakd::with(Script::Echo, first);
    let (mut child, mut out) = following(&fakd, &["changes", "--follow"]);
    assert!(line(&mut out).starts_with("#5  revocation"));
    let dir = fakd.gone();
    let second = Replies {
        changes: vec![page(6), quiet(6)],
        ..Replies::default()
    };
    let fakd = FakeFakd::at(dir, Script::Echo, second);
    assert!(line(&mut out).starts_with("#6  revocation"));
    let Some(Asked::Changes(request)) = fakd.logged().into_iter().next() else {
        panic!("not asked");
    };
    assert_eq!(request.since, 5);
    signalled(&child, Signal::SIGTERM);
    assert_eq!(ended(&mut child), Some(0));
}

#[test]
fn a_reader_that_goes_away_ends_it_without_another_change() {
    for words in [&["approvals", "watch"][..], &["changes", "--follow"]] {
        let fakd = FakeFakd::with(
            Script::Echo,
            Replies {
                changes: vec![
                    ChangesResponse {
                        changes: vec![Change::default()],
                        cursor: 1,
                        gap: false,
                    },
                    ChangesResponse::default(),
                ],
                ..watched(vec![approval("a", "pending")])
            },
        );
        let (mut child, mut out) = following(&fakd, words);
        line(&mut out);
        drop(out);
        assert_eq!(ended(&mut child), Some(141), "{words:?}");
        let mut said = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        assert_eq!(said, "", "{words:?}");
    }
}

#[test]
fn an_interrupted_wait_is_no_approval() {
    let fakd = FakeFakd::with(
        Script::Echo,
        Replies {
            approvals: vec![approval("a", "pending")],
            ..watched(vec![])
        },
    );
    let (mut child, mut out) = following(&fakd, &["approvals", "watch", "a"]);
    assert!(line(&mut out).starts_with("a  pending"));
    signalled(&child, Signal::SIGINT);
    assert_eq!(ended(&mut child), Some(4));
}

#[test]
fn without_fakd_there_is_nothing_to_wait_for() {
    let fakd = FakeFakd::with(Script::Echo, Replies::default());
    for words in [
        &["approvals", "watch"][..],
        &["approvals", "watch", "a"],
        &["session", "watch"],
        &["changes", "--follow"],
    ] {
        let (mut child, _out) = following(&fakd, words);
        let wanted = if words.len() == 3 { 66 } else { 76 };
        assert_eq!(ended(&mut child), Some(wanted), "{words:?}");
        let mut command = support::fakctl(fakd.dir.path());
        command
            .arg("--socket")
            .arg(fakd.dir.path().join("none"))
            .args(words);
        assert_eq!(
            support::code(&support::run(&mut command, "")),
            69,
            "{words:?}"
        );
    }
}
