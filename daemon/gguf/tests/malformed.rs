//! Files that are wrong in one way each, and the name each way has.

#![forbid(unsafe_code)]

use fak_gguf::{ConfigError, Fault, Gguf, ModelConfig, ParseError, Safetensors};

/// The bytes of a file, put together by hand.
#[derive(Clone, Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn header(tensors: u64, keys: u64) -> Self {
        Self(b"GGUF".to_vec()).u32(3).u64(tensors).u64(keys)
    }

    fn u8(mut self, n: u8) -> Self {
        self.0.push(n);
        self
    }

    fn u32(mut self, n: u32) -> Self {
        self.0.extend(n.to_le_bytes());
        self
    }

    fn u64(mut self, n: u64) -> Self {
        self.0.extend(n.to_le_bytes());
        self
    }

    fn text(self, text: &str) -> Self {
        let mut with = self.u64(text.len() as u64);
        with.0.extend(text.as_bytes());
        with
    }

    fn tensor(mut self, name: &str, dims: &[u64], ty: u32, offset: u64) -> Self {
        let count = u32::try_from(dims.len()).expect("few");
        self = self.text(name).u32(count);
        for dim in dims {
            self = self.u64(*dim);
        }
        self.u32(ty).u64(offset)
    }

    /// Padding and that many bytes of data.
    fn data(mut self, len: usize) -> Self {
        let begin = self.0.len().next_multiple_of(32);
        self.0.resize(begin + len, 0);
        self
    }

    fn fault(&self) -> ParseError {
        Gguf::parse(&self.0).expect_err("is malformed")
    }
}

fn check(bytes: &Bytes, offset: u64, field: &str, fault: Fault) {
    let expected = ParseError {
        offset,
        field: field.to_owned(),
        fault,
    };
    assert_eq!(bytes.fault(), expected);
}

#[test]
fn headers() {
    check(&Bytes(b"GGML".to_vec()), 0, "magic", Fault::Magic);
    let short = Fault::Truncated { needed: 4, left: 3 };
    check(&Bytes(b"GGU".to_vec()), 0, "magic", short);
    let versioned = |n: u32| Bytes(b"GGUF".to_vec()).u32(n).u64(0).u64(0);
    check(&versioned(1), 4, "version", Fault::Version(1));
    check(&versioned(4), 4, "version", Fault::Version(4));
    check(
        &versioned(3_u32.swap_bytes()),
        4,
        "version",
        Fault::BigEndian,
    );
    let many = |found, limit| Fault::TooMany { found, limit };
    check(
        &Bytes::header(u64::MAX, 0),
        8,
        "tensor count",
        many(u64::MAX, 1 << 17),
    );
    check(
        &Bytes::header(0, 4097),
        16,
        "metadata count",
        many(4097, 4096),
    );
    assert!(Gguf::parse(&Bytes::header(0, 0).0).is_ok());
    assert!(Gguf::parse(&versioned(2).0).is_ok());
}

#[test]
fn metadata() {
    let key = |text: &str| Bytes::header(0, 1).text(text);
    let cut = Fault::Truncated { needed: 8, left: 0 };
    check(&Bytes::header(0, 1), 24, "metadata key 0", cut);
    let long = Bytes::header(0, 1).u64(1 << 40);
    let fault = Fault::TooMany {
        found: 1 << 40,
        limit: 65535,
    };
    check(&long, 24, "metadata key 0", fault);
    check(&key(""), 24, "metadata key 0", Fault::Empty);
    let mut odd = key("ab");
    odd.0[32] = 0xff;
    check(&odd, 32, "metadata key 0", Fault::NotUtf8);
    check(
        &key("k").u32(13),
        33,
        "metadata \"k\"",
        Fault::ValueType(13),
    );
    check(&key("k").u32(7).u8(2), 37, "metadata \"k\"", Fault::Bool(2));
    let twice = Bytes::header(0, 2)
        .text("k")
        .u32(0)
        .u8(1)
        .text("k")
        .u32(0)
        .u8(1);
    check(&twice, 38, "metadata \"k\"", Fault::Duplicate);
    let text = key("k").u32(8).u64((4 << 20) + 1);
    let fault = Fault::TooMany {
        found: (4 << 20) + 1,
        limit: 4 << 20,
    };
    check(&text, 37, "metadata \"k\"", fault);
    let escape = key("a\n\u{1b}[31m").u32(99);
    assert!(!escape.fault().to_string().contains('\u{1b}'));
}

#[test]
fn arrays() {
    let array = |ty: u32, len: u64| Bytes::header(0, 1).text("k").u32(9).u32(ty).u64(len);
    let field = "metadata \"k\"";
    check(&array(44, 0), 37, field, Fault::ValueType(44));
    let fault = Fault::TooMany {
        found: u64::MAX,
        limit: 1 << 24,
    };
    check(&array(4, u64::MAX), 41, field, fault);
    let short = Fault::Truncated {
        needed: 4 << 24,
        left: 0,
    };
    check(&array(4, 1 << 24), 49, field, short);
    // Lengths alone need eight bytes each: nothing is walked that cannot be there.
    let short = Fault::Truncated {
        needed: 8 << 24,
        left: 8,
    };
    check(&array(8, 1 << 24).u64(0), 49, field, short);
    check(&array(7, 3).u8(1).u8(0).u8(9), 51, field, Fault::Bool(9));
    let mut deep = Bytes::header(0, 1).text("k").u32(9);
    for _ in 0..5 {
        deep = deep.u32(9).u64(1);
    }
    check(&deep, 85, field, Fault::Depth(4));
    let mut odd = array(8, 1).text("ab");
    odd.0[57] = 0xc0;
    check(&odd, 57, field, Fault::NotUtf8);
}

#[test]
fn alignment() {
    let aligned = |n: u32| Bytes::header(0, 1).text("general.alignment").u32(4).u32(n);
    let field = "metadata \"general.alignment\"";
    for n in [0, 4, 33, 131_072] {
        check(&aligned(n), 53, field, Fault::Alignment(n.into()));
    }
    assert!(Gguf::parse(&aligned(8).0).is_ok());
    let wide = Bytes::header(0, 1)
        .text("general.alignment")
        .u32(10)
        .u64(32);
    check(&wide, 53, field, Fault::WrongType("a u32"));
}

#[test]
fn shapes() {
    let one = |dims: &[u64], ty| Bytes::header(1, 0).tensor("w", dims, ty, 0).data(1024);
    let many = Fault::TooMany { found: 5, limit: 4 };
    check(
        &one(&[1; 5], 0),
        33,
        "dimension count of tensor \"w\"",
        many,
    );
    check(
        &one(&[], 0),
        33,
        "dimension count of tensor \"w\"",
        Fault::Zero,
    );
    let shape = "shape of tensor \"w\"";
    check(&one(&[4, 0], 0), 45, shape, Fault::Zero);
    check(&one(&[u64::MAX, 2], 0), 37, shape, Fault::Overflow);
    check(&one(&[1 << 62], 0), 37, shape, Fault::Overflow);
    check(&one(&[1 << 20; 4], 0), 37, shape, Fault::Overflow);
    let odd = Fault::Block { row: 33, block: 32 };
    check(&one(&[33, 32], 8), 37, shape, odd);
    let ty = "type of tensor \"w\"";
    check(
        &one(&[256], 10),
        45,
        ty,
        Fault::UnsupportedTensorType("Q2_K"),
    );
    check(
        &one(&[256], 20),
        45,
        ty,
        Fault::UnsupportedTensorType("IQ4_NL"),
    );
    check(&one(&[256], 77), 45, ty, Fault::UnknownTensorType(77));
    let name = Bytes::header(1, 0).text(&"w".repeat(257)).u32(1);
    let long = Fault::TooMany {
        found: 257,
        limit: 256,
    };
    check(&name, 24, "name of tensor 0", long);
    check(
        &Bytes::header(1, 0).text("").u32(1),
        24,
        "name of tensor 0",
        Fault::Empty,
    );
}

#[test]
fn places() {
    let at = |offset| Bytes::header(1, 0).tensor("w", &[8], 0, offset);
    let field = "offset of tensor \"w\"";
    let odd = Fault::Misaligned {
        offset: 31,
        alignment: 32,
    };
    check(&at(31).data(128), 49, field, odd);
    let outside = |end, len| Fault::OutsideFile { end, len };
    check(&at(32).data(63), 49, field, outside(64, 63));
    check(&at(0), 49, field, outside(32, 0));
    check(
        &at(u64::MAX - 31).data(64),
        49,
        field,
        outside(u64::MAX, 64),
    );
    assert!(Gguf::parse(&at(32).data(64).0).is_ok());
    let two = |second: &str, offset| {
        Bytes::header(2, 0)
            .tensor("v", &[16], 0, 32)
            .tensor(second, &[8], 0, offset)
            .data(256)
    };
    check(&two("w", 64), 82, field, Fault::Overlap("v".to_owned()));
    check(&two("w", 32), 82, field, Fault::Overlap("v".to_owned()));
    check(
        &two("v", 96),
        82,
        "offset of tensor \"v\"",
        Fault::Duplicate,
    );
    assert!(Gguf::parse(&two("w", 0).0).is_ok(), "in any order");
}

fn safe(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

#[test]
fn safetensors() {
    let fault = |header: &str, data| {
        let error = Safetensors::parse(&safe(header, data)).expect_err("is malformed");
        (error.field, error.fault)
    };
    let tensor = |dtype: &str, shape: &str, begin: u64, end: u64| {
        format!("{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[{begin},{end}]}}")
    };
    let one = |line: &str| format!("{{\"w\":{line}}}");
    let of = |what: &str| what.to_owned();
    let w = of("tensor \"w\"");
    let found = fault(&one(&tensor("F32", "[2]", 0, 8)), 7);
    assert_eq!(found, (w.clone(), Fault::OutsideFile { end: 8, len: 7 }));
    let found = fault(&one(&tensor("F32", "[2]", 8, 0)), 8);
    assert_eq!(found, (w.clone(), Fault::OutsideFile { end: 0, len: 8 }));
    let found = fault(&one(&tensor("F32", "[2]", 0, 4)), 8);
    let size = Fault::Size {
        found: 4,
        expected: 8,
    };
    assert_eq!(found, (w.clone(), size));
    let huge = format!("[{0},{0}]", 1_u64 << 40);
    assert_eq!(
        fault(&one(&tensor("F32", &huge, 0, 8)), 8),
        (w.clone(), Fault::Overflow)
    );
    let many = Fault::TooMany { found: 9, limit: 8 };
    assert_eq!(
        fault(&one(&tensor("U8", "[1,1,1,1,1,1,1,1,1]", 0, 1)), 1),
        (w, many)
    );
    let data = of("data");
    assert_eq!(
        fault(&one(&tensor("U8", "[1]", 0, 1)), 3),
        (data, Fault::Hole(2))
    );
    let two = |a: (u64, u64), b: (u64, u64)| {
        let line =
            |(begin, end): (u64, u64)| tensor("U8", &format!("[{}]", end - begin), begin, end);
        format!("{{\"v\":{},\"w\":{}}}", line(a), line(b))
    };
    let offsets = of("data_offsets of tensor \"w\"");
    assert_eq!(
        fault(&two((0, 2), (3, 4)), 4),
        (offsets.clone(), Fault::Hole(1))
    );
    let overlap = Fault::Overlap("v".to_owned());
    assert_eq!(fault(&two((0, 3), (2, 4)), 4), (offsets, overlap));

    let line = tensor("U8", "[1]", 0, 1);
    let headers = [
        String::new(),
        "[]".to_owned(),
        "{\"w\":1}".to_owned(),
        "{} x".to_owned(),
        one("{\"dtype\":\"U8\",\"shape\":[1]}"),
        one(&tensor("Q9", "[1]", 0, 1)),
        one(&tensor("U8", "[-1]", 0, 1)),
        one(&tensor("U8", "[1.5]", 0, 1)),
        format!("{{\"w\":{line},\"w\":{line}}}"),
        format!("{{\"\":{line}}}"),
        "{\"__metadata__\":{\"a\":1}}".to_owned(),
        "{\"__metadata__\":{},\"__metadata__\":{}}".to_owned(),
        "[".repeat(100_000),
    ];
    for header in headers {
        let (field, fault) = fault(&header, 1);
        assert!(
            matches!(fault, Fault::Header(_)) && field == "header",
            "{header:?}: {fault}"
        );
    }
    let long = (u64::MAX).to_le_bytes();
    let error = Safetensors::parse(&long).expect_err("is too long");
    assert!(matches!(error.fault, Fault::TooMany { .. }));
    assert!(Safetensors::parse(&safe("{}", 0)).is_ok());
}

#[test]
fn models() {
    let error = |text: &str| ModelConfig::from_json(text.as_bytes()).expect_err("is malformed");
    let whole = r#"{"model_type":"llama","hidden_size":64,"intermediate_size":128,"num_hidden_layers":2,
        "num_attention_heads":4,"vocab_size":100,"max_position_embeddings":256,"rms_norm_eps":1e-5}"#;
    assert!(ModelConfig::from_json(whole.as_bytes()).is_ok());
    let with = |from: &str, to: &str| error(&whole.replace(from, to)).to_string();
    let unknown = error(&whole.replace("llama", "mamba"));
    assert!(
        matches!(&unknown, ConfigError::Architecture { name, known } if name == "mamba" && known.contains(&"qwen3"))
    );
    assert!(unknown.to_string().contains("known are"));
    assert_eq!(with("\"hidden_size\":64,", ""), "hidden_size is missing");
    assert_eq!(
        with(":64", ":\"64\""),
        "hidden_size must be a whole number below 2^32"
    );
    assert!(with(":64", ":0").contains("hidden size must be"));
    assert!(
        with(
            "\"num_hidden_layers\":2",
            "\"num_hidden_layers\":4000000000"
        )
        .contains("at most 1024")
    );
    assert!(with("heads\":4", "heads\":0").contains("num_attention_heads"));
    assert!(with("heads\":4", "heads\":4,\"num_key_value_heads\":3").contains("no multiple"));
    assert!(with("1e-5", "0").contains("norm epsilon must be"));
    assert!(with("1e-5", "1e-5,\"eos_token_id\":100").contains("not in the vocabulary"));
    let odd = with(
        "1e-5",
        "1e-5,\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2}",
    );
    assert_eq!(odd, "rope scaling \"dynamic\" is not known");
    let few = with(
        "1e-5",
        "1e-5,\"rope_scaling\":{\"type\":\"longrope\",\"short_factor\":[1],\"long_factor\":[1]}",
    );
    assert!(few.contains("one rope factor"));
    assert!(matches!(error("[]"), ConfigError::Json(_)));
    assert!(matches!(error(&" ".repeat(2 << 20)), ConfigError::Json(_)));
    let bare = Bytes::header(0, 1)
        .text("general.architecture")
        .u32(8)
        .text("clip")
        .0;
    let file = Gguf::parse(&bare).expect("a file");
    let found = ModelConfig::from_gguf(&file);
    assert!(matches!(found, Err(ConfigError::Architecture { .. })));
    let bare = Bytes::header(0, 1)
        .text("general.architecture")
        .u32(8)
        .text("llama")
        .0;
    let file = Gguf::parse(&bare).expect("a file");
    assert_eq!(
        ModelConfig::from_gguf(&file),
        Err(ConfigError::Missing("llama.block_count".to_owned()))
    );
}
