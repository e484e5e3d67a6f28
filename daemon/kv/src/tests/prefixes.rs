//! What of a prompt is found again, by whom, and what goes when room is needed.

use fak_types::Scope;
use proptest::prelude::*;

use super::model::{OWNERS, story, tag};
use crate::{
    Bounds, Command, Kind, KvError, KvType, Ledger, Owner, Part, Priority, Publish, SeqId, SpanId,
    SpanSpec, Tag, Token,
};

fn run(ledger: &mut Ledger, owner: Owner<'_>, tokens: &[Token]) -> (SeqId, u32) {
    let parts = [Part {
        spec: SpanSpec::new("prompt", Kind::User),
        tokens,
    }];
    let opened = ledger.start(owner, &tag(), &parts).expect("there is room");
    for run in opened.runs {
        ledger.computed(opened.seq, run).expect("it was asked for");
    }
    (opened.seq, opened.reused)
}

fn publish(ledger: &mut Ledger, owner: Owner<'_>, tokens: &[Token], how: Publish) {
    let (seq, _) = run(ledger, owner, tokens);
    let (published, _) = ledger.publish(seq, how).expect("there is room");
    assert_eq!(published as usize, tokens.len());
    ledger.close(seq).expect("it is there");
}

fn at(scope: Scope) -> Publish {
    Publish {
        scope,
        ..Publish::default()
    }
}

#[test]
fn nobody_finds_what_another_tenant_published() {
    let [one, two, other] = OWNERS;
    let tokens = story(0, 300);
    let mut ledger = Ledger::new(Bounds::pages(64));
    publish(&mut ledger, one, &tokens, at(Scope::Tenant));
    assert_eq!(ledger.find(other, &tag(), &tokens).tokens, 0);
    assert_eq!(run(&mut ledger, other, &tokens).1, 0);
    // The same principal's name under another tenant is somebody else.
    let double = Owner {
        tenant: other.tenant,
        ..one
    };
    assert_eq!(ledger.find(double, &tag(), &tokens).tokens, 0);
    assert_eq!(ledger.find(two, &tag(), &tokens).tokens, 300);
}

#[test]
fn an_agent_s_prefix_is_its_own_and_the_fleet_s_is_everybody_s() {
    let [one, two, other] = OWNERS;
    let tokens = story(0, 130);
    let mut ledger = Ledger::new(Bounds::pages(64));
    publish(&mut ledger, one, &tokens, at(Scope::Agent));
    assert_eq!(ledger.find(two, &tag(), &tokens).tokens, 0);
    assert_eq!(ledger.find(one, &tag(), &tokens).scope, Some(Scope::Agent));
    publish(&mut ledger, one, &tokens, at(Scope::Fleet));
    assert_eq!(ledger.find(other, &tag(), &tokens).tokens, 130);
}

#[test]
fn other_models_families_and_kv_types_find_nothing() {
    let tokens = story(0, 130);
    let mut ledger = Ledger::new(Bounds::pages(64));
    publish(&mut ledger, OWNERS[0], &tokens, at(Scope::Fleet));
    for tag in [
        Tag::new("other", "v1", KvType::F16),
        Tag::new("tiny", "cuda-v1", KvType::F16),
        Tag::new("tiny", "v1", KvType::Q8),
    ] {
        assert_eq!(ledger.find(OWNERS[0], &tag, &tokens).tokens, 0, "{tag}");
    }
}

#[test]
fn the_last_token_is_always_left_to_compute() {
    let tokens = story(0, 128);
    let mut ledger = Ledger::new(Bounds::pages(64));
    publish(&mut ledger, OWNERS[0], &tokens, at(Scope::Agent));
    let parts = [Part {
        spec: SpanSpec::new("prompt", Kind::User),
        tokens: &tokens,
    }];
    let opened = ledger
        .start(OWNERS[0], &tag(), &parts)
        .expect("there is room");
    assert_eq!(opened.reused, 127);
    assert_eq!(
        opened
            .runs
            .iter()
            .map(|run| (run.row, run.tokens))
            .collect::<Vec<_>>(),
        [(127, 1)]
    );
    // The page that is shared in part is copied before its last row is written.
    assert!(matches!(&opened.commands[..], [Command::Copy(copy)] if copy.rows == 63));
}

#[test]
fn what_is_not_admitted_or_not_computed_is_not_published() {
    let mut ledger = Ledger::new(Bounds::pages(64));
    let tokens = story(0, 100);
    let (seq, _) = run(&mut ledger, OWNERS[0], &tokens);
    ledger
        .begin(seq, &SpanSpec::new("result", Kind::ToolResult).probation())
        .expect("a span");
    let appended = ledger.append(seq, &tokens).expect("there is room");
    assert_eq!(
        ledger.publish(seq, Publish::default()).expect("room").0,
        100
    );
    ledger.admit(seq, SpanId(1)).expect("it may stay");
    assert_eq!(
        ledger.publish(seq, Publish::default()).expect("room").0,
        100
    );
    ledger
        .computed(seq, appended.run)
        .expect("it was asked for");
    assert_eq!(
        ledger.publish(seq, Publish::default()).expect("room").0,
        200
    );
    // A quarantine takes it out again, and only what stood before it is left.
    let _ = ledger.quarantine(seq, SpanId(1)).expect("it is there");
    let found = ledger
        .find(OWNERS[0], &tag(), &[tokens.clone(), tokens].concat())
        .tokens;
    assert!(found <= 100, "{found}");
    assert_eq!(
        ledger.admit(seq, SpanId(1)),
        Err(KvError::Quarantined(SpanId(1)))
    );
}

#[test]
fn the_low_go_before_the_lately_used_and_the_pinned_stay() {
    let mut ledger = Ledger::new(Bounds::pages(6));
    let stories: Vec<Vec<Token>> = (0..3).map(|n| vec![n; 128]).collect();
    let normal = at(Scope::Agent);
    publish(&mut ledger, OWNERS[0], &stories[0], normal);
    publish(&mut ledger, OWNERS[0], &stories[1], normal);
    publish(
        &mut ledger,
        OWNERS[0],
        &stories[2],
        Publish {
            priority: Priority::Low,
            ..normal
        },
    );
    let found = |ledger: &Ledger, n: usize| ledger.find(OWNERS[0], &tag(), &stories[n]).tokens;
    let pin = ledger
        .pin(OWNERS[0], &tag(), &stories[0])
        .expect("it is there");
    assert_eq!(ledger.make_room(2).0, 2);
    assert_eq!(
        [found(&ledger, 0), found(&ledger, 1), found(&ledger, 2)],
        [128, 128, 0]
    );
    // The first was used longest ago, but it is held.
    assert_eq!(ledger.make_room(6).0, 4);
    assert_eq!([found(&ledger, 0), found(&ledger, 1)], [128, 0]);
    ledger.unpin(pin).expect("it is held");
    assert_eq!(ledger.make_room(6).0, 6);
}

#[test]
fn the_dear_outlast_the_cheap() {
    let mut ledger = Ledger::new(Bounds::pages(4));
    let dear = Publish {
        token_cost: 50,
        ..at(Scope::Agent)
    };
    publish(&mut ledger, OWNERS[0], &[1; 64], dear);
    for n in 2..5 {
        publish(&mut ledger, OWNERS[0], &[n; 64], at(Scope::Agent));
    }
    ledger.make_room(3);
    assert_eq!(ledger.find(OWNERS[0], &tag(), &[1; 64]).tokens, 64);
    // But not for ever: what goes raises what is new.
    for n in 5..200 {
        publish(&mut ledger, OWNERS[0], &[n; 64], at(Scope::Agent));
    }
    assert_eq!(ledger.find(OWNERS[0], &tag(), &[1; 64]).tokens, 0);
}

#[test]
fn a_principal_at_its_bound_gives_up_its_own() {
    let bounds = Bounds {
        principal_pages: 3,
        ..Bounds::pages(8)
    };
    let mut ledger = Ledger::new(bounds);
    publish(&mut ledger, OWNERS[1], &[9; 64], at(Scope::Agent));
    publish(&mut ledger, OWNERS[0], &[1; 192], at(Scope::Agent));
    let (seq, _) = run(&mut ledger, OWNERS[0], &[2; 128]);
    assert_eq!(ledger.find(OWNERS[0], &tag(), &[1; 192]).tokens, 64);
    assert_eq!(ledger.find(OWNERS[1], &tag(), &[9; 64]).tokens, 64);
    ledger
        .begin(seq, &SpanSpec::new("more", Kind::User))
        .expect("a span");
    assert_eq!(ledger.append(seq, &[3; 192]).err(), Some(KvError::Quota(3)));
    ledger.audit().expect("nothing has changed");
}

proptest! {
    #[test]
    fn a_hit_is_the_longest_common_prefix(
        published in prop::collection::vec((prop::collection::vec(0_u32..2, 1..12), 1_usize..200, 0_usize..3, 0_usize..3), 1..12),
        asked in prop::collection::vec((prop::collection::vec(0_u32..2, 1..12), 1_usize..200, 0_usize..3), 1..8),
    ) {
        // Lists of few different tokens that repeat: they part early, late and in the middle of pages.
        let list = |of: &[u32], len: usize| -> Vec<Token> { of.iter().copied().cycle().take(len).collect() };
        let mut ledger = Ledger::new(Bounds::pages(2000));
        let mut naive: Vec<(usize, Scope, Vec<Token>)> = Vec::new();
        for (of, len, who, scope) in published {
            let tokens = list(&of, len);
            publish(&mut ledger, OWNERS[who], &tokens, at(Scope::ALL[scope]));
            naive.push((who, Scope::ALL[scope], tokens));
            ledger.audit().expect("the ledger agrees with itself");
        }
        for (of, len, who) in asked {
            let tokens = list(&of, len);
            let may = |theirs: usize, scope: Scope| match scope {
                Scope::Agent => theirs == who,
                Scope::Tenant => OWNERS[theirs].tenant == OWNERS[who].tenant,
                Scope::Fleet => true,
            };
            let expected = naive
                .iter()
                .filter(|(theirs, scope, _)| may(*theirs, *scope))
                .map(|(_, _, list)| list.iter().zip(&tokens).take_while(|(l, r)| l == r).count())
                .max();
            prop_assert_eq!(ledger.find(OWNERS[who], &tag(), &tokens).tokens as usize, expected.unwrap_or(0));
        }
    }
}
