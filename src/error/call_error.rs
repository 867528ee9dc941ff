//! The error of functions that make calls.

use std::{error::Error as StdError, fmt};

use super::{details::names_a_url, error::Error};

/// The error of a function that makes calls; `?` converts both errors of a call into it.
///
/// ```
/// use reqwest_safe_retry::{CallError, SafeRetry, Service, testing::ScriptedTransport};
///
/// #[derive(Debug, thiserror::Error)]
/// enum BillingError {
///     #[error("there is no such customer")]
///     NoSuchCustomer,
///     #[error(transparent)]
///     Call(#[from] CallError),
/// }
///
/// async fn customer(client: &reqwest_middleware::ClientWithMiddleware, url: &str) -> Result<String, BillingError> {
///     let response = client.get(url).send().await.map_err(CallError::from).map_err(|error| match error {
///         CallError::Service(error) if error.is_not_found() => BillingError::NoSuchCustomer,
///         other => other.into(),
///     })?;
///     Ok(response.status().to_string())
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let client = ScriptedTransport::new([404, 401]).client(SafeRetry::new([Service::metronome()])).unwrap();
/// let url = "https://api.metronome.com/v1/customers/7";
/// assert!(matches!(customer(&client, url).await, Err(BillingError::NoSuchCustomer)));
/// assert!(matches!(customer(&client, url).await, Err(BillingError::Call(CallError::Service(_)))));
/// # });
/// ```
#[non_exhaustive]
pub enum CallError {
    /// The layer's error.
    Service(Error),
    /// Another one: of a request to a host that no service names, of another middleware above the layer, or of reading a
    /// successful response.
    Other(reqwest_middleware::Error),
}

/// A result whose error is the layer's if it has one.
///
/// ```
/// use reqwest_safe_retry::{CallError, ErrorKind, Result, SafeRetry, Service, testing::ScriptedTransport};
///
/// async fn text(client: &reqwest_middleware::ClientWithMiddleware, url: &str) -> Result<String> {
///     Ok(client.get(url).send().await?.text().await?)
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let client = ScriptedTransport::new([404]).client(SafeRetry::new([Service::metronome()])).unwrap();
/// let result = text(&client, "https://api.metronome.com/v1/plans").await;
/// assert!(matches!(result, Err(CallError::Service(error)) if error.kind() == ErrorKind::NotFound));
/// # });
/// ```
pub type Result<T, E = CallError> = std::result::Result<T, E>;

impl From<reqwest_middleware::Error> for CallError {
    fn from(error: reqwest_middleware::Error) -> Self {
        match error {
            reqwest_middleware::Error::Middleware(error) => match error.downcast::<Error>() {
                Ok(error) => Self::Service(error),
                Err(other) => Self::Other(reqwest_middleware::Error::Middleware(other)),
            },
            other => Self::Other(other),
        }
    }
}

/// An error of reading the response.
impl From<reqwest::Error> for CallError {
    fn from(error: reqwest::Error) -> Self {
        Self::Other(reqwest_middleware::Error::Reqwest(error))
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(error) => error.fmt(f),
            // It may show the whole URL, with whatever its query contains.
            Self::Other(reqwest_middleware::Error::Middleware(error)) if !names_a_url(&**error) => error.fmt(f),
            Self::Other(_) => f.write_str("the request failed"),
        }
    }
}

impl fmt::Debug for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(error) => f.debug_tuple("Service").field(error).finish(),
            Self::Other(_) => f.debug_tuple("Other").field(&format_args!("{self}")).finish(),
        }
    }
}

impl StdError for CallError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Service(error) => error.source(),
            Self::Other(error) => Some(error),
        }
    }
}
