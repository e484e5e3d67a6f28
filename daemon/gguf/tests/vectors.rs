//! The same bytes, read by us and by the packages everybody reads them with. `tests/oracle/gguf_vectors.py` made the files.

#![forbid(unsafe_code)]

use fak_gguf::{
    ArrayBuf, Dtype, Gguf, ModelConfig, RopeScaling, RowError, Safetensors, TensorType, Value,
    ValueType, Writer, dequantize_row, quantize_row,
};
use serde_json::Value as Json;

const DEQUANTIZE: &str = include_str!("vectors/dequantize.txt");
const QUANTIZE: &str = include_str!("vectors/quantize.txt");
const CONFIGS: &str = include_str!("vectors/configs.jsonl");
const SMALL: &[u8] = include_bytes!("vectors/small.gguf");
const SAFE: &[u8] = include_bytes!("vectors/small.safetensors");

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hex"))
        .collect()
}

fn floats(hex: &str) -> Vec<f32> {
    let words = bytes(hex);
    let (words, []) = words.as_chunks::<4>() else {
        panic!("whole floats")
    };
    words.iter().map(|word| f32::from_le_bytes(*word)).collect()
}

fn named(name: &str) -> TensorType {
    let found = TensorType::ALL.into_iter().find(|ty| ty.name() == name);
    found.expect("a type of ours")
}

fn lines(text: &str) -> Vec<(TensorType, &str, &str)> {
    text.lines()
        .map(|line| {
            let mut words = line.split(' ');
            let mut next = || words.next().expect("three words");
            (named(next()), next(), next())
        })
        .collect()
}

#[test]
fn every_type_means_the_same_floats_to_the_bit() {
    let mut seen = Vec::new();
    for (ty, raw, expected) in lines(DEQUANTIZE) {
        let expected = floats(expected);
        let mut found = vec![f32::NAN; expected.len()];
        dequantize_row(ty, &bytes(raw), &mut found).expect("a row");
        for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(found.to_bits(), expected.to_bits(), "{} at {at}", ty.name());
        }
        seen.push(ty);
    }
    assert!(TensorType::ALL.iter().all(|ty| seen.contains(ty)));
}

#[test]
fn what_is_written_is_written_to_the_byte() {
    for (ty, row, expected) in lines(QUANTIZE) {
        let found = quantize_row(ty, &floats(row)).expect("a row");
        assert_eq!(found, bytes(expected), "{}", ty.name());
    }
    let row = [0.0; 256];
    let found = quantize_row(TensorType::Q4_K, &row);
    assert_eq!(found, Err(RowError::ReadOnly(TensorType::Q4_K)));
    for ty in [TensorType::F32, TensorType::F16] {
        let row = [0.5, -2.0, 0.0, 1024.0];
        let mut again = [0.0; 4];
        let written = quantize_row(ty, &row).expect("a row");
        dequantize_row(ty, &written, &mut again).expect("a row");
        assert_eq!(again, row);
    }
}

#[test]
fn a_row_of_the_wrong_length_is_refused() {
    let mut out = [0.0; 33];
    let found = dequantize_row(TensorType::Q8_0, &[0; 34], &mut out);
    let expected = RowError::Block {
        ty: TensorType::Q8_0,
        len: 33,
    };
    assert_eq!(found, Err(expected));
    let found = dequantize_row(TensorType::Q8_0, &[0; 33], &mut out[..32]);
    let expected = RowError::Bytes {
        found: 33,
        expected: 34,
    };
    assert_eq!(found, Err(expected));
}

#[test]
fn a_file_of_the_reference_writer_is_read_whole() {
    let file = Gguf::parse(SMALL).expect("a file");
    assert_eq!((file.version(), file.alignment()), (3, 32));
    let expected = [
        ("t.u8", Value::U8(200)),
        ("t.i8", Value::I8(-100)),
        ("t.u16", Value::U16(60000)),
        ("t.i16", Value::I16(-30000)),
        ("t.u32", Value::U32(4_000_000_000)),
        ("t.i32", Value::I32(-2_000_000_000)),
        ("t.f32", Value::F32(0.1)),
        ("t.u64", Value::U64(1 << 63)),
        ("t.i64", Value::I64(i64::MIN)),
        ("t.f64", Value::F64(0.1)),
        ("t.bool", Value::Bool(true)),
        ("t.string", Value::String("naïve — 漢字")),
    ];
    for (key, value) in expected {
        assert_eq!(file.get(key), Some(&value), "{key}");
    }
    let array = |key: &str| file.get(key).and_then(Value::as_array).expect("an array");
    let strings: Vec<_> = array("t.strings").strings().expect("texts").collect();
    assert_eq!(strings, ["a", "", "漢"]);
    let nested = array("t.nested");
    assert_eq!(nested.item_type(), ValueType::Array);
    let inner: Vec<Vec<_>> = nested
        .items()
        .map(|item| {
            item.as_array()
                .expect("an array")
                .u64s()
                .expect("integers")
                .collect()
        })
        .collect();
    assert_eq!(
        inner,
        [vec![Some(1), Some(2)], vec![Some(3), Some(4), Some(5)]]
    );
    let flags: Vec<_> = array("t.flags")
        .items()
        .map(|item| item.as_bool())
        .collect();
    assert_eq!(flags, [Some(true), Some(false), Some(true)]);
    assert!(array("t.strings").f32s().is_none() && nested.u64s().is_none());
    assert!(file.get("t.none").is_none() && file.tensor("none").is_none());

    let tensor = file.tensor("blk.0.Q5_1.weight").expect("a tensor");
    assert_eq!(
        (tensor.ty(), tensor.dims()),
        (TensorType::Q5_1, &[64, 2][..])
    );
    assert_eq!((tensor.row_len(), tensor.rows()), (64, 2));
    assert_eq!(tensor.row(1), tensor.data().get(48..96));
    assert_eq!(tensor.row(2), None);
}

#[test]
fn a_file_of_the_reference_writer_is_rebuilt_to_the_byte() {
    let file = Gguf::parse(SMALL).expect("a file");
    let again = Writer::copy_of(&file).finish().expect("a file");
    assert!(again == SMALL);
}

#[test]
fn what_the_writer_was_given_is_read_back() {
    let tokens = ArrayBuf::strings(["<s>", "a"]);
    let mut scores = ArrayBuf::new(ValueType::F32);
    assert!(scores.push(Value::F32(0.5)) && !scores.push(Value::U8(1)));
    let row = quantize_row(TensorType::Q8_0, &[0.25; 64]).expect("a row");
    let mut writer = Writer::new();
    writer
        .entry("general.alignment", Value::U32(64))
        .entry("tokens", tokens.value())
        .entry("scores", scores.value())
        .tensor("a", TensorType::Q8_0, &[32, 2], &row)
        .tensor("b", TensorType::Q8_0, &[64], &row);
    let bytes = writer.finish().expect("a file");
    let file = Gguf::parse(&bytes).expect("a file");
    assert_eq!(file.alignment(), 64);
    assert_eq!(file.get("tokens"), Some(&tokens.value()));
    assert_eq!(
        file.tensor("b").map(|b| (b.offset(), b.data())),
        Some((128, &row[..]))
    );

    writer.tensor("b", TensorType::Q8_0, &[64], &row);
    assert!(writer.finish().is_err(), "a name twice");
    let mut writer = Writer::new();
    writer.tensor("a", TensorType::Q8_0, &[64, 2], &row);
    assert!(writer.finish().is_err(), "too few bytes");
    let mut writer = Writer::new();
    writer.tensor("a", TensorType::Q8_0, &[32], &row);
    assert!(writer.finish().is_err(), "too many bytes");
}

#[test]
fn a_model_says_in_gguf_what_it_is() {
    let file = Gguf::parse(SMALL).expect("a file");
    let config = ModelConfig::from_gguf(&file).expect("a model");
    assert_eq!(config.architecture.name(), "llama");
    assert_eq!((config.layers, config.hidden, config.vocab), (2, 32, 4));
    assert_eq!(
        (config.heads.query, config.heads.kv, config.heads.key_dim),
        (4, 2, 8)
    );
    assert_eq!(
        (config.tokens.bos, &config.tokens.eos[..]),
        (Some(2), &[3][..])
    );
    assert!(config.tied && config.experts.is_none() && config.sliding.is_none());
    assert_eq!(config.chat_template.as_deref(), Some("{{ messages }}"));
    assert_eq!(config.rope.scaling, RopeScaling::None);
}

#[test]
fn safetensors_of_the_reference_writer_are_read() {
    let file = Safetensors::parse(SAFE).expect("a file");
    assert_eq!(file.tensors().len(), 3);
    assert_eq!(file.notes().get("format").map(String::as_str), Some("np"));
    let tensor = file.tensor("model.norm.weight").expect("a tensor");
    assert_eq!((tensor.dtype, &tensor.shape[..]), (Dtype::F16, &[8][..]));
    let scalar = file.tensor("scalar").expect("a tensor");
    assert_eq!(
        (scalar.dtype, scalar.data),
        (Dtype::I64, &7_i64.to_le_bytes()[..])
    );
    let tensor = file.tensor("model.embed_tokens.weight").expect("a tensor");
    let ty = tensor.dtype.tensor_type().expect("floats");
    let mut row = [0.0; 8];
    dequantize_row(ty, &tensor.data[..32], &mut row).expect("a row");
    assert!(row.iter().all(|x| x.is_finite() && *x != 0.0));
}

fn rope_type(scaling: &RopeScaling) -> &'static str {
    match scaling {
        RopeScaling::None => "default",
        RopeScaling::Linear { .. } => "linear",
        RopeScaling::Yarn(_) => "yarn",
        RopeScaling::Llama3 { .. } => "llama3",
        RopeScaling::LongRope { .. } => "longrope",
        _ => "other",
    }
}

#[test]
fn every_architecture_says_in_json_what_transformers_hears() {
    for line in CONFIGS.lines() {
        let line: Json = serde_json::from_str(line).expect("a line");
        let text = line["config"].to_string();
        let name = &line["config"]["model_type"];
        let config = ModelConfig::from_json(text.as_bytes());
        let config = config.unwrap_or_else(|error| panic!("{name}: {error}"));
        let found = serde_json::json!({
            "layers": config.layers, "hidden": config.hidden, "vocab": config.vocab, "context": config.context,
            "query": config.heads.query, "kv": config.heads.kv, "dim": config.heads.key_dim, "ffn": config.ffn,
            "theta": config.rope.theta, "rotated": config.rope.dims, "rope_type": rope_type(&config.rope.scaling),
            "tied": config.tied, "slides": config.sliding.as_ref().map(|sliding| &sliding.layers),
            "window": config.sliding.as_ref().map(|sliding| sliding.window),
            "eos": config.tokens.eos, "experts": config.experts.map(|experts| experts.count),
            "used": config.experts.map(|experts| experts.used),
            "attention_cap": config.scales.attention_cap, "logit_cap": config.scales.logit_cap,
        });
        let mut expected = line["expect"].clone();
        // A window in which no layer looks is no window.
        if expected["slides"].is_null() {
            expected["window"] = Json::Null;
        }
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn an_older_config_json_says_the_same() {
    let old = br#"{"model_type":"llama","hidden_size":64,"intermediate_size":128,"num_hidden_layers":2,
        "num_attention_heads":4,"vocab_size":100,"max_position_embeddings":256,"rms_norm_eps":1e-5,"rope_theta":500000.0,
        "rope_scaling":{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,
        "original_max_position_embeddings":64},"eos_token_id":[2,3],"bos_token_id":null}"#;
    let config = ModelConfig::from_json(old).expect("a model");
    assert_eq!(config.rope.theta, 500_000.0);
    let expected = RopeScaling::Llama3 {
        factor: 8.0,
        low: 1.0,
        high: 4.0,
        original_context: 64,
    };
    assert_eq!(config.rope.scaling, expected);
    assert_eq!(
        (config.tokens.bos, &config.tokens.eos[..]),
        (None, &[2, 3][..])
    );
}
