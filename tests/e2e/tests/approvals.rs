//! Calls that wait for somebody else, with the real programs: who may decide, on what evidence, how often and how long.

use std::{
    fs,
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use fak_e2e::{
    fakctl,
    results::{WITNESS, shared, witness},
    said,
    talk::{call, json, policy, told, verdict},
};
use fak_support::Place;
use serde_json::Value;

/// The sum is of the bytes `released`, newline.
const CLAIMS: &str = "allow: [ship, publish, check, Read]
approval: {expires_s: 600}
arg_rules:
  - {name: ship, tool: ship, arg: to, deny_regex: '.', verdict: REQUIRE_WITNESS, witness: ['git:clean']}
  - name: publish
    tool: publish
    arg: to
    deny_regex: '.'
    verdict: REQUIRE_WITNESS
    witness: ['file:fdc935e6a3f33abdcfb4f5d7a335d408b2b988e7a5f8411d9f73349d1fab39be:VERSION']
  - {name: check, tool: check, arg: to, deny_regex: '.', verdict: REQUIRE_WITNESS, witness: ['test:test -e ../passed']}
";

fn plain(expires_s: u32) -> String {
    format!(
        "allow: [ship, Read]
approval: {{expires_s: {expires_s}}}
arg_rules:
  - {{name: ship, tool: ship, arg: to, deny_regex: '.', verdict: REQUIRE_WITNESS}}
"
    )
}

fn asks(place: &Place, tool: &str, to: &str) -> Value {
    call(place, "t", tool, &format!("{{\"to\":\"{to}\"}}"))
}

/// The approval a call has to wait for.
fn waits(place: &Place, tool: &str, to: &str) -> String {
    let answer = asks(place, tool, to);
    assert_eq!(verdict(&answer)[0], "REQUIRE_WITNESS", "{answer}");
    answer["approval_id"].as_str().expect("an id").to_owned()
}

fn state(place: &Place, id: &str) -> String {
    let (code, answer) = told(place, &["approvals", "list", "--all"]);
    assert_eq!(code, 0, "{answer}");
    let list = answer["approvals"].as_array().expect("a list");
    let one = list.iter().find(|one| one["id"] == id);
    one.map_or("", |one| one["state"].as_str().unwrap_or(""))
        .to_owned()
}

/// What the witness says of it, which must end with `code`.
fn decides(place: &Place, words: &[&str], code: i32) -> String {
    let words = [&["approvals"], words, &["--reason", "looked"]].concat();
    let output = witness(place, &words);
    assert_eq!(
        output.status.code(),
        Some(code),
        "{words:?}: {}",
        said(&output)
    );
    said(&output)
}

#[test]
fn a_yes_holds_once_and_a_no_holds_whatever_is_killed_in_between() {
    let Some(place) = shared() else { return };
    policy(&place, &plain(600));
    let daemon = place.start(&[]);
    let (yes, no) = (waits(&place, "ship", "yes"), waits(&place, "ship", "no"));
    daemon.kill();
    let daemon = place.start(&[]);
    assert_eq!(
        (waits(&place, "ship", "yes"), state(&place, &yes)),
        (yes.clone(), "pending".into())
    );
    let own = place.fakctl(&["approvals", "approve", &yes, "--reason", "I say so"]);
    assert_eq!(own.status.code(), Some(77), "{}", said(&own));
    assert_eq!(state(&place, &yes), "pending");
    // There is nothing to look at, so that the witness may not look there is no matter.
    let closed = place.join("state/fak").display().to_string();
    decides(&place, &["approve", &yes, "--dir", &closed], 0);
    decides(&place, &["deny", &no], 0);
    daemon.kill();
    let daemon = place.start(&[]);
    // Who decides late changes nothing.
    decides(&place, &["deny", &yes], 1);
    decides(&place, &["approve", &no], 1);
    assert_eq!(
        verdict(&asks(&place, "ship", "yes")),
        ["ALLOW", "NONE", "approval"]
    );
    daemon.kill();
    let daemon = place.start(&[]);
    assert_eq!(state(&place, &yes), "spent");
    assert_ne!(waits(&place, "ship", "yes"), yes);
    for _ in 0..2 {
        assert_eq!(
            verdict(&asks(&place, "ship", "no")),
            ["DENY", "UNWITNESSED", "approval/denied"]
        );
    }
    fakctl(&place, &["audit", "verify"], 0);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn what_nobody_decided_is_refused_once_and_may_be_asked_anew() {
    let place = Place::new();
    policy(&place, &plain(2));
    let daemon = place.start(&[]);
    let id = waits(&place, "ship", "x");
    daemon.kill();
    thread::sleep(Duration::from_millis(2_200));
    let daemon = place.start(&[]);
    assert_eq!(
        verdict(&asks(&place, "ship", "x")),
        ["DENY", "UNWITNESSED", "approval/expired"]
    );
    assert_eq!(state(&place, &id), "expired");
    daemon.kill();
    let daemon = place.start(&[]);
    assert_ne!(waits(&place, "ship", "x"), id);
    assert_eq!(daemon.stop(), Some(0));
}

/// A work tree of the witness's own, with everything committed and a version that was released.
fn tree(place: &Place) -> Option<PathBuf> {
    let dir = place.join("work/tree");
    fs::create_dir(&dir).expect("made");
    fs::write(dir.join("VERSION"), "released\n").expect("written");
    for path in [dir.clone(), dir.join("VERSION")] {
        chown(path, Some(WITNESS), Some(0)).expect("given");
    }
    let made = git(&dir, &["init", "-q"]).is_some()
        && git(&dir, &["add", "VERSION"]).is_some()
        && git(&dir, &["commit", "-q", "-m", "Release"]).is_some();
    if !made {
        fak_support::skip("approvals", "git makes no work tree here");
    }
    made.then_some(dir)
}

fn git(dir: &Path, words: &[&str]) -> Option<()> {
    let output = Command::new("git")
        .env_clear()
        .args(["-c", "user.name=w", "-c", "user.email=w@home.example"])
        .args(words)
        .current_dir(dir)
        .uid(WITNESS)
        .gid(0)
        .output();
    output.ok()?.status.success().then_some(())
}

/// Does what makes a claim false, and true again.
type Break<'a> = (&'a str, &'a [&'a str], &'a dyn Fn(bool));

#[test]
fn a_claim_is_looked_at_by_the_witness_and_nothing_passes_while_it_does_not_hold() {
    let Some(place) = shared() else { return };
    let Some(dir) = tree(&place) else { return };
    policy(&place, CLAIMS);
    let mut daemon = place.start(&[]);
    let path = dir.display().to_string();
    let file = |name: &'static str, text: &'static str| {
        let path = dir.join(name);
        move |there: bool| {
            if there {
                fs::write(&path, text).expect("written");
            } else {
                fs::remove_file(&path).expect("removed");
            }
        }
    };
    let (left, passed) = (file("left", "over"), file("../passed", ""));
    let version = |is_other: bool| {
        let text = if is_other { "another\n" } else { "released\n" };
        fs::write(dir.join("VERSION"), text).expect("written");
    };
    let passes = |is_broken: bool| passed(!is_broken);
    passed(true);
    let claims: [Break<'_>; 3] = [
        ("ship", &[], &left),
        ("publish", &[], &version),
        ("check", &["--run-tests"], &passes),
    ];
    for (tool, more, set) in claims {
        let id = waits(&place, tool, "all");
        let approve = [&["approve", &id, "--dir", &path], more].concat();
        set(true);
        decides(&place, &approve, 1);
        assert_eq!(state(&place, &id), "pending", "{tool}");
        assert_eq!(waits(&place, tool, "all"), id, "{tool}");
        daemon.kill();
        daemon = place.start(&[]);
        set(false);
        if !more.is_empty() {
            // A command is run by who asks for it to be run.
            decides(&place, &approve[..4], 64);
        }
        decides(&place, &approve, 0);
        assert_eq!(
            verdict(&asks(&place, tool, "all")),
            ["ALLOW", "NONE", "approval"],
            "{tool}"
        );
    }
    fakctl(&place, &["audit", "verify"], 0);
    assert_eq!(daemon.stop(), Some(0));
}

fn watches(place: &Place, id: &str, more: &[&str]) -> Child {
    let mut command = place.command("fakctl");
    command.args(["approvals", "watch", id]).args(more);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command.spawn().expect("started")
}

#[test]
fn who_watches_ends_with_the_decision_across_a_kill() {
    let Some(place) = shared() else { return };
    policy(&place, &plain(8));
    let daemon = place.start(&[]);
    let ids = ["yes", "no", "never"].map(|to| waits(&place, "ship", to));
    let mut watching = ids
        .each_ref()
        .map(|id| watches(&place, id, &["--wait", "60s"]));
    let hasty = watches(&place, &ids[2], &["--wait", "1s"])
        .wait_with_output()
        .expect("ended");
    assert_eq!(hasty.status.code(), Some(4), "{}", said(&hasty));
    daemon.kill();
    let daemon = place.start(&[]);
    decides(&place, &["approve", &ids[0]], 0);
    decides(&place, &["deny", &ids[1]], 0);
    let codes = watching
        .each_mut()
        .map(|child| child.wait().expect("ended").code());
    assert_eq!(codes, [Some(0), Some(3), Some(3)]);
    let one = place.fakctl(&["approvals", "show", &ids[0], "--json"]);
    assert_eq!(
        json(&one)["approval"]["decided_by"],
        format!("uid:{WITNESS}"),
        "{}",
        said(&one)
    );
    assert_eq!(daemon.stop(), Some(0));
}
