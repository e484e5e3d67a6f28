//! Results, labelled values and kept answers over the socket.

use std::{fs, path::Path, time::Instant};

use fak_proto::v1::{AdjudicateRequest, AdmitRequest, TellRequest};
use fak_support::{Client, Place, connect};
use tokio::runtime::Runtime;

use super::{ROUNDS, ask, report};

/// Calls of a round: results are written to the vault's log where values are labelled, which takes milliseconds.
const CALLS: usize = 500;
const WARM: usize = 20;

const FLOW: &str = "allow: [page, look, send_mail, Read]
flow:
  sinks:
    send_mail: {controls: {to: {}}, texts: {body: {}}}
cache:
  reads: {look: {namespace: fs, resources: path}}
";
const PLAIN: &str = "allow: [page, look, send_mail, Read]\n";

/// Values of results that are labelled before calls are timed.
const VALUES: usize = 10_000;
const VALUES_EACH: usize = 100;

pub(crate) fn run(dir: &Path, alone: &Runtime) {
    for durability in ["async", "commit"] {
        for (rules, policy) in [("no flow rules", PLAIN), ("flow rules", FLOW)] {
            let place = Place::in_dir(dir);
            fs::write(place.policy_dir().join("p.yaml"), policy).expect("written");
            let daemon = place.start(&["--durability", durability]);
            let rounds: Vec<_> = (0..ROUNDS)
                .map(|round| alone.block_on(admits(&place, round)))
                .collect();
            report(
                &format!("admit, 4 KiB clean, {durability}, {rules}"),
                &rounds,
            );
            if rules == "flow rules" {
                alone.block_on(fill(&place));
                let sends: Vec<_> = (0..ROUNDS).map(|_| alone.block_on(sends(&place))).collect();
                report(
                    &format!("a sink's call, {VALUES} labelled values, {durability}"),
                    &sends,
                );
                let other: Vec<_> = (0..ROUNDS).map(|_| alone.block_on(reads(&place))).collect();
                report(
                    &format!("no sink's call of that session, {durability}"),
                    &other,
                );
                let kept: Vec<_> = (0..ROUNDS).map(|_| alone.block_on(kept(&place))).collect();
                report(&format!("a kept answer of 4 KiB, {durability}"), &kept);
            }
            assert_eq!(daemon.stop(), Some(0), "fakd ends cleanly");
        }
    }
}

async fn client(place: &Place) -> Client {
    connect(&place.socket()).await.expect("fakd listens")
}

/// Four kibibytes of words in which nothing is found.
fn page() -> Vec<u8> {
    let words = "the weather was fine and the river ran quietly past the old mill while ";
    words.bytes().cycle().take(4096).collect()
}

fn result(tool: &str, bytes: Vec<u8>, trace: &str) -> AdmitRequest {
    AdmitRequest {
        tool: tool.into(),
        result: bytes,
        trace_id: trace.into(),
        args: b"{}".to_vec(),
        ..Default::default()
    }
}

async fn admits(place: &Place, round: usize) -> Vec<std::time::Duration> {
    let mut client = client(place).await;
    let mut times = Vec::with_capacity(CALLS);
    for index in 0..CALLS + WARM {
        let request = result("page", page(), &format!("bench-admit-{round}"));
        let begun = Instant::now();
        let answer = client.admit(request).await.expect("an answer").into_inner();
        if index >= WARM {
            times.push(begun.elapsed());
        }
        assert_eq!(answer.verdict.expect("a verdict").kind, "ALLOW");
    }
    times.sort();
    times
}

/// Has the session read what holds many addresses, and hear one from the user.
async fn fill(place: &Place) {
    let mut client = client(place).await;
    for part in 0..VALUES / VALUES_EACH {
        let people: Vec<String> = (0..VALUES_EACH)
            .map(|number| format!("\"p{part}x{number}@somewhere{number}.example\""))
            .collect();
        let people = format!("[{}]", people.join(",")).into_bytes();
        client
            .admit(result("page", people, "bench-flow"))
            .await
            .expect("an answer");
    }
    let words = TellRequest {
        trace_id: "bench-flow".into(),
        words: "Write to bob@home.example.".into(),
        scope: None,
    };
    let told = client.tell(words).await.expect("an answer").into_inner();
    let taint = told.taint.expect("a taint");
    println!(
        "  ({} values are labelled, full: {})",
        taint.values, taint.full
    );
}

async fn timed(
    place: &Place,
    request: AdjudicateRequest,
    cached: bool,
) -> Vec<std::time::Duration> {
    let mut client = client(place).await;
    let mut times = Vec::with_capacity(CALLS);
    for index in 0..CALLS + WARM {
        let request = request.clone();
        let begun = Instant::now();
        let answer = client
            .adjudicate(request)
            .await
            .expect("an answer")
            .into_inner();
        if index >= WARM {
            times.push(begun.elapsed());
        }
        assert_eq!(
            (
                answer.verdict.expect("a verdict").kind.as_str(),
                answer.cached.is_some()
            ),
            ("ALLOW", cached)
        );
    }
    times.sort();
    times
}

async fn sends(place: &Place) -> Vec<std::time::Duration> {
    let args = r#"{"to":"bob@home.example","body":"see you at noon"}"#;
    timed(place, ask("send_mail", args, "bench-flow"), false).await
}

async fn reads(place: &Place) -> Vec<std::time::Duration> {
    timed(
        place,
        ask("Read", r#"{"file_path":"src/main.rs"}"#, "bench-flow"),
        false,
    )
    .await
}

async fn kept(place: &Place) -> Vec<std::time::Duration> {
    let mut client = client(place).await;
    let mut call = ask("look", r#"{"path":"/a"}"#, "bench-kept");
    call.call_id = "look".into();
    let first = client
        .adjudicate(call.clone())
        .await
        .expect("an answer")
        .into_inner();
    if first.cached.is_none() {
        let mut answer = result("look", page(), "bench-kept");
        (answer.call_id, answer.args) = ("look".into(), call.args.clone());
        answer.call_seq = first.seq;
        client.admit(answer).await.expect("an answer");
    }
    timed(place, call, true).await
}
