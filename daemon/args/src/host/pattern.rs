//! Sets of hosts.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::{Host, class, names, parse_host};

/// A set of hosts: `*`, an exact name or address, `*.suffix`, or a CIDR.
///
/// `*.example.com` holds every name below `example.com` and not `example.com` itself. Address sets hold
/// IPv6 spellings of their IPv4 addresses (mapped, NAT64) too. Names never match addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    written: Box<str>,
    set: Set,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Set {
    All,
    Name(Box<str>),
    Below(Box<str>),
    V4 { network: u32, mask: u32 },
    V6 { network: u128, mask: u128 },
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
    /// [`HostPatternError`] for a URL, a port, an address in an odd spelling, a `*` anywhere but at the
    /// beginning, and a CIDR with bits beyond its prefix.
    pub fn parse(text: &str) -> Result<Self, HostPatternError> {
        let set = if text == "*" {
            Set::All
        } else if text.contains("://") {
            return Err(HostPatternError("a host is wanted, not a URL"));
        } else if let Some((address, prefix)) = text.split_once('/') {
            cidr(address, prefix)?
        } else if let Some(suffix) = text.strip_prefix("*.") {
            match exact(suffix)? {
                Set::Name(suffix) => Set::Below(suffix),
                _ => return Err(HostPatternError("`*.` is followed by a name")),
            }
        } else {
            exact(text)?
        };
        Ok(Self {
            written: text.into(),
            set,
        })
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether the host belongs to the set.
    #[must_use]
    pub fn matches(&self, host: &Host) -> bool {
        let as_v4 = || match host {
            Host::Name(_) => None,
            Host::V4(address) => Some(*address),
            Host::V6(address) => class::same_v4(*address),
        };
        match (&self.set, host) {
            (Set::All, _) => true,
            (Set::Name(wanted), Host::Name(name)) => **wanted == **name,
            (Set::Below(suffix), Host::Name(name)) => {
                name.len() > suffix.len() && names::is_at_or_below(name, suffix)
            }
            (Set::V4 { network, mask }, _) => {
                as_v4().is_some_and(|address| u32::from(address) & mask == *network)
            }
            (Set::V6 { network, mask }, Host::V6(address)) => {
                u128::from(*address) & mask == *network
            }
            _ => false,
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.written)
    }
}

fn exact(text: &str) -> Result<Set, HostPatternError> {
    if text.contains('*') {
        return Err(HostPatternError(
            "`*` stands alone or at the beginning, as in `*.example.com`",
        ));
    }
    let place = parse_host(text)
        .map_err(|_| HostPatternError("neither a host name, an address nor a CIDR"))?;
    if place.port.is_some() {
        return Err(HostPatternError("a port belongs in `ports`"));
    }
    if place.userinfo || place.suspicious.is_some() {
        return Err(HostPatternError(
            "write the name or address in its plain form",
        ));
    }
    Ok(match place.host {
        Host::Name(name) => Set::Name(name.into()),
        Host::V4(address) => v4_set(address, u32::MAX),
        Host::V6(address) => match class::same_v4(address) {
            Some(address) => v4_set(address, u32::MAX),
            None => Set::V6 {
                network: u128::from(address),
                mask: u128::MAX,
            },
        },
    })
}

fn v4_set(address: Ipv4Addr, mask: u32) -> Set {
    Set::V4 {
        network: u32::from(address),
        mask,
    }
}

fn cidr(address: &str, prefix: &str) -> Result<Set, HostPatternError> {
    let address: IpAddr = address
        .parse()
        .map_err(|_| HostPatternError("a CIDR is an address, `/` and a prefix length"))?;
    let plain = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
    let length = prefix.parse::<u32>().ok().filter(|_| plain);
    let length = length.ok_or(HostPatternError("the prefix length is not a number"))?;
    let beyond = Err(HostPatternError("the address has bits beyond its prefix"));
    match address {
        IpAddr::V4(address) if length <= 32 => {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            if u32::from(address) & !mask != 0 {
                beyond
            } else {
                Ok(v4_set(address, mask))
            }
        }
        IpAddr::V6(address) if length <= 128 => v6_set(address, length).map_or(beyond, Ok),
        _ => Err(HostPatternError(
            "the prefix length is longer than the address",
        )),
    }
}

fn v6_set(address: Ipv6Addr, length: u32) -> Option<Set> {
    let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
    let network = u128::from(address);
    (network & !mask == 0).then_some(Set::V6 { network, mask })
}
