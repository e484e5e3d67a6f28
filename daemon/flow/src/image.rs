//! A ledger as bytes, so that a restart forgets nothing.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    forms::VALUE_BYTES_MAX,
    ledger::{Bounds, Entry, Ledger, NOWHERE, Origin},
    rules::Scope,
    words::Words,
};

/// What the bytes begin with; another number is another form.
const FORM: u8 = 1;

/// Why bytes are no ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestoreError(&'static str);

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the ledger's image cannot be used: {}; rebuild it from the journal",
            self.0
        )
    }
}

impl std::error::Error for RestoreError {}

/// Values in the order they were met, with their entries.
type Row<'a> = (&'a str, u8, u32, u32, [u32; 4]);

#[derive(Serialize, Deserialize)]
struct Image<'a> {
    bounds: (u64, u64, u64),
    words: String,
    #[serde(borrow)]
    values: Vec<Row<'a>>,
    full: bool,
    names: Vec<Box<str>>,
    origins: Vec<(u32, u32, u64, bool)>,
    scope: Option<BTreeMap<String, Option<u32>>>,
    counts: BTreeMap<String, u32>,
    endorsed: BTreeMap<String, u32>,
}

impl Ledger {
    /// The ledger as bytes. Equal ledgers give equal bytes. They hold values in the clear: keep them as the results are
    /// kept.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let values = self.values.iter().zip(&self.entries).map(|(text, entry)| {
            (
                text,
                entry.flags,
                entry.classes,
                entry.trusted,
                entry.tainted,
            )
        });
        let origins = self.origins.iter();
        let image = Image {
            bounds: (
                self.bounds.values_max as u64,
                self.bounds.bytes_max as u64,
                self.bounds.words_bytes_max as u64,
            ),
            words: self.words.text.clone(),
            values: values.collect(),
            full: self.full,
            names: self.names.clone(),
            origins: origins
                .map(|origin| (origin.tool, origin.field, origin.row, origin.pointed))
                .collect(),
            scope: self.scope.as_ref().map(|scope| scope.tools.clone()),
            counts: self.counts.clone(),
            endorsed: self.endorsed.clone(),
        };
        let mut bytes = vec![FORM];
        bytes.extend(postcard::to_stdvec(&image).unwrap_or_default());
        bytes
    }

    /// Reads what [`Ledger::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`RestoreError`] when the bytes are of another form, cut short, or at odds with themselves.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RestoreError> {
        let body = match bytes.split_first() {
            Some((&FORM, body)) => body,
            Some(_) => return Err(RestoreError("another form")),
            None => return Err(RestoreError("empty")),
        };
        let (image, rest) = postcard::take_from_bytes::<Image<'_>>(body)
            .map_err(|_| RestoreError("undecodable"))?;
        if !rest.is_empty() {
            return Err(RestoreError("more bytes than it has"));
        }
        let size = |size: u64| usize::try_from(size).map_err(|_| RestoreError("bounds"));
        let bounds = Bounds {
            values_max: size(image.bounds.0)?,
            bytes_max: size(image.bounds.1)?,
            words_bytes_max: size(image.bounds.2)?,
        };
        let mut ledger = Self::new(bounds);
        ledger.names_from(image.names)?;
        ledger.origins_from(&image.origins)?;
        ledger.values_from(image.values)?;
        ledger.words = Words::restored(image.words);
        ledger.full = image.full;
        ledger.scope = image.scope.map(|tools| Scope { tools });
        ledger.counts = image.counts;
        ledger.endorsed = image.endorsed;
        Ok(ledger)
    }

    fn names_from(&mut self, names: Vec<Box<str>>) -> Result<(), RestoreError> {
        for (index, name) in (0_u32..).zip(&names) {
            if self.name_index.insert(name.clone(), index).is_some() {
                return Err(RestoreError("a name twice"));
            }
        }
        self.names = names;
        Ok(())
    }

    fn origins_from(&mut self, origins: &[(u32, u32, u64, bool)]) -> Result<(), RestoreError> {
        for &(tool, field, row, pointed) in origins {
            if tool.max(field) as usize >= self.names.len() {
                return Err(RestoreError("a place without a name"));
            }
            self.origins.push(Origin {
                tool,
                field,
                row,
                pointed,
            });
        }
        Ok(())
    }

    fn values_from(&mut self, values: Vec<Row<'_>>) -> Result<(), RestoreError> {
        let places = self.origins.len();
        let known = |origin: u32| origin == NOWHERE || (origin as usize) < places;
        for (text, flags, classes, trusted, tainted) in values {
            if !known(trusted) || !tainted.iter().all(|origin| known(*origin)) {
                return Err(RestoreError("a value from nowhere"));
            }
            if text.len() > 2 * VALUE_BYTES_MAX {
                return Err(RestoreError("a value longer than any"));
            }
            self.bytes += text.len();
            self.entries.push(Entry {
                flags,
                classes,
                trusted,
                tainted,
            });
            let hash = self.values.hash(text);
            if self.values.find(text, hash).is_some() {
                return Err(RestoreError("a value twice"));
            }
            if self.values.insert(text, hash).is_none() {
                return Err(RestoreError("more values than there are numbers"));
            }
        }
        Ok(())
    }
}
