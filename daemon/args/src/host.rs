//! URLs and hosts in every spelling programs accept, and the class of the address they name.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

/// Where an address or name leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AddressClass {
    /// The open internet.
    Public,
    /// This machine.
    Loopback,
    /// A private network.
    Private,
    /// The local link.
    LinkLocal,
    /// A cloud's instance metadata service: credentials without a password.
    Metadata,
    /// No particular address; most systems connect to this machine.
    Unspecified,
    /// Many machines.
    Multicast,
    /// Set aside; no ordinary machine answers there.
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
    /// A name: lower-case ASCII (IDNA), without a trailing dot.
    Name(String),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address.
    V6(Ipv6Addr),
}

impl Host {
    /// Where the host leads, as far as its spelling tells.
    #[must_use]
    pub fn class(&self) -> AddressClass {
        AddressClass::Reserved
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
    /// The text holds `user@` or `user:password@`.
    pub userinfo: bool,
    /// Why programs may read the text differently; `None` when they will not.
    pub suspicious: Option<&'static str>,
}

/// Why a text names no network place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlaceError {
    /// Nothing there.
    Empty,
    /// A scheme that names no host, or a URL without one.
    NoHost,
    /// The host has no meaning any resolver would accept.
    BadHost,
    /// The port is not a number from 0 to 65535.
    BadPort,
}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty",
            Self::NoHost => "names no host",
            Self::BadHost => "not a host name or address",
            Self::BadPort => "the port is not a number from 0 to 65535",
        })
    }
}

impl std::error::Error for PlaceError {}

/// Reads an absolute URL, `//host/path`, or `host:port/path`.
///
/// # Errors
/// [`PlaceError`] when no host can be read.
pub fn parse_url(_text: &str) -> Result<Place, PlaceError> {
    Err(PlaceError::BadHost)
}

/// Reads a host, `host:port` or `[v6]:port`.
///
/// # Errors
/// [`PlaceError`] when no host can be read.
pub fn parse_host(_text: &str) -> Result<Place, PlaceError> {
    Err(PlaceError::BadHost)
}

/// Whether a text taken by itself is a destination: an address, `host:port` or a URL.
#[must_use]
pub fn looks_like_destination(_text: &str) -> bool {
    true
}

/// A set of hosts: exact, `*.suffix`, or a CIDR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    text: String,
}

/// Why a host pattern was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostPatternError(&'static str);

impl fmt::Display for HostPatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for HostPatternError {}

impl HostPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`HostPatternError`] when the text has another form.
    pub fn parse(text: &str) -> Result<Self, HostPatternError> {
        Ok(Self {
            text: text.to_owned(),
        })
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the host belongs to the set.
    #[must_use]
    pub fn matches(&self, _host: &Host) -> bool {
        false
    }
}
