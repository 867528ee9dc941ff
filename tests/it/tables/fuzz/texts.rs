//! The parts that a description is made of, what is nearly one of them, and anything at all.
//!
//! Boxed, since by value they are too large for a test's stack.

use std::time::Duration;

use http::Method;
use proptest::prelude::*;
use reqwest_safe_retry::{BooleanHeader, Effect};

/// Names, pointers, paths and URLs.
pub(super) fn texts() -> BoxedStrategy<String> {
    prop_oneof![
        4 => "[a-zA-Z-]{1,12}",
        3 => "(/[a-z0-9~{}*:]{0,6}){0,4}",
        2 => "(https?|ftp)://[a-z.:@0-9*{}\\[\\]]{0,12}(/[a-z]{0,4}){0,2}[?#]?",
        1 => "\\PC{0,12}",
        1 => any::<String>(),
    ]
    .boxed()
}

pub(super) fn names() -> BoxedStrategy<String> {
    prop_oneof![12 => "[a-z]{1,6}(-[a-z]{1,6})?", 1 => texts()].boxed()
}

pub(super) fn pointers() -> BoxedStrategy<String> {
    prop_oneof![12 => "(/[a-z0-9]{1,5}){1,3}", 1 => texts()].boxed()
}

pub(super) fn paths() -> BoxedStrategy<String> {
    prop_oneof![12 => "/[a-z]{1,3}(/\\{[a-z]\\}){0,2}", 1 => texts()].boxed()
}

pub(super) fn durations() -> BoxedStrategy<Duration> {
    prop_oneof![
        20 => (1..100_000_u64).prop_map(Duration::from_millis),
        2 => any::<Duration>(),
        1 => Just(Duration::MAX),
        1 => Just(Duration::ZERO),
    ]
    .boxed()
}

pub(super) fn effects() -> impl Strategy<Value = Effect> {
    prop::sample::select(vec![Effect::Read, Effect::Idempotent, Effect::Deduplicated, Effect::Write])
}

pub(super) fn methods() -> impl Strategy<Value = Method> {
    prop::sample::select(vec![Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH])
}

/// Methods of which a few are not known.
pub(super) fn given_methods() -> impl Strategy<Value = Method> {
    prop_oneof![30 => methods(), 1 => "[a-zA-Z]{1,6}".prop_map(|name| name.parse().unwrap())]
}

pub(super) fn statuses() -> impl Strategy<Value = u16> {
    prop_oneof![12 => 400..600_u16, 1 => any::<u16>()]
}

pub(super) fn boolean_headers() -> BoxedStrategy<BooleanHeader> {
    let values = (names(), prop::option::of((names(), names()))).prop_map(|(header, values)| match values {
        Some((yes, no)) => BooleanHeader::new(header).values(yes, no),
        None => BooleanHeader::new(header),
    });
    prop_oneof![3 => values, 1 => names().prop_map(BooleanHeader::presence)].boxed()
}
