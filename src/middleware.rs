//! The layer and its loop: the only code that knows that there are several attempts.

use std::{future::Future, pin::Pin, sync::Arc};

use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next};

use crate::{
    call::{Call, Kept, Step, Target},
    config_error::ConfigError,
    decide::{KeyAction, Stop},
    error::Error,
    request::Overrides,
    service::{Service, Services},
    telemetry,
    time::{self, Clock, SystemClock},
    verify::Verdict,
};

/// The layer: a [`Middleware`] that carries calls to the services it knows to an answer or to a typed error.
///
/// Requests to anything else pass through as they are. Put it outside (before) authentication, signing and tracing, so
/// that each attempt is authenticated, signed and traced; and do not combine it with another layer that retries.
///
/// ```
/// use reqwest_middleware::ClientBuilder;
/// use reqwest_safe_retry::{SafeRetry, Service};
///
/// let client = ClientBuilder::new(reqwest::Client::new()).with(SafeRetry::new([Service::metronome()])).build();
/// ```
///
/// Clones share their services and so the budgets.
#[derive(Clone, Debug)]
pub struct SafeRetry {
    services: Services,
    clock: Arc<dyn Clock>,
}

impl SafeRetry {
    /// A layer for these services.
    ///
    /// # Panics
    ///
    /// If two services have the same base URL. [`try_new`](Self::try_new) returns that as an error.
    pub fn new(services: impl IntoIterator<Item = Service>) -> Self {
        match Self::try_new(services) {
            Ok(layer) => layer,
            #[allow(clippy::panic)] // A list written in code; documented above.
            Err(error) => panic!("{error}"),
        }
    }

    /// A layer for services that come from outside the code.
    ///
    /// # Errors
    ///
    /// If two services have the same base URL.
    pub fn try_new(services: impl IntoIterator<Item = Service>) -> Result<Self, ConfigError> {
        Ok(Self { services: Services::new(services)?, clock: Arc::new(SystemClock) })
    }

    /// Takes wall clock and jitter from here; for tests.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }
}

/// How a call ends: in the service's answer or in an error that tells what became of the write.
pub(crate) type Ending = Result<Response, Error>;

type Answered<'a> = Pin<Box<dyn Future<Output = reqwest_middleware::Result<Response>> + Send + 'a>>;

impl Middleware for SafeRetry {
    // Written by hand where `async_trait` would do: a request that passes through costs no future of its own.
    fn handle<'layer, 'extensions, 'next, 'call>(
        &'layer self,
        request: Request,
        extensions: &'extensions mut Extensions,
        next: Next<'next>,
    ) -> Answered<'call>
    where
        'layer: 'call,
        'extensions: 'call,
        'next: 'call,
        Self: 'call,
    {
        match self.services.find(request.url()) {
            None => next.run(request, extensions),
            Some(service) => Box::pin(async move {
                if extensions.get::<Marker>().is_some() {
                    return Err(reqwest_middleware::Error::middleware(NestedLayers));
                }
                let operation = service.operation(request.method(), request.url());
                let overrides =
                    Overrides::of(extensions, service, &operation).map_err(reqwest_middleware::Error::middleware)?;
                let call = Call::begin(service, operation, &overrides, &*self.clock, request, extensions);
                // The caller's extensions stay as they are until the call has ended.
                let mut last = extensions.clone();
                let ended = match call {
                    Ok((call, request)) => {
                        telemetry::within(call.span(), run(call, request, extensions, &mut last, next)).await
                    }
                    Err(error) => Err(error),
                };
                last.remove::<Marker>();
                *extensions = last;
                ended.map_err(reqwest_middleware::Error::middleware)
            }),
        }
    }
}

/// In the extensions of every attempt, so that a second layer below can tell that there is one above.
#[derive(Clone)]
struct Marker;

/// Two layers of one chain both know the service of a request.
#[derive(Debug, thiserror::Error)]
#[error(
    "two SafeRetry layers know this request's service, and their attempts would multiply: give the service to one only"
)]
pub(crate) struct NestedLayers;

/// The loop: send, learn, decide, wait, verify. Every step is a method of `Call`. `given` are the caller's extensions, `own`
/// become those of the last attempt.
async fn run(call: Call<'_>, request: Request, given: &Extensions, own: &mut Extensions, next: Next<'_>) -> Ending {
    let (mut call, mut request) = call.buffer(request).await?;
    let mut decided = None;
    loop {
        let Ok(places) = call.enter(Target::of(&request)).await else {
            return call.turn_away(Target::of(&request)).await;
        };
        if let Some((tokens, key)) = decided.take() {
            call.retry(tokens, key, &mut request);
        }
        let kept = call.keep(&request);
        // An attempt must not see what the one before has left.
        own.clone_from(given);
        own.insert(Marker);
        let failed = match call.send(request, own, next.clone(), places, kept.target()).await {
            Ok(response) => return Ok(call.succeed(response, kept.target())),
            Err(failed) => failed,
        };
        let (delay, key, tokens, again) = match (call.decide(&failed, kept.target()), kept) {
            (Step::Retry { delay, key, tokens }, Kept::Request(again)) => (delay, key, tokens, again),
            (Step::Retry { .. }, kept) => return call.fail(Stop::BodyNotReplayable, failed, kept.target()).await,
            (Step::Fail(stop), kept) => return call.fail(stop, failed, kept.target()).await,
        };
        // Only a question to the verifier can still end the call with what is known now.
        let in_doubt = (key == KeyAction::VerifyThenRotate).then_some(failed);
        time::sleep(delay).await;
        if let Some(failed) = in_doubt {
            match call.verify(Target::of(&again)).await {
                Verdict::NotApplied => {}
                Verdict::Applied(response) => return call.reconcile(response, failed, Target::of(&again)),
                Verdict::Unknown => return call.fail(Stop::Unverified, failed, Target::of(&again)).await,
            }
        }
        request = again;
        decided = Some((tokens, key));
    }
}
