//! A file's first bytes, all that can be read without a key. docs/vault.md has the table.

use crate::{error::Damage, key::KeyId, meta::SealId};

/// How a file begins.
const MAGIC: [u8; 8] = *b"fakvault";

/// The version of the format this build writes, and the only one it reads.
pub const VERSION: u16 = 1;

/// XChaCha20-Poly1305 boxes, HMAC-SHA-256 names.
const SUITE: u16 = 1;

/// The length of a header, before the two boxes.
pub const HEADER_BYTES: usize = 112;

/// What an authentication tag adds to a box.
pub(crate) const TAG_BYTES: usize = 16;

/// Longest box of metadata. LIMIT: a header that says more is refused before a byte of it is read.
pub(crate) const META_BOX_MAX: u32 = 256 << 10;

pub(crate) type Nonce = [u8; 24];

/// What the header of a file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Length of the box with the metadata, tag included.
    pub meta_len: u32,
    /// Length of the box with the content, tag included.
    pub body_len: u64,
    /// Names the key both boxes are sealed with.
    pub key: KeyId,
    /// The file's own name.
    pub id: SealId,
    pub(crate) meta_nonce: Nonce,
    pub(crate) body_nonce: Nonce,
}

impl Header {
    /// Reads a header from the beginning of `bytes`; what follows it is not looked at.
    ///
    /// # Errors
    /// [`Damage`] of the header.
    pub fn parse(bytes: &[u8]) -> Result<Self, Damage> {
        let mut rest = bytes;
        let magic: [u8; 8] = take(&mut rest)?;
        let version = u16::from_le_bytes(take(&mut rest)?);
        let suite = u16::from_le_bytes(take(&mut rest)?);
        let header = Self {
            meta_len: u32::from_le_bytes(take(&mut rest)?),
            body_len: u64::from_le_bytes(take(&mut rest)?),
            key: KeyId(take(&mut rest)?),
            id: SealId(take(&mut rest)?),
            meta_nonce: take(&mut rest)?,
            body_nonce: take(&mut rest)?,
        };
        if magic != MAGIC {
            return Err(Damage::Magic);
        }
        if version != VERSION {
            return Err(Damage::Version(version));
        }
        if suite != SUITE {
            return Err(Damage::Suite(suite));
        }
        let tag = TAG_BYTES as u64;
        let is_bounded = header.meta_len <= META_BOX_MAX && header.body_len <= i64::MAX as u64;
        if is_bounded && u64::from(header.meta_len) > tag && header.body_len >= tag {
            Ok(header)
        } else {
            Err(Damage::Length)
        }
    }

    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let fields: [&[u8]; 9] = [
            &MAGIC,
            &VERSION.to_le_bytes(),
            &SUITE.to_le_bytes(),
            &self.meta_len.to_le_bytes(),
            &self.body_len.to_le_bytes(),
            &self.key.0,
            &self.id.0,
            &self.meta_nonce,
            &self.body_nonce,
        ];
        let mut bytes = [0; HEADER_BYTES];
        for (to, from) in bytes.iter_mut().zip(fields.into_iter().flatten()) {
            *to = *from;
        }
        bytes
    }

    /// The length of a whole file with this header.
    #[must_use]
    pub const fn file_len(&self) -> u64 {
        (HEADER_BYTES as u64)
            .saturating_add(self.meta_len as u64)
            .saturating_add(self.body_len)
    }
}

pub(crate) fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Damage> {
    let (head, tail) = rest.split_first_chunk().ok_or(Damage::Length)?;
    *rest = tail;
    Ok(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            meta_len: 272,
            body_len: 4112,
            key: KeyId([1; 8]),
            id: SealId([2; 32]),
            meta_nonce: [3; 24],
            body_nonce: [4; 24],
        }
    }

    #[test]
    fn a_header_reads_back_and_its_fields_lie_where_the_page_says() {
        let bytes = header().encode();
        assert_eq!(Header::parse(&bytes), Ok(header()));
        assert_eq!(&bytes[..8], b"fakvault");
        assert_eq!(bytes[8..12], [1, 0, 1, 0]);
        assert_eq!(bytes[12..16], 272_u32.to_le_bytes());
        assert_eq!(bytes[16..24], 4112_u64.to_le_bytes());
        assert_eq!(bytes[24..32], [1; 8]);
        assert_eq!(bytes[32..64], [2; 32]);
        assert_eq!(bytes[64..88], [3; 24]);
        assert_eq!(bytes[88..112], [4; 24]);
        assert_eq!(header().file_len(), 112 + 272 + 4112);
    }

    #[test]
    fn what_is_no_header_is_named() {
        let with = |at: usize, byte: u8| {
            let mut bytes = header().encode();
            bytes[at] = byte;
            Header::parse(&bytes)
        };
        assert_eq!(with(0, b'F'), Err(Damage::Magic));
        assert_eq!(with(8, 2), Err(Damage::Version(2)));
        assert_eq!(with(10, 9), Err(Damage::Suite(9)));
        assert_eq!(with(15, 1), Err(Damage::Length), "metadata of 16 MiB");
        assert_eq!(with(23, 0x80), Err(Damage::Length), "a body of 2^63");
        for len in 0..HEADER_BYTES {
            let cut = &header().encode()[..len];
            assert_eq!(Header::parse(cut), Err(Damage::Length));
        }
        let empty = Header {
            meta_len: 16,
            ..header()
        };
        assert_eq!(Header::parse(&empty.encode()), Err(Damage::Length));
    }
}
