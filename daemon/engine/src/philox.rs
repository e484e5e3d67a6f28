//! Random numbers without a state: Philox 4x32 with ten rounds (Salmon, Moraes, Dror, Shaw: Parallel random numbers, as
//! easy as 1, 2, 3; 2011).

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// The high and the low half of a product.
#[expect(clippy::cast_possible_truncation, reason = "the halves of 64 bits")]
fn halves(a: u32, b: u32) -> (u32, u32) {
    let product = u64::from(a) * u64::from(b);
    ((product >> 32) as u32, product as u32)
}

fn philox([mut a, mut b, mut c, mut d]: [u32; 4], [mut k, mut l]: [u32; 2]) -> [u32; 4] {
    let [first, second] = MULTIPLIERS;
    for _ in 0..10 {
        let (high_a, low_a) = halves(first, a);
        let (high_c, low_c) = halves(second, c);
        (a, b, c, d) = (high_c ^ b ^ k, low_c, high_a ^ d ^ l, low_a);
        k = k.wrapping_add(WEYL[0]);
        l = l.wrapping_add(WEYL[1]);
    }
    [a, b, c, d]
}

/// The uniform number of a position under a seed: at least 0, below 1, a multiple of 2^-53.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the halves of 64 bits; 53 bits are exact"
)]
pub(crate) fn uniform(seed: u64, position: u64) -> f64 {
    let counter = [position as u32, (position >> 32) as u32, 0, 0];
    let [a, b, ..] = philox(counter, [seed as u32, (seed >> 32) as u32]);
    let bits = (u64::from(a) << 32 | u64::from(b)) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::{philox, uniform};

    #[test]
    fn the_authors_vectors() {
        assert_eq!(
            philox([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn uniform_is_even_and_below_one() {
        let mut counts = [0_u32; 16];
        for position in 0..16_000 {
            let x = uniform(7, position);
            assert!((0.0..1.0).contains(&x));
            let bin = (1..16).filter(|edge| x * 16.0 >= f64::from(*edge)).count();
            counts[bin] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)));
        assert_ne!(uniform(7, 0).to_bits(), uniform(8, 0).to_bits());
    }
}
