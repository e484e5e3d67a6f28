//! The pool: every unit once, on every number of threads, whatever the others do.

#![expect(
    clippy::disallowed_methods,
    reason = "how long the pool waits can only be seen with a clock"
)]

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use fak_simd::Pool;

#[test]
fn every_unit_runs_once() {
    for threads in [1, 2, 3, 8] {
        let mut pool = Pool::new(threads);
        for units in [0, 1, 2, 7, 100, 1000] {
            for _ in 0..20 {
                let counts: Vec<AtomicUsize> = (0..units).map(|_| AtomicUsize::new(0)).collect();
                let running: Vec<AtomicBool> = (0..pool.threads())
                    .map(|_| AtomicBool::new(false))
                    .collect();
                pool.run(units, &|thread, unit| {
                    assert!(
                        !running[thread].swap(true, Ordering::SeqCst),
                        "one at a time"
                    );
                    counts[unit].fetch_add(1, Ordering::SeqCst);
                    running[thread].store(false, Ordering::SeqCst);
                });
                assert!(counts.iter().all(|count| count.load(Ordering::SeqCst) == 1));
            }
        }
    }
}

#[test]
fn sleepers_wake_up_for_the_next_job() {
    let mut pool = Pool::new(4);
    for pause_ms in [0, 1, 5, 20] {
        thread::sleep(Duration::from_millis(pause_ms));
        let sum = AtomicUsize::new(0);
        pool.run(64, &|_, unit| {
            sum.fetch_add(unit, Ordering::SeqCst);
        });
        assert_eq!(sum.into_inner(), 64 * 63 / 2);
    }
}

#[test]
fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
    let mut pool = Pool::new(3);
    for bad in [0, 50, 99] {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            pool.run(100, &|_, unit| assert!(unit != bad, "unit {unit}"));
        }));
        assert!(outcome.is_err());
        let count = AtomicUsize::new(0);
        pool.run(100, &|_, _| {
            count.fetch_add(1, Ordering::SeqCst);
        });
        assert_eq!(count.into_inner(), 100);
    }
}

#[test]
fn a_late_thread_is_not_waited_for_unit_by_unit() {
    // One unit sleeps; the units its thread owned beside it are done by others meanwhile.
    let mut pool = Pool::new(2);
    let begun = Instant::now();
    let slow = Duration::from_millis(100);
    pool.run(40, &|_, unit| {
        thread::sleep(if unit == 0 {
            slow
        } else {
            Duration::from_millis(2)
        });
    });
    // Without stealing, the late thread alone would need 100 + 19 * 2 ms; with it, its units are gone in time.
    assert!(
        begun.elapsed() < slow + Duration::from_millis(30),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn short_jobs_do_not_collapse_when_cores_are_taken() {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(2, usize::from);
        for _ in 0..2 * cores {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let mut pool = Pool::new(cores.max(2));
        let begun = Instant::now();
        let count = AtomicUsize::new(0);
        for _ in 0..200 {
            pool.run(8, &|_, _| {
                count.fetch_add(1, Ordering::Relaxed);
            });
        }
        let took = begun.elapsed();
        stop.store(true, Ordering::Relaxed);
        assert_eq!(count.into_inner(), 1600);
        // A pool that waits for a thread the system has put aside needs a time slice for each job.
        assert!(took < Duration::from_secs(2), "{took:?}");
    });
}
