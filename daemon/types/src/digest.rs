//! SHA-256 digests as values; the hashing itself lives with who hashes.

use std::fmt;

/// A SHA-256 digest. Renders as `sha256:<64 lower-case hex>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

/// The text was not `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DigestParseError;

impl fmt::Display for DigestParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a digest is `sha256:` and 64 lower-case hexadecimal digits")
    }
}

impl std::error::Error for DigestParseError {}

impl Digest {
    /// All zero bytes: the value before the first record of a chain.
    pub const ZERO: Self = Self([0; 32]);

    /// Reads `sha256:<hex>`.
    ///
    /// # Errors
    /// [`DigestParseError`] when the text has any other form.
    pub fn parse(text: &str) -> Result<Self, DigestParseError> {
        let hex = text
            .strip_prefix("sha256:")
            .ok_or(DigestParseError)?
            .as_bytes();
        if hex.len() != 64 {
            return Err(DigestParseError);
        }
        let nibble = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(DigestParseError),
        };
        let mut bytes = [0_u8; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            if let [high, low] = *pair {
                *byte = nibble(high)? << 4 | nibble(low)?;
            }
        }
        Ok(Self(bytes))
    }

    /// The first twelve hexadecimal digits, for tables people read.
    #[must_use]
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.drain(..7);
        text.truncate(12);
        text
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
