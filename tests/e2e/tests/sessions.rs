//! Sessions that are steered and budgets that are spent, with the real programs; a kill in between changes nothing.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use fak_e2e::{
    fakctl,
    results::admitted,
    talk::{call, policy, session, told, verdict},
};
use fak_sim::random::Random;
use fak_support::Place;
use serde_json::Value;

const SEED: u64 = 11;

/// What all callers together may have.
const TURNS: usize = 40;
const LANES: usize = 8;

fn reads(place: &Place, trace: &str) -> Value {
    call(place, trace, "Read", "{\"file_path\":\"a\"}")
}

fn steer(place: &Place, args: &[&str], code: i32) -> Value {
    let (ended, answer) = told(
        place,
        &[&["session"], args, &["--reason", "a test"]].concat(),
    );
    assert_eq!(ended, code, "{args:?}: {answer}");
    answer
}

const PASSES: [&str; 3] = ["ALLOW", "NONE", "allow/Read"];

#[test]
fn held_sessions_stay_held_across_a_kill_and_go_on_when_somebody_says_so() {
    let place = Place::new();
    policy(&place, "allow: [Read]\n");
    let mut daemon = place.start(&[]);
    for trace in ["paused", "slow", "draining", "stopped", "free"] {
        assert_eq!(verdict(&reads(&place, trace)), PASSES);
    }
    steer(&place, &["pause", "paused"], 0);
    let slow = ["--run", "throttled", "--turn-gap-ms", "600000"];
    steer(&place, &[&["set", "slow"], &slow[..]].concat(), 0);
    // The time between calls counts from the first one that is let through throttled.
    reads(&place, "slow");
    steer(&place, &["drain", "draining"], 0);
    steer(&place, &["stop", "stopped"], 0);
    for round in 0..2 {
        let held = reads(&place, "paused");
        assert_eq!(
            (verdict(&held), &held["verdict"]["disposition"]),
            (["DENY", "RATE_LIMITED", "session/paused"], &"WAIT".into()),
            "round {round}: {held}"
        );
        let held = reads(&place, "slow");
        assert_eq!(verdict(&held), ["DENY", "RATE_LIMITED", "session/pace"]);
        let wait = held["verdict"]["retry_after_ms"].as_u64().expect("a time");
        assert!((1..=600_000).contains(&wait), "round {round}: {held}");
        for state in ["draining", "stopped"] {
            let by = format!("session/{state}");
            assert_eq!(
                verdict(&reads(&place, state)),
                ["DENY", "POLICY_BLOCK", by.as_str()],
                "round {round}"
            );
        }
        assert_eq!(verdict(&reads(&place, "free")), PASSES, "round {round}");
        daemon.kill();
        daemon = place.start(&[]);
    }
    steer(&place, &["resume", "stopped"], 1);
    steer(&place, &["reset", "stopped"], 1);
    for trace in ["paused", "slow", "draining"] {
        steer(&place, &["resume", trace], 0);
        assert_eq!(verdict(&reads(&place, trace)), PASSES, "{trace}");
    }
    assert_eq!(
        verdict(&reads(&place, "stopped")),
        ["DENY", "POLICY_BLOCK", "session/stopped"]
    );
    fakctl(&place, &["audit", "verify"], 0);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn who_looked_at_an_older_session_changes_nothing() {
    let place = Place::new();
    policy(&place, "allow: [Read]\n");
    let daemon = place.start(&[]);
    reads(&place, "t");
    let seen = session(&place, "t")["rev"].as_u64().expect("a rev");
    let rev = seen.to_string();
    steer(
        &place,
        &["set", "t", "--budget-turns", "5", "--if-rev", &rev],
        0,
    );
    daemon.kill();
    let daemon = place.start(&[]);
    steer(&place, &["stop", "t", "--if-rev", &rev], 75);
    let now = session(&place, "t");
    assert_eq!(
        (&now["run"], &now["budget"]["turns"]),
        (&"running".into(), &5.into()),
        "{now}"
    );
    assert!(now["rev"].as_u64() > Some(seen), "{now}");
    steer(&place, &["stop", "missing"], 66);
    assert_eq!(daemon.stop(), Some(0));
}

/// One caller: puts turns aside until there are none, and asks again with the same name when nobody answered.
fn spends(place: &Place, lane: usize, won: &Mutex<BTreeSet<String>>) {
    for number in 0..=TURNS {
        let turn = format!("{lane}-{number}");
        let answer = loop {
            let words = [
                "session",
                "reserve",
                "t",
                "--turn",
                &turn,
                "--output-tokens",
                "10",
            ];
            let (code, answer) = told(place, &words);
            if code == 0 || code == 3 {
                break answer;
            }
            thread::sleep(Duration::from_millis(5));
        };
        if verdict(&answer)[0] != "ALLOW" {
            assert_eq!(verdict(&answer)[2], "session/budget", "{answer}");
            return;
        }
        won.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(turn);
    }
}

#[test]
fn eight_who_spend_at_once_never_overshoot_whatever_is_killed() {
    let place = Place::new();
    policy(
        &place,
        &format!("allow: [Read]\nbudget: {{turns: {TURNS}, tokens: 1000}}\n"),
    );
    let daemon = place.start(&[]);
    reads(&place, "t");
    let won = Mutex::new(BTreeSet::new());
    let mut random = Random::new(SEED);
    let daemon = thread::scope(|scope| {
        let mut daemon = daemon;
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| {
                scope.spawn({
                    let (place, won) = (&place, &won);
                    move || spends(place, lane, won)
                })
            })
            .collect();
        while !lanes.iter().all(thread::ScopedJoinHandle::is_finished) {
            thread::sleep(Duration::from_millis(20 + random.below(150)));
            daemon.kill();
            daemon = place.start(&[]);
        }
        daemon
    });
    let won = won.into_inner().unwrap_or_else(PoisonError::into_inner);
    let now = session(&place, "t");
    assert_eq!(won.len(), TURNS, "seed {SEED}: {now}");
    assert_eq!(
        (
            &now["budget"]["turns"],
            &now["budget"]["tokens"],
            &now["reserved_turns"]
        ),
        (&0.into(), &600.into(), &TURNS.into()),
        "seed {SEED}: {now}"
    );
    daemon.kill();
    let daemon = place.start(&[]);
    assert_eq!(session(&place, "t"), now, "seed {SEED}");

    // What a turn did not use comes back, once, before and after a kill.
    let turn = won.first().expect("turns").clone();
    let settle = [
        "session",
        "settle",
        "t",
        "--turn",
        &turn,
        "--output-tokens",
        "3",
    ];
    let (code, settled) = told(&place, &settle);
    assert_eq!(
        (code, &settled["session"]["budget"]["tokens"]),
        (0, &607.into()),
        "{settled}"
    );
    daemon.kill();
    let daemon = place.start(&[]);
    let (_, again) = told(&place, &settle);
    assert_eq!(again["session"]["budget"]["tokens"], 607, "{again}");
    assert_eq!(again["session"]["reserved_turns"], TURNS - 1, "{again}");
    let (code, refused) = told(&place, &["session", "reserve", "t", "--turn", "new"]);
    assert_eq!(
        (code, verdict(&refused)[2]),
        (3, "session/budget"),
        "{refused}"
    );
    fakctl(&place, &["audit", "verify"], 0);
    assert_eq!(daemon.stop(), Some(0));
}

const CONTEXT: &str = "allow: [inbox, send_mail]
budget: {context_tokens: 1000}
flow:
  sinks:
    send_mail: {controls: {to: {}}}
";

#[test]
fn a_session_that_carries_on_is_trusted_no_more_than_it_was() {
    let place = Place::new();
    policy(&place, CONTEXT);
    let daemon = place.start(&[]);
    let (eve, bob) = ("eve@evil.example", "bob@home.example");
    let words = format!("Answer {bob}.");
    fakctl(&place, &["tell", "--trace", "t", "--words", &words], 0);
    let letter = format!("[{{\"body\":\"I moved: {eve}\"}}]");
    let read = ["inbox", "--trace", "t", "--args", "{}"];
    let answer = admitted(&place, &read, letter.as_bytes(), 0);
    assert_eq!(answer["taint"], "tainted", "{answer}");
    let turn = ["t", "--turn", "one", "--input-tokens", "1000"];
    let (code, answer) = told(&place, &[&["session", "reserve"], &turn[..]].concat());
    assert_eq!(code, 0, "{answer}");
    daemon.kill();
    let daemon = place.start(&[]);
    let (code, ended) = told(&place, &[&["session", "settle"], &turn[..]].concat());
    assert_eq!(
        (code, &ended["session"]["run"]),
        (0, &"draining".into()),
        "{ended}"
    );
    let next = ended["session"]["continuation"]
        .as_str()
        .expect("one")
        .to_owned();
    daemon.kill();
    let daemon = place.start(&[]);
    assert_eq!(session(&place, "t")["continuation"], next.as_str());
    steer(&place, &["reset", "t"], 0);
    daemon.kill();
    let daemon = place.start(&[]);
    let new = session(&place, &next);
    assert_eq!(
        (
            &new["taint"],
            &new["continues"],
            &new["budget"]["context_tokens"]
        ),
        (&"tainted".into(), &"t".into(), &1000.into()),
        "{new}"
    );
    assert_eq!(session(&place, "t")["run"], "stopped");
    let sends = |to: &str| call(&place, &next, "send_mail", &format!("{{\"to\":\"{to}\"}}"));
    assert_eq!(verdict(&sends(eve))[..2], ["DENY", "TRUST_VIOLATION"]);
    assert_eq!(verdict(&sends(bob))[0], "ALLOW");
    assert_eq!(daemon.stop(), Some(0));
}
