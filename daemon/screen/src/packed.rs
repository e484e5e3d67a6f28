//! Results that are packed: opened within bounds, so that what they hold is read and a bomb is only a refusal.

use std::io::Read;

use flate2::{read::MultiGzDecoder, read::ZlibDecoder};

/// LIMIT: bytes a packed result may open to; a larger one is held back.
pub const PACKED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// LIMIT: bytes a packed result may open to for each of its own, above the first 64 KiB; text packs to a tenth, the same
/// line over and over to a hundredth, and more is a bomb.
pub const PACKED_RATIO_MAX: usize = 128;

/// LIMIT: packings that may lie one in the other; a result with more is held back.
pub const PACKED_DEPTH_MAX: usize = 3;

/// What opens in any case.
const FREE_BYTES: usize = 64 * 1024;

/// What a packed result holds.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Opened {
    /// These bytes, themselves not packed, in a packing of this name.
    Bytes(Vec<u8>, &'static str),
    /// More than a bound allows; which one.
    Refused(&'static str, &'static str),
}

/// Opens `bytes` where they are packed; `None` where they are not, or are text in UTF-8. Memory stays within [`PACKED_BYTES_MAX`].
pub(crate) fn open(bytes: &[u8]) -> Option<Opened> {
    let outer = packing(bytes)?;
    let room = bytes
        .len()
        .saturating_mul(PACKED_RATIO_MAX)
        .saturating_add(FREE_BYTES)
        .min(PACKED_BYTES_MAX);
    let mut plain = unpack(bytes, outer, room)?;
    for _ in 0..PACKED_DEPTH_MAX {
        if plain.len() > room {
            return Some(Opened::Refused("packed-too-much", outer));
        }
        let inner = packing(&plain).and_then(|inner| unpack(&plain, inner, room));
        let Some(inner) = inner else {
            return Some(Opened::Bytes(plain, outer));
        };
        plain = inner;
    }
    Some(Opened::Refused("packed-too-deep", outer))
}

fn packing(bytes: &[u8]) -> Option<&'static str> {
    let how = match bytes {
        [0x1F, 0x8B, 8, ..] => "gzip",
        [0x78, 0x01 | 0x5E | 0x9C | 0xDA, ..] => "zlib",
        _ => return None,
    };
    // `x^` begins a formula as well.
    std::str::from_utf8(bytes).is_err().then_some(how)
}

/// At most one byte more than `room`; what came before an error counts, `None` where nothing did.
fn unpack(bytes: &[u8], how: &str, room: usize) -> Option<Vec<u8>> {
    let limit = u64::try_from(room).unwrap_or(u64::MAX).saturating_add(1);
    let mut plain = Vec::new();
    let read = if how == "gzip" {
        MultiGzDecoder::new(bytes)
            .take(limit)
            .read_to_end(&mut plain)
    } else {
        ZlibDecoder::new(bytes).take(limit).read_to_end(&mut plain)
    };
    (read.is_ok() || !plain.is_empty()).then_some(plain)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder, write::ZlibEncoder};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn bombs_are_refused_by_their_bounds() {
        let bomb = gzip(&vec![b'a'; 64 << 20]);
        assert!(bomb.len() < 100_000);
        assert_eq!(
            open(&bomb),
            Some(Opened::Refused("packed-too-much", "gzip"))
        );
        let mut deep = b"text".to_vec();
        for _ in 0..=PACKED_DEPTH_MAX {
            deep = gzip(&deep);
        }
        assert_eq!(
            open(&deep),
            Some(Opened::Refused("packed-too-deep", "gzip"))
        );
        let twice = gzip(&bomb);
        assert_eq!(
            open(&twice),
            Some(Opened::Refused("packed-too-much", "gzip"))
        );
    }

    #[test]
    fn what_is_packed_opens_and_what_is_not_does_not() {
        let line = b"the same line again\n".repeat(100);
        let mut packer = ZlibEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(&line).unwrap();
        let zlib = packer.finish().unwrap();
        assert_eq!(open(&zlib), Some(Opened::Bytes(line.clone(), "zlib")));
        let packed = gzip(&line);
        assert_eq!(
            open(&gzip(&packed)),
            Some(Opened::Bytes(line.clone(), "gzip"))
        );
        let cut = packed.get(..packed.len() - 9).unwrap();
        assert!(matches!(open(cut), Some(Opened::Bytes(text, _)) if line.starts_with(&text)));
        let formula = b"x^2 + y is text, and no packing";
        assert_eq!(
            open(&gzip(formula)),
            Some(Opened::Bytes(formula.to_vec(), "gzip"))
        );
        assert_eq!(open(b"\x1f\x8b\x08 no such file"), None);
    }
}
