//! Load on the real programs. Every figure is a median of several rounds in one run, beside what a user would
//! do without it: spawning a hook process. Prints a table; `docs/benchmarks.md` says how to read it.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the table is the product")]

mod results;

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use fak_proto::v1::{AdjudicateBatchRequest, AdjudicateRequest};
use fak_support::{Client, Daemon, Place, connect};

const ROUNDS: usize = 5;
const UNARY_CALLS: usize = 2_000;
const BATCHES: usize = 100;
const BATCH_CALLS: usize = 1_000;
const SPAWNS: usize = 200;

const READ: (&str, &str) = ("Read", r#"{"file_path":"src/main.rs"}"#);
const SHELL: (&str, &str) = (
    "Bash",
    r#"{"command":"git add src/main.rs && git commit -m 'fix the parser' && cargo test 2>&1 | tail -n 40"}"#,
);

fn main() {
    if let Some(dir) = bin_from_args() {
        run(&dir);
    } else {
        println!("usage: fak-bench --bin DIRECTORY-OF-BINARIES [results]");
    }
}

fn bin_from_args() -> Option<PathBuf> {
    let mut args = std::env::args().skip(1);
    (args.next()? == "--bin")
        .then(|| args.next().map(PathBuf::from))
        .flatten()
}

fn run(dir: &std::path::Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    // One caller that waits for each answer has no use for a second thread, and pays for waking it.
    let alone = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    println!(
        "{:<52} {:>12} {:>12}",
        "figure (median of rounds)", "p50", "p99"
    );
    if std::env::args().any(|word| word == "results") {
        return results::run(dir, &alone);
    }
    start_and_memory(dir);
    results::run(dir, &alone);
    for durability in ["async", "commit"] {
        let place = Place::in_dir(dir);
        let daemon = place.start(&["--durability", durability]);
        for (name, call) in [("Read", READ), ("shell, 100 bytes", SHELL)] {
            let rounds: Vec<_> = (0..ROUNDS)
                .map(|_| alone.block_on(unary(&place, call)))
                .collect();
            report(
                &format!("verdict over the socket, {durability}, {name}"),
                &rounds,
            );
        }
        if durability == "commit" {
            throughput(&runtime, &place);
            processes(&place);
            verify(&place, daemon);
        }
    }
}

fn start_and_memory(dir: &std::path::Path) {
    let mut starts = Vec::new();
    let mut resident = Vec::new();
    for _ in 0..9 {
        let place = Place::in_dir(dir);
        let begun = Instant::now();
        let daemon = place.start(&[]);
        starts.push(begun.elapsed());
        std::thread::sleep(Duration::from_millis(200));
        resident.push(daemon.resident_bytes());
    }
    starts.sort();
    resident.sort_unstable();
    println!(
        "{:<52} {:>12} {:>12}",
        "cold start to accepting",
        text(starts[4]),
        text(starts[8])
    );
    println!(
        "{:<52} {:>8} KiB",
        "idle resident memory",
        resident[4] / 1024
    );
}

async fn unary(place: &Place, (tool, args): (&str, &str)) -> Vec<Duration> {
    let mut client = connect(&place.socket()).await.expect("fakd listens");
    let mut times = Vec::with_capacity(UNARY_CALLS);
    for index in 0..UNARY_CALLS + 100 {
        let request = ask(tool, args, "bench-unary");
        let begun = Instant::now();
        let answer = client
            .adjudicate(request)
            .await
            .expect("an answer")
            .into_inner();
        if index >= 100 {
            times.push(begun.elapsed());
        }
        assert_eq!(answer.verdict.expect("a verdict").kind, "ALLOW");
    }
    times.sort();
    times
}

fn throughput(runtime: &tokio::runtime::Runtime, place: &Place) {
    let mut rates: Vec<f64> = (0..ROUNDS)
        .map(|_| runtime.block_on(batches(place)))
        .collect();
    rates.sort_by(f64::total_cmp);
    println!(
        "{:<52} {:>10.0}/s",
        "durable verdicts, batches of 1000, 4 connections",
        rates[ROUNDS / 2]
    );
}

async fn batches(place: &Place) -> f64 {
    let begun = Instant::now();
    let tasks: Vec<_> = (0..4)
        .map(|lane| {
            let socket = place.socket();
            tokio::spawn(async move {
                let mut client: Client = connect(&socket).await.expect("fakd listens");
                for _ in 0..BATCHES / 4 {
                    let calls = (0..BATCH_CALLS)
                        .map(|_| ask(READ.0, READ.1, &format!("bench-{lane}")))
                        .collect();
                    let answer = client
                        .adjudicate_batch(AdjudicateBatchRequest { calls })
                        .await;
                    assert_eq!(
                        answer.expect("an answer").into_inner().verdicts.len(),
                        BATCH_CALLS
                    );
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a lane");
    }
    rate(BATCHES * BATCH_CALLS, begun.elapsed())
}

fn processes(place: &Place) {
    let args = ["adjudicate", READ.0, "--args", READ.1];
    report(
        "fakctl adjudicate, whole process",
        &[spawn(|| place.command("fakctl"), &args)],
    );
    report(
        "fakctl version, whole process (its own start)",
        &[spawn(|| place.command("fakctl"), &["version"])],
    );
    report(
        "alternative: a hook in sh that says yes",
        &[spawn(|| Command::new("sh"), &["-c", "cat >/dev/null"])],
    );
    if Command::new("python3")
        .arg("-V")
        .stdout(Stdio::null())
        .status()
        .is_ok()
    {
        let hook = "import json,sys; json.load(sys.stdin)";
        report(
            "alternative: a hook in python3",
            &[spawn(|| Command::new("python3"), &["-c", hook])],
        );
    }
}

fn spawn(make: impl Fn() -> Command, args: &[&str]) -> Vec<Duration> {
    let mut times = Vec::with_capacity(SPAWNS);
    for _ in 0..SPAWNS {
        let mut command = make();
        command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let begun = Instant::now();
        let mut child = command.spawn().expect("the program starts");
        if let Some(mut stdin) = child.stdin.take() {
            let _ = std::io::Write::write_all(&mut stdin, b"{\"tool\":\"Read\"}\n");
        }
        child.wait().expect("the program ends");
        times.push(begun.elapsed());
    }
    times.sort();
    times
}

fn verify(place: &Place, daemon: Daemon) {
    assert_eq!(daemon.stop(), Some(0), "fakd ends cleanly");
    let journal = place.journal();
    let mut times = Vec::new();
    let mut rows = 0;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let output = place.fakctl(&["--json", "audit", "verify", &journal.to_string_lossy()]);
        times.push(begun.elapsed());
        assert!(output.status.success(), "the journal verifies");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        rows = report["rows"].as_u64().expect("a count of rows");
    }
    times.sort();
    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
    let per_second = rate(rows, times[ROUNDS / 2]);
    println!(
        "{:<52} {per_second:>10.0}/s  ({rows} rows, whole process)",
        "fakctl audit verify"
    );
}

fn ask(tool: &str, args: &str, trace: &str) -> AdjudicateRequest {
    AdjudicateRequest {
        tool: tool.into(),
        args: args.as_bytes().to_vec(),
        trace_id: trace.into(),
        cwd: "/srv/project".into(),
        home: "/home/dev".into(),
        ..Default::default()
    }
}

fn report(name: &str, rounds: &[Vec<Duration>]) {
    let middle = |share: usize| {
        let mut values: Vec<_> = rounds
            .iter()
            .map(|times| times[(times.len() - 1) * share / 100])
            .collect();
        values.sort();
        text(values[values.len() / 2])
    };
    println!("{name:<52} {:>12} {:>12}", middle(50), middle(99));
}

fn text(time: Duration) -> String {
    format!("{:.1} us", time.as_secs_f64() * 1e6)
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}
