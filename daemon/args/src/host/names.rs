//! What a name's spelling tells about where it leads.

use std::net::Ipv4Addr;

use super::{AddressClass, class};

/// Names of metadata services; names below them count too.
const METADATA: [&str; 9] = [
    "metadata.google.internal",
    "metadata.goog",
    "metadata.azure.internal",
    "metadata.azure.com",
    "metadata.tencentyun.com",
    "metadata.packet.net",
    "metadata.platformequinix.com",
    "instance-data.ec2.internal",
    "rancher-metadata",
];

/// Names without a dot that a machine's own resolver turns into metadata services.
const METADATA_SHORT: [&str; 2] = ["metadata", "instance-data"];

/// This machine's own names; names below them count too. The last four are public names that have
/// always resolved to 127.0.0.1.
const LOOPBACK: [&str; 9] = [
    "localhost",
    "localhost.localdomain",
    "localhost6.localdomain6",
    "ip6-localhost",
    "ip6-loopback",
    "localtest.me",
    "lvh.me",
    "vcap.me",
    "lacolhost.com",
];

/// Suffixes that no public resolver serves.
const PRIVATE: [&str; 16] = [
    "internal",
    "local",
    "localdomain",
    "lan",
    "home",
    "home.arpa",
    "intranet",
    "corp",
    "private",
    "svc",
    "cluster.local",
    "test",
    "ts.net",
    "docker",
    "consul",
    "workgroup",
];

/// Public services that resolve `<address>.<suffix>` to the address.
const ECHO: [&str; 5] = ["nip.io", "sslip.io", "xip.io", "traefik.me", "backname.io"];

/// Names set aside (RFC 2606, RFC 7686): no ordinary machine answers there.
const RESERVED: [&str; 3] = ["invalid", "onion", "alt"];

/// The class of a lower-case ASCII name without a trailing dot.
pub(super) fn class(name: &str) -> AddressClass {
    let below = |suffixes: &[&str]| suffixes.iter().any(|suffix| is_at_or_below(name, suffix));
    if METADATA_SHORT.contains(&name) || below(&METADATA) {
        AddressClass::Metadata
    } else if below(&LOOPBACK) {
        AddressClass::Loopback
    } else if below(&PRIVATE) || !name.contains('.') {
        AddressClass::Private
    } else if below(&RESERVED) {
        AddressClass::Reserved
    } else if below(&ECHO) {
        echoed(name).map_or(AddressClass::Public, class::of_v4)
    } else {
        AddressClass::Public
    }
}

/// Whether a word without a dot, in any case, is a name of this machine.
pub(super) fn is_own_word(word: &str) -> bool {
    LOOPBACK.iter().any(|name| word.eq_ignore_ascii_case(name))
}

/// Whether `name` is `suffix` or ends in `.suffix`.
pub(super) fn is_at_or_below(name: &str, suffix: &str) -> bool {
    match name.strip_suffix(suffix) {
        Some(rest) => rest.is_empty() || rest.ends_with('.'),
        None => false,
    }
}

/// The address inside a name of an echo service: `a-10.0.0.1.nip.io`, `10-0-0-1.nip.io`,
/// `0a000001.nip.io`. Any run of four numbers counts, the strictest class of them first.
fn echoed(name: &str) -> Option<Ipv4Addr> {
    let tokens: Vec<&str> = name.split(['.', '-']).collect();
    let dotted = tokens.windows(4).filter_map(|window| {
        let mut octets = [0_u8; 4];
        for (octet, token) in octets.iter_mut().zip(window) {
            *octet = token.parse().ok()?;
        }
        Some(Ipv4Addr::from(octets))
    });
    let hexadecimal = tokens
        .iter()
        .filter(|token| token.len() == 8)
        .filter_map(|token| u32::from_str_radix(token, 16).ok().map(Ipv4Addr::from));
    dotted
        .chain(hexadecimal)
        .max_by_key(|address| class::of_v4(*address) != AddressClass::Public)
}
