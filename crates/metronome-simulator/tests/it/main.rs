//! The simulator over real sockets and in real time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod api;
mod connections;
mod contracts;
mod control;
mod failures;
mod gateway;
mod keys;
mod lag;
mod pages;
mod schedule;
mod semantics;
mod support;
mod text;
mod timing;
