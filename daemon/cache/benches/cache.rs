//! A key, a hit, a change and a restart, with a full cache.

use divan::Bencher;
use fak_cache::{
    Answer, Cache, Call, ENTRIES_OF_ONE_MAX, Effect, Key, Limits, Place, Read, Resources, Step,
};
use fak_types::{Digest, Outcome};

const NOW: u64 = 1_700_000_000_000_000;

fn main() {
    divan::main();
}

fn with_read<T>(who: &str, n: usize, with: impl FnOnce(&Read<'_>) -> T) -> T {
    let path = format!("/home/user/project/src/module_{n}/file.rs");
    let args = format!(r#"{{"path": "{path}", "offset": 0, "limit": 2000}}"#);
    with(&Read {
        who,
        profile: Digest([1; 32]),
        tool: "Read",
        args: &args,
        place: Place::default(),
        namespace: "fs",
        resources: &Resources::of([&*path], Place::default()),
        witness: "",
        ttl_us: 1 << 40,
    })
}

/// Four principals with all they may have.
fn full() -> (Cache, Vec<Step>) {
    let mut cache = Cache::new(Limits::default());
    let mut steps = Vec::new();
    for who in ["uid:1", "uid:2", "uid:3", "uid:4"] {
        for n in 0..ENTRIES_OF_ONE_MAX {
            let id = n.to_string();
            let call = Call {
                row: 0,
                trace: "t".into(),
                id: id.clone(),
            };
            with_read(who, n, |read| {
                let key = Key::of(read).expect("a key");
                cache.read_begins(key, read, &call, NOW);
            });
            let answer = Answer {
                tool: "Read",
                body: b"what the file says",
                digest: Digest([2; 32]),
                seal: &format!("{who}{id}"),
                row: 1,
                is_trusted: true,
            };
            let step = cache.answered(who, &call, &answer, Outcome::Ok, NOW);
            let step = step.expect("kept");
            cache.apply(&step);
            steps.push(step);
        }
    }
    (cache, steps)
}

#[divan::bench]
fn key(bencher: Bencher<'_, '_>) {
    bencher.bench(|| with_read("uid:1", 7, Key::of));
}

#[divan::bench]
fn hit(bencher: Bencher<'_, '_>) {
    let (mut cache, _) = full();
    let key = with_read("uid:1", 7, Key::of).expect("a key");
    bencher.bench_local(|| cache.look(&key, NOW).is_some());
}

/// A change that touches nothing, among all there are.
#[divan::bench]
fn change(bencher: Bencher<'_, '_>) {
    let (mut cache, _) = full();
    let effect = Effect::Of {
        namespace: "fs".into(),
        resources: Resources::of(["/elsewhere"], Place::default()),
    };
    let call = Call::default();
    bencher.bench_local(|| {
        let (ticket, step) = cache.write_begins("uid:1", "Write", &effect, &call, NOW);
        cache.cancel("uid:1", ticket);
        cache.apply(&step.expect("told"))
    });
}

/// Everything one principal has goes.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn evict_all(bencher: Bencher<'_, '_>) {
    bencher
        .with_inputs(full)
        .bench_local_values(|(mut cache, _)| {
            let call = Call::default();
            let (_, step) = cache.write_begins("uid:1", "Bash", &Effect::Unknown, &call, NOW);
            cache.apply(&step.expect("told")).len()
        });
}

/// The image of all of it, written and read.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn image(bencher: Bencher<'_, '_>) {
    let (cache, _) = full();
    bencher.bench_local(|| {
        let bytes = cache.image().encode();
        let mut again = Cache::new(Limits::default());
        again.apply(&Step::decode(&bytes).expect("a step"));
        (bytes.len(), again.taken())
    });
}
