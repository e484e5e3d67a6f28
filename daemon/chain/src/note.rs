//! Signed notes and their keys.
//!
//! The formats are C2SP `signed-note` (the note, Ed25519 signatures, key ids, verifier keys) and, for the
//! secret half, the text form of Go's `golang.org/x/mod/sumdb/note`:
//!
//! ```text
//! note      TEXT "\n" { "— " NAME " " base64(ID || SIGNATURE) "\n" }      TEXT ends in a newline
//! ID        the first four bytes of SHA-256(NAME || "\n" || TYPE || PUBLIC)
//! vkey      NAME "+" hex(ID) "+" base64(TYPE || PUBLIC)
//! secret    "PRIVATE+KEY+" NAME "+" hex(ID) "+" base64(TYPE || SEED)
//! ```
//!
//! Signatures of keys nobody asked about are kept and proven by nobody; the text means nothing before
//! [`Note::verify`] has said yes.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};

use crate::hash::digest_bytes;

/// Longest note read. LIMIT: a longer one is refused before it is looked at.
pub const NOTE_BYTES_MAX: usize = 64 << 10;

/// Most signatures of one note. LIMIT: a note with more is refused; the format asks for 16 at least.
pub const NOTE_SIGNATURES_MAX: usize = 64;

/// Longest key name. LIMIT: a longer one is refused.
pub const KEY_NAME_BYTES_MAX: usize = 255;

const DASH: &str = "\u{2014} ";
const SECRET_PREFIX: &str = "PRIVATE+KEY+";

/// What a key signs, which is part of its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// The text of a note (`0x01`).
    Ed25519,
    /// That a checkpoint was seen at a time, by a witness (`0x04`).
    Cosignature,
}

impl KeyType {
    const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 1,
            Self::Cosignature => 4,
        }
    }

    const fn parse(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Ed25519),
            4 => Some(Self::Cosignature),
            _ => None,
        }
    }
}

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// Not three parts joined by `+`, or not the right prefix.
    Form,
    /// The name is empty, too long, or holds a space, a `+` or a control character.
    Name,
    /// The last part is not base64 of a type and 32 bytes.
    Encoding,
    /// The type is none this build knows.
    Type,
    /// The id is not the id of this name and key.
    Id,
    /// The 32 bytes are no point of the curve.
    Point,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "a key is NAME+ID+BASE64",
            Self::Name => "the name of a key has no spaces, no `+` and at most 255 bytes",
            Self::Encoding => "the last part of a key is the base64 of 33 bytes",
            Self::Type => "the key is of a type this program does not know",
            Self::Id => {
                "the id is not the one of this name and key: a character was changed or lost"
            }
            Self::Point => "the key is no Ed25519 key",
        })
    }
}

impl std::error::Error for KeyError {}

/// A key that signatures are verified with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    id: u32,
    kind: KeyType,
    key: VerifyingKey,
}

impl PublicKey {
    /// Reads a verifier key, `NAME+ID+BASE64`.
    ///
    /// # Errors
    /// [`KeyError`] names what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (name, id, kind, bytes) = parts(text.trim())?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::Point)?;
        let found = Self::new(name, kind, key);
        if found.id == id {
            Ok(found)
        } else {
            Err(KeyError::Id)
        }
    }

    fn new(name: &str, kind: KeyType, key: VerifyingKey) -> Self {
        let mut hashed = name.as_bytes().to_vec();
        hashed.extend_from_slice(&[b'\n', kind.byte()]);
        hashed.extend_from_slice(key.as_bytes());
        let [a, b, c, d, ..] = digest_bytes(&hashed).0;
        Self {
            name: name.to_owned(),
            id: u32::from_be_bytes([a, b, c, d]),
            kind,
            key,
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id: together with the name it says whose a signature is.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// What the key signs.
    #[must_use]
    pub const fn kind(&self) -> KeyType {
        self.kind
    }

    /// `NAME+ID`: how records and messages name the key.
    #[must_use]
    pub fn label(&self) -> String {
        label(&self.name, self.id)
    }

    /// Whether `signature` is this key's over exactly `message`.
    pub(crate) fn accepts(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        // Strict: no second spelling of a signature, no key of small order.
        self.key.verify_strict(message, &signature).is_ok()
    }
}

/// The verifier key's text.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![self.kind.byte()];
        bytes.extend_from_slice(self.key.as_bytes());
        write!(
            f,
            "{}+{:08x}+{}",
            self.name,
            self.id,
            STANDARD.encode(bytes)
        )
    }
}

/// A key that signs. Its secret is wiped from memory when it is dropped and appears in no output but
/// [`SecretKey::reveal`]'s.
pub struct SecretKey {
    public: PublicKey,
    key: SigningKey,
}

impl SecretKey {
    /// The key whose secret is `seed`, 32 bytes of true randomness.
    ///
    /// # Errors
    /// [`KeyError::Name`].
    pub fn from_seed(name: &str, kind: KeyType, seed: &[u8; 32]) -> Result<Self, KeyError> {
        if !is_name(name) {
            return Err(KeyError::Name);
        }
        let key = SigningKey::from_bytes(seed);
        let public = PublicKey::new(name, kind, key.verifying_key());
        Ok(Self { public, key })
    }

    /// Reads what [`SecretKey::reveal`] wrote.
    ///
    /// # Errors
    /// [`KeyError`], which holds no part of the text.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text
            .trim()
            .strip_prefix(SECRET_PREFIX)
            .ok_or(KeyError::Form)?;
        let (name, id, kind, seed) = parts(text)?;
        let key = Self::from_seed(name, kind, &seed)?;
        if key.public.id == id {
            Ok(key)
        } else {
            Err(KeyError::Id)
        }
    }

    /// The secret as text, for its file. Whoever has it can sign.
    #[must_use]
    pub fn reveal(&self) -> String {
        let mut bytes = vec![self.public.kind.byte()];
        bytes.extend_from_slice(self.key.as_bytes());
        format!(
            "{SECRET_PREFIX}{}+{:08x}+{}",
            self.public.name,
            self.public.id,
            STANDARD.encode(bytes)
        )
    }

    /// The key that verifies what this one signs.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// A signature over exactly `message`.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.public.label())
    }
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The key's name.
    pub name: String,
    /// The key's id.
    pub id: u32,
    /// What the key made, in its type's form.
    pub bytes: Vec<u8>,
}

impl Signature {
    /// `NAME+ID` of the key.
    #[must_use]
    pub fn label(&self) -> String {
        label(&self.name, self.id)
    }

    pub(crate) fn is_by(&self, key: &PublicKey) -> bool {
        self.id == key.id && self.name == key.name
    }

    fn parse(line: &str) -> Option<Self> {
        let (name, rest) = line.strip_prefix(DASH)?.split_once(' ')?;
        let bytes = STANDARD.decode(rest).ok()?;
        let (id, bytes) = bytes.split_first_chunk::<4>()?;
        (is_name(name) && !bytes.is_empty()).then(|| Self {
            name: name.to_owned(),
            id: u32::from_be_bytes(*id),
            bytes: bytes.to_vec(),
        })
    }
}

/// The line, with its newline.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.id.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.bytes);
        writeln!(f, "{DASH}{} {}", self.name, STANDARD.encode(bytes))
    }
}

/// Why bytes are no note, or a note is not to be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoteError {
    /// Longer than [`NOTE_BYTES_MAX`].
    TooLong,
    /// Not text, a line end, an empty line and signatures.
    Form,
    /// A line after the last empty one is no signature, or there are too many.
    Signatures,
    /// The asked-for key has not signed.
    NotSigned {
        /// `NAME+ID` of the key that was asked for.
        by: String,
        /// The keys that did sign.
        instead: Vec<String>,
    },
    /// There is a line of that key and it does not fit the text.
    Forged {
        /// `NAME+ID` of the key.
        by: String,
    },
}

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "it is longer than {NOTE_BYTES_MAX} bytes"),
            Self::Form => f.write_str(
                "it is no signed note: text, an empty line, then lines that begin with a dash",
            ),
            Self::Signatures => f.write_str("a line after the last empty one is no signature"),
            Self::NotSigned { by, instead } if instead.is_empty() => {
                write!(f, "the key {by} has not signed it, nor has any other")
            }
            Self::NotSigned { by, instead } => write!(
                f,
                "the key {by} has not signed it; it is signed by {}: another key, or another log",
                instead.join(", ")
            ),
            Self::Forged { by } => write!(
                f,
                "its signature by {by} does not fit its text: the text was changed, or the key is another one"
            ),
        }
    }
}

impl std::error::Error for NoteError {}

/// A text and its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    /// The signatures, in order. Anybody may add some.
    pub signatures: Vec<Signature>,
}

impl Note {
    /// A note that nobody has signed yet; `text` ends in a newline.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self {
            text,
            signatures: Vec::new(),
        }
    }

    /// Reads a note. Says nothing about whether its signatures hold.
    ///
    /// # Errors
    /// [`NoteError`] when it has not the form of a note.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong);
        }
        if note.chars().any(|c| c < ' ' && c != '\n') {
            return Err(NoteError::Form);
        }
        let at = note.rfind("\n\n").ok_or(NoteError::Form)?;
        let (text, rest) = note.split_at(at + 1);
        let lines = rest
            .strip_prefix('\n')
            .and_then(|lines| lines.strip_suffix('\n'))
            .ok_or(NoteError::Form)?;
        let signatures = lines
            .split('\n')
            .take(NOTE_SIGNATURES_MAX + 1)
            .map(Signature::parse)
            .collect::<Option<Vec<_>>>()
            .ok_or(NoteError::Signatures)?;
        if signatures.len() > NOTE_SIGNATURES_MAX {
            return Err(NoteError::Signatures);
        }
        Ok(Self {
            text: text.to_owned(),
            signatures,
        })
    }

    /// The text, with its last newline.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Adds a signature over the text by a key of type [`KeyType::Ed25519`].
    pub fn sign(&mut self, key: &SecretKey) {
        self.signatures.push(Signature {
            name: key.public.name.clone(),
            id: key.public.id,
            bytes: key.sign(self.text.as_bytes()).to_vec(),
        });
    }

    /// Whether `key` has signed exactly this text.
    ///
    /// # Errors
    /// [`NoteError::NotSigned`] or [`NoteError::Forged`].
    pub fn verify(&self, key: &PublicKey) -> Result<(), NoteError> {
        let line = self.line_of(key)?;
        let signature = <&[u8; 64]>::try_from(line.bytes.as_slice()).ok();
        match signature {
            Some(signature) if key.accepts(self.text.as_bytes(), signature) => Ok(()),
            _ => Err(NoteError::Forged { by: key.label() }),
        }
    }

    pub(crate) fn line_of(&self, key: &PublicKey) -> Result<&Signature, NoteError> {
        let line = self.signatures.iter().find(|line| line.is_by(key));
        line.ok_or_else(|| NoteError::NotSigned {
            by: key.label(),
            instead: self.signatures.iter().map(Signature::label).collect(),
        })
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| line.fmt(f))
    }
}

fn label(name: &str, id: u32) -> String {
    format!("{name}+{id:08x}")
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= KEY_NAME_BYTES_MAX
        && !name
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

/// Name, id, type and the 32 bytes of a key's text.
fn parts(text: &str) -> Result<(&str, u32, KeyType, [u8; 32]), KeyError> {
    let (name, rest) = text.split_once('+').ok_or(KeyError::Form)?;
    let (id, data) = rest.split_once('+').ok_or(KeyError::Form)?;
    if !is_name(name) {
        return Err(KeyError::Name);
    }
    let is_hex = id.len() == 8 && id.bytes().all(|digit| digit.is_ascii_hexdigit());
    let id = u32::from_str_radix(id, 16)
        .ok()
        .filter(|_| is_hex)
        .ok_or(KeyError::Form)?;
    let data = STANDARD.decode(data).map_err(|_| KeyError::Encoding)?;
    let (kind, key) = data.split_first().ok_or(KeyError::Encoding)?;
    let key = <[u8; 32]>::try_from(key).map_err(|_| KeyError::Encoding)?;
    let kind = KeyType::parse(*kind).ok_or(KeyError::Type)?;
    Ok((name, id, kind, key))
}
