//! The error of a scripted transport that has no reply left.

use http::Method;

/// A request that found no reply left.
#[derive(Debug, thiserror::Error)]
#[error("the script has no reply left for {method} {path}: it had {replies}; add one, or find out why this was sent")]
pub(crate) struct ScriptExhausted {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) replies: usize,
}
