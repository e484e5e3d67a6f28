//! Reading forward through bytes that may end at any moment.

use crate::error::{Fault, ParseError};

/// A place in a file. Every read says which field it reads, so that its failure can name it.
#[derive(Clone)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// An error about the field that begins `back` bytes before this place.
    pub(crate) fn fault_back(
        &self,
        back: usize,
        field: &dyn Fn() -> String,
        fault: Fault,
    ) -> ParseError {
        ParseError {
            offset: wide(self.at.saturating_sub(back)),
            field: field(),
            fault,
        }
    }

    /// The next `len` bytes.
    pub(crate) fn take(
        &mut self,
        len: u64,
        field: &dyn Fn() -> String,
    ) -> Result<&'a [u8], ParseError> {
        let taken = usize::try_from(len).ok().and_then(|len| {
            let end = self.at.checked_add(len)?;
            Some((self.bytes.get(self.at..end)?, end))
        });
        let Some((bytes, end)) = taken else {
            let left = wide(self.left());
            return Err(self.fault_back(0, field, Fault::Truncated { needed: len, left }));
        };
        self.at = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self, field: &dyn Fn() -> String) -> Result<[u8; N], ParseError> {
        let bytes = self.take(wide(N), field)?;
        // `take` gave exactly N bytes, so that the default is never seen.
        Ok(bytes.try_into().unwrap_or([0; N]))
    }

    pub(crate) fn u8(&mut self, field: &dyn Fn() -> String) -> Result<u8, ParseError> {
        Ok(u8::from_le_bytes(self.array(field)?))
    }

    pub(crate) fn u32(&mut self, field: &dyn Fn() -> String) -> Result<u32, ParseError> {
        Ok(u32::from_le_bytes(self.array(field)?))
    }

    pub(crate) fn u64(&mut self, field: &dyn Fn() -> String) -> Result<u64, ParseError> {
        Ok(u64::from_le_bytes(self.array(field)?))
    }

    /// A count that may be at most `limit`.
    pub(crate) fn count(
        &mut self,
        limit: u64,
        field: &dyn Fn() -> String,
    ) -> Result<u64, ParseError> {
        let found = self.u64(field)?;
        if found > limit {
            return Err(self.fault_back(8, field, Fault::TooMany { found, limit }));
        }
        Ok(found)
    }

    /// A length of 8 bytes and that many bytes of UTF-8.
    pub(crate) fn string(
        &mut self,
        limit: u64,
        field: &dyn Fn() -> String,
    ) -> Result<&'a str, ParseError> {
        let len = self.count(limit, field)?;
        let bytes = self.take(len, field)?;
        std::str::from_utf8(bytes).map_err(|_| self.fault_back(bytes.len(), field, Fault::NotUtf8))
    }
}

/// A length as the format's own integer. Memory is never larger than 64 bits can say.
pub(crate) fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
