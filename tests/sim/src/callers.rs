//! Who asks what, and by which policy: small enough that an oracle of a few lines knows the answer.

use std::sync::{Arc, LazyLock};

use fak_kernel::Limits;
use fak_policy::{
    Policy, PolicySet,
    manifest::{Bind, Manifest, RateKey, RateLimit},
};
use fak_types::{Posture, Principal, Reason, ToolCall};

use crate::random::Random;

/// The lifetime quota every policy of the simulation states for every session.
pub const CALLS_PER_SESSION: u64 = 6;
/// The windowed quota every policy of the simulation states for every principal.
pub const CALLS_PER_WINDOW: u64 = 5;
/// Its window.
pub const WINDOW_US: u64 = 20_000_000;
/// User ids go from 1 to this.
pub const USERS: u32 = 4;
/// The user whose profile only observes.
pub const OBSERVED_UID: u32 = 3;

const TOOLS: [&str; 6] = ["Read", "Write", "Drop", "Unknown", "", "bad\u{7}name"];
const TRACES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "", "x\n"];
const ARGS: [&str; 4] = ["{}", r#"{"password":"x"}"#, r#"{"a":[1,2,3]}"#, "[]"];

/// One call and who makes it.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// User id.
    pub uid: u32,
    /// Tool name.
    pub tool: &'static str,
    /// Session.
    pub trace: &'static str,
    /// Arguments.
    pub args: &'static str,
}

impl Ask {
    /// A call somebody might make.
    pub fn draw(random: &mut Random) -> Self {
        let uid = u32::try_from(1 + random.below(u64::from(USERS))).unwrap_or(1);
        let sound = !random.one_in(4);
        let tool = if sound {
            random.pick(&TOOLS[..2])
        } else {
            random.pick(&TOOLS)
        };
        Self {
            uid,
            tool,
            trace: random.pick::<&str>(&TRACES),
            args: random.pick::<&str>(&ARGS),
        }
    }

    /// The caller.
    #[must_use]
    pub fn who(&self) -> Principal {
        Principal::Local {
            uid: self.uid,
            gid: self.uid,
            groups: Arc::from([]),
            pid: 1,
        }
    }

    /// The call.
    #[must_use]
    pub const fn call(&self) -> ToolCall<'static> {
        ToolCall {
            tool: self.tool,
            args: self.args,
            trace: self.trace,
            cwd: None,
            home: None,
        }
    }

    /// Whether any policy of the simulation could admit the call: a second reading of the manifests below.
    #[must_use]
    pub fn may_ever_pass(&self) -> bool {
        let formed = !self.trace.is_empty() && !self.trace.contains('\n') && self.args != "[]";
        self.uid == OBSERVED_UID || (formed && matches!(self.tool, "Read" | "Write"))
    }
}

/// Every policy of the simulation, compiled once. They differ in what no invariant counts.
pub static POLICIES: LazyLock<Vec<Arc<PolicySet>>> = LazyLock::new(|| {
    (0..3)
        .map(|which| {
            let policies = manifests(which)
                .iter()
                .map(|m| Policy::compile(m.name.as_deref().unwrap_or_default(), m))
                .collect::<Result<Vec<_>, _>>()
                .expect("the simulation's policies compile");
            Arc::new(PolicySet::new(policies).expect("the simulation's policies fit together"))
        })
        .collect()
});

fn manifests(which: u8) -> [Manifest; 2] {
    let per_session = RateLimit {
        max_calls: Some(CALLS_PER_SESSION),
        ..RateLimit::default()
    };
    let per_window = RateLimit {
        max_calls: Some(CALLS_PER_WINDOW),
        key: Some(RateKey::Principal),
        window_ms: Some(WINDOW_US / 1000),
        ..RateLimit::default()
    };
    let per_tool = RateLimit {
        max_cost: Some(200),
        key: Some(RateKey::Tool),
        window_ms: Some(60_000),
        ..RateLimit::default()
    };
    let rate_limit = match which {
        0 => vec![per_session, per_window],
        1 => vec![per_tool, per_window, per_session],
        _ => vec![
            per_window,
            per_session,
            RateLimit {
                max_calls: Some(1000),
                ..per_tool
            },
        ],
    };
    let everyone = Manifest {
        name: Some("everyone".to_owned()),
        allow: vec!["Read".to_owned(), "Write".to_owned()],
        deny: vec![("Drop".to_owned(), Reason::PolicyBlock)],
        redact_fields: vec!["password".to_owned()],
        rate_limit,
        ..Manifest::default()
    };
    let observed = Manifest {
        name: Some("observed".to_owned()),
        bind: Some(Bind {
            uids: vec![OBSERVED_UID],
            ..Bind::default()
        }),
        posture: Some(Posture::Observe),
        ..everyone.clone()
    };
    [everyone, observed]
}

/// Bounds so small that every history meets them.
#[must_use]
pub fn limits() -> Limits {
    Limits {
        sessions_max: 6,
        sessions_per_principal_max: 4,
        session_idle_ms_max: 60_000,
        quota_keys_max: 17,
        quota_keys_per_principal_max: 5,
        ..Limits::default()
    }
}
