//! Numbers for the tests: seeded, so that a failure can be run again.

#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test file uses its part"
)]

use fak_simd::{Compute, Isa, Pool, WeightKind};

/// A small generator; quality does not matter here.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Between -1 and 1.
    pub(crate) fn float(&mut self) -> f32 {
        (self.next() >> 40) as f32 / 8_388_608.0 - 1.0
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }

    /// Numbers with outliers, zeros and whole blocks of zeros, as activations have them.
    pub(crate) fn floats(&mut self, n: usize) -> Vec<f32> {
        let quiet = self.below(5) * 32;
        let number = |index| match self.below(40) {
            0 => 0.0,
            1 => self.float() * 50.0,
            _ if index / 32 * 32 == quiet => 0.0,
            _ => self.float(),
        };
        (0..n).map(number).collect()
    }

    /// A tensor of random blocks with scales of the size real ones have.
    pub(crate) fn tensor(&mut self, kind: WeightKind, rows: usize, columns: usize) -> Vec<u8> {
        let bytes = rows * kind.row_bytes(columns).expect("whole blocks");
        let mut raw: Vec<u8> = (0..bytes).map(|_| self.next().to_le_bytes()[3]).collect();
        for block in raw.chunks_mut(kind.block_bytes()) {
            let mut half = |at: usize| {
                let bits = half::f16::from_f32(self.float() * 0.02).to_le_bytes();
                block[at..at + 2].copy_from_slice(&bits);
            };
            match kind {
                WeightKind::F32 => {
                    let number = self.float().to_le_bytes();
                    block.copy_from_slice(&number);
                }
                WeightKind::F16 => half(0),
                WeightKind::Bf16 => {
                    let number = half::bf16::from_f32(self.float()).to_le_bytes();
                    block.copy_from_slice(&number);
                }
                WeightKind::Q6K => half(208),
                WeightKind::Q8_0 | WeightKind::Q4_0 | WeightKind::Q5_0 => half(0),
                _ => {
                    half(0);
                    half(2);
                }
            }
        }
        raw
    }
}

/// Every back end of this machine on several numbers of threads.
pub(crate) fn computes() -> Vec<Compute> {
    let isas = Isa::ALL.into_iter().filter(|isa| isa.is_available());
    isas.flat_map(|isa| [1, 3].map(|threads| (isa, threads)))
        .map(|(isa, threads)| Compute::with_isa(isa, threads).expect("available"))
        .collect()
}

pub(crate) fn pool() -> Pool {
    Pool::new(2)
}

/// Says where two results differ in bits.
#[track_caller]
pub(crate) fn same_bits(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            found.to_bits() == expected.to_bits(),
            "{what}: {found} is not {expected} at {index}"
        );
    }
}
