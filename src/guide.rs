//! The guide, in reading order. Its examples are compiled, and run unless they need a service.
//!
//! 1. [`concepts`]: keys, effects, in doubt, settled
//! 2. [`quick_start`]: from `cargo new` to a write that is safe to retry
//! 3. [`configuring`]: policies, services of your own, a file
//! 4. [`errors`]: three questions, and what to do
//! 5. [`verifiers`]: finding out whether a write took effect
//! 6. [`crash_safety`]: a write survives its process
//! 7. [`concurrency_limiting`]: many calls, and a service that is not overloaded
//! 8. [`observability`]: spans, events, metrics, observers
//! 9. [`operations`]: what to do when a call ended in doubt, or an alert fires
//! 10. [`testing`]: without waiting, and against real failures
//! 11. [`limitations`], and the order of middleware
//! 12. [`migrating`]: from reqwest-retry
//!
//! The [`cookbook`](crate::cookbook) has whole programs to copy from.

#[doc = include_str!("../docs/figures/key_ladder.md")]
#[doc = include_str!("../docs/figures/call_timeline.md")]
#[doc = include_str!("../docs/guide/concepts.md")]
pub mod concepts {}
#[doc = include_str!("../docs/guide/concurrency_limiting.md")]
pub mod concurrency_limiting {}
#[doc = include_str!("../docs/guide/configuring.md")]
pub mod configuring {}
#[doc = include_str!("../docs/guide/crash_safety.md")]
pub mod crash_safety {}
#[doc = include_str!("../docs/guide/errors.md")]
pub mod errors {}
#[doc = include_str!("../docs/guide/limitations.md")]
pub mod limitations {}
#[doc = include_str!("../docs/guide/migrating.md")]
pub mod migrating {}
#[doc = include_str!("../docs/guide/observability.md")]
pub mod observability {}
#[doc = include_str!("../docs/guide/operations.md")]
pub mod operations {}
#[doc = include_str!("../docs/guide/quick_start.md")]
pub mod quick_start {}
#[doc = include_str!("../docs/guide/testing.md")]
pub mod testing {}
#[doc = include_str!("../docs/guide/verifiers.md")]
pub mod verifiers {}
