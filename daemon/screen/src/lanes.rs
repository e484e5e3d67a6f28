//! Eight bytes at a time: which of them are letters, digits, or of the alphabets of encodings.

/// The highest bit of every lane.
const HIGH: u64 = 0x8080_8080_8080_8080;
/// One in every lane.
const ONE: u64 = 0x0101_0101_0101_0101;

/// Eight bytes of a text, side by side; an answer is the highest bit of a lane.
#[derive(Clone, Copy)]
pub(crate) struct Lanes(u64);

impl Lanes {
    pub(crate) const fn of(bytes: [u8; 8]) -> Self {
        Self(u64::from_le_bytes(bytes))
    }

    /// Lanes of ASCII from `low` to `high`.
    const fn range(self, low: u8, high: u8) -> u64 {
        #[expect(
            clippy::as_conversions,
            reason = "a const fn has no `From`, and nothing is lost"
        )]
        const fn wide(byte: u8) -> u64 {
            byte as u64
        }
        let seven = self.0 & !HIGH;
        let from = seven + (0x80 - wide(low)) * ONE;
        let beyond = seven + (0x7F - wide(high)) * ONE;
        from & !beyond & !self.0 & HIGH
    }

    /// Letters.
    pub(crate) const fn letters(self) -> u64 {
        Self(self.0 | (0x20 * ONE)).range(b'a', b'z')
    }

    /// Letters and digits.
    pub(crate) const fn alphanumeric(self) -> u64 {
        self.letters() | self.range(b'0', b'9')
    }

    /// Whether every lane is a letter, a digit or one of `+`, `-`, `/`, `_`.
    pub(crate) const fn all_encoded(self) -> bool {
        // The three signs are the odd ones from the first to the last of them.
        let signs = self.range(b'+', b'/') & self.0 << 7;
        (self.alphanumeric() | signs | self.range(b'_', b'_')) == HIGH
    }

    /// Whether two lanes side by side are set in `lanes`.
    pub(crate) const fn side_by_side(lanes: u64) -> bool {
        lanes & lanes >> 8 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_told_apart_in_every_lane() {
        for byte in 0..=u8::MAX {
            for lane in 0..8 {
                for other in [b'a', 0, 0xFF, b'Z', b'`'] {
                    let mut bytes = [other; 8];
                    bytes[lane] = byte;
                    let lanes = Lanes::of(bytes);
                    let set = |answer: u64| answer.to_le_bytes().map(|byte| byte == 0x80);
                    assert_eq!(set(lanes.letters()), bytes.map(|b| b.is_ascii_alphabetic()));
                    assert_eq!(
                        set(lanes.alphanumeric()),
                        bytes.map(|b| b.is_ascii_alphanumeric())
                    );
                    let encoded = |b: &u8| b.is_ascii_alphanumeric() || b"+-/_".contains(b);
                    assert_eq!(lanes.all_encoded(), bytes.iter().all(encoded), "{bytes:?}");
                }
            }
        }
    }
}
