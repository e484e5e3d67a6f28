//! Memory for keys and values: how a page is laid out, what the forward pass asks of its owner, and a simple owner.

use fak_gguf::ModelConfig;
use fak_simd::{KvKind, KvShape, PAGE_TOKENS};

/// How a page lies: for each layer, for each key-value head, one block of 64 tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvLayout {
    shape: KvShape,
    layers: usize,
    kv_heads: usize,
}

impl KvLayout {
    pub(crate) fn new(config: &ModelConfig, kind: KvKind) -> Option<KvLayout> {
        Some(KvLayout {
            shape: KvShape::new(kind, config.heads.key_dim as usize)?,
            layers: config.layers as usize,
            kv_heads: config.heads.kv as usize,
        })
    }

    /// Keys and values of one head.
    #[must_use]
    pub fn shape(&self) -> KvShape {
        self.shape
    }

    /// Bytes of one page, which holds [`PAGE_TOKENS`] tokens of all layers.
    #[must_use]
    pub fn page_bytes(&self) -> usize {
        self.layers * self.layer_bytes()
    }

    /// Bytes of one layer of a page.
    pub(crate) fn layer_bytes(&self) -> usize {
        self.kv_heads * self.shape.block_bytes()
    }
}

/// Who owns the pages. Pages are numbered by their owner; each has [`KvLayout::page_bytes`] bytes.
///
/// What a page holds beyond the rows of the views that list it does not matter, and is not read into any result.
pub trait KvMemory {
    /// A page's bytes; `None` when there is no such page.
    fn page(&self, page: u32) -> Option<&[u8]>;
    /// The same to write. The forward pass writes the new rows of a batch and nothing else.
    fn page_mut(&mut self, page: u32) -> Option<&mut [u8]>;
}

/// Leading rows of a page that a sequence sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageView {
    /// The page.
    pub page: u32,
    /// How many of its rows, 1 to 64.
    pub rows: u32,
}

/// Pages in memory of this process, counted.
#[derive(Debug)]
pub struct KvPages {
    page_bytes: usize,
    pages_max: usize,
    /// Bytes, and how many lists hold the page.
    pages: Vec<(Vec<u8>, usize)>,
    free: Vec<u32>,
}

impl KvMemory for KvPages {
    fn page(&self, page: u32) -> Option<&[u8]> {
        self.pages.get(page as usize).map(|(bytes, _)| &**bytes)
    }

    fn page_mut(&mut self, page: u32) -> Option<&mut [u8]> {
        self.pages
            .get_mut(page as usize)
            .map(|(bytes, _)| &mut **bytes)
    }
}

/// There is no page left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no page of keys and values is left")]
pub struct KvFull;

impl KvPages {
    /// Room for at most `pages_max` pages of a layout; memory is taken as it is needed.
    #[must_use]
    pub fn new(layout: &KvLayout, pages_max: usize) -> KvPages {
        KvPages {
            page_bytes: layout.page_bytes(),
            pages_max: pages_max.min(u32::MAX as usize),
            pages: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Pages some list holds.
    #[must_use]
    pub fn used(&self) -> usize {
        self.pages.len() - self.free.len()
    }

    fn take(&mut self) -> Result<u32, KvFull> {
        let page = match self.free.pop() {
            Some(page) => page,
            None if self.pages.len() < self.pages_max => {
                self.pages.push((vec![0; self.page_bytes], 0));
                u32::try_from(self.pages.len() - 1).map_err(|_| KvFull)?
            }
            None => return Err(KvFull),
        };
        self.hold(page);
        Ok(page)
    }

    fn hold(&mut self, page: u32) {
        if let Some((_, held)) = self.pages.get_mut(page as usize) {
            *held += 1;
        }
    }

    fn let_go(&mut self, page: u32) {
        if let Some((bytes, held)) = self.pages.get_mut(page as usize)
            && *held > 0
        {
            *held -= 1;
            if *held == 0 {
                bytes.fill(0);
                self.free.push(page);
            }
        }
    }

    fn is_shared(&self, page: u32) -> bool {
        self.pages
            .get(page as usize)
            .is_some_and(|(_, held)| *held > 1)
    }

    fn copy(&mut self, from: u32) -> Result<u32, KvFull> {
        let to = self.take()?;
        let bytes = self.page(from).map(<[u8]>::to_vec).unwrap_or_default();
        if let Some(page) = self.page_mut(to) {
            page.copy_from_slice(&bytes);
        }
        Ok(to)
    }
}

/// The pages of one sequence in a [`KvPages`], its tokens one behind the other.
#[derive(Debug, Default)]
pub struct PageList {
    views: Vec<PageView>,
}

impl PageList {
    /// A list of nothing.
    #[must_use]
    pub fn new() -> PageList {
        PageList::default()
    }

    /// The pages, in order.
    #[must_use]
    pub fn views(&self) -> &[PageView] {
        &self.views
    }

    /// Tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.views.iter().map(|view| view.rows as usize).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    /// Makes room for `tokens` more. A partial last page that another list holds too is copied first.
    ///
    /// # Errors
    /// When pages run out; what was added stays, and [`PageList::truncate`] takes it off.
    pub fn extend(&mut self, pages: &mut KvPages, tokens: usize) -> Result<(), KvFull> {
        for _ in 0..tokens {
            match self.views.last_mut() {
                Some(last) if (last.rows as usize) < PAGE_TOKENS => {
                    if pages.is_shared(last.page) {
                        let own = pages.copy(last.page)?;
                        pages.let_go(last.page);
                        last.page = own;
                    }
                    last.rows += 1;
                }
                _ => {
                    let page = pages.take()?;
                    self.views.push(PageView { page, rows: 1 });
                }
            }
        }
        Ok(())
    }

    /// A second list of the same tokens, which shares all pages until one of the two writes.
    #[must_use]
    pub fn fork(&self, pages: &mut KvPages) -> PageList {
        for view in &self.views {
            pages.hold(view.page);
        }
        PageList {
            views: self.views.clone(),
        }
    }

    /// Keeps the first `tokens` and lets go of pages beyond.
    pub fn truncate(&mut self, pages: &mut KvPages, tokens: usize) {
        let mut left = tokens;
        self.views.retain_mut(|view| {
            let keep = left.min(view.rows as usize);
            left -= keep;
            if keep == 0 {
                pages.let_go(view.page);
            } else {
                view.rows = u32::try_from(keep).unwrap_or(view.rows);
            }
            keep > 0
        });
    }
}
