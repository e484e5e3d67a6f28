//! URLs and hosts in every spelling programs accept, and the class of the address they name.
//!
//! Browsers (the WHATWG URL standard), curl, C libraries (`inet_aton`) and language runtimes read odd
//! texts differently. Where they agree the reader says what they say; where they may not, it reports the
//! reading of the WHATWG standard and names the difference in [`Place::suspicious`], so that a policy can
//! refuse instead of guessing which program will read the text. Nothing is resolved: a name's class is
//! what its spelling tells, and the address it resolves to is for whoever connects to judge.

mod class;
mod leaf;
mod names;
mod parse;
mod pattern;
#[cfg(test)]
mod tests;
mod v4;

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

pub use leaf::looks_like_destination;
pub use parse::{parse_host, parse_url};
pub use pattern::{HostPattern, HostPatternError};

/// Where an address or name leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AddressClass {
    /// The open internet, as far as the spelling tells.
    Public,
    /// This machine.
    Loopback,
    /// A private network: RFC 1918, carrier-grade NAT, unique local, names that only a private resolver
    /// knows, and names without a dot.
    Private,
    /// The local link.
    LinkLocal,
    /// A cloud's instance metadata service: credentials for whoever asks.
    Metadata,
    /// No particular address; most systems connect to this machine.
    Unspecified,
    /// Many machines.
    Multicast,
    /// Set aside for documents, tests, protocols or the future.
    Reserved,
}

impl AddressClass {
    /// Every class.
    pub const ALL: [Self; 8] = [
        Self::Public,
        Self::Loopback,
        Self::Private,
        Self::LinkLocal,
        Self::Metadata,
        Self::Unspecified,
        Self::Multicast,
        Self::Reserved,
    ];

    /// The spelling in policies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link_local",
            Self::Metadata => "metadata",
            Self::Unspecified => "unspecified",
            Self::Multicast => "multicast",
            Self::Reserved => "reserved",
        }
    }

    /// Reads the spelling in policies.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name: lower-case ASCII (IDNA), without a trailing dot, at most 253 bytes.
    Name(String),
    /// An IPv4 address, whatever its spelling was.
    V4(Ipv4Addr),
    /// An IPv6 address as written; addresses that carry an IPv4 address stay what they are, see
    /// [`Host::class`].
    V6(Ipv6Addr),
}

impl Host {
    /// Where the host leads. An IPv6 address that carries an IPv4 address (mapped, compatible,
    /// translated, NAT64, 6to4, Teredo, ISATAP) has the class of what it carries when that is not public.
    #[must_use]
    pub fn class(&self) -> AddressClass {
        match self {
            Self::Name(name) => names::class(name),
            Self::V4(address) => class::of_v4(*address),
            Self::V6(address) => class::of_v6(*address),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.pad(name),
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

/// A network place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Lower-case scheme, when the text has one.
    pub scheme: Option<String>,
    /// The host.
    pub host: Host,
    /// The port, when the text has one.
    pub port: Option<u16>,
    /// The text holds `user@` or `user:password@`. A bare login name of ssh, sftp, rsync and git is not
    /// counted: there it is part of the address, as in `git@github.com:owner/repository`.
    pub userinfo: bool,
    /// Why programs may read the text differently; `None` when they agree.
    pub suspicious: Option<&'static str>,
}

/// Why a text names no network place. Never holds any of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceError {
    /// Nothing there.
    Empty,
    /// Longer than any host or URL a program accepts.
    TooLong,
    /// A scheme that names no host (`data:`, `mailto:`, `file:///`), or a path.
    NoHost,
    /// The host is neither a name nor an address.
    BadHost,
    /// The port is not a number from 0 to 65535.
    BadPort,
}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty",
            Self::TooLong => "longer than any program accepts",
            Self::NoHost => "names no host",
            Self::BadHost => "neither a host name nor an address",
            Self::BadPort => "the port is not a number from 0 to 65535",
        })
    }
}

impl std::error::Error for PlaceError {}
