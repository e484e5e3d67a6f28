//! A real worker in a real cell, on a small model made here.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use fak_engine::{KvPages, LoadOptions, Model, PageList, Request, Runner, Sampler, Source, Text};
use fak_gguf::{ArrayBuf, Gguf, ModelConfig, TensorType, Value, Writer};
use fak_simd::Compute;
use fak_worker::{
    Finished, Generate, KvNumbers, Load, Prompt, Sampling, Tell, Worker, WorkerError,
};
use tempfile::TempDir;

const WIDTH: u64 = 64;
const FFN: u64 = 96;
const LAYERS: u32 = 2;
/// The 256 symbols of bytes and one that ends an answer.
const VOCAB: u64 = 257;

/// Numbers that look random and are the same everywhere.
struct Noise(u64);

impl Noise {
    fn floats(&mut self, count: u64, scale: f32) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..count {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            let unit = f32::from(u16::try_from(self.0 >> 48).expect("16 bits")) / 65_536.0 - 0.5;
            bytes.extend_from_slice(&(unit * scale).to_le_bytes());
        }
        bytes
    }
}

/// The symbols byte-level vocabularies write bytes with.
fn symbols() -> Vec<String> {
    let printable = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let mut next = 256;
    let mut symbol = |byte: u32| {
        let point = if printable(byte) {
            byte
        } else {
            next += 1;
            next - 1
        };
        char::from_u32(point).expect("a character").to_string()
    };
    let mut all: Vec<String> = (0..256).map(&mut symbol).collect();
    all.push("<|end|>".to_owned());
    all
}

fn model() -> Vec<u8> {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let ones: Vec<u8> = (0..WIDTH).flat_map(|_| 1_f32.to_le_bytes()).collect();
    let embedding = noise.floats(WIDTH * VOCAB, 2.0);
    let mut parts: Vec<(String, Vec<u64>, Vec<u8>)> = Vec::new();
    for layer in 0..LAYERS {
        for (name, columns, rows) in [
            ("attn_q", WIDTH, WIDTH),
            ("attn_k", WIDTH, WIDTH / 2),
            ("attn_v", WIDTH, WIDTH / 2),
            ("attn_output", WIDTH, WIDTH),
            ("ffn_gate", WIDTH, FFN),
            ("ffn_up", WIDTH, FFN),
            ("ffn_down", FFN, WIDTH),
        ] {
            let data = noise.floats(columns * rows, 0.5);
            parts.push((
                format!("blk.{layer}.{name}.weight"),
                vec![columns, rows],
                data,
            ));
        }
        for name in ["attn_norm", "ffn_norm"] {
            parts.push((
                format!("blk.{layer}.{name}.weight"),
                vec![WIDTH],
                ones.clone(),
            ));
        }
    }
    let symbols = symbols();
    let tokens = ArrayBuf::strings(symbols.iter().map(String::as_str));
    let mut kinds = ArrayBuf::new(fak_gguf::ValueType::I32);
    for index in 0..VOCAB {
        kinds.push(Value::I32(if index == VOCAB - 1 { 3 } else { 1 }));
    }
    let merges = ArrayBuf::strings([]);
    let template =
        "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}[assistant] ";
    let mut writer = Writer::new();
    writer
        .entry("general.architecture", Value::String("llama"))
        .entry("llama.block_count", Value::U32(LAYERS))
        .entry("llama.context_length", Value::U32(512))
        .entry("llama.embedding_length", Value::U32(64))
        .entry("llama.feed_forward_length", Value::U32(96))
        .entry("llama.attention.head_count", Value::U32(2))
        .entry("llama.attention.head_count_kv", Value::U32(1))
        .entry("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5))
        .entry("llama.rope.freq_base", Value::F32(10_000.0))
        .entry("llama.rope.dimension_count", Value::U32(32))
        .entry("llama.vocab_size", Value::U32(257))
        .entry("tokenizer.ggml.model", Value::String("gpt2"))
        .entry("tokenizer.ggml.pre", Value::String("gpt-2"))
        .entry("tokenizer.ggml.tokens", tokens.value())
        .entry("tokenizer.ggml.token_type", kinds.value())
        .entry("tokenizer.ggml.merges", merges.value())
        .entry("tokenizer.ggml.eos_token_id", Value::U32(256))
        .entry("tokenizer.chat_template", Value::String(template))
        .tensor(
            "token_embd.weight",
            TensorType::F32,
            &[WIDTH, VOCAB],
            &embedding,
        )
        .tensor("output_norm.weight", TensorType::F32, &[WIDTH], &ones);
    for (name, dims, data) in &parts {
        writer.tensor(name, TensorType::F32, dims, data);
    }
    writer.finish().expect("a file")
}

struct Place {
    dir: TempDir,
}

impl Place {
    fn of(bytes: &[u8]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("model.gguf"), bytes).expect("written");
        Self { dir }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("model.gguf")
    }

    fn worker(&self, threads: usize) -> Worker {
        let file = File::open(self.path()).expect("opened");
        Worker::start(program(), file, threads).expect("a worker")
    }

    fn loaded(&self, threads: usize) -> Worker {
        let mut worker = self.worker(threads);
        let info = worker.load(load()).expect("loaded");
        assert_eq!(
            (info.architecture.as_str(), info.layers, info.vocab),
            ("llama", 2, 257)
        );
        assert!(info.chats && info.kernels == fak_simd::FAMILY, "{info:?}");
        worker
    }
}

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_fak-worker"))
}

fn load() -> Load {
    Load {
        kv: KvNumbers::F16,
        rows_max: 64,
        context: None,
        memory_bytes_max: 64 << 20,
    }
}

fn request(prompt: Prompt, temperature: f32) -> Generate {
    Generate {
        id: 1,
        prompt,
        sampling: Sampling {
            temperature,
            seed: 42,
            ..Sampling::default()
        },
        tokens_max: 100,
    }
}

/// Everything a worker tells of an answer: tokens, text, and how it ended.
fn told(worker: &mut Worker, request: Generate) -> (Vec<u32>, String, Finished) {
    let (mut tokens, mut all, mut end) = (Vec::new(), String::new(), None);
    let each = &mut |tell: &Tell| {
        match tell {
            Tell::Token { token, text, .. } => {
                tokens.push(*token);
                all.push_str(text);
            }
            Tell::Done { finished, text, .. } => {
                all.push_str(text);
                end = Some(*finished);
            }
            other => panic!("{other:?}"),
        }
        true
    };
    worker.generate(request, each).expect("an answer");
    (tokens, all, end.expect("an end"))
}

/// The same answer without a worker.
fn here(bytes: &[u8], prompt: &[u32], temperature: f32) -> Vec<u32> {
    let file = Gguf::parse(bytes).expect("a file");
    let config = ModelConfig::from_gguf(&file).expect("a config");
    let mut runner = Runner::new(Compute::new(1));
    let options = LoadOptions::default();
    let model = Model::load(
        &config,
        Source::Gguf(&file),
        &options,
        runner.compute().pool(),
    );
    let model = model.expect("a model");
    let mut pages = KvPages::new(&model.kv_layout(), 8);
    let mut list = PageList::new();
    let text = Text {
        pages: &mut pages,
        list: &mut list,
    };
    let sampling = request(Prompt::Tokens(Vec::new()), temperature).sampling;
    let mut sampler = Sampler::new(sampling.into()).expect("a sampler");
    let asked = Request {
        prompt,
        stop: &[256],
        tokens_max: 100,
    };
    let mut tokens = Vec::new();
    let each = &mut |token| {
        tokens.push(token);
        true
    };
    runner
        .generate(&model, text, &asked, &mut sampler, each)
        .expect("an answer");
    tokens
}

#[test]
fn a_worker_tells_what_the_engine_computes_on_any_number_of_threads() {
    let bytes = model();
    let place = Place::of(&bytes);
    let prompt: Vec<u32> = (0..90).map(|index| index * 7 % 256).collect();
    for temperature in [0.0, 1.0] {
        let wanted = here(&bytes, &prompt, temperature);
        assert!(wanted.len() > 3, "{wanted:?}");
        for threads in [1, 2] {
            let mut worker = place.loaded(threads);
            let asked = || request(Prompt::Tokens(prompt.clone()), temperature);
            assert_eq!(told(&mut worker, asked()).0, wanted, "{threads} threads");
            assert_eq!(told(&mut worker, asked()).0, wanted, "asked again");
        }
    }
}

#[test]
fn a_worker_killed_in_the_middle_is_replaced_and_the_tokens_are_the_same() {
    let place = Place::of(&model());
    let asked = || request(Prompt::Text("Where are we?".to_owned()), 1.0);
    let (wanted, _, _) = told(&mut place.loaded(2), asked());
    for after in [0, 1, wanted.len() / 2, wanted.len() - 1] {
        let mut worker = place.loaded(2);
        let pid = worker.pid().to_string();
        let mut seen = Vec::new();
        let lost = worker.generate(asked(), &mut |tell| {
            if let Tell::Token { token, .. } = tell {
                if seen.len() == after {
                    let killed = Command::new("kill").args(["-9", &pid]).status();
                    assert!(killed.expect("ran").success());
                }
                seen.push(*token);
            }
            true
        });
        // What was on its way when it died may still arrive, and is no other than it would have been.
        if let Err(error) = lost {
            assert!(matches!(error, WorkerError::Lost(_)), "{error}");
        }
        assert_eq!(wanted.get(..seen.len()), Some(seen.as_slice()));
        assert_eq!(told(&mut place.loaded(1), asked()).0, wanted);
    }
}

#[test]
fn a_conversation_is_written_by_the_models_own_template() {
    let place = Place::of(&model());
    let mut worker = place.loaded(1);
    let messages = r#"[{"role": "user", "content": "hi <|end|>"}]"#.to_owned();
    let chat = Prompt::Chat {
        messages,
        tools: None,
    };
    let (tokens, text, _) = told(&mut worker, request(chat, 0.0));
    assert!(!tokens.is_empty() && !text.contains("<|end|>"), "{text}");
    let broken = Prompt::Chat {
        messages: "[{".to_owned(),
        tools: None,
    };
    let refused = worker.generate(request(broken, 0.0), &mut |_| true);
    assert!(
        matches!(refused, Err(WorkerError::Refused(_))),
        "{refused:?}"
    );
    // It goes on after what it refused.
    let again = told(&mut worker, request(Prompt::Text("a".to_owned()), 0.0));
    assert!(!again.0.is_empty());
}

#[test]
fn an_answer_is_cancelled_and_the_next_one_is_whole() {
    let place = Place::of(&model());
    let mut worker = place.loaded(1);
    let asked = |id| Generate {
        id,
        ..request(Prompt::Text("on and on".to_owned()), 1.0)
    };
    let whole = told(&mut worker, asked(1)).0;
    let (mut count, mut end) = (0, None);
    let each = &mut |tell: &Tell| {
        count += usize::from(matches!(tell, Tell::Token { .. }));
        if let Tell::Done { finished, .. } = tell {
            end = Some(*finished);
        }
        count < 2
    };
    worker.generate(asked(2), each).expect("an end");
    // A short answer may be over before the cancel is heard.
    assert!(
        end == Some(Finished::Cancelled) || count >= whole.len(),
        "{end:?} after {count}"
    );
    assert_eq!(told(&mut worker, asked(3)).0, whole);
}

#[test]
fn what_cannot_be_run_is_told_and_kills_nobody() {
    let bytes = model();
    let cut = bytes.get(..bytes.len() / 2).expect("a part").to_vec();
    for (file, part) in [(b"no model".to_vec(), ""), (cut, ""), (vec![0; 4096], "")] {
        let place = Place::of(&file);
        let mut worker = place.worker(1);
        let refused = worker.load(load());
        assert!(
            matches!(&refused, Err(WorkerError::Refused(why)) if why.contains(part)),
            "{refused:?}"
        );
    }
    let place = Place::of(&bytes);
    let mut worker = place.worker(1);
    let small = Load {
        memory_bytes_max: 1000,
        ..load()
    };
    let refused = worker.load(small);
    assert!(
        matches!(refused, Err(WorkerError::Refused(_))),
        "{refused:?}"
    );
    let early = worker.generate(request(Prompt::Text("a".to_owned()), 0.0), &mut |_| true);
    assert!(matches!(&early, Err(WorkerError::Refused(why)) if why == "no model is loaded"));
    worker.load(load()).expect("loaded after all");
    let unknown = worker.generate(request(Prompt::Tokens(vec![9999]), 0.0), &mut |_| true);
    assert!(
        matches!(&unknown, Err(WorkerError::Refused(why)) if why.contains("token 0")),
        "{unknown:?}"
    );
}

#[test]
fn by_hand_it_is_of_no_use() {
    for args in [&[][..], &["0"], &["many"], &["1", "2"]] {
        let output = Command::new(program()).args(args).output().expect("ran");
        assert_eq!(output.status.code(), Some(64), "{args:?}");
    }
}
