//! The limits that a 429 can name.

/// The limit that a 429 names in `X-Metronome-Rate-Limit-Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimit {
    /// The limit of the whole organisation.
    Client,
    /// The limit of one customer.
    Customer,
}

impl RateLimit {
    /// The value of the header.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Customer => "customer",
        }
    }
}
