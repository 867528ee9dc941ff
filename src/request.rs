//! What a single request changes: its key, policy, deadline, effect or verifier.

use std::{fmt, sync::Arc, time::Duration};

use reqwest_middleware::RequestBuilder;

use crate::{
    decide::{effect::Effect, policy::RetryPolicy},
    durable::{operation::Operation, record::Record},
    key::IdempotencyKey,
    verify::{InDoubtWrite, Verdict, Verifier, VerifierFn},
};

/// What a single request may change, as methods of its builder.
///
/// | | request | route | service | default |
/// |---|---|---|---|---|
/// | key | [`idempotency_key`](Self::idempotency_key), [`operation`](Self::operation), [`resume`](Self::resume), or the place itself | | | a UUIDv4 if the service keys the request |
/// | policy | [`retry_policy`](Self::retry_policy) | [`Route::retry_policy`](crate::Route::retry_policy) | [`retry_policy`](crate::ServiceBuilder::retry_policy) | [`RetryPolicy`] |
/// | deadline | [`deadline`](Self::deadline) | its policy's | its policy's | 120 s |
/// | effect | [`effect`](Self::effect) | [`Route::new`](crate::Route::new) | | by the method |
/// | verifier | [`verifier`](Self::verifier) | | [`verifier`](crate::Service::verifier) | none |
///
/// The leftmost that is given counts; a policy changes the settings that it makes and no others. A request can never switch
/// the rotation of keys on without a verifier: an effect that it claims allows repeats with the same key only.
///
/// ```
/// use std::time::Duration;
/// use reqwest_safe_retry::{RequestBuilderExt, SafeRetry, Service, testing::ScriptedTransport};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let transport = ScriptedTransport::new([200]);
/// let client = transport.client(SafeRetry::new([Service::metronome()])).unwrap();
/// client
///     .post("https://api.metronome.com/v1/contracts/create")
///     .idempotency_key("contract-of-customer-12")
///     .deadline(Duration::from_secs(10))
///     .send()
///     .await
///     .unwrap();
/// assert_eq!(transport.sent()[0].header("idempotency-key"), Some("contract-of-customer-12"));
/// # });
/// ```
///
/// A policy that contradicts itself, or a deadline that is longer than the service keeps its keys, ends the call with
/// [`ErrorKind::InvalidPolicy`](crate::ErrorKind::InvalidPolicy) before anything is sent; a deadline of zero with
/// [`StopReason::DeadlineExceeded`](crate::StopReason::DeadlineExceeded).
///
/// Each is an extension of the request, which a request without a builder can be given as such: [`IdempotencyKey`],
/// [`Operation`], [`Record`], [`RetryPolicy`], [`Deadline`], [`Effect`], [`RequestVerifier`].
pub trait RequestBuilderExt: sealed::Sealed + Sized {
    /// Sends this key, in the place and format that the service documents: a text, or the key of an earlier
    /// [`Error`](crate::Error). Where the place is a member of a JSON body, the layer writes it there. For a write of which
    /// the service documents no key it is refused.
    #[must_use]
    fn idempotency_key(self, key: impl Into<IdempotencyKey>) -> Self;
    /// Names what the write is to achieve, and so gives it a key that every process derives alike; see [`Operation`].
    ///
    /// A conflict may then be about the request of another process, and leaves the write in doubt. Without a
    /// [journal](crate::durable) two errors of the service prove nothing, since an earlier process may have sent the key too: a
    /// new key is used only after a response that is marked as stored, or that says that the key is invalid. Where
    /// the service takes its key in a JSON body, the layer writes it there.
    #[must_use]
    fn operation(self, operation: impl Into<Operation>) -> Self;
    /// Goes on with a call that has failed, in this process or an earlier one: with the same key, in the same doubt, and with
    /// the time that its key has left. If the service has a journal and the record an operation, what the journal has recorded
    /// counts. The request must be the same one: its body is not in the record.
    ///
    /// ```
    /// use reqwest_safe_retry::{Record, RequestBuilderExt};
    ///
    /// async fn again(client: &reqwest_middleware::ClientWithMiddleware, record: &Record, body: String) {
    ///     let request = client.post("https://api.metronome.com/v1/contracts/create").body(body);
    ///     let _ = request.resume(record).send().await;
    /// }
    /// # let _ = again;
    /// ```
    #[must_use]
    fn resume(self, record: &Record) -> Self;
    /// Changes the settings that this policy makes.
    #[must_use]
    fn retry_policy(self, policy: RetryPolicy) -> Self;
    /// Sends the request once; its error is typed all the same.
    #[must_use]
    fn no_retries(self) -> Self {
        self.retry_policy(RetryPolicy::never())
    }
    /// Takes no longer than this, attempts and waits together.
    #[must_use]
    fn deadline(self, deadline: Duration) -> Self;
    /// Says what sending this request again does, if the service's description does not know it.
    #[must_use]
    fn effect(self, effect: Effect) -> Self;
    /// Asks this verifier about this request.
    #[must_use]
    fn verifier(self, verifier: impl Verifier) -> Self;
    /// Asks this async closure about this request, see [`VerifierFn`].
    #[must_use]
    fn verifier_fn<F, Fut>(self, verify: F) -> Self
    where
        F: Fn(&InDoubtWrite<'_>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Into<Verdict>> + Send + 'static,
    {
        self.verifier(VerifierFn::new(verify))
    }
}

mod sealed {
    #[allow(unnameable_types)] // Unnameable is what keeps others from implementing it.
    pub trait Sealed {}
    impl Sealed for reqwest_middleware::RequestBuilder {}
}

impl RequestBuilderExt for RequestBuilder {
    fn idempotency_key(self, key: impl Into<IdempotencyKey>) -> Self {
        self.with_extension::<IdempotencyKey>(key.into())
    }

    fn operation(self, operation: impl Into<Operation>) -> Self {
        self.with_extension::<Operation>(operation.into())
    }

    fn resume(self, record: &Record) -> Self {
        self.with_extension::<Record>(record.clone())
    }

    fn retry_policy(self, policy: RetryPolicy) -> Self {
        self.with_extension(policy)
    }

    fn deadline(self, deadline: Duration) -> Self {
        self.with_extension(Deadline(deadline))
    }

    fn effect(self, effect: Effect) -> Self {
        self.with_extension(effect)
    }

    fn verifier(self, verifier: impl Verifier) -> Self {
        self.with_extension(RequestVerifier::new(verifier))
    }
}

/// The time for one call, as an extension of its request.
///
/// ```
/// use std::time::Duration;
/// use reqwest_safe_retry::{Deadline, Error, SafeRetry, Service, StopReason};
/// use reqwest_safe_retry::testing::{Reply, ScriptedTransport};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let client = ScriptedTransport::new([Reply::never()]).client(SafeRetry::new([Service::metronome()])).unwrap();
/// let request = client.get("https://api.metronome.com/v1/plans").with_extension(Deadline(Duration::from_secs(3)));
/// let error = request.send().await.unwrap_err();
/// let error = Error::find(&error).unwrap();
/// assert_eq!((error.stop(), error.attempts().elapsed()), (StopReason::DeadlineExceeded, Duration::from_secs(3)));
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(pub Duration);

/// The verifier of one call, as an extension of its request.
///
/// ```
/// use reqwest_safe_retry::{RequestVerifier, SafeRetry, Service, Verdict, VerifierFn, testing::ScriptedTransport};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let client = ScriptedTransport::new([500, 500]).client(SafeRetry::new([Service::metronome()])).unwrap();
/// let found = VerifierFn::new(|_| async { Verdict::Applied(Some(http::Response::new("found").into())) });
/// let request = client.post("https://api.metronome.com/v1/contracts/create").body("{}");
/// let response = request.with_extension(RequestVerifier::new(found)).send().await.unwrap();
/// assert_eq!(response.text().await.unwrap(), "found");
/// # });
/// ```
#[derive(Clone)]
pub struct RequestVerifier(pub(crate) Arc<dyn Verifier>);

impl RequestVerifier {
    /// Asks `verifier` about the request.
    pub fn new(verifier: impl Verifier) -> Self {
        Self(Arc::new(verifier))
    }
}

impl fmt::Debug for RequestVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestVerifier").finish_non_exhaustive()
    }
}
