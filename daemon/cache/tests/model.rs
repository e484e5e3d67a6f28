//! Against a naive world: a hit is only ever the answer of the same call in a world that has not changed, and the log
//! of steps gives the state back.

use std::collections::{BTreeMap, BTreeSet};

use fak_cache::{
    Answer, Cache, Call, Effect, FLIGHT_US, Key, Limits, NotKept, Place, READ_US, Read, Resources,
    Step, Ticket,
};
use fak_types::{Digest, Outcome};
use proptest::prelude::*;

const TTL_US: u64 = 60_000_000;
const WHO: [&str; 2] = ["uid:1", "uid:2"];
const NAMESPACES: [&str; 2] = ["files", "web"];
const RESOURCES: [&str; 3] = ["/a", "/a/b", "/c"];
const WITNESSES: [&str; 3] = ["", "w1", "w2"];

/// What one call reads: principal, namespace, resource, witness.
type Asked = (usize, usize, usize, usize);

#[derive(Clone, Debug)]
enum Op {
    Ask(Asked),
    /// The answer of the nth open call; what it read, it read when it began or just now.
    Answer {
        which: usize,
        early: bool,
        outcome: Outcome,
    },
    /// A call that changes something is let run: principal, and namespace and resource if they are told.
    Change {
        who: usize,
        told: Option<(usize, Option<usize>)>,
        at: (usize, usize),
    },
    /// The nth open change happens, or happens once more.
    Happen(usize),
    End(usize),
    Revoke(usize),
    Wait(u64),
    Restart,
    Condense,
}

fn op() -> impl Strategy<Value = Op> {
    let outcome = prop_oneof![6 => Just(Outcome::Ok), 1 => Just(Outcome::Fail)];
    let told = proptest::option::weighted(0.8, (0..2_usize, proptest::option::of(0..3_usize)));
    prop_oneof![
        8 => (0..2_usize, 0..2_usize, 0..3_usize, 0..3_usize).prop_map(Op::Ask),
        8 => (0..4_usize, any::<bool>(), outcome)
            .prop_map(|(which, early, outcome)| Op::Answer { which, early, outcome }),
        2 => (0..2_usize, told, (0..2_usize, 0..3_usize)).prop_map(|(who, told, at)| {
            let at = told.map_or(at, |(namespace, resource)| (namespace, resource.unwrap_or(at.1)));
            Op::Change { who, told, at }
        }),
        2 => (0..4_usize).prop_map(Op::Happen),
        2 => (0..4_usize).prop_map(Op::End),
        1 => (1..3_usize).prop_map(Op::Revoke),
        1 => prop_oneof![Just(1), Just(TTL_US / 2), Just(READ_US / 2), Just(FLIGHT_US)].prop_map(Op::Wait),
        1 => Just(Op::Restart),
        1 => Just(Op::Condense),
    ]
}

struct Open {
    asked: Asked,
    call: Call,
    began: u64,
}

struct Changing {
    who: usize,
    effect: Effect,
    at: (usize, usize),
    call: Call,
    until_us: u64,
}

/// The world, the cache, and what a client has under way.
struct World {
    cache: Cache,
    limits: Limits,
    log: Vec<Vec<u8>>,
    /// How often each resource has changed, for each principal: what others change is not seen.
    versions: BTreeMap<(usize, usize, usize), u64>,
    open: Vec<Open>,
    changing: Vec<Changing>,
    revoked: BTreeSet<usize>,
    now_us: u64,
    calls: u64,
    hits: u64,
}

impl World {
    fn new(limits: Limits) -> Self {
        Self {
            cache: Cache::new(limits),
            limits,
            log: Vec::new(),
            versions: BTreeMap::new(),
            open: Vec::new(),
            changing: Vec::new(),
            revoked: BTreeSet::new(),
            now_us: 1_000_000,
            calls: 0,
            hits: 0,
        }
    }

    fn version(&self, (who, namespace, resource, _): Asked) -> u64 {
        let at = |resource| {
            let version = self.versions.get(&(who, namespace, resource));
            version.copied().unwrap_or_default()
        };
        // Reading /a lists what is below it, and /a/b changes when /a does.
        match resource {
            0 | 1 => at(0) * 1000 + at(1),
            other => at(other),
        }
    }

    fn call(&mut self) -> Call {
        self.calls += 1;
        Call {
            row: if self.calls.is_multiple_of(3) {
                0
            } else {
                self.calls
            },
            trace: "trace".into(),
            id: self.calls.to_string(),
        }
    }

    fn step(&mut self, step: Option<Step>) {
        if let Some(step) = step {
            self.log.push(step.encode());
            self.cache.apply(&step);
        }
    }

    fn with_read<T>(asked: Asked, with: impl FnOnce(&Read<'_>) -> T) -> T {
        let (who, namespace, resource, witness) = asked;
        let args = format!(r#"{{"path": "{}"}}"#, RESOURCES[resource]);
        with(&Read {
            who: WHO[who],
            profile: Digest([1; 32]),
            tool: "read",
            args: &args,
            place: Place::default(),
            namespace: NAMESPACES[namespace],
            resources: &Resources::of([RESOURCES[resource]], Place::default()),
            witness: WITNESSES[witness],
            ttl_us: TTL_US,
        })
    }

    /// What an answer says: which call, and what the world was like.
    fn answer(asked: Asked, version: u64) -> String {
        format!("{asked:?} at {version}")
    }

    fn ask(&mut self, asked: Asked) {
        let key = Self::with_read(asked, Key::of).expect("a key");
        let version = self.version(asked);
        let expected = Self::answer(asked, version);
        if let Some(entry) = self.cache.look(&key, self.now_us) {
            assert_eq!(entry.seal, expected, "another call's answer, or an old one");
            assert_eq!(entry.who, WHO[asked.0]);
            assert!(self.now_us < entry.until_us && entry.until_us <= self.now_us + TTL_US);
            assert!(!self.revoked.contains(&asked.3), "under a revoked witness");
            self.hits += 1;
            return;
        }
        let call = self.call();
        let now_us = self.now_us;
        let ticket = Self::with_read(asked, |read| {
            let unnamed = Call {
                row: 0,
                ..call.clone()
            };
            self.cache.read_begins(key, read, &unnamed, now_us)
        });
        self.cache.name(WHO[asked.0], ticket, call.row);
        self.open.push(Open {
            asked,
            call,
            began: version,
        });
    }

    fn answered(&mut self, which: usize, early: bool, outcome: Outcome) {
        if which >= self.open.len() {
            return;
        }
        let open = self.open.remove(which);
        let version = if early {
            open.began
        } else {
            self.version(open.asked)
        };
        let body = Self::answer(open.asked, version);
        let answer = Answer {
            tool: "read",
            body: body.as_bytes(),
            digest: Digest([3; 32]),
            seal: &body,
            row: 1,
            is_trusted: false,
        };
        let who = WHO[open.asked.0];
        let awaited = self
            .cache
            .is_awaited(who, &open.call, &answer, outcome, self.now_us);
        let step = self
            .cache
            .answered(who, &open.call, &answer, outcome, self.now_us);
        assert_eq!(awaited.err(), step.as_ref().err().copied());
        let again = self
            .cache
            .answered(who, &open.call, &answer, outcome, self.now_us);
        assert!(again.is_err(), "a call is answered once");
        self.step(step.ok());
    }

    fn change(&mut self, who: usize, told: Option<(usize, Option<usize>)>, at: (usize, usize)) {
        let effect = told.map_or(Effect::Unknown, |(namespace, resource)| Effect::Of {
            namespace: NAMESPACES[namespace].into(),
            resources: Resources::of(resource.map(|at| RESOURCES[at]), Place::default()),
        });
        let call = self.call();
        let (ticket, step): (Ticket, _) =
            self.cache
                .write_begins(WHO[who], "write", &effect, &call, self.now_us);
        self.step(step);
        self.cache.name(WHO[who], ticket, call.row);
        self.changing.push(Changing {
            who,
            effect,
            at,
            call,
            until_us: self.now_us + FLIGHT_US,
        });
    }

    fn happen(&mut self, which: usize) {
        if let Some(changing) = self.changing.get(which) {
            let (namespace, resource) = changing.at;
            let version = self.versions.entry((changing.who, namespace, resource));
            *version.or_default() += 1;
        }
    }

    fn end(&mut self, which: usize) {
        if which < self.changing.len() {
            self.happen(which);
            let ended = self.changing.remove(which);
            // Whoever answers may not know what was announced.
            let step = self.cache.write_ends(
                WHO[ended.who],
                "write",
                &ended.effect,
                &ended.call,
                self.now_us,
            );
            self.step(step);
        }
    }

    fn restart(&mut self) {
        let mut again = Cache::new(self.limits);
        for record in &self.log {
            again.apply(&Step::decode(record).expect("a step"));
        }
        assert_eq!(
            again.image(),
            self.cache.image(),
            "the log gives the state back"
        );
        self.cache = again;
        // Whoever was at work when the daemon ended is seen again when it ends, and not before.
        while !self.changing.is_empty() {
            self.end(0);
        }
    }

    fn run(&mut self, op: &Op) {
        match *op {
            Op::Ask(asked) => self.ask(asked),
            Op::Answer {
                which,
                early,
                outcome,
            } => self.answered(which, early, outcome),
            Op::Change { who, told, at } => self.change(who, told, at),
            Op::Happen(which) => self.happen(which),
            Op::End(which) => self.end(which),
            Op::Revoke(witness) => {
                let step = self.cache.revoke(WITNESSES[witness]);
                self.revoked.insert(witness);
                self.step(Some(step));
            }
            Op::Wait(us) => {
                self.now_us += us;
                // A change that is not over by then was never reported.
                self.changing
                    .retain(|changing| changing.until_us > self.now_us);
            }
            Op::Restart => self.restart(),
            Op::Condense => self.log = vec![self.cache.image().encode()],
        }
        let (entries, bytes) = self.cache.taken();
        assert!(entries <= self.limits.entries_max && bytes <= self.limits.bytes_max);
        assert!(self.cache.seals().len() <= entries);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_hit_is_the_same_call_in_an_unchanged_world(ops in proptest::collection::vec(op(), 1..120)) {
        let limits = Limits { entries_max: 9, entries_of_one_max: 6, bytes_max: 200, ..Limits::default() };
        let mut world = World::new(limits);
        for op in ops {
            world.run(&op);
        }
        world.restart();
    }

    #[test]
    fn what_is_no_step_is_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Step::decode(&bytes);
        if let Some(first) = bytes.first_mut() {
            *first = 1;
        }
        if let Ok(step) = Step::decode(&bytes) {
            let mut cache = Cache::new(Limits::default());
            cache.apply(&step);
            let _ = cache.changes("uid:1", 0, 10);
        }
    }
}

/// The property above is worth nothing if there are no hits.
#[test]
fn the_model_has_hits_and_refusals() {
    let mut world = World::new(Limits::default());
    let asked = (0, 0, 0, 1);
    let ok = |which| Op::Answer {
        which,
        early: true,
        outcome: Outcome::Ok,
    };
    for op in [Op::Ask(asked), ok(0), Op::Ask(asked), Op::Ask((1, 0, 0, 1))] {
        world.run(&op);
    }
    assert_eq!((world.hits, world.open.len()), (1, 1));
    let change = Op::Change {
        who: 0,
        told: Some((0, Some(1))),
        at: (0, 1),
    };
    for op in [change, Op::Happen(0), Op::Ask(asked)] {
        world.run(&op);
    }
    assert_eq!(world.hits, 1, "what lies below was changed");
    let refused = world.cache.is_awaited(
        WHO[0],
        &world.open[1].call,
        &Answer {
            tool: "read",
            body: b"x",
            digest: Digest([0; 32]),
            seal: "s",
            row: 1,
            is_trusted: true,
        },
        Outcome::Ok,
        world.now_us,
    );
    assert_eq!(refused, Err(NotKept::Changing));
}
