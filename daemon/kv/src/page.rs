//! Pages: who holds how many references, which tokens they hold, and which must be zeroed before they are used again.

use crate::{
    command::{Command, Wipe},
    error::NotOwed,
    words::{PAGE_TOKENS, PageId, Token},
};

const ROWS: usize = PAGE_TOKENS as usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Free,
    Used,
    /// Waits for the zeroing of this number.
    Wiping(u64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) state: State,
    pub(crate) refs: u32,
    /// Held rows of a span that was not admitted. Stays until the page was zeroed.
    pub(crate) secret: bool,
    /// Who wrote it and pays for it until it is free.
    pub(crate) owner: u32,
    pub(crate) tag: u16,
    pub(crate) tokens: [Token; ROWS],
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pages {
    /// Slots grow with use, up to the capacity.
    pub(crate) slots: Vec<Slot>,
    pub(crate) capacity: u32,
    /// The last freed is used first.
    pub(crate) free: Vec<PageId>,
    /// Pages each principal pays for.
    pub(crate) charged: Vec<u32>,
    pub(crate) nonce: u64,
}

impl Pages {
    pub(crate) fn new(capacity: u32) -> Self {
        Self {
            capacity,
            ..Self::default()
        }
    }

    pub(crate) fn get(&self, page: PageId) -> Option<&Slot> {
        self.slots.get(page.0 as usize)
    }

    fn get_mut(&mut self, page: PageId) -> Option<&mut Slot> {
        self.slots.get_mut(page.0 as usize)
    }

    pub(crate) fn refs(&self, page: PageId) -> u32 {
        self.get(page).map_or(0, |slot| slot.refs)
    }

    pub(crate) fn tokens(&self, page: PageId, rows: u32) -> &[Token] {
        self.get(page)
            .and_then(|slot| slot.tokens.get(..rows as usize))
            .unwrap_or_default()
    }

    /// Pages that could be taken now.
    pub(crate) fn free(&self) -> u32 {
        let grown = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        let listed = u32::try_from(self.free.len()).unwrap_or(u32::MAX);
        listed.saturating_add(self.capacity.saturating_sub(grown))
    }

    pub(crate) fn charged(&self, owner: u32) -> u32 {
        self.charged.get(owner as usize).copied().unwrap_or(0)
    }

    /// A page with one reference.
    pub(crate) fn take(&mut self, owner: u32, tag: u16) -> Option<PageId> {
        let slot = Slot {
            state: State::Used,
            refs: 1,
            secret: false,
            owner,
            tag,
            tokens: [0; ROWS],
        };
        let page = match self.free.pop() {
            Some(page) => {
                *self.get_mut(page)? = slot;
                page
            }
            None => {
                let next = u32::try_from(self.slots.len())
                    .ok()
                    .filter(|n| *n < self.capacity)?;
                self.slots.push(slot);
                PageId(next)
            }
        };
        self.charge(owner, true);
        Some(page)
    }

    /// Counts a page for who pays for it.
    pub(crate) fn charge(&mut self, owner: u32, pays: bool) {
        let owner = owner as usize;
        if self.charged.len() <= owner {
            self.charged.resize(owner + 1, 0);
        }
        if let Some(charged) = self.charged.get_mut(owner) {
            *charged += u32::from(pays);
        }
    }

    pub(crate) fn retain(&mut self, page: PageId) {
        if let Some(slot) = self.get_mut(page) {
            slot.refs = slot.refs.saturating_add(1);
        }
    }

    /// Gives one reference back; the last one frees the page, or asks for its zeroing first.
    pub(crate) fn release(&mut self, page: PageId, outbox: &mut Vec<Command>) {
        let nonce = self.nonce;
        let Some(slot) = self.get_mut(page).filter(|slot| slot.state == State::Used) else {
            return;
        };
        slot.refs = slot.refs.saturating_sub(1);
        if slot.refs > 0 {
            return;
        }
        slot.tokens = [0; ROWS];
        if slot.secret {
            slot.state = State::Wiping(nonce);
            self.nonce += 1;
            outbox.push(Command::Zero(Wipe { page, nonce }));
        } else {
            self.freed(page);
        }
    }

    fn freed(&mut self, page: PageId) {
        let Some(slot) = self.get_mut(page) else {
            return;
        };
        slot.state = State::Free;
        slot.secret = false;
        let owner = slot.owner as usize;
        self.free.push(page);
        if let Some(charged) = self.charged.get_mut(owner) {
            *charged = charged.saturating_sub(1);
        }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "handing it back is what frees the page"
    )]
    pub(crate) fn zeroed(&mut self, wipe: Wipe) -> Result<(), NotOwed> {
        let waiting = self.get(wipe.page).map(|slot| slot.state);
        if waiting != Some(State::Wiping(wipe.nonce)) {
            return Err(NotOwed);
        }
        self.freed(wipe.page);
        Ok(())
    }

    /// Every zeroing that is due, issued anew.
    pub(crate) fn owed(&mut self) -> Vec<Wipe> {
        let mut owed = Vec::new();
        for (number, slot) in (0..).zip(&mut self.slots) {
            if matches!(slot.state, State::Wiping(_)) {
                slot.state = State::Wiping(self.nonce);
                owed.push(Wipe {
                    page: PageId(number),
                    nonce: self.nonce,
                });
                self.nonce += 1;
            }
        }
        owed
    }

    pub(crate) fn mark_secret(&mut self, page: PageId) {
        if let Some(slot) = self.get_mut(page) {
            slot.secret = true;
        }
    }

    pub(crate) fn is_secret(&self, page: PageId) -> bool {
        self.get(page).is_some_and(|slot| slot.secret)
    }

    /// Writes tokens from a row on; the caller has seen to it that they fit and that nobody else holds the page.
    pub(crate) fn write(&mut self, page: PageId, row: u32, tokens: &[Token]) {
        let rows = self.get_mut(page).and_then(|slot| {
            slot.tokens
                .get_mut(row as usize..row as usize + tokens.len())
        });
        if let Some(rows) = rows {
            rows.copy_from_slice(tokens);
        }
    }

    /// Copies the first rows' tokens.
    pub(crate) fn copy(&mut self, from: PageId, to: PageId, rows: u32) {
        let Some(tokens) = self.get(from).map(|slot| slot.tokens) else {
            return;
        };
        self.write(to, 0, tokens.get(..rows as usize).unwrap_or_default());
    }
}
