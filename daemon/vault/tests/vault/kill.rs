//! `kill -9` at any moment: what was acknowledged is there, whole, and the vault opens.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use crate::support::{Key, WHO, meta, names, noise, open, tempdir};
use fak_vault::{Header, Keys, Kind, Limits, SealId, Vault, VaultKey};

const ROUNDS: u64 = 10;
const DIR: &str = "FAK_VAULT_TEST_DIR";
const KEY: &str = "FAK_VAULT_TEST_KEY";
const ROUND: &str = "FAK_VAULT_TEST_ROUND";

/// How long the nth content is: from one page to many, so that the kill falls into every step.
fn content(n: u64) -> Vec<u8> {
    noise(n, 100 + usize::try_from(n % 7).unwrap() * 9_000)
}

#[test]
fn killed_ten_times_nothing_acknowledged_is_lost_or_comes_back() {
    let (dir, key) = (tempdir(), Key::new());
    // What is known of each content: its name while it must be there, none when it was released.
    let mut acknowledged: BTreeMap<u64, Option<SealId>> = BTreeMap::new();
    let mut removed = 0;
    for round in 0..ROUNDS {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "kill::seals_until_killed", "--nocapture"])
            .env(DIR, dir.path())
            .env(KEY, key.text())
            .env(ROUND, round.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let enough = 2 + round * 2;
        let (mut acks, mut begun, mut line) = (0, None, String::new());
        while lines.read_line(&mut line).unwrap() > 0 {
            // A line that was cut off by the kill was never read by anybody.
            if let Some(words) = line.strip_suffix('\n') {
                let words: Vec<_> = words.split(' ').collect();
                match words[..] {
                    ["sealed", n, id] => {
                        acknowledged.insert(n.parse().unwrap(), SealId::parse(id));
                        acks += 1;
                    }
                    // From here on it may be there or not, until it is said to be gone.
                    ["releasing", n] => begun = Some(n.parse().unwrap()),
                    ["released", n] => {
                        acknowledged.insert(n.parse().unwrap(), None);
                        begun = None;
                    }
                    _ => {}
                }
                if acks == enough {
                    child.kill().unwrap();
                }
            }
            line.clear();
        }
        child.wait().unwrap();
        assert!(
            acks >= enough,
            "round {round}: the child ended by itself after {acks}"
        );
        if let Some(n) = begun {
            acknowledged.remove(&n);
        }

        let (vault, opened) = open(dir.path(), &key);
        assert!(opened.unreadable.is_empty(), "{:?}", opened.unreadable);
        removed += opened.removed;
        assert!(names(dir.path()).iter().all(|name| name.ends_with(".seal")));
        for (n, id) in &acknowledged {
            if let Some(id) = id {
                assert_eq!(vault.read(*id).unwrap(), content(*n), "content {n}");
                assert!(
                    vault
                        .meta(*id)
                        .unwrap()
                        .holds
                        .iter()
                        .any(|hold| hold.trace == "kept")
                );
            }
        }
        let there: Vec<_> = acknowledged.values().flatten().collect();
        assert!(vault.status().quarantined >= there.len());
    }
    println!(
        "{} seals acknowledged in {ROUNDS} rounds, {removed} half-written files removed",
        acknowledged.len()
    );
}

/// The child of the test above; by itself it has nothing to do.
#[test]
fn seals_until_killed() {
    let (Ok(dir), Ok(key), Ok(round)) = (env::var(DIR), env::var(KEY), env::var(ROUND)) else {
        return;
    };
    // The harness has begun a line of its own.
    println!();
    let key = VaultKey::from_credential_text(&key).unwrap();
    let (vault, _) = Vault::open(&PathBuf::from(dir), key, Limits::default()).unwrap();
    let first = round.parse::<u64>().unwrap() * 100_000;
    for n in first..first + 100_000 {
        let id = vault
            .seal(&content(n), &meta("kept", Kind::Quarantined, n))
            .unwrap();
        writeln!(std::io::stdout(), "sealed {n} {id}").unwrap();
        // A second hold writes the file anew; every third content is given up again.
        vault
            .seal(&content(n), &meta("other", Kind::Quarantined, n))
            .unwrap();
        if n % 3 == 0 {
            writeln!(std::io::stdout(), "releasing {n}").unwrap();
            vault.release(id, WHO, "other").unwrap();
            vault.release(id, WHO, "kept").unwrap();
            writeln!(std::io::stdout(), "released {n}").unwrap();
        }
    }
}

const NEXT: &str = "FAK_VAULT_TEST_NEXT";

/// How many files name this key.
fn sealed_with(dir: &Path, key: &Key) -> usize {
    let id = key.get().id();
    let files = names(dir).into_iter();
    files
        .filter_map(|name| fs::read(dir.join(name)).ok())
        .filter_map(|bytes| Header::parse(&bytes).ok())
        .filter(|header| header.key == id)
        .count()
}

#[test]
fn killed_while_keys_change_every_blob_opens_with_one_of_the_two() {
    let dir = tempdir();
    let mut current = Key::new();
    let (vault, _) = open(dir.path(), &current);
    let ids: Vec<_> = (0..24)
        .map(|n| {
            let sealed = vault.seal(&content(n), &meta("kept", Kind::Quarantined, n));
            sealed.unwrap()
        })
        .collect();
    drop(vault);
    let mut interrupted = 0;
    for round in 1..=6 {
        let next = Key::new();
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "kill::changes_keys_until_killed", "--nocapture"])
            .env(DIR, dir.path())
            .env(KEY, current.text())
            .env(NEXT, next.text())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Somewhere in the middle, and elsewhere each time; where exactly does not matter.
        while sealed_with(dir.path(), &next) < round * 3 && child.try_wait().unwrap().is_none() {
            thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let keys = Keys::from(next.get()).and_old(current.get());
        let (vault, opened) = Vault::open(dir.path(), keys, Limits::default()).unwrap();
        assert!(opened.unreadable.is_empty(), "{:?}", opened.unreadable);
        let under_old_keys = vault.status().under_old_keys;
        interrupted += usize::from((1..24).contains(&under_old_keys));
        let rotated = vault.rotate(&next.get());
        assert_eq!((rotated.resealed, rotated.left.len()), (under_old_keys, 0));
        drop(vault);
        let (vault, _) = open(dir.path(), &next);
        for (n, id) in (0..).zip(&ids) {
            assert_eq!(vault.read(*id).unwrap(), content(n));
        }
        current = next;
    }
    println!("{interrupted} of 6 changes of keys were interrupted halfway");
}

/// The child of the test above; by itself it has nothing to do.
#[test]
fn changes_keys_until_killed() {
    let (Ok(dir), Ok(key), Ok(next)) = (env::var(DIR), env::var(KEY), env::var(NEXT)) else {
        return;
    };
    let key = VaultKey::from_credential_text(&key).unwrap();
    let next = VaultKey::from_credential_text(&next).unwrap();
    let (vault, _) = Vault::open(&PathBuf::from(dir), key, Limits::default()).unwrap();
    assert!(vault.rotate(&next).left.is_empty());
}
