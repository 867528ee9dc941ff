//! Functions that users give to a service, and the facts that they get.

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use reqwest::Url;

use crate::wire::json;

/// Extracts the limit key from a request.
pub(crate) type LimitKey = Arc<dyn Fn(&RequestFacts<'_>) -> Option<String> + Send + Sync>;

/// A request, as seen by the function that extracts its [limit key](crate::ServiceBuilder::limit_key).
///
/// ```
/// use reqwest_safe_retry::{RequestFacts, Service};
///
/// /// A tenant is limited in each region. Where one place has the key, `limit_key_from` does without a function.
/// fn tenant(request: &RequestFacts<'_>) -> Option<String> {
///     let region = request.segments().next()?;
///     let tenant = request.header("x-tenant").map(str::to_owned).or_else(|| request.json("/tenant_id"))?;
///     Some(format!("{region}/{tenant}"))
/// }
///
/// let service = Service::builder("billing", "https://billing.internal").limit_key(tenant).build()?;
/// assert_eq!(service.health().limit_keys, 0);
/// # Ok::<_, reqwest_safe_retry::ConfigError>(())
/// ```
#[non_exhaustive]
pub struct RequestFacts<'a> {
    pub(crate) method: &'a Method,
    pub(crate) url: &'a Url,
    /// If it is in memory; a request without a body has an empty one.
    pub(crate) body: Option<&'a [u8]>,
    pub(crate) headers: Headers<'a>,
}

/// The headers of a request, before it is sent and afterwards.
#[derive(Clone, Copy)]
pub(crate) enum Headers<'a> {
    Map(&'a HeaderMap),
    List(&'a [(HeaderName, HeaderValue)]),
}

impl<'a> RequestFacts<'a> {
    /// The method.
    pub fn method(&self) -> &'a Method {
        self.method
    }

    /// The segments of the URL's path.
    pub fn segments(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.url.path().split('/').skip(1)
    }

    /// Text or number at a pointer (RFC 6901) into the JSON body, if that is in memory.
    pub fn json(&self, pointer: &str) -> Option<String> {
        json::member(self.body?, pointer)?.into_text()
    }

    /// The first value of a header, if it is text. What a middleware below the layer adds, or the client by itself, is
    /// not seen.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let value = match self.headers {
            Headers::Map(headers) => headers.get(name),
            Headers::List(headers) => {
                headers.iter().find(|(known, _)| known.as_str().eq_ignore_ascii_case(name)).map(|(_, value)| value)
            }
        };
        value?.to_str().ok()
    }
}

impl fmt::Debug for RequestFacts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestFacts")
            .field("method", self.method)
            .field("path", &self.url.path())
            .finish_non_exhaustive()
    }
}
