//! Whether an argument nobody described is a destination.

use super::{AddressClass, Host, Place, PlaceError, names, parse_host, parse_url};

/// Longest text without a scheme that is looked at, in bytes.
const BARE_BYTES_MAX: usize = 2048;
/// How far into a text a scheme is looked for, in characters, once tabs and line ends are dropped.
const HEAD_CHARS_MAX: usize = 256;

/// Last labels by which a bare name is a host: common ones that no file suffix shares. A name such as
/// `main.rs` or `notes.md` cannot be told from a file.
const TOP_LEVEL: [&str; 69] = [
    "com", "net", "org", "edu", "gov", "mil", "io", "dev", "eu", "info", "biz", "cloud", "online",
    "xyz", "site", "tech", "store", "shop", "club", "top", "link", "live", "internal", "local",
    "onion", "arpa", "de", "uk", "fr", "nl", "jp", "cn", "ru", "br", "it", "es", "se", "no", "fi",
    "dk", "at", "ch", "be", "au", "ca", "us", "kr", "tw", "hk", "sg", "tr", "ua", "cz", "gr", "hu",
    "ro", "il", "za", "mx", "ar", "nz", "ie", "pt", "co", "tv", "ws", "svc", "lan", "goog",
];

/// Whether a text taken by itself is a destination: a URL, an address, `host:port`, `user@host:path`, or
/// a bare name under a well-known top level.
///
/// For a rule about every string of a call, where most strings are something else. Numbers and version
/// numbers count as addresses only when they spell this machine, the local link or a metadata service;
/// words count only with a port that servers use. Names of other forms do not count: a rule that must
/// hold them names the argument.
#[must_use]
pub fn looks_like_destination(text: &str) -> bool {
    let text = text.trim_matches(|c: char| c <= ' ');
    if text.is_empty() {
        return false;
    }
    if text.contains(':')
        && head(text).any(|c| c == ':')
        && starts_with_scheme(&head(text).collect::<String>())
    {
        return !matches!(parse_url(text), Err(PlaceError::NoHost | PlaceError::Empty));
    }
    if text.len() > BARE_BYTES_MAX || has_blanks(text) {
        return false;
    }
    if let Some(share) = text.strip_prefix("\\\\") {
        return share.starts_with(|c: char| c.is_alphanumeric());
    }
    bare(text.strip_prefix("//").unwrap_or(text))
}

fn has_blanks(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b' ' | 9..=13))
        || (!text.is_ascii() && text.chars().any(char::is_whitespace))
}

/// The beginning of a text without the tabs and line ends that lenient programs drop.
fn head(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars()
        .filter(|c| !matches!(c, '\t' | '\n' | '\r'))
        .take(HEAD_CHARS_MAX)
}

/// Whether a text begins `scheme://`, or with a web scheme in a form only lenient programs accept.
fn starts_with_scheme(text: &str) -> bool {
    let Some((word, rest)) = text.split_once(':') else {
        return false;
    };
    let scheme = !word.is_empty()
        && word
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    let web = ["http", "https", "ws", "wss", "ftp"]
        .iter()
        .any(|it| word.eq_ignore_ascii_case(it));
    scheme
        && (rest.starts_with("//")
            || web && (rest.starts_with(['/', '\\']) || !rest.contains([' ', '\u{a0}'])))
}

fn bare(text: &str) -> bool {
    let end = text
        .bytes()
        .position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    let authority = end.map_or(text, |end| text.get(..end).unwrap_or_default());
    if authority.is_empty() {
        return false;
    }
    if let Some((_, address)) = authority.rsplit_once('@') {
        // An address for mail is no destination of bytes; a login on an address or with a path is.
        let copied = address.contains(':') && parse_url(text).is_ok();
        return copied
            || parse_host(address).is_ok_and(|place| !matches!(place.host, Host::Name(_)));
    }
    let syntax = |byte: u8| matches!(byte, b'.' | b':' | b'[' | b'%' | 0x80..);
    if authority.starts_with(|c: char| c.is_ascii_alphabetic()) && !authority.bytes().any(syntax) {
        // A word is a host by itself only when it names this machine.
        return names::is_own_word(authority);
    }
    match parse_host(authority) {
        Ok(place) => reaches(authority, &place),
        Err(PlaceError::BadPort) => authority
            .rsplit_once(':')
            .is_some_and(|(host, _)| parse_host(host).is_ok_and(|place| reaches(host, &place))),
        Err(_) => false,
    }
}

fn reaches(written: &str, place: &Place) -> bool {
    match &place.host {
        Host::V6(_) => true,
        Host::V4(address) => {
            let plain = !written.is_ascii() || written.starts_with(&address.to_string());
            let class = place.host.class();
            let dotted_loopback = class == AddressClass::Loopback && written.contains('.');
            plain
                || dotted_loopback
                || matches!(class, AddressClass::Metadata | AddressClass::LinkLocal)
                || address.octets() == [127, 0, 0, 1]
        }
        Host::Name(name) => {
            let class = names::class(name);
            let Some((_, top)) = name.rsplit_once('.') else {
                let served = place
                    .port
                    .is_some_and(|port| port >= 1024 || port == 80 || port == 443);
                return served || class == AddressClass::Loopback;
            };
            matches!(class, AddressClass::Metadata | AddressClass::Loopback)
                || TOP_LEVEL.contains(&top)
                || !written.is_ascii() && top.starts_with("xn--")
        }
    }
}
