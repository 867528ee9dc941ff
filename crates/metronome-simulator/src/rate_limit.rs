//! The limits that a 429 can name.

/// The limit that a 429 names in `X-Metronome-Rate-Limit-Type`.
///
/// ```
/// use metronome_simulator::{Fault, Metronome, RateLimit};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let metronome = Metronome::start().await.unwrap();
/// metronome.script([Some(Fault::rate_limited(RateLimit::Customer, Some(2)))]);
/// let request = reqwest::Client::new().post(format!("{}/v1/customers", metronome.base_url()));
/// let request = request.bearer_auth(metronome.token()).body(r#"{"name":"Acme"}"#);
/// let response = request.send().await.unwrap();
/// assert_eq!((response.status().as_u16(), response.headers()["retry-after"].to_str().unwrap()), (429, "2"));
/// assert_eq!(response.headers()["x-metronome-rate-limit-type"], "customer");
/// # });
/// ```
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
