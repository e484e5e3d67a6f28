//! Measures what the ledger adds to a turn: forks, appends, prefixes, plans and evictions at long contexts.

#![forbid(unsafe_code)]

use divan::{Bencher, black_box};
use fak_kv::{
    Bounds, Command, Evicted, ExactMode, Kind, KvType, Ledger, Mode, Owner, Part, Publish, Salt,
    SeqId, SpanId, SpanSpec, Tag, Token,
};

fn main() {
    divan::main();
}

const LENGTHS: [usize; 3] = [8192, 32_768, 131_072];
const OWNER: Owner<'static> = Owner {
    principal: "uid:1000",
    tenant: Salt([7; 16]),
};

fn tag() -> Tag {
    Tag::new("smol135", "v1", KvType::F16)
}

/// Token ids that repeat nowhere near.
fn tokens(len: usize) -> Vec<Token> {
    (0_u32..)
        .take(len)
        .map(|at| at.wrapping_mul(2_654_435_761) % 49_152)
        .collect()
}

fn computed(ledger: &mut Ledger, seq: SeqId) {
    for run in ledger.pending(seq).expect("it is there") {
        ledger.computed(seq, run).expect("it was asked for");
    }
}

/// A conversation of spans of 256 tokens.
fn talk(len: usize) -> (Ledger, SeqId) {
    let mut ledger = Ledger::new(Bounds::pages(16_384));
    let tokens = tokens(len);
    let kinds = [Kind::User, Kind::Assistant, Kind::ToolResult];
    let parts: Vec<Part<'_>> = tokens
        .chunks(256)
        .zip(kinds.into_iter().cycle())
        .map(|(tokens, kind)| Part {
            spec: SpanSpec::new("span", kind),
            tokens,
        })
        .collect();
    let seq = ledger
        .start(OWNER, &tag(), &parts)
        .expect("there is room")
        .seq;
    computed(&mut ledger, seq);
    (ledger, seq)
}

/// A fork with a result of 1000 tokens that is still to be judged.
fn probation(ledger: &mut Ledger, seq: SeqId) -> (SeqId, SpanId) {
    let fork = ledger.fork(seq).expect("it is computed");
    let spec = SpanSpec::new("tool result 17", Kind::ToolResult).probation();
    let span = ledger.begin(fork, &spec).expect("a span");
    let _ = ledger.append(fork, &tokens(1000)).expect("there is room");
    computed(ledger, fork);
    (fork, span)
}

#[divan::bench(args = LENGTHS)]
fn fork(bencher: Bencher, len: usize) {
    bencher
        .with_inputs(|| talk(len))
        .bench_local_refs(|(ledger, seq)| ledger.fork(*seq).expect("it is computed"));
}

#[divan::bench(args = LENGTHS)]
fn commit(bencher: Bencher, len: usize) {
    let input = || {
        let (mut ledger, seq) = talk(len);
        let (fork, span) = probation(&mut ledger, seq);
        ledger.admit(fork, span).expect("it may stay");
        (ledger, fork)
    };
    bencher
        .with_inputs(input)
        .bench_local_refs(|(ledger, fork)| ledger.commit(*fork).expect("it is current"));
}

/// Write-time eviction: the fork is dropped, with its receipt.
#[divan::bench(args = LENGTHS)]
fn refuse(bencher: Bencher, len: usize) {
    let input = || {
        let (mut ledger, seq) = talk(len);
        let (fork, span) = probation(&mut ledger, seq);
        (ledger, fork, span)
    };
    bencher
        .with_inputs(input)
        .bench_local_refs(|(ledger, fork, span)| {
            ledger.refuse(*fork, *span).expect("it is the fork's")
        });
}

/// Write-time eviction without a fork: plan and execution, the last span.
#[divan::bench(args = LENGTHS)]
fn write_time(bencher: Bencher, len: usize) {
    let input = || {
        let (mut ledger, seq) = talk(len);
        let (fork, span) = probation(&mut ledger, seq);
        (ledger, fork, span)
    };
    bencher
        .with_inputs(input)
        .bench_local_refs(|(ledger, seq, span)| -> Evicted {
            let plan = ledger
                .plan(*seq, *span, Mode::Exact(ExactMode::WriteTime))
                .expect("the last");
            ledger.execute(&plan).expect("there is room")
        });
}

#[divan::bench(args = LENGTHS)]
fn append_one(bencher: Bencher, len: usize) {
    let (mut ledger, seq) = talk(len);
    ledger
        .begin(seq, &SpanSpec::new("answer", Kind::Assistant))
        .expect("a span");
    bencher.bench_local(|| {
        let appended = ledger.append(seq, black_box(&[7])).expect("there is room");
        ledger
            .computed(seq, appended.run)
            .expect("it was asked for");
    });
}

#[divan::bench(args = LENGTHS)]
fn find(bencher: Bencher, len: usize) {
    let (mut ledger, seq) = talk(len);
    ledger
        .publish(seq, Publish::default())
        .expect("there is room");
    let (tokens, tag) = (tokens(len), tag());
    bencher.bench_local(|| ledger.find(OWNER, &tag, black_box(&tokens)));
}

/// A whole prompt that is there but for its last token: lookup, spans, digests.
#[divan::bench(args = LENGTHS)]
fn start_again(bencher: Bencher, len: usize) {
    let (mut ledger, seq) = talk(len);
    ledger
        .publish(seq, Publish::default())
        .expect("there is room");
    let (tokens, tag) = (tokens(len), tag());
    bencher.bench_local(|| {
        let parts = [Part {
            spec: SpanSpec::new("prompt", Kind::User),
            tokens: &tokens,
        }];
        let opened = ledger.start(OWNER, &tag, &parts).expect("there is room");
        let commands: Vec<Command> = ledger.close(opened.seq).expect("it is there");
        assert!(commands.is_empty());
        opened.reused
    });
}

#[divan::bench(args = LENGTHS)]
fn publish(bencher: Bencher, len: usize) {
    bencher
        .with_inputs(|| talk(len))
        .bench_local_refs(|(ledger, seq)| {
            ledger
                .publish(*seq, Publish::default())
                .expect("there is room")
        });
}

/// The plan of what costs most: the first span of all, everything after it run again.
#[divan::bench(args = LENGTHS)]
fn plan_recompute(bencher: Bencher, len: usize) {
    let (ledger, seq) = talk(len);
    bencher.bench_local(|| {
        ledger
            .plan(seq, SpanId(1), Mode::Exact(ExactMode::Recompute))
            .expect("a plan")
    });
}

#[divan::bench(args = LENGTHS)]
fn execute_recompute(bencher: Bencher, len: usize) {
    bencher
        .with_inputs(|| talk(len))
        .bench_local_refs(|(ledger, seq)| -> Evicted {
            let plan = ledger
                .plan(*seq, SpanId(1), Mode::Exact(ExactMode::Recompute))
                .expect("a plan");
            ledger.execute(&plan).expect("there is room")
        });
}

#[divan::bench(args = LENGTHS)]
fn snapshot(bencher: Bencher, len: usize) {
    let (ledger, _) = talk(len);
    bencher.bench_local(|| ledger.snapshot());
}

#[divan::bench(args = LENGTHS)]
fn restore(bencher: Bencher, len: usize) {
    let (mut ledger, seq) = talk(len);
    ledger
        .publish(seq, Publish::default())
        .expect("there is room");
    let bytes = ledger.snapshot();
    bencher.bench_local(|| Ledger::restore(&bytes).expect("it was written whole"));
}
