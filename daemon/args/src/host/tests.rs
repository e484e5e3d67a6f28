//! Tests of the host reader: refusals first.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{
    AddressClass::{
        self, LinkLocal, Loopback, Metadata, Multicast, Private, Public, Reserved, Unspecified,
    },
    Host, HostPattern, PlaceError, looks_like_destination, parse_host, parse_url,
};

const METADATA_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

fn class(host: &str) -> AddressClass {
    parse_host(host)
        .unwrap_or_else(|error| panic!("{host}: {error}"))
        .host
        .class()
}

#[test]
fn texts_without_a_host_are_errors() {
    for (text, error) in [
        ("", PlaceError::Empty),
        (" \n", PlaceError::Empty),
        ("/etc/passwd", PlaceError::NoHost),
        ("./a", PlaceError::NoHost),
        ("../a", PlaceError::NoHost),
        ("~/a", PlaceError::NoHost),
        ("?q", PlaceError::NoHost),
        ("file:///etc/passwd", PlaceError::NoHost),
        ("file://localhost/etc/passwd", PlaceError::NoHost),
        ("data:text/plain,hi", PlaceError::NoHost),
        ("mailto:a@b.com", PlaceError::NoHost),
        ("javascript:alert(1)", PlaceError::NoHost),
        ("http://", PlaceError::NoHost),
        ("http://:80/", PlaceError::NoHost),
        ("http://user@/", PlaceError::NoHost),
        ("http://a:99999/", PlaceError::BadPort),
        ("http://a:-1/", PlaceError::BadPort),
        ("http://a:8o/", PlaceError::BadPort),
        ("http://a:８０/", PlaceError::BadPort),
        ("http://a..b/", PlaceError::BadHost),
        ("http://.a/", PlaceError::BadHost),
        ("http://a b/", PlaceError::BadHost),
        ("http://a\0b/", PlaceError::BadHost),
        ("http://{a,b}/", PlaceError::BadHost),
        ("http://[::1/", PlaceError::BadHost),
        ("http://[::1]x/", PlaceError::BadHost),
        ("http://[::g]/", PlaceError::BadHost),
        ("http://1.2.3.4.5/", PlaceError::BadHost),
        ("http://256.1.1.1/", PlaceError::BadHost),
        ("http://4294967296/", PlaceError::BadHost),
        ("http://08.8.8.8/", PlaceError::BadHost),
        ("http://a%2eb%/", PlaceError::BadHost),
        ("http://a%2fb/", PlaceError::BadHost),
        ("http://good%40evil/", PlaceError::BadHost),
        ("http://%ff/", PlaceError::BadHost),
        ("http://xn--\u{7f}/", PlaceError::BadHost),
        ("ssh://-oProxyCommand=x/", PlaceError::BadHost),
        ("http://-x.example.com/", PlaceError::BadHost),
    ] {
        assert_eq!(
            parse_url(text).map(|place| place.host),
            Err(error),
            "{text:?}"
        );
    }
    let long = format!("http://{}/", "a.".repeat(5000));
    assert_eq!(parse_url(&long), Err(PlaceError::TooLong));
    let label = format!("http://{}.com/", "a".repeat(64));
    assert_eq!(parse_url(&label), Err(PlaceError::BadHost));
    assert_eq!(parse_host("a/b"), Err(PlaceError::BadHost));
}

#[test]
fn every_spelling_of_the_metadata_address_is_the_metadata_address() {
    for text in [
        "http://2852039166/",
        "http://0xa9fea9fe/",
        "http://0XA9FEA9FE/",
        "http://0251.0376.0251.0376/",
        "http://025177524776/",
        "http://0xa9.0xfe.0xa9.0xfe/",
        "http://169.254.43518/",
        "http://169.16689662/",
        "http://169.254.0xa9fe/",
        "http://169.254.169.254./",
        "http://１６９。２５４。１６９。２５４/",
        "http://１６９．２５４．１６９．２５４/",
        "http://①⑥⑨.②⑤④.①⑥⑨.②⑤④/",
        "http://169｡254｡169｡254/",
        "http://%31%36%39.254.169.254/",
        "http://169.254.169.254\u{ad}/",
        "http://1\u{200b}69.254.169.254/",
        "http://169.254\n.169.254/",
        "http:\\\\169.254.169.254\\",
        "http:/169.254.169.254/",
        "http:169.254.169.254",
        "http:///169.254.169.254/",
        "ht\ttp://169.254.169.254/",
        "view-source:http://169.254.169.254/",
        "http://169.254.169.254\\@good.com/",
        "http://a@b@169.254.169.254/",
        "http://169.254.169.254#@good.com/",
        "http://169.254.169.254?@good.com/",
        "//2852039166",
        "\\\\169.254.169.254\\share",
    ] {
        let place = parse_url(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(place.host, Host::V4(METADATA_V4), "{text:?}");
        assert!(place.suspicious.is_some(), "{text:?}");
    }
    for text in [
        "http://169.254.169.254/",
        "HTTP://169.254.169.254",
        " http://169.254.169.254 ",
        "169.254.169.254",
        "169.254.169.254:80/latest",
        "//169.254.169.254/",
        "gopher://169.254.169.254:80/_x",
        "ssh://root@169.254.169.254",
        "root@169.254.169.254:x",
    ] {
        let place = parse_url(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(place.host, Host::V4(METADATA_V4), "{text:?}");
        assert_eq!(place.suspicious, None, "{text:?}");
    }
}

#[test]
fn addresses_inside_addresses_are_classified() {
    for (host, expected) in [
        ("::ffff:169.254.169.254", Metadata),
        ("::ffff:a9fe:a9fe", Metadata),
        ("::169.254.169.254", Metadata),
        ("::ffff:0:169.254.169.254", Metadata),
        ("64:ff9b::a9fe:a9fe", Metadata),
        ("64:ff9b::10.0.0.1", Private),
        ("64:ff9b::8.8.8.8", Public),
        ("64:ff9b:1::a9fe:a9fe", Metadata),
        ("64:ff9b:1::8.8.8.8", Private),
        ("2002:a9fe:a9fe::1", Metadata),
        ("2002:7f00:1::", Loopback),
        ("2002:808:808::1", Public),
        // Teredo carries its client inverted.
        ("2001:0:808:808::5601:5601", Metadata),
        ("2001:0:a00:1::f7f7:f7f7", Private),
        ("2001:0:808:808::f7f7:f7f7", Public),
        ("2606::5efe:7f00:1", Loopback),
        ("2606::200:5efe:a00:1", Private),
        ("::ffff:127.0.0.1", Loopback),
        ("::ffff:0.0.0.0", Unspecified),
        ("::ffff:8.8.8.8", Public),
    ] {
        assert_eq!(class(host), expected, "{host}");
    }
}

#[test]
fn classes_of_addresses() {
    for (host, expected) in [
        ("0.0.0.0", Unspecified),
        ("0.1.2.3", Reserved),
        ("127.0.0.1", Loopback),
        ("127.255.1.1", Loopback),
        ("10.0.0.5", Private),
        ("172.15.0.1", Public),
        ("172.16.0.1", Private),
        ("172.31.255.255", Private),
        ("172.32.0.1", Public),
        ("192.168.1.1", Private),
        ("100.64.0.1", Private),
        ("100.128.0.1", Public),
        ("100.100.100.200", Metadata),
        ("100.100.100.100", Metadata),
        ("169.254.0.1", LinkLocal),
        ("169.254.170.2", Metadata),
        ("168.63.129.16", Metadata),
        ("192.0.0.192", Metadata),
        ("192.0.2.1", Reserved),
        ("198.18.0.1", Reserved),
        ("224.0.0.1", Multicast),
        ("240.0.0.1", Reserved),
        ("255.255.255.255", Reserved),
        ("8.8.8.8", Public),
        ("::", Unspecified),
        ("::1", Loopback),
        ("fe80::1", LinkLocal),
        ("fe80::1%eth0", LinkLocal),
        ("[fe80::1%25eth0]:80", LinkLocal),
        ("fd00:ec2::254", Metadata),
        ("[fd00:ec2::254]", Metadata),
        ("fd20:ce::254", Metadata),
        ("fd12::1", Private),
        ("fec0::1", Private),
        ("ff02::1", Multicast),
        ("2001:db8::1", Reserved),
        ("100::1", Reserved),
        ("4000::1", Reserved),
        ("2606:4700::1111", Public),
    ] {
        assert_eq!(class(host), expected, "{host}");
    }
}

#[test]
fn classes_of_names() {
    for (host, expected) in [
        ("metadata", Metadata),
        ("METADATA.GOOGLE.INTERNAL", Metadata),
        ("metadata.google.internal.", Metadata),
        ("x.metadata.google.internal", Metadata),
        ("instance-data", Metadata),
        ("localhost", Loopback),
        ("a.LocalHost", Loopback),
        ("ｌｏｃａｌｈｏｓｔ", Loopback),
        ("lvh.me", Loopback),
        ("db.internal", Private),
        ("printer.local", Private),
        ("redis", Private),
        ("kubernetes.default.svc.cluster.local", Private),
        ("169.254.169.254.nip.io", Metadata),
        ("x-127-0-0-1.sslip.io", Loopback),
        ("7f000001.nip.io", Loopback),
        ("8.8.8.8.nip.io", Public),
        ("1.2.3.4.10.0.0.1.nip.io", Private),
        ("notlocalhost.com", Public),
        ("internal.example.com", Public),
        ("example.com", Public),
        ("x.onion", Reserved),
    ] {
        assert_eq!(class(host), expected, "{host}");
    }
    for class in AddressClass::ALL {
        assert_eq!(AddressClass::parse(class.as_str()), Some(class));
    }
    assert_eq!(AddressClass::parse("linklocal"), None);
}

#[test]
fn parts_of_plain_places() {
    let read = |text: &str| {
        let place = parse_url(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(place.suspicious, None, "{text}");
        (
            place.scheme.unwrap_or_default(),
            place.host.to_string(),
            place.port,
            place.userinfo,
        )
    };
    let row =
        |scheme: &str, host: &str, port, userinfo| (scheme.into(), host.into(), port, userinfo);
    assert_eq!(
        read("HTTPS://API.Example.com/v1"),
        row("https", "api.example.com", None, false)
    );
    assert_eq!(
        read("http://a.com:080/?q=x@y"),
        row("http", "a.com", Some(80), false)
    );
    assert_eq!(read("http://a.com:/"), row("http", "a.com", None, false));
    assert_eq!(
        read("http://good.com@evil.com/"),
        row("http", "evil.com", None, true)
    );
    assert_eq!(read("https://u:p@a.com"), row("https", "a.com", None, true));
    assert_eq!(
        read("https://a.com/@b/c"),
        row("https", "a.com", None, false)
    );
    assert_eq!(
        read("http://[2606:4700::1111]:8080/"),
        row("http", "[2606:4700::1111]", Some(8080), false)
    );
    assert_eq!(
        read("https://bücher.de/"),
        row("https", "xn--bcher-kva.de", None, false)
    );
    assert_eq!(
        read("https://例え。テスト/"),
        row("https", "xn--r8jz45g.xn--zckzah", None, false)
    );
    assert_eq!(
        read("localhost:8080/x"),
        row("", "localhost", Some(8080), false)
    );
    assert_eq!(
        read("api.example.com/v1"),
        row("", "api.example.com", None, false)
    );
    assert_eq!(
        read("git@github.com:o/r.git"),
        row("", "github.com", None, false)
    );
    assert_eq!(
        read("github.com:o/r.git"),
        row("", "github.com", None, false)
    );
    assert_eq!(
        read("ssh://git@github.com:22/o/r"),
        row("ssh", "github.com", Some(22), false)
    );
    assert_eq!(
        read("ssh://git:pw@github.com/o/r"),
        row("ssh", "github.com", None, true)
    );
    assert_eq!(
        read("git+https://u@github.com/o"),
        row("git+https", "github.com", None, true)
    );
    assert_eq!(
        read("postgres://u:p@db.internal:5432/x"),
        row("postgres", "db.internal", Some(5432), true)
    );
    assert_eq!(read("s3://bucket/key"), row("s3", "bucket", None, false));
    assert_eq!(
        read("file://server/share"),
        row("file", "server", None, false)
    );
    let url = parse_host("https://evil.com/").expect("a URL where a host was wanted");
    assert_eq!(
        (url.scheme.as_deref(), url.host),
        (Some("https"), Host::Name("evil.com".into()))
    );
    let bare = parse_host("fd00:ec2::254").expect("v6");
    assert_eq!(
        bare.host,
        Host::V6("fd00:ec2::254".parse::<Ipv6Addr>().expect("v6"))
    );
    assert_eq!(bare.suspicious, None);
}

#[test]
fn differences_between_programs_are_named() {
    for text in [
        "http://good\\@evil/",
        "http://a@b@c/",
        "http://a#@b/",
        "http://fe80::1/",
        "::1:80",
        "http://[fe80::1%25en0]/",
        "http://ｅxample.com/",
        "http://exa\u{ad}mple.com/",
        "http://example。com/",
        "http://faß.de/",
        "http://exampl%65.com/",
        "jar:http://a.com/x.jar!/",
        "http:https://a.com",
        "http://a.com\t/",
        "http://127.1/",
        "\u{1}http://a.com/",
        "http:////a.com/",
    ] {
        let suspicious = parse_url(text).map(|place| place.suspicious);
        assert!(
            matches!(suspicious, Ok(Some(_)) | Err(PlaceError::BadPort)),
            "{text:?} {suspicious:?}"
        );
    }
}

#[test]
fn destinations_among_other_strings() {
    for text in [
        "http://a.com",
        "https://x y",
        "HTTP://A.COM/",
        "ht\ntp://169.254.169.254/",
        "http:\\\\evil.com",
        "http:/evil.com",
        "ssh://h",
        "169.254.169.254",
        "169.254.169.254:8080",
        "169.254.169.254/latest",
        "169.254.169.254:99999",
        "8.8.8.8",
        "8.8.8.8:53",
        "::1",
        "[::1]:80",
        "fe80::1",
        "fd00:ec2::254",
        "2852039166",
        "0xa9fea9fe",
        "2130706433",
        "0x7f.1",
        "127.1",
        "１６９.254.169.254",
        "localhost",
        "localhost:3000",
        "postgres:5432",
        "api.openai.com",
        "evil.io/x?y",
        "metadata.google.internal",
        "metadata:80",
        "git@github.com:o/r",
        "root@10.0.0.1",
        "//evil.com/x",
        "\\\\server\\share",
        " http://a.com ",
        "127.0.0.1.",
        "x.nip.io",
    ] {
        assert!(looks_like_destination(text), "{text:?}");
    }
    for text in [
        "",
        " ",
        "hello",
        "hello world",
        "metadata",
        "internal/egressfloor/egressfloor.go",
        "main.rs",
        "src/main.rs",
        "main.rs:42",
        "notes.md",
        "1.2",
        "1.2.3",
        "10",
        "42",
        "0",
        "1234567890",
        "12:30",
        "node:20",
        "2147483647",
        "/etc/passwd",
        "./a.com",
        "C:/x",
        "C:\\x",
        "a@b.com",
        "os.environ",
        "key: value",
        "see http://a.com",
        "std::string",
        "data:text/plain,x",
        "mailto:a@b.com",
        "file:///etc/passwd",
        ".env.local",
        "{\"a\":1}",
        "rm -rf /",
        "// a comment",
        "http",
        "http://",
    ] {
        assert!(!looks_like_destination(text), "{text:?}");
    }
}

#[test]
fn tabs_do_not_push_a_scheme_out_of_sight() {
    let text = format!("ht{}tp://169.254.169.254/", "\t".repeat(5000));
    assert!(looks_like_destination(&text));
    assert_eq!(
        parse_url(&text).map(|place| place.host),
        Ok(Host::V4(METADATA_V4))
    );
}

#[test]
fn patterns_hold_hosts() {
    let holds = |pattern: &str, host: &str| {
        let pattern =
            HostPattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        pattern.matches(
            &parse_host(host)
                .unwrap_or_else(|error| panic!("{host}: {error}"))
                .host,
        )
    };
    for (pattern, host) in [
        ("example.com", "EXAMPLE.com."),
        ("bücher.de", "xn--bcher-kva.de"),
        ("*.example.com", "a.b.example.com"),
        ("*", "anything"),
        ("10.0.0.0/8", "10.1.2.3"),
        ("10.0.0.0/8", "::ffff:10.1.2.3"),
        ("10.0.0.0/8", "64:ff9b::a01:203"),
        ("10.0.0.0/8", "0xa010203"),
        ("169.254.169.254", "2852039166"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("0.0.0.0/0", "8.8.8.8"),
        ("fd00::/8", "fd12::1"),
        ("::/0", "::1"),
        ("[::1]", "::1"),
    ] {
        assert!(holds(pattern, host), "{pattern} {host}");
    }
    for (pattern, host) in [
        ("example.com", "a.example.com"),
        ("*.example.com", "example.com"),
        ("*.example.com", "badexample.com"),
        ("10.0.0.0/8", "11.0.0.1"),
        ("10.0.0.0/8", "10.example.com"),
        ("0.0.0.0/0", "2606:4700::1111"),
        ("fd00::/8", "fc00::1"),
        ("fd00::/8", "10.0.0.1"),
    ] {
        assert!(!holds(pattern, host), "{pattern} {host}");
    }
    for pattern in [
        "",
        "http://a.com",
        "a.com:80",
        "a.*.com",
        "*a.com",
        "*.",
        "*.10.0.0.1",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0.0/+8",
        "fd00::1/8",
        "a.com/8",
        "127.1",
        "u@a.com",
        "*.*.com",
    ] {
        assert!(HostPattern::parse(pattern).is_err(), "{pattern}");
    }
}
