//! Tokens per second of a whole model: a prompt of 512, and 64 tokens one after the other.
//!
//! `FAK_BENCH_MODEL` names a GGUF file, for instance one of random weights in the geometry of SmolLM2-135M. Each row runs
//! it as it is and with its matrices stored as Q8_0. Absolute numbers of different runs say nothing about each other.

#![allow(missing_docs, clippy::allow_attributes, reason = "a program")]

use std::{
    env, fs,
    sync::{Mutex, OnceLock},
};

use divan::{Bencher, counter::ItemsCount};
use fak_engine::{
    KvPages, LoadOptions, Model, PageList, Request, Runner, Sampler, Sampling, Source, Text,
};
use fak_gguf::{Gguf, ModelConfig, TensorType, Writer, dequantize_row, quantize_row};
use fak_simd::{Compute, Pool};

const VARIABLE: &str = "FAK_BENCH_MODEL";

/// Tokens of the prompt in `prefill`.
const PROMPT: usize = 512;

/// Tokens of the answer in `decode`.
const ANSWER: usize = 64;

fn main() {
    if env::var_os(VARIABLE).is_none() {
        eprintln!("{VARIABLE} names no GGUF file; nothing is measured");
        return;
    }
    divan::main();
}

/// The file with its matrices stored as Q8_0.
fn requantised(file: &Gguf<'_>) -> Vec<u8> {
    let ty = TensorType::Q8_0;
    let mut stored = Vec::new();
    for tensor in file.tensors() {
        let mut data = Vec::new();
        let is_matrix = tensor.dims().len() > 1;
        for row in 0..tensor.rows() {
            let raw = tensor.row(row).expect("a row of the file");
            if is_matrix {
                let mut numbers = vec![0.0; tensor.row_len()];
                dequantize_row(tensor.ty(), raw, &mut numbers).expect("a row of the file");
                data.extend(quantize_row(ty, &numbers).expect("whole blocks"));
            } else {
                data.extend(raw);
            }
        }
        stored.push((tensor, if is_matrix { ty } else { tensor.ty() }, data));
    }
    let mut writer = Writer::new();
    for (key, value) in file.metadata() {
        writer.entry(key, *value);
    }
    for (tensor, ty, data) in &stored {
        writer.tensor(tensor.name(), *ty, tensor.dims(), data);
    }
    writer.finish().expect("it was read")
}

/// The model as its file holds it, and with Q8_0.
fn models() -> &'static [Model; 2] {
    static MODELS: OnceLock<[Model; 2]> = OnceLock::new();
    MODELS.get_or_init(|| {
        let path = env::var_os(VARIABLE).expect("checked in main");
        let bytes = fs::read(path).expect("the file is there");
        let file = Gguf::parse(&bytes).expect("a GGUF file");
        let load = |file: &Gguf<'_>| {
            let config = ModelConfig::from_gguf(file).expect("a known model");
            let options = LoadOptions::default();
            let source = Source::Gguf(file);
            Model::load(&config, source, &options, &mut Pool::new(2)).expect("it is run")
        };
        let small = requantised(&file);
        let small = Gguf::parse(&small).expect("it was just written");
        [load(&file), load(&small)]
    })
}

/// One runner for each number of threads.
fn runner(threads: usize) -> &'static Mutex<Runner> {
    static RUNNERS: OnceLock<[Mutex<Runner>; 2]> = OnceLock::new();
    let of = |threads| Mutex::new(Runner::new(Compute::new(threads)));
    &RUNNERS.get_or_init(|| [of(1), of(2)])[threads - 1]
}

fn generate(model: &Model, threads: usize, prompt: usize, answer: usize) -> u32 {
    let mut pages = KvPages::new(&model.kv_layout(), 64);
    let mut list = PageList::new();
    let prompt: Vec<u32> = (0_u32..).map(|i| i * 7919 % 40_000).take(prompt).collect();
    let request = Request {
        prompt: &prompt,
        stop: &[],
        tokens_max: answer,
    };
    let text = Text {
        pages: &mut pages,
        list: &mut list,
    };
    let mut sampler = Sampler::new(Sampling::default()).expect("the default is in range");
    let mut last = 0;
    runner(threads)
        .lock()
        .expect("no bench panics")
        .generate(model, text, &request, &mut sampler, &mut |token| {
            last = token;
            true
        })
        .expect("it runs");
    last
}

/// Which model, which number of threads.
const CASES: [(usize, usize); 4] = [(0, 1), (0, 2), (1, 1), (1, 2)];

#[divan::bench(args = CASES, sample_count = 5, sample_size = 1)]
fn decode(bencher: Bencher<'_, '_>, (model, threads): (usize, usize)) {
    let model = &models()[model];
    bencher
        .counter(ItemsCount::new(ANSWER))
        .bench_local(|| generate(model, threads, 1, ANSWER));
}

#[divan::bench(args = CASES, sample_count = 3, sample_size = 1)]
fn prefill(bencher: Bencher<'_, '_>, (model, threads): (usize, usize)) {
    let model = &models()[model];
    bencher
        .counter(ItemsCount::new(PROMPT))
        .bench_local(|| generate(model, threads, PROMPT, 1));
}
