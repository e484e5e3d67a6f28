//! All screens over one result, folded to one answer.

use std::{collections::BTreeSet, ops::Range};

use fak_types::Reason;

use crate::{
    admission::{Admission, Edit, Finding, Incoming, Outcome, Page, Trust},
    durability::Durability,
    fold::{Opinion, Rung},
    injection::{Injection, Match, WEIGHT_HELD},
    layers::{Layers, layers},
    media::{self, Decoded, Media},
    pollution::pollution,
    secrets::{Hit, Secrets},
    settings::Settings,
    unicode,
    view::raw_spans,
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
        Self {
            settings,
            secrets: Secrets::new(),
            injection: Injection::new(),
        }
    }

    /// Judges one result. The same bytes get the same answer, whatever came before.
    #[must_use]
    pub fn judge(&self, incoming: &Incoming<'_>) -> Admission {
        let bytes = incoming.bytes;
        let (media, decoded) = media::media(bytes);
        let mut gathered = Gathered::default();
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
        self.secrets(&layers, decoded.wide, gathered);
        self.injections(&layers, incoming, gathered);
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

    fn secrets(&self, layers: &Layers<'_>, wide: bool, gathered: &mut Gathered) {
        let mut hits: Vec<Hit> = Vec::new();
        for (index, view) in layers.views.iter().enumerate() {
            hits.clear();
            self.secrets.find(&view.text, &mut hits);
            for hit in &hits {
                if hit.weak && view.joined {
                    continue;
                }
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
                    Opinion::cut(
                        spans
                            .into_iter()
                            .map(|span| Edit {
                                span,
                                with: with.clone(),
                            })
                            .collect(),
                    )
                } else {
                    Opinion::new(Rung::Quarantine, Reason::SecretExfil)
                });
            }
        }
    }

    /// Nothing here holds back what was read from the user's own machine: a text about attacks is no attack.
    fn injections(&self, layers: &Layers<'_>, incoming: &Incoming<'_>, gathered: &mut Gathered) {
        if incoming.trust == Trust::Local {
            return;
        }
        let mut found: Vec<(usize, Match)> = Vec::new();
        let mut matches = Vec::new();
        for (index, view) in layers.views.iter().enumerate() {
            matches.clear();
            self.injection.find(&view.text, &mut matches);
            found.extend(
                matches
                    .drain(..)
                    .map(|found| (index, found))
                    .take(FINDINGS_MAX),
            );
        }
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
