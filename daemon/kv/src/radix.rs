//! The prefix index: a tree whose nodes are pages.
//!
//! A node holds one page and the first `len` rows of it; only a full page has children. Children of one node are sorted by
//! their tokens and none begins another, so the one that shares most with a list is a neighbour of where the list would
//! stand. Nothing is ever split: a page that is matched in part is shared in part.
//!
//! What goes first when room is needed: the lowest priority; among equals the lowest worth, which is what its tokens cost
//! to compute plus the worth of the last one that went (greedy dual, so that the cheap and the long unused go first);
//! among equals the one used longest ago.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    command::Command,
    page::Pages,
    words::{PAGE_TOKENS, PageId, Priority, Salt, Token},
};

/// Who may find a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Share {
    Fleet,
    Tenant(Salt),
    Agent(Salt, u32),
}

/// The key of a tree: who, and what made the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RootKey {
    pub(crate) share: Share,
    pub(crate) tag: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) root: RootKey,
    pub(crate) parent: Option<u32>,
    pub(crate) page: PageId,
    pub(crate) len: u32,
    pub(crate) children: Vec<u32>,
    pub(crate) pins: u32,
    /// The clock when it was made: tells it from others that had its number.
    pub(crate) born: u64,
    pub(crate) class: Priority,
    /// What computing its rows costs.
    pub(crate) cost: u64,
    pub(crate) worth: u64,
    pub(crate) tick: u64,
}

/// A place in the order of leaving.
type Rank = (Priority, u64, u64, u32);

/// A page on the way down with the rows of it that match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) node: u32,
    pub(crate) page: PageId,
    pub(crate) rows: u32,
}

/// What a new node is worth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Worth {
    pub(crate) class: Priority,
    pub(crate) token_cost: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) roots: BTreeMap<RootKey, Vec<u32>>,
    pub(crate) nodes: Vec<Option<Node>>,
    pub(crate) free: Vec<u32>,
    /// Nodes that may go, in the order in which they do: no children, no pins.
    pub(crate) leaving: BTreeSet<Rank>,
    /// Nodes of each page; most have one or none.
    pub(crate) held: BTreeMap<PageId, Vec<u32>>,
    pub(crate) clock: u64,
    /// The worth of the last that went.
    pub(crate) floor: u64,
}

fn common(left: &[Token], right: &[Token]) -> usize {
    left.iter()
        .zip(right)
        .take_while(|(left, right)| left == right)
        .count()
}

impl Index {
    pub(crate) fn node(&self, at: u32) -> Option<&Node> {
        self.nodes.get(at as usize)?.as_ref()
    }

    fn node_mut(&mut self, at: u32) -> Option<&mut Node> {
        self.nodes.get_mut(at as usize)?.as_mut()
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    pub(crate) fn has_agent(&self, principal: u32) -> bool {
        self.roots
            .keys()
            .any(|key| matches!(key.share, Share::Agent(_, agent) if agent == principal))
    }

    fn children(&self, root: RootKey, parent: Option<u32>) -> &[u32] {
        match parent {
            Some(at) => self.node(at).map_or(&[], |node| &node.children),
            None => self.roots.get(&root).map_or(&[], Vec::as_slice),
        }
    }

    /// The child that shares most with the list: where it stands among its siblings, its number, and how much.
    fn nearest(
        &self,
        pages: &Pages,
        children: &[u32],
        rest: &[Token],
    ) -> (usize, Option<(u32, usize)>) {
        let held = |at: &u32| {
            self.node(*at)
                .map_or(&[][..], |node| pages.tokens(node.page, node.len))
        };
        let page = rest.get(..PAGE_TOKENS as usize).unwrap_or(rest);
        let stand = children.partition_point(|at| held(at) < page);
        let before = stand.checked_sub(1).and_then(|at| children.get(at));
        let best = [before, children.get(stand)]
            .into_iter()
            .flatten()
            .map(|at| (*at, common(held(at), page)))
            .max_by_key(|(_, shared)| *shared)
            .filter(|(_, shared)| *shared > 0);
        (stand, best)
    }

    /// The pages that hold the longest part of the list.
    pub(crate) fn find(&self, pages: &Pages, root: RootKey, tokens: &[Token]) -> Vec<Step> {
        let mut steps = Vec::new();
        let (mut parent, mut rest) = (None, tokens);
        loop {
            let children = self.children(root, parent);
            let Some((node, shared)) = self.nearest(pages, children, rest).1 else {
                break;
            };
            let Some(page) = self.node(node).map(|node| node.page) else {
                break;
            };
            let rows = u32::try_from(shared).unwrap_or(0);
            steps.push(Step { node, page, rows });
            rest = rest.get(shared..).unwrap_or_default();
            if rows < PAGE_TOKENS || rest.is_empty() {
                break;
            }
            parent = Some(node);
        }
        steps
    }

    /// Marks a way down as used now.
    pub(crate) fn touch(&mut self, steps: &[Step]) {
        self.clock += 1;
        let (clock, floor) = (self.clock, self.floor);
        for step in steps {
            self.unlist(step.node);
            if let Some(node) = self.node_mut(step.node) {
                node.tick = clock;
                node.worth = floor.saturating_add(node.cost);
            }
            self.list(step.node);
        }
    }

    fn rank(&self, at: u32) -> Option<Rank> {
        let node = self.node(at)?;
        let may_go = node.children.is_empty() && node.pins == 0;
        may_go.then_some((node.class, node.worth, node.tick, at))
    }

    fn unlist(&mut self, at: u32) {
        if let Some(rank) = self.rank(at) {
            self.leaving.remove(&rank);
        }
    }

    /// Lists a node that was put where it is by hand.
    pub(crate) fn relist(&mut self, at: u32) {
        self.list(at);
    }

    fn list(&mut self, at: u32) {
        if let Some(rank) = self.rank(at) {
            self.leaving.insert(rank);
        }
    }

    pub(crate) fn pin(&mut self, at: u32) {
        self.unlist(at);
        if let Some(node) = self.node_mut(at) {
            node.pins += 1;
        }
    }

    pub(crate) fn unpin(&mut self, at: u32) {
        self.unlist(at);
        if let Some(node) = self.node_mut(at) {
            node.pins = node.pins.saturating_sub(1);
        }
        self.list(at);
    }

    /// Adds the rows of `page` below `parent`. Answers the node that holds them, and the page it holds them in, which is
    /// another when the rows were there already. The index takes a reference of a page it begins to hold.
    pub(crate) fn insert(
        &mut self,
        pages: &mut Pages,
        place: (RootKey, Option<u32>),
        page: (PageId, u32),
        worth: Worth,
        outbox: &mut Vec<Command>,
    ) -> (u32, PageId) {
        let ((root, parent), (page, len)) = (place, page);
        let tokens = pages.tokens(page, len);
        let (stand, best) = self.nearest(pages, self.children(root, parent), tokens);
        if let Some((at, shared)) = best
            && let Some((held_page, held)) = self.node(at).map(|node| (node.page, node.len))
        {
            if shared == len as usize {
                self.unlist(at);
                if let Some(node) = self.node_mut(at) {
                    node.class = node.class.max(worth.class);
                }
                self.list(at);
                return (at, held_page);
            }
            if shared == held as usize {
                // The longer page holds all the shorter one does.
                self.swap(pages, at, (page, len), worth, outbox);
                return (at, page);
            }
        }
        self.unlist_parent(parent);
        self.clock += 1;
        let cost = u64::from(len) * u64::from(worth.token_cost);
        let at = self.put(Node {
            root,
            parent,
            page,
            len,
            children: Vec::new(),
            pins: 0,
            born: self.clock,
            class: worth.class,
            cost,
            worth: self.floor.saturating_add(cost),
            tick: self.clock,
        });
        let siblings = match parent {
            Some(parent) => self.node_mut(parent).map(|node| &mut node.children),
            None => Some(self.roots.entry(root).or_default()),
        };
        if let Some(siblings) = siblings {
            siblings.insert(stand.min(siblings.len()), at);
        }
        pages.retain(page);
        self.held.entry(page).or_default().push(at);
        self.list(at);
        (at, page)
    }

    fn unlist_parent(&mut self, parent: Option<u32>) {
        if let Some(parent) = parent {
            self.unlist(parent);
        }
    }

    fn put(&mut self, node: Node) -> u32 {
        if let Some(at) = self.free.pop() {
            if let Some(slot) = self.nodes.get_mut(at as usize) {
                *slot = Some(node);
            }
            return at;
        }
        let at = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        self.nodes.push(Some(node));
        at
    }

    fn swap(
        &mut self,
        pages: &mut Pages,
        at: u32,
        (page, len): (PageId, u32),
        worth: Worth,
        outbox: &mut Vec<Command>,
    ) {
        self.unlist(at);
        let floor = self.floor;
        let Some(node) = self.node_mut(at) else {
            return;
        };
        let old = std::mem::replace(&mut node.page, page);
        node.len = len;
        node.cost = u64::from(len) * u64::from(worth.token_cost);
        node.worth = floor.saturating_add(node.cost);
        node.class = node.class.max(worth.class);
        self.unhold(old, at);
        self.held.entry(page).or_default().push(at);
        pages.retain(page);
        pages.release(old, outbox);
        self.list(at);
    }

    fn unhold(&mut self, page: PageId, at: u32) {
        if let Some(nodes) = self.held.get_mut(&page) {
            nodes.retain(|node| *node != at);
            if nodes.is_empty() {
                self.held.remove(&page);
            }
        }
    }

    /// Takes a node and all below it out, held or not. Answers how many went.
    pub(crate) fn cut(&mut self, pages: &mut Pages, at: u32, outbox: &mut Vec<Command>) -> u32 {
        self.detach(at);
        let mut waiting = vec![at];
        let mut gone = 0;
        while let Some(at) = waiting.pop() {
            self.unlist(at);
            let Some(node) = self.nodes.get_mut(at as usize).and_then(Option::take) else {
                continue;
            };
            self.free.push(at);
            self.unhold(node.page, at);
            pages.release(node.page, outbox);
            waiting.extend(node.children);
            gone += 1;
        }
        gone
    }

    /// Takes a node out of the list of its siblings.
    fn detach(&mut self, at: u32) {
        let Some((root, parent)) = self.node(at).map(|node| (node.root, node.parent)) else {
            return;
        };
        match parent {
            Some(parent) => {
                if let Some(node) = self.node_mut(parent) {
                    node.children.retain(|child| *child != at);
                }
                self.list(parent);
            }
            None => {
                if let Some(children) = self.roots.get_mut(&root) {
                    children.retain(|child| *child != at);
                    if children.is_empty() {
                        self.roots.remove(&root);
                    }
                }
            }
        }
    }

    /// Lets the next node go whose page nobody else holds, of one payer or of any. `None` when there is none.
    pub(crate) fn evict(
        &mut self,
        pages: &mut Pages,
        payer: Option<u32>,
        outbox: &mut Vec<Command>,
    ) -> Option<PageId> {
        let (at, worth) = self.leaving.iter().find_map(|&(_, worth, _, at)| {
            let slot = pages.get(self.node(at)?.page)?;
            let theirs = payer.is_none_or(|payer| slot.owner == payer);
            // Several nodes may hold one page, for several who may find it.
            let only_here = self.held.get(&self.node(at)?.page)?.len() == slot.refs as usize;
            (only_here && theirs).then_some((at, worth))
        })?;
        let page = self.node(at)?.page;
        self.floor = self.floor.max(worth);
        self.cut(pages, at, outbox);
        Some(page)
    }
}
