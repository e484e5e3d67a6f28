//! Norms, rotary positions, gates: every back end gives the oracle's bits.

mod support;

use fak_simd::{Angles, Gate, RopeStyle, argmax, oracle, rope_frequencies};
use proptest::prelude::*;
use support::{Numbers, computes, same_bits};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn norms_have_the_bits_of_the_oracle(seed in 1_u64.., n in 1_usize..300, rows in 1_usize..5, wide in any::<bool>()) {
        let numbers = &mut Numbers(seed);
        // Enough rows to be given to threads, sometimes.
        let rows = if wide { rows * 100 } else { rows };
        let x = numbers.floats(n * rows);
        let (weight, bias) = (numbers.floats(n), numbers.floats(n));
        let each = |f: &dyn Fn(&[f32]) -> Vec<f32>| -> Vec<f32> { x.chunks(n).flat_map(f).collect() };
        let rms = each(&|x| oracle::rms_norm(x, &weight, 1e-5));
        let layer = each(&|x| oracle::layer_norm(x, &weight, Some(&bias), 1e-5));
        let bare = each(&|x| oracle::layer_norm(x, &weight, None, 1e-5));
        for mut compute in computes() {
            let mut out = vec![0.0; x.len()];
            compute.rms_norm(&x, &weight, 1e-5, &mut out).expect("fits");
            same_bits(&out, &rms, "rms");
            let mut own = x.clone();
            compute.rms_norm_in_place(&mut own, &weight, 1e-5).expect("fits");
            same_bits(&own, &rms, "rms in place");
            compute.layer_norm(&x, &weight, Some(&bias), 1e-5, &mut out).expect("fits");
            same_bits(&out, &layer, "layer");
            compute.layer_norm(&x, &weight, None, 1e-5, &mut out).expect("fits");
            same_bits(&out, &bare, "layer without bias");
        }
    }

    #[test]
    fn rotations_have_the_bits_of_the_oracle(
        seed in 1_u64..,
        heads in 1_usize..4,
        half in 1_usize..40,
        rest in 0_usize..9,
        positions in prop::collection::vec(0_u32..100_000, 1..6),
    ) {
        let numbers = &mut Numbers(seed);
        let dim = 2 * half + rest;
        let x = numbers.floats(positions.len() * heads * dim);
        let mut angles = Angles::default();
        angles.fill(&rope_frequencies(2 * half, 10_000.0), &positions, 1.0);
        for style in [RopeStyle::Norm, RopeStyle::Neox] {
            let mut expected = x.clone();
            for (index, head) in expected.chunks_mut(dim).enumerate() {
                let (cos, sin) = angles.row(index / heads).expect("a row");
                oracle::rotate(head, cos, sin, style == RopeStyle::Norm);
            }
            for mut compute in computes() {
                let mut found = x.clone();
                compute.rope(&mut found, heads, dim, &angles, style).expect("fits");
                same_bits(&found, &expected, "rotation");
            }
        }
    }

    #[test]
    fn gates_have_the_bits_of_the_oracle(seed in 1_u64.., n in 1_usize..40_000) {
        let numbers = &mut Numbers(seed);
        let gate: Vec<f32> = (0..n).map(|_| numbers.float() * 120.0).collect();
        let up = numbers.floats(n);
        for bend in [Gate::Silu, Gate::Gelu] {
            let bent: Vec<f32> = gate.iter().map(|x| oracle::bend(bend, *x)).collect();
            let both: Vec<f32> = bent.iter().zip(&up).map(|(a, b)| a * b).collect();
            let sum: Vec<f32> = gate.iter().zip(&up).map(|(a, b)| a + b).collect();
            for mut compute in computes() {
                let mut out = vec![0.0; n];
                compute.gate(bend, &gate, None, &mut out).expect("fits");
                same_bits(&out, &bent, "bent");
                compute.gate(bend, &gate, Some(&up), &mut out).expect("fits");
                same_bits(&out, &both, "gated");
                out.copy_from_slice(&gate);
                compute.add(&mut out, &up).expect("fits");
                same_bits(&out, &sum, "sum");
            }
        }
    }
}

#[test]
fn functions_are_near_the_library() {
    for step in -40_000..40_000 {
        let x = step as f32 * 0.002;
        let exact = f64::from(x).exp();
        assert!(
            (f64::from(oracle::exp(x)) / exact - 1.0).abs() < 2.5e-7,
            "exp {x}"
        );
        let silu = f64::from(x) / (1.0 + (-f64::from(x)).exp());
        let found = f64::from(oracle::bend(Gate::Silu, x));
        assert!(
            (found - silu).abs() <= 3e-7 * silu.abs() + 1e-30,
            "silu {x}"
        );
        let x64 = f64::from(x);
        let inner = (2.0 / std::f64::consts::PI).sqrt() * (x64 + 0.044_715 * x64.powi(3));
        let gelu = 0.5 * x64 * (1.0 + inner.tanh());
        let found = f64::from(oracle::bend(Gate::Gelu, x));
        assert!(
            (found - gelu).abs() <= 2e-6 * x64.abs() + 1e-30,
            "gelu {x}: {found} {gelu}"
        );
    }
    assert!(oracle::exp(-86.5).to_bits() == 0);
    assert!(oracle::exp(1e9).is_finite());
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    for mut compute in computes() {
        assert!(
            compute
                .rms_norm(&[0.0; 5], &[1.0; 2], 1e-5, &mut [0.0; 5])
                .is_err()
        );
        assert!(
            compute
                .rms_norm(&[0.0; 4], &[1.0; 2], 1e-5, &mut [0.0; 5])
                .is_err()
        );
        assert!(
            compute
                .rms_norm(&[0.0; 4], &[], 1e-5, &mut [0.0; 4])
                .is_err()
        );
        assert!(
            compute
                .gate(Gate::Silu, &[0.0; 4], Some(&[0.0; 3]), &mut [0.0; 4])
                .is_err()
        );
        assert!(compute.add(&mut [0.0; 4], &[0.0; 3]).is_err());
        let mut angles = Angles::default();
        angles.fill(&rope_frequencies(8, 10_000.0), &[0, 1], 1.0);
        assert!(
            compute
                .rope(&mut [0.0; 16], 1, 8, &angles, RopeStyle::Neox)
                .is_ok()
        );
        assert!(
            compute
                .rope(&mut [0.0; 12], 1, 6, &angles, RopeStyle::Neox)
                .is_err()
        );
        assert!(
            compute
                .rope(&mut [0.0; 24], 1, 8, &angles, RopeStyle::Neox)
                .is_err()
        );
    }
}

#[test]
fn the_first_of_equals_is_the_largest() {
    assert_eq!(argmax(&[]), None);
    assert_eq!(argmax(&[f32::NAN, f32::NAN]), None);
    assert_eq!(argmax(&[f32::NAN, -3.0, 2.0, 2.0, f32::NAN, 1.0]), Some(2));
    assert_eq!(argmax(&[f32::NEG_INFINITY]), Some(0));
}
