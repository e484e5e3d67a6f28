//! The one table of RPCs: who may call what, and what it is charged to.

use fak_types::{Right, Rights};

use crate::{account::Charge, door::Door};

/// One RPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rpc {
    pub(crate) name: &'static str,
    pub(crate) right: Right,
    pub(crate) charge: Charge,
    /// Answered at the administrators' door only, even to the daemon's own user.
    at_admins_door: bool,
}

const fn rpc(name: &'static str, right: Right, charge: Charge) -> Rpc {
    Rpc {
        name,
        right,
        charge,
        at_admins_door: false,
    }
}

const fn at_admins_door(rpc: Rpc) -> Rpc {
    Rpc {
        at_admins_door: true,
        ..rpc
    }
}

impl Rpc {
    /// Whether somebody with these rights, at this door, may call it.
    pub(crate) fn passes(self, door: Door, rights: Rights) -> bool {
        let is_admins = matches!(door, Door::Any | Door::Admin);
        rights.has(self.right) && (is_admins || !self.at_admins_door)
    }
}

/// Every RPC there is. What is not here is refused.
const RPCS: [Rpc; 36] = [
    rpc("Adjudicate", Right::Submit, Charge::Call),
    rpc("AdjudicateStream", Right::Submit, Charge::Stream),
    rpc("AdjudicateBatch", Right::Submit, Charge::Call),
    rpc("Explain", Right::Submit, Charge::Call),
    rpc("Admit", Right::Submit, Charge::Call),
    rpc("Clear", Right::Admin, Charge::Call),
    rpc("PageIn", Right::Submit, Charge::Call),
    rpc("Forget", Right::Admin, Charge::Call),
    rpc("Tell", Right::Submit, Charge::Call),
    rpc("TaintGet", Right::Observe, Charge::Call),
    rpc("TaintReset", Right::Admin, Charge::Call),
    rpc("Changes", Right::Submit, Charge::Call),
    rpc("Revoke", Right::Admin, Charge::Call),
    rpc("ApprovalList", Right::Submit, Charge::Call),
    rpc("ApprovalWatch", Right::Submit, Charge::Stream),
    rpc("Approve", Right::Admin, Charge::Call),
    rpc("PolicyList", Right::Observe, Charge::Call),
    rpc("PolicyLoad", Right::Admin, Charge::Call),
    rpc("Reload", Right::Admin, Charge::Call),
    rpc("JournalTail", Right::Audit, Charge::Stream),
    rpc("JournalVerify", Right::Audit, Charge::Call),
    rpc("Checkpoint", Right::Audit, Charge::Call),
    rpc("Prove", Right::Audit, Charge::Call),
    rpc("ProveConsistency", Right::Audit, Charge::Call),
    rpc("Witness", Right::Admin, Charge::Call),
    rpc("RotateKey", Right::Admin, Charge::Call),
    at_admins_door(rpc("EmergencyDisable", Right::Admin, Charge::Call)),
    at_admins_door(rpc("EmergencyEnable", Right::Admin, Charge::Call)),
    rpc("SessionList", Right::Observe, Charge::Call),
    rpc("SessionGet", Right::Observe, Charge::Call),
    rpc("SessionWatch", Right::Observe, Charge::Stream),
    rpc("SessionControl", Right::Admin, Charge::Call),
    rpc("SessionReserve", Right::Submit, Charge::Call),
    rpc("SessionSettle", Right::Submit, Charge::Call),
    rpc("Status", Right::Observe, Charge::Call),
    rpc("Metrics", Right::Observe, Charge::Call),
];

/// The RPC behind a request path; `None` for a path this build does not serve.
pub(crate) fn of_path(path: &str) -> Option<Rpc> {
    let name = path.strip_prefix("/fak.v1.Fak/")?;
    RPCS.into_iter().find(|rpc| rpc.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_protocol() {
        let golden = include_str!("../../../proto/tests/fak_v1.golden");
        let served: Vec<_> = golden
            .lines()
            .skip_while(|line| *line != "service Fak")
            .skip(1)
            .take_while(|line| line.starts_with("  "))
            .map(|line| {
                (
                    line.trim().split('(').next().expect("a name"),
                    line.contains("stream "),
                )
            })
            .collect();
        let table: Vec<_> = RPCS
            .iter()
            .map(|rpc| (rpc.name, rpc.charge == Charge::Stream))
            .collect();
        assert_eq!(table, served);
    }

    #[test]
    fn unknown_paths_have_no_rpc() {
        assert_eq!(
            of_path("/fak.v1.Fak/Status").map(|rpc| rpc.right),
            Some(Right::Observe)
        );
        for path in [
            "/fak.v1.Fak/Stop",
            "/fak.v2.Fak/Status",
            "/grpc.health.v1.Health/Check",
            "/",
            "",
        ] {
            assert_eq!(of_path(path), None, "{path}");
        }
    }
}
