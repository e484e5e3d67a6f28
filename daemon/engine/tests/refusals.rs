//! What is not loaded and not run, each by its name.

#![allow(
    clippy::allow_attributes,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of tests are small"
)]

mod support;

use fak_engine::{
    Finish, ForwardError, GenerateError, KvPages, LoadError, LoadOptions, Model, PageList,
    PageView, ROWS_MAX, Request, Row, Sampler, Sampling, Sequence, Source, Text as Place,
};
use fak_gguf::{Architecture, Gguf, Safetensors, TensorType, Writer};
use fak_simd::{Isa, KvKind, Pool};
use proptest::prelude::*;
use support::{Case, Text, runner};

fn load(case: &Case, options: &LoadOptions) -> Result<Model, LoadError> {
    let file = case.safetensors();
    let files = [Safetensors::parse(&file).unwrap()];
    let source = Source::Safetensors(&files);
    Model::load(&case.config, source, options, &mut Pool::new(1))
}

fn error(case: &Case) -> LoadError {
    load(case, &LoadOptions::default()).unwrap_err()
}

#[test]
fn tensors_that_are_missing() {
    for (name, part) in [
        ("llama", "lm_head.weight"),
        ("llama", "layers.1.self_attn.v_proj.weight"),
        ("qwen2", "layers.0.self_attn.k_proj.bias"),
        ("qwen3", "layers.1.self_attn.q_norm.weight"),
        ("gemma2", "layers.0.post_feedforward_layernorm.weight"),
        ("mixtral", "layers.1.block_sparse_moe.experts.3.w2.weight"),
        ("gpt_oss", "layers.0.self_attn.sinks"),
        ("gpt_oss", "layers.0.mlp.experts.down_proj_bias"),
        ("phi3", "layers.0.mlp.gate_up_proj.weight"),
    ] {
        let mut case = Case::read(name);
        let before = case.tensors.len();
        case.tensors.retain(|(own, ..)| !own.ends_with(part));
        assert_eq!(case.tensors.len(), before - 1);
        match error(&case) {
            // Fused tensors are looked for first; then their parts are missing.
            LoadError::Missing(_) if name == "phi3" => {}
            LoadError::Missing(own) => assert!(own.ends_with(part), "{own}"),
            other => panic!("{name}: {other}"),
        }
    }
}

#[test]
fn tensors_nobody_asked_for() {
    for (name, extra, shape) in [
        ("llama", "model.layers.2.mlp.up_proj.weight", vec![128, 64]),
        ("llama", "model.layers.0.self_attn.q_norm.weight", vec![16]),
        ("mixtral", "model.layers.0.mlp.up_proj.weight", vec![64, 64]),
    ] {
        let mut case = Case::read(name);
        let numbers = vec![0.0; shape.iter().product()];
        case.tensors.push((extra.to_owned(), shape, numbers));
        assert_eq!(error(&case), LoadError::Unexpected(extra.to_owned()));
    }
    let mut case = Case::read("llama");
    let constant = "model.layers.0.self_attn.rotary_emb.inv_freq";
    case.tensors
        .push((constant.to_owned(), vec![8], vec![0.0; 8]));
    assert!(load(&case, &LoadOptions::default()).is_ok());
}

#[test]
fn tensors_of_another_shape_or_type() {
    let mut case = Case::read("llama");
    case.config.ffn = 96;
    let LoadError::Shape {
        name,
        expected,
        found,
    } = error(&case)
    else {
        panic!("no shape");
    };
    assert_eq!(name, "model.layers.0.mlp.down_proj.weight");
    assert_eq!((expected, found), (vec![96, 64], vec![128, 64]));

    let file = support::gguf::gguf(&Case::read("llama"), TensorType::F32);
    let file = Gguf::parse(&file).unwrap();
    let mut writer = Writer::new();
    for tensor in file.tensors() {
        let dims: Vec<u64> = match tensor.name() {
            "output.weight" => vec![199, 64],
            _ => tensor.dims().to_vec(),
        };
        writer.tensor(tensor.name(), tensor.ty(), &dims, tensor.data());
    }
    let file = writer.finish().unwrap();
    let file = Gguf::parse(&file).unwrap();
    let config = Case::read("llama").config;
    let source = Source::Gguf(&file);
    let found = Model::load(&config, source, &LoadOptions::default(), &mut Pool::new(1));
    assert!(matches!(found, Err(LoadError::Shape { name, .. }) if name == "output.weight"));
}

#[test]
fn models_that_are_not_run() {
    let mut case = Case::read("llama");
    case.config.architecture = Architecture::StableLm;
    assert_eq!(error(&case), LoadError::Architecture("stablelm"));
    let mut case = Case::read("llama");
    case.config.norm.centred = true;
    assert!(matches!(error(&case), LoadError::Unsupported(_)));
    let mut case = Case::read("llama");
    case.config.heads.value_dim = 8;
    assert!(matches!(error(&case), LoadError::Unsupported(_)));
    for rows_max in [0, ROWS_MAX + 1] {
        let options = LoadOptions {
            rows_max,
            ..LoadOptions::default()
        };
        let found = load(&Case::read("llama"), &options);
        assert!(matches!(found, Err(LoadError::Unsupported(_))));
    }
}

#[test]
fn memory_is_planned_before_it_is_taken() {
    let case = Case::read("llama");
    let options = LoadOptions::default();
    let model = load(&case, &options).unwrap();
    let plan = model.memory();
    let file = case.safetensors();
    let files = [Safetensors::parse(&file).unwrap()];
    let drawn = Model::plan(&case.config, Source::Safetensors(&files), &options).unwrap();
    assert_eq!(plan, drawn);
    let numbers: usize = case.tensors.iter().map(|(.., numbers)| numbers.len()).sum();
    let exact = 4 * numbers as u64;
    assert!(plan.weight_bytes >= exact && plan.weight_bytes < exact * 12 / 10);
    // Two layers, two heads, keys and values of 16 numbers of two bytes.
    assert_eq!(plan.kv_token_bytes, 2 * 2 * 2 * 16 * 2);
    assert_eq!(plan.kv_page_bytes, 64 * plan.kv_token_bytes);
    assert_eq!(plan.kv_page_bytes, model.kv_layout().page_bytes() as u64);
    let needed = plan.total_bytes();
    let bound = |memory_bytes_max| LoadOptions {
        memory_bytes_max,
        ..options
    };
    assert!(load(&case, &bound(needed)).is_ok());
    let found = load(&case, &bound(needed - 1)).unwrap_err();
    let given = needed - 1;
    assert_eq!(found, LoadError::Memory { needed, given });
}

/// One batch on a small model, as a table of what is wrong with it.
fn refused(views: &[PageView], rows: &[Row]) -> ForwardError {
    let model = Case::read("llama").model(KvKind::F16);
    let mut text = Text::new(&model);
    text.list.extend(&mut text.pages, 70).unwrap();
    let before: Vec<Vec<u8>> = (0..2)
        .map(|page| {
            fak_engine::KvMemory::page(&text.pages, page)
                .unwrap()
                .to_vec()
        })
        .collect();
    let batch = [Sequence { views, rows }];
    let found = runner(Isa::detect(), 1)
        .forward(&model, &mut text.pages, &batch, &mut |_, _| true)
        .map(<[f32]>::to_vec);
    for (page, before) in (0..2).zip(&before) {
        let now = fak_engine::KvMemory::page(&text.pages, page).unwrap();
        assert!(now == before, "a refused batch wrote");
    }
    found.unwrap_err()
}

#[test]
fn batches_that_are_not_run() {
    let view = |page, rows| PageView { page, rows };
    let row = |token, position| Row {
        token,
        position,
        logits: true,
    };
    let one = [row(5, 0)];
    assert_eq!(
        refused(&[view(0, 1)], &[row(199, 0)]),
        ForwardError::Token(199)
    );
    assert_eq!(
        refused(&[view(0, 1)], &[row(1, 512)]),
        ForwardError::Position(512)
    );
    assert_eq!(refused(&[view(7, 1)], &one), ForwardError::Page(7));
    for rows in [0, 65, u32::MAX] {
        let expected = ForwardError::View { page: 0, rows };
        assert_eq!(refused(&[view(0, rows)], &one), expected);
    }
    let expected = ForwardError::NoRoom {
        rows: 2,
        visible: 1,
    };
    assert_eq!(refused(&[view(0, 1)], &[row(1, 0), row(1, 1)]), expected);
    assert_eq!(
        refused(&[], &one),
        ForwardError::NoRoom {
            rows: 1,
            visible: 0
        }
    );
    let twice = [view(0, 1), view(0, 1)];
    let expected = ForwardError::Twice { page: 0, row: 0 };
    assert_eq!(refused(&twice, &[row(1, 0), row(1, 1)]), expected);
    let many = vec![row(1, 0); 513];
    let expected = ForwardError::Rows {
        rows: 513,
        most: 512,
    };
    assert_eq!(refused(&[view(0, 1)], &many), expected);
}

#[test]
fn a_pass_can_be_stopped_between_layers() {
    let model = Case::read("llama").model(KvKind::F16);
    let mut text = Text::new(&model);
    text.list.extend(&mut text.pages, 1).unwrap();
    let rows = [Row {
        token: 5,
        position: 0,
        logits: true,
    }];
    let batch = [Sequence {
        views: text.list.views(),
        rows: &rows,
    }];
    let mut layers = Vec::new();
    let found = runner(Isa::detect(), 1)
        .forward(&model, &mut text.pages, &batch, &mut |layer, _| {
            layers.push(layer);
            layer < 1
        })
        .map(<[f32]>::to_vec);
    assert_eq!(found, Err(ForwardError::Stopped));
    assert_eq!(layers, [0, 1]);
}

/// Runs a request behind nothing.
fn generated(
    case: &Case,
    request: &Request<'_>,
    sampling: Sampling,
    pages_max: usize,
) -> (Vec<u32>, Result<Finish, GenerateError>, usize) {
    let model = case.model(KvKind::F32);
    let mut pages = KvPages::new(&model.kv_layout(), pages_max);
    let mut list = PageList::new();
    let mut tokens = Vec::new();
    let mut sampler = Sampler::new(sampling).unwrap();
    let place = Place {
        pages: &mut pages,
        list: &mut list,
    };
    let found =
        runner(Isa::detect(), 2).generate(&model, place, request, &mut sampler, &mut |token| {
            tokens.push(token);
            tokens.len() < 600
        });
    (tokens, found, list.len())
}

#[test]
fn generation_ends_as_it_is_told() {
    let case = Case::read("llama");
    let request = Request {
        prompt: &case.prompt,
        stop: &[],
        tokens_max: case.greedy.len(),
    };
    let (tokens, found, run) = generated(&case, &request, Sampling::default(), 8);
    assert_eq!((tokens, found), (case.greedy.clone(), Ok(Finish::Length)));
    assert_eq!(run, case.prompt.len() + case.greedy.len() - 1);

    let stop = [case.greedy[4]];
    let stopped = Request {
        stop: &stop,
        ..request
    };
    let (tokens, found, _) = generated(&case, &stopped, Sampling::default(), 8);
    assert_eq!((&tokens[..], found), (&case.greedy[..5], Ok(Finish::Stop)));

    let long = Request {
        tokens_max: 1000,
        ..request
    };
    let (tokens, found, run) = generated(&case, &long, Sampling::default(), 100);
    assert_eq!(found, Ok(Finish::Context));
    assert_eq!((run, tokens.len()), (512, 512 - case.prompt.len() + 1));

    let (tokens, found, run) = generated(&case, &long, Sampling::default(), 2);
    assert!(matches!(found, Err(GenerateError::Full(_))));
    assert_eq!((run, tokens.len()), (128, 128 - case.prompt.len() + 1));

    let none = Request {
        prompt: &[],
        ..request
    };
    let (_, found, _) = generated(&case, &none, Sampling::default(), 8);
    assert_eq!(found, Err(GenerateError::EmptyPrompt));
    let zero = Request {
        tokens_max: 0,
        ..request
    };
    let (tokens, found, _) = generated(&case, &zero, Sampling::default(), 8);
    assert_eq!((tokens.len(), found), (0, Ok(Finish::Length)));
}

#[test]
fn a_seed_is_an_answer() {
    let case = Case::read("qwen2");
    let request = Request {
        prompt: &case.prompt,
        stop: &[],
        tokens_max: 24,
    };
    let answer = |seed| {
        let sampling = Sampling {
            temperature: 1.5,
            top_p: 0.95,
            repetition_penalty: 1.1,
            seed,
            ..Sampling::default()
        };
        generated(&case, &request, sampling, 8).0
    };
    assert_eq!(answer(1), answer(1));
    assert_ne!(answer(1), answer(2));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a file holds under the names of a model: an answer or an error, and never a panic.
    #[test]
    fn odd_files_do_no_harm(
        which in prop::collection::vec((0_usize..32, 0_usize..4, 1_usize..40), 0..4),
        hidden in 1_u32..80,
        heads in 1_u32..8,
        layers in 1_u32..4,
    ) {
        let mut case = Case::read("llama");
        for (tensor, kind, size) in which {
            let count = case.tensors.len();
            let (_, shape, numbers) = &mut case.tensors[tensor % count];
            match kind {
                0 => shape.reverse(),
                1 => { *shape = vec![size]; numbers.resize(size, f32::NAN); }
                2 => { shape.push(1); }
                _ => numbers.fill(f32::INFINITY),
            }
        }
        if hidden < 40 {
            case.config.hidden = hidden;
        }
        case.config.layers = layers;
        case.config.heads.query = heads * case.config.heads.kv;
        if let Ok(model) = load(&case, &LoadOptions::default()) {
            let mut text = Text::new(&model);
            text.run(&mut runner(Isa::detect(), 1), &model, &[1, 2, 3]);
        }
    }
}
