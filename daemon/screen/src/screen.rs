//! All screens over one result, folded to one answer.

use crate::{
    admission::{Admission, Durability, Incoming, Outcome},
    media::Media,
    secrets::Secrets,
    settings::Settings,
};

/// The compiled screens; built once, shared by every thread.
pub struct Screen {
    settings: Settings,
    secrets: Secrets,
}

impl Screen {
    /// Compiles the screens.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            secrets: Secrets::new(),
        }
    }

    /// Judges one result. The same bytes get the same answer, whatever came before.
    #[must_use]
    pub fn judge(&self, incoming: &Incoming<'_>) -> Admission {
        let mut hits = Vec::new();
        if let Ok(text) = std::str::from_utf8(incoming.bytes) {
            self.secrets.find(text, &mut hits);
        }
        let secret = hits.iter().any(|hit| !hit.span.is_empty() && !hit.weak);
        let long = incoming.bytes.len() > self.settings.oversize_bytes;
        Admission {
            verdict: if secret || long || !self.settings.redact {
                Outcome::Quarantine
            } else {
                Outcome::Allow
            },
            media: Media::Text,
            durability: Durability::Turn,
            findings: Vec::new(),
        }
    }
}
