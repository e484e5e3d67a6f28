//! The caller's key and what is derived from it.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::{Zeroize as _, Zeroizing};

/// What a derived value is for; the byte after it ends the info of HKDF-Expand's only block.
const FOR_SEALING: &[u8] = b"fak-vault/1 seal\x01";
const FOR_NAMES: &[u8] = b"fak-vault/1 name\x01";
const FOR_ID: &[u8] = b"fak-vault/1 key id\x01";
const FOR_LOGS: [&[u8]; 3] = [
    b"fak-vault/1 log seal\x01",
    b"fak-vault/1 log check\x01",
    b"fak-vault/1 log name\x01",
];

/// Why a text is no key. It holds no part of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Another form.
    #[error("a vault key is the base64 text of 32 bytes; `openssl rand -base64 32` makes one")]
    Form,
    /// 32 times the same byte.
    #[error(
        "a vault key of one repeated byte protects nothing; `openssl rand -base64 32` makes one"
    )]
    Weak,
    /// The system has no randomness.
    #[error("no randomness for a vault key: {0}")]
    Random(String),
}

/// The secret the vault is sealed with: 32 bytes of true randomness.
///
/// It is wiped from memory when dropped and appears in no output but [`VaultKey::reveal`]'s.
pub struct VaultKey(Zeroizing<[u8; 32]>);

impl VaultKey {
    /// A new key.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn generate() -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut()).map_err(|error| KeyError::Random(error.to_string()))?;
        Ok(Self(bytes))
    }

    /// Reads a key from the text of a credential or a key file: base64, white space around it ignored.
    ///
    /// # Errors
    /// [`KeyError::Form`] and [`KeyError::Weak`].
    pub fn from_credential_text(text: &str) -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        let decoded = BASE64_STANDARD
            .decode(text.trim_ascii())
            .map(Zeroizing::new)
            .map_err(|_| KeyError::Form)?;
        if decoded.len() != bytes.len() {
            return Err(KeyError::Form);
        }
        bytes.copy_from_slice(&decoded);
        if bytes.iter().all(|byte| *byte == bytes[0]) {
            return Err(KeyError::Weak);
        }
        Ok(Self(bytes))
    }

    /// The secret as text, for its file. Whoever has it can read the vault.
    #[must_use]
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64_STANDARD.encode(self.0.as_slice()))
    }

    /// The key's public name.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let derived = self.derive(FOR_ID);
        let mut id = [0; 8];
        id.copy_from_slice(&derived[..8]);
        KeyId(id)
    }

    pub(crate) fn for_sealing(&self) -> Zeroizing<[u8; 32]> {
        self.derive(FOR_SEALING)
    }

    pub(crate) fn for_names(&self) -> Zeroizing<[u8; 32]> {
        self.derive(FOR_NAMES)
    }

    /// What seals the records of logs, what checks their frames, what names their files.
    pub(crate) fn for_logs(&self) -> [Zeroizing<[u8; 32]>; 3] {
        FOR_LOGS.map(|info| self.derive(info))
    }

    /// HKDF-Expand (RFC 5869) with this key as the pseudorandom key, 32 bytes long.
    fn derive(&self, info: &[u8]) -> Zeroizing<[u8; 32]> {
        keyed_hash(&self.0, info)
    }
}

impl fmt::Debug for VaultKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VaultKey({})", self.id())
    }
}

/// HMAC-SHA-256.
pub(crate) fn keyed_hash(key: &[u8; 32], message: &[u8]) -> Zeroizing<[u8; 32]> {
    // A key shorter than a block is filled with zeros, by HMAC's own rule.
    let mut block = Zeroizing::new([0; 64]);
    block[..32].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    mac.update(message);
    let mut result = mac.finalize().into_bytes();
    let mut bytes = Zeroizing::new([0; 32]);
    bytes.copy_from_slice(&result);
    result.as_mut_slice().zeroize();
    bytes
}

/// Names a key without saying anything of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The key that seals, and those before it, which only read.
#[derive(Debug)]
pub struct Keys {
    pub(crate) current: VaultKey,
    pub(crate) old: Vec<VaultKey>,
}

impl Keys {
    /// Also read what was sealed with `old`; [`crate::Vault::rotate`] seals it anew.
    #[must_use]
    pub fn and_old(mut self, old: VaultKey) -> Self {
        self.old.push(old);
        self
    }
}

impl From<VaultKey> for Keys {
    fn from(current: VaultKey) -> Self {
        Self {
            current,
            old: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_from_its_text() {
        let key = VaultKey::generate().expect("random");
        let text = format!("\n {}\n", *key.reveal());
        let again = VaultKey::from_credential_text(&text).expect("a key");
        assert_eq!(*again.0, *key.0);
        assert_eq!(again.id(), key.id());
        assert_ne!(VaultKey::generate().expect("random").id(), key.id());
    }

    #[test]
    fn debug_shows_nothing_of_the_secret() {
        let key = VaultKey::generate().expect("random");
        let shown = format!("{key:?} {:?}", Keys::from(VaultKey(key.0.clone())));
        assert!(shown.contains(&key.id().to_string()));
        assert!(!shown.contains(key.reveal().as_str()));
        let numbers = format!("{:?}", key.0.as_slice());
        assert!(!shown.contains(numbers.trim_matches(['[', ']'])));
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_repeated() {
        let short = BASE64_STANDARD.encode([7_u8; 31]);
        let long = BASE64_STANDARD.encode([7_u8; 33]);
        for text in ["", "secret words", "AAAA", short.as_str(), long.as_str()] {
            let error = VaultKey::from_credential_text(text).expect_err("no key");
            assert_eq!(error, KeyError::Form, "{text}");
        }
        let zeros = BASE64_STANDARD.encode([0_u8; 32]);
        let error = VaultKey::from_credential_text(&zeros).expect_err("weak");
        assert_eq!(error, KeyError::Weak);
        assert!(!error.to_string().contains(&zeros));
    }

    #[test]
    fn the_keyed_hash_is_hmac_sha_256() {
        // RFC 4231 has no case with a key of 32 bytes; zeros at the end of a shorter key change nothing.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let hash = keyed_hash(&key, b"what do ya want for nothing?");
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
