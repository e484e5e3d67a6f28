//! A log's file: a head of fixed length, then one frame for each record. docs/vault.md has the tables.

use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce, aead::AeadInOut as _};
use zeroize::Zeroizing;

use crate::{
    error::Damage,
    format::{Nonce, TAG_BYTES, take},
    key::{KeyId, VaultKey, keyed_hash},
    meta::SealId,
};

/// How a log begins.
const MAGIC: [u8; 8] = *b"fakv-log";

/// The version of the format this build writes, and the only one it reads.
const VERSION: u16 = 1;

/// XChaCha20-Poly1305 boxes, HMAC-SHA-256 names and checks.
const SUITE: u16 = 1;

/// The length of the head up to the box with the name.
const OPEN_HEAD_BYTES: usize = 92;

/// The length of a head.
pub(crate) const HEAD_BYTES: usize = 384;

/// What a head's box holds: two bytes of length, the name, zeros.
const NAME_PLAIN_BYTES: usize = HEAD_BYTES - OPEN_HEAD_BYTES - TAG_BYTES;

/// The length of a frame before its box.
const FRAME_HEAD_BYTES: usize = 60;

/// What of a frame's head its check covers.
const CHECKED_BYTES: usize = 44;

/// Frames begin and end at multiples of this, so that none shares a few bytes only with a sector.
const ALIGNED_TO: usize = 64;

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// What a vault key becomes for logs. Wiped when dropped.
pub(crate) struct LogKeys {
    key: KeyId,
    cipher: XChaCha20Poly1305,
    checks: Zeroizing<[u8; 32]>,
    names: Zeroizing<[u8; 32]>,
}

/// Which file a frame belongs to: its name, and a number that is new whenever it is written as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) id: SealId,
    pub(crate) generation: [u8; 16],
}

/// What the head of a file says without a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) key: KeyId,
    pub(crate) place: Place,
    nonce: Nonce,
}

/// A record's own numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    /// Which record of the file it is, from 0.
    pub(crate) index: u64,
    /// How many records were known to be on disk when this one was written.
    pub(crate) durable: u64,
}

/// The first bytes of a frame.
struct FrameHead {
    box_len: u32,
    number: Number,
    nonce: Nonce,
    check: [u8; 16],
}

/// What stands behind a head.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) records: Vec<Vec<u8>>,
    /// How many bytes of frames are whole.
    pub(crate) whole: usize,
}

impl Head {
    /// Reads a head's open part.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Damage> {
        let mut rest = bytes;
        let magic: [u8; 8] = take(&mut rest)?;
        let version = u16::from_le_bytes(take(&mut rest)?);
        let suite = u16::from_le_bytes(take(&mut rest)?);
        let head = Self {
            key: KeyId(take(&mut rest)?),
            place: Place {
                id: SealId(take(&mut rest)?),
                generation: take(&mut rest)?,
            },
            nonce: take(&mut rest)?,
        };
        match (magic, version, suite) {
            (MAGIC, VERSION, SUITE) if bytes.len() >= HEAD_BYTES => Ok(head),
            (MAGIC, VERSION, SUITE) => Err(Damage::Length),
            (MAGIC, VERSION, other) => Err(Damage::Suite(other)),
            (MAGIC, other, _) => Err(Damage::Version(other)),
            _ => Err(Damage::Magic),
        }
    }
}

/// The length of a frame with a record of `len` bytes.
pub(crate) const fn frame_len(len: usize) -> usize {
    (FRAME_HEAD_BYTES + 4 + len + TAG_BYTES).next_multiple_of(ALIGNED_TO)
}

impl LogKeys {
    pub(crate) fn new(key: &VaultKey) -> Self {
        let [sealing, checks, names] = key.for_logs();
        Self {
            key: key.id(),
            cipher: XChaCha20Poly1305::new((&*sealing).into()),
            checks,
            names,
        }
    }

    /// The name of the file a new log gets.
    pub(crate) fn file_id(&self, name: &str) -> SealId {
        SealId(*keyed_hash(&self.names, name.as_bytes()))
    }

    /// Makes the head of a file; `name` was checked for its length.
    pub(crate) fn head(&self, name: &str, place: &Place, nonce: &Nonce) -> Vec<u8> {
        let mut head = [
            &MAGIC[..],
            &VERSION.to_le_bytes(),
            &SUITE.to_le_bytes(),
            &self.key.0,
            &place.id.0,
            &place.generation,
            nonce,
        ]
        .concat();
        let len = u16::try_from(name.len()).unwrap_or_default();
        let mut plain = [&len.to_le_bytes()[..], name.as_bytes()].concat();
        plain.resize(NAME_PLAIN_BYTES, 0);
        self.close(nonce, &head, &mut plain);
        head.extend_from_slice(&plain);
        head
    }

    /// The name in the head of a file.
    pub(crate) fn open_head(&self, head: &Head, bytes: &[u8]) -> Result<String, Damage> {
        let (open, rest) = bytes
            .split_at_checked(OPEN_HEAD_BYTES)
            .ok_or(Damage::Length)?;
        let mut plain = rest
            .get(..HEAD_BYTES - OPEN_HEAD_BYTES)
            .ok_or(Damage::Length)?
            .to_vec();
        self.cipher
            .decrypt_in_place(&XNonce::from(head.nonce), open, &mut plain)
            .map_err(|_| Damage::LogHead)?;
        let mut rest = &plain[..];
        let len = usize::from(u16::from_le_bytes(take(&mut rest)?));
        let name = rest.get(..len).ok_or(Damage::Meta("name"))?;
        String::from_utf8(name.to_vec()).map_err(|_| Damage::Meta("name"))
    }

    /// Makes the frame of a record, whose length was checked.
    pub(crate) fn frame(
        &self,
        place: &Place,
        number: Number,
        record: &[u8],
        nonce: &Nonce,
    ) -> Vec<u8> {
        let box_len = frame_len(record.len()) - FRAME_HEAD_BYTES;
        let mut frame = [
            &u32::try_from(box_len).unwrap_or(u32::MAX).to_le_bytes()[..],
            &number.index.to_le_bytes(),
            &number.durable.to_le_bytes(),
            nonce,
        ]
        .concat();
        frame.extend_from_slice(&self.check(place, &frame));
        let mut plain = Vec::with_capacity(box_len);
        let len = u32::try_from(record.len()).unwrap_or(u32::MAX);
        plain.extend_from_slice(&len.to_le_bytes());
        plain.extend_from_slice(record);
        plain.resize(box_len - TAG_BYTES, 0);
        self.close(nonce, &bound(place, &frame), &mut plain);
        frame.extend_from_slice(&plain);
        frame
    }

    fn close(&self, nonce: &Nonce, with: &[u8], buffer: &mut Vec<u8>) {
        let closed = self
            .cipher
            .encrypt_in_place(&XNonce::from(*nonce), with, buffer);
        // The cipher refuses 256 GiB and more, which the limits do not let come here.
        assert!(closed.is_ok(), "a box of {} bytes", buffer.len());
    }

    fn check(&self, place: &Place, checked: &[u8]) -> [u8; 16] {
        let hash = keyed_hash(&self.checks, &bound(place, checked));
        let mut check = [0; 16];
        check.copy_from_slice(&hash[..16]);
        check
    }

    /// The head of a frame at the beginning of `bytes`, if it is authentic.
    fn frame_head(&self, place: &Place, bytes: &[u8]) -> Option<FrameHead> {
        let head = FrameHead::parse(bytes)?;
        (self.check(place, &bytes[..CHECKED_BYTES]) == head.check).then_some(head)
    }

    /// Reads the frames behind a head.
    ///
    /// What a crash can leave is cut: a last frame the file ends within, or one with a sector that was never
    /// written, while no record behind it says that it was on disk. Anything else that is not as it was written
    /// is damage.
    pub(crate) fn scan(&self, place: &Place, frames: &[u8]) -> Result<Scan, Damage> {
        let mut scan = Scan::default();
        while let Some(rest) = frames.get(scan.whole..).filter(|rest| !rest.is_empty()) {
            let index = scan.records.len() as u64;
            let damage = Damage::LogRecord(index);
            if rest.len() < ALIGNED_TO {
                return Ok(scan);
            }
            let Some(head) = self.frame_head(place, rest) else {
                let sector = SECTOR_BYTES - (HEAD_BYTES + scan.whole) % SECTOR_BYTES;
                let first = rest.get(..sector).unwrap_or(rest);
                let torn = is_zero(first) && !self.was_durable(place, index, rest);
                return if torn { Ok(scan) } else { Err(damage) };
            };
            let len = head.frame_len();
            if head.number.index != index {
                return Err(damage);
            }
            let Some((frame, behind)) = rest.split_at_checked(len) else {
                return Ok(scan);
            };
            match self.open_frame(place, &head, frame) {
                Some(record) => scan.records.push(record),
                None => {
                    let torn = has_unwritten_sector(HEAD_BYTES + scan.whole, frame)
                        && !self.was_durable(place, index, behind);
                    return if torn { Ok(scan) } else { Err(damage) };
                }
            }
            scan.whole += len;
        }
        Ok(scan)
    }

    fn open_frame(&self, place: &Place, head: &FrameHead, frame: &[u8]) -> Option<Vec<u8>> {
        let (open, sealed) = frame.split_at_checked(FRAME_HEAD_BYTES)?;
        let mut plain = Zeroizing::new(sealed.to_vec());
        self.cipher
            .decrypt_in_place(&XNonce::from(head.nonce), &bound(place, open), &mut *plain)
            .ok()?;
        let (len, rest) = plain.split_first_chunk()?;
        let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
        let record = rest.get(..len)?;
        Some(record.to_vec())
    }

    /// Whether a later frame in `bytes` says that record `index` was on disk.
    fn was_durable(&self, place: &Place, index: u64, bytes: &[u8]) -> bool {
        let most = index.saturating_add((bytes.len() / ALIGNED_TO) as u64 + 1);
        (0..bytes.len()).step_by(ALIGNED_TO).any(|at| {
            // The numbers are looked at before the check, which costs a hash.
            FrameHead::parse(&bytes[at..]).is_some_and(|head| {
                (index + 1..=most).contains(&head.number.index) && head.number.durable > index
            }) && self.frame_head(place, &bytes[at..]).is_some()
        })
    }
}

impl FrameHead {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let head = Self {
            box_len: u32::from_le_bytes(take(&mut rest).ok()?),
            number: Number {
                index: u64::from_le_bytes(take(&mut rest).ok()?),
                durable: u64::from_le_bytes(take(&mut rest).ok()?),
            },
            nonce: take(&mut rest).ok()?,
            check: take(&mut rest).ok()?,
        };
        let is_aligned = head.frame_len().is_multiple_of(ALIGNED_TO);
        is_aligned.then_some(head)
    }

    fn frame_len(&self) -> usize {
        let box_len = usize::try_from(self.box_len).unwrap_or(usize::MAX);
        box_len.saturating_add(FRAME_HEAD_BYTES)
    }
}

/// What a frame's bytes are authentic together with.
fn bound(place: &Place, bytes: &[u8]) -> Vec<u8> {
    [&place.id.0[..], &place.generation, bytes].concat()
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// Whether all that one sector holds of a frame at `at` in its file is zeros.
fn has_unwritten_sector(at: usize, frame: &[u8]) -> bool {
    let first = (SECTOR_BYTES - at % SECTOR_BYTES).min(frame.len());
    let (first, rest) = frame.split_at(first);
    is_zero(first) || rest.chunks(SECTOR_BYTES).any(is_zero)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fak_chain::digest_bytes;

    const PLACE: Place = Place {
        id: SealId([3; 32]),
        generation: [4; 16],
    };

    fn keys() -> LogKeys {
        let text = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        LogKeys::new(&VaultKey::from_credential_text(text).expect("a key"))
    }

    fn frames(records: &[&[u8]], durable: impl Fn(u64) -> u64) -> Vec<u8> {
        let frame = |(index, record): (u64, &&[u8])| {
            let durable = durable(index);
            keys().frame(&PLACE, Number { index, durable }, record, &[9; 24])
        };
        (0..).zip(records).flat_map(frame).collect()
    }

    /// The vector of docs/vault.md: whoever changes a byte of the format changes its version.
    #[test]
    fn the_format_is_the_one_that_is_written_down() {
        let keys = keys();
        let place = Place {
            id: keys.file_id("flow/trace-1"),
            generation: [0x33; 16],
        };
        let mut file = keys.head("flow/trace-1", &place, &[0x11; 24]);
        let number = Number {
            index: 0,
            durable: 0,
        };
        file.extend(keys.frame(&place, number, b"first record", &[0x22; 24]));
        assert_eq!(file.len(), 384 + 128);
        assert_eq!(
            place.id.to_string(),
            "ee1ae2bf3d88e438f5a08d69bc74e9a72b0579a86c66d93464d18611701da3e1"
        );
        assert_eq!(
            digest_bytes(&file).to_string(),
            "sha256:a222c1db16a4f716d798a3a23907e4650b617bc5d9fb0bc6eec01f87118613d0"
        );
    }

    #[test]
    fn frames_fill_whole_multiples_and_read_back() {
        for len in [0, 1, 47, 48, 49, 112, 113, 5000] {
            let record = vec![7; len];
            let bytes = frames(&[&record, b"x"], |index| index);
            assert_eq!(bytes.len(), frame_len(len) + frame_len(1));
            assert!(frame_len(len).is_multiple_of(64), "{len}");
            let scan = keys().scan(&PLACE, &bytes).expect("whole");
            assert_eq!((scan.records.len(), scan.whole), (2, bytes.len()));
            assert_eq!(scan.records[0], record);
        }
    }

    /// Sectors of a write reach the disk in any order; each set of them is tried.
    #[test]
    fn a_record_torn_by_a_power_cut_is_cut_and_the_ones_before_it_stay() {
        let (first, last) = (vec![1; 700], vec![2; 1500]);
        let whole = frames(&[&first, &last], |index| index);
        let start = frame_len(700);
        let sectors = (HEAD_BYTES + whole.len()).div_ceil(SECTOR_BYTES);
        let begin = (HEAD_BYTES + start) / SECTOR_BYTES;
        for lost in 1_u32..1 << (sectors - begin) {
            let mut bytes = whole.clone();
            for sector in (begin..sectors).filter(|sector| lost >> (sector - begin) & 1 == 1) {
                let from = (sector * SECTOR_BYTES).max(HEAD_BYTES + start) - HEAD_BYTES;
                let to = ((sector + 1) * SECTOR_BYTES - HEAD_BYTES).min(bytes.len());
                bytes[from..to].fill(0);
            }
            let scan = keys().scan(&PLACE, &bytes).expect("torn, not damaged");
            assert_eq!((scan.records.len(), scan.whole), (1, start), "{lost:b}");
        }
    }

    #[test]
    fn zeros_over_a_record_that_was_on_disk_are_damage() {
        let records = [&[1; 700][..], &[2; 1500], &[3; 90]];
        let whole = frames(&records, |index| index);
        let start = frame_len(700);
        for (from, to) in [
            (start, start + 1600),
            (start, start + 512),
            (start + 512, start + 1024),
        ] {
            let mut bytes = whole.clone();
            bytes[from..to].fill(0);
            let damage = keys().scan(&PLACE, &bytes).expect_err("a record is gone");
            assert_eq!(damage, Damage::LogRecord(1));
        }
        // Nobody was told that the second record is on disk, nor the third.
        let mut bytes = frames(&records, |_| 1);
        bytes[start..start + 1600].fill(0);
        let scan = keys().scan(&PLACE, &bytes).expect("torn");
        assert_eq!(scan.records.len(), 1);
    }

    #[test]
    fn records_neither_move_nor_change_files() {
        let whole = frames(&[b"one", b"two", b"six"], |index| index);
        let len = frame_len(3);
        let (one, rest) = whole.split_at(len);
        let (two, three) = rest.split_at(len);
        for bytes in [
            [two, one, three].concat(),
            [one, three].concat(),
            [one, two, two].concat(),
            [two, three].concat(),
        ] {
            assert!(keys().scan(&PLACE, &bytes).is_err());
        }
        for other in [
            Place {
                id: SealId([8; 32]),
                ..PLACE
            },
            Place {
                generation: [8; 16],
                ..PLACE
            },
        ] {
            assert!(keys().scan(&other, &whole).is_err());
        }
    }
}
