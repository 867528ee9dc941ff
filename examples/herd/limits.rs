//! The limits that the policies share.

/// The most attempts of a call, for every policy that has such a limit.
pub(crate) const ATTEMPTS: u32 = 20;

/// Whether the retries of all calls together are limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Budget {
    /// The default: 500 tokens, in this crate and in the AWS SDKs.
    Default,
    Off,
}
