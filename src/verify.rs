//! The verifier: the user's hook that finds out whether a write took effect.

use std::{fmt, future::Future};

use async_trait::async_trait;
use http::Method;
use reqwest::{Response, Url};

use crate::{
    attempts::{Attempts, VerdictKind},
    key::IdempotencyKey,
};

/// Finds out whether a write took effect, by looking for it where it would be.
///
/// It is asked before a write is sent with a new key, and before a call ends in doubt. Setting a verifier is what
/// switches the rotation of keys on: without one a write is never sent under a second key (except where the answer
/// itself proves that it had no effect).
///
/// **A wrong [`Verdict::NotApplied`] doubles the write.** Look the write up by something that it alone has, such as
/// its `uniqueness_key`, in a place that is consistent right after a write; say [`Verdict::Unknown`] in every other
/// case. The layer asks late, after its wait, and lets a verdict count only when the key's one execution is known
/// to be over.
///
/// An async closure works too; it takes what it needs from the [`Doubt`] before its first await. It may answer a
/// verdict or a `Result`, whose error counts as [`Verdict::Unknown`]:
///
/// ```
/// use reqwest_safe_retry::{Doubt, Service, Verdict};
///
/// # async fn exists(_: &str) -> Result<bool, std::io::Error> { Ok(false) }
/// let service = Service::metronome().verifier(|doubt: &Doubt<'_>| {
///     let wanted = doubt.json("/uniqueness_key");
///     async move {
///         let Some(wanted) = wanted else { return Ok(Verdict::Unknown) };
///         let found = exists(&wanted).await?;
///         Ok::<_, std::io::Error>(if found { Verdict::Applied(None) } else { Verdict::NotApplied })
///     }
/// });
/// ```
///
/// A type of your own implements the trait with the attribute [`async_trait`](crate::async_trait). What was found as JSON
/// becomes a response with `http::Response::new(json.to_string()).into()`.
///
/// A request that the verifier sends through the same client is a call of its own, with its own attempts.
#[async_trait]
pub trait Verifier: Send + Sync + 'static {
    /// Whether the write in doubt took effect. The question is dropped when
    /// [`verify_timeout`](crate::RetryPolicy::verify_timeout) or the call's deadline passes.
    async fn verify(&self, doubt: &Doubt<'_>) -> Verdict;
}

#[async_trait]
impl<F, Fut> Verifier for F
where
    F: Fn(&Doubt<'_>) -> Fut + Send + Sync + 'static,
    Fut: Future + Send,
    Fut::Output: Into<Verdict>,
{
    async fn verify(&self, doubt: &Doubt<'_>) -> Verdict {
        self(doubt).await.into()
    }
}

/// What the verifier found out.
#[derive(Debug)]
pub enum Verdict {
    /// The write took effect. A response that shows it is handed to the caller as the call's success.
    Applied(Option<Response>),
    /// The write did not take effect, and nothing that was sent so far will still make it.
    NotApplied,
    /// It cannot be told.
    Unknown,
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

/// A question that failed has no answer.
impl<E> From<Result<Verdict, E>> for Verdict {
    fn from(result: Result<Verdict, E>) -> Self {
        result.unwrap_or(Self::Unknown)
    }
}

/// A write of which nobody knows whether it took effect: the facts for the verifier.
#[derive(Clone, Copy)]
pub struct Doubt<'a> {
    pub(crate) service: &'a str,
    pub(crate) method: &'a Method,
    pub(crate) url: &'a Url,
    pub(crate) body: Option<&'a [u8]>,
    pub(crate) key: Option<&'a IdempotencyKey>,
    pub(crate) attempts: &'a Attempts,
}

impl<'a> Doubt<'a> {
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

    /// The body of the request, where it was in memory; a request without one has an empty body.
    pub fn body(&self) -> Option<&'a [u8]> {
        self.body
    }

    /// Text or number at a pointer (RFC 6901) into the request's JSON body.
    pub fn json(&self, pointer: &str) -> Option<String> {
        crate::json::member(self.body?, pointer)?.into_text()
    }

    /// The key under which the write may have taken effect.
    pub fn key(&self) -> Option<&'a IdempotencyKey> {
        self.key
    }

    /// What each attempt met.
    pub fn attempts(&self) -> &'a Attempts {
        self.attempts
    }
}

impl fmt::Debug for Doubt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doubt")
            .field("service", &self.service)
            .field("method", self.method)
            .field("path", &self.url.path())
            .field("key", &self.key)
            .field("attempts", self.attempts)
            .finish_non_exhaustive()
    }
}
