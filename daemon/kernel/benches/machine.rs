//! What one call costs inside the lock, and end to end without socket and disk.

use std::sync::Arc;

use divan::{Bencher, black_box};
use fak_kernel::{Kernel, Limits, Snapshot, Timestamp, Viewer};
use fak_policy::{
    NoWorld, Policy, PolicySet,
    manifest::{Manifest, RateKey, RateLimit},
};
use fak_types::{Principal, ToolCall};

fn main() {
    divan::main();
}

const NOW: Timestamp = Timestamp(1_700_000_000_000_000);
const READ: ToolCall<'static> = ToolCall {
    tool: "Read",
    args: r#"{"file_path":"/home/user/project/src/main.rs","offset":1,"limit":200}"#,
    trace: "t-0123456789abcdef0123456789abcdef",
    cwd: Some("/home/user/project"),
    home: Some("/home/user"),
};
const SHELL: ToolCall<'static> = ToolCall {
    tool: "Bash",
    args: r#"{"command":"cd /home/user/project && cargo test -p parser 2>&1 | tail -n 40; git status --short"}"#,
    ..READ
};

fn who() -> Principal {
    Principal::Local {
        uid: 1000,
        gid: 1000,
        groups: Arc::from([10, 20]),
        pid: 4242,
    }
}

fn limited() -> Snapshot {
    let windowed = |key, max_calls| RateLimit {
        max_calls: Some(max_calls),
        key: Some(key),
        window_ms: Some(1),
        ..RateLimit::default()
    };
    let manifest = Manifest {
        allow: vec!["Read".into()],
        rate_limit: vec![
            windowed(RateKey::Trace, 1_000_000),
            windowed(RateKey::Principal, 1_000_000),
            RateLimit {
                max_cost: Some(u64::MAX),
                ..RateLimit::default()
            },
        ],
        ..Manifest::default()
    };
    let policy = Policy::compile("limited", &manifest).expect("compiles");
    Snapshot::new(1, PolicySet::new(vec![policy]).expect("fits"))
}

fn kernel(snapshot: &Snapshot) -> Kernel {
    let mut kernel = Kernel::new(Limits::default());
    let _ = kernel.install(NOW, snapshot);
    kernel
}

#[divan::bench]
fn precheck_without_quotas(bencher: Bencher<'_, '_>) {
    let snapshot = Snapshot::new(1, PolicySet::embedded());
    let (kernel, who) = (kernel(&snapshot), who());
    bencher.bench_local(|| kernel.precheck(NOW, &who, black_box(&READ), &snapshot));
}

#[divan::bench]
fn precheck_with_three_quotas(bencher: Bencher<'_, '_>) {
    let snapshot = limited();
    let (kernel, who) = (kernel(&snapshot), who());
    bencher.bench_local(|| kernel.precheck(NOW, &who, black_box(&READ), &snapshot));
}

fn settle(bencher: Bencher<'_, '_>, snapshot: &Snapshot) {
    let (mut kernel, who) = (kernel(snapshot), who());
    let judgement = snapshot.judge(&who, &READ, &NoWorld);
    let mut now = NOW;
    bencher
        .with_inputs(|| judgement.clone())
        .bench_local_values(|judgement| {
            now.0 += 10;
            kernel.settle(now, &who, black_box(&READ), judgement)
        });
}

#[divan::bench]
fn settle_without_quotas(bencher: Bencher<'_, '_>) {
    settle(bencher, &Snapshot::new(1, PolicySet::embedded()));
}

#[divan::bench]
fn settle_with_three_quotas(bencher: Bencher<'_, '_>) {
    settle(bencher, &limited());
}

#[divan::bench]
fn settle_among_100_000_sessions(bencher: Bencher<'_, '_>) {
    let snapshot = Snapshot::new(1, PolicySet::embedded());
    let mut kernel = kernel(&snapshot);
    let user = |n: u32| Principal::Local {
        uid: n,
        gid: n,
        groups: Arc::from([]),
        pid: 1,
    };
    let traces: Vec<String> = (0..100_000).map(|n| format!("t-{n:032x}")).collect();
    let judgement = snapshot.judge(&user(0), &READ, &NoWorld);
    let mut n = 0_usize;
    let mut one = |kernel: &mut Kernel, judgement| {
        n = (n + 7919) % traces.len();
        let uid = u32::try_from(n % 10).unwrap_or(0);
        let call = ToolCall {
            trace: &traces[n],
            ..READ
        };
        kernel.settle(NOW, &user(uid), &call, judgement)
    };
    for _ in 0..100_000 {
        let _ = one(&mut kernel, judgement.clone());
    }
    assert_eq!(kernel.sessions_live(Viewer::All), 100_000);
    bencher
        .with_inputs(|| judgement.clone())
        .bench_local_values(|judgement| one(&mut kernel, judgement));
}

fn end_to_end(bencher: Bencher<'_, '_>, call: &ToolCall<'_>) {
    let snapshot = Snapshot::new(1, PolicySet::embedded());
    let (mut kernel, who) = (kernel(&snapshot), who());
    bencher.bench_local(|| {
        let call = black_box(call);
        let judgement = match kernel.precheck(NOW, &who, call, &snapshot) {
            Some(verdict) => snapshot.shed(&who, call, verdict),
            None => snapshot.judge(&who, call, &NoWorld),
        };
        kernel.settle(NOW, &who, call, judgement)
    });
}

#[divan::bench]
fn end_to_end_read(bencher: Bencher<'_, '_>) {
    end_to_end(bencher, &READ);
}

#[divan::bench]
fn end_to_end_shell(bencher: Bencher<'_, '_>) {
    end_to_end(bencher, &SHELL);
}

#[divan::bench]
fn judge_read(bencher: Bencher<'_, '_>) {
    let (snapshot, who) = (Snapshot::new(1, PolicySet::embedded()), who());
    bencher.bench_local(|| snapshot.judge(&who, black_box(&READ), &NoWorld));
}

fn history(rows: u64) -> Vec<fak_chain::Record> {
    let snapshot = limited();
    let mut kernel = kernel(&snapshot);
    let mut drafts = Kernel::new(Limits::default()).install(NOW, &snapshot);
    let judgement = snapshot.judge(&who(), &READ, &NoWorld);
    for n in 0..rows {
        let trace = format!("t-{:032x}", n % 1000);
        let call = ToolCall {
            trace: &trace,
            ..READ
        };
        let now = Timestamp(NOW.0 + n * 50);
        drafts.push(kernel.settle(now, &who(), &call, judgement.clone()).draft);
    }
    drafts
        .into_iter()
        .zip(1..)
        .map(|(draft, seq)| fak_chain::Record { seq, draft })
        .collect()
}

#[divan::bench]
fn replay_10_000_rows(bencher: Bencher<'_, '_>) {
    let rows = history(10_000);
    bencher.bench_local(|| {
        let mut kernel = Kernel::new(Limits::default());
        rows.iter().for_each(|row| kernel.replay(row));
        kernel.sessions_live(Viewer::All)
    });
}

#[divan::bench]
fn snapshot_of_1000_sessions(bencher: Bencher<'_, '_>) {
    let mut kernel = Kernel::new(Limits::default());
    history(10_000).iter().for_each(|row| kernel.replay(row));
    bencher.bench_local(|| kernel.snapshot().len());
}
