//! The rules one by one, the refusals first.

use super::{
    model::{OWNERS, story, tag},
    oracle::Arena,
};
use crate::{
    Bounds, Command, ExactMode, Kind, KvError, Ledger, Mode, NotOwed, Part, Place, PlanError,
    Publish, Receipt, SeqId, SpanId, SpanSpec, Token,
};

const RECOMPUTE: Mode = Mode::Exact(ExactMode::Recompute);
const ISOLATED: Mode = Mode::Exact(ExactMode::Isolated);
const WRITE_TIME: Mode = Mode::Exact(ExactMode::WriteTime);

struct Talk {
    ledger: Ledger,
    arena: Arena,
    seq: SeqId,
}

impl Talk {
    fn new(pages: u32, tokens: &[Token]) -> Self {
        let mut ledger = Ledger::new(Bounds::pages(pages));
        let parts = [Part {
            spec: SpanSpec::new("system", Kind::System),
            tokens,
        }];
        let opened = ledger
            .start(OWNERS[0], &tag(), &parts)
            .expect("there is room");
        let mut arena = Arena::default();
        arena.compute(&mut ledger, opened.seq);
        Self {
            ledger,
            arena,
            seq: opened.seq,
        }
    }

    fn add(&mut self, seq: SeqId, spec: &SpanSpec<'_>, tokens: &[Token]) -> SpanId {
        let span = self.ledger.begin(seq, spec).expect("a span");
        let appended = self.ledger.append(seq, tokens).expect("there is room");
        self.obey(appended.commands);
        self.arena.compute(&mut self.ledger, seq);
        span
    }

    fn obey(&mut self, commands: Vec<Command>) {
        let mut wipes = Vec::new();
        self.arena.obey(commands, &mut wipes);
        for wipe in wipes {
            self.ledger.zeroed(wipe).expect("it is owed");
        }
    }
}

#[test]
fn a_page_of_a_quarantined_span_is_free_only_when_it_was_zeroed() {
    let mut talk = Talk::new(4, &story(0, 64));
    let bad = talk.add(
        talk.seq,
        &SpanSpec::new("bad", Kind::ToolResult).probation(),
        &story(1, 64),
    );
    let _ = talk.ledger.quarantine(talk.seq, bad).expect("it is there");
    let plan = talk
        .ledger
        .plan(talk.seq, bad, WRITE_TIME)
        .expect("it is the last");
    let evicted = talk.ledger.execute(&plan).expect("nothing is needed");
    assert_eq!(talk.ledger.stats().wiping, 1);
    assert_eq!(talk.ledger.stats().free, 2);
    // Three more pages are not to be had, whatever is asked.
    talk.ledger
        .begin(talk.seq, &SpanSpec::new("more", Kind::User))
        .expect("a span");
    assert_eq!(
        talk.ledger.append(talk.seq, &story(0, 192)).err(),
        Some(KvError::Full(3))
    );
    let Some(Command::Zero(wipe)) = evicted.commands.into_iter().next() else {
        unreachable!("the page is to be zeroed");
    };
    // A request that was issued anew is the only one that counts.
    let again = talk.ledger.owed().remove(0);
    assert_eq!(again.page(), wipe.page());
    assert_eq!(talk.ledger.zeroed(wipe), Err(NotOwed));
    assert_eq!(talk.ledger.zeroed(again), Ok(()));
    assert!(talk.ledger.append(talk.seq, &story(0, 192)).is_ok());
}

#[test]
fn a_span_in_the_middle_of_a_page_leaves_none_of_its_rows_behind() {
    let mut talk = Talk::new(8, &story(0, 70));
    let bad = talk.add(
        talk.seq,
        &SpanSpec::new("bad", Kind::ToolResult).probation(),
        &story(1, 20),
    );
    let plan = talk
        .ledger
        .plan(talk.seq, bad, WRITE_TIME)
        .expect("it is the last");
    let evicted = talk.ledger.execute(&plan).expect("there is room");
    // What stays of the page is copied off it, and then all of it is zeroed.
    assert!(matches!(
        &evicted.commands[..],
        [Command::Copy(copy), Command::Zero(wipe)] if copy.rows == 6 && copy.from == wipe.page()
    ));
    talk.obey(evicted.commands);
    talk.arena.free_pages_are_clean(&talk.ledger);
}

#[test]
fn a_plan_is_of_one_revision() {
    let mut talk = Talk::new(8, &story(0, 30));
    let answer = talk.add(
        talk.seq,
        &SpanSpec::new("answer", Kind::Assistant),
        &story(1, 30),
    );
    let plan = talk
        .ledger
        .plan(talk.seq, answer, WRITE_TIME)
        .expect("it is the last");
    talk.add(talk.seq, &SpanSpec::new("more", Kind::User), &[1]);
    assert_eq!(talk.ledger.execute(&plan).err(), Some(PlanError::Stale));
    assert_eq!(
        talk.ledger.plan(talk.seq, answer, WRITE_TIME).err(),
        Some(PlanError::Attended(vec![SpanId(2)]))
    );
    assert_eq!(
        talk.ledger.plan(talk.seq, answer, ISOLATED).err(),
        Some(PlanError::NotIsolated)
    );
    assert_eq!(
        talk.ledger.plan(talk.seq, SpanId(9), RECOMPUTE).err(),
        Some(PlanError::Kv(KvError::NoSpan(SpanId(9))))
    );
}

#[test]
fn making_a_plan_changes_nothing() {
    let mut talk = Talk::new(8, &story(0, 100));
    talk.add(
        talk.seq,
        &SpanSpec::new("answer", Kind::Assistant),
        &story(1, 30),
    );
    let before = talk.ledger.snapshot();
    for mode in [
        RECOMPUTE,
        Mode::Exact(ExactMode::Lineage),
        Mode::Approximate,
    ] {
        talk.ledger.plan(talk.seq, SpanId(0), mode).expect("a plan");
    }
    assert_eq!(talk.ledger.snapshot(), before);
}

#[test]
fn siblings_of_an_isolated_span_are_not_run_again() {
    let mut talk = Talk::new(32, &story(0, 50));
    let spec = |name| SpanSpec::new(name, Kind::Document).place(Place::Isolated);
    let [one, two, three] =
        ["one", "two", "three"].map(|name| talk.add(talk.seq, &spec(name), &story(1, 80)));
    let join = SpanSpec::new("question", Kind::User).place(Place::Join);
    let question = talk.add(talk.seq, &join, &story(2, 20));
    let spans = talk.ledger.spans(talk.seq).expect("they are there");
    assert_eq!(
        spans.iter().map(|span| span.position).collect::<Vec<_>>(),
        [0, 50, 50, 50, 130]
    );
    assert_eq!(
        talk.ledger.dependents(talk.seq, two).expect("it is there"),
        [question]
    );
    let plan = talk.ledger.plan(talk.seq, two, ISOLATED).expect("a plan");
    assert_eq!(plan.tokens(), 20);
    assert!(plan.exact());
    let evicted = talk.ledger.execute(&plan).expect("there is room");
    assert!(matches!(evicted.receipt, Receipt::Exact(receipt) if receipt.facts.isolated));
    let left: Vec<SpanId> = talk
        .ledger
        .spans(talk.seq)
        .expect("they are there")
        .iter()
        .map(|span| span.id)
        .collect();
    assert_eq!(left, [SpanId(0), one, three, question]);
}

#[test]
fn generated_text_that_saw_the_span_is_named() {
    let mut talk = Talk::new(32, &story(0, 50));
    let bad = talk.add(
        talk.seq,
        &SpanSpec::new("result", Kind::ToolResult),
        &story(1, 50),
    );
    let answer = talk.add(
        talk.seq,
        &SpanSpec::new("answer", Kind::Assistant),
        &story(2, 50),
    );
    talk.add(
        talk.seq,
        &SpanSpec::new("question", Kind::User),
        &story(2, 50),
    );
    let plan = talk.ledger.plan(talk.seq, bad, RECOMPUTE).expect("a plan");
    assert_eq!(plan.text_taint(), [answer]);
    let plan = talk
        .ledger
        .plan(talk.seq, bad, Mode::Exact(ExactMode::Lineage))
        .expect("a plan");
    assert!(plan.text_taint().is_empty());
    assert_eq!(plan.drop().len(), 3);
}

#[test]
fn what_left_approximately_stands_in_the_way_of_exactness_until_it_is_run_again() {
    let mut talk = Talk::new(32, &story(0, 50));
    let bad = talk.add(
        talk.seq,
        &SpanSpec::new("result", Kind::ToolResult),
        &story(1, 50),
    );
    let answer = talk.add(
        talk.seq,
        &SpanSpec::new("answer", Kind::Assistant),
        &story(2, 50),
    );
    let plan = talk
        .ledger
        .plan(talk.seq, bad, Mode::Approximate)
        .expect("a plan");
    let evicted = talk.ledger.execute(&plan).expect("there is room");
    talk.obey(evicted.commands);
    // The influence is inherited, and nothing of it may be shared.
    let last = talk.add(
        talk.seq,
        &SpanSpec::new("question", Kind::User),
        &story(2, 5),
    );
    let (published, _) = talk
        .ledger
        .publish(talk.seq, Publish::default())
        .expect("there is room");
    assert_eq!(published, 50);
    assert_eq!(
        talk.ledger.plan(talk.seq, last, WRITE_TIME).err(),
        Some(PlanError::Inexact(vec![answer]))
    );
    let plan = talk.ledger.plan(talk.seq, last, RECOMPUTE).expect("a plan");
    assert_eq!(
        plan.recompute()
            .iter()
            .map(|rerun| rerun.span)
            .collect::<Vec<_>>(),
        [answer]
    );
    talk.ledger
        .execute(&plan)
        .expect("there is room")
        .runs
        .iter()
        .for_each(|run| {
            talk.ledger
                .computed(talk.seq, *run)
                .expect("it was asked for");
        });
    assert!(talk.ledger.plan(talk.seq, answer, WRITE_TIME).is_ok());
}

#[test]
fn a_fork_is_committed_only_when_it_was_admitted_and_only_once() {
    let mut talk = Talk::new(16, &story(0, 70));
    let fork = talk.ledger.fork(talk.seq).expect("it is computed");
    let other = talk.ledger.fork(talk.seq).expect("it is computed");
    let spec = SpanSpec::new("result", Kind::ToolResult).probation();
    let span = talk.add(fork, &spec, &story(1, 10));
    assert_eq!(talk.ledger.commit(fork), Err(KvError::NotAdmitted(span)));
    assert_eq!(talk.ledger.commit(talk.seq), Err(KvError::NotCurrent));
    talk.ledger.admit(fork, span).expect("it may stay");
    let commands = talk.ledger.commit(fork).expect("it is current");
    talk.obey(commands);
    assert_eq!(talk.ledger.spans(talk.seq).expect("it is there").len(), 2);
    assert_eq!(talk.ledger.commit(fork), Err(KvError::NoSequence(fork)));
    // The other was made of what the sequence is no longer.
    assert_eq!(talk.ledger.commit(other), Err(KvError::NotCurrent));
}

#[test]
fn a_refused_fork_leaves_the_pages_of_the_other_as_they_were() {
    let mut talk = Talk::new(16, &story(0, 70));
    let view = talk.ledger.view(talk.seq, 0).expect("it is there");
    let fork = talk.ledger.fork(talk.seq).expect("it is computed");
    let spec = SpanSpec::new("result", Kind::ToolResult).probation();
    let span = talk.add(fork, &spec, &story(1, 200));
    let refused = talk.ledger.refuse(fork, span).expect("it is the fork's");
    assert_eq!(refused.receipt.mode(), ExactMode::WriteTime);
    assert_eq!(refused.receipt.elsewhere(), 0);
    assert!(
        refused
            .commands
            .iter()
            .all(|command| matches!(command, Command::Zero(_)))
    );
    talk.obey(refused.commands);
    assert_eq!(talk.ledger.view(talk.seq, 0).expect("it is there"), view);
    assert_eq!(talk.ledger.stats().free, 14);
    assert_eq!(talk.ledger.revision(fork), Err(KvError::NoSequence(fork)));
}

#[test]
fn bounds_and_names_are_held() {
    let bounds = Bounds {
        principal_sequences: 2,
        ..Bounds::pages(4)
    };
    let mut ledger = Ledger::new(bounds);
    let one = ledger.open(OWNERS[0], &tag()).expect("one");
    assert_eq!(ledger.append(one, &[1]).err(), Some(KvError::NoSpanBegun));
    for name in ["", "two\nlines", &"x".repeat(129)] {
        let spec = SpanSpec::new(name, Kind::User);
        assert_eq!(
            ledger.begin(one, &spec).err(),
            Some(KvError::Name("a span's name"))
        );
    }
    let join = SpanSpec::new("join", Kind::User).place(Place::Join);
    assert_eq!(ledger.begin(one, &join).err(), Some(KvError::NoGroup));
    ledger.open(OWNERS[0], &tag()).expect("two");
    assert_eq!(
        ledger.open(OWNERS[0], &tag()).err(),
        Some(KvError::Bound("principal_sequences"))
    );
    assert!(ledger.open(OWNERS[1], &tag()).is_ok());
    ledger
        .begin(one, &SpanSpec::new("prompt", Kind::User))
        .expect("a span");
    assert_eq!(
        ledger.append(one, &story(0, 257)).err(),
        Some(KvError::Full(5))
    );
    let appended = ledger.append(one, &story(0, 100)).expect("there is room");
    assert_eq!(ledger.fork(one).err(), Some(KvError::Pending));
    let beyond = crate::Run {
        tokens: 101,
        ..appended.run
    };
    assert_eq!(ledger.computed(one, beyond), Err(KvError::NotAsked));
    let ahead = crate::Run {
        row: 50,
        tokens: 10,
        ..appended.run
    };
    assert_eq!(ledger.computed(one, ahead), Err(KvError::NotAsked));
}

#[test]
fn an_image_is_whole_or_nothing() {
    let mut talk = Talk::new(16, &story(0, 70));
    talk.ledger
        .publish(talk.seq, Publish::default())
        .expect("there is room");
    let bytes = talk.ledger.snapshot();
    assert!(Ledger::restore(&bytes).is_ok());
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(Ledger::restore(&changed).is_err(), "byte {at}");
    }
    for cut in 0..bytes.len() {
        assert!(Ledger::restore(&bytes[..cut]).is_err());
    }
}

#[test]
fn a_restart_keeps_prefixes_and_what_is_owed() {
    let mut talk = Talk::new(16, &story(0, 150));
    talk.ledger
        .publish(talk.seq, Publish::default())
        .expect("there is room");
    let bad = talk.add(
        talk.seq,
        &SpanSpec::new("bad", Kind::ToolResult).probation(),
        &story(1, 64),
    );
    let plan = talk
        .ledger
        .plan(talk.seq, bad, WRITE_TIME)
        .expect("it is the last");
    let _lost = talk.ledger.execute(&plan).expect("there is room");
    let owed = talk.ledger.stats().wiping;
    let mut restored = Ledger::restore(&talk.ledger.snapshot()).expect("it was written whole");
    assert_eq!(restored.stats(), talk.ledger.stats());
    assert_eq!(restored.find(OWNERS[0], &tag(), &story(0, 150)).tokens, 150);
    let wipes = restored.owed();
    assert_eq!(u32::try_from(wipes.len()), Ok(owed));
    assert!(owed > 0);
    wipes
        .into_iter()
        .for_each(|wipe| restored.zeroed(wipe).expect("it is owed"));
    assert_eq!(restored.stats().wiping, 0);
}

#[test]
fn rows_that_were_on_their_way_when_the_list_changed_do_not_count() {
    let mut talk = Talk::new(16, &story(0, 30));
    let bad = talk.add(
        talk.seq,
        &SpanSpec::new("result", Kind::ToolResult),
        &story(1, 30),
    );
    talk.ledger
        .begin(talk.seq, &SpanSpec::new("question", Kind::User))
        .expect("a span");
    let under_way = talk
        .ledger
        .append(talk.seq, &story(2, 40))
        .expect("there is room")
        .run;
    let plan = talk.ledger.plan(talk.seq, bad, RECOMPUTE).expect("a plan");
    let evicted = talk.ledger.execute(&plan).expect("there is room");
    let late = crate::Run {
        row: 30,
        ..under_way
    };
    assert_eq!(
        talk.ledger.computed(talk.seq, under_way),
        Err(KvError::NotAsked)
    );
    assert_eq!(talk.ledger.computed(talk.seq, late), Err(KvError::NotAsked));
    assert_eq!(
        evicted
            .runs
            .iter()
            .map(|run| run.tokens)
            .collect::<Vec<_>>(),
        [40]
    );
    talk.ledger
        .computed(talk.seq, evicted.runs[0])
        .expect("it was asked for");
}
