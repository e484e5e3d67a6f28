//! Keys on disk: the journal's, which signs checkpoints, the witness's, which cosigns others', and the
//! vault's, which seals results.
//!
//! A secret lies in one file that only the daemon's user can read, or comes as a credential from the
//! service manager and lies in none of ours. Files change by rename alone, so a crash leaves the key
//! before or the key after, never half of one.

use std::{
    env, fs,
    fs::{DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use fak_chain::{KeyType, SecretKey};
use fak_vault::{VaultKey, Zeroizing};

/// The credential that replaces the journal's key file.
pub(crate) const CREDENTIAL: &str = "fak.journal-key";

/// The credential that replaces the vault's key file.
pub(crate) const VAULT_CREDENTIAL: &str = "fak.vault-key";

/// Longest key file read. LIMIT: a key takes less than a tenth of it.
const KEY_BYTES_MAX: u64 = 4096;

const JOURNAL_KEY: &str = "journal.key";
const NEXT_KEY: &str = "journal.key.next";
const WITNESS_KEY: &str = "witness.key";
const VAULT_KEY: &str = "vault.key";

/// Where the journal's key came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The service manager.
    Credential,
    /// The key directory.
    File,
    /// It was made just now.
    Made,
}

/// The directory of keys.
#[derive(Debug)]
pub(crate) struct KeyDir {
    dir: PathBuf,
}

impl KeyDir {
    /// The keys below a state directory.
    pub(crate) fn below(state_dir: &Path) -> Self {
        Self {
            dir: state_dir.join("keys"),
        }
    }

    /// The journal's key: the credential, else the file, else a new one under `name`.
    ///
    /// `recorded` is the public key the journal's newest KEY row names: a rotation that was interrupted
    /// after that row is finished here.
    ///
    /// # Errors
    /// A sentence that names the file and the fix and holds nothing of the secret.
    pub(crate) fn journal_key(
        &self,
        name: &str,
        recorded: Option<&str>,
    ) -> Result<(SecretKey, Origin), String> {
        if let Some(path) = credential(CREDENTIAL)
            && let Some(key) = read(&path, KeyType::Ed25519)?
        {
            return Ok((key, Origin::Credential));
        }
        self.finish_rotation(recorded)?;
        match read(&self.path(JOURNAL_KEY), KeyType::Ed25519)? {
            Some(key) => Ok((key, Origin::File)),
            None => {
                let key = new_key(name, KeyType::Ed25519)?;
                self.write(JOURNAL_KEY, &key.reveal())?;
                Ok((key, Origin::Made))
            }
        }
    }

    /// The witness's key, made when it is first asked for.
    ///
    /// # Errors
    /// As [`KeyDir::journal_key`].
    pub(crate) fn witness_key(&self, name: &str) -> Result<SecretKey, String> {
        if let Some(key) = read(&self.path(WITNESS_KEY), KeyType::Cosignature)? {
            return Ok(key);
        }
        let key = new_key(name, KeyType::Cosignature)?;
        self.write(WITNESS_KEY, &key.reveal())?;
        Ok(key)
    }

    /// The vault's key: the credential, else the file, else a new one. Both hold base64 text.
    ///
    /// # Errors
    /// As [`KeyDir::journal_key`].
    pub(crate) fn vault_key(&self) -> Result<VaultKey, String> {
        self.vault_key_or(credential(VAULT_CREDENTIAL).as_deref())
    }

    fn vault_key_or(&self, credential: Option<&Path>) -> Result<VaultKey, String> {
        let path = self.path(VAULT_KEY);
        for path in credential.into_iter().chain([&*path]) {
            if let Some(text) = read_text(path)? {
                return VaultKey::from_credential_text(&text).map_err(|error| {
                    let at = path.display();
                    // Not "remove it for a new key": with the key everything that is sealed would go.
                    format!("{at}: is no key: {error}; put the right file there")
                });
            }
        }
        let key = VaultKey::generate().map_err(|error| error.to_string())?;
        self.write(VAULT_KEY, &key.reveal())?;
        Ok(key)
    }

    /// Makes the key that comes next and keeps it aside until [`KeyDir::adopt_next`].
    ///
    /// # Errors
    /// As [`KeyDir::journal_key`].
    pub(crate) fn make_next(&self, name: &str) -> Result<SecretKey, String> {
        let key = new_key(name, KeyType::Ed25519)?;
        self.write(NEXT_KEY, &key.reveal())?;
        Ok(key)
    }

    /// Puts the key that was made by [`KeyDir::make_next`] in the place of the one before, whose secret
    /// is gone then.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub(crate) fn adopt_next(&self) -> Result<(), String> {
        let (from, to) = (self.path(NEXT_KEY), self.path(JOURNAL_KEY));
        fs::rename(&from, &to)
            .and_then(|()| sync_dir(&self.dir))
            .map_err(|error| format!("{}: cannot be put in place: {error}", from.display()))
    }

    fn finish_rotation(&self, recorded: Option<&str>) -> Result<(), String> {
        let path = self.path(NEXT_KEY);
        let Some(next) = read(&path, KeyType::Ed25519)? else {
            return Ok(());
        };
        if recorded == Some(next.public().to_string().as_str()) {
            return self.adopt_next();
        }
        // No row names it: that rotation never happened.
        fs::remove_file(&path)
            .map_err(|error| format!("{}: cannot be removed: {error}", path.display()))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn write(&self, name: &str, secret: &str) -> Result<(), String> {
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir);
        let path = self.path(name);
        let text = Zeroizing::new(format!("{secret}\n"));
        made.and_then(|()| replace(&path, 0o600, text.as_bytes()))
            .map_err(|error| format!("{}: the key cannot be written: {error}", path.display()))
    }
}

/// Replaces a file as a whole, durably.
pub(crate) fn replace(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("tmp");
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn new_key(name: &str, kind: KeyType) -> Result<SecretKey, String> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| format!("no randomness for a key: {error}"))?;
    let key = SecretKey::from_seed(name, kind, &seed).map_err(|error| format!("{name}: {error}"));
    seed.fill(0);
    key
}

/// Where the service manager puts a credential, when it gives any.
fn credential(name: &str) -> Option<PathBuf> {
    env::var_os("CREDENTIALS_DIRECTORY").map(|dir| PathBuf::from(dir).join(name))
}

/// Reads a signing key; `None` when there is no such file.
fn read(path: &Path, kind: KeyType) -> Result<Option<SecretKey>, String> {
    let at = path.display();
    let Some(text) = read_text(path)? else {
        return Ok(None);
    };
    let key = SecretKey::parse(&text).map_err(|error| {
        format!("{at}: is no key: {error}; put the right file there, or remove it for a new key")
    })?;
    if key.public().kind() == kind {
        Ok(Some(key))
    } else {
        Err(format!(
            "{at}: is a key of another type: a journal's and a witness's key are not the same"
        ))
    }
}

/// Reads a file with a secret that nobody else may read; `None` when there is no such file.
fn read_text(path: &Path) -> Result<Option<Zeroizing<String>>, String> {
    use io::Read as _;
    let at = path.display();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{at}: the key cannot be read: {error}")),
    };
    let is_open = file.metadata().is_ok_and(|meta| meta.mode() & 0o007 != 0);
    if is_open {
        return Err(format!(
            "{at}: everybody can read this key: replace it, then `chmod 0600` the new one"
        ));
    }
    // As large from the start as it may get: a text that grows leaves parts of itself behind in memory.
    let room = usize::try_from(KEY_BYTES_MAX).unwrap_or_default();
    let mut text = Zeroizing::new(String::with_capacity(room));
    file.take(KEY_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|error| format!("{at}: the key cannot be read: {error}"))?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn keys() -> (tempfile::TempDir, KeyDir) {
        let dir = tempfile::tempdir().expect("a directory");
        let keys = KeyDir::below(dir.path());
        (dir, keys)
    }

    #[test]
    fn a_key_is_made_once_and_is_its_owners_alone() {
        let (dir, keys) = keys();
        let (made, origin) = keys.journal_key("a/b", None).expect("made");
        assert_eq!((origin, made.public().name()), (Origin::Made, "a/b"));
        let (read, origin) = keys.journal_key("other", None).expect("read");
        assert_eq!((origin, read.public()), (Origin::File, made.public()));
        let mode = |path: &str| fs::metadata(dir.path().join(path)).expect("there").mode() & 0o777;
        assert_eq!((mode("keys"), mode("keys/journal.key")), (0o700, 0o600));
        let witness = keys.witness_key("a/b/witness").expect("made");
        assert_eq!(witness.public().kind(), KeyType::Cosignature);
        assert_ne!(witness.public().id(), made.public().id());
    }

    #[test]
    fn a_key_everybody_can_read_or_that_is_none_is_refused_without_showing_it() {
        let (dir, keys) = keys();
        let (key, _) = keys.journal_key("a/b", None).expect("made");
        let path = dir.path().join("keys/journal.key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("set");
        let error = keys.journal_key("a/b", None).expect_err("open to all");
        assert!(error.contains("everybody can read this key"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
        let broken = key.reveal().replace("PRIVATE", "PRIVATF");
        fs::write(&path, &broken).expect("written");
        let error = keys.journal_key("a/b", None).expect_err("no key");
        assert!(
            error.contains("is no key") && !error.contains("a/b+"),
            "{error}"
        );
        fs::copy(
            dir.path().join("keys/journal.key"),
            dir.path().join("keys/witness.key"),
        )
        .expect("copied");
        fs::write(dir.path().join("keys/witness.key"), key.reveal()).expect("written");
        assert!(
            keys.witness_key("w")
                .expect_err("another type")
                .contains("another type")
        );
    }

    #[test]
    fn an_interrupted_rotation_is_finished_when_its_row_is_there_and_forgotten_else() {
        let (_dir, keys) = keys();
        let (old, _) = keys.journal_key("a/b", None).expect("made");
        let next = keys.make_next("a/b").expect("made");
        let recorded = old.public().to_string();
        let (now, _) = keys.journal_key("a/b", Some(&recorded)).expect("read");
        assert_eq!(now.public(), old.public());
        assert_ne!(next.public(), old.public());
        let next = keys.make_next("a/b").expect("made");
        let recorded = next.public().to_string();
        let (now, _) = keys.journal_key("a/b", Some(&recorded)).expect("read");
        assert_eq!(now.public(), next.public());
    }

    #[test]
    fn the_vaults_key_is_the_credential_else_the_file_which_is_made_once() {
        let (dir, keys) = keys();
        let made = keys.vault_key_or(None).expect("made");
        let path = dir.path().join("keys/vault.key");
        let mode = fs::metadata(&path).expect("there").mode() & 0o777;
        assert_eq!(mode, 0o600);
        let again = keys.vault_key_or(None).expect("read");
        assert_eq!(again.id(), made.id());
        let text = fs::read_to_string(&path).expect("text");
        assert_eq!(text.trim(), *made.reveal());

        let credential = dir.path().join("credential");
        let from_none = keys.vault_key_or(Some(&credential)).expect("the file");
        assert_eq!(from_none.id(), made.id(), "no such credential");
        let other = VaultKey::generate().expect("random");
        replace(&credential, 0o400, other.reveal().as_bytes()).expect("written");
        let given = keys
            .vault_key_or(Some(&credential))
            .expect("the credential");
        assert_eq!(given.id(), other.id());
        assert_eq!(fs::read_to_string(&path).expect("text"), text, "left alone");
    }

    #[test]
    fn a_vault_key_that_is_none_is_refused_and_nothing_is_made_in_its_place() {
        let (dir, keys) = keys();
        keys.vault_key_or(None).expect("made");
        let path = dir.path().join("keys/vault.key");
        let text = fs::read_to_string(&path).expect("text");
        let cut = &text[..text.len() / 2];
        fs::write(&path, cut).expect("written");
        let error = keys.vault_key_or(None).expect_err("half a key");
        assert!(
            error.contains("vault.key: is no key") && !error.contains(&cut[..8]),
            "{error}"
        );
        assert_eq!(fs::read_to_string(&path).expect("text"), cut);
        fs::write(&path, &text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).expect("set");
        let error = keys.vault_key_or(None).expect_err("open to all");
        assert!(error.contains("everybody can read this key"), "{error}");
    }
}
