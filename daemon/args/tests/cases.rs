//! The shared case files, row by row.

use fak_args::{
    AddressClass, Args, Fragment, Limits, Selector, looks_like_destination, parse_host, parse_url,
};
use serde_json::Value;

macro_rules! rows {
    ($file:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/cases/",
            $file
        ))
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a row"))
    };
}

/// What the floor of that file refuses: metadata services and the local link, and nothing else.
fn refused(class: AddressClass) -> bool {
    matches!(class, AddressClass::Metadata | AddressClass::LinkLocal)
}

#[test]
fn dotfile_glob_boundary() {
    let mut count = 0;
    for row in rows!("shell/dotfile_glob_boundary.jsonl") {
        let text = row["path"].as_str().expect("path");
        let matched = row["globs"]
            .as_array()
            .expect("globs")
            .iter()
            .filter_map(Value::as_str)
            .find(|glob| Fragment::new(glob).found_in(text));
        assert_eq!(
            matched.unwrap_or_default(),
            row["match"].as_str().expect("match"),
            "{text}"
        );
        count += 1;
    }
    assert_eq!(count, 11);
}

#[test]
fn egress_floor_hosts() {
    let mut count = 0;
    for row in rows!("calls/egress_floor.jsonl").filter(|row| row["src"] == "host") {
        let host = row["host"].as_str().expect("host");
        let blocked = parse_host(host).is_ok_and(|place| refused(place.host.class()));
        assert_eq!(Value::Bool(blocked), row["blocked"], "{host}");
        count += 1;
    }
    assert_eq!(count, 20);
}

#[test]
fn egress_floor_arguments() {
    let every_string = Selector::parse("*").expect("selector");
    let mut count = 0;
    for row in rows!("calls/egress_floor.jsonl").filter(|row| row["tool"].is_string()) {
        let text = if row["args"].is_null() {
            String::new()
        } else {
            row["args"].to_string()
        };
        let args = Args::parse(&text, &Limits::default()).expect("arguments");
        let blocked = args.select(&every_string).iter().any(|value| {
            let leaf = value.as_str().unwrap_or_default();
            looks_like_destination(&leaf)
                && parse_url(&leaf).is_ok_and(|place| refused(place.host.class()))
        });
        assert_eq!(Value::Bool(blocked), row["blocked"], "{}", row["name"]);
        count += 1;
    }
    assert_eq!(count, 9);
}

#[test]
fn egress_floor_words_of_commands() {
    // Splitting a command into words is the shell reader's work; white space does for these rows.
    let mut count = 0;
    for row in rows!("calls/egress_floor.jsonl").filter(|row| row["args"]["command"].is_string()) {
        let command = row["args"]["command"].as_str().expect("command");
        let blocked = command.split_whitespace().any(|word| {
            looks_like_destination(word)
                && parse_url(word).is_ok_and(|place| refused(place.host.class()))
        });
        assert_eq!(Value::Bool(blocked), row["blocked"], "{command}");
        count += 1;
    }
    assert_eq!(count, 8);
}
