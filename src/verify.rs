//! The verifier: the user's hook that finds out whether a write took effect.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use http::Method;
use reqwest::{Response, Url};

use crate::{
    attempts::{Attempts, VerdictKind},
    key::IdempotencyKey,
    wire::json,
};

/// Finds out whether a write took effect, by looking for it where it would be.
///
/// It is asked before a write is sent with a new key, before a call ends in doubt, and before one ends because what it would
/// create exists already: [`Verdict::Applied`] with the resource makes that the call's success. Setting a verifier is what
/// switches the rotation of keys on: without one a write is never sent with a second key, unless the response itself
/// proves that it had no effect, or the service recognises a repeat by its body
/// ([`Effect::Deduplicated`](crate::Effect::Deduplicated)).
///
/// **A wrong [`Verdict::NotApplied`] doubles the write.** A service's verifier is asked about every write of the service:
/// say [`Verdict::Unknown`] unless method and path are those of a write that it can look up. Look that write up by something
/// that it alone has, such as its `uniqueness_key`, in a place that is consistent right after a write, to the last page; say
/// [`Verdict::Unknown`] in every other case, and whenever the field you look for is missing. The layer asks late, after its
/// wait, and lets a verdict count only if the key's one execution is known to be over.
///
/// ```
/// use reqwest_safe_retry::{InDoubtWrite, Service, Verdict, Verifier, async_trait};
///
/// struct ByUniquenessKey(/* your database or client */);
///
/// impl ByUniquenessKey {
///     async fn look_up(&self, _wanted: &str) -> Verdict {
///         Verdict::Unknown // your look-up
///     }
/// }
///
/// #[async_trait]
/// impl Verifier for ByUniquenessKey {
///     async fn verify(&self, write: &InDoubtWrite<'_>) -> Verdict {
///         match (write.method().as_str(), write.path(), write.json("/uniqueness_key")) {
///             ("POST", "/v1/contracts/create", Some(wanted)) => self.look_up(&wanted).await,
///             _ => Verdict::Unknown,
///         }
///     }
/// }
///
/// let service = Service::metronome().verifier(ByUniquenessKey());
/// # assert_eq!(service.name(), "metronome");
/// ```
///
/// An async closure works too, see [`VerifierFn`]. What was found as JSON becomes a response with
/// `http::Response::new(json.to_string()).into()`.
///
/// A request that the verifier sends through the same client is its own call, with its own attempts.
#[async_trait]
pub trait Verifier: Send + Sync + 'static {
    /// Whether the write in doubt took effect. The call is dropped when
    /// [`verify_timeout`](crate::RetryPolicy::verify_timeout) or the deadline passes.
    async fn verify(&self, write: &InDoubtWrite<'_>) -> Verdict;

    /// How long what it looks at may be behind: it is asked only so long after the last attempt began, if the deadline
    /// leaves the time. Earlier, [`Verdict::NotApplied`] counts for nothing. None unless overridden.
    fn lag(&self) -> Duration {
        Duration::ZERO
    }
}

#[async_trait]
impl<V: Verifier + ?Sized> Verifier for Arc<V> {
    async fn verify(&self, write: &InDoubtWrite<'_>) -> Verdict {
        V::verify(self, write).await
    }

    fn lag(&self) -> Duration {
        V::lag(self)
    }
}

/// A verifier that is an async closure.
///
/// The closure takes what it needs from the [`InDoubtWrite`] before its first await. It may return a [`Verdict`] or a
/// `Result`, whose error counts as [`Verdict::Unknown`]:
///
/// ```
/// use reqwest_safe_retry::{Service, Verdict};
///
/// # async fn exists(_: &str) -> Result<bool, std::io::Error> { Ok(false) }
/// let service = Service::metronome().verifier_fn(|write| {
///     let is_contract = write.path() == "/v1/contracts/create";
///     let wanted = write.json("/uniqueness_key").filter(|_| is_contract);
///     async move {
///         let Some(wanted) = wanted else { return Ok(Verdict::Unknown) };
///         let found = exists(&wanted).await?;
///         Ok::<_, std::io::Error>(if found { Verdict::Applied(None) } else { Verdict::NotApplied })
///     }
/// });
/// # assert_eq!(service.name(), "metronome");
/// ```
pub struct VerifierFn {
    verify: Box<VerifyFn>,
    lag: Duration,
}

type VerifyFn = dyn Fn(&InDoubtWrite<'_>) -> Pin<Box<dyn Future<Output = Verdict> + Send>> + Send + Sync;

impl VerifierFn {
    /// A verifier that calls this closure.
    pub fn new<F, Fut>(verify: F) -> Self
    where
        F: Fn(&InDoubtWrite<'_>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Into<Verdict>> + Send + 'static,
    {
        let verify: Box<VerifyFn> = Box::new(move |write| {
            let verdict = verify(write);
            Box::pin(async move { verdict.await.into() })
        });
        Self { verify, lag: Duration::ZERO }
    }

    /// How long what the closure looks at may be behind, see [`Verifier::lag`].
    #[must_use]
    pub const fn lag(mut self, lag: Duration) -> Self {
        self.lag = lag;
        self
    }
}

#[async_trait]
impl Verifier for VerifierFn {
    async fn verify(&self, write: &InDoubtWrite<'_>) -> Verdict {
        (self.verify)(write).await
    }

    fn lag(&self) -> Duration {
        self.lag
    }
}

impl fmt::Debug for VerifierFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierFn").finish_non_exhaustive()
    }
}

/// What the verifier found out. `Debug` shows of a response only its status.
///
/// ```
/// use reqwest_safe_retry::Verdict;
///
/// /// What was found by the id that the write alone has; an error of looking proves nothing.
/// fn verdict(found: Result<Option<String>, std::io::Error>) -> Verdict {
///     found
///         .map(|found| match found {
///             Some(json) => Verdict::Applied(Some(http::Response::new(json).into())),
///             None => Verdict::NotApplied,
///         })
///         .into()
/// }
///
/// assert!(matches!(verdict(Ok(Some("{}".to_owned()))), Verdict::Applied(Some(response)) if response.status() == 200));
/// assert!(matches!(verdict(Ok(None)), Verdict::NotApplied));
/// assert!(matches!(verdict(Err(std::io::Error::other("away"))), Verdict::Unknown));
/// ```
pub enum Verdict {
    /// The write took effect. A response that shows it is returned to the caller as the call's success.
    Applied(Option<Response>),
    /// The write has not taken effect. The layer itself considers whether a request that was sent may still be executed.
    NotApplied,
    /// The verifier cannot tell: what it looks at is away, or lacks the field that it looks for. The write stays in doubt.
    Unknown,
}

impl fmt::Debug for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applied(response) => {
                f.debug_tuple("Applied").field(&response.as_ref().map(Response::status)).finish()
            }
            Self::NotApplied => f.write_str("NotApplied"),
            Self::Unknown => f.write_str("Unknown"),
        }
    }
}

impl Verdict {
    pub(crate) fn kind(&self) -> VerdictKind {
        match self {
            Self::Applied(_) => VerdictKind::Applied,
            Self::NotApplied => VerdictKind::NotApplied,
            Self::Unknown => VerdictKind::Unknown,
        }
    }
}

/// A verifier that failed does not know.
impl<E> From<Result<Verdict, E>> for Verdict {
    fn from(result: Result<Verdict, E>) -> Self {
        result.unwrap_or(Self::Unknown)
    }
}

/// A write that no response settles: the facts for the verifier.
///
/// ```
/// use reqwest_safe_retry::{InDoubtWrite, SafeRetry, Service, Verdict, testing::ScriptedTransport};
///
/// /// Looks for the write by what it alone has.
/// async fn look_up(order: Option<String>) -> Verdict {
///     let Some(wanted) = order else { return Verdict::Unknown };
///     Verdict::Applied(Some(http::Response::new(wanted).into())) // here: your look-up
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let verify = |write: &InDoubtWrite<'_>| {
///     assert_eq!((write.service(), write.attempts().count()), ("metronome", 2));
///     let is_contract = write.path() == "/v1/contracts/create";
///     look_up(write.json("/custom_fields/order").filter(|_| is_contract))
/// };
/// let layer = SafeRetry::new([Service::metronome().verifier_fn(verify)]);
/// let client = ScriptedTransport::new([500, 500]).client(layer).unwrap();
/// let request = client.post("https://api.metronome.com/v1/contracts/create");
/// let request = request.body(r#"{"custom_fields":{"order":"o-7"}}"#);
/// assert_eq!(request.send().await.unwrap().text().await.unwrap(), "o-7");
/// # });
/// ```
pub struct InDoubtWrite<'a> {
    pub(crate) service: &'a str,
    pub(crate) method: &'a Method,
    pub(crate) url: &'a Url,
    /// The template of the path if a route matches, else the path.
    pub(crate) path: String,
    pub(crate) body: Option<&'a [u8]>,
    pub(crate) key: Option<&'a IdempotencyKey>,
    pub(crate) attempts: &'a Attempts,
}

impl<'a> InDoubtWrite<'a> {
    /// The name of the service.
    pub fn service(&self) -> &'a str {
        self.service
    }

    /// The method of the request.
    pub fn method(&self) -> &'a Method {
        self.method
    }

    /// The URL of the request.
    pub fn url(&self) -> &'a Url {
        self.url
    }

    /// The path of the URL; where a [`Route`](crate::Route) matches, with the names of its parameters, as in
    /// `/v1/customers/{customer_id}/setName`. By method and path a verifier knows the writes that it can look up.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The body of the request, if it was in memory; a request without one has an empty body.
    pub fn body(&self) -> Option<&'a [u8]> {
        self.body
    }

    /// Text or number at a pointer (RFC 6901) into the request's JSON body.
    pub fn json(&self, pointer: &str) -> Option<String> {
        json::member(self.body?, pointer)?.into_text()
    }

    /// The key with which the write may have taken effect.
    pub fn key(&self) -> Option<&'a IdempotencyKey> {
        self.key
    }

    /// The attempts so far.
    pub fn attempts(&self) -> &'a Attempts {
        self.attempts
    }
}

impl fmt::Debug for InDoubtWrite<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InDoubtWrite")
            .field("service", &self.service)
            .field("method", self.method)
            .field("path", &self.path)
            .field("key", &self.key)
            .field("attempts", self.attempts)
            .finish_non_exhaustive()
    }
}
