//! One call, step by step: resolve the plan, choose the key, wait for a permit, send, read the response, recover, finish.

pub(crate) mod admit;
mod body_key;
#[allow(clippy::module_inception)]
pub(crate) mod call;
pub(crate) mod carried;
pub(crate) mod failed;
pub(crate) mod finish;
mod follow_up;
mod given;
pub(crate) mod journal;
pub(crate) mod key;
pub(crate) mod operating;
pub(crate) mod plan;
pub(crate) mod prepare;
pub(crate) mod read;
pub(crate) mod recover;
pub(crate) mod replay;
mod resume;
mod seen;
pub(crate) mod send;
mod whole;
