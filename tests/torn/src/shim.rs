//! The file layer between SQLite and its own for Unix.
//!
//! It is SQLite's own in everything but this: a file in a directory that is recorded has a table of methods in which
//! writing, truncating, syncing and closing tell the tape before they do what they did. The tape is found behind the
//! file's own bytes, in the room asked for in `szOsFile`.

#![expect(
    unsafe_code,
    reason = "SQLite takes a file layer as C function pointers, and there is no safe way to hand it one"
)]

use std::{
    ffi::{CStr, OsStr, c_char, c_int, c_void},
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    ptr::null_mut,
    sync::{
        Arc, Once, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use rusqlite::ffi;

use crate::tape::{Device, Node, Tape};

/// SQLite's own file layer.
struct Stock(*mut ffi::sqlite3_vfs);

// SAFETY: SQLite keeps the layer for as long as the process lives and never writes to it, and its functions may be
// called from any thread.
unsafe impl Send for Stock {}
// SAFETY: as above.
unsafe impl Sync for Stock {}

static STOCK: OnceLock<Stock> = OnceLock::new();

/// What stands behind an open file that is recorded.
struct Watch {
    tape: Arc<Tape>,
    node: Node,
    /// Whether the next sync of the file also syncs the directory, as SQLite's own layer does for a new log.
    new_name: AtomicBool,
    /// Whether SQLite has done nothing yet to a log it opened.
    untouched: AtomicBool,
    stock: *const ffi::sqlite3_io_methods,
    methods: ffi::sqlite3_io_methods,
}

impl Watch {
    /// Tells the tape what was done to a log past SQLite, before SQLite does the first thing.
    fn touch(&self) {
        if self.untouched.swap(false, Ordering::SeqCst) {
            self.tape.look_past(self.node);
        }
    }
}

/// Makes the recording layer the default of this process, once.
///
/// # Panics
/// When SQLite has no layer for Unix.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the name is a C string; the function takes SQLite's own lock.
        let stock = unsafe { ffi::sqlite3_vfs_find(c"unix".as_ptr()) };
        assert!(!stock.is_null(), "SQLite has a file layer for Unix");
        STOCK.get_or_init(|| Stock(stock));
        // SAFETY: `stock` is a layer SQLite registered: sound, and there until the process ends. The type is a plain
        // C struct, so a copy is a layer too.
        let mut layer = unsafe { stock.read() };
        layer.zName = c"torn".as_ptr();
        layer.pNext = null_mut();
        layer.szOsFile += c_int::try_from(size_of::<*mut Watch>()).expect("a small size");
        layer.xOpen = Some(open);
        layer.xDelete = Some(delete);
        let layer = Box::leak(Box::new(layer));
        // SAFETY: the layer is leaked, so it is there for as long as SQLite may use it.
        let code = unsafe { ffi::sqlite3_vfs_register(layer, 1) };
        assert_eq!(code, ffi::SQLITE_OK, "SQLite takes the layer");
    });
}

fn stock() -> *mut ffi::sqlite3_vfs {
    STOCK.get().expect("the layer is installed").0
}

/// The path SQLite passes, which is absolute.
///
/// # Safety
/// `name` is null or a C string.
unsafe fn path_of(name: *const c_char) -> Option<PathBuf> {
    if name.is_null() {
        return None;
    }
    // SAFETY: the caller says that it is a C string, and it is copied before this returns.
    let bytes = unsafe { CStr::from_ptr(name) }.to_bytes();
    Some(OsStr::from_bytes(bytes).into())
}

/// Where a file's [`Watch`] is kept.
///
/// # Safety
/// `file` has the room this layer asked for.
unsafe fn slot(file: *mut ffi::sqlite3_file) -> *mut *mut Watch {
    // SAFETY: the layer lives as long as the process.
    let own = unsafe { (*stock()).szOsFile };
    let own = usize::try_from(own).expect("a size");
    // SAFETY: the room begins behind the stock layer's bytes, whose number is a multiple of a pointer's size.
    unsafe { file.cast::<u8>().add(own).cast() }
}

/// The [`Watch`] of a file that has one of our methods.
///
/// # Safety
/// `file` was opened by [`open`] with a tape and is not yet closed.
unsafe fn watch<'a>(file: *mut ffi::sqlite3_file) -> &'a Watch {
    // SAFETY: `open` wrote the slot, and the box behind it is freed by `close` alone, after which SQLite does not
    // call. A file is used by one thread at a time.
    unsafe { &**slot(file) }
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite passes null or a C string.
    let tape = unsafe { path_of(name) }.and_then(|path| Tape::of(&path));
    // SAFETY: the arguments are SQLite's for this very call, and the file has more room than the stock layer needs.
    let code = unsafe { (*stock()).xOpen.expect("a method")(stock(), name, file, flags, out) };
    let Some((tape, name)) = tape.filter(|_| code == ffi::SQLITE_OK) else {
        return code;
    };
    let logs = ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL;
    let created = flags & ffi::SQLITE_OPEN_CREATE != 0;
    // SAFETY: the stock layer opened the file, so its methods are set and static.
    let stock = unsafe { (*file).pMethods };
    // SAFETY: as above; the type is a plain C struct.
    let mut methods = unsafe { stock.read() };
    methods.xClose = Some(close);
    methods.xWrite = Some(write);
    methods.xTruncate = Some(truncate);
    methods.xSync = Some(sync);
    methods.xDeviceCharacteristics = Some(characteristics);
    let node = tape.node(&name);
    if flags & ffi::SQLITE_OPEN_WAL != 0 {
        tape.mark(&name);
    }
    let watch = Box::into_raw(Box::new(Watch {
        tape,
        node,
        new_name: AtomicBool::new(created && flags & logs != 0),
        untouched: AtomicBool::new(flags & ffi::SQLITE_OPEN_WAL != 0),
        stock,
        methods,
    }));
    // SAFETY: the file has room for the slot, and the box lives until `close`.
    unsafe {
        slot(file).write(watch);
        (*file).pMethods = &raw const (*watch).methods;
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, synced: c_int) -> c_int {
    // SAFETY: the arguments are SQLite's for this very call.
    let code = unsafe { (*stock()).xDelete.expect("a method")(stock(), name, synced) };
    // SAFETY: SQLite passes a C string.
    if let Some((tape, name)) = unsafe { path_of(name) }.and_then(|path| Tape::of(&path))
        && code == ffi::SQLITE_OK
    {
        tape.deleted(&name, synced != 0);
    }
    code
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: the file is open, so `open` filled the slot; this is the one place that takes the box back.
    let watch = unsafe { Box::from_raw(slot(file).read()) };
    watch.touch();
    // SAFETY: the stock layer gets its own table back, which it compares, and then its own file.
    unsafe {
        (*file).pMethods = watch.stock;
        (*watch.stock).xClose.expect("a method")(file)
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    count: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: the file is open.
    let watch = unsafe { watch(file) };
    watch.touch();
    // SAFETY: the arguments are SQLite's for this very call, and so is the method.
    let code = unsafe { (*watch.stock).xWrite.expect("a method")(file, from, count, offset) };
    if code == ffi::SQLITE_OK {
        let count = usize::try_from(count).expect("a size");
        let offset = usize::try_from(offset).expect("a place in a file");
        // SAFETY: SQLite passes `count` readable bytes that nobody changes during the call.
        let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), count) };
        watch.tape.wrote(watch.node, offset, bytes);
    }
    code
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: ffi::sqlite3_int64) -> c_int {
    // SAFETY: the file is open.
    let watch = unsafe { watch(file) };
    watch.touch();
    // SAFETY: the arguments are SQLite's for this very call, and so is the method.
    let code = unsafe { (*watch.stock).xTruncate.expect("a method")(file, size) };
    if code == ffi::SQLITE_OK {
        let size = usize::try_from(size).expect("a size");
        watch.tape.truncated(watch.node, size);
    }
    code
}

/// The images are made from the tape, so the machine's own disk is left out of it.
unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    // SAFETY: the file is open.
    let watch = unsafe { watch(file) };
    watch.touch();
    let new_name = watch.new_name.load(Ordering::SeqCst);
    if !watch.tape.synced(watch.node, new_name) {
        return ffi::SQLITE_IOERR_FSYNC;
    }
    watch.new_name.store(false, Ordering::SeqCst);
    ffi::SQLITE_OK
}

unsafe extern "C" fn characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: the file is open.
    let watch = unsafe { watch(file) };
    match watch.tape.device() {
        Device::Bare | Device::Lying => 0,
        Device::Powersafe | Device::Failing(_) => {
            // SAFETY: the method is the stock layer's, and so is the file.
            unsafe { (*watch.stock).xDeviceCharacteristics.expect("a method")(file) }
        }
    }
}
