//! Logs: what was acknowledged is there after any end of the process, and nothing but that.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use crate::support::{Key, Mount, memory_dir, names, noise, open, quarantined, tempdir};
use fak_vault::{
    Damage, Keys, LOG_NAME_BYTES_MAX, Limits, LogError, LogLimits, ReadError, Vault, VaultKey,
};

const NAME: &str = "flow/uid:1000/trace-of-somebody";

fn read(vault: &Vault, name: &str) -> Vec<Vec<u8>> {
    vault.log(name).unwrap().read_all().unwrap()
}

/// The only log's file.
fn log_file(dir: &Path) -> PathBuf {
    let mut logs = names(dir).into_iter().filter(|name| name.ends_with(".log"));
    let name = logs.next().expect("a log");
    assert_eq!(logs.next(), None);
    dir.join(name)
}

/// A log of three records of different lengths.
fn three(dir: &Path, key: &Key) -> [Vec<u8>; 3] {
    let (vault, _) = open(dir, key);
    let records = [noise(1, 90), noise(2, 700), noise(3, 1400)];
    for record in &records {
        vault.log(NAME).unwrap().append(record).unwrap();
    }
    records
}

#[test]
fn records_come_back_in_order_in_this_process_and_the_next() {
    let (dir, key) = (tempdir(), Key::new());
    let (vault, opened) = open(dir.path(), &key);
    assert_eq!(opened.logs, 0);
    let log = vault.log(NAME).unwrap();
    assert!(log.read_all().unwrap().is_empty());
    assert!(
        names(dir.path()).is_empty(),
        "nothing is written for nothing"
    );
    let mut expected = vec![];
    for n in 0..40 {
        let record = noise(n, usize::try_from(n).unwrap() * 37);
        if n % 3 == 0 {
            log.append_later(&record).unwrap();
        } else {
            log.append(&record).unwrap();
        }
        expected.push(record);
    }
    vault.log("another").unwrap().append(b"its own").unwrap();
    assert_eq!(read(&vault, NAME), expected);
    drop(vault);
    let (vault, opened) = open(dir.path(), &key);
    assert_eq!((opened.logs, opened.blobs, opened.foreign), (2, 0, 0));
    assert_eq!(read(&vault, NAME), expected);
    vault.log(NAME).unwrap().append(b"more").unwrap();
    expected.push(b"more".to_vec());
    assert_eq!(read(&vault, NAME), expected);
    assert_eq!(read(&vault, "another"), [b"its own".to_vec()]);
    let listed = vault.logs();
    let found: Vec<_> = listed.iter().map(|log| &*log.name).collect();
    assert_eq!(found, ["another", NAME]);
    let lengths: u64 = listed.iter().map(|log| log.bytes).sum();
    assert_eq!(
        (vault.status().logs, vault.status().log_bytes),
        (2, lengths)
    );
    assert!(
        listed
            .iter()
            .all(|log| log.changed_us > 1_600_000_000_000_000)
    );
}

#[test]
fn replacing_and_removing() {
    let (dir, key) = (tempdir(), Key::new());
    three(dir.path(), &key);
    let (vault, _) = open(dir.path(), &key);
    let log = vault.log(NAME).unwrap();
    let before = vault.status().log_bytes;
    log.replace(&[b"one", b"two"]).unwrap();
    assert!(vault.status().log_bytes < before);
    log.append(b"three").unwrap();
    assert_eq!(read(&vault, NAME), [&b"one"[..], b"two", b"three"]);
    drop(vault);
    let (vault, _) = open(dir.path(), &key);
    assert_eq!(read(&vault, NAME), [&b"one"[..], b"two", b"three"]);
    let log = vault.log(NAME).unwrap();
    log.replace(&[]).unwrap();
    assert!(log.read_all().unwrap().is_empty());
    assert_eq!(vault.logs().len(), 1, "an empty log is a log");
    log.remove().unwrap();
    log.remove().unwrap();
    assert_eq!((vault.logs().len(), names(dir.path()).len()), (0, 0));
    assert_eq!((vault.status().logs, vault.status().log_bytes), (0, 0));
    log.append(b"anew").unwrap();
    assert_eq!(read(&vault, NAME), [b"anew"]);
}

#[test]
fn nothing_of_name_or_records_is_readable_in_the_file() {
    let (dir, key) = (tempdir(), Key::new());
    let (vault, _) = open(dir.path(), &key);
    let canary = ["IGNORE ALL PREVIOUS", " INSTRUCTIONS"].concat();
    let log = vault.log(NAME).unwrap();
    log.append(canary.as_bytes()).unwrap();
    log.append(canary.as_bytes()).unwrap();
    let path = log_file(dir.path());
    let bytes = fs::read(&path).unwrap();
    for secret in [&canary, NAME, key.text()] {
        for part in secret.as_bytes().windows(6) {
            assert!(!bytes.windows(6).any(|window| window == part));
        }
    }
    let (one, two) = (&bytes[384..512], &bytes[512..]);
    assert_eq!(one.len(), two.len());
    assert!(
        one.windows(8)
            .all(|part| !two.windows(8).any(|other| other == part))
    );
    // Of the same name under another key nothing is the same.
    let (other_dir, other_key) = (tempdir(), Key::new());
    let (other, _) = open(other_dir.path(), &other_key);
    other.log(NAME).unwrap().append(canary.as_bytes()).unwrap();
    assert_ne!(log_file(other_dir.path()).file_name(), path.file_name());
    assert!(!path.to_string_lossy().contains("trace"));
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_the_rest_is_there() {
    let (dir, key) = (memory_dir(), Key::new());
    let [one, two, _] = three(dir.path(), &key);
    let path = log_file(dir.path());
    let whole = fs::read(&path).unwrap();
    let second = 384 + 192;
    let third = second + 832;
    for len in 384..whole.len() {
        fs::write(&path, &whole[..len]).unwrap();
        let (vault, _) = open(dir.path(), &key);
        let mut expected = vec![];
        expected.extend((len >= second).then(|| one.clone()));
        expected.extend((len >= third).then(|| two.clone()));
        assert_eq!(read(&vault, NAME), expected, "{len}");
        if len % 61 == 0 {
            vault.log(NAME).unwrap().append(b"after").unwrap();
            expected.push(b"after".to_vec());
            assert_eq!(read(&vault, NAME), expected, "{len}");
            drop(vault);
            assert_eq!(read(&open(dir.path(), &key).0, NAME), expected, "{len}");
        }
    }
    // A file made longer whose new bytes never reached the disk.
    for more in [1, 63, 64, 100, 600, 5000] {
        fs::write(&path, [&whole[..third], &vec![0; more]].concat()).unwrap();
        let (vault, _) = open(dir.path(), &key);
        assert_eq!(read(&vault, NAME), [one.clone(), two.clone()], "{more}");
        vault.log(NAME).unwrap().append(b"after").unwrap();
        assert_eq!(read(&vault, NAME).len(), 3);
    }
}

#[test]
fn a_change_of_any_byte_is_found_and_named() {
    let (dir, key) = (memory_dir(), Key::new());
    three(dir.path(), &key);
    let path = log_file(dir.path());
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x20;
        fs::write(&path, &changed).unwrap();
        let (vault, opened) = open(dir.path(), &key);
        if at < 384 && !(52..68).contains(&at) {
            assert_eq!(opened.unreadable.len(), 1, "byte {at}");
        }
        let log = vault.log(NAME).unwrap();
        let problem = match opened.unreadable.into_iter().next() {
            Some(unreadable) => {
                assert!(log.append(b"x").is_err(), "byte {at}");
                unreadable.problem
            }
            None => match log.read_all() {
                Err(LogError::Read(problem)) => problem,
                other => panic!("byte {at}: {other:?}"),
            },
        };
        let (second, third) = (384 + 192, 384 + 192 + 832);
        match (&problem, at) {
            (ReadError::WrongKey { .. }, 12..20) => continue,
            (ReadError::Damaged { damage, .. }, _) => match at {
                0..8 => assert_eq!(*damage, Damage::Magic),
                8..10 => assert!(matches!(damage, Damage::Version(_))),
                10..12 => assert!(matches!(damage, Damage::Suite(_))),
                20..52 => assert_eq!(*damage, Damage::Misnamed),
                52..384 => assert_eq!(*damage, Damage::LogHead),
                at => {
                    let index = u64::from(at >= second) + u64::from(at >= third);
                    assert_eq!(*damage, Damage::LogRecord(index), "byte {at}");
                }
            },
            (other, _) => panic!("byte {at}: {other}"),
        }
        let id = path.file_name().unwrap().to_str().unwrap();
        assert!(problem.to_string().contains(id), "{problem}");
        assert!(log.append(b"x").is_err(), "byte {at}");
        assert_eq!(fs::read(&path).unwrap(), changed, "it is left alone");
    }
    // Writing it anew mends it; a head that was changed must go first.
    let mut changed = whole.clone();
    changed[700] ^= 1;
    fs::write(&path, &changed).unwrap();
    let (vault, _) = open(dir.path(), &key);
    vault.log(NAME).unwrap().replace(&[b"mended"]).unwrap();
    assert_eq!(read(&vault, NAME), [b"mended"]);
    drop(vault);
    changed = whole;
    changed[300] ^= 1;
    fs::write(&path, &changed).unwrap();
    let (vault, _) = open(dir.path(), &key);
    let log = vault.log(NAME).unwrap();
    assert!(log.replace(&[b"x"]).is_err());
    log.remove().unwrap();
    assert_eq!(vault.status().logs, 0);
    log.replace(&[b"mended"]).unwrap();
    assert_eq!(read(&vault, NAME), [b"mended"]);
}

#[test]
fn records_do_not_move_between_logs_or_generations_of_one() {
    let (dir, key) = (tempdir(), Key::new());
    let (vault, _) = open(dir.path(), &key);
    let log = vault.log(NAME).unwrap();
    log.append(b"one").unwrap();
    let path = log_file(dir.path());
    let before = fs::read(&path).unwrap();
    log.replace(&[b"two"]).unwrap();
    let after = fs::read(&path).unwrap();
    drop(vault);
    fs::write(&path, [&after[..384], &before[384..]].concat()).unwrap();
    let (vault, _) = open(dir.path(), &key);
    assert!(vault.log(NAME).unwrap().read_all().is_err());
    drop(vault);
    fs::write(&path, &after).unwrap();
    let (vault, _) = open(dir.path(), &key);
    vault.log("other").unwrap().append(b"six").unwrap();
    let other = names(dir.path())
        .into_iter()
        .map(|name| dir.path().join(name))
        .find(|other| *other != path)
        .unwrap();
    drop(vault);
    let foreign = fs::read(&other).unwrap();
    fs::write(&path, [&after[..384], &foreign[384..]].concat()).unwrap();
    assert!(
        open(dir.path(), &key)
            .0
            .log(NAME)
            .unwrap()
            .read_all()
            .is_err()
    );
    fs::write(&path, &foreign).unwrap();
    let (_, opened) = open(dir.path(), &key);
    assert_eq!((opened.logs, opened.unreadable.len()), (1, 1));
}

#[test]
fn with_the_wrong_key_nothing_is_read_and_nothing_is_lost() {
    let (dir, right, wrong) = (tempdir(), Key::new(), Key::new());
    let records = three(dir.path(), &right);
    let (vault, opened) = open(dir.path(), &wrong);
    let problem = &opened.unreadable[0].problem;
    assert!(matches!(problem, ReadError::WrongKey { .. }), "{problem}");
    assert!(vault.logs().is_empty());
    // The name is another file's under another key.
    vault
        .log(NAME)
        .unwrap()
        .append(b"under another key")
        .unwrap();
    drop(vault);
    let (vault, _) = open(dir.path(), &right);
    assert_eq!(read(&vault, NAME), records);
    drop(vault);
    // With both keys the log has two files, and that is said; the one of the key in use is taken.
    let keys = Keys::from(right.get()).and_old(wrong.get());
    let (vault, opened) = Vault::open(dir.path(), keys, Limits::default()).unwrap();
    assert!(
        opened.unreadable[0]
            .problem
            .to_string()
            .contains("another file")
    );
    assert_eq!(read(&vault, NAME), records);
}

#[test]
fn a_new_key_takes_logs_over_with_their_names_and_times() {
    let (dir, old, new) = (tempdir(), Key::new(), Key::new());
    let records = three(dir.path(), &old);
    let (vault, _) = open(dir.path(), &old);
    vault.log("read").unwrap().append(b"before").unwrap();
    let blob = vault.seal(b"a blob", &quarantined("a")).unwrap();
    let times = vault.logs();
    thread::sleep(std::time::Duration::from_millis(20));
    let rotated = vault.rotate(&new.get());
    assert_eq!((rotated.resealed, rotated.left.len()), (3, 0));
    assert_eq!(vault.logs(), times);
    vault.log("read").unwrap().append(b"after").unwrap();
    drop(vault);
    let (vault, opened) = open(dir.path(), &new);
    assert_eq!(
        (opened.logs, opened.blobs, opened.unreadable.len()),
        (2, 1, 0)
    );
    assert_eq!(read(&vault, NAME), records);
    assert_eq!(read(&vault, "read"), [&b"before"[..], b"after"]);
    assert_eq!(vault.read(blob).unwrap(), b"a blob");
    drop(vault);
    assert_eq!(open(dir.path(), &old).1.unreadable.len(), 3);
    // One that cannot be opened keeps the old key needed.
    let (vault, _) = open(dir.path(), &new);
    vault.log("read").unwrap().remove().unwrap();
    let path = log_file(dir.path());
    let whole = fs::read(&path).unwrap();
    let mut broken = whole.clone();
    broken[800] ^= 1;
    fs::write(&path, &broken).unwrap();
    let newest = Key::new();
    let rotated = vault.rotate(&newest.get());
    assert_eq!((rotated.resealed, rotated.left.len()), (1, 1));
    fs::write(&path, &whole).unwrap();
    assert_eq!(vault.rotate(&newest.get()).resealed, 1);
    assert_eq!(read(&vault, NAME), records);
}

#[test]
fn what_is_bounded_is_refused_and_nothing_changes() {
    let (dir, key) = (tempdir(), Key::new());
    let logs = LogLimits {
        bytes_max: 384 * 2 + 128 * 4,
        count_max: 2,
        log_bytes_max: 384 + 128 * 3,
        record_bytes_max: 100,
    };
    let limits = Limits {
        logs,
        ..Limits::default()
    };
    let (vault, _) = Vault::open(dir.path(), key.get(), limits).unwrap();
    for name in [String::new(), "n".repeat(LOG_NAME_BYTES_MAX + 1)] {
        assert!(matches!(vault.log(&name), Err(LogError::Name { .. })));
    }
    let longest = "ü".repeat(LOG_NAME_BYTES_MAX / 2);
    let log = vault.log(&longest).unwrap();
    let refused = log.append(&[0; 101]).expect_err("too long");
    assert!(matches!(refused, LogError::Record { len: 101, max: 100 }));
    for _ in 0..3 {
        log.append(&[7; 40]).unwrap();
    }
    let refused = log.append(&[7; 40]).expect_err("the log is full");
    assert!(matches!(refused, LogError::TooLong { .. }), "{refused}");
    let refused = log.replace(&[&[7; 40][..]; 4]).expect_err("too many");
    assert!(matches!(refused, LogError::TooLong { .. }), "{refused}");
    let second = vault.log("second").unwrap();
    second.append(&[8; 40]).unwrap();
    let refused = second.append(&[8; 40]).expect_err("all are full");
    assert!(
        matches!(refused, LogError::Full { count: 2, .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("remove some"), "{refused}");
    log.replace(&[&[7; 40]]).unwrap();
    second.append(&[8; 40]).unwrap();
    let refused = vault
        .log("third")
        .unwrap()
        .append(b"x")
        .expect_err("a third");
    assert!(
        matches!(refused, LogError::Full { count: 2, .. }),
        "{refused}"
    );
    second.remove().unwrap();
    vault.log("third").unwrap().append(b"x").unwrap();
    drop(vault);
    let (vault, opened) = Vault::open(dir.path(), key.get(), limits).unwrap();
    assert_eq!(
        (opened.logs, vault.status().log_bytes),
        (2, 384 * 2 + 128 * 2)
    );
    assert_eq!(read(&vault, &longest), [vec![7; 40]]);
}

#[test]
fn a_full_disk_refuses_a_record_and_keeps_those_before() {
    let (dir, key) = (tempdir(), Key::new());
    let Some(mount) = Mount::tmpfs(dir.path(), 256) else {
        return;
    };
    let (vault, _) = open(dir.path(), &key);
    let log = vault.log(NAME).unwrap();
    let mut count = 0;
    let error = loop {
        match log.append(&noise(count, 9_000)) {
            Ok(()) => count += 1,
            Err(error) => break error,
        }
    };
    assert!(
        count > 5 && error.to_string().contains("make room"),
        "{error}"
    );
    let expected: Vec<_> = (0..count).map(|n| noise(n, 9_000)).collect();
    assert_eq!(read(&vault, NAME), expected);
    assert!(log.replace(&[&noise(0, 200_000)]).is_err());
    assert_eq!(read(&vault, NAME), expected);
    assert!(mount.remount("ro"));
    assert!(log.append(b"x").is_err());
    assert_eq!(read(&vault, NAME), expected);
    assert!(mount.remount("rw"));
    log.replace(&[b"short"]).unwrap();
    log.append(b"and more").unwrap();
    assert_eq!(read(&vault, NAME), [&b"short"[..], b"and more"]);
    drop(vault);
    assert_eq!(read(&open(dir.path(), &key).0, NAME).len(), 2);
}

#[test]
fn threads_on_many_logs_lose_nothing() {
    let (dir, key) = (tempdir(), Key::new());
    let (vault, _) = open(dir.path(), &key);
    let next = Key::new();
    thread::scope(|scope| {
        for writer in 0..4_u64 {
            let vault = &vault;
            scope.spawn(move || {
                for n in 0..60 {
                    let log = vault.log(&format!("log {}", (writer + n) % 6)).unwrap();
                    log.append_later(&[&writer.to_le_bytes()[..], &n.to_le_bytes()].concat())
                        .unwrap();
                }
            });
        }
        scope.spawn(|| assert!(vault.rotate(&next.get()).left.is_empty()));
    });
    drop(vault);
    let keys = Keys::from(next.get()).and_old(key.get());
    let (vault, _) = Vault::open(dir.path(), keys, Limits::default()).unwrap();
    let mut found: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for log in 0..6_u64 {
        let mut last: BTreeMap<u64, u64> = BTreeMap::new();
        for record in read(&vault, &format!("log {log}")) {
            let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
            let (writer, n) = (number(&record[..8]), number(&record[8..]));
            assert!(last.insert(writer, n).is_none_or(|before| before < n));
            found.entry(writer).or_default().push(n);
        }
    }
    for (_, mut numbers) in found {
        numbers.sort_unstable();
        assert_eq!(numbers, (0..60).collect::<Vec<_>>());
    }
}

/// Another program, written from docs/vault.md, reads what this one wrote.
#[test]
fn the_page_says_enough_to_open_a_log() {
    let (dir, key) = (tempdir(), Key::new());
    let at = dir.path().join("vault");
    let records = three(&at, &key);
    let key_file = dir.path().join("key");
    fs::write(&key_file, key.text()).unwrap();
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/conformance/vault_open.py"
    );
    let mut python = Command::new("python3");
    let Ok(output) = python
        .arg(script)
        .arg(&key_file)
        .arg(log_file(&at))
        .output()
    else {
        println!("SKIP: python3 is not installed");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{failed}");
    let digests = records.map(|record| {
        let digest = fak_chain::digest_bytes(&record).to_string();
        format!("\"{}\"", &digest[7..])
    });
    for part in [
        format!("\"log\": \"{NAME}\""),
        "\"named_by_this_key\": true".into(),
        format!("\"records\": [{}]", digests.join(", ")),
    ] {
        assert!(said.contains(&part), "{part} in {said}");
    }
}

const DIR: &str = "FAK_VAULT_TEST_DIR";
const KEY: &str = "FAK_VAULT_TEST_KEY";
const FROM: &str = "FAK_VAULT_TEST_FROM";

fn record(n: u64) -> Vec<u8> {
    noise(n, 20 + usize::try_from(n % 5).unwrap() * 3_000)
}

#[test]
fn killed_ten_times_every_acknowledged_record_is_there_once() {
    let (dir, key) = (tempdir(), Key::new());
    let mut records: Vec<u64> = Vec::new();
    for round in 0..10 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "logs::appends_until_killed", "--nocapture"])
            .env(DIR, dir.path())
            .env(KEY, key.text())
            .env(FROM, (round * 100_000).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let (mut acked, mut line) = (records.clone(), String::new());
        let mut count = 0;
        while lines.read_line(&mut line).unwrap() > 0 {
            match line
                .strip_suffix('\n')
                .and_then(|line| line.split_once(' '))
            {
                Some(("appended", n)) => acked.push(n.parse().unwrap()),
                Some(("replaced", n)) => acked = vec![n.parse().unwrap()],
                _ => {}
            }
            count += usize::from(line.contains("ed "));
            if count == 3 + round * 5 {
                child.kill().unwrap();
            }
            line.clear();
        }
        child.wait().unwrap();
        let (vault, opened) = open(dir.path(), &key);
        assert!(opened.unreadable.is_empty(), "{:?}", opened.unreadable);
        let found = read(&vault, NAME);
        let first = acked.first().copied().unwrap_or_default();
        let is_replaced = found.first().is_some_and(|found| *found != record(first));
        if is_replaced {
            // The replacement that was not acknowledged: one record, and perhaps one more.
            assert!(found.len() <= 2, "{}", found.len());
            let n = (first..first + 100_000).find(|n| record(*n) == found[0]);
            records = (n.unwrap()..).take(found.len()).collect();
        } else {
            assert!(found.len() >= acked.len() && found.len() <= acked.len() + 1);
            let next = acked.last().map_or(0, |last| last + 1);
            records = acked;
            records.extend((next..).take(found.len() - records.len()));
        }
        for (n, found) in records.iter().zip(&found) {
            assert!(*found == record(*n), "round {round}: record {n}");
        }
    }
}

/// The child of the test above; by itself it has nothing to do.
#[test]
fn appends_until_killed() {
    let (Ok(dir), Ok(key), Ok(from)) = (env::var(DIR), env::var(KEY), env::var(FROM)) else {
        return;
    };
    // The harness has begun a line of its own.
    println!();
    let key = VaultKey::from_credential_text(&key).unwrap();
    let (vault, _) = Vault::open(&PathBuf::from(dir), key, Limits::default()).unwrap();
    let log = vault.log(NAME).unwrap();
    let from: u64 = from.parse().unwrap();
    for n in from..from + 100_000 {
        if n % 8 == 7 {
            log.replace(&[&record(n)]).unwrap();
            writeln!(std::io::stdout(), "replaced {n}").unwrap();
        } else {
            log.append(&record(n)).unwrap();
            writeln!(std::io::stdout(), "appended {n}").unwrap();
        }
    }
}
