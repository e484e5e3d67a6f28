//! Texts to places.

use std::{borrow::Cow, net::Ipv6Addr};

use super::{
    Host, Place, PlaceError,
    v4::{self, Dotted},
};

/// Longest text between `//` and the path, in bytes. LIMIT: a name of 253 bytes, each written as three
/// percent-encoded bytes, with a login before it.
const AUTHORITY_BYTES_MAX: usize = 4096;
/// Longest name, in bytes (RFC 1035).
const NAME_BYTES_MAX: usize = 253;
/// Longest label of a name, in bytes (RFC 1035).
const LABEL_BYTES_MAX: usize = 63;
/// Most URLs inside one another that are looked through.
const NESTED_MAX: usize = 4;

/// Schemes whose URLs the WHATWG standard reads leniently, and programs therefore differently.
const SPECIAL: [&str; 5] = ["http", "https", "ws", "wss", "ftp"];
/// Schemes where `user@` is a login name, not a disguise.
const LOGIN: [&str; 9] = [
    "ssh",
    "git",
    "git+ssh",
    "ssh+git",
    "svn+ssh",
    "sftp",
    "scp",
    "rsync",
    "rsync+ssh",
];

const BLANKS: &str = "white space or a control character inside the address";
const SLASHES: &str = "not two slashes after the scheme";
const BACKSLASH: &str = "a backslash where a slash belongs";
const NESTED: &str = "a URL inside a URL";
const AT_SIGNS: &str = "more than one @ before the path";
const AT_AFTER: &str = "an @ after a host that ends in ? or #";
const BARE_V6: &str = "an IPv6 address without brackets";
const ZONE: &str = "an IPv6 address with a zone";
const PERCENT: &str = "a percent-encoded host";
const ODD_V4: &str = "an IPv4 address in a spelling that programs read differently";
const LOOKALIKE: &str = "a host in characters that stand for other ones";
const DEVIATION: &str = "a host with characters that versions of IDNA read differently";

/// A text while it is read.
struct Reading {
    suspicious: Option<&'static str>,
}

/// Reads an absolute URL, `//host/path`, `host:port/path`, or `user@host:path` as git and scp write it.
///
/// A first segment without a scheme is taken for a host, because programs that expect a URL do so; use
/// [`looks_like_destination`](super::looks_like_destination) on texts that may be something else.
///
/// # Errors
/// - [`PlaceError::Empty`]: nothing but white space.
/// - [`PlaceError::NoHost`]: a path, or a scheme without a host.
/// - [`PlaceError::BadHost`], [`PlaceError::BadPort`], [`PlaceError::TooLong`]: what its name says.
pub fn parse_url(text: &str) -> Result<Place, PlaceError> {
    let mut reading = Reading { suspicious: None };
    let text = reading.strip_blanks(text)?;
    let mut rest = &*text;
    let mut scheme = None;
    for _ in 0..NESTED_MAX {
        let Some((word, after)) = split_scheme(rest) else {
            break;
        };
        if scheme.is_some() {
            reading.note(NESTED);
        }
        scheme = Some(word.to_ascii_lowercase());
        rest = after;
        if !starts_url(after) {
            break;
        }
    }
    let Some(scheme) = scheme else {
        return reading.without_scheme(rest);
    };
    let special = SPECIAL.contains(&&*scheme);
    let authority = if special {
        let authority = rest.trim_start_matches(['/', '\\']);
        let slashes = rest.get(..rest.len() - authority.len()).unwrap_or_default();
        if slashes != "//" {
            reading.note(if slashes.contains('\\') {
                BACKSLASH
            } else {
                SLASHES
            });
        }
        authority
    } else {
        rest.strip_prefix("//").ok_or(PlaceError::NoHost)?
    };
    let mut place = reading.authority(authority, Some(&scheme))?;
    if scheme == "file" && place.host == Host::Name("localhost".to_owned()) {
        return Err(PlaceError::NoHost);
    }
    place.scheme = Some(scheme);
    Ok(place)
}

/// Reads a host, `host:port`, `[v6]:port` or a bare IPv6 address; a URL where a host was expected is read
/// as a URL, so that its host is judged.
///
/// # Errors
/// As [`parse_url`]; a path after the host is [`PlaceError::BadHost`].
pub fn parse_host(text: &str) -> Result<Place, PlaceError> {
    let mut reading = Reading { suspicious: None };
    let text = reading.strip_blanks(text)?;
    if text.contains("://") {
        return parse_url(&text);
    }
    if text.contains(['/', '\\', '?', '#']) {
        return Err(PlaceError::BadHost);
    }
    reading.authority(&text, None)
}

/// Splits off a scheme. A word followed by a port or, when it holds a dot, by a path is a host, as in
/// `localhost:80` and `github.com:owner/repository`.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (word, rest) = text.split_once(':')?;
    let mut bytes = word.bytes();
    let well_formed = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    let port = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
    let is_host = !rest.starts_with("//")
        && !SPECIAL
            .iter()
            .any(|special| word.eq_ignore_ascii_case(special))
        && (is_port || word.contains('.'));
    (well_formed && !is_host).then_some((word, rest))
}

/// Whether a text begins with a scheme and two slashes.
fn starts_url(text: &str) -> bool {
    split_scheme(text).is_some_and(|(_, rest)| rest.starts_with("//"))
}

impl Reading {
    /// Keeps the first reason for suspicion.
    fn note(&mut self, why: &'static str) {
        self.suspicious.get_or_insert(why);
    }

    /// Drops blanks at both ends, and tabs and line ends anywhere, as the WHATWG standard does.
    fn strip_blanks<'t>(&mut self, text: &'t str) -> Result<Cow<'t, str>, PlaceError> {
        let trimmed = text.trim_matches(|c: char| c <= ' ');
        let ends = text.len() - trimmed.len();
        if ends > 0
            && text
                .bytes()
                .any(|byte| byte < b' ' && !matches!(byte, 9 | 10 | 13))
        {
            self.note(BLANKS);
        }
        if trimmed.is_empty() {
            return Err(PlaceError::Empty);
        }
        if trimmed.contains(['\t', '\n', '\r']) {
            self.note(BLANKS);
            return Ok(Cow::Owned(trimmed.replace(['\t', '\n', '\r'], "")));
        }
        Ok(Cow::Borrowed(trimmed))
    }

    fn without_scheme(&mut self, text: &str) -> Result<Place, PlaceError> {
        if let Some(authority) = text.strip_prefix("//") {
            return self.authority(authority, None);
        }
        for prefix in ["\\\\", "/\\", "\\/"] {
            if let Some(authority) = text.strip_prefix(prefix) {
                self.note(BACKSLASH);
                return self.authority(authority, None);
            }
        }
        let path = text.starts_with(['/', '\\', '?', '#', '~'])
            || matches!(text.split(['/', '\\']).next(), Some("." | ".."));
        if path {
            Err(PlaceError::NoHost)
        } else {
            self.authority(text, None)
        }
    }

    /// Reads what stands between `//` and the path.
    fn authority(&mut self, text: &str, scheme: Option<&str>) -> Result<Place, PlaceError> {
        let end = text.find(['/', '?', '#']).unwrap_or(text.len());
        let (mut authority, after) = text.split_at_checked(end).unwrap_or((text, ""));
        let lenient = scheme.is_none_or(|scheme| SPECIAL.contains(&scheme));
        if lenient && let Some((before, _)) = authority.split_once('\\') {
            self.note(BACKSLASH);
            authority = before;
        }
        if authority.len() > AUTHORITY_BYTES_MAX {
            return Err(PlaceError::TooLong);
        }
        if authority.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            self.note(BLANKS);
        }
        let to_slash = after.split('/').next().unwrap_or_default();
        if to_slash.contains('@') {
            self.note(AT_AFTER);
        }
        let (user, address) = match authority.rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, authority),
        };
        if user.is_some_and(|user| user.contains('@')) {
            self.note(AT_SIGNS);
        }
        let copy = scheme.is_none() && end_of_copy_host(address).is_some();
        let login = copy || scheme.is_some_and(|scheme| LOGIN.contains(&scheme));
        let userinfo = user.is_some_and(|user| !login || user.contains(':') || user.contains('@'));
        let (host, port) = if copy {
            let end = end_of_copy_host(address).unwrap_or_default();
            (self.host(address.get(..end).unwrap_or_default())?, None)
        } else {
            self.host_and_port(address, scheme.is_some())?
        };
        Ok(Place {
            scheme: None,
            host,
            port,
            userinfo,
            suspicious: self.suspicious,
        })
    }

    fn host_and_port(
        &mut self,
        text: &str,
        in_url: bool,
    ) -> Result<(Host, Option<u16>), PlaceError> {
        if let Some(inner) = text.strip_prefix('[') {
            let (address, rest) = inner.split_once(']').ok_or(PlaceError::BadHost)?;
            let host = self.v6(address).ok_or(PlaceError::BadHost)?;
            let port = match rest.strip_prefix(':') {
                Some(port) => read_port(port)?,
                None if rest.is_empty() => None,
                None => return Err(PlaceError::BadHost),
            };
            return Ok((host, port));
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return Ok((self.host(text)?, None));
        };
        if !host.contains(':') {
            let port = read_port(port)?;
            return Ok((self.host(host)?, port));
        }
        let address = self.v6(text).ok_or(PlaceError::BadHost)?;
        // `::1:80` is an address, and to programs that split at the last colon an address and a port.
        if in_url || (read_port(port).is_ok() && host.parse::<Ipv6Addr>().is_ok()) {
            self.note(BARE_V6);
        }
        Ok((address, None))
    }

    fn v6(&mut self, text: &str) -> Option<Host> {
        let address = match text.split_once('%') {
            Some((address, zone)) if !zone.is_empty() => {
                self.note(ZONE);
                address
            }
            _ => text,
        };
        address.parse().ok().map(Host::V6)
    }

    /// Reads a host without brackets and port.
    fn host(&mut self, text: &str) -> Result<Host, PlaceError> {
        if text.is_empty() {
            return Err(PlaceError::NoHost);
        }
        let decoded = if text.contains('%') {
            self.note(PERCENT);
            Cow::Owned(percent_decode(text).ok_or(PlaceError::BadHost)?)
        } else {
            Cow::Borrowed(text)
        };
        let mut ascii = if decoded.is_ascii() && !contains_ignoring_case(&decoded, "xn--") {
            decoded.to_ascii_lowercase()
        } else {
            self.ascii_name(&decoded)?
        };
        let dot_at_end = ascii.ends_with('.');
        if dot_at_end {
            ascii.pop();
        }
        match v4::read(&ascii) {
            Dotted::Plain(address) => {
                if dot_at_end {
                    self.note(ODD_V4);
                }
                Ok(Host::V4(address))
            }
            Dotted::Odd(address) => {
                self.note(ODD_V4);
                Ok(Host::V4(address))
            }
            Dotted::Broken => Err(PlaceError::BadHost),
            Dotted::Name if is_name(&ascii) => Ok(Host::Name(ascii)),
            Dotted::Name => Err(PlaceError::BadHost),
        }
    }

    fn ascii_name(&mut self, text: &str) -> Result<String, PlaceError> {
        if text.contains(['ß', 'ẞ', 'ς', '\u{200c}', '\u{200d}']) {
            self.note(DEVIATION);
        }
        let ascii = idna_ascii(text).ok_or(PlaceError::BadHost)?;
        if !text.is_ascii() && (!ascii.contains("xn--") || text.chars().any(stands_for_ascii)) {
            self.note(LOOKALIKE);
        }
        Ok(ascii)
    }
}

fn idna_ascii(text: &str) -> Option<String> {
    idna::domain_to_ascii_cow(text.as_bytes(), idna::AsciiDenyList::URL)
        .ok()
        .map(Cow::into_owned)
}

/// Whether IDNA replaces a character by ASCII ones or by nothing. The full stops of East Asian keyboards
/// are not counted: they are how people there type a dot.
fn stands_for_ascii(character: char) -> bool {
    !character.is_ascii()
        && !matches!(character, '。' | '｡')
        && idna_ascii(character.encode_utf8(&mut [0; 4])).is_some_and(|it| !it.contains("xn--"))
}

/// For `host:path` as git and scp write it: where the host ends. The path begins with no digit, or the
/// number after the colon would be a port.
fn end_of_copy_host(address: &str) -> Option<usize> {
    let (host, path) = address.split_once(':')?;
    let first = path.chars().next()?;
    let is_copy = !host.is_empty()
        && !path.contains(':')
        && !host.contains(['[', ']'])
        && (first.is_ascii_alphabetic() || matches!(first, '~' | '.' | '_'));
    is_copy.then_some(host.len())
}

fn read_port(text: &str) -> Result<Option<u16>, PlaceError> {
    if text.is_empty() {
        return Ok(None);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PlaceError::BadPort);
    }
    text.parse().map(Some).map_err(|_| PlaceError::BadPort)
}

/// `None` for a broken escape or bytes that are no UTF-8.
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        let digits = part.get(..2)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(part.get(2..)?.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

fn contains_ignoring_case(text: &str, lower: &str) -> bool {
    text.as_bytes()
        .windows(lower.len())
        .any(|window| window.eq_ignore_ascii_case(lower.as_bytes()))
}

/// Whether a lower-case ASCII text is a host name. A name that begins with a hyphen is none: programs
/// would take it for an option.
fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
    };
    name.len() <= NAME_BYTES_MAX && !name.starts_with('-') && name.split('.').all(label)
}
