//! Measures reading of arguments, paths and hosts.

use divan::{Bencher, black_box, counter::BytesCount};
use fak_args::{
    Args, Fragment, Limits, PathGlob, Selector, looks_like_destination, normalize_path, parse_url,
    path_within,
};

fn main() {
    divan::main();
}

/// One hundred bytes, as a file edit sends them.
const SMALL: &str = r#"{"file_path":"/home/user/project/src/main.rs","old_string":"let a = 1;","limit":2000,"replace":true}"#;

fn limits() -> Limits {
    Limits {
        bytes_max: 16 << 20,
        depth_max: 64,
        values_max: 1 << 20,
    }
}

fn selector(text: &str) -> Selector {
    Selector::parse(text).expect("selector")
}

#[divan::bench]
fn small_parse() -> usize {
    Args::parse(black_box(SMALL), &limits())
        .expect("valid")
        .values()
        .count()
}

#[divan::bench]
fn small_serde_json_tree() -> usize {
    let tree: serde_json::Value = serde_json::from_str(black_box(SMALL)).expect("valid");
    tree.as_object().map_or(0, serde_json::Map::len)
}

#[divan::bench(args = ["file_path", "**.url", "*"])]
fn small_parse_and_select(bencher: Bencher<'_, '_>, text: &str) {
    let selector = selector(text);
    bencher.bench(|| {
        let args = Args::parse(black_box(SMALL), &limits()).expect("valid");
        args.select(&selector).len()
    });
}

fn large(bencher: Bencher<'_, '_>, text: &str) {
    let selector = selector("*");
    bencher.counter(BytesCount::of_str(text)).bench(|| {
        let args = Args::parse(black_box(text), &limits()).expect("valid");
        args.select(&selector).len()
    });
}

#[divan::bench]
fn one_mib_string(bencher: Bencher<'_, '_>) {
    large(
        bencher,
        &format!(
            "{{\"content\":\"{}\"}}",
            "line of text\\n".repeat((1 << 20) / 14)
        ),
    );
}

#[divan::bench]
fn one_mib_of_small_objects(bencher: Bencher<'_, '_>) {
    let one = r#"{"name":"value","list":[1,2.5,true,null],"text":"some words"}"#;
    let list = vec![one; (1 << 20) / (one.len() + 1)].join(",");
    large(bencher, &format!("{{\"items\":[{list}]}}"));
}

#[divan::bench]
fn hundred_thousand_keys(bencher: Bencher<'_, '_>) {
    let members: Vec<String> = (0..100_000).map(|n| format!("\"key{n}\":\"v\"")).collect();
    large(bencher, &format!("{{{}}}", members.join(",")));
}

#[divan::bench]
fn hundred_thousand_escaped_keys(bencher: Bencher<'_, '_>) {
    let members: Vec<String> = (0..100_000)
        .map(|n| format!("\"\\u006bey{n}\":\"v\""))
        .collect();
    large(bencher, &format!("{{{}}}", members.join(",")));
}

#[divan::bench]
fn path_normalise_and_contain(bencher: Bencher<'_, '_>) {
    let root = normalize_path("/home/user/project", None, None);
    bencher.bench(|| {
        let path = normalize_path(
            black_box("src/../src/main.rs"),
            Some("/home/user/project"),
            Some("/home/user"),
        );
        path_within(&path, &root, false)
    });
}

#[divan::bench]
fn path_glob(bencher: Bencher<'_, '_>) {
    let glob = PathGlob::new("**/.git", false).expect("glob");
    let path = normalize_path("/home/user/project/src/main.rs", None, None);
    bencher.bench(|| glob.covers(black_box(&path)));
}

#[divan::bench]
fn path_ten_fragments(bencher: Bencher<'_, '_>) {
    let fragments = [
        ".git/", ".env", ".aws/", "id_rsa", "/etc/", ".npmrc", ".netrc", ".ssh/", ".dos/",
        "dos.toml",
    ]
    .map(Fragment::new);
    bencher.bench(|| {
        let path = black_box("/home/user/project/src/main.rs");
        fragments.iter().any(|fragment| fragment.found_in(path))
    });
}

#[divan::bench(args = ["https://api.example.com/v1/models", "http://2852039166/", "http://１６９。２５４。１６９。２５４/"])]
fn url_and_class(bencher: Bencher<'_, '_>, text: &str) {
    bencher.bench(|| parse_url(black_box(text)).map(|place| place.host.class()));
}

#[divan::bench(args = ["src/main.rs", "a sentence of several words that is no destination"])]
fn leaf(text: &str) -> bool {
    looks_like_destination(black_box(text))
}
