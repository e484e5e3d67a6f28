//! Memory in whole cache lines.

use half::f16;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Zeroed bytes that begin on a cache line.
#[derive(Default)]
pub(crate) struct Lines {
    lines: Vec<Line>,
}

impl Lines {
    /// At least `bytes` zero bytes.
    pub(crate) fn zeroed(bytes: usize) -> Lines {
        Lines {
            lines: vec![Line([0; 64]); bytes.div_ceil(64)],
        }
    }

    /// Makes room for `bytes`; what was there may be lost.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        if self.lines.len() * 64 < bytes {
            *self = Lines::zeroed(bytes);
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.lines.len() * 64
    }

    pub(crate) fn as_ptr(&self) -> *const u8 {
        self.lines.as_ptr().cast()
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut u8 {
        self.lines.as_mut_ptr().cast()
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        // SAFETY: the lines are contiguous bytes without padding, and live as long as the borrow.
        unsafe { std::slice::from_raw_parts(self.as_ptr(), self.bytes()) }
    }
}

/// A pointer that several threads write through, each to places of its own.
#[derive(Clone, Copy)]
pub(crate) struct Shared<T>(pub *mut T);

// SAFETY: whoever makes one gives every unit of work places that no other unit touches.
unsafe impl<T> Sync for Shared<T> {}
// SAFETY: as above.
unsafe impl<T> Send for Shared<T> {}

impl<T> Shared<T> {
    /// The pointer, moved by `offset`.
    ///
    /// # Safety
    /// The place lies in the allocation.
    pub(crate) unsafe fn at(self, offset: usize) -> *mut T {
        // SAFETY: by the promise above.
        unsafe { self.0.add(offset) }
    }
}

/// Little-endian binary16 bits of `x`, rounded to nearest, held within the finite range.
pub(crate) fn half_bits(x: f32) -> u16 {
    f16::from_f32(x.clamp(-65_504.0, 65_504.0)).to_bits()
}
