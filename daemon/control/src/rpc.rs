//! The one table of RPCs: who may call what, and what it is charged to.

use fak_types::Role;

use crate::account::Charge;

/// One RPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rpc {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    pub(crate) charge: Charge,
}

const fn rpc(name: &'static str, role: Role, charge: Charge) -> Rpc {
    Rpc { name, role, charge }
}

/// Every RPC there is. What is not here is refused.
const RPCS: [Rpc; 12] = [
    rpc("Adjudicate", Role::Submit, Charge::Call),
    rpc("AdjudicateStream", Role::Submit, Charge::Stream),
    rpc("AdjudicateBatch", Role::Submit, Charge::Call),
    rpc("Explain", Role::Submit, Charge::Call),
    rpc("PolicyList", Role::Observe, Charge::Call),
    rpc("PolicyLoad", Role::Admin, Charge::Call),
    rpc("Reload", Role::Admin, Charge::Call),
    rpc("JournalTail", Role::Admin, Charge::Stream),
    rpc("JournalVerify", Role::Admin, Charge::Call),
    rpc("SessionList", Role::Observe, Charge::Call),
    rpc("SessionGet", Role::Observe, Charge::Call),
    rpc("Status", Role::Observe, Charge::Call),
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
            of_path("/fak.v1.Fak/Status").map(|rpc| rpc.role),
            Some(Role::Observe)
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
