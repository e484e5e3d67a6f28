//! Which network places are in reach.

use fak_args::{AddressClass, HostPattern, Place, parse_host, parse_url};

use crate::manifest::HostRule;

/// A compiled [`HostRule`].
#[derive(Debug)]
pub(crate) struct PlaceCheck {
    allow: Vec<HostPattern>,
    deny: Vec<HostPattern>,
    deny_classes: Vec<AddressClass>,
    schemes: Vec<String>,
    ports: Vec<u16>,
    userinfo: bool,
    /// The value is a URL; else a host or `host:port`.
    url: bool,
}

/// What a text is to a rule about places.
pub(crate) enum Reading {
    /// In reach.
    Fine,
    /// Out of reach; the words for the refusal.
    Refused(String),
    /// No place can be read from it; the words for the refusal.
    Unreadable(String),
}

impl PlaceCheck {
    /// Compiles the rule. The error names the part and what is wrong with it.
    pub(crate) fn new(rule: &HostRule, url: bool) -> Result<Self, (String, String)> {
        let patterns = |field: &str, texts: &[String]| {
            let compiled = texts.iter().enumerate().map(|(place, text)| {
                HostPattern::parse(text)
                    .map_err(|problem| (format!("{field}[{place}]"), problem.to_string()))
            });
            compiled.collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            allow: patterns("allow", &rule.allow)?,
            deny: patterns("deny", &rule.deny)?,
            deny_classes: rule.deny_classes.clone(),
            schemes: rule
                .schemes
                .iter()
                .map(|scheme| scheme.to_ascii_lowercase())
                .collect(),
            ports: rule.ports.clone(),
            userinfo: rule.userinfo,
            url,
        })
    }

    /// Judges one text.
    pub(crate) fn read(&self, text: &str) -> Reading {
        if let Some(scheme) = scheme_of(text)
            && !self.schemes.is_empty()
            && !self
                .schemes
                .iter()
                .any(|allowed| scheme.eq_ignore_ascii_case(allowed))
        {
            return Reading::Refused(format!("the scheme is none of {}", self.schemes.join(", ")));
        }
        let place = if self.url {
            parse_url(text)
        } else {
            parse_host(text)
        };
        match place {
            Ok(place) => self.refuse(&place).map_or(Reading::Fine, Reading::Refused),
            Err(problem) => Reading::Unreadable(format!("the destination {problem}")),
        }
    }

    /// Judges what a command contacts: a URL, `host`, `host:port`, or `user@host:path` as `scp` writes
    /// it. A name in front of `@` is a login there, not a disguise.
    pub(crate) fn read_contact(&self, text: &str) -> Reading {
        if text.contains("://") {
            return self.read(text);
        }
        let host = text.rsplit_once('@').map_or(text, |(_, host)| host);
        let host = match host.split_once(':') {
            Some((name, path))
                if !host.starts_with('[')
                    && !path.bytes().next().is_some_and(|b| b.is_ascii_digit())
                    && !path.contains(':') =>
            {
                name
            }
            _ => host,
        };
        let host = host.split(['/', '?', '#']).next().unwrap_or(host);
        match parse_host(host).or_else(|_| parse_url(text)) {
            Ok(place) => self.refuse(&place).map_or(Reading::Fine, Reading::Refused),
            Err(problem) => Reading::Unreadable(format!("the destination {problem}")),
        }
    }

    fn refuse(&self, place: &Place) -> Option<String> {
        if let Some(why) = place.suspicious {
            return Some(format!("the destination cannot be read reliably: {why}"));
        }
        let class = place.host.class();
        if self.deny_classes.contains(&class) {
            return Some(format!("the destination is of class {class}"));
        }
        if let Some(pattern) = self
            .deny
            .iter()
            .find(|pattern| pattern.matches(&place.host))
        {
            return Some(format!("the destination is under {}", pattern.as_str()));
        }
        if !self.allow.is_empty()
            && !self
                .allow
                .iter()
                .any(|pattern| pattern.matches(&place.host))
        {
            return Some("the destination is not among the allowed hosts".to_owned());
        }
        if let Some(scheme) = &place.scheme
            && !self.schemes.is_empty()
            && !self.schemes.contains(scheme)
        {
            return Some(format!("the scheme is none of {}", self.schemes.join(", ")));
        }
        if !self.ports.is_empty()
            && !place
                .port
                .or_else(|| default_port(place))
                .is_some_and(|port| self.ports.contains(&port))
        {
            return Some("the port is not allowed".to_owned());
        }
        (place.userinfo && !self.userinfo)
            .then(|| "the destination holds user information".to_owned())
    }
}

fn default_port(place: &Place) -> Option<u16> {
    match place.scheme.as_deref()? {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        "ftp" => Some(21),
        "ssh" | "sftp" => Some(22),
        _ => None,
    }
}

/// The scheme of an absolute URL, also of one that names no host (`file:`, `data:`). A scheme-less
/// `host:port` is told apart by its digits.
fn scheme_of(text: &str) -> Option<&str> {
    let (scheme, rest) = text
        .trim_start_matches(|c: char| c.is_whitespace() || c.is_control())
        .split_once(':')?;
    let mut bytes = scheme.bytes();
    let well_formed = bytes.next()?.is_ascii_alphabetic()
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-'));
    let port = rest
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_digit());
    (well_formed && (rest.starts_with("//") || !port)).then_some(scheme)
}
