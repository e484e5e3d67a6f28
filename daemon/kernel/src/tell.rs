//! What a session was told by its user.

use fak_chain::{Draft, RecordKind};
use fak_types::{Digest, Principal, Taint};

use crate::{Kernel, Timestamp, Viewer, record::by_principal};

/// Subject of the row that says a session was told something.
pub const ABOUT_TELL: &str = "tell";

/// The row of what a session was told: the digest and the length of the user's words, never the words.
#[must_use]
pub fn tell_row(
    now: Timestamp,
    who: &Principal,
    trace: &str,
    words: Option<(Digest, u64)>,
    note: &str,
) -> Draft {
    Draft {
        trace: trace.to_owned(),
        subject: ABOUT_TELL.to_owned(),
        args_digest: words.map(|(digest, _)| digest),
        args_bytes: words.map_or(0, |(_, bytes)| bytes),
        note: note.to_owned(),
        ..by_principal(RecordKind::Session, now, who)
    }
}

impl Kernel {
    /// Whether a session can have read nothing yet: it is live and has not, or nobody knows it and nothing of it can
    /// have been forgotten.
    #[must_use]
    pub fn has_read_nothing(&self, who: &str, trace: &str) -> bool {
        if let Some(session) = self.sessions.get(Viewer::Own(who), trace) {
            return session.results == 0 && session.taint == Taint::Trusted;
        }
        let lost = &self.sessions.lost;
        let taint = lost.get(who, trace).map(|residue| residue.taint);
        taint.unwrap_or_else(|| lost.unknown(who)) == Taint::Trusted
    }
}
