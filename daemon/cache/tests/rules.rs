//! What is not kept, what is let go, and what is told of it.

use fak_cache::{
    Answer, Cache, Call, EVENTS_MAX, EVENTS_OF_ONE_MAX, Effect, EventKind, FLIGHTS_MAX, Gone, Key,
    Limits, NotKept, Place, READ_US, READS_MAX, Read, Resources, Step,
};
use fak_types::{Digest, Outcome, Taint};

const NOW: u64 = 1_000_000_000;
const WHO: &str = "uid:1000";
static ALL: Resources = Resources::ALL;
const OK: Outcome = Outcome::Ok;

fn read<'a>(args: &'a str, resources: &'a Resources, witness: &'a str) -> Read<'a> {
    Read {
        who: WHO,
        profile: Digest([1; 32]),
        tool: "read",
        args,
        place: Place::default(),
        namespace: "fs",
        resources,
        witness,
        ttl_us: 1000,
    }
}

fn call(id: &str) -> Call {
    Call {
        row: 0,
        trace: "t".into(),
        id: id.into(),
    }
}

fn answer<'a>(body: &'a str, seal: &'a str) -> Answer<'a> {
    Answer {
        tool: "read",
        body: body.as_bytes(),
        digest: Digest([u8::try_from(body.len()).unwrap_or(0); 32]),
        seal,
        row: 7,
        is_trusted: true,
    }
}

/// Keeps an answer of the nth call.
fn keep(cache: &mut Cache, n: usize, body: &str, witness: &str) -> (Key, Vec<Gone>) {
    let args = format!(r#"{{"path":"/{n}"}}"#);
    let path = format!("/{n}");
    let resources = Resources::of([&*path], Place::default());
    let read = read(&args, &resources, witness);
    let key = Key::of(&read).unwrap();
    cache.read_begins(key, &read, &call(&args), NOW);
    let seal = format!("seal of {body}");
    let step = cache.answered(WHO, &call(&args), &answer(body, &seal), OK, NOW);
    (key, cache.apply(&step.unwrap()))
}

fn files(names: &[&str]) -> Effect {
    Effect::Of {
        namespace: "fs".into(),
        resources: Resources::of(names.iter().copied(), Place::default()),
    }
}

fn begin(cache: &mut Cache, id: &str) {
    let read = read("{}", &ALL, "");
    cache.read_begins(Key::of(&read).unwrap(), &read, &call(id), NOW);
}

fn refused(cache: &mut Cache, id: &str, body: &str, outcome: Outcome, now_us: u64) -> NotKept {
    begin(cache, id);
    let refused = cache.answered(WHO, &call(id), &answer(body, "s"), outcome, now_us);
    assert!(
        cache
            .answered(WHO, &call(id), &answer("body", "s"), OK, NOW)
            .is_err()
    );
    refused.expect_err("not kept")
}

#[test]
fn what_is_not_kept() {
    let mut cache = Cache::new(Limits {
        answer_bytes_max: 10,
        ..Limits::default()
    });
    for body in ["", "null", r#"{"a":[]}"#] {
        assert_eq!(refused(&mut cache, "1", body, OK, NOW), NotKept::Negative);
    }
    assert_eq!(
        refused(&mut cache, "1", "eleven bytes", OK, NOW),
        NotKept::TooLong
    );
    for outcome in Outcome::ALL.iter().filter(|outcome| **outcome != OK) {
        assert_eq!(
            refused(&mut cache, "1", "body", *outcome, NOW),
            NotKept::Outcome
        );
    }
    assert_eq!(
        refused(&mut cache, "1", "body", OK, NOW + READ_US),
        NotKept::NotAwaited
    );
    assert_eq!(
        refused(&mut cache, "1", "body", OK, NOW - 1),
        NotKept::NotAwaited
    );
    // Another session's, another principal's, another tool's, and nobody's.
    begin(&mut cache, "2");
    let other = Call {
        trace: "u".into(),
        ..call("2")
    };
    let body = answer("body", "s");
    for (who, call, tool) in [
        (WHO, other, "read"),
        ("uid:2", call("2"), "read"),
        (WHO, call("2"), "rea"),
        (WHO, call(""), "read"),
    ] {
        let found = cache.is_awaited(who, &call, &Answer { tool, ..body }, OK, NOW);
        assert_eq!(found, Err(NotKept::NotAwaited));
    }
    assert_eq!(cache.is_awaited(WHO, &call("2"), &body, OK, NOW), Ok(()));
    assert_eq!(cache.taken(), (0, 0));
}

#[test]
fn an_entry_says_what_it_was_and_ends_with_its_time() {
    let mut cache = Cache::new(Limits::default());
    let (key, _) = keep(&mut cache, 1, "body", "");
    let entry = cache.look(&key, NOW + 999).expect("kept").clone();
    assert_eq!(
        (entry.row, entry.len, entry.taint()),
        (7, 4, Taint::Trusted)
    );
    assert_eq!(entry.digest(), Digest([4; 32]));
    assert!(cache.look(&key, NOW + 1000).is_none());
    assert!(cache.look(&key, NOW - 1).is_none(), "a clock set back");
}

#[test]
fn the_ones_used_longest_ago_go_first_and_only_ones_own_for_ones_share() {
    let mut cache = Cache::new(Limits {
        entries_max: 4,
        entries_of_one_max: 3,
        bytes_of_one_max: 12,
        ..Limits::default()
    });
    let theirs = {
        let resources = Resources::ALL;
        let read = Read {
            who: "uid:2",
            ..read("{}", &resources, "")
        };
        let key = Key::of(&read).unwrap();
        cache.read_begins(key, &read, &call("x"), NOW);
        let step = cache.answered("uid:2", &call("x"), &answer("theirs", "s"), OK, NOW);
        cache.apply(&step.unwrap());
        key
    };
    let keys: Vec<_> = (0..3).map(|n| keep(&mut cache, n, "body", "").0).collect();
    assert!(cache.look(&keys[0], NOW).is_some());
    let (_, gone) = keep(&mut cache, 3, "four", "");
    assert!(cache.look(&keys[1], NOW).is_none() && cache.look(&keys[0], NOW).is_some());
    assert!(gone.is_empty(), "two others have the same bytes");
    let (_, gone) = keep(&mut cache, 4, "eight by", "");
    let seal = "seal of four".to_owned();
    let who = WHO.to_owned();
    assert_eq!(gone, [Gone { who, seal }]);
    assert!(cache.look(&theirs, NOW).is_some());
    assert_eq!(cache.taken(), (3, 6 + 4 + 8));
}

#[test]
fn a_revoked_witness_is_revoked_for_good() {
    let limits = Limits {
        revoked_max: 2,
        ..Limits::default()
    };
    let mut cache = Cache::new(limits);
    let (under, _) = keep(&mut cache, 1, "one", "w1");
    let (other, _) = keep(&mut cache, 2, "two", "w2");
    let (none, _) = keep(&mut cache, 3, "three", "");
    let resources = Resources::ALL;
    let pending = read(r#"{"x":1}"#, &resources, "w1");
    cache.read_begins(Key::of(&pending).unwrap(), &pending, &call("p"), NOW);
    let step = cache.revoke("w1");
    assert_eq!(cache.evicted_by(&step), 1);
    assert_eq!(cache.apply(&step).len(), 1);
    assert!(cache.look(&under, NOW).is_none());
    assert!(cache.look(&other, NOW).is_some() && cache.look(&none, NOW).is_some());
    let late = cache.answered(WHO, &call("p"), &answer("late", "s"), OK, NOW);
    assert_eq!(late, Err(NotKept::NotAwaited));
    let mut again = Cache::new(limits);
    let steps = [cache.image().encode()];
    again.apply(&Step::decode(&steps[0]).unwrap());
    for cache in [&mut cache, &mut again] {
        let read = read("{}", &resources, "w1");
        cache.read_begins(Key::of(&read).unwrap(), &read, &call("a"), NOW);
        let refused = cache.answered(WHO, &call("a"), &answer("anew", "s"), OK, NOW);
        assert_eq!(refused, Err(NotKept::Revoked));
    }
    assert_eq!(cache.clocks(), (0, 1));
    // One more than is remembered: nobody knows any more which witness is good.
    for witness in ["w3", "w1", "w3"] {
        let step = cache.revoke(witness);
        cache.apply(&step);
        assert!(cache.look(&other, NOW).is_some(), "{witness}");
    }
    let step = cache.revoke("w4");
    cache.apply(&step);
    assert!(cache.look(&other, NOW).is_none() && cache.look(&none, NOW).is_some());
    assert_eq!(cache.clocks(), (0, 5));
}

#[test]
fn while_too_much_is_under_way_nothing_is_kept() {
    let mut cache = Cache::new(Limits::default());
    for n in 0..=READS_MAX {
        begin(&mut cache, &n.to_string());
    }
    let body = answer("body", "s");
    let awaited = |cache: &mut Cache, id: &str| cache.is_awaited(WHO, &call(id), &body, OK, NOW);
    assert_eq!(awaited(&mut cache, "0"), Err(NotKept::NotAwaited));
    assert_eq!(awaited(&mut cache, "1"), Ok(()));
    for n in 0..=FLIGHTS_MAX {
        let id = format!("w{n}");
        cache.write_begins(WHO, "write", &files(&["/elsewhere"]), &call(&id), NOW);
    }
    begin(&mut cache, "after");
    for n in 0..=FLIGHTS_MAX {
        let id = format!("w{n}");
        cache.write_ends(WHO, "write", &files(&["/elsewhere"]), &call(&id), NOW);
    }
    begin(&mut cache, "later");
    assert_eq!(awaited(&mut cache, "later"), Err(NotKept::Changing));
}

#[test]
fn a_call_that_does_not_run_after_all_is_nobodys() {
    let mut cache = Cache::new(Limits::default());
    let read = read("{}", &ALL, "");
    let ticket = cache.read_begins(Key::of(&read).unwrap(), &read, &call("r"), NOW);
    cache.cancel(WHO, ticket);
    let body = answer("body", "s");
    assert_eq!(
        cache.is_awaited(WHO, &call("r"), &body, OK, NOW),
        Err(NotKept::NotAwaited)
    );
    let (ticket, _) = cache.write_begins(WHO, "write", &files(&[]), &call("w"), NOW);
    cache.cancel(WHO, ticket);
    begin(&mut cache, "r");
    assert_eq!(cache.is_awaited(WHO, &call("r"), &body, OK, NOW), Ok(()));
}

#[test]
fn the_feed_tells_ones_own_changes_and_every_revocation() {
    let mut cache = Cache::new(Limits::default());
    let change = |cache: &mut Cache, who: &str, effect: &Effect| {
        let (ticket, step) = cache.write_begins(who, "write", effect, &call(""), NOW);
        cache.cancel(who, ticket);
        step.map(|step| cache.apply(&step).len())
    };
    change(&mut cache, WHO, &files(&["/b", "/a"])).expect("told");
    change(&mut cache, "uid:2", &files(&[])).expect("told");
    assert_eq!(
        change(&mut cache, WHO, &Effect::Unknown),
        None,
        "nothing was kept"
    );
    keep(&mut cache, 1, "body", "w");
    assert_eq!(change(&mut cache, WHO, &Effect::Unknown), Some(1));
    let step = cache.revoke("w9");
    cache.apply(&step);
    let own = cache.changes(WHO, 0, 9);
    let names = ["/a".to_owned(), "/b".to_owned()];
    assert_eq!(own.events[0].changed(), Some(("fs", &names[..])));
    let cursors: Vec<_> = own.events.iter().map(|event| event.cursor).collect();
    assert_eq!((cursors, own.cursor, own.gap), (vec![1, 3, 4], 4, false));
    let unknown = &own.events[1];
    assert_eq!(
        (unknown.changed(), unknown.evicted),
        (Some(("", &[][..])), 1)
    );
    assert_eq!((unknown.world, unknown.trust), (3, 0));
    let revoked = EventKind::Revocation {
        witness: "w9".into(),
    };
    assert_eq!(cache.changes("uid:3", 3, 9).events[0].kind, revoked);
    let cut = cache.changes(WHO, 0, 1);
    assert_eq!((cut.events.len(), cut.cursor, cut.gap), (1, 1, false));
    assert!(cache.changes(WHO, 5, 9).gap, "a cursor nobody was given");
}

#[test]
fn what_the_feed_forgets_it_says() {
    let mut cache = Cache::new(Limits::default());
    let mut change = |who: &str| {
        let (ticket, step) = cache.write_begins(who, "write", &files(&["/a"]), &call(""), NOW);
        cache.apply(&step.expect("told"));
        cache.cancel(who, ticket);
    };
    for _ in 0..=EVENTS_OF_ONE_MAX {
        change(WHO);
    }
    change("uid:2");
    let told = cache.changes(WHO, 0, usize::MAX);
    assert_eq!((told.events.len(), told.gap), (EVENTS_OF_ONE_MAX, true));
    assert!(
        !cache.changes(WHO, 1, 9).gap,
        "the first one is the one that is forgotten"
    );
    assert!(!cache.changes("uid:2", 0, 9).gap);
    for n in 0..EVENTS_MAX {
        let who = format!("uid:{}", 10 + n % 100);
        let (ticket, step) = cache.write_begins(&who, "write", &files(&[]), &call(""), NOW);
        cache.apply(&step.expect("told"));
        cache.cancel(&who, ticket);
    }
    for who in [WHO, "uid:2"] {
        let told = cache.changes(who, 300, 9);
        assert!(told.events.is_empty() && !told.gap, "{who}");
        assert!(cache.changes(who, 1, 9).gap, "{who}");
    }
}

#[test]
fn a_cache_that_lost_its_log_trusts_no_witness_and_tells_of_a_gap() {
    let mut cache = Cache::lost(Limits::default(), 5000);
    let told = cache.changes(WHO, 40, 9);
    assert_eq!((told.gap, told.cursor, told.events.len()), (true, 5000, 0));
    assert!(!cache.changes(WHO, 5000, 9).gap);
    let read = read("{}", &ALL, "w");
    cache.read_begins(Key::of(&read).unwrap(), &read, &call("w"), NOW);
    assert!(cache.concerns(WHO) && !cache.concerns("uid:2"));
    let refused = cache.answered(WHO, &call("w"), &answer("body", "s"), OK, NOW);
    assert_eq!(refused, Err(NotKept::Revoked));
    assert!(!cache.concerns(WHO));
    keep(&mut cache, 1, "body", "");
    assert!(cache.concerns(WHO));
}

/// What rows of the cases are about that is not this crate's, and why.
#[test]
fn the_other_cases_are_decided_elsewhere() {
    let elsewhere = [(
        "TestSpeculatable_DefaultDenyOnEffects",
        "the policy names the tools whose answers may be kept; no hint of a caller and no tool's name counts",
    )];
    let here = [
        "TestNegativeResult",
        "TestNormalizeStr",
        "TestFileCanonPath",
    ];
    let mut counts = [0, 0];
    for row in include_str!("cases/vdso.jsonl").lines() {
        let of = |name: &&str| row.contains(&format!("\"src\": \"{name}\""));
        counts[0] += usize::from(here.iter().any(of));
        counts[1] += usize::from(elsewhere.iter().any(|(name, _)| of(name)));
    }
    assert_eq!(counts, [28, 8]);
}
