//! Classes of addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::AddressClass;

/// Addresses of instance metadata and credential services, by provider.
const METADATA_V4: [[u8; 4]; 9] = [
    [169, 254, 169, 254], // the common one: AWS, Azure, Google, OpenStack, Oracle, ...
    [169, 254, 170, 2],   // AWS ECS task credentials
    [169, 254, 170, 23],  // AWS EKS pod identity
    [169, 254, 42, 42],   // Scaleway
    [169, 254, 0, 23],    // Tencent
    [100, 100, 100, 200], // Alibaba
    [100, 100, 100, 100], // Alibaba and Tailscale resolvers
    [168, 63, 129, 16],   // Azure WireServer, a public address served inside every machine
    [192, 0, 0, 192],     // Oracle, classic
];

/// The class of an IPv4 address.
pub(super) fn of_v4(address: Ipv4Addr) -> AddressClass {
    let octets = address.octets();
    if METADATA_V4.contains(&octets) {
        return AddressClass::Metadata;
    }
    match octets {
        [0, 0, 0, 0] => AddressClass::Unspecified,
        [127, ..] => AddressClass::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => {
            AddressClass::Private
        }
        [169, 254, ..] => AddressClass::LinkLocal,
        [224..=239, ..] => AddressClass::Multicast,
        [0 | 240..=255, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18..=19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => AddressClass::Reserved,
        _ => AddressClass::Public,
    }
}

/// The class of an IPv6 address; when it carries an IPv4 address, the stricter of the two.
pub(super) fn of_v6(address: Ipv6Addr) -> AddressClass {
    let own = of_v6_prefix(address);
    let carried = carried_v4(address).into_iter().flatten().map(of_v4);
    carried.fold(own, |class, carried| match (class, carried) {
        (_, AddressClass::Public) => class,
        (AddressClass::Public | AddressClass::Reserved | AddressClass::Private, _) => carried,
        _ => class,
    })
}

fn of_v6_prefix(address: Ipv6Addr) -> AddressClass {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => AddressClass::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressClass::Loopback,
        // AWS instance metadata, resolver, time and pod identity; Google; Oracle; Scaleway.
        [0xfd00, 0x0ec2, ..]
        | [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254]
        | [0xfd00, 0x00c1, 0, 0, 0, 0, 0xa9fe, 0xa9fe]
        | [0xfd00, 0x0042, 0, 0, 0, 0, 0, 0x0042] => AddressClass::Metadata,
        [0xfe80..=0xfebf, ..] => AddressClass::LinkLocal,
        // Unique local, the deprecated site local, and NAT64 of a private operator.
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] | [0x0064, 0xff9b, 1, ..] => AddressClass::Private,
        [0xff00..=0xffff, ..] => AddressClass::Multicast,
        // Mapped, and NAT64 of the well-known prefix: exactly the IPv4 address.
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x0064, 0xff9b, 0, 0, 0, 0, ..] => AddressClass::Public,
        // Teredo and 6to4 lead out through a relay.
        [0x2001, 0, ..] | [0x2002, ..] => AddressClass::Public,
        [0x2001, 0x0001..=0x01ff | 0x0db8, ..] | [0x3fff, 0x0000..=0x0fff, ..] => {
            AddressClass::Reserved
        }
        [0x2000..=0x3fff, ..] => AddressClass::Public,
        _ => AddressClass::Reserved,
    }
}

/// The IPv4 addresses inside an IPv6 address.
fn carried_v4(address: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let segments = address.segments();
    let join = |high: u16, low: u16| Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match segments {
        // Unspecified and loopback have no address inside, though their form says so.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => [None, None],
        // Compatible; mapped; translated.
        [0, 0, 0, 0, 0 | 0xffff, 0, high, low] | [0, 0, 0, 0, 0, 0xffff, high, low] => {
            [join(high, low), None]
        }
        [0x0064, 0xff9b, 0 | 1, .., high, low] => [join(high, low), None],
        [0x2002, high, low, .., 0x5efe, inside_high, inside_low] => {
            [join(high, low), join(inside_high, inside_low)]
        }
        [0x2002, high, low, ..] => [join(high, low), None],
        // Teredo: the server in clear, the client inverted.
        [0x2001, 0, server_high, server_low, .., high, low] => {
            [join(!high, !low), join(server_high, server_low)]
        }
        [.., 0 | 0x0200, 0x5efe, high, low] => [join(high, low), None],
        _ => [None, None],
    }
}

/// The IPv4 address an IPv6 address is another spelling of: mapped, or NAT64 of the well-known prefix.
pub(super) fn same_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
        }
        _ => None,
    }
}
