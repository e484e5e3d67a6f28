//! One answer, always: the bits of a row do not know how it was computed.

#![allow(
    clippy::allow_attributes,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of tests are small"
)]

mod support;

use fak_engine::{KvPages, Model, PageList, PageView, Row, Runner, Sequence};
use fak_gguf::TensorType;
use fak_simd::{Isa, KvKind};
use proptest::prelude::*;
use support::{Case, Text, bits, isas, runner};

/// A model of each kind: sliding, capped, with sinks and experts, quantised.
fn models() -> Vec<(&'static str, Model)> {
    let of = |name: &'static str, kv| (name, Case::read(name).model(kv));
    vec![
        of("mistral", KvKind::F16),
        of("gemma2", KvKind::F32),
        of("gpt_oss", KvKind::Q8),
        of("qwen3_moe", KvKind::F16),
        (
            "llama_q8_0",
            Case::read("llama_q8_0").model_gguf(TensorType::Q8_0, KvKind::F16),
        ),
    ]
}

/// What a text comes to when it is run alone, at once, on plain code and one thread. Logits of every token.
fn alone(model: &Model, tokens: &[u32]) -> Vec<Vec<u32>> {
    let mut runner = runner(Isa::Portable, 1);
    let (logits, _) = Text::new(model).run(&mut runner, model, tokens);
    logits.chunks(model.vocab()).map(bits).collect()
}

/// A text within a batch.
struct Part {
    list: PageList,
    tokens: Vec<u32>,
    done: usize,
    found: Vec<Vec<u32>>,
}

impl Part {
    fn new(tokens: &[u32]) -> Part {
        Part {
            list: PageList::new(),
            tokens: tokens.to_vec(),
            done: 0,
            found: Vec::new(),
        }
    }

    fn next(&mut self, pages: &mut KvPages, count: usize) -> Vec<Row> {
        let count = count.min(self.tokens.len() - self.done);
        self.list.extend(pages, count).unwrap();
        let first = self.done;
        self.done += count;
        let row = |at: usize| Row {
            token: self.tokens[at],
            position: at as u32,
            logits: true,
        };
        (first..self.done).map(row).collect()
    }
}

/// Runs parts together, each pass so many tokens of each.
fn together(
    runner: &mut Runner,
    model: &Model,
    pages: &mut KvPages,
    parts: &mut [Part],
    chunks: &[usize],
) {
    let mut sizes = chunks.iter().cycle();
    while parts.iter().any(|part| part.done < part.tokens.len()) {
        let rows: Vec<Vec<Row>> = parts
            .iter_mut()
            .map(|part| part.next(pages, *sizes.next().unwrap()))
            .collect();
        let batch: Vec<Sequence<'_>> = parts
            .iter()
            .zip(&rows)
            .filter(|(_, rows)| !rows.is_empty())
            .map(|(part, rows)| Sequence {
                views: part.list.views(),
                rows,
            })
            .collect();
        let logits = runner
            .forward(model, pages, &batch, &mut |_, _| true)
            .unwrap()
            .to_vec();
        let mut logits = logits.chunks(model.vocab()).map(bits);
        for (part, rows) in parts.iter_mut().zip(&rows) {
            part.found.extend(logits.by_ref().take(rows.len()));
        }
    }
}

fn text(tokens: usize) -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(3_u32..190, 1..tokens)
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(8))]

    #[test]
    fn chunks_batches_threads_and_instructions(
        texts in prop::collection::vec(text(100), 1..4),
        chunks in prop::collection::vec(0_usize..40, 1..6),
        threads in 1_usize..4,
    ) {
        prop_assume!(chunks.iter().any(|chunk| *chunk > 0));
        for (name, model) in models() {
            let expected: Vec<_> = texts.iter().map(|text| alone(&model, text)).collect();
            for isa in isas() {
                let mut runner = runner(isa, threads);
                let mut pages = KvPages::new(&model.kv_layout(), 64);
                let mut parts: Vec<Part> = texts.iter().map(|text| Part::new(text)).collect();
                // A size of nothing for one text lets the others go ahead.
                let mut chunks = chunks.clone();
                chunks.push(7);
                together(&mut runner, &model, &mut pages, &mut parts, &chunks);
                for (part, expected) in parts.iter().zip(&expected) {
                    prop_assert!(part.found == *expected, "{name} {}", isa.name());
                }
            }
        }
    }

    #[test]
    fn forks_share_and_stay_apart(
        stem in text(100),
        left in text(40),
        right in text(40),
        chunk in 1_usize..30,
    ) {
        for (name, model) in models() {
            let mut runner = runner(Isa::detect(), 2);
            let mut pages = KvPages::new(&model.kv_layout(), 64);
            let mut trunk = [Part::new(&stem)];
            together(&mut runner, &model, &mut pages, &mut trunk, &[chunk]);
            let [trunk] = trunk;
            let branch = |more: &[u32], list: PageList| Part {
                list,
                tokens: [&stem[..], more].concat(),
                done: stem.len(),
                found: Vec::new(),
            };
            let fork = trunk.list.fork(&mut pages);
            let mut parts = [branch(&left, trunk.list), branch(&right, fork)];
            together(&mut runner, &model, &mut pages, &mut parts, &[chunk, 3]);
            for part in &parts {
                let expected = alone(&model, &part.tokens);
                prop_assert!(part.found[..] == expected[stem.len()..], "{name}");
            }
        }
    }

    #[test]
    fn what_is_cut_out_and_run_again_was_never_there(
        before in text(90),
        poison in text(30),
        after in text(30),
        last in 3_u32..190,
    ) {
        for (name, model) in models() {
            let mut runner = runner(Isa::detect(), 2);
            let mut seen = Text::new(&model);
            let all = [&before[..], &poison, &after].concat();
            seen.run(&mut runner, &model, &all);
            let mut kept = Text { list: seen.list.fork(&mut seen.pages), pages: seen.pages };
            // The span goes, and with it everything that saw it; what is wanted of that is run again.
            kept.list.truncate(&mut kept.pages, before.len());
            kept.run(&mut runner, &model, &after);
            let (logits, _) = kept.run(&mut runner, &model, &[last]);
            let clean = [&before[..], &after, &[last]].concat();
            let expected = alone(&model, &clean);
            prop_assert!(bits(&logits) == *expected.last().unwrap(), "{name}");
        }
    }
}

/// Siblings that do not see each other, each on pages of its own; `parts` are the tokens of each.
struct Siblings {
    pages: KvPages,
    views: Vec<PageView>,
    found: Vec<Vec<u32>>,
}

impl Siblings {
    fn new(model: &Model) -> Siblings {
        Siblings {
            pages: KvPages::new(&model.kv_layout(), 64),
            views: Vec::new(),
            found: Vec::new(),
        }
    }

    /// Runs tokens on a page of their own, behind the views `seen`, at `position`. Gives the page.
    fn add(
        &mut self,
        (runner, model): (&mut Runner, &Model),
        seen: &[PageView],
        (tokens, position): (&[u32], u32),
    ) -> PageView {
        let mut list = PageList::new();
        list.extend(&mut self.pages, tokens.len()).unwrap();
        let views = [seen, list.views()].concat();
        // Every other row's logits are not asked for; those of the others do not change by it.
        let rows: Vec<Row> = (position..)
            .zip(tokens)
            .map(|(position, &token)| Row {
                token,
                position,
                logits: position % 2 == 0 || tokens.len() == 1,
            })
            .collect();
        let batch = [Sequence {
            views: &views,
            rows: &rows,
        }];
        let logits = runner
            .forward(model, &mut self.pages, &batch, &mut |_, _| true)
            .unwrap();
        self.found.extend(logits.chunks(model.vocab()).map(bits));
        self.views.extend(list.views());
        list.views()[0]
    }
}

/// Of two isolated siblings one is dropped: what comes after is as if it had never been run.
#[test]
fn a_dropped_sibling_was_never_there() {
    let (stem, refused, kept, after) = (
        (3..13).collect::<Vec<u32>>(),
        [66_u32, 12, 80],
        [31_u32, 8, 90, 7, 21],
        [17_u32, 44],
    );
    for (name, model) in models() {
        let mut runner = runner(Isa::detect(), 2);
        let mut run = |with: bool, seen: bool| {
            let mut all = Siblings::new(&model);
            let a = all.add((&mut runner, &model), &[], (&stem, 0));
            let b = with.then(|| all.add((&mut runner, &model), &[a], (&refused, 10)));
            let c = all.add((&mut runner, &model), &[a], (&kept, 10));
            let views: Vec<PageView> = match b {
                Some(b) if seen => vec![a, b, c],
                _ => vec![a, c],
            };
            all.found.clear();
            for (token, position) in after.iter().zip(15..) {
                let mut views = views.clone();
                views.extend(&all.views[if with { 3 } else { 2 }..]);
                all.add((&mut runner, &model), &views, (&[*token], position));
            }
            all.found
        };
        let never = run(false, false);
        assert_eq!(never.len(), 2);
        assert!(run(true, false) == never, "{name}");
        assert!(run(true, true) != never, "{name}: the control");
    }
}

/// Asking for fewer logits changes none of those that are asked for.
#[test]
fn logits_that_are_not_asked_for() {
    let tokens: Vec<u32> = (0..90).map(|i| i * 37 % 190).collect();
    for (name, model) in models() {
        let expected = alone(&model, &tokens);
        for wanted in [1_usize, 2, 7, 1000] {
            let mut runner = runner(Isa::detect(), 2);
            let mut text = Text::new(&model);
            let mut found = Vec::new();
            for chunk in [0..50, 50..89, 89..90] {
                let rows: Vec<Row> = chunk
                    .clone()
                    .map(|at| Row {
                        token: tokens[at],
                        position: at as u32,
                        logits: at % wanted == 0,
                    })
                    .collect();
                text.list.extend(&mut text.pages, rows.len()).unwrap();
                let batch = [Sequence {
                    views: text.list.views(),
                    rows: &rows,
                }];
                let logits = runner
                    .forward(&model, &mut text.pages, &batch, &mut |_, _| true)
                    .unwrap();
                found.extend(logits.chunks(model.vocab()).map(bits));
            }
            let expected: Vec<_> = expected.iter().step_by(wanted).cloned().collect();
            assert!(found == expected, "{name}: every {wanted}");
        }
    }
}

/// The controls: what does change bits.
#[test]
fn a_span_that_is_kept_is_noticed() {
    let (before, poison, after) = ([5_u32, 9, 40, 7], [66_u32, 12], [31_u32, 8, 90]);
    for (name, model) in models() {
        let clean = alone(&model, &[&before[..], &after].concat());
        let kept = alone(&model, &[&before[..], &poison, &after].concat());
        assert_ne!(clean.last(), kept.last(), "{name}");
        // Keys and values of tokens that saw the span carry it, even when the span itself is out of sight.
        let mut runner = runner(Isa::detect(), 1);
        let mut text = Text::new(&model);
        text.run(
            &mut runner,
            &model,
            &[&before[..], &poison, &after].concat(),
        );
        let bytes = text.list.views()[0].page;
        let whole = fak_engine::KvMemory::page(&text.pages, bytes)
            .unwrap()
            .to_vec();
        let mut never = Text::new(&model);
        never.run(&mut runner, &model, &[&before[..], &after].concat());
        let other = fak_engine::KvMemory::page(&never.pages, never.list.views()[0].page).unwrap();
        assert_ne!(whole, other, "{name}");
        let moved = alone(&model, &[&before[..3], &after].concat());
        assert_ne!(clean.last(), moved.last(), "{name}: one token less");
    }
}

/// What a page holds beyond the listed rows is read into nothing.
#[test]
fn rows_that_are_not_listed_do_not_count() {
    for (name, model) in models() {
        let tokens: Vec<u32> = (3..73).collect();
        let expected = alone(&model, &tokens);
        let mut runner = runner(Isa::detect(), 2);
        let mut text = Text::new(&model);
        // Pages are dirty: another text was there, and its numbers are still in the rows behind.
        text.run(&mut runner, &model, &[100; 128]);
        let fork = text.list.fork(&mut text.pages);
        text.list.truncate(&mut text.pages, 0);
        let mut text = Text {
            list: fork,
            pages: text.pages,
        };
        text.list.truncate(&mut text.pages, 1);
        text.list.extend(&mut text.pages, 69).unwrap();
        let rows: Vec<Row> = (0..)
            .zip(&tokens)
            .map(|(position, &token)| Row {
                token,
                position,
                logits: true,
            })
            .collect();
        let batch = [Sequence {
            views: text.list.views(),
            rows: &rows,
        }];
        let logits = runner
            .forward(&model, &mut text.pages, &batch, &mut |_, _| true)
            .unwrap();
        let found: Vec<_> = logits.chunks(model.vocab()).map(bits).collect();
        assert!(found == expected, "{name}");
    }
}
