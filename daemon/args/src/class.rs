//! What kind of network place an address is.

/// The class of a host's address, as far as its text tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AddressClass {
    /// Anything not below: reachable over the internet, or a name that says nothing.
    Public,
    /// This machine.
    Loopback,
    /// A private network.
    Private,
    /// The local link.
    LinkLocal,
    /// A cloud's instance metadata service.
    Metadata,
    /// `0.0.0.0`, `::`: this machine, in practice.
    Unspecified,
    /// Many receivers.
    Multicast,
    /// Set aside; not routed.
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
