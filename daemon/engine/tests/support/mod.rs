//! Tiny models: their weights are made from the names of their tensors, as tests/oracle/engine_oracle.py makes them.

#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test file uses a part of it"
)]

pub(crate) mod gguf;

use std::{fs, path::Path};

use fak_engine::{KvPages, LoadOptions, Model, PageList, Row, Runner, Sequence, Source};
use fak_gguf::{Gguf, ModelConfig, Safetensors, TensorType, quantize_row};
use fak_simd::{Compute, Isa, KvKind, Pool};
use serde_json::Value;

/// A case of the oracle.
pub(crate) struct Case {
    pub(crate) config: ModelConfig,
    pub(crate) config_json: Value,
    /// Name, shape with the row length last, numbers.
    pub(crate) tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
    pub(crate) prompt: Vec<u32>,
    pub(crate) greedy: Vec<u32>,
    /// The smallest distance of the two best logits along `greedy`.
    pub(crate) gap: f64,
    /// Of the last positions of the prompt, `vocab` numbers each.
    pub(crate) logits: Vec<f32>,
    /// Before the first layer and behind every layer, of the last positions.
    pub(crate) hidden: Vec<Vec<f32>>,
}

/// xorshift64* from the name's FNV-1a hash; the top 24 bits as a number from -1 to 1, scaled.
pub(crate) fn fill(name: &str, count: usize, scale: f32, offset: f32) -> Vec<f32> {
    let mut state = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let mut next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let bits = state.wrapping_mul(2_685_821_657_736_338_717) >> 40;
        let unit = (bits as f32 - 8_388_608.0) / 8_388_608.0;
        unit * scale + offset
    };
    (0..count).map(|_| next()).collect()
}

impl Case {
    pub(crate) fn read(name: &str) -> Case {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let note = fs::read(folder.join(format!("{name}.json"))).unwrap();
        let note: Value = serde_json::from_slice(&note).unwrap();
        let numbers = fs::read(folder.join(format!("{name}.f32"))).unwrap();
        let mut numbers = numbers
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()));
        let config_json = note["config"].clone();
        let config = ModelConfig::from_json(config_json.to_string().as_bytes()).unwrap();
        let list = |key: &str| -> Vec<u32> {
            let all = note[key].as_array().unwrap().iter();
            all.map(|x| x.as_u64().unwrap() as u32).collect()
        };
        let count = |key: &str| note[key].as_u64().unwrap() as usize;
        let logits = count("logits") * config.vocab as usize;
        let hidden = count("hidden") * config.hidden as usize;
        let tensors = note["tensors"].as_array().unwrap().iter().map(|tensor| {
            let file = tensor[0].as_str().unwrap();
            let shape = tensor[1].as_array().unwrap().iter();
            let shape: Vec<usize> = shape.map(|x| x.as_u64().unwrap() as usize).collect();
            let (scale, offset) = (tensor[2].as_f64().unwrap(), tensor[3].as_f64().unwrap());
            let seed = format!("{name}/{file}");
            let numbers = fill(&seed, shape.iter().product(), scale as f32, offset as f32);
            (file.to_owned(), shape, numbers)
        });
        Case {
            tensors: tensors.collect(),
            config_json,
            prompt: list("prompt"),
            greedy: list("greedy"),
            gap: note["gap"].as_f64().unwrap(),
            logits: numbers.by_ref().take(logits).collect(),
            hidden: (0..=config.layers)
                .map(|_| numbers.by_ref().take(hidden).collect())
                .collect(),
            config,
        }
    }

    /// The model's weights as a safetensors file.
    pub(crate) fn safetensors(&self) -> Vec<u8> {
        let mut header = serde_json::Map::new();
        let mut data = Vec::new();
        for (name, shape, numbers) in &self.tensors {
            let begin = data.len();
            data.extend(quantize_row(TensorType::F32, numbers).unwrap());
            header.insert(
                name.clone(),
                serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [begin, data.len()]}),
            );
        }
        let header = Value::Object(header).to_string();
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.bytes());
        file.extend(data);
        file
    }

    pub(crate) fn model(&self, kv: KvKind) -> Model {
        let file = self.safetensors();
        let files = [Safetensors::parse(&file).unwrap()];
        let options = LoadOptions {
            kv,
            ..LoadOptions::default()
        };
        let source = Source::Safetensors(&files);
        Model::load(&self.config, source, &options, &mut Pool::new(1)).unwrap()
    }
}

impl Case {
    /// The model out of a GGUF file with matrices stored as `ty`.
    pub(crate) fn model_gguf(&self, ty: TensorType, kv: KvKind) -> Model {
        let file = gguf::gguf(self, ty);
        let file = Gguf::parse(&file).unwrap();
        let options = LoadOptions {
            kv,
            ..LoadOptions::default()
        };
        let source = Source::Gguf(&file);
        Model::load(&self.config, source, &options, &mut Pool::new(1)).unwrap()
    }
}

/// A runner on some instruction set and number of threads.
pub(crate) fn runner(isa: Isa, threads: usize) -> Runner {
    Runner::new(Compute::with_isa(isa, threads).unwrap())
}

/// Instruction sets of this machine.
pub(crate) fn isas() -> Vec<Isa> {
    Isa::ALL
        .into_iter()
        .filter(|isa| isa.is_available())
        .collect()
}

/// One sequence that grows.
pub(crate) struct Text {
    pub(crate) pages: KvPages,
    pub(crate) list: PageList,
}

impl Text {
    pub(crate) fn new(model: &Model) -> Text {
        Text {
            pages: KvPages::new(&model.kv_layout(), 4096),
            list: PageList::new(),
        }
    }

    /// Runs some more tokens; gives the logits of all of them and, for each layer, the residual stream.
    pub(crate) fn run(
        &mut self,
        runner: &mut Runner,
        model: &Model,
        tokens: &[u32],
    ) -> (Vec<f32>, Vec<Vec<f32>>) {
        let first = self.list.len() as u32;
        self.list.extend(&mut self.pages, tokens.len()).unwrap();
        let rows: Vec<Row> = (first..)
            .zip(tokens)
            .map(|(position, &token)| Row {
                token,
                position,
                logits: true,
            })
            .collect();
        let batch = [Sequence {
            views: self.list.views(),
            rows: &rows,
        }];
        let mut streams = Vec::new();
        let mut watch = |_: usize, x: &[f32]| {
            streams.push(x.to_vec());
            true
        };
        let logits = runner
            .forward(model, &mut self.pages, &batch, &mut watch)
            .unwrap()
            .to_vec();
        (logits, streams)
    }
}

pub(crate) fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|x| x.to_bits()).collect()
}
