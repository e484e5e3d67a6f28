//! Blocks of every quantised kind read as another implementation reads them.
//!
//! `fixtures/blocks.txt` holds, per line: kind, block bytes, FNV-1a of the 32 or 256 numbers as little-endian `f32`, and the
//! bits of four of them. The numbers are those of GGUF's reference reader for the same bytes.

use fak_simd::{Matrix, Pool, WeightKind, read_tensor_row};

const BLOCKS: &str = include_str!("fixtures/blocks.txt");

fn bytes(hex: &str) -> Vec<u8> {
    let pair = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    (0..hex.len()).step_by(2).map(pair).collect()
}

fn digest(numbers: &[f32]) -> u64 {
    let bytes = numbers.iter().flat_map(|number| number.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[test]
fn blocks_read_as_the_format_says() {
    let mut lines = 0;
    for line in BLOCKS.lines() {
        let mut words = line.split(' ');
        let mut word = || words.next().expect("a word");
        let (name, raw, expected) = (word(), bytes(word()), word());
        let kind = WeightKind::ALL
            .into_iter()
            .find(|kind| format!("{kind:?}") == name)
            .expect("a kind");
        let columns = kind.block_columns();
        let mut numbers = vec![0.0; columns];
        assert!(read_tensor_row(kind, &raw, &mut numbers));
        for (at, bits) in [0, 1, columns / 2 + 3, columns - 1].into_iter().zip(words) {
            let bits = u32::from_str_radix(bits, 16).expect("hex");
            assert_eq!(
                numbers[at].to_bits(),
                bits,
                "{name} at {at}: {}",
                numbers[at]
            );
        }
        assert_eq!(format!("{:016x}", digest(&numbers)), expected, "{name}");
        // The same from a packed matrix, in every lane and panel of a group that is not full.
        let rows = 71;
        let matrix =
            Matrix::pack(kind, rows, columns, &raw.repeat(rows), &mut Pool::new(1)).expect("fits");
        for row in 0..rows {
            let mut packed = vec![0.0; columns];
            assert!(matrix.read_row(row, &mut packed));
            assert_eq!(packed, numbers, "{name} row {row}");
        }
        lines += 1;
    }
    assert_eq!(lines, 16);
}

#[test]
fn plain_kinds_read_as_they_are() {
    for kind in [WeightKind::F32, WeightKind::F16, WeightKind::Bf16] {
        let numbers: Vec<f32> = (0..20 * 7).map(|i| i as f32 - 70.0).collect();
        let raw: Vec<u8> = numbers
            .iter()
            .flat_map(|number| match kind {
                WeightKind::F32 => number.to_le_bytes().to_vec(),
                WeightKind::F16 => half::f16::from_f32(*number).to_le_bytes().to_vec(),
                _ => half::bf16::from_f32(*number).to_le_bytes().to_vec(),
            })
            .collect();
        let matrix = Matrix::pack(kind, 20, 7, &raw, &mut Pool::new(1)).expect("fits");
        for row in 0..20 {
            let mut found = [0.0; 7];
            assert!(matrix.read_row(row, &mut found));
            assert_eq!(found, numbers[row * 7..(row + 1) * 7]);
        }
    }
}
