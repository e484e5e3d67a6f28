//! All screens over one result, folded to one answer.

use std::{collections::BTreeSet, ops::Range};

use fak_types::{Digest, Reason};
use sha2::{Digest as _, Sha256};

use crate::{
    admission::{Admission, Edit, Finding, Incoming, Outcome, Page, Trust},
    durability::Durability,
    fold::{Opinion, Rung},
    injection::{Injection, Match, WEIGHT_HELD},
    layers::{Layers, layers},
    media::{self, Decoded, Media},
    needles::Needles,
    packed::{self, Opened},
    pollution::pollution,
    rules,
    secrets::{self, Hit, Joined, Secrets},
    settings::Settings,
    unicode,
    view::{Map, raw_spans},
};

/// LIMIT: the longest text that is searched; a longer one is held back, whatever it says.
pub const SCAN_BYTES_MAX: usize = 64 * 1024 * 1024;

/// LIMIT: the most findings named for one result; the answer does not depend on those left out.
pub const FINDINGS_MAX: usize = 256;

/// The compiled screens; built once, shared by every thread.
pub struct Screen {
    settings: Settings,
    secrets: Secrets,
    injection: Injection,
    /// The words of both, those of the secrets first.
    needles: Needles,
    /// How many of them are the secrets'.
    keywords: usize,
}

/// What is gathered while the screens look.
#[derive(Default)]
struct Gathered {
    opinion: Opinion,
    findings: Vec<Finding>,
    /// What was named before, so that a second reading does not name it again.
    named: BTreeSet<(String, usize, usize)>,
}

impl Gathered {
    fn add(&mut self, opinion: Opinion) {
        self.opinion = std::mem::take(&mut self.opinion).and(opinion);
    }

    fn name(&mut self, finding: Finding) {
        let key = (finding.rule.clone(), finding.span.start, finding.span.end);
        if self.findings.len() < FINDINGS_MAX && self.named.insert(key) {
            self.findings.push(finding);
        }
    }
}

impl Screen {
    /// Compiles the screens.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        unicode::prepare();
        media::prepare();
        Self::of(settings, Secrets::new(), Injection::new())
    }

    fn of(settings: Settings, secrets: Secrets, injection: Injection) -> Self {
        let mut needles = secrets.needles();
        let keywords = needles.len();
        needles.extend(injection.needles());
        Self {
            settings,
            secrets,
            injection,
            needles: Needles::new(needles),
            keywords,
        }
    }

    /// Judges one result. The same bytes get the same answer, whatever came before.
    #[must_use]
    pub fn judge(&self, incoming: &Incoming<'_>) -> Admission {
        let bytes = incoming.bytes;
        let (mut media, decoded) = media::media(bytes);
        let mut gathered = Gathered::default();
        let packed = if bytes.len() <= SCAN_BYTES_MAX {
            packed::open(bytes)
        } else {
            None
        };
        let mut durability = Durability::Turn;
        let mut shown = None;
        if let Some(decoded) = decoded {
            if bytes.len() > SCAN_BYTES_MAX {
                let finding = whole("oversize", "too-long-to-search", Reason::Oversize, bytes);
                gathered.name(finding);
                gathered.add(Opinion::new(Rung::Quarantine, Reason::Oversize));
            } else {
                durability = Durability::of(&decoded.text);
                shown = std::str::from_utf8(bytes).ok().filter(|_| !decoded.wide);
                self.text(decoded, media, incoming, &mut gathered);
            }
        }
        if let Some(packed) = &packed {
            media = self.packed(packed, incoming, &mut gathered);
        }
        // What a picture costs a model is not counted in bytes.
        if bytes.len() > self.settings.oversize_bytes && !matches!(media, Media::Image(_)) {
            gathered.name(whole("oversize", "oversize", Reason::Oversize, bytes));
            gathered.add(Opinion::new(Rung::PageOut, Reason::Oversize));
        }
        let (rung, reason, edits) = gathered.opinion.settle();
        Admission {
            verdict: match rung {
                Rung::Allow => Outcome::Allow,
                Rung::Redact => Outcome::Redact(edits),
                Rung::PageOut => Outcome::PageOut(Page::of(bytes, shown, edits)),
                Rung::Quarantine => Outcome::Quarantine,
            },
            reason,
            media,
            durability: if rung == Rung::Quarantine {
                Durability::Turn
            } else {
                durability
            },
            findings: gathered.findings,
        }
    }

    /// What is packed is read like the rest, but nothing can be cut out of it: what would be is held back whole.
    fn packed(&self, packed: &Opened, incoming: &Incoming<'_>, gathered: &mut Gathered) -> Media {
        match packed {
            Opened::Bytes(plain, how) => {
                let (media, decoded) = media::media(plain);
                if let Some(decoded) = decoded {
                    let decoded = Decoded {
                        map: Map::Whole(0..incoming.bytes.len()),
                        wide: true,
                        ..decoded
                    };
                    self.text(decoded, media, incoming, gathered);
                }
                Media::Archive(how)
            }
            Opened::Refused(why, how) => {
                gathered.name(whole("oversize", why, Reason::Oversize, incoming.bytes));
                gathered.add(Opinion::new(Rung::Quarantine, Reason::Oversize));
                Media::Archive(how)
            }
        }
    }

    /// A digest of the rules and settings in force: equal screens judge alike, and a screen whose rules or settings
    /// differ has another. It covers this program's version, for part of the rules is code.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hasher = Sha256::new();
        let settings = format!("{:?}", self.settings);
        for part in [
            "fak-screen",
            env!("CARGO_PKG_VERSION"),
            secrets::RULES,
            rules::FILE,
            &settings,
        ] {
            hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(part);
        }
        Digest(hasher.finalize().into())
    }

    /// Everything that looks at text.
    fn text(
        &self,
        decoded: Decoded<'_>,
        media: Media,
        incoming: &Incoming<'_>,
        gathered: &mut Gathered,
    ) {
        let polluted = pollution(&decoded.text);
        let layers = layers(decoded.text, decoded.map, media);
        let found = self.read(&layers, decoded.wide, incoming.trust, gathered);
        // Nothing here holds back what was read from the user's own machine: a text about attacks is no attack.
        if incoming.trust == Trust::Untrusted {
            self.injections(&layers, found, incoming, gathered);
        }
        if let Some(rule) = polluted {
            // Somebody's own file is theirs to read, page by page.
            let rung = match incoming.trust {
                Trust::Local => Rung::PageOut,
                Trust::Untrusted => Rung::Quarantine,
            };
            gathered.name(whole("pollution", rule, Reason::Oversize, incoming.bytes));
            gathered.add(Opinion::new(rung, Reason::Oversize));
        }
    }

    /// Reads every view once: what of it is secret is gathered, what wants to be obeyed is returned with its view.
    fn read(
        &self,
        layers: &Layers<'_>,
        wide: bool,
        trust: Trust,
        gathered: &mut Gathered,
    ) -> Vec<(usize, Match)> {
        let wanted = self.settings.people.wanted(trust);
        let mut found = Vec::new();
        let mut hits: Vec<Hit> = Vec::new();
        for (index, view) in layers.views.iter().enumerate() {
            hits.clear();
            let mut reading =
                (trust == Trust::Untrusted).then(|| self.injection.reading(&view.text));
            let mut scan = |feed: &mut dyn FnMut(usize, usize)| {
                self.needles.scan(view.text.as_bytes(), |needle, at| {
                    match needle.checked_sub(self.keywords) {
                        None => feed(needle, at),
                        Some(needle) => {
                            if let Some(reading) = &mut reading {
                                reading.met(needle, at);
                            }
                        }
                    }
                });
                // Another pass is about secrets only.
                let read = reading.take().into_iter();
                let matches = read.flat_map(|reading| reading.finish());
                found.extend(matches.map(|found| (index, found)).take(FINDINGS_MAX));
            };
            let text = Joined {
                text: &view.text,
                edges: &view.edges,
            };
            self.secrets.find(text, wanted, &mut scan, &mut hits);
            self.secrets_of(layers, index, &hits, wide, gathered);
        }
        found
    }

    fn secrets_of(
        &self,
        layers: &Layers<'_>,
        index: usize,
        hits: &[Hit],
        wide: bool,
        gathered: &mut Gathered,
    ) {
        let Some(view) = layers.views.get(index) else {
            return;
        };
        for hit in hits.iter().filter(|hit| !(hit.weak && view.joined)) {
            let spans = raw_spans(&layers.views, index, hit.span.clone());
            gathered.name(Finding {
                screen: "secrets",
                rule: hit.rule.to_owned(),
                reason: Reason::SecretExfil,
                span: hull(&spans),
                layer: view.path.clone(),
            });
            gathered.add(if self.settings.redact && !wide && !spans.is_empty() {
                let with = format!("[REDACTED:{}]", hit.kind);
                let edits = spans.into_iter().map(|span| Edit {
                    span,
                    with: with.clone(),
                });
                Opinion::cut(edits.collect())
            } else {
                Opinion::new(Rung::Quarantine, Reason::SecretExfil)
            });
        }
    }

    fn injections(
        &self,
        layers: &Layers<'_>,
        found: Vec<(usize, Match)>,
        incoming: &Incoming<'_>,
        gathered: &mut Gathered,
    ) {
        let rules: BTreeSet<usize> = found.iter().map(|(_, found)| found.rule).collect();
        let weight: u32 = rules.iter().map(|&rule| self.injection.rule(rule).1).sum();
        if weight >= WEIGHT_HELD {
            for (index, found) in found {
                let spans = raw_spans(&layers.views, index, found.span);
                gathered.name(Finding {
                    screen: "injection",
                    rule: self.injection.rule(found.rule).0.to_owned(),
                    reason: Reason::TrustViolation,
                    span: hull(&spans),
                    layer: layers
                        .views
                        .get(index)
                        .map(|view| view.path.clone())
                        .unwrap_or_default(),
                });
            }
            gathered.add(Opinion::new(Rung::Quarantine, Reason::TrustViolation));
        }
        if layers.cut {
            let finding = whole(
                "injection",
                "too-many-layers",
                Reason::TrustViolation,
                incoming.bytes,
            );
            gathered.name(finding);
            gathered.add(Opinion::new(Rung::Quarantine, Reason::TrustViolation));
        }
    }
}

fn whole(screen: &'static str, rule: &str, reason: Reason, bytes: &[u8]) -> Finding {
    Finding {
        screen,
        rule: rule.to_owned(),
        reason,
        span: 0..bytes.len(),
        layer: String::new(),
    }
}

fn hull(spans: &[Range<usize>]) -> Range<usize> {
    let start = spans
        .iter()
        .map(|span| span.start)
        .min()
        .unwrap_or_default();
    let end = spans.iter().map(|span| span.end).max().unwrap_or_default();
    start..end
}

#[cfg(test)]
mod tests;
