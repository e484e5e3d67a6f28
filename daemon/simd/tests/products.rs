//! Products: every kind, back end, number of threads and gathering of rows gives the oracle's bits.

mod support;

use fak_simd::{Compute, Gate, Matrix, PackError, Product, WeightKind, oracle};
use proptest::prelude::*;
use support::{Numbers, computes, pool, same_bits};

struct Case {
    kind: WeightKind,
    rows: usize,
    columns: usize,
    raw: Vec<u8>,
    matrix: Matrix,
}

impl Case {
    fn new(numbers: &mut Numbers, kind: WeightKind, rows: usize, columns: usize) -> Case {
        let raw = numbers.tensor(kind, rows, columns);
        let matrix = Matrix::pack(kind, rows, columns, &raw, &mut pool()).expect("fits");
        Case {
            kind,
            rows,
            columns,
            raw,
            matrix,
        }
    }

    fn expected(&self, x: &[f32]) -> Vec<f32> {
        let row_bytes = self.kind.row_bytes(self.columns).expect("whole blocks");
        let one = |x: &[f32]| -> Vec<f32> {
            let rows = self.raw.chunks(row_bytes);
            rows.map(|row| oracle::dot(self.kind, row, x)).collect()
        };
        x.chunks(self.columns).flat_map(one).collect()
    }

    fn found(&self, compute: &mut Compute, x: &[f32]) -> Vec<f32> {
        let mut out = vec![f32::NAN; x.len() / self.columns * self.rows];
        let product = Product::new(&self.matrix, &mut out);
        compute
            .multiply(x, self.columns, vec![product])
            .expect("fits");
        out
    }
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let pool = &mut pool();
    let pack = Matrix::pack(WeightKind::Q4K, 1, 128, &[0; 72], pool);
    assert!(matches!(pack, Err(PackError::Blocks { .. })));
    let pack = Matrix::pack(WeightKind::Q8_0, 2, 32, &[0; 67], pool);
    assert!(matches!(
        pack,
        Err(PackError::Size {
            expected: 68,
            found: 67
        })
    ));
    assert!(matches!(
        Matrix::pack(WeightKind::F32, 0, 32, &[], pool),
        Err(PackError::Shape { .. })
    ));
    let matrix = Matrix::pack(WeightKind::Q8_0, 2, 32, &[0; 68], pool).expect("fits");
    let mut compute = Compute::new(1);
    let (mut short, mut right) = ([0.0; 1], [0.0; 2]);
    assert!(
        compute
            .multiply(&[0.0; 32], 32, vec![Product::new(&matrix, &mut short)])
            .is_err()
    );
    assert!(
        compute
            .multiply(&[0.0; 64], 64, vec![Product::new(&matrix, &mut right)])
            .is_err()
    );
    let bias = Product::new(&matrix, &mut right).bias(Some(&[0.0; 3]));
    assert!(compute.multiply(&[0.0; 32], 32, vec![bias]).is_err());
    assert!(!matrix.read_row(2, &mut [0.0; 32]));
    assert!(!matrix.read_row(0, &mut [0.0; 31]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn all_have_the_bits_of_the_oracle(
        seed in 1_u64..,
        rows in 1_usize..70,
        blocks in 1_usize..4,
        batch in 1_usize..40,
    ) {
        let numbers = &mut Numbers(seed);
        for kind in WeightKind::ALL {
            let columns = blocks * kind.block_columns().max(32);
            let case = Case::new(numbers, kind, rows, columns);
            let x = numbers.floats(batch * columns);
            let expected = case.expected(&x);
            for mut compute in computes() {
                let what = format!("{kind:?} on {}", compute.isa().name());
                same_bits(&case.found(&mut compute, &x), &expected, &what);
            }
        }
    }

    #[test]
    fn a_row_alone_is_the_row_of_any_batch(seed in 1_u64.., cuts in prop::collection::vec(1_usize..20, 1..6)) {
        let numbers = &mut Numbers(seed);
        let batch: usize = cuts.iter().sum();
        for kind in WeightKind::ALL {
            let case = Case::new(numbers, kind, 100, 512);
            let x = numbers.floats(batch * 512);
            let whole = case.found(&mut Compute::new(2), &x);
            for mut compute in computes() {
                let mut at = 0;
                let mut pieces = Vec::new();
                for cut in &cuts {
                    pieces.extend(case.found(&mut compute, &x[at * 512..(at + cut) * 512]));
                    at += cut;
                }
                same_bits(&pieces, &whole, &format!("{kind:?} on {}", compute.isa().name()));
            }
        }
    }

    #[test]
    fn chosen_outputs_are_those_of_the_whole(
        seed in 1_u64..,
        chosen in prop::collection::vec(0_usize..100, 0..40),
        batch in 1_usize..4,
    ) {
        let numbers = &mut Numbers(seed);
        for kind in WeightKind::ALL {
            let case = Case::new(numbers, kind, 100, 256);
            let x = numbers.floats(batch * 256);
            let whole = case.expected(&x);
            let pick = |row: &[f32]| -> Vec<f32> { chosen.iter().map(|at| row[*at]).collect() };
            let expected: Vec<f32> = whole.chunks(100).flat_map(pick).collect();
            for mut compute in computes() {
                let mut out = vec![f32::NAN; expected.len()];
                compute.multiply_chosen(&x, &case.matrix, &chosen, &mut out).expect("fits");
                same_bits(&out, &expected, &format!("{kind:?} on {}", compute.isa().name()));
                prop_assert!(compute.multiply_chosen(&x, &case.matrix, &[100], &mut out[..0]).is_err());
            }
        }
    }

    #[test]
    fn fused_products_are_their_parts(seed in 1_u64.., batch in 1_usize..20) {
        let numbers = &mut Numbers(seed);
        let kinds = [WeightKind::Q4K, WeightKind::Q6K, WeightKind::F16, WeightKind::Q8_0];
        let cases: Vec<Case> = kinds.iter().map(|kind| Case::new(numbers, *kind, 40, 256)).collect();
        let x = numbers.floats(batch * 256);
        let bias = numbers.floats(40);
        let before = numbers.floats(batch * 40);
        let parts: Vec<Vec<f32>> = cases.iter().map(|case| case.expected(&x)).collect();
        let gate = |bend, a: &[f32], b: &[f32]| -> Vec<f32> {
            a.iter().zip(b).map(|(a, b)| oracle::bend(bend, *a) * b).collect()
        };
        let added: Vec<f32> = parts[2].iter().enumerate().map(|(i, y)| before[i] + (y + bias[i % 40])).collect();
        for mut compute in computes() {
            let mut out = [(); 5].map(|()| vec![0.0; batch * 40]);
            out[2].copy_from_slice(&before);
            let [a, b, c, d, e] = &mut out;
            compute.multiply(&x, 256, vec![
                Product::new(&cases[0].matrix, a),
                Product::new(&cases[1].matrix, b),
                Product::new(&cases[2].matrix, c).bias(Some(&bias)).add(),
                Product::gated(&cases[0].matrix, &cases[3].matrix, Gate::Silu, d),
                Product::gated(&cases[1].matrix, &cases[2].matrix, Gate::Gelu, e),
            ]).expect("fits");
            same_bits(&out[0], &parts[0], "first");
            same_bits(&out[1], &parts[1], "second");
            same_bits(&out[2], &added, "bias and sum");
            same_bits(&out[3], &gate(Gate::Silu, &parts[0], &parts[3]), "silu");
            same_bits(&out[4], &gate(Gate::Gelu, &parts[1], &parts[2]), "gelu");
        }
    }
}

#[test]
fn products_are_near_the_exact_ones() {
    let numbers = &mut Numbers(7);
    for kind in WeightKind::ALL {
        let case = Case::new(numbers, kind, 33, 1024);
        let x: Vec<f32> = (0..1024).map(|_| numbers.float()).collect();
        let found = case.found(&mut Compute::new(1), &x);
        for (row, y) in found.iter().enumerate() {
            let mut weights = vec![0.0; 1024];
            assert!(case.matrix.read_row(row, &mut weights));
            let products = weights
                .iter()
                .zip(&x)
                .map(|(w, x)| f64::from(*w) * f64::from(*x));
            let (exact, size) =
                products.fold((0.0, 0.0), |(sum, size), p| (sum + p, size + p.abs()));
            // Rounding activations to one part in 254 of their block's largest is the whole error of int8 kinds.
            let tolerance = if kind.is_quantized() { 2e-3 } else { 1e-6 };
            assert!(
                (f64::from(*y) - exact).abs() <= tolerance * size,
                "{kind:?}: {y} for {exact}"
            );
        }
    }
}

#[test]
fn extreme_numbers_are_exact_too() {
    // The largest weights meet the largest activations: nothing may saturate on any back end.
    for (kind, fill) in [
        (WeightKind::Q8_0, 0x7f),
        (WeightKind::Q8_0, 0x80),
        (WeightKind::Q5_0, 0xff),
        (WeightKind::Q6K, 0xff),
        (WeightKind::Q4K, 0xff),
    ] {
        let mut raw = vec![fill; kind.row_bytes(256).expect("whole blocks") * 17];
        for block in raw.chunks_mut(kind.block_bytes()) {
            let at = if kind == WeightKind::Q6K { 208 } else { 0 };
            block[at..at + 2].copy_from_slice(&half::f16::from_f32(0.5).to_le_bytes());
            if kind == WeightKind::Q4K {
                block[2..4].copy_from_slice(&half::f16::from_f32(0.25).to_le_bytes());
            }
        }
        let matrix = Matrix::pack(kind, 17, 256, &raw, &mut pool()).expect("fits");
        let case = Case {
            kind,
            rows: 17,
            columns: 256,
            raw,
            matrix,
        };
        for sign in [1.0, -1.0] {
            let x = vec![3.0 * sign; 256 * 13];
            let expected = case.expected(&x);
            for mut compute in computes() {
                same_bits(
                    &case.found(&mut compute, &x),
                    &expected,
                    compute.isa().name(),
                );
            }
        }
        // What is no number must do no harm, whatever it gives.
        let mut x = vec![1.0; 256];
        x[3] = f32::INFINITY;
        x[77] = f32::NAN;
        for mut compute in computes() {
            case.found(&mut compute, &x);
        }
    }
}
