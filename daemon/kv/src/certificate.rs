//! Certificates: what an eviction did, in bytes to sign.
//!
//! [`NeverSaw`] is made of an [`ExactReceipt`] and nothing else, names an [`ExactMode`] and needs a fresh measurement that
//! equals what is left. [`Approximated`] is another type with another first line; neither reads the other's bytes.

use std::{fmt, fmt::Write as _, str::Lines};

use fak_types::Digest;

use crate::{
    evict::{ApproximateReceipt, ExactReceipt, Facts, SpanFacts},
    words::{ExactMode, Kind, KvType, SeqId, SpanId, Tag, is_name},
};

/// Longest certificate read, in bytes.
///
/// LIMIT: 8192 spans that left, each on a line of some 250 bytes, and as many that are tainted.
pub const CERTIFICATE_BYTES_MAX: usize = 4 << 20;

const HEAD: &str = "fak-kv certificate 1";

/// The journal row that speaks of the eviction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Its number.
    pub row: u64,
    /// Its digest in the chain.
    pub hash: Digest,
}

/// Digests of the KV bytes of the rows that stay, in the order of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Before the eviction.
    pub before: Digest,
    /// After it, with what was run again.
    pub after: Digest,
    /// Of a fresh run of the surviving list, on other pages.
    pub fresh: Digest,
}

/// Why there is no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateError {
    /// What is left differs from a fresh run of the same list.
    NotEqual,
    /// Nothing was run again, and yet the rows that stay changed.
    Changed,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotEqual => "what is left differs from a fresh run of the same list",
            Self::Changed => "nothing was run again, and yet the rows that stay changed",
        })
    }
}

impl std::error::Error for CertificateError {}

/// Why a certificate does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifyError {
    /// The bytes are no certificate of this kind; at what.
    Form(&'static str),
    /// The signature is not that of these bytes.
    Signature,
    /// It is anchored in another row.
    Anchor,
    /// It is about another span.
    Span,
    /// Another list is left.
    Survivors,
    /// What is left does not equal the fresh measurement.
    NotEqual,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(what) => write!(f, "not a certificate of this kind: {what}"),
            Self::Signature => f.write_str("the signature is not that of these bytes"),
            Self::Anchor => f.write_str("it is anchored in another row"),
            Self::Span => f.write_str("it is about another span"),
            Self::Survivors => f.write_str("another list is left"),
            Self::NotEqual => f.write_str("what is left does not equal the fresh measurement"),
        }
    }
}

impl std::error::Error for VerifyError {}

/// What a certificate is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The row, as it was found in the journal.
    pub anchor: Anchor,
    /// The digest of the token ids the row pins.
    pub span: Digest,
    /// The digest of the surviving list, from whoever has it: [`crate::Ledger::list_digest`].
    pub survivors: Option<Digest>,
    /// The digest of the KV bytes of a run of one's own.
    pub fresh: Option<Digest>,
}

/// The rows that are left are those of a sequence that never saw the span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeverSaw {
    mode: ExactMode,
    facts: Facts,
    measured: Measured,
    anchor: Anchor,
}

/// The span's rows are gone; what is left still carries their influence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approximated {
    facts: Facts,
    before: Digest,
    after: Digest,
    anchor: Anchor,
}

impl NeverSaw {
    /// The certificate of an eviction.
    ///
    /// # Errors
    /// [`CertificateError`] when what was measured says that it was not exact.
    pub fn new(
        receipt: ExactReceipt,
        measured: Measured,
        anchor: Anchor,
    ) -> Result<Self, CertificateError> {
        if measured.after != measured.fresh {
            return Err(CertificateError::NotEqual);
        }
        if receipt.facts.recomputed == 0 && measured.before != measured.after {
            return Err(CertificateError::Changed);
        }
        Ok(Self {
            mode: receipt.mode,
            facts: receipt.facts,
            measured,
            anchor,
        })
    }

    /// How the span left.
    #[must_use]
    pub const fn mode(&self) -> ExactMode {
        self.mode
    }

    /// The span.
    #[must_use]
    pub const fn span(&self) -> &SpanFacts {
        &self.facts.span
    }

    /// Generated spans that stay and may repeat it: the rows are exact, the text is not.
    pub fn text_taint(&self) -> impl Iterator<Item = (SpanId, &str)> {
        self.facts
            .text_taint
            .iter()
            .map(|(id, name)| (*id, &**name))
    }

    /// The bytes to sign. Equal certificates give equal bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = head("never-saw", self.mode.as_str());
        body(&mut text, &self.facts);
        line(&mut text, "kv-before", &self.measured.before);
        line(&mut text, "kv-after", &self.measured.after);
        line(&mut text, "kv-fresh", &self.measured.fresh);
        tail(&mut text, &self.facts, self.anchor);
        text.into_bytes()
    }

    /// Reads what [`NeverSaw::bytes`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`VerifyError::Form`].
    pub fn parse(bytes: &[u8]) -> Result<Self, VerifyError> {
        let mut reader = Reader::new(bytes, "never-saw")?;
        let mode = reader.word("mode", ExactMode::parse)?;
        let facts = reader.facts()?;
        let measured = Measured {
            before: reader.digest("kv-before")?,
            after: reader.digest("kv-after")?,
            fresh: reader.digest("kv-fresh")?,
        };
        let (anchor, facts) = reader.tail(facts)?;
        let read = Self {
            mode,
            facts,
            measured,
            anchor,
        };
        // Spellings that mean the same are refused too: one certificate, one text.
        if read.bytes() == bytes {
            Ok(read)
        } else {
            Err(VerifyError::Form("spelling"))
        }
    }

    /// Reads a certificate and holds it against what is known. `signed` says whether the signature is that of the bytes.
    ///
    /// # Errors
    /// [`VerifyError`] at the first thing that does not hold.
    pub fn verify(
        bytes: &[u8],
        signed: impl FnOnce(&[u8]) -> bool,
        expected: &Expected,
    ) -> Result<Self, VerifyError> {
        if !signed(bytes) {
            return Err(VerifyError::Signature);
        }
        let read = Self::parse(bytes)?;
        let untouched = read.facts.recomputed > 0 || read.measured.before == read.measured.after;
        if read.measured.after != read.measured.fresh || !untouched {
            return Err(VerifyError::NotEqual);
        }
        against(&read.facts, read.anchor, expected)?;
        if expected
            .fresh
            .is_some_and(|fresh| fresh != read.measured.after)
        {
            return Err(VerifyError::NotEqual);
        }
        Ok(read)
    }
}

impl Approximated {
    /// The certificate of an approximate eviction, with digests of the KV bytes of the rows that stay.
    #[must_use]
    pub fn new(receipt: ApproximateReceipt, before: Digest, after: Digest, anchor: Anchor) -> Self {
        Self {
            facts: receipt.facts,
            before,
            after,
            anchor,
        }
    }

    /// The span.
    #[must_use]
    pub const fn span(&self) -> &SpanFacts {
        &self.facts.span
    }

    /// The bytes to sign.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = head("approximate", "approximate");
        body(&mut text, &self.facts);
        line(&mut text, "kv-before", &self.before);
        line(&mut text, "kv-after", &self.after);
        tail(&mut text, &self.facts, self.anchor);
        text.into_bytes()
    }

    /// Reads what [`Approximated::bytes`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`VerifyError::Form`].
    pub fn parse(bytes: &[u8]) -> Result<Self, VerifyError> {
        let mut reader = Reader::new(bytes, "approximate")?;
        reader.word("mode", |word| (word == "approximate").then_some(()))?;
        let facts = reader.facts()?;
        let (before, after) = (reader.digest("kv-before")?, reader.digest("kv-after")?);
        let (anchor, facts) = reader.tail(facts)?;
        let read = Self {
            facts,
            before,
            after,
            anchor,
        };
        if read.bytes() == bytes {
            Ok(read)
        } else {
            Err(VerifyError::Form("spelling"))
        }
    }

    /// Reads a certificate and holds it against what is known.
    ///
    /// # Errors
    /// [`VerifyError`] at the first thing that does not hold.
    pub fn verify(
        bytes: &[u8],
        signed: impl FnOnce(&[u8]) -> bool,
        expected: &Expected,
    ) -> Result<Self, VerifyError> {
        if !signed(bytes) {
            return Err(VerifyError::Signature);
        }
        let read = Self::parse(bytes)?;
        against(&read.facts, read.anchor, expected)?;
        Ok(read)
    }
}

fn against(facts: &Facts, anchor: Anchor, expected: &Expected) -> Result<(), VerifyError> {
    if anchor != expected.anchor {
        return Err(VerifyError::Anchor);
    }
    if facts.span.digest != expected.span {
        return Err(VerifyError::Span);
    }
    if expected
        .survivors
        .is_some_and(|survivors| survivors != facts.survivors)
    {
        return Err(VerifyError::Survivors);
    }
    Ok(())
}

fn head(kind: &str, mode: &str) -> String {
    format!("{HEAD}\nkind {kind}\nmode {mode}\n")
}

fn line(text: &mut String, key: &str, value: &dyn fmt::Display) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{key} {value}");
}

fn span_line(span: &SpanFacts) -> String {
    let SpanFacts {
        id,
        name,
        kind,
        row,
        tokens,
        digest,
    } = span;
    format!("{} {kind} {row} {tokens} {digest} {name}", id.0)
}

fn body(text: &mut String, facts: &Facts) {
    line(text, "model", &facts.tag.model);
    line(text, "family", &facts.tag.family);
    line(text, "kv", &facts.tag.kv);
    line(text, "sequence", &facts.seq.0);
    line(text, "span", &span_line(&facts.span));
    line(text, "leaving", &facts.left.len());
    for span in &facts.left {
        line(text, "left", &span_line(span));
    }
    line(text, "zeroed", &yes(facts.zeroed));
    line(text, "elsewhere", &facts.elsewhere);
    line(text, "recomputed", &facts.recomputed);
    line(text, "isolated", &yes(facts.isolated));
    line(text, "survivor-tokens", &facts.survivor_tokens);
    line(text, "survivors", &facts.survivors);
}

fn tail(text: &mut String, facts: &Facts, anchor: Anchor) {
    line(text, "text-taint", &facts.text_taint.len());
    for (id, name) in &facts.text_taint {
        line(text, "tainted", &format!("{} {name}", id.0));
    }
    line(text, "anchor-row", &anchor.row);
    line(text, "anchor-hash", &anchor.hash);
}

const fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

/// Takes a certificate apart, line by line, every line in its place.
struct Reader<'a> {
    lines: Lines<'a>,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], kind: &str) -> Result<Self, VerifyError> {
        if bytes.len() > CERTIFICATE_BYTES_MAX {
            return Err(VerifyError::Form("longer than any"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| VerifyError::Form("not text"))?;
        let mut lines = text.lines();
        if lines.next() != Some(HEAD) {
            return Err(VerifyError::Form("head"));
        }
        let mut reader = Self { lines };
        reader.word("kind", |word| (word == kind).then_some(()))?;
        Ok(reader)
    }

    fn value(&mut self, key: &'static str) -> Result<&'a str, VerifyError> {
        let line = self.lines.next().and_then(|line| line.strip_prefix(key));
        line.and_then(|line| line.strip_prefix(' '))
            .ok_or(VerifyError::Form(key))
    }

    fn word<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, VerifyError> {
        read(self.value(key)?).ok_or(VerifyError::Form(key))
    }

    fn digest(&mut self, key: &'static str) -> Result<Digest, VerifyError> {
        self.word(key, |word| Digest::parse(word).ok())
    }

    fn number(&mut self, key: &'static str) -> Result<u64, VerifyError> {
        self.word(key, |word| word.parse().ok())
    }

    fn yes(&mut self, key: &'static str) -> Result<bool, VerifyError> {
        self.word(key, |word| match word {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        })
    }

    fn span(&mut self, key: &'static str) -> Result<SpanFacts, VerifyError> {
        self.word(key, |line| {
            let mut words = line.splitn(6, ' ');
            Some(SpanFacts {
                id: SpanId(words.next()?.parse().ok()?),
                kind: Kind::parse(words.next()?)?,
                row: words.next()?.parse().ok()?,
                tokens: words.next()?.parse().ok()?,
                digest: Digest::parse(words.next()?).ok()?,
                name: words.next().filter(|name| is_name(name))?.into(),
            })
        })
    }

    fn facts(&mut self) -> Result<Facts, VerifyError> {
        let name = |word: &str| is_name(word).then(|| word.into());
        let tag = Tag {
            model: self.word("model", name)?,
            family: self.word("family", name)?,
            kv: self.word("kv", KvType::parse)?,
        };
        let seq = SeqId(self.number("sequence")?);
        let span = self.span("span")?;
        let count = self.number("leaving")?;
        let left = (0..count)
            .map(|_| self.span("left"))
            .collect::<Result<_, _>>()?;
        Ok(Facts {
            seq,
            tag,
            span,
            left,
            zeroed: self.yes("zeroed")?,
            elsewhere: self.number("elsewhere")?,
            recomputed: self.number("recomputed")?,
            isolated: self.yes("isolated")?,
            survivor_tokens: self.number("survivor-tokens")?,
            survivors: self.digest("survivors")?,
            text_taint: Vec::new(),
        })
    }

    fn tail(mut self, mut facts: Facts) -> Result<(Anchor, Facts), VerifyError> {
        for _ in 0..self.number("text-taint")? {
            let tainted = self.word("tainted", |line| {
                let (id, name) = line.split_once(' ')?;
                Some((
                    SpanId(id.parse().ok()?),
                    is_name(name).then(|| name.into())?,
                ))
            })?;
            facts.text_taint.push(tainted);
        }
        let anchor = Anchor {
            row: self.number("anchor-row")?,
            hash: self.digest("anchor-hash")?,
        };
        match self.lines.next() {
            None => Ok((anchor, facts)),
            Some(_) => Err(VerifyError::Form("more lines than it has")),
        }
    }
}
