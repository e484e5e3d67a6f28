//! The ledger as bytes, so that a restart whose arena is still warm keeps what is in it.
//!
//! An image is worth nothing without the arena it speaks of, and the other way round: where one is lost, the other is
//! thrown away (the arena zeroed). Counts and orders that follow from the rest are not in it; they are made anew and all of
//! it is held against itself before anybody may use it.

use std::{collections::BTreeMap, fmt, sync::Arc};

use fak_types::Taint;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    gaps::Gaps,
    ledger::{Bounds, Ledger},
    page::{Slot, State},
    prefix::Pin,
    radix::{Index, Node, RootKey, Share},
    sequence::{Parent, Segment, Sequence},
    span::Span,
    stats::Counters,
    words::{
        Kind, KvType, PAGE_TOKENS, PageId, PinId, Priority, Salt, SeqId, SpanId, Standing, Tag,
        is_name,
    },
};

/// What every image begins with; another layout has another number.
const MAGIC: &[u8] = b"fak-kv/v1\n";

/// The bytes are not an image this build wrote whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestoreError(&'static str);

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not a ledger's image: {}; zero the arena and begin anew",
            self.0
        )
    }
}

impl std::error::Error for RestoreError {}

#[derive(Serialize, Deserialize)]
struct Image {
    bounds: (u32, u32, u32),
    principals: Vec<String>,
    tags: Vec<(String, String, String)>,
    slots: Vec<SlotImage>,
    free: Vec<u32>,
    nonce: u64,
    gaps: Vec<Vec<(u32, u32)>>,
    sequences: Vec<(u64, SequenceImage)>,
    roots: Vec<(RootImage, Vec<u32>)>,
    nodes: Vec<Option<NodeImage>>,
    free_nodes: Vec<u32>,
    clock: (u64, u64),
    /// Pin, principal, node, its birth.
    pins: Vec<(u64, u32, u32, u64)>,
    next: (u64, u64),
    counters: (u64, u64, u64, u64),
}

#[derive(Serialize, Deserialize)]
enum SlotImage {
    Free {
        owner: u32,
        tag: u16,
    },
    Used {
        owner: u32,
        tag: u16,
        secret: bool,
        tokens: Vec<u32>,
    },
    Wiping {
        owner: u32,
        tag: u16,
        nonce: u64,
    },
}

/// Share (0 fleet, 1 tenant, 2 agent), salt, principal, tag.
type RootImage = (u8, [u8; 16], u32, u16);

#[derive(Serialize, Deserialize)]
struct NodeImage {
    page: u32,
    len: u32,
    children: Vec<u32>,
    born: u64,
    class: String,
    cost: u64,
    worth: u64,
    tick: u64,
}

#[derive(Serialize, Deserialize)]
struct SequenceImage {
    principal: u32,
    tenant: [u8; 16],
    tag: u16,
    revision: u64,
    epoch: u64,
    parent: Option<(u64, u64, u32)>,
    segments: Vec<SegmentImage>,
    spans: Vec<SpanImage>,
    next: u32,
    removed: u32,
    groups: u32,
}

/// Group, base, rows, computed rows, pages.
type SegmentImage = (Option<u32>, u32, u32, u32, Vec<u32>);

#[derive(Serialize, Deserialize)]
struct SpanImage {
    id: u32,
    name: String,
    kind: String,
    taint: String,
    standing: String,
    row: u64,
    /// Segment, first row, rows.
    place: (u32, u32, u32),
    unseen: u32,
    unread: u32,
    inexact: bool,
}

/// Sets of gaps, each once.
#[derive(Default)]
struct GapTable {
    known: BTreeMap<Vec<(u32, u32)>, u32>,
    all: Vec<Vec<(u32, u32)>>,
}

impl GapTable {
    fn of(&mut self, gaps: &Gaps) -> u32 {
        if let Some(at) = self.known.get(gaps.ranges()) {
            return *at;
        }
        let at = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.all.push(gaps.ranges().to_vec());
        self.known.insert(gaps.ranges().to_vec(), at);
        at
    }
}

impl Ledger {
    /// The ledger as bytes. Equal ledgers give equal bytes. They hold the token ids of everything in the arena: keep them
    /// as the arena is kept.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let body = postcard::to_stdvec(&self.image()).unwrap_or_default();
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&Sha256::digest(&body));
        bytes.extend_from_slice(&body);
        bytes
    }

    fn image(&self) -> Image {
        let mut gaps = GapTable::default();
        let sequences: Vec<_> = self
            .sequences
            .iter()
            .map(|(seq, s)| (seq.0, sequence_image(s, &mut gaps)))
            .collect();
        let Bounds {
            pages,
            principal_pages,
            principal_sequences,
        } = self.bounds;
        let Counters {
            looked,
            found,
            evicted,
            copies,
        } = self.counters;
        let texts = |tag: &Tag| {
            (
                tag.model.to_string(),
                tag.family.to_string(),
                tag.kv.to_string(),
            )
        };
        Image {
            bounds: (pages, principal_pages, principal_sequences),
            principals: self
                .principals
                .iter()
                .map(|name| name.to_string())
                .collect(),
            tags: self.tags.iter().map(texts).collect(),
            slots: self.pages.slots.iter().map(slot_image).collect(),
            free: self.pages.free.iter().map(|page| page.0).collect(),
            nonce: self.pages.nonce,
            gaps: gaps.all,
            sequences,
            roots: self
                .index
                .roots
                .iter()
                .map(|(key, children)| (root_image(*key), children.clone()))
                .collect(),
            nodes: self
                .index
                .nodes
                .iter()
                .map(|node| node.as_ref().map(node_image))
                .collect(),
            free_nodes: self.index.free.clone(),
            clock: (self.index.clock, self.index.floor),
            pins: self
                .pins
                .iter()
                .map(|(id, pin)| (id.0, pin.principal, pin.node, pin.born))
                .collect(),
            next: (self.next_seq, self.next_pin),
            counters: (looked, found, evicted, copies),
        }
    }

    /// The ledger a snapshot was taken of. Zeroings that were due are due: ask [`Ledger::owed`] for them.
    ///
    /// # Errors
    /// [`RestoreError`] when the bytes are not a whole image of this layout, or are at odds with themselves.
    pub fn restore(bytes: &[u8]) -> Result<Self, RestoreError> {
        let rest = bytes
            .strip_prefix(MAGIC)
            .ok_or(RestoreError("another layout"))?;
        let (digest, body) = rest
            .split_first_chunk::<32>()
            .ok_or(RestoreError("cut short"))?;
        if Sha256::digest(body).as_slice() != digest {
            return Err(RestoreError("the digest differs"));
        }
        let (image, rest): (Image, _) =
            postcard::take_from_bytes(body).map_err(|_| RestoreError("undecodable"))?;
        if !rest.is_empty() {
            return Err(RestoreError("trailing bytes"));
        }
        let ledger = Self::of_image(image)?;
        ledger.audit().map_err(RestoreError)?;
        Ok(ledger)
    }

    fn of_image(image: Image) -> Result<Self, RestoreError> {
        let (pages, principal_pages, principal_sequences) = image.bounds;
        let mut ledger = Self::new(Bounds {
            pages,
            principal_pages,
            principal_sequences,
        });
        for name in image.principals {
            let known = !is_name(&name) || ledger.principals.iter().any(|known| **known == *name);
            if known {
                return Err(RestoreError("a principal's name"));
            }
            ledger.principals.push(name.into());
        }
        for (model, family, kv) in image.tags {
            let kv = KvType::parse(&kv).ok_or(RestoreError("a KV type"))?;
            ledger.tags.push(Tag::new(&model, &family, kv));
        }
        ledger.slots_from(image.slots)?;
        ledger.pages.free = image.free.into_iter().map(PageId).collect();
        ledger.pages.nonce = image.nonce;
        let gaps: Option<Vec<Gaps>> = image.gaps.into_iter().map(Gaps::of).collect();
        let gaps = gaps.ok_or(RestoreError("gaps"))?;
        for (seq, sequence) in image.sequences {
            let mut sequence = sequence_of(sequence, &gaps).ok_or(RestoreError("a sequence"))?;
            ledger.feed(&mut sequence)?;
            sequence.pages().for_each(|page| ledger.pages.retain(page));
            ledger.next_seq = seq;
            ledger.insert(sequence);
        }
        ledger.index = index_of(image.roots, image.nodes, image.free_nodes, image.clock)?;
        for (id, principal, node, born) in image.pins {
            if ledger
                .index
                .node(node)
                .is_some_and(|node| node.born == born)
            {
                ledger.index.pin(node);
            }
            ledger.pins.insert(
                PinId(id),
                Pin {
                    principal,
                    node,
                    born,
                },
            );
        }
        let held: Vec<(PageId, usize)> = ledger
            .index
            .held
            .iter()
            .map(|(page, nodes)| (*page, nodes.len()))
            .collect();
        for (page, count) in held {
            (0..count).for_each(|_| ledger.pages.retain(page));
        }
        (ledger.next_seq, ledger.next_pin) = image.next;
        let (looked, found, evicted, copies) = image.counters;
        ledger.counters = Counters {
            looked,
            found,
            evicted,
            copies,
        };
        Ok(ledger)
    }

    fn slots_from(&mut self, slots: Vec<SlotImage>) -> Result<(), RestoreError> {
        for slot in slots {
            let (state, owner, tag, secret, tokens) = match slot {
                SlotImage::Free { owner, tag } => (State::Free, owner, tag, false, Vec::new()),
                SlotImage::Used {
                    owner,
                    tag,
                    secret,
                    tokens,
                } => (State::Used, owner, tag, secret, tokens),
                SlotImage::Wiping { owner, tag, nonce } => {
                    (State::Wiping(nonce), owner, tag, true, Vec::new())
                }
            };
            let mut held = [0; PAGE_TOKENS as usize];
            if state == State::Used {
                held = tokens
                    .try_into()
                    .map_err(|_| RestoreError("a page's tokens"))?;
            }
            if owner as usize >= self.principals.len() {
                return Err(RestoreError("a page of nobody"));
            }
            self.pages.charge(owner, state != State::Free);
            self.pages.slots.push(Slot {
                state,
                refs: 0,
                secret,
                owner,
                tag,
                tokens: held,
            });
        }
        Ok(())
    }

    /// Reads the spans' tokens from their pages again.
    fn feed(&self, sequence: &mut Sequence) -> Result<(), RestoreError> {
        let segments = &sequence.segments;
        for span in &mut sequence.spans {
            let segment = segments
                .get(span.segment as usize)
                .ok_or(RestoreError("a span outside"))?;
            let end = span
                .start
                .checked_add(span.len)
                .filter(|end| *end <= segment.len);
            end.ok_or(RestoreError("a span outside"))?;
            let tokens = segment.tokens(&self.pages, span.start, span.len);
            Arc::make_mut(span).feed(&tokens);
        }
        sequence.close_between(0, sequence.spans.len().saturating_sub(1));
        Ok(())
    }
}

fn slot_image(slot: &Slot) -> SlotImage {
    let (owner, tag) = (slot.owner, slot.tag);
    match slot.state {
        State::Free => SlotImage::Free { owner, tag },
        State::Used => SlotImage::Used {
            owner,
            tag,
            secret: slot.secret,
            tokens: slot.tokens.to_vec(),
        },
        State::Wiping(nonce) => SlotImage::Wiping { owner, tag, nonce },
    }
}

fn root_image(key: RootKey) -> RootImage {
    match key.share {
        Share::Fleet => (0, [0; 16], 0, key.tag),
        Share::Tenant(salt) => (1, salt.0, 0, key.tag),
        Share::Agent(salt, principal) => (2, salt.0, principal, key.tag),
    }
}

fn root_of((share, salt, principal, tag): RootImage) -> Option<RootKey> {
    let share = match share {
        0 => Share::Fleet,
        1 => Share::Tenant(Salt(salt)),
        2 => Share::Agent(Salt(salt), principal),
        _ => return None,
    };
    Some(RootKey { share, tag })
}

fn node_image(node: &Node) -> NodeImage {
    NodeImage {
        page: node.page.0,
        len: node.len,
        children: node.children.clone(),
        born: node.born,
        class: node.class.to_string(),
        cost: node.cost,
        worth: node.worth,
        tick: node.tick,
    }
}

fn sequence_image(sequence: &Sequence, gaps: &mut GapTable) -> SequenceImage {
    let segment = |s: &Segment| {
        (
            s.group,
            s.base,
            s.len,
            s.computed,
            s.pages.iter().map(|page| page.0).collect(),
        )
    };
    SequenceImage {
        principal: sequence.principal,
        tenant: sequence.tenant.0,
        tag: sequence.tag,
        revision: sequence.revision,
        epoch: sequence.epoch,
        parent: sequence
            .parent
            .map(|parent| (parent.seq.0, parent.revision, parent.next)),
        segments: sequence.segments.iter().map(segment).collect(),
        removed: gaps.of(&sequence.removed),
        spans: sequence
            .spans
            .iter()
            .map(|span| span_image(span, gaps))
            .collect(),
        next: sequence.next,
        groups: sequence.groups,
    }
}

fn span_image(span: &Span, gaps: &mut GapTable) -> SpanImage {
    SpanImage {
        id: span.id.0,
        name: span.name.to_string(),
        kind: span.kind.to_string(),
        taint: span.taint.to_string(),
        standing: span.standing.to_string(),
        row: span.row,
        place: (span.segment, span.start, span.len),
        unseen: gaps.of(&span.unseen),
        unread: gaps.of(&span.unread),
        inexact: span.inexact,
    }
}

fn sequence_of(image: SequenceImage, gaps: &[Gaps]) -> Option<Sequence> {
    let segments = image
        .segments
        .into_iter()
        .map(|(group, base, len, computed, pages)| Segment {
            group,
            base,
            len,
            computed,
            pages: pages.into_iter().map(PageId).collect(),
        });
    let spans: Option<Vec<Arc<Span>>> = image
        .spans
        .into_iter()
        .map(|span| span_of(span, gaps).map(Arc::new))
        .collect();
    Some(Sequence {
        principal: image.principal,
        tenant: Salt(image.tenant),
        tag: image.tag,
        revision: image.revision,
        epoch: image.epoch,
        parent: image.parent.map(|(seq, revision, next)| Parent {
            seq: SeqId(seq),
            revision,
            next,
        }),
        segments: segments.collect(),
        spans: spans?,
        next: image.next,
        removed: gaps.get(image.removed as usize)?.clone(),
        groups: image.groups,
    })
}

fn span_of(image: SpanImage, gaps: &[Gaps]) -> Option<Span> {
    let (segment, start, len) = image.place;
    Some(Span {
        id: SpanId(image.id),
        name: Some(image.name).filter(|name| is_name(name))?.into(),
        kind: Kind::parse(&image.kind)?,
        taint: Taint::parse(&image.taint)?,
        standing: Standing::parse(&image.standing)?,
        row: image.row,
        segment,
        start,
        len,
        unseen: gaps.get(image.unseen as usize)?.clone(),
        unread: gaps.get(image.unread as usize)?.clone(),
        inexact: image.inexact,
        hasher: Sha256::new(),
        closed: None,
    })
}

fn index_of(
    roots: Vec<(RootImage, Vec<u32>)>,
    nodes: Vec<Option<NodeImage>>,
    free: Vec<u32>,
    (clock, floor): (u64, u64),
) -> Result<Index, RestoreError> {
    let mut index = Index {
        free,
        clock,
        floor,
        ..Index::default()
    };
    let empty = nodes.iter().filter(|node| node.is_none()).count();
    if empty != index.free.len() {
        return Err(RestoreError("prefixes"));
    }
    let mut places: BTreeMap<u32, (RootKey, Option<u32>)> = BTreeMap::new();
    let mut waiting: Vec<(u32, RootKey, Option<u32>)> = Vec::new();
    for (key, children) in roots {
        let key = root_of(key).ok_or(RestoreError("a prefix's key"))?;
        waiting.extend(children.iter().map(|child| (*child, key, None)));
        index.roots.insert(key, children);
    }
    while let Some((at, key, parent)) = waiting.pop() {
        if places.insert(at, (key, parent)).is_some() {
            return Err(RestoreError("a prefix in two places"));
        }
        let node = nodes
            .get(at as usize)
            .and_then(Option::as_ref)
            .ok_or(RestoreError("prefixes"))?;
        waiting.extend(node.children.iter().map(|child| (*child, key, Some(at))));
    }
    for (at, node) in (0_u32..).zip(nodes) {
        let Some(node) = node else {
            index.nodes.push(None);
            continue;
        };
        let (root, parent) = *places
            .get(&at)
            .ok_or(RestoreError("a prefix nobody finds"))?;
        let page = PageId(node.page);
        index.held.entry(page).or_default().push(at);
        index.nodes.push(Some(Node {
            root,
            parent,
            page,
            len: node.len,
            children: node.children,
            pins: 0,
            born: node.born,
            class: Priority::parse(&node.class).ok_or(RestoreError("a priority"))?,
            cost: node.cost,
            worth: node.worth,
            tick: node.tick,
        }));
        index.relist(at);
    }
    Ok(index)
}
