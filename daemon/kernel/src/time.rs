//! Time and randomness, as the caller read them.

/// A moment, in microseconds since 1970. Clocks jump: nothing here assumes that a later call has a later time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The moment in nanoseconds; the last representable one for times beyond it.
    pub(crate) const fn ns(self) -> u64 {
        self.0.saturating_mul(1000)
    }
}

/// A trace id for a caller that gave none: `t-` and 32 hexadecimal digits of the caller's randomness.
#[must_use]
pub fn mint_trace(random: u128) -> String {
    format!("t-{random:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minted_ids_are_sound_and_of_one_length() {
        assert_eq!(mint_trace(0), "t-00000000000000000000000000000000");
        assert_eq!(mint_trace(u128::MAX), "t-ffffffffffffffffffffffffffffffff");
        assert!(crate::trace_is_sound(&mint_trace(7)));
    }
}
