//! Tests of paths: refusals first.

use super::*;

fn normal(path: &str) -> NormalPath {
    normalize_path(path, Some("/tree"), Some("/home/u"))
}

fn bare(path: &str) -> NormalPath {
    normalize_path(path, None, None)
}

#[test]
fn paths_programs_read_differently_are_suspicious() {
    for path in [
        "",
        "a\0b",
        "a\nb",
        "a\u{7f}",
        "..\\..\\etc",
        "a\\b",
        "%2e%2e/etc",
        "%2E%2e%2fetc",
        "a%5cb",
        "a%00.txt",
        "%252e%252e/x",
        " /etc/passwd",
        "/etc/passwd ",
        "a./b",
        "a /b",
        ".. /x",
        "/etc/passwd.",
        "..../x",
        "\u{ff0e}\u{ff0e}/x",
        "..\u{2215}x",
        "a\u{2044}b",
        "\u{2025}/x",
        "a\u{ff3c}b",
        ".g\u{200c}it",
        ".git\u{feff}",
        "a\u{202e}b",
        "a\u{ad}b",
        "file:///etc/passwd",
        "FILE:/etc/passwd",
        "http://a/b",
        "$HOME/.ssh",
        "${X}/y",
        "$(pwd)/x",
        "/proc/self/root/etc/passwd",
        "/proc/1/cwd/x",
        "/proc/self/fd/3",
        "/proc/self/task/1/root/x",
        "\u{a0}/etc",
    ] {
        assert!(bare(path).suspicious.is_some(), "{path:?}");
    }
    for path in [
        "a",
        "/",
        ".",
        "..",
        "~",
        "/etc/passwd",
        "a b/c",
        ".env",
        "...",
        "./...",
        "第1章～第3章（２）.txt",
        "Hello….txt",
        "naïve.md",
        "100%/x",
        "%20",
        "routes/$id.tsx",
        "$id.tsx",
        "a@b",
        "/proc/cpuinfo",
        "/proc/self/status",
        "C:/x",
        "été/é",
        "a..b",
        "..a",
        ".a.b",
    ] {
        assert_eq!(bare(path).suspicious, None, "{path:?}");
    }
    assert!(
        normalize_path("a", Some("/x\0y"), None)
            .suspicious
            .is_some()
    );
}

#[test]
fn normalises() {
    for (path, text) in [
        ("/a//b/./c/../d/", "/a/b/d"),
        ("//a", "/a"),
        ("/../../etc", "/etc"),
        ("/", "/"),
        ("x/y", "/tree/x/y"),
        ("../etc", "/etc"),
        (".", "/tree"),
        ("", "/tree"),
        ("~", "/home/u"),
        ("~/x/../y", "/home/u/y"),
        ("~/../v/z", "/home/v/z"),
        ("./~/x", "/tree/~/x"),
        ("a/~", "/tree/a/~"),
        ("file:///etc/./passwd", "/etc/passwd"),
        ("file:/etc/%70asswd", "/etc/passwd"),
        ("file://host/etc/passwd?x", "/etc/passwd"),
    ] {
        let path = normal(path);
        assert_eq!(path.text, text);
        assert!(path.absolute && !path.escapes && !path.home_unknown);
    }
    for (path, text, escapes, home_unknown) in [
        ("x/../y", "y", false, false),
        ("x/..", ".", false, false),
        ("x/../../y", "../y", true, false),
        ("../..", "../..", true, false),
        ("~", "~", false, true),
        ("~/x", "~/x", false, true),
        ("~/../x", "~/../x", true, true),
        ("~bob/x", "~bob/x", false, true),
        ("./~/x", "./~/x", false, false),
        ("x/../~", "./~", false, false),
    ] {
        let path = bare(path);
        assert_eq!(
            (&*path.text, path.absolute, path.escapes, path.home_unknown),
            (text, false, escapes, home_unknown)
        );
        // Normal paths stay as they are.
        assert_eq!(bare(&path.text).text, text);
    }
    assert_eq!(normalize_path("x", Some("~/w"), Some("/h")).text, "/h/w/x");
    assert_eq!(normalize_path("x", Some("~/w"), None).text, "~/w/x");
    assert_eq!(normalize_path("../../x", Some("w"), None).text, "../x");
    assert_eq!(normalize_path("~/x", None, Some("relative")).text, "~/x");
    assert_eq!(
        normalize_path("~bob/x", Some("/w"), Some("/h")).text,
        "~bob/x"
    );
    assert_eq!(normal("/a/b.c").file_name(), Some("b.c"));
    assert_eq!(normal("/").file_name(), None);
    assert_eq!(bare("../..").file_name(), None);
}

#[test]
fn containment_compares_components() {
    for (path, root) in [
        ("/treeshop/x", "/tree"),
        ("/tree/../etc", "/tree"),
        ("/tree", "/tree/x"),
        ("/TREE/x", "/tree"),
        ("~bob/x", "~"),
        ("/", "/tree"),
    ] {
        assert!(
            !path_within(&normal(path), &normal(root), false),
            "{path} {root}"
        );
    }
    for (path, root) in [
        ("../x", "."),
        ("..", "."),
        ("../../x", ".."),
        ("x", "../y"),
        ("x", "/"),
        ("/x", "."),
        ("~/x", "."),
        ("~/x", "/"),
        ("./~/x", "~"),
        ("~/../x", "~"),
        ("~bob/x", "~"),
        ("xy", "x"),
    ] {
        assert!(
            !path_within(&bare(path), &bare(root), false),
            "{path} {root}"
        );
    }
    for (path, root) in [
        ("x", "."),
        ("x/y", "x"),
        ("x", ".."),
        ("../x/y", "../x"),
        ("../../x", "../.."),
        ("../x", "../.."),
        (".", "."),
        ("/x", "/"),
        ("/x/y", "/x"),
        ("~/x", "~"),
        ("~bob/x", "~bob"),
        ("./~/x", "."),
    ] {
        assert!(
            path_within(&bare(path), &bare(root), false),
            "{path} {root}"
        );
    }
    for path in ["/Etc/SHADOW", "/etc/\u{17f}hadow", "/ETC/shadow"] {
        assert!(
            path_within(&bare(path), &bare("/etc/shadow"), true),
            "{path}"
        );
        assert!(
            !path_within(&bare(path), &bare("/etc/shadow"), false),
            "{path}"
        );
    }
}

#[test]
fn globs_match_where_they_start() {
    let glob =
        |glob: &str| PathGlob::new(glob, false).unwrap_or_else(|error| panic!("{glob}: {error}"));
    for (pattern, path) in [
        ("/etc/*", "/etc/passwd"),
        ("/etc/**", "/etc/a/b"),
        ("/**", "/x"),
        ("~/.ssh/**", "~/.ssh/id"),
        ("~/.ssh/**", "/home/u/.ssh/id"),
        ("src/**", "src/a/b.rs"),
        ("./src/*.rs", "/tree/src/a.rs"),
        ("**/.env", ".env"),
        ("**/.env", "/x/y/.env"),
        ("*.pem", "/a/b/c.pem"),
        (".env", "x/.env"),
        ("a/**/b", "a/b"),
        ("a/**/b", "a/x/y/b"),
        ("{a,b}/x", "b/x"),
        ("a/[!b]/c", "a/x/c"),
        ("a/\\*", "a/*"),
        ("a,b/c", "a,b/c"),
        ("x[]]y", "x]y"),
        ("x[a-]y", "x-y"),
        ("x[!]a]y", "xby"),
        ("?", "é"),
        ("[é]", "é"),
        ("{a/**,b{c,d}}/e", "a/x/e"),
        ("{a/**,b{c,d}}/e", "bd/e"),
        ("{a,}b", "b"),
        ("a}", "a}"),
        ("a.b+(c)", "a.b+(c)"),
        ("**", "x/y"),
        ("x**y/z", "xaay/z"),
    ] {
        assert!(glob(pattern).matches(&normal(path)), "{pattern} {path}");
    }
    for (pattern, path) in [
        ("/etc/*", "/etc/a/b"),
        ("/etc/*", "/tree/etc/a"),
        ("/etc/**", "/etcetera"),
        ("~/.ssh/**", "/home/v/.ssh/id"),
        ("~/.ssh/**", "~bob/.ssh/id"),
        ("src/**", "/etc/src/a"),
        ("src/**", "src/../../x"),
        ("src/**", "../src/a"),
        ("a/?", "a/bc"),
        ("a/*/b", "a/b"),
        ("a/[!b]c", "a//c"),
        ("*.pem", "a.pem/x"),
    ] {
        assert!(!glob(pattern).matches(&normal(path)), "{pattern} {path}");
    }
    for (pattern, path) in [
        (".git", "/tree/.git/config"),
        (".git/", "a/.git/hooks/x"),
        ("/etc", "/etc/a/b"),
        ("~", "~/x"),
        ("/", "/x"),
        (".", "x/y"),
        ("src/*", "src/a/b/c"),
    ] {
        assert!(glob(pattern).covers(&normal(path)), "{pattern} {path}");
    }
    assert!(!glob(".git").covers(&normal(".github/x")));
    assert!(!glob("/etc").covers(&normal("/etcetera")));
    assert!(!glob("src").covers(&normal("srcs/x")));
    assert!(glob("~/.ssh").covers(&bare("~/.ssh/x")));
    assert!(!glob("~/.ssh").covers(&bare("~/../.ssh/x")));
    assert!(glob("src/*").covers(&bare("src/x")));
    assert!(!glob("**/a").covers(&bare("b")));
    assert!(glob("**/a").covers(&bare("../../a")));
    assert!(
        PathGlob::new("/ETC/*", true)
            .expect("glob")
            .matches(&normal("/etc/Passwd"))
    );
    for pattern in [
        "",
        "a/../b",
        "..",
        "~bob/x",
        "[",
        "{a",
        "a/[z-a]",
        &"a".repeat(1025),
    ] {
        assert!(PathGlob::new(pattern, false).is_err(), "{pattern}");
    }
}

#[test]
fn a_class_never_matches_a_separator() {
    for pattern in ["/a/x[!b]y", "/a/x[.-0]y", "/a/x[^b]y", "/a/x?y"] {
        let glob = PathGlob::new(pattern, false).expect("glob");
        assert!(!glob.matches(&normal("/a/x/y")), "{pattern}");
        assert!(glob.matches(&normal("/a/x.y")), "{pattern}");
    }
}

#[test]
fn fragments_guard_what_they_name() {
    for (fragment, text) in [
        (".git/", ".git"),
        (".git/", "rm -rf .git"),
        (".git/", "a\\.git\\config"),
        (".git/", "a//.git/./config"),
        ("/etc/", "> /etc/passwd"),
        ("/etc/", "../../etc/passwd"),
        (".env", ".env.local"),
        ("dos.toml", "x/dos.toml"),
        ("**/.git/**", "a/.git/x"),
        (".claude/settings*.json", "~/.claude/settings.local.json"),
        ("*.pem", "key.pem"),
        ("a/**/b", "a/x/y/b"),
        ("a?c", "xabcx"),
        ("", "anything"),
        ("/", "anything"),
        ("é/", "é"),
        (".-.", "a.-.-."),
    ] {
        assert!(Fragment::new(fragment).found_in(text), "{fragment} {text}");
    }
    for (fragment, text) in [
        (".git/", ".gitignore"),
        (".git/", ".github/treeflows"),
        (".git/", ".git-credentials"),
        (".git/", "x.git"),
        ("/etc/", "/home/u/etc/passwd"),
        ("/etc/", "/etcetera"),
        (".env", "process.env"),
        (".env", "été.env"),
        ("internal/abi/", "internal/abigail"),
        (".claude/settings*.json", ".claude/settings/x.json"),
        (".claude/settings*.json", "x.claude/settings.json"),
        (".env", ".ENV"),
    ] {
        assert!(!Fragment::new(fragment).found_in(text), "{fragment} {text}");
    }
}

#[test]
fn every_glob_that_is_accepted_can_be_compared() {
    let fill = |unit: &str, bytes: usize| unit.repeat(bytes / unit.len());
    let nested = |depth: usize| format!("{}a{}", "{".repeat(depth), "}".repeat(depth));
    for pattern in [
        fill("?", 256),
        fill("*", 256),
        fill("**/", 256),
        fill("[!\u{e9}]", 256),
        fill("[a-\u{10ffff}]", 256),
        fill("{?,[!b]}", 256),
        fill("{**/x,*}", 256),
        nested(32),
        format!("[{}]", fill("ace", 252)),
        fill("?", 1024),
    ] {
        for fold_case in [false, true] {
            let glob = PathGlob::new(&pattern, fold_case).expect("glob");
            // Without an automaton nothing matches and everything is covered.
            assert!(
                !glob.covers(&bare("/no/such/name")) || pattern.starts_with("**"),
                "{pattern}"
            );
        }
    }
    assert!(PathGlob::new(&nested(300), false).is_err());
}
