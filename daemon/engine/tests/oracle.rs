//! Answers of tiny models against double precision.

#![allow(
    clippy::allow_attributes,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of tests are small"
)]

mod support;

use fak_engine::Model;
use fak_gguf::TensorType;
use fak_simd::{Isa, KvKind, argmax};
use support::{Case, Text, runner};

/// What single precision may be off by, in logits of up to about 5.
const LOGITS_OFF: f64 = 5e-6;

/// The same for models that bend attention scores: `cap * tanh(score / cap)` loses 6e-8 of the cap, not of the score.
const CAPPED_OFF: f64 = 1e-5;

/// The same within the residual stream, relative to its largest number. A norm behind a half layer enlarges what is off
/// before it.
const STREAM_OFF: f64 = 5e-6;

fn furthest(ours: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(ours.len(), expected.len());
    assert!(ours.iter().all(|x| x.is_finite()));
    let distances = ours.iter().zip(expected);
    distances
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs())
        .fold(0.0, f64::max)
}

fn largest(numbers: &[f32]) -> f64 {
    numbers
        .iter()
        .map(|x| f64::from(x.abs()))
        .fold(1.0, f64::max)
}

fn check(name: &str) {
    let case = Case::read(name);
    let model = case.model(KvKind::F32);
    check_model(name, &case, &model);
}

/// Quantised weights need no more room: the oracle quantises activations as the contract says. The cases are ones in which
/// no number lies so close to the middle of two bytes that double and single precision round it to different ones.
fn check_model(name: &str, case: &Case, model: &Model) {
    let mut runner = runner(Isa::detect(), 1);
    let mut text = Text::new(model);
    let (logits, streams) = text.run(&mut runner, model, &case.prompt);
    let hidden = case.config.hidden as usize;
    for (layer, (ours, expected)) in streams.iter().zip(&case.hidden).enumerate() {
        let ours = &ours[ours.len() - expected.len()..];
        let off = furthest(ours, expected) / largest(expected);
        assert!(
            off <= STREAM_OFF,
            "{name}: after {layer} layers off by {off:.1e}"
        );
        assert_eq!(expected.len() % hidden, 0);
    }
    let last = &logits[logits.len() - case.logits.len()..];
    let off = furthest(last, &case.logits);
    eprintln!(
        "{name}: logits off by {off:.2e}, up to {:.1}",
        largest(last)
    );
    let most = match case.config.scales.attention_cap {
        Some(_) => CAPPED_OFF,
        None => LOGITS_OFF,
    };
    assert!(off <= most, "{name}: logits off by {off:.1e}");

    assert!(case.gap > 2.0 * most, "{name}: too close to call");
    let vocab = model.vocab();
    let mut best = argmax(&last[last.len() - vocab..]).unwrap() as u32;
    let mut greedy = vec![best];
    while greedy.len() < case.greedy.len() {
        let (logits, _) = text.run(&mut runner, model, &[best]);
        best = argmax(&logits).unwrap() as u32;
        greedy.push(best);
    }
    assert_eq!(greedy, case.greedy, "{name}");
}

macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                check(stringify!($name));
            }
        )*
    };
}

cases!(
    llama,
    qwen2,
    qwen3,
    mistral,
    gemma2,
    gemma3,
    phi3,
    olmo2,
    smollm3,
    mixtral,
    qwen3_moe,
    qwen2_moe,
    gpt_oss,
    glm4,
    gemma,
    granite,
    llama_llama3,
    llama_linear,
    qwen2_yarn,
    phi3_longrope,
);

#[test]
fn quantised_weights() {
    for name in ["llama_q8_0", "moe_q8_0"] {
        let case = Case::read(name);
        let model = case.model_gguf(TensorType::Q8_0, KvKind::F32);
        check_model(name, &case, &model);
    }
}

#[test]
fn both_kinds_of_file_give_the_same_bits() {
    for name in [
        "llama",
        "llama_linear",
        "qwen2",
        "qwen3",
        "gemma2",
        "gemma3",
        "phi3",
        "qwen3_moe",
        "gpt_oss",
    ] {
        let case = Case::read(name);
        let mut runner = runner(Isa::detect(), 1);
        let mut answer = |model: &Model| {
            let (logits, _) = Text::new(model).run(&mut runner, model, &case.prompt);
            support::bits(&logits)
        };
        let ours = answer(&case.model(KvKind::F16));
        let gguf = answer(&case.model_gguf(TensorType::F32, KvKind::F16));
        assert!(ours == gguf, "{name}");
    }
}
