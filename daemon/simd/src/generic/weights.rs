//! How each kind of panel gives its numbers to the lanes.
//!
//! A panel is sixteen rows of a matrix. Thirty-two columns of it are eight groups of four; one group is one vector of bytes,
//! four for each row. Where nibbles are packed, chunk `c` holds group `c` in its low nibbles and group `c + 4` in its high
//! ones, so that one load gives both.

use crate::{
    kind::{Layout, WeightKind},
    vector::Vector,
};

/// Where the parts of 32 columns of one panel are.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub head: *const u8,
    pub scale: *const u8,
    pub chunks: *const u8,
    /// From one chunk to the next.
    pub step: usize,
    pub above: *const u8,
}

/// A quantised panel.
///
/// # Safety
/// Places are those of whole blocks of the format; vectors need their instruction set enabled.
pub(crate) trait Format {
    /// Where the parts of a block lie.
    const LAYOUT: Layout;
    /// Whether numbers carry a bias of 128 and fill the byte; else they are below 64.
    const BIASED: bool;
    /// Shift that turns -128 sums into the correction for the zero point; `None` when it is zero.
    const ZERO_SHIFT: Option<u32>;
    /// Whether there is a minimum beside the scale.
    const MINS: bool;
    /// Whether columns 0 to 15 and 16 to 31 have scales of their own.
    const HALVES: bool;

    /// Chunk `chunk` of 32 columns: groups `chunk` and `chunk + 4`.
    unsafe fn chunk<V: Vector>(place: Place, chunk: usize) -> (V::B, V::B);
    /// The scale, and the minimum or the scale of the second half. Without either, the scale twice.
    unsafe fn scales<V: Vector>(place: Place) -> (V::F, V::F);

    /// Where 32 columns of panel `p` lie in a group of `group` panels.
    #[inline(always)]
    unsafe fn place(base: *const u8, group: usize, p: usize, b: usize) -> Place {
        let layout = Self::LAYOUT;
        let places = layout.places(group, p, b % layout.subs);
        // SAFETY: the block lies in the group, by the caller's promise.
        unsafe {
            let block = base.add(b / layout.subs * group * layout.bytes());
            Place {
                head: block.add(places.head),
                scale: block.add(places.scale),
                chunks: block.add(places.chunks),
                step: places.step,
                above: block.add(places.above),
            }
        }
    }
}

/// Joins bits of `x` from position `shift` to the nibble. `shift` is known once loops are unrolled.
#[inline(always)]
unsafe fn join<V: Vector>(nibble: V::B, x: V::B, mask: u8, shift: usize) -> V::B {
    // SAFETY: the caller's own promise.
    unsafe {
        match shift {
            0 => V::join::<0>(nibble, x, mask),
            1 => V::join::<1>(nibble, x, mask),
            2 => V::join::<2>(nibble, x, mask),
            3 => V::join::<3>(nibble, x, mask),
            4 => V::join::<4>(nibble, x, mask),
            5 => V::join::<5>(nibble, x, mask),
            6 => V::join::<6>(nibble, x, mask),
            _ => V::join::<7>(nibble, x, mask),
        }
    }
}

/// Whole bytes: the two groups of a chunk side by side.
#[inline(always)]
unsafe fn whole<V: Vector>(place: Place, chunk: usize) -> (V::B, V::B) {
    // SAFETY: four chunks of 128 bytes, by the caller's promise.
    unsafe {
        let at = place.chunks.add(chunk * place.step);
        (V::bytes(at), V::bytes(at.add(64)))
    }
}

/// Nibbles, and with `FIVE` the fifth bits.
#[inline(always)]
unsafe fn nibbles<V: Vector, const FIVE: bool>(place: Place, chunk: usize) -> (V::B, V::B) {
    // SAFETY: four chunks of 64 bytes, and 64 above, by the caller's promise.
    unsafe {
        let both = V::bytes(place.chunks.add(chunk * place.step));
        let (low, high) = (V::low(both), V::high(both));
        if !FIVE {
            return (low, high);
        }
        let fifth = V::bytes(place.above);
        (
            join::<V>(low, fifth, 1, chunk),
            join::<V>(high, fifth, 1, chunk + 4),
        )
    }
}

/// Sixteen binary16 scales; 512 biased bytes.
pub(crate) struct Q8;

impl Format for Q8 {
    const LAYOUT: Layout = WeightKind::Q8_0.layout();
    const BIASED: bool = true;
    const ZERO_SHIFT: Option<u32> = Some(0);
    const MINS: bool = false;
    const HALVES: bool = false;

    #[inline(always)]
    unsafe fn chunk<V: Vector>(place: Place, chunk: usize) -> (V::B, V::B) {
        // SAFETY: passed on to the caller.
        unsafe { whole::<V>(place, chunk) }
    }
    #[inline(always)]
    unsafe fn scales<V: Vector>(place: Place) -> (V::F, V::F) {
        // SAFETY: as above.
        unsafe {
            let scale = V::load_f16(place.scale);
            (scale, scale)
        }
    }
}

/// Four or five bits with one scale, and perhaps one minimum, for 32 columns.
pub(crate) struct Small<const FIVE: bool, const MINS: bool>;

impl<const FIVE: bool, const MINS: bool> Format for Small<FIVE, MINS> {
    const LAYOUT: Layout = match (FIVE, MINS) {
        (false, false) => WeightKind::Q4_0,
        (false, true) => WeightKind::Q4_1,
        (true, false) => WeightKind::Q5_0,
        (true, true) => WeightKind::Q5_1,
    }
    .layout();
    const BIASED: bool = false;
    const ZERO_SHIFT: Option<u32> = match (MINS, FIVE) {
        (true, _) => None,
        // 8 is 128 / 16, and 16 is 128 / 8.
        (false, false) => Some(4),
        (false, true) => Some(3),
    };
    const MINS: bool = MINS;
    const HALVES: bool = false;

    #[inline(always)]
    unsafe fn chunk<V: Vector>(place: Place, chunk: usize) -> (V::B, V::B) {
        // SAFETY: passed on to the caller.
        unsafe { nibbles::<V, FIVE>(place, chunk) }
    }
    #[inline(always)]
    unsafe fn scales<V: Vector>(place: Place) -> (V::F, V::F) {
        // SAFETY: as above.
        unsafe {
            let scale = V::load_f16(place.scale);
            let min = if MINS {
                V::load_f16(place.scale.add(32))
            } else {
                scale
            };
            (scale, min)
        }
    }
}

/// Four or five bits in eight sub-blocks: in the head scales and minimums of all, beside each 32 columns sixteen byte
/// scales and sixteen byte minimums.
pub(crate) struct Super<const FIVE: bool>;

impl<const FIVE: bool> Format for Super<FIVE> {
    const LAYOUT: Layout = if FIVE {
        WeightKind::Q5K.layout()
    } else {
        WeightKind::Q4K.layout()
    };
    const BIASED: bool = false;
    const ZERO_SHIFT: Option<u32> = None;
    const MINS: bool = true;
    const HALVES: bool = false;

    #[inline(always)]
    unsafe fn chunk<V: Vector>(place: Place, chunk: usize) -> (V::B, V::B) {
        // SAFETY: passed on to the caller.
        unsafe { nibbles::<V, FIVE>(place, chunk) }
    }
    #[inline(always)]
    unsafe fn scales<V: Vector>(place: Place) -> (V::F, V::F) {
        // SAFETY: as above.
        unsafe {
            let scale = V::mul(V::load_f16(place.head), V::load_u8(place.scale));
            let min = V::mul(
                V::load_f16(place.head.add(32)),
                V::load_u8(place.scale.add(16)),
            );
            (scale, V::sub(V::splat(0.0), min))
        }
    }
}

/// Six bits in sixteen sub-blocks: in the head the scales of all, beside each 32 columns two rows of signed byte scales,
/// behind the nibbles the pairs above them.
pub(crate) struct Six;

impl Format for Six {
    const LAYOUT: Layout = WeightKind::Q6K.layout();
    const BIASED: bool = false;
    const ZERO_SHIFT: Option<u32> = Some(2);
    const MINS: bool = false;
    const HALVES: bool = true;

    #[inline(always)]
    unsafe fn chunk<V: Vector>(place: Place, chunk: usize) -> (V::B, V::B) {
        // SAFETY: passed on to the caller.
        unsafe {
            let both = V::bytes(place.chunks.add(chunk * place.step));
            // One vector of pairs serves groups 0 to 3, the next groups 4 to 7.
            let first = V::bytes(place.above);
            let second = V::bytes(place.above.add(64));
            (
                join::<V>(V::low(both), first, 3, chunk * 2),
                join::<V>(V::high(both), second, 3, chunk * 2),
            )
        }
    }
    #[inline(always)]
    unsafe fn scales<V: Vector>(place: Place) -> (V::F, V::F) {
        // SAFETY: as above.
        unsafe {
            let all = V::load_f16(place.head);
            (
                V::mul(all, V::load_i8(place.scale)),
                V::mul(all, V::load_i8(place.scale.add(16))),
            )
        }
    }
}

/// A panel of another format, unpacked once for many rows: two vectors of scales, 512 bytes.
pub(crate) struct Open<W>(std::marker::PhantomData<W>);

/// Bytes an unpacked block of 32 columns takes.
pub(crate) const OPEN_BYTES: usize = 640;

impl<W: Format> Format for Open<W> {
    const LAYOUT: Layout = Layout {
        head: 0,
        scale: 128,
        chunk: 128,
        above: 0,
        subs: 1,
    };
    const BIASED: bool = W::BIASED;
    const ZERO_SHIFT: Option<u32> = W::ZERO_SHIFT;
    const MINS: bool = W::MINS;
    const HALVES: bool = W::HALVES;

    #[inline(always)]
    unsafe fn chunk<V: Vector>(place: Place, chunk: usize) -> (V::B, V::B) {
        // SAFETY: passed on to the caller.
        unsafe { whole::<V>(place, chunk) }
    }
    #[inline(always)]
    unsafe fn scales<V: Vector>(place: Place) -> (V::F, V::F) {
        // SAFETY: as above.
        unsafe {
            let at = place.scale.cast();
            (V::load(at), V::load(at.add(16)))
        }
    }
}

/// Unpacks `blocks` blocks of 32 columns of panel `p`.
///
/// # Safety
/// The group at `base` has `group` panels of so many blocks, `to` has room for [`OPEN_BYTES`] each.
#[inline(always)]
pub(crate) unsafe fn open<V: Vector, W: Format>(
    base: *const u8,
    (group, p): (usize, usize),
    blocks: usize,
    to: *mut u8,
) {
    // SAFETY: every block lies in both, by the promise above.
    unsafe {
        for b in 0..blocks {
            let place = W::place(base, group, p, b);
            let block = to.add(b * OPEN_BYTES);
            let (first, second) = W::scales::<V>(place);
            V::store(block.cast(), first);
            V::store(block.add(64).cast(), second);
            for chunk in 0..4 {
                let (low, high) = W::chunk::<V>(place, chunk);
                V::store_bytes(block.add(128 + chunk * 128), low);
                V::store_bytes(block.add(192 + chunk * 128), high);
            }
        }
    }
}

/// A panel of plain numbers: one vector for each column.
///
/// # Safety
/// As for [`Format`].
pub(crate) trait Plain {
    /// Bytes of one column.
    const BYTES: usize;
    /// Column at `at`, widened exactly.
    unsafe fn column<V: Vector>(at: *const u8) -> V::F;
}

/// binary32 columns.
pub(crate) struct Single;
/// binary16 columns.
pub(crate) struct Half;
/// bfloat16 columns.
pub(crate) struct Brain;

impl Plain for Single {
    const BYTES: usize = 64;
    #[inline(always)]
    unsafe fn column<V: Vector>(at: *const u8) -> V::F {
        // SAFETY: the column lies in the panel, by the trait's promise.
        unsafe { V::load(at.cast()) }
    }
}
impl Plain for Half {
    const BYTES: usize = 32;
    #[inline(always)]
    unsafe fn column<V: Vector>(at: *const u8) -> V::F {
        // SAFETY: as above.
        unsafe { V::load_f16(at) }
    }
}
impl Plain for Brain {
    const BYTES: usize = 32;
    #[inline(always)]
    unsafe fn column<V: Vector>(at: *const u8) -> V::F {
        // SAFETY: as above.
        unsafe { V::load_bf16(at) }
    }
}
