//! The layer and its loop: the only code that knows that there are several attempts.

use std::{
    future::{Future, ready},
    pin::Pin,
    sync::Arc,
};

use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next};

use crate::{
    call::{Call, Sent, Step},
    config_error::ConfigError,
    decide::{KeyAction, Stop},
    request::Overrides,
    service::{Operation, Service, Services},
    spare::Target,
    telemetry,
    time::{self, Clock, SystemClock},
    verify::Verdict,
};

/// The layer: a [`Middleware`] that carries calls to the services it knows to an answer or to a typed error.
///
/// Requests to anything else pass through as they are. Put it outside (before) authentication, signing and tracing, so
/// that each attempt is authenticated, signed and traced; and do not combine it with another layer that retries. Where two
/// of these layers know the same service, the inner one carries the call, and the outer hands on how it has ended.
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
        let Some((service, path)) = self.services.find(request.url()) else {
            return next.run(request, extensions);
        };
        let operation = service.operation_at(request.method(), path);
        let overrides = match Overrides::of(extensions, service, &operation) {
            Ok(overrides) => overrides,
            Err(mistake) => return Box::pin(ready(Err(reqwest_middleware::Error::middleware(mistake)))),
        };
        let operation = overrides.claim(operation, request.method(), service);
        let span = telemetry::call(service, &operation, request.method(), request.url());
        let begun = Begun { service, operation, overrides, layer: self, span: span.clone() };
        telemetry::within(&span, Box::pin(carry(begun, request, extensions, next)))
    }
}

/// What is known of a call before its first attempt.
struct Begun<'a> {
    service: &'a Service,
    operation: Operation<'a>,
    overrides: Overrides,
    layer: &'a SafeRetry,
    span: telemetry::Span,
}

/// The loop: send, learn, decide, wait, verify. Every step is a method of [`Call`].
#[allow(clippy::manual_async_fn)] // An `async fn` would have room for each of its arguments twice.
fn carry<'a>(
    begun: Begun<'a>,
    mut request: Request,
    extensions: &'a mut Extensions,
    next: Next<'a>,
) -> impl Future<Output = reqwest_middleware::Result<Response>> + Send + 'a {
    async move {
        let Begun { service, operation, layer, span, .. } = begun;
        // Apart, so that each is small enough for the allocator's quick way.
        let mut call = Box::new(Call::begin(service, operation, &begun.overrides, &*layer.clock, &request, span));
        call.choose_key(&request, extensions)?;
        if call.may_buffer() {
            Box::pin(call.buffer(&mut request)).await?;
        }
        let given = extensions.clone();
        let mut decided = None;
        loop {
            let Ok(places) = call.enter(Target::of(&request)).await else {
                return Box::pin(call.turn_away(Target::of(&request))).await;
            };
            if let Some((tokens, key)) = decided.take() {
                call.retry(tokens, key);
                // An attempt must not see what the one before has left.
                extensions.clone_from(&given);
            }
            let spare = call.keep(&mut request);
            call.write_key(&mut request);
            let arrived = call.send(request, extensions, next.clone(), spare.target()).await;
            let failed = match call.learn(arrived, places, spare.target()) {
                Sent::Answered(response) => return Ok(call.succeed(response, spare.target())),
                Sent::CarriedOut(ended) => return call.hand_on(ended),
                Sent::Failed(failed) => failed,
                // In a box, since most calls have none.
                Sent::Refused(response, scope) => Box::pin(call.read(response, scope, spare.target())).await,
            };
            let (delay, key, tokens) = match call.decide(&failed, spare.target()) {
                Step::Retry { .. } if !spare.is_whole() => {
                    return Box::pin(call.fail(Stop::BodyNotReplayable, failed, spare.target())).await;
                }
                Step::Retry { delay, key, tokens } => (delay, key, tokens),
                Step::Fail(stop) => return Box::pin(call.fail(stop, failed, spare.target())).await,
            };
            // Only a question to the verifier can still end the call with what is known now.
            let in_doubt = (key == KeyAction::VerifyThenRotate).then_some(failed);
            time::sleep(delay).await;
            call.woken();
            if let Some(failed) = in_doubt {
                match call.verify(spare.target()).await {
                    Verdict::NotApplied => {}
                    Verdict::Applied(response) => return call.reconcile(response, failed, spare.target()),
                    Verdict::Unknown => return Box::pin(call.fail(Stop::Unverified, failed, spare.target())).await,
                }
            }
            request = spare.into_request(call.method());
            decided = Some((tokens, key));
        }
    }
}
