//! Who is told of changes of sessions and approvals.

use tokio::sync::broadcast;

/// Changes a watcher may be behind. LIMIT: one that is further behind reads everything anew instead.
const BEHIND_MAX: usize = 1024;

/// Messages on their way to one watcher. LIMIT: a watcher that does not read holds up nobody but itself.
pub(crate) const WATCH_MESSAGES: usize = 64;

/// A session that changed: whose, and its name.
pub(crate) type SessionName = (String, String);

/// Where changes are announced. Nobody waits for a watcher, and without one an announcement costs next to nothing.
pub(crate) struct Board {
    sessions: broadcast::Sender<SessionName>,
    approvals: broadcast::Sender<String>,
    /// Held while an approval is decided: two who decide at once do not both succeed.
    pub(crate) deciding: tokio::sync::Mutex<()>,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            sessions: broadcast::Sender::new(BEHIND_MAX),
            approvals: broadcast::Sender::new(BEHIND_MAX),
            deciding: tokio::sync::Mutex::default(),
        }
    }
}

impl Board {
    /// Announces a change of a session; `who` is asked only when somebody watches.
    pub(crate) fn session(&self, who: impl FnOnce() -> String, trace: &str) {
        if self.sessions.receiver_count() > 0 {
            // Nobody listening any more is no trouble.
            let _ = self.sessions.send((who(), trace.to_owned()));
        }
    }

    /// Announces a change of an approval.
    pub(crate) fn approval(&self, id: &str) {
        if self.approvals.receiver_count() > 0 {
            let _ = self.approvals.send(id.to_owned());
        }
    }

    pub(crate) fn watch_sessions(&self) -> broadcast::Receiver<SessionName> {
        self.sessions.subscribe()
    }

    pub(crate) fn watch_approvals(&self) -> broadcast::Receiver<String> {
        self.approvals.subscribe()
    }
}

/// What a watcher hears next.
pub(crate) enum Heard<T> {
    /// One change.
    One(T),
    /// More changes than can be told apart.
    Many,
    /// Nobody announces any more.
    End,
}

pub(crate) async fn hear<T: Clone>(changes: &mut broadcast::Receiver<T>) -> Heard<T> {
    match changes.recv().await {
        Ok(one) => Heard::One(one),
        Err(broadcast::error::RecvError::Lagged(_)) => {
            // What is still queued is read anew as well.
            *changes = changes.resubscribe();
            Heard::Many
        }
        Err(broadcast::error::RecvError::Closed) => Heard::End,
    }
}
