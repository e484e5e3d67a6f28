//! One model, said in GGUF and in `config.json`: the same description.

#![forbid(unsafe_code)]

use fak_gguf::{
    ArrayBuf, ConfigError, Gguf, ModelConfig, RopeScaling, TensorType, Value, ValueType, Writer,
    quantize_row,
};
use serde_json::{Value as Json, json};

/// What every model below has.
fn base(architecture: &str) -> Vec<(String, Value<'static>)> {
    let key = |name: &str| format!("{architecture}.{name}");
    vec![
        (key("block_count"), Value::U32(6)),
        (key("embedding_length"), Value::U32(64)),
        (key("feed_forward_length"), Value::U32(128)),
        (key("context_length"), Value::U32(256)),
        (key("vocab_size"), Value::U32(199)),
        (key("attention.head_count"), Value::U32(4)),
        (key("attention.head_count_kv"), Value::U32(2)),
        (key("attention.layer_norm_rms_epsilon"), Value::F32(0.5)),
        (key("attention.layer_norm_epsilon"), Value::F32(0.5)),
        ("tokenizer.ggml.bos_token_id".to_owned(), Value::U32(1)),
        ("tokenizer.ggml.eos_token_id".to_owned(), Value::U32(2)),
    ]
}

/// The same in JSON, with more to it.
fn base_json(model_type: &str, more: &Json) -> String {
    let mut config = json!({
        "model_type": model_type, "num_hidden_layers": 6, "hidden_size": 64, "intermediate_size": 128,
        "max_position_embeddings": 256, "vocab_size": 199, "num_attention_heads": 4, "num_key_value_heads": 2,
        "rms_norm_eps": 0.5, "bos_token_id": 1, "eos_token_id": 2, "tie_word_embeddings": true,
    });
    let map = config.as_object_mut().expect("an object");
    for (key, value) in more.as_object().expect("an object") {
        map.insert(key.clone(), value.clone());
    }
    config.to_string()
}

/// A GGUF file of that architecture, with more entries and one-row tensors of floats.
fn gguf(
    architecture: &str,
    more: &[(&str, Value<'_>)],
    tensors: &[(&str, &[f32])],
) -> Result<ModelConfig, ConfigError> {
    let base = base(architecture);
    let more: Vec<_> = more
        .iter()
        .map(|(key, value)| (format!("{architecture}.{key}"), *value))
        .collect();
    let rows: Vec<_> = tensors
        .iter()
        .map(|(name, row)| {
            (
                *name,
                row.len(),
                quantize_row(TensorType::F32, row).expect("a row"),
            )
        })
        .collect();
    let mut writer = Writer::new();
    writer.entry("general.architecture", Value::String(architecture));
    let replaced = |key: &String| more.iter().any(|(other, _)| other == key);
    for (key, value) in base.iter().filter(|(key, _)| !replaced(key)).chain(&more) {
        writer.entry(key, *value);
    }
    for (name, len, row) in &rows {
        writer.tensor(name, TensorType::F32, &[*len as u64], row);
    }
    let bytes = writer.finish().expect("a file");
    ModelConfig::from_gguf(&Gguf::parse(&bytes).expect("a file"))
}

fn same(names: (&str, &str), more: &[(&str, Value<'_>)], json: &Json) {
    let found = gguf(names.0, more, &[]).unwrap_or_else(|error| panic!("{names:?}: {error}"));
    let json = ModelConfig::from_json(base_json(names.1, json).as_bytes());
    let json = json.unwrap_or_else(|error| panic!("{names:?}: {error}"));
    assert_eq!(found, json, "{names:?}");
}

#[test]
fn both_files_say_the_same_of_a_model() {
    let theta = ("rope.freq_base", Value::F32(500_000.0));
    let window = ("attention.sliding_window", Value::U32(8));
    let window_json = json!({"sliding_window": 8});
    same(
        ("llama", "llama"),
        &[theta],
        &json!({"rope_theta": 500_000.0}),
    );
    same(("llama", "mistral"), &[window], &window_json);
    let experts = [
        ("expert_count", Value::U32(4)),
        ("expert_used_count", Value::U32(2)),
    ];
    same(
        ("llama", "mixtral"),
        &experts,
        &json!({"num_local_experts": 4, "num_experts_per_tok": 2}),
    );
    let wide = [
        ("attention.key_length", Value::U32(32)),
        ("attention.value_length", Value::U32(32)),
    ];
    same(("qwen3", "qwen3"), &wide, &json!({"head_dim": 32}));
    let experts = [
        ("expert_count", Value::U32(4)),
        ("expert_used_count", Value::U32(2)),
        ("expert_feed_forward_length", Value::U32(32)),
        ("expert_shared_feed_forward_length", Value::U32(96)),
    ];
    let json = json!({"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
        "shared_expert_intermediate_size": 96});
    same(("qwen2moe", "qwen2_moe"), &experts, &json);
    let yarn = [
        ("rope.scaling.type", Value::String("yarn")),
        ("rope.scaling.factor", Value::F32(4.0)),
        ("rope.scaling.original_context_length", Value::U32(64)),
    ];
    let json = json!({"rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}});
    same(("qwen2", "qwen2"), &yarn, &json);
    let linear = [
        ("rope.scaling.type", Value::String("linear")),
        ("rope.scaling.factor", Value::F32(2.0)),
    ];
    same(
        ("llama", "llama"),
        &linear,
        &json!({"rope_scaling": {"rope_type": "linear", "factor": 2.0}}),
    );
    let caps = [
        window,
        ("attn_logit_softcapping", Value::F32(50.0)),
        ("final_logit_softcapping", Value::F32(30.0)),
    ];
    let json = json!({"sliding_window": 8, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0});
    same(("gemma2", "gemma2"), &caps, &json);
    let gemma3 = [window, ("rope.freq_base", Value::F32(1_000_000.0))];
    same(("gemma3", "gemma3_text"), &gemma3, &window_json);
    let granite = [
        ("embedding_scale", Value::F32(12.0)),
        ("residual_scale", Value::F32(0.25)),
        ("attention.scale", Value::F32(0.125)),
        ("logit_scale", Value::F32(8.0)),
    ];
    let json = json!({"embedding_multiplier": 12.0, "residual_multiplier": 0.25, "attention_multiplier": 0.125,
        "logits_scaling": 8.0});
    same(("granite", "granite"), &granite, &json);
    let logit = [window, ("logit_scale", Value::F32(0.25))];
    same(
        ("cohere2", "cohere2"),
        &logit,
        &json!({"sliding_window": 8, "logit_scale": 0.25, "layer_norm_eps": 0.5}),
    );
    let part = [("rope.dimension_count", Value::U32(4))];
    same(
        ("stablelm", "stablelm"),
        &part,
        &json!({"partial_rotary_factor": 0.25, "layer_norm_eps": 0.5}),
    );
    let part = [("rope.dimension_count", Value::U32(8))];
    same(
        ("glm4", "glm4"),
        &part,
        &json!({"partial_rotary_factor": 0.5}),
    );
}

#[test]
fn layers_that_slide_are_said_one_by_one_or_by_a_period() {
    let mut flags = ArrayBuf::new(ValueType::Bool);
    for slides in [true, false, true, false, true, false] {
        flags.push(Value::Bool(slides));
    }
    let window = ("attention.sliding_window", Value::U32(8));
    let key = "attention.sliding_window_pattern";
    let layers = |value| {
        let config = gguf("gemma2", &[window, (key, value)], &[]);
        config.map(|config| config.sliding.expect("a window").layers)
    };
    let period = layers(Value::U32(2)).expect("a model");
    assert_eq!(period, [true, false, true, false, true, false]);
    assert_eq!(layers(flags.value()), Ok(period));
    let mut more = flags.clone();
    more.push(Value::Bool(true));
    assert!(
        matches!(layers(more.value()), Err(ConfigError::Wrong { .. })),
        "seven of six"
    );
}

#[test]
fn numbers_for_each_layer_must_be_one_number() {
    let heads = |counts: &[u32]| {
        let mut array = ArrayBuf::new(ValueType::U32);
        counts
            .iter()
            .for_each(|&count| assert!(array.push(Value::U32(count))));
        gguf("llama", &[("attention.head_count_kv", array.value())], &[])
            .map(|config| config.heads.kv)
    };
    assert_eq!(heads(&[2; 6]), Ok(2));
    assert!(matches!(
        heads(&[2, 2, 2, 2, 2, 4]),
        Err(ConfigError::Wrong { .. })
    ));
    assert!(matches!(heads(&[2; 5]), Err(ConfigError::Wrong { .. })));
    assert!(matches!(heads(&[]), Err(ConfigError::Wrong { .. })));
}

#[test]
fn rotation_factors_come_out_of_tensors() {
    let factors = [1.0, 1.0, 2.0, 4.0, 4.0, 8.0, 8.0, 8.0];
    let config = gguf("llama", &[], &[("rope_freqs.weight", &factors)]).expect("a model");
    assert_eq!(config.rope.scaling, RopeScaling::Factors(factors.to_vec()));
    let both = [
        ("rope_factors_long.weight", &factors[..]),
        ("rope_factors_short.weight", &[1.0; 8]),
    ];
    let config = gguf("phi3", &[], &both).expect("a model");
    assert!(
        matches!(config.rope.scaling, RopeScaling::LongRope { ref long, .. } if *long == factors)
    );
    let few = gguf("llama", &[], &[("rope_freqs.weight", &factors[..7])]);
    assert!(matches!(few, Err(ConfigError::Contradiction(_))));
    let zero = gguf("llama", &[], &[("rope_freqs.weight", &[0.0; 8])]);
    assert!(matches!(zero, Err(ConfigError::Wrong { .. })));
}
