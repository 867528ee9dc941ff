//! Counts allocations per thread, so that other tests and servers on other threads do not interfere.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    future::Future,
    sync::atomic::{AtomicIsize, AtomicUsize, Ordering::Relaxed},
};

use tokio::runtime::{Builder, Runtime};

#[global_allocator]
static HEAP: Counting = Counting;

struct Counting;

#[derive(Default)]
struct Counts {
    /// How far the heap has grown since the measurement began: now, and at the peak.
    grown: AtomicIsize,
    peak: AtomicIsize,
    /// The number of allocations and growing reallocations.
    times: AtomicUsize,
}

thread_local! {
    static COUNTS: Cell<Option<&'static Counts>> = const { Cell::new(None) };
}

/// This thread's counts. They are never freed, since a thread may outlive a test.
fn counts() -> &'static Counts {
    COUNTS.get().unwrap_or_else(|| {
        let counts = Box::leak(Box::default());
        COUNTS.set(Some(counts));
        counts
    })
}

/// A runtime on this thread. What its threads for blocking work allocate counts as this thread's.
pub fn runtime() -> Runtime {
    let counts = counts();
    Builder::new_current_thread().enable_all().on_thread_start(move || COUNTS.set(Some(counts))).build().unwrap()
}

/// The peak growth of this thread's heap while the future runs, in bytes, including other tasks of its runtime.
///
/// Allocations of C code, such as zstd, are not counted.
pub async fn peak_of<T>(work: impl Future<Output = T>) -> (T, usize) {
    let counts = counts();
    counts.grown.store(0, Relaxed);
    counts.peak.store(0, Relaxed);
    let done = work.await;
    (done, usize::try_from(counts.peak.load(Relaxed)).unwrap())
}

/// The number of this thread's allocations while the future runs.
pub async fn times_of<T>(work: impl Future<Output = T>) -> (T, usize) {
    let counts = counts();
    let before = counts.times.load(Relaxed);
    let done = work.await;
    (done, counts.times.load(Relaxed) - before)
}

fn count(grown: usize, shrunk: usize) {
    // The thread may be ending.
    let Ok(Some(counts)) = COUNTS.try_with(Cell::get) else { return };
    if grown > shrunk {
        counts.times.fetch_add(1, Relaxed);
    }
    let change = grown as isize - shrunk as isize;
    let now = counts.grown.fetch_add(change, Relaxed) + change;
    counts.peak.fetch_max(now, Relaxed);
}

// SAFETY: every call is forwarded unchanged to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }
}
