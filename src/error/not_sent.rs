//! The word of a middleware below the layer that a request was not sent.

use std::{error::Error as StdError, fmt};

use super::{details::without_url, find::within};
use crate::wire::causes::causes_of;

/// Says that the request was not sent: the error of a middleware below the layer that fails before it passes the request on,
/// such as one that gets no token from its endpoint.
///
/// Without it the layer cannot know how far the request came: the write is in doubt, and not sent again. With it the attempt
/// counts as not sent, and is repeated as after a refused connection, also a write without a key.
///
/// ```
/// use http::Extensions;
/// use reqwest::{Request, Response};
/// use reqwest_middleware::{Middleware, Next, Result};
/// use reqwest_safe_retry::{NotSent, async_trait};
///
/// struct Authenticated;
///
/// # async fn token() -> std::result::Result<String, std::io::Error> { Err(std::io::Error::other("away")) }
/// #[async_trait]
/// impl Middleware for Authenticated {
///     async fn handle(&self, mut request: Request, extensions: &mut Extensions, next: Next<'_>) -> Result<Response> {
///         let token = token().await.map_err(NotSent::new)?;
///         let value = format!("Bearer {token}").parse().map_err(NotSent::new)?;
///         request.headers_mut().insert("authorization", value);
///         next.run(request, extensions).await // its errors are passed on as they are
///     }
/// }
/// # assert_eq!(NotSent::new("no token").to_string(), "not sent: no token");
/// ```
///
/// **Said of a request that was sent, it doubles the write.**
pub struct NotSent(Box<dyn StdError + Send + Sync>);

impl NotSent {
    /// With its cause. The URL of a [`reqwest::Error`] is removed: it may have secrets in its query.
    pub fn new(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(match cause.into().downcast::<reqwest::Error>() {
            Ok(error) => without_url((*error).into()),
            Err(cause) => cause.downcast().map_or_else(|cause| cause, |error| without_url(*error)),
        })
    }

    /// Whether the error says so of this request, and not of one of several attempts that a layer below has made.
    pub(crate) fn is_said_by(error: &reqwest_middleware::Error) -> bool {
        let mut said = causes_of(error).filter_map(|cause| match cause.is::<Self>() {
            true => Some(true),
            false => within(cause).map(|_| false),
        });
        said.next().unwrap_or(false)
    }
}

impl From<NotSent> for reqwest_middleware::Error {
    fn from(error: NotSent) -> Self {
        Self::middleware(error)
    }
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not sent: {}", self.0)
    }
}

impl fmt::Debug for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NotSent").field(&self.0).finish()
    }
}

impl StdError for NotSent {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}
