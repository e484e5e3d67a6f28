//! What is known of a blob besides its bytes, and how that is written before it is sealed.

use std::fmt;

use fak_types::{Digest, Reason, TOOL_NAME_BYTES_MAX, TRACE_ID_BYTES_MAX};

use crate::error::{Damage, SealError};

/// Longest text that says who asked. LIMIT: sealing is refused beyond it.
pub const WHO_BYTES_MAX: usize = 256;

/// Longest spelling of a reason that is read. LIMIT: a file with a longer one is refused.
pub const REASON_BYTES_MAX: usize = 64;

/// Most sessions that hold one content. LIMIT: sealing is refused beyond it, so that the metadata of a
/// blob stays small.
pub(crate) const HOLDS_MAX: usize = 256;

/// Metadata is filled up to a multiple of this, so that the length of a file says little of its texts.
const FILLED_TO: usize = 256;

/// The name of a blob: a keyed hash of its content, so that it says nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SealId(pub [u8; 32]);

impl SealId {
    /// Reads 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Digest::parse(&format!("sha256:{text}"))
            .ok()
            .map(|Digest(bytes)| Self(bytes))
    }
}

impl fmt::Display for SealId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SealId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a content is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An answer that may be given again; displaced first when room is needed.
    Cached,
    /// Moved out of a context for its size; displaced when room is needed.
    PagedOut,
    /// Not admitted; never displaced.
    Quarantined,
}

impl Kind {
    const fn byte(self) -> u8 {
        match self {
            Self::Quarantined => 1,
            Self::PagedOut => 2,
            Self::Cached => 3,
        }
    }

    const fn of(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Quarantined),
            2 => Some(Self::PagedOut),
            3 => Some(Self::Cached),
            _ => None,
        }
    }
}

/// One session's hold on a content, and what is to be known of it. A session is a principal and a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The session's trace id.
    pub trace: String,
    /// The session's principal.
    pub who: String,
    /// The tool that brought the content.
    pub tool: String,
    /// Why it was not admitted; [`Reason::None`] for what was admitted or paged out.
    pub reason: Reason,
    /// The digest of the screen's rules that judged it.
    pub rules: Digest,
    /// Why it is here.
    pub kind: Kind,
    /// When it was sealed, in microseconds since 1970.
    pub at_us: u64,
}

impl Meta {
    /// Refuses texts that are longer than what is read back.
    pub(crate) fn check(&self) -> Result<(), SealError> {
        for (field, text, max) in [
            ("trace", &self.trace, TRACE_ID_BYTES_MAX),
            ("principal", &self.who, WHO_BYTES_MAX),
            ("tool", &self.tool, TOOL_NAME_BYTES_MAX),
        ] {
            let len = text.len();
            if len > max {
                return Err(SealError::Text { field, len, max });
            }
        }
        Ok(())
    }

    pub(crate) fn is_of(&self, who: &str, trace: &str) -> bool {
        self.trace == trace && self.who == who
    }
}

/// What is known of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Its name.
    pub id: SealId,
    /// How many bytes it holds.
    pub len: u64,
    /// The digest of its content, as the journal has it.
    pub digest: Digest,
    /// Who holds it; at least one.
    pub holds: Vec<Meta>,
}

impl Sealed {
    /// [`Kind::Quarantined`] when it is for at least one session.
    #[must_use]
    pub fn kind(&self) -> Kind {
        let kinds = self.holds.iter().map(|hold| hold.kind);
        kinds.max().unwrap_or(Kind::Quarantined)
    }

    /// When it was sealed last.
    #[must_use]
    pub fn at_us(&self) -> u64 {
        let times = self.holds.iter().map(|hold| hold.at_us);
        times.max().unwrap_or_default()
    }

    /// Adds a hold, in the place of the same session's earlier one. What a session has in quarantine
    /// does not leave it by being paged out.
    pub(crate) fn hold(&mut self, meta: &Meta) {
        let mut meta = meta.clone();
        if let Some(before) = self
            .holds
            .iter_mut()
            .find(|hold| hold.is_of(&meta.who, &meta.trace))
        {
            if before.kind > meta.kind {
                meta = Meta {
                    at_us: meta.at_us,
                    ..before.clone()
                };
            }
            *before = meta;
        } else {
            self.holds.push(meta);
        }
    }
}

/// Metadata as it is sealed.
pub(crate) fn encode(sealed: &Sealed) -> Vec<u8> {
    let mut out = Vec::with_capacity(FILLED_TO);
    out.extend_from_slice(&sealed.digest.0);
    out.extend_from_slice(&sealed.len.to_le_bytes());
    let count = u16::try_from(sealed.holds.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&count.to_le_bytes());
    for hold in sealed.holds.iter().take(count.into()) {
        out.push(hold.kind.byte());
        out.extend_from_slice(&hold.at_us.to_le_bytes());
        out.extend_from_slice(&hold.rules.0);
        for text in [&*hold.trace, &*hold.who, &*hold.tool, hold.reason.as_str()] {
            // Longer texts were refused by `Meta::check`.
            let len = u16::try_from(text.len()).unwrap_or(0);
            out.extend_from_slice(&len.to_le_bytes());
            out.extend_from_slice(&text.as_bytes()[..len.into()]);
        }
    }
    out.resize(out.len().next_multiple_of(FILLED_TO), 0);
    out
}

/// Reads what [`encode`] wrote, of the blob `id`.
pub(crate) fn decode(id: SealId, bytes: &[u8]) -> Result<Sealed, Damage> {
    let mut reader = Reader { rest: bytes };
    let digest = Digest(reader.array("digest")?);
    let len = u64::from_le_bytes(reader.array("length")?);
    let count = usize::from(u16::from_le_bytes(reader.array("number of holds")?));
    if count == 0 || count > HOLDS_MAX {
        return Err(Damage::Meta("number of holds"));
    }
    let holds = (0..count)
        .map(|_| reader.hold())
        .collect::<Result<_, _>>()?;
    if reader.rest.len() >= FILLED_TO || reader.rest.iter().any(|byte| *byte != 0) {
        return Err(Damage::Meta("filling"));
    }
    Ok(Sealed {
        id,
        len,
        digest,
        holds,
    })
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Damage> {
        let (head, tail) = self.rest.split_first_chunk().ok_or(Damage::Meta(field))?;
        self.rest = tail;
        Ok(*head)
    }

    fn text(&mut self, field: &'static str, max: usize) -> Result<String, Damage> {
        let len = usize::from(u16::from_le_bytes(self.array(field)?));
        let (head, tail) = self
            .rest
            .split_at_checked(len)
            .filter(|_| len <= max)
            .ok_or(Damage::Meta(field))?;
        self.rest = tail;
        let text = std::str::from_utf8(head).map_err(|_| Damage::Meta(field))?;
        Ok(text.to_owned())
    }

    fn hold(&mut self) -> Result<Meta, Damage> {
        let [kind] = self.array("kind")?;
        Ok(Meta {
            kind: Kind::of(kind).ok_or(Damage::Meta("kind"))?,
            at_us: u64::from_le_bytes(self.array("time")?),
            rules: Digest(self.array("digest of rules")?),
            trace: self.text("trace", TRACE_ID_BYTES_MAX)?,
            who: self.text("principal", WHO_BYTES_MAX)?,
            tool: self.text("tool", TOOL_NAME_BYTES_MAX)?,
            reason: Reason::parse(&self.text("reason", REASON_BYTES_MAX)?)
                .ok_or(Damage::Meta("reason"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{META_BOX_MAX, TAG_BYTES};

    fn hold(trace: &str, kind: Kind) -> Meta {
        Meta {
            trace: trace.into(),
            who: "uid:1000".into(),
            tool: "WebFetch".into(),
            reason: Reason::TrustViolation,
            rules: Digest([9; 32]),
            kind,
            at_us: 1,
        }
    }

    fn sealed(holds: Vec<Meta>) -> Sealed {
        Sealed {
            id: SealId([1; 32]),
            len: 77,
            digest: Digest([2; 32]),
            holds,
        }
    }

    #[test]
    fn metadata_reads_back_and_every_cut_or_change_of_form_is_refused() {
        let one = sealed(vec![hold("a", Kind::Quarantined), hold("", Kind::PagedOut)]);
        let bytes = encode(&one);
        assert_eq!(bytes.len() % FILLED_TO, 0);
        assert_eq!(decode(one.id, &bytes), Ok(one.clone()));
        let used = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .expect("not empty");
        for len in 0..=used {
            assert!(decode(one.id, &bytes[..len]).is_err(), "{len}");
        }
        let mut longer = bytes.clone();
        longer.push(1);
        assert_eq!(decode(one.id, &longer), Err(Damage::Meta("filling")));
        let mut other = bytes;
        other[42] = 4;
        assert_eq!(decode(one.id, &other), Err(Damage::Meta("kind")));
        assert_eq!(
            decode(one.id, &encode(&sealed(vec![]))),
            Err(Damage::Meta("number of holds"))
        );
    }

    #[test]
    fn the_longest_metadata_fits_its_limits() {
        let longest = Meta {
            trace: "t".repeat(TRACE_ID_BYTES_MAX),
            who: "w".repeat(WHO_BYTES_MAX),
            tool: "x".repeat(TOOL_NAME_BYTES_MAX),
            ..hold("", Kind::Quarantined)
        };
        assert!(longest.check().is_ok());
        let full = sealed(vec![longest.clone(); HOLDS_MAX]);
        let bytes = encode(&full);
        assert!(bytes.len() + TAG_BYTES <= META_BOX_MAX as usize);
        assert_eq!(decode(full.id, &bytes), Ok(full));
        let longer = Meta {
            tool: "x".repeat(TOOL_NAME_BYTES_MAX + 1),
            ..longest
        };
        let error = longer.check().expect_err("too long").to_string();
        assert!(error.contains("the tool has 257 bytes"), "{error}");
        let reasons = Reason::ALL.iter().map(|reason| reason.as_str().len());
        assert!(reasons.max() <= Some(REASON_BYTES_MAX));
    }

    #[test]
    fn a_sessions_quarantine_outlasts_its_paging_out() {
        let mut blob = sealed(vec![hold("a", Kind::PagedOut)]);
        assert_eq!(blob.kind(), Kind::PagedOut);
        blob.hold(&hold("b", Kind::Quarantined));
        blob.hold(&Meta {
            at_us: 8,
            ..hold("b", Kind::PagedOut)
        });
        assert_eq!(
            (blob.holds.len(), blob.kind(), blob.at_us()),
            (2, Kind::Quarantined, 8)
        );
        assert_eq!(blob.holds[1].kind, Kind::Quarantined);
        let another = Meta {
            who: "uid:7".into(),
            ..hold("b", Kind::PagedOut)
        };
        blob.hold(&another);
        assert_eq!(
            blob.holds.len(),
            3,
            "another principal's trace of that name is another session"
        );
    }

    #[test]
    fn names_are_64_digits() {
        let id = SealId([0xab; 32]);
        assert_eq!(SealId::parse(&id.to_string()), Some(id));
        assert_eq!(SealId::parse(&"AB".repeat(32)), None);
        assert_eq!(SealId::parse("ab"), None);
        assert_eq!(SealId::parse(&format!("../{}", "ab".repeat(31))), None);
    }
}
