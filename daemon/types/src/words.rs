//! The other closed vocabularies.

use std::fmt;

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident => $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vmeta])* $variant,)+ }

        impl $name {
            /// Every word, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The wire spelling.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// Reads the wire spelling; `None` for a word this build does not know.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// What became of an executed call. `Blocked` means the body never ran.
    Outcome {
        /// It ran and succeeded.
        Ok => "OK",
        /// It ran and failed.
        Fail => "FAIL",
        /// It never ran.
        Blocked => "BLOCKED",
        /// It was cut off.
        Timeout => "TIMEOUT",
        /// An earlier result was served.
        Replayed => "REPLAYED",
    }
}

words! {
    /// Effects on the real world.
    Egress {
        /// Bytes leave over a network.
        Network => "NETWORK",
        /// A file is read, written or removed.
        Fs => "FS",
        /// A program runs.
        Exec => "EXEC",
        /// Money or quota is spent.
        Cost => "COST",
    }
}

words! {
    /// How far a value may be trusted. The zero value is the unsafe one.
    Taint {
        /// From outside; the default.
        Tainted => "tainted",
        /// From a source the policy vouches for.
        Trusted => "trusted",
        /// Sealed.
        Quarantined => "quarantined",
    }
}

#[expect(
    clippy::derivable_impls,
    reason = "the macro that makes the words names no default"
)]
impl Default for Taint {
    fn default() -> Self {
        Self::Tainted
    }
}

words! {
    /// How far a value may travel; wider scopes compare greater.
    Scope {
        /// One agent.
        Agent => "agent",
        /// One tenant.
        Tenant => "tenant",
        /// The whole fleet.
        Fleet => "fleet",
    }
}

words! {
    /// What a policy does with a refusal.
    Posture {
        /// Refuse; the default.
        FailClosed => "fail_closed",
        /// Admit read-shaped calls nobody allowed, and record what would have been refused.
        AdmitAndLog => "admit_and_log",
        /// Admit everything, and record what would have been refused.
        Observe => "observe",
    }
}

words! {
    /// The provenance class a policy gives to a tool's results.
    SourceClass {
        /// Anything may be in it; the default of an unlisted tool.
        Tainted => "tainted",
        /// The operator's own tree.
        TrustedLocal => "trusted_local",
        /// Computed by the tool from its arguments alone.
        Pure => "pure",
    }
}
