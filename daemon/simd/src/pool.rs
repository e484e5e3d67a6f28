//! The threads of the engine.
//!
//! A job is a number of units. Each thread owns an equal run of them and takes them in order; whoever is done early takes
//! the next unit of a thread that is late. A unit writes its own outputs only, so nothing about the bits depends on who
//! took it. A thread the system has put aside delays no more than the one unit it holds; one that has not even woken up is
//! not waited for: the job is closed to it.
//!
//! Waiting is a short spin, for the next job usually comes within microseconds, and then a sleep in the kernel (a futex,
//! by way of `thread::park`). A thread whose spinning was in vain spins half as long the next time: on shared cores the
//! pool soon hands its time back instead of burning it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle, Thread},
};

/// LIMIT: threads in one pool; more would only wait for the memory.
pub const POOL_THREADS_MAX: usize = 256;

/// LIMIT: turns of the waiting loop before a thread sleeps, 20 to 50 microseconds on today's cores.
const SPIN_TURNS_MAX: u32 = 1_000;

/// Spinning never becomes shorter than this, so that it can become longer again.
const SPIN_TURNS_MIN: u32 = 16;

/// One job, in the gate's number.
const JOB: u64 = 1 << 32;
/// No worker may enter any more.
const CLOSED: u64 = 1 << 31;

fn job(gate: u64) -> u64 {
    gate / JOB
}

fn is_open(gate: u64) -> bool {
    gate & CLOSED == 0
}

/// Workers in the job.
fn inside(gate: u64) -> u64 {
    gate % CLOSED
}

/// A cursor on a cache line of its own.
#[repr(align(128))]
#[derive(Default)]
struct Cursor {
    next: AtomicUsize,
    end: AtomicUsize,
}

/// What a job is called with: the thread that runs it, and the unit.
type Work<'a> = dyn Fn(usize, usize) + Sync + 'a;

struct Shared {
    /// One for each thread; the owner of the pool is thread 0.
    cursors: Vec<Cursor>,
    /// Number of the job above [`JOB`], then [`CLOSED`], then how many workers are in it.
    gate: AtomicU64,
    /// Pointer to the job's closure; good for those who are in the job.
    work: AtomicPtr<&'static Work<'static>>,
    /// Which threads sleep.
    asleep: Vec<AtomicBool>,
    /// The thread that waits for the workers.
    owner: Mutex<Option<Thread>>,
    stop: AtomicBool,
    panic: Mutex<Option<Box<dyn std::any::Any + Send>>>,
}

/// A fixed set of threads that run one job at a time.
///
/// Dropping it ends and joins them.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    spin: u32,
}

impl Pool {
    /// A pool of `threads` threads, the caller among them: 1 means that nothing is started.
    ///
    /// When the system refuses a thread, the pool has those that could be started.
    #[must_use]
    pub fn new(threads: usize) -> Pool {
        let threads = threads.clamp(1, POOL_THREADS_MAX);
        let shared = Arc::new(Shared {
            cursors: (0..threads).map(|_| Cursor::default()).collect(),
            gate: AtomicU64::new(CLOSED),
            work: AtomicPtr::new(std::ptr::null_mut()),
            asleep: (0..threads).map(|_| AtomicBool::new(false)).collect(),
            owner: Mutex::new(None),
            stop: AtomicBool::new(false),
            panic: Mutex::new(None),
        });
        let start = |index: usize| {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name(format!("simd-{index}"))
                .spawn(move || serve(&shared, index))
                .ok()
        };
        let workers = (1..threads).map_while(start).collect();
        Pool {
            shared,
            workers,
            spin: SPIN_TURNS_MAX,
        }
    }

    /// Threads that run jobs, the caller among them.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `work(thread, unit)` once for every unit below `units`, on all threads, and returns when all are done.
    ///
    /// `thread` is below [`Pool::threads`], and no two calls with the same one run at a time. Which thread runs a unit is
    /// not fixed.
    ///
    /// # Panics
    /// When `work` panicked, with its payload, after all units that were begun have ended.
    pub fn run(&mut self, units: usize, work: &(dyn Fn(usize, usize) + Sync)) {
        if units <= 1 || self.workers.is_empty() {
            for unit in 0..units {
                work(0, unit);
            }
            return;
        }
        let threads = self.threads();
        for (index, cursor) in self.shared.cursors.iter().take(threads).enumerate() {
            cursor
                .next
                .store(units * index / threads, Ordering::Relaxed);
            cursor
                .end
                .store(units * (index + 1) / threads, Ordering::Relaxed);
        }
        // SAFETY: only the lifetime is forgotten. Workers use the reference while they are in the job, and this function
        // returns, even in a panic of `work`, only after the gate is closed and all have left.
        let work: &'static Work<'static> =
            unsafe { std::mem::transmute::<&Work<'_>, &'static Work<'static>>(work) };
        let mut slot = work;
        self.shared.work.store(&raw mut slot, Ordering::Relaxed);
        *lock(&self.shared.owner) = Some(thread::current());
        let next = job(self.shared.gate.load(Ordering::Relaxed)).wrapping_add(1);
        self.shared
            .gate
            .store(next.wrapping_mul(JOB), Ordering::SeqCst);
        for (worker, asleep) in self.workers.iter().zip(self.shared.asleep.iter().skip(1)) {
            if asleep.load(Ordering::SeqCst) {
                worker.thread().unpark();
            }
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| take(&self.shared, 0, work)));
        self.shared.gate.fetch_or(CLOSED, Ordering::SeqCst);
        self.wait();
        if let Err(payload) = outcome {
            resume_unwind(payload);
        }
        if let Some(payload) = lock(&self.shared.panic).take() {
            resume_unwind(payload);
        }
    }

    /// Waits until every worker has left the job.
    fn wait(&mut self) {
        let shared = &self.shared;
        let done = || inside(shared.gate.load(Ordering::SeqCst)) == 0;
        if spin(&mut self.spin, done) {
            return;
        }
        if let Some(asleep) = shared.asleep.first() {
            asleep.store(true, Ordering::SeqCst);
            while !done() {
                thread::park();
            }
            asleep.store(false, Ordering::SeqCst);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        for worker in self.workers.drain(..) {
            worker.thread().unpark();
            // A worker catches the panics of its jobs, so there is nothing to learn here.
            let _ = worker.join();
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("threads", &self.threads())
            .finish()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Spins until `done`, at most `turns`. Lengthens or shortens the next spin by how this one went.
fn spin(turns: &mut u32, done: impl Fn() -> bool) -> bool {
    for _ in 0..*turns {
        if done() {
            *turns = (*turns * 2).min(SPIN_TURNS_MAX);
            return true;
        }
        std::hint::spin_loop();
    }
    *turns = (*turns / 2).max(SPIN_TURNS_MIN);
    done()
}

/// Runs the units of thread `own`, then what others have left.
fn take(shared: &Shared, own: usize, work: &Work<'_>) {
    let count = shared.cursors.len();
    for step in 0..count {
        let Some(cursor) = shared.cursors.get((own + step) % count) else {
            continue;
        };
        let end = cursor.end.load(Ordering::Relaxed);
        loop {
            let unit = cursor.next.fetch_add(1, Ordering::Relaxed);
            if unit >= end {
                break;
            }
            work(own, unit);
        }
    }
}

/// Enters the job of the gate, if it is open and not the one `seen`. Gives its number.
fn enter(shared: &Shared, seen: u64) -> Option<u64> {
    let mut gate = shared.gate.load(Ordering::SeqCst);
    while is_open(gate) && job(gate) != seen {
        let entered =
            shared
                .gate
                .compare_exchange_weak(gate, gate + 1, Ordering::SeqCst, Ordering::SeqCst);
        match entered {
            Ok(_) => return Some(job(gate)),
            Err(now) => gate = now,
        }
    }
    None
}

/// What a worker does until the pool is dropped.
fn serve(shared: &Shared, own: usize) {
    let Some(asleep) = shared.asleep.get(own) else {
        return;
    };
    let mut seen = 0;
    let mut turns = SPIN_TURNS_MAX;
    loop {
        let news = || {
            let gate = shared.gate.load(Ordering::SeqCst);
            (is_open(gate) && job(gate) != seen) || shared.stop.load(Ordering::SeqCst)
        };
        if !spin(&mut turns, news) {
            asleep.store(true, Ordering::SeqCst);
            while !news() {
                thread::park();
            }
            asleep.store(false, Ordering::SeqCst);
        }
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        let Some(entered) = enter(shared, seen) else {
            continue;
        };
        seen = entered;
        // SAFETY: this thread is in the job, so the pointer and the closure behind it live until it leaves.
        let work = unsafe { *shared.work.load(Ordering::Acquire) };
        let outcome = catch_unwind(AssertUnwindSafe(|| take(shared, own, work)));
        if let Err(payload) = outcome {
            *lock(&shared.panic) = Some(payload);
        }
        // The owner may return, and begin another job, as soon as the last worker has left.
        let owner = lock(&shared.owner).clone();
        let left = shared.gate.fetch_sub(1, Ordering::SeqCst);
        let sleeps = || {
            shared
                .asleep
                .first()
                .is_some_and(|asleep| asleep.load(Ordering::SeqCst))
        };
        if inside(left) == 1
            && sleeps()
            && let Some(owner) = owner
        {
            owner.unpark();
        }
    }
}
