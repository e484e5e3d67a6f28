//! The closed list of events, each with its message id for the systemd catalogue.

use log::Level;

macro_rules! events {
    ($($(#[$meta:meta])* $variant:ident => $name:literal, $level:ident, $id:literal;)+) => {
        /// What happened. The names and the ids are append-only.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Event { $($(#[$meta])* $variant,)+ }

        impl Event {
            /// Every event.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The value of the field `FAK_EVENT`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The value of the field `MESSAGE_ID`: 32 hexadecimal digits.
            #[must_use]
            pub const fn message_id(self) -> &'static str {
                match self { $(Self::$variant => $id,)+ }
            }

            /// How severe it is.
            #[must_use]
            pub const fn level(self) -> Level {
                match self { $(Self::$variant => Level::$level,)+ }
            }
        }
    };
}

events! {
    /// fakd answers questions.
    Started => "STARTED", Info, "78a155a452414c9ca8ab84f3b8256e95";
    /// fakd has stopped, its journal is closed.
    Stopped => "STOPPED", Info, "00096b9777aa4f29b0a45babba630b56";
    /// fakd takes no new questions and finishes those it has.
    Draining => "DRAINING", Info, "9896adff924046a5b6af10789f445b6d";
    /// A new policy is in force.
    Reloaded => "RELOADED", Info, "221469a658224ee19500ce28e163b15d";
    /// A new policy or configuration was refused; the old one stays in force.
    ReloadFailed => "RELOAD_FAILED", Error, "942430a813dd4e468de57406bdb538a5";
    /// A changed setting takes effect at the next start.
    RestartNeeded => "RESTART_NEEDED", Warn, "639fdf901377470a87c5cfa79c702236";
    /// A call was refused.
    Refused => "REFUSED", Info, "917166f7e21843c9a606b5ae374248c7";
    /// A peer asked for what its role does not permit.
    RpcRefused => "RPC_REFUSED", Warn, "a5325ecf7797465d9b9c4b900542b07a";
    /// A peer was over its bounds and was turned away.
    Shed => "SHED", Warn, "8bf49cc09b01461b90ffed20fec61b5b";
    /// The journal cannot be written; every call is refused.
    JournalFailed => "JOURNAL_FAILED", Error, "cf5d3467a8874ee09f2a0215e8fb7ea2";
    /// The journal can be written again.
    JournalRecovered => "JOURNAL_RECOVERED", Info, "3d1e0c409a4142a4a47b27cf2e86d0a9";
    /// A checkpoint of the journal was signed.
    CheckpointSigned => "CHECKPOINT_SIGNED", Info, "8a55fcda614348c3942247ef7560c40d";
    /// A signing key was made or replaced.
    KeyMade => "KEY_MADE", Info, "527a003b4506456ea216200b3192fbbd";
    /// The journal contradicts a checkpoint that was signed for it.
    JournalRewritten => "JOURNAL_REWRITTEN", Error, "fe9025653a82400883e8f95119311247";
    /// The kernel cannot confine what fakd runs, and the configuration accepts that.
    Degraded => "DEGRADED", Warn, "64fcc641dd824a1eb51c56b2386b8bf9";
    /// An emergency began: refusals are admitted.
    EmergencyBegan => "EMERGENCY_BEGAN", Warn, "670153f1269841ed9395f6d701f5ee73";
    /// An emergency is over: refusals are refused again.
    EmergencyEnded => "EMERGENCY_ENDED", Warn, "6f9063c3c08f428d888379d1b014d4c6";
    /// An emergency admitted what was refused.
    EmergencyUsed => "EMERGENCY_USED", Warn, "2cb1a83acd59481380dafa416d616cae";
    /// Somebody steered a session: its run state, its budgets, its pace.
    SessionSteered => "SESSION_STEERED", Info, "123dea53679f41bc8205929817de5bb9";
    /// A call that waited for somebody was approved or refused.
    ApprovalDecided => "APPROVAL_DECIDED", Info, "8e94aadbc49f45b7bebafa980607ee9e";
    /// Log lines were dropped because the queue was full.
    LinesDropped => "LINES_DROPPED", Warn, "1732755e246a4ee08b0717022fc5de2c";
    /// Something that cannot happen happened.
    Internal => "INTERNAL", Error, "9f00fd886eaa4c66a0052a4c9642c4af";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_ids_and_unique() {
        let ids: HashSet<_> = Event::ALL.iter().map(|event| event.message_id()).collect();
        assert_eq!(ids.len(), Event::ALL.len());
        for id in ids {
            assert!(
                id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{id}"
            );
        }
    }

    #[test]
    fn names_are_unique() {
        let names: HashSet<_> = Event::ALL.iter().map(|event| event.as_str()).collect();
        assert_eq!(names.len(), Event::ALL.len());
    }
}
