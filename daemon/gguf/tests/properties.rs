//! What holds of any bytes, of any mutation of a good file, and of any file we build.

#![forbid(unsafe_code)]

use fak_gguf::{
    ArrayBuf, Gguf, ModelConfig, Safetensors, TensorType, Value, ValueType, Writer, dequantize_row,
    quantize_row,
};
use proptest::prelude::*;

const SMALL: &[u8] = include_bytes!("vectors/small.gguf");
const SAFE: &[u8] = include_bytes!("vectors/small.safetensors");

/// Reads everything there is to read.
fn walk(bytes: &[u8]) {
    if let Ok(file) = Gguf::parse(bytes) {
        for (key, value) in file.metadata() {
            assert_eq!(file.get(key), Some(value));
            if let Value::Array(array) = value {
                assert_eq!(array.items().count(), array.len());
            }
        }
        for tensor in file.tensors() {
            let mut row = vec![0.0; tensor.row_len()];
            let last = tensor.row(tensor.rows() - 1).expect("its last row");
            dequantize_row(tensor.ty(), last, &mut row).expect("whole blocks");
            assert!(tensor.row(tensor.rows()).is_none());
        }
        let _ = ModelConfig::from_gguf(&file);
        let again = Writer::copy_of(&file)
            .finish()
            .expect("what was read is written");
        let again = Gguf::parse(&again).expect("and read again");
        assert_eq!(again.metadata().len(), file.metadata().len());
        assert_eq!(again.tensors().len(), file.tensors().len());
    }
    if let Ok(file) = Safetensors::parse(bytes) {
        let bytes: usize = file
            .tensors()
            .values()
            .map(|tensor| tensor.data.len())
            .sum();
        assert!(bytes <= usize::MAX / 2);
    }
    let _ = ModelConfig::from_json(bytes);
}

fn mutate(file: &[u8], changes: &[(usize, u8, u8)]) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for &(at, what, value) in changes {
        if bytes.is_empty() {
            break;
        }
        let at = at % bytes.len();
        match what % 5 {
            0 => bytes[at] = value,
            1 => bytes[at] ^= 1 << (value % 8),
            2 => bytes.truncate(at),
            3 => drop(bytes.splice(at..at, [value; 3])),
            // A length or count made huge.
            _ => bytes
                .iter_mut()
                .skip(at)
                .take(8)
                .for_each(|byte| *byte = value | 0x80),
        }
    }
    bytes
}

fn value() -> impl Strategy<Value = (String, ArrayBuf)> {
    let array = prop_oneof![
        prop::collection::vec(any::<u16>(), 0..9).prop_map(|items| {
            let mut array = ArrayBuf::new(ValueType::U16);
            items
                .into_iter()
                .for_each(|item| assert!(array.push(Value::U16(item))));
            array
        }),
        prop::collection::vec(".{0,5}", 0..9)
            .prop_map(|items| ArrayBuf::strings(items.iter().map(String::as_str))),
    ];
    (".{0,12}", array)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        walk(&bytes);
        let mut led = b"GGUF\x03\0\0\0".to_vec();
        led.extend(&bytes);
        walk(&led);
    }

    #[test]
    fn any_change_of_a_file_is_read_or_refused(
        changes in prop::collection::vec((any::<usize>(), any::<u8>(), any::<u8>()), 1..4),
        in_header in any::<bool>(),
    ) {
        let within = if in_header { 1400 } else { SMALL.len() };
        let changes: Vec<_> = changes.into_iter().map(|(at, what, to)| (at % within, what, to)).collect();
        walk(&mutate(SMALL, &changes));
        walk(&mutate(SAFE, &changes));
    }

    #[test]
    fn what_is_built_is_read_back(
        entries in prop::collection::vec(value(), 0..6),
        shapes in prop::collection::vec((0_usize..8, 1_u64..4, 1_u64..4), 0..5),
        alignment in prop_oneof![Just(None), (3_u32..9).prop_map(|bits| Some(1 << bits))],
    ) {
        let types: Vec<_> = TensorType::ALL.into_iter().filter(|ty| ty.block_len() < 256).collect();
        let tensors: Vec<_> = shapes.iter().enumerate().map(|(at, &(ty, blocks, rows))| {
            let ty = types[ty];
            let row = blocks * ty.block_len() as u64;
            let floats = vec![-1.5 + at as f32; usize::try_from(row * rows).expect("few")];
            (format!("t{at}"), ty, [row, rows], quantize_row(ty, &floats).expect("rows"))
        }).collect();
        let names: Vec<_> = (0..entries.len()).map(|at| format!("k{at}.{}", entries[at].0)).collect();
        let mut writer = Writer::new();
        if let Some(alignment) = alignment {
            writer.entry("general.alignment", Value::U32(alignment));
        }
        for (name, (_, array)) in names.iter().zip(&entries) {
            writer.entry(name, array.value());
        }
        for (name, ty, dims, data) in &tensors {
            writer.tensor(name, *ty, dims, data);
        }
        let bytes = writer.finish().expect("a file");
        let file = Gguf::parse(&bytes).expect("a file");
        for (name, (_, array)) in names.iter().zip(&entries) {
            prop_assert_eq!(file.get(name), Some(&array.value()));
        }
        for (name, ty, dims, data) in &tensors {
            let tensor = file.tensor(name).expect("the tensor");
            prop_assert_eq!((tensor.ty(), tensor.dims(), tensor.data()), (*ty, &dims[..], &data[..]));
        }
        prop_assert_eq!(Writer::copy_of(&file).finish().expect("a file"), bytes);
    }
}
