//! What is written by hand beside the program says what the program does.

#![forbid(unsafe_code)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::PathBuf,
};

use fak_config::{Config, Dirs, KEYS, Sources};
use fak_telemetry::Event;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The entries of the catalogue: message id to what follows.
fn catalog() -> BTreeMap<String, String> {
    let text = text("systemd/catalog/fakd.catalog");
    let mut entries = BTreeMap::new();
    for entry in text.split("\n-- ").skip(1) {
        let (id, rest) = entry.split_once('\n').expect("an id, then its text");
        let twice = entries.insert(id.to_owned(), rest.to_owned());
        assert!(twice.is_none(), "{id} stands twice");
    }
    entries
}

#[test]
fn every_message_id_has_an_entry_in_the_catalogue_and_no_entry_is_left_over() {
    let known: BTreeMap<String, &str> = Event::ALL
        .iter()
        .map(|event| (event.message_id().to_owned(), event.as_str()))
        .collect();
    let entries = catalog();
    for (id, name) in &known {
        assert!(entries.contains_key(id), "{name} ({id}) has no entry");
    }
    for id in entries.keys() {
        assert!(known.contains_key(id), "{id} is no message of fakd");
    }
}

#[test]
fn an_entry_has_a_subject_and_names_only_fields_that_exist() {
    let fields = text("daemon/telemetry/src/notice.rs");
    for (id, entry) in catalog() {
        assert!(entry.starts_with("Subject: "), "{id}: {entry}");
        for named in entry.split('@').skip(1).step_by(2) {
            assert!(
                fields.contains(&format!("\"{named}\"")),
                "{id} names {named}"
            );
        }
    }
}

/// Between these marks the page is made from the table of keys.
const BEGIN: &str = ".\\\" begin: made from the table of keys\n";
const END: &str = ".\\\" end\n";

fn keys() -> String {
    let mut page = String::new();
    for key in KEYS {
        let about = key.about.replace('\\', "\\e").replace('-', "\\-");
        let wants = key.kind.wants().replace('-', "\\-").replace('"', "\\(dq");
        let _ = write!(page, ".TP\n.B {}\n{about}\n.br\nTakes {wants}.\n", key.name);
    }
    page
}

/// `FAK_XTASK_WRITE=1 cargo test -p fak-xtask` writes the keys instead of comparing them.
#[test]
fn the_manual_page_of_the_configuration_has_every_key() {
    let path = root().join("man/fakd.toml.5");
    let page = fs::read_to_string(&path).expect("man/fakd.toml.5 is there");
    let (head, rest) = page
        .split_once(BEGIN)
        .expect("the keys begin at their mark");
    let (listed, tail) = rest.split_once(END).expect("the keys end at their mark");
    if std::env::var_os("FAK_XTASK_WRITE").is_some() {
        fs::write(&path, format!("{head}{BEGIN}{}{END}{tail}", keys())).expect("the page is ours");
        return;
    }
    assert!(
        listed == keys(),
        "man/fakd.toml.5 is stale: FAK_XTASK_WRITE=1 cargo test -p fak-xtask"
    );
}

/// The lines of a configuration that is all comment, taken out of it.
fn uncommented(text: &str) -> String {
    let is_key = |line: &&str| line.starts_with('#') && !line.starts_with("# ");
    let lines: Vec<&str> = text.lines().filter(is_key).map(|line| &line[1..]).collect();
    lines.join("\n")
}

#[test]
fn the_packaged_configurations_are_sound() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("fakd.toml");
    let example = uncommented(&text("packaging/etc-fakd.toml"));
    assert!(example.contains("[acl.submit]"), "{example}");
    for text in [text("packaging/fakd.toml"), example] {
        // The names stand for users and groups of the machine it is installed on; this one has root.
        let here = ["\"fak\"", "\"fak-audit\"", "\"fak-admin\"", "\"alice\""]
            .iter()
            .fold(text, |text, name| text.replace(name, "\"root\""));
        fs::write(&path, here).expect("written");
        let read = Config::load(&Sources::File(&Dirs::system(), &path));
        assert!(read.is_ok(), "{read:?}");
    }
}

#[test]
fn the_package_grants_each_role_to_the_group_of_its_socket() {
    let made: BTreeSet<String> = text("systemd/sysusers.d/fakd.conf")
        .lines()
        .filter(|line| line.starts_with("u ") || line.starts_with("g "))
        .filter_map(|line| line.split_whitespace().nth(1).map(ToOwned::to_owned))
        .collect();
    let vendor = text("packaging/fakd.toml");
    for (role, socket) in [
        ("submit", "fakd"),
        ("audit", "fakd-audit"),
        ("admin", "fakd-admin"),
    ] {
        let unit = text(&format!("systemd/system/{socket}.socket"));
        let group = unit
            .lines()
            .find_map(|line| line.strip_prefix("SocketGroup="))
            .expect("a group");
        assert!(made.contains(group), "nobody makes the group {group}");
        let grant = format!("[acl.{role}]\ngroups = [\"{group}\"]");
        assert!(vendor.contains(&grant), "packaging/fakd.toml: {grant}");
    }
}
