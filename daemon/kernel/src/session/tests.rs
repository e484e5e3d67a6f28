use super::*;

const T0: u64 = 1_700_000_000_000_000;

fn sessions() -> Sessions {
    Sessions::new(Bounds {
        live_max: 20,
        per_principal_max: 8,
        idle_ms_max: 1000,
    })
}

fn admit<'a>(who: &'a str, trace: &'a str) -> Turn<'a> {
    Turn {
        who,
        trace,
        admitted: true,
        reason: Reason::None,
        profile: "p",
    }
}

#[test]
fn a_trace_belongs_to_who_opened_it() {
    let mut sessions = sessions();
    let refused = Turn {
        admitted: false,
        reason: Reason::PolicyBlock,
        ..admit("uid:2", "t")
    };
    sessions.count(Timestamp(T0), &admit("uid:1", "t"));
    sessions.count(Timestamp(T0 + 5), &admit("uid:1", "t"));
    sessions.count(Timestamp(T0 + 9), &refused);
    let own = sessions.get(Viewer::Own("uid:1"), "t").unwrap();
    assert_eq!((own.calls, own.allowed, own.denied, own.rev), (2, 2, 0, 2));
    assert_eq!((own.first.0, own.last.0), (T0, T0 + 5));
    let other = sessions.get(Viewer::Own("uid:2"), "t").unwrap();
    assert_eq!(
        (other.calls, other.denied, other.last_reason),
        (1, 1, Reason::PolicyBlock)
    );
    assert_eq!(sessions.get(Viewer::Own("uid:3"), "t"), None);
    assert_eq!(&*sessions.get(Viewer::All, "t").unwrap().principal, "uid:2");
    assert_eq!(
        (
            sessions.live(Viewer::All),
            sessions.live(Viewer::Own("uid:1"))
        ),
        (2, 1)
    );
}

#[test]
fn a_flood_displaces_the_flooders_own_sessions() {
    let mut sessions = sessions();
    sessions.count(Timestamp(T0), &admit("uid:1", "quiet"));
    for n in 0..1000 {
        sessions.count(Timestamp(T0), &admit("uid:2", &format!("flood-{n}")));
    }
    assert_eq!(sessions.live(Viewer::Own("uid:2")), 8);
    assert!(sessions.get(Viewer::Own("uid:1"), "quiet").is_some());
    let newest: Vec<_> = sessions
        .newest(Viewer::Own("uid:2"))
        .take(2)
        .map(|s| s.trace.to_string())
        .collect();
    assert_eq!(newest, ["flood-999", "flood-998"]);
    for who in 3..30 {
        for n in 0..8 {
            sessions.count(
                Timestamp(T0),
                &admit(&format!("uid:{who}"), &format!("{n}")),
            );
        }
    }
    assert_eq!(sessions.live(Viewer::All), 20);
    assert_eq!(sessions.newest(Viewer::All).count(), 20);
}

#[test]
fn idle_sessions_go() {
    let mut sessions = sessions();
    sessions.count(Timestamp(T0), &admit("uid:1", "old"));
    sessions.count(Timestamp(T0 + 900_000), &admit("uid:1", "new"));
    sessions.count(Timestamp(T0 + 1_500_000), &admit("uid:2", "x"));
    assert!(sessions.get(Viewer::Own("uid:1"), "old").is_none());
    assert!(sessions.get(Viewer::Own("uid:1"), "new").is_some());
    sessions.count(Timestamp(T0 + 99_000_000), &admit("uid:2", "y"));
    assert_eq!(
        sessions.owners.len(),
        1,
        "a principal without sessions costs nothing"
    );
}

#[test]
fn spellings_are_golden() {
    let words: Vec<_> = RunState::ALL.iter().map(|state| state.as_str()).collect();
    assert_eq!(
        words,
        ["running", "throttled", "paused", "draining", "stopped"]
    );
    assert!(
        RunState::ALL
            .iter()
            .all(|&state| RunState::parse(state.as_str()) == Some(state))
    );
    assert_eq!(RunState::parse("RUNNING"), None);
}
