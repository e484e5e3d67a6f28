//! Any calls in any order leave what the naive ledger has.

use std::collections::BTreeMap;

use fak_types::{Scope, Taint};
use proptest::prelude::*;

use super::oracle::{Arena, Naive, Span, Stand, rotated, value};
use crate::{
    Bounds, ExactMode, Kind, KvError, KvType, Ledger, Mode, Owner, PAGE_TOKENS, PageId, Part,
    PinId, Place, PlanError, Priority, Publish, Receipt, Salt, SeqId, SpanId, SpanSpec, Standing,
    Tag, Token, Wipe,
    radix::{RootKey, Share},
};

#[derive(Clone, Debug)]
enum Op {
    Start {
        who: usize,
        story: u8,
        cuts: Vec<usize>,
    },
    Add {
        at: usize,
        place: Place,
        kind: Kind,
        admitted: bool,
        tokens: Vec<Token>,
    },
    More {
        at: usize,
        tokens: Vec<Token>,
    },
    Truncate {
        at: usize,
        tokens: u32,
    },
    Fork {
        at: usize,
    },
    Commit {
        at: usize,
    },
    Refuse {
        at: usize,
        span: usize,
    },
    Close {
        at: usize,
    },
    Admit {
        at: usize,
        span: usize,
    },
    Quarantine {
        at: usize,
        span: usize,
    },
    Evict {
        at: usize,
        span: usize,
        mode: Mode,
    },
    Publish {
        at: usize,
        scope: Scope,
        priority: Priority,
    },
    Pin {
        who: usize,
        story: u8,
        len: usize,
    },
    Unpin {
        at: usize,
    },
    Forget {
        who: usize,
        story: u8,
        len: usize,
        scope: Scope,
    },
    Acknowledge {
        count: usize,
    },
    Room {
        pages: u32,
    },
    Restart,
}

const MODES: [Mode; 5] = [
    Mode::Exact(ExactMode::WriteTime),
    Mode::Exact(ExactMode::Recompute),
    Mode::Exact(ExactMode::Isolated),
    Mode::Exact(ExactMode::Lineage),
    Mode::Approximate,
];

fn op() -> impl Strategy<Value = Op> {
    let at = 0_usize..8;
    let span = 0_usize..10;
    let tokens = prop::collection::vec(0_u32..3, 0..90);
    let place =
        prop_oneof![3 => Just(Place::Next), 2 => Just(Place::Isolated), 2 => Just(Place::Join)];
    let kind = prop::sample::select(Kind::ALL);
    let scope = prop::sample::select(Scope::ALL);
    let priority = prop::sample::select(Priority::ALL);
    let story = 0_u8..3;
    prop_oneof![
        4 => (0_usize..3, story.clone(), prop::collection::vec(0_usize..90, 0..4))
            .prop_map(|(who, story, cuts)| Op::Start { who, story, cuts }),
        8 => (at.clone(), place, kind, any::<bool>(), tokens.clone())
            .prop_map(|(at, place, kind, admitted, tokens)| Op::Add { at, place, kind, admitted, tokens }),
        3 => (at.clone(), tokens).prop_map(|(at, tokens)| Op::More { at, tokens }),
        2 => (at.clone(), 0_u32..100).prop_map(|(at, tokens)| Op::Truncate { at, tokens }),
        4 => at.clone().prop_map(|at| Op::Fork { at }),
        2 => at.clone().prop_map(|at| Op::Commit { at }),
        2 => (at.clone(), span.clone()).prop_map(|(at, span)| Op::Refuse { at, span }),
        2 => at.clone().prop_map(|at| Op::Close { at }),
        2 => (at.clone(), span.clone()).prop_map(|(at, span)| Op::Admit { at, span }),
        2 => (at.clone(), span.clone()).prop_map(|(at, span)| Op::Quarantine { at, span }),
        6 => (at.clone(), span, prop::sample::select(&MODES[..]))
            .prop_map(|(at, span, mode)| Op::Evict { at, span, mode }),
        4 => (at.clone(), scope.clone(), priority)
            .prop_map(|(at, scope, priority)| Op::Publish { at, scope, priority }),
        1 => (0_usize..3, story.clone(), 0_usize..200).prop_map(|(who, story, len)| Op::Pin { who, story, len }),
        1 => at.prop_map(|at| Op::Unpin { at }),
        1 => (0_usize..3, story, 0_usize..200, scope)
            .prop_map(|(who, story, len, scope)| Op::Forget { who, story, len, scope }),
        4 => (0_usize..6).prop_map(|count| Op::Acknowledge { count }),
        1 => (0_u32..8).prop_map(|pages| Op::Room { pages }),
        2 => Just(Op::Restart),
    ]
}

/// Stories begin alike and part inside a page.
pub(super) fn story(which: u8, len: usize) -> Vec<Token> {
    (0_u32..)
        .take(len)
        .map(|at| {
            if at < 40 {
                at % 5
            } else {
                at % 7 + u32::from(which) * u32::from(at % 100 >= 30) * 10
            }
        })
        .collect()
}

pub(super) const OWNERS: [Owner<'static>; 3] = [
    Owner {
        principal: "uid:1",
        tenant: Salt([1; 16]),
    },
    Owner {
        principal: "uid:2",
        tenant: Salt([1; 16]),
    },
    Owner {
        principal: "uid:3",
        tenant: Salt([2; 16]),
    },
];

pub(super) fn tag() -> Tag {
    Tag::new("tiny", "v1", KvType::F16)
}

/// Who may find it, its tokens, and where its rows are.
type Published = (Share, Vec<Token>, Vec<(PageId, u32)>);

struct World {
    ledger: Ledger,
    arena: Arena,
    wipes: Vec<Wipe>,
    naive: BTreeMap<SeqId, Naive>,
    pins: Vec<PinId>,
}

impl World {
    fn new(pages: u32) -> Self {
        let bounds = Bounds {
            principal_pages: pages * 3 / 4,
            ..Bounds::pages(pages)
        };
        Self {
            ledger: Ledger::new(bounds),
            arena: Arena::default(),
            wipes: Vec::new(),
            naive: BTreeMap::new(),
            pins: Vec::new(),
        }
    }

    fn pick(&self, at: usize) -> Option<SeqId> {
        let count = self.naive.len();
        self.naive.keys().nth(at % count.max(1)).copied()
    }

    fn span(&self, seq: SeqId, at: usize) -> Option<SpanId> {
        let spans = &self.naive[&seq].spans;
        spans.get(at % spans.len().max(1)).map(|span| span.id)
    }

    fn obey(&mut self, commands: Vec<crate::Command>) {
        self.arena.obey(commands, &mut self.wipes);
    }

    fn start(&mut self, who: usize, which: u8, cuts: &[usize]) {
        let all = story(which, cuts.iter().sum());
        let mut rest = &all[..];
        let names: Vec<String> = (0..cuts.len()).map(|at| format!("part {at}")).collect();
        let mut parts = Vec::new();
        for (cut, name) in cuts.iter().zip(&names) {
            let (tokens, later) = rest.split_at(*cut);
            parts.push(Part {
                spec: SpanSpec::new(name, Kind::User),
                tokens,
            });
            rest = later;
        }
        let expected = self.naive_hit(who, &all[..all.len().saturating_sub(1)]);
        match self.ledger.start(OWNERS[who], &tag(), &parts) {
            Ok(opened) => {
                assert_eq!(opened.reused, expected);
                self.obey(opened.commands);
                let mut naive = Naive {
                    principal: who,
                    ..Naive::default()
                };
                for (id, part) in (0..).zip(&parts) {
                    naive.add(span(
                        id,
                        Kind::User,
                        Standing::Admitted,
                        Stand::Trunk,
                        part.tokens,
                    ));
                }
                self.naive.insert(opened.seq, naive);
                self.arena.compute(&mut self.ledger, opened.seq);
            }
            Err(error) => assert!(
                matches!(error, KvError::Full(_) | KvError::Quota(_)),
                "{error}"
            ),
        }
    }

    /// The longest common prefix with anything this one may find, by reading the whole index.
    fn naive_hit(&self, who: usize, tokens: &[Token]) -> u32 {
        let principal = self
            .ledger
            .principals
            .iter()
            .position(|name| **name == *OWNERS[who].principal);
        let principal = principal
            .and_then(|at| u32::try_from(at).ok())
            .unwrap_or(u32::MAX);
        let tenant = OWNERS[who].tenant;
        let mut best = 0;
        for (share, list, _) in self.published() {
            let may = match share {
                Share::Fleet => true,
                Share::Tenant(theirs) => theirs == tenant,
                Share::Agent(theirs, agent) => theirs == tenant && agent == principal,
            };
            let common = list
                .iter()
                .zip(tokens)
                .take_while(|(left, right)| left == right)
                .count();
            best = best.max(if may { common } else { 0 });
        }
        u32::try_from(best).expect("short")
    }

    /// Every published list with the places of its rows.
    fn published(&self) -> Vec<Published> {
        let index = &self.ledger.index;
        let mut lists = Vec::new();
        let mut waiting: Vec<(RootKey, u32, Vec<Token>, Vec<_>)> = Vec::new();
        for (root, children) in &index.roots {
            waiting.extend(
                children
                    .iter()
                    .map(|at| (*root, *at, Vec::new(), Vec::new())),
            );
        }
        while let Some((root, at, mut tokens, mut places)) = waiting.pop() {
            let node = index.node(at).expect("the index is whole");
            tokens.extend(self.ledger.pages.tokens(node.page, node.len));
            places.extend((0..node.len).map(|row| (node.page, row)));
            waiting.extend(
                node.children
                    .iter()
                    .map(|at| (root, *at, tokens.clone(), places.clone())),
            );
            lists.push((root.share, tokens, places));
        }
        lists
    }

    fn add(&mut self, seq: SeqId, place: Place, kind: Kind, admitted: bool, tokens: &[Token]) {
        let naive = &self.naive[&seq];
        let last = naive.spans.last().map(|span| span.stand);
        let groups = self.ledger.sequences[&seq].groups;
        let stand = match (place, last) {
            (Place::Next, last) => Ok(last.unwrap_or(Stand::Trunk)),
            (Place::Join, Some(Stand::Member(..))) => Ok(Stand::Trunk),
            (Place::Join, _) => Err(KvError::NoGroup),
            (Place::Isolated, Some(Stand::Member(group, member))) => {
                Ok(Stand::Member(group, member + 1))
            }
            (Place::Isolated, _) => Ok(Stand::Member(groups + 1, 0)),
        };
        let mut spec = SpanSpec::new("span", kind).place(place);
        spec.admitted = admitted;
        let begun = self.ledger.begin(seq, &spec);
        assert_eq!(begun.err(), stand.err());
        let (Ok(id), Ok(stand)) = (begun, stand) else {
            return;
        };
        let standing = if admitted {
            Standing::Admitted
        } else {
            Standing::Probation
        };
        self.naive
            .get_mut(&seq)
            .expect("it is there")
            .add(span(id.0, kind, standing, stand, &[]));
        self.more(seq, tokens);
    }

    fn more(&mut self, seq: SeqId, tokens: &[Token]) {
        if self.naive[&seq].spans.is_empty() {
            assert_eq!(
                self.ledger.append(seq, tokens).err(),
                Some(KvError::NoSpanBegun)
            );
            return;
        }
        match self.ledger.append(seq, tokens) {
            Ok(appended) => {
                self.obey(appended.commands);
                let naive = self.naive.get_mut(&seq).expect("it is there");
                let at = naive.spans.len() - 1;
                let (position, sees) = (naive.positions()[at], naive.spans[at].visible.clone());
                let mut seen: Vec<u64> = naive
                    .spans
                    .iter()
                    .filter(|span| sees.contains(&span.id))
                    .flat_map(|span| span.values.clone())
                    .collect();
                let span = &mut naive.spans[at];
                seen.extend(&span.values);
                for token in tokens {
                    let row = u32::try_from(span.tokens.len()).expect("short");
                    let value = value(*token, position + row, seen.iter().copied());
                    seen.push(value);
                    span.values.push(value);
                    span.tokens.push(*token);
                }
                self.arena.compute(&mut self.ledger, seq);
            }
            Err(error) => assert!(
                matches!(error, KvError::Full(_) | KvError::Quota(_)),
                "{error}"
            ),
        }
    }

    fn truncate(&mut self, seq: SeqId, tokens: u32) {
        let naive = self.naive.get_mut(&seq).expect("it is there");
        let Some(span) = naive.spans.last_mut() else {
            assert_eq!(
                self.ledger.truncate(seq, tokens).err(),
                Some(KvError::NoSpanBegun)
            );
            return;
        };
        let left = span.tokens.len().saturating_sub(tokens as usize);
        let gone = span.tokens.len() - left;
        span.tokens.truncate(left);
        span.values.truncate(left);
        let (taken, commands) = self.ledger.truncate(seq, tokens).expect("it is there");
        assert_eq!(taken as usize, gone);
        self.obey(commands);
    }

    fn commit(&mut self, fork: SeqId) {
        let naive = &self.naive[&fork];
        let revision = |seq| self.ledger.revision(seq).ok();
        let expected = match naive.revision_of_parent {
            Some((parent, then, own)) if revision(parent) == Some(then) => {
                let refused = naive
                    .spans
                    .iter()
                    .find(|s| s.id.0 >= own && s.standing != Standing::Admitted);
                refused.map_or(Ok(parent), |span| Err(KvError::NotAdmitted(span.id)))
            }
            _ => Err(KvError::NotCurrent),
        };
        if let Ok(parent) = expected {
            self.arena.mark_secrets(&self.ledger, parent);
        }
        match (self.ledger.commit(fork), expected) {
            (Ok(commands), Ok(parent)) => {
                self.obey(commands);
                let above = self.naive[&parent].revision_of_parent;
                let mut naive = self.naive.remove(&fork).expect("it is there");
                naive.revision_of_parent = above;
                self.naive.insert(parent, naive);
            }
            (result, expected) => assert_eq!(result.err(), expected.err()),
        }
    }

    fn refuse(&mut self, fork: SeqId, span: SpanId) {
        let parent = self.naive[&fork].revision_of_parent;
        let list = parent.and_then(|(parent, ..)| self.ledger.list_digest(parent).ok());
        let mut after = self.ledger.clone();
        let arena = self.arena.clone();
        self.arena.mark_secrets(&self.ledger, fork);
        let Ok(refused) = self.ledger.refuse(fork, span) else {
            // Nothing has changed.
            self.arena = arena;
            assert_eq!(after.snapshot(), self.ledger.snapshot());
            after.drain();
            return;
        };
        assert_eq!(Some(refused.receipt.facts.survivors), list);
        assert_eq!(refused.receipt.mode(), ExactMode::WriteTime);
        self.obey(refused.commands);
        self.naive.remove(&fork);
    }

    fn evict(&mut self, seq: SeqId, span: SpanId, mode: Mode) {
        let naive = self.naive[&seq].clone();
        let plan = match self.ledger.plan(seq, span, mode) {
            Ok(plan) => plan,
            Err(error) => return refused(&naive, span, mode, &error),
        };
        let dependents = naive.closure(span, |s| &s.visible, |_| true);
        assert_eq!(
            self.ledger.dependents(seq, span).expect("it is there"),
            dependents
        );
        let mut gone = vec![span];
        if mode == Mode::Exact(ExactMode::Lineage) {
            gone.extend(&dependents);
        }
        assert_eq!(plan.drop(), gone);
        assert_eq!(plan.exact(), mode != Mode::Approximate);
        let generated = |s: &Span| s.kind == Kind::Assistant;
        let mut text = naive.closure(span, |s| &s.read, generated);
        text.retain(|id| !gone.contains(id));
        assert_eq!(plan.text_taint(), text);
        let mut again: Vec<SpanId> = dependents.iter().copied().chain(naive.inexact()).collect();
        again.sort();
        again.dedup();
        again.retain(|id| {
            !gone.contains(id) && plan.exact() && mode != Mode::Exact(ExactMode::Lineage)
        });
        assert_eq!(
            plan.recompute()
                .iter()
                .map(|rerun| rerun.span)
                .collect::<Vec<_>>(),
            again
        );
        let left = after(&naive, &gone, &again, mode);
        let positions: BTreeMap<SpanId, u32> = left
            .spans
            .iter()
            .zip(left.positions())
            .map(|(span, at)| (span.id, at))
            .collect();
        for rerun in plan.recompute() {
            assert_eq!(rerun.position, positions[&rerun.span]);
        }
        let arena = self.arena.clone();
        self.arena.mark_secrets(&self.ledger, seq);
        match self.ledger.execute(&plan) {
            Ok(evicted) => {
                let digest = self.ledger.list_digest(seq).expect("it is there");
                match evicted.receipt {
                    Receipt::Exact(receipt) => {
                        assert_eq!(mode, Mode::Exact(receipt.mode()));
                        assert_eq!(receipt.facts.survivors, digest);
                    }
                    Receipt::Approximate(_) => assert_eq!(mode, Mode::Approximate),
                }
                let tokens: u32 = evicted.runs.iter().map(|run| run.tokens).sum();
                assert_eq!(u64::from(tokens), plan.tokens());
                self.obey(evicted.commands);
                self.naive.insert(seq, left);
                self.arena.unmark_probation(&self.ledger, seq);
                self.arena.compute(&mut self.ledger, seq);
                assert_eq!(self.ledger.execute(&plan).err(), Some(PlanError::Stale));
            }
            Err(PlanError::Kv(KvError::Full(_))) => self.arena = arena,
            Err(error) => panic!("{error}"),
        }
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Start { who, story, cuts } => self.start(who, story, &cuts),
            Op::Pin {
                who,
                story: which,
                len,
            } => {
                let tokens = story(which, len);
                let whole = self.naive_hit(who, &tokens) as usize == len && len > 0;
                let pin = self.ledger.pin(OWNERS[who], &tag(), &tokens);
                assert_eq!(pin.is_ok(), whole);
                self.pins.extend(pin);
            }
            Op::Unpin { at } => {
                if !self.pins.is_empty() {
                    let pin = self.pins.swap_remove(at % self.pins.len());
                    self.ledger.unpin(pin).expect("it is held");
                }
            }
            Op::Forget {
                who,
                story: which,
                len,
                scope,
            } => {
                let tokens = story(which, len);
                let (_, commands) = self.ledger.forget(OWNERS[who], &tag(), scope, &tokens);
                self.obey(commands);
            }
            Op::Acknowledge { count } => {
                for wipe in self.wipes.drain(..count.min(self.wipes.len())) {
                    self.ledger.zeroed(wipe).expect("it is owed");
                }
            }
            Op::Room { pages } => {
                let (_, commands) = self.ledger.make_room(pages);
                self.obey(commands);
            }
            Op::Restart => {
                let bytes = self.ledger.snapshot();
                self.ledger = Ledger::restore(&bytes).expect("it was written whole");
                assert_eq!(self.ledger.snapshot(), bytes);
                // The requests that were under way are lost with the process.
                self.wipes = self.ledger.owed();
            }
            Op::Add { at, .. }
            | Op::More { at, .. }
            | Op::Truncate { at, .. }
            | Op::Fork { at }
            | Op::Commit { at }
            | Op::Refuse { at, .. }
            | Op::Close { at }
            | Op::Admit { at, .. }
            | Op::Quarantine { at, .. }
            | Op::Evict { at, .. }
            | Op::Publish { at, .. } => {
                if let Some(seq) = self.pick(at) {
                    self.with_sequence(seq, op);
                }
            }
        }
    }

    fn with_sequence(&mut self, seq: SeqId, op: Op) {
        match op {
            Op::Add {
                place,
                kind,
                admitted,
                tokens,
                ..
            } => self.add(seq, place, kind, admitted, &tokens),
            Op::More { tokens, .. } => self.more(seq, &tokens),
            Op::Truncate { tokens, .. } => self.truncate(seq, tokens),
            Op::Fork { .. } => {
                let fork = self.ledger.fork(seq).expect("everything is computed");
                let mut naive = self.naive[&seq].clone();
                let revision = self.ledger.revision(seq).expect("it is there");
                naive.revision_of_parent = Some((seq, revision, self.ledger.sequences[&seq].next));
                self.naive.insert(fork, naive);
            }
            Op::Commit { .. } => self.commit(seq),
            Op::Refuse { span, .. } => {
                if let Some(span) = self.span(seq, span) {
                    self.refuse(seq, span);
                }
            }
            Op::Close { .. } => {
                self.arena.mark_secrets(&self.ledger, seq);
                let commands = self.ledger.close(seq).expect("it is there");
                self.obey(commands);
                self.naive.remove(&seq);
            }
            Op::Admit { span, .. } => {
                let Some(span) = self.span(seq, span) else {
                    return;
                };
                let naive = self.naive.get_mut(&seq).expect("it is there");
                let own = naive
                    .spans
                    .iter_mut()
                    .find(|own| own.id == span)
                    .expect("it is there");
                let may = own.standing != Standing::Quarantined;
                assert_eq!(self.ledger.admit(seq, span).is_ok(), may);
                if may {
                    own.standing = Standing::Admitted;
                }
            }
            Op::Quarantine { span, .. } => {
                let Some(span) = self.span(seq, span) else {
                    return;
                };
                let commands = self.ledger.quarantine(seq, span).expect("it is there");
                let naive = self.naive.get_mut(&seq).expect("it is there");
                let own = naive
                    .spans
                    .iter_mut()
                    .find(|own| own.id == span)
                    .expect("it is there");
                own.standing = Standing::Quarantined;
                self.obey(commands);
                self.arena.mark_quarantined(&self.ledger, seq);
            }
            Op::Evict { span, mode, .. } => {
                if let Some(span) = self.span(seq, span) {
                    self.evict(seq, span, mode);
                }
            }
            Op::Publish {
                scope, priority, ..
            } => {
                let how = Publish {
                    scope,
                    priority,
                    ..Publish::default()
                };
                let (tokens, commands) = self.ledger.publish(seq, how).expect("there is room");
                self.obey(commands);
                let naive = &self.naive[&seq];
                assert!(self.naive_hit(naive.principal, &flat(naive)) >= tokens);
            }
            _ => {}
        }
    }

    fn check(&mut self) {
        let left = self.ledger.drain();
        self.obey(left);
        self.ledger.audit().expect("the ledger agrees with itself");
        self.arena.free_pages_are_clean(&self.ledger);
        for (seq, naive) in &self.naive {
            naive.holds(&self.ledger, &self.arena, *seq);
        }
        // What is published is what its tokens alone would give.
        for (_, tokens, places) in self.published() {
            let mut seen = Vec::new();
            for ((position, token), (page, row)) in (0..).zip(&tokens).zip(places) {
                seen.push(value(*token, position, seen.iter().copied()));
                assert_eq!(Some(&self.arena.get(page, row)), seen.last());
            }
        }
        let stats = self.ledger.stats();
        assert_eq!(stats.wiping as usize, self.wipes.len());
        assert!(stats.free <= stats.pages);
    }
}

/// What of a sequence could be published at most: the flat, admitted, exact beginning.
fn flat(naive: &Naive) -> Vec<Token> {
    let inexact = naive.inexact();
    naive
        .spans
        .iter()
        .take_while(|s| {
            s.stand == Stand::Trunk && s.standing == Standing::Admitted && !inexact.contains(&s.id)
        })
        .flat_map(|span| span.tokens.clone())
        .collect()
}

fn span(id: u32, kind: Kind, standing: Standing, stand: Stand, tokens: &[Token]) -> Span {
    Span {
        id: SpanId(id),
        kind,
        standing,
        stand,
        tokens: tokens.to_vec(),
        values: Vec::new(),
        visible: Vec::new(),
        read: Vec::new(),
    }
}

/// The naive sequence without some spans: what is run again is computed from what is left, the rest stays or is rotated.
fn after(naive: &Naive, gone: &[SpanId], again: &[SpanId], mode: Mode) -> Naive {
    let before: BTreeMap<SpanId, u32> = naive
        .spans
        .iter()
        .zip(naive.positions())
        .map(|(span, at)| (span.id, at))
        .collect();
    let mut left = naive.clone();
    left.spans.retain(|span| !gone.contains(&span.id));
    let positions = left.positions();
    for (at, position) in positions.into_iter().enumerate() {
        if mode == Mode::Approximate {
            let span = &mut left.spans[at];
            let shift = before[&span.id] - position;
            span.values
                .iter_mut()
                .for_each(|value| *value = rotated(*value, shift));
        } else if again.contains(&left.spans[at].id) {
            left.compute(at);
        }
    }
    left
}

/// A plan is refused for a reason only.
fn refused(naive: &Naive, span: SpanId, mode: Mode, error: &PlanError) {
    let own = naive
        .spans
        .iter()
        .find(|own| own.id == span)
        .expect("it is there");
    match (mode, error) {
        (Mode::Exact(ExactMode::WriteTime), PlanError::Attended(after)) => {
            let later: Vec<SpanId> = naive
                .spans
                .iter()
                .map(|s| s.id)
                .filter(|id| *id > span)
                .collect();
            assert_eq!(*after, later);
            assert!(!later.is_empty());
        }
        (Mode::Exact(ExactMode::Isolated), PlanError::NotIsolated) => {
            assert_eq!(own.stand, Stand::Trunk)
        }
        (Mode::Exact(ExactMode::WriteTime | ExactMode::Lineage), PlanError::Inexact(_)) => {
            assert!(!naive.inexact().is_empty());
        }
        (mode, error) => panic!("{mode} was refused: {error}"),
    }
}

proptest! {
    #[test]
    fn the_ledger_does_what_the_naive_one_does(
        pages in prop::sample::select(vec![10_u32, 20, 200]),
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let mut world = World::new(pages);
        for op in ops {
            world.step(op);
            world.check();
        }
        // In the end everything can be given back.
        let sequences: Vec<SeqId> = world.naive.keys().copied().collect();
        for seq in sequences {
            world.with_sequence(seq, Op::Close { at: 0 });
        }
        for pin in std::mem::take(&mut world.pins) {
            world.ledger.unpin(pin).expect("it is held");
        }
        let (_, commands) = world.ledger.make_room(pages);
        world.obey(commands);
        for wipe in std::mem::take(&mut world.wipes) {
            world.ledger.zeroed(wipe).expect("it is owed");
        }
        let (free, _) = world.ledger.make_room(pages);
        prop_assert_eq!(free, pages);
        prop_assert!(world.ledger.stats().principals.values().all(|of| of.pages == 0));
    }
}

#[test]
fn a_quarantined_span_begins_so() {
    let spec = SpanSpec::new("bad", Kind::ToolResult).taint(Taint::Quarantined);
    assert_eq!(spec.standing(), Standing::Quarantined);
    assert_eq!(PAGE_TOKENS, 64);
}
