//! Counts allocations per thread, so that other tests and servers on other threads do not interfere.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    future::Future,
};

#[global_allocator]
static HEAP: Counting = Counting;

struct Counting;

thread_local! {
    /// How far this thread's heap has grown since the measurement began: now, and at the peak.
    static GROWN: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
    /// The number of allocations and growing reallocations.
    static TIMES: Cell<usize> = const { Cell::new(0) };
}

/// The peak growth of this thread's heap while the future runs, in bytes, including other tasks of its runtime.
///
/// Allocations of C code, such as zstd, are not counted.
pub async fn peak_of<T>(work: impl Future<Output = T>) -> (T, usize) {
    GROWN.set((0, 0));
    let done = work.await;
    (done, usize::try_from(GROWN.get().1).unwrap())
}

/// The number of this thread's allocations while the future runs.
pub async fn times_of<T>(work: impl Future<Output = T>) -> (T, usize) {
    let before = TIMES.get();
    let done = work.await;
    (done, TIMES.get() - before)
}

fn count(grown: usize, shrunk: usize) {
    if grown > shrunk {
        let _ = TIMES.try_with(|times| times.set(times.get() + 1));
    }
    // The counter is gone when the thread ends.
    let _ = GROWN.try_with(|counter| {
        let (now, most) = counter.get();
        let now = now + grown as isize - shrunk as isize;
        counter.set((now, most.max(now)));
    });
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
