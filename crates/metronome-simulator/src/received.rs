//! The record of a received request.

use http::Method;

use crate::fault::Fault;

/// A request that the simulator received, and the fault it was given.
///
/// ```
/// use metronome_simulator::Metronome;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let metronome = Metronome::start().await.unwrap();
/// let request = reqwest::Client::new().post(format!("{}/v1/customers", metronome.base_url()));
/// let request = request.bearer_auth(metronome.token()).body(r#"{"name":"Acme"}"#);
/// request.header("idempotency-key", "k-1").send().await.unwrap();
/// let received = &metronome.requests()[0];
/// assert_eq!((received.method.as_str(), received.path.as_str()), ("POST", "/v1/customers"));
/// assert_eq!((received.idempotency_key.as_deref(), received.fault), (Some("k-1"), None));
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// The method.
    pub method: Method,
    /// The path, without the query.
    pub path: String,
    /// The value of the `Idempotency-Key` header.
    pub idempotency_key: Option<String>,
    /// The injected fault, if any.
    pub fault: Option<Fault>,
}
