//! Signs of life for the service manager: sent only while fakd can judge and its journal's writer moves.

use std::{sync::Arc, time::Duration};

use fak_control::{Desk, Evidence, Office};
use fak_journal::Journal;
use fak_kernel::Timestamp;
use fak_policy::NoWorld;
use fak_types::{Principal, ToolCall};
use sd_notify::NotifyState;
use tokio::time::{interval, timeout};

/// The longest pause between two signs.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Sends signs of life until the program ends. Returns at once when nobody waits for them.
pub(crate) async fn run<E: Evidence, O: Office>(desk: Arc<Desk<E, O>>, journal: Journal) {
    let Some(deadline) = sd_notify::watchdog_enabled() else {
        return;
    };
    let pause = (deadline / 2).min(PAUSE_MAX);
    let mut ticks = interval(pause);
    loop {
        ticks.tick().await;
        if judges(&desk, pause).await && writes(&journal, pause).await {
            // A manager that does not listen will act on its own.
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
        }
    }
}

/// Whether a call gets through the judge and the kernel's lock in time.
async fn judges<E: Evidence, O: Office>(desk: &Arc<Desk<E, O>>, wait: Duration) -> bool {
    let desk = Arc::clone(desk);
    let probe = tokio::task::spawn_blocking(move || {
        let who = Principal::Key("watchdog".into());
        let call = ToolCall {
            tool: "watchdog",
            args: "{}",
            trace: "watchdog",
            cwd: None,
            home: None,
        };
        let snapshot = desk.snapshot();
        let judgement = snapshot.judge(&who, &call, &NoWorld);
        desk.with_kernel(|kernel| kernel.precheck(Timestamp(0), &who, &call, &snapshot));
        !judgement.profile.is_empty()
    });
    matches!(timeout(wait, probe).await, Ok(Ok(true)))
}

/// Whether the writer gets to the end of its queue in time. A writer that knows why it cannot write
/// moves: restarting fakd would not help it.
async fn writes(journal: &Journal, wait: Duration) -> bool {
    timeout(wait, journal.state("watchdog")).await.is_ok() || !journal.health().ok
}
