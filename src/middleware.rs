//! The layer and its loop: the only code that knows that there are several attempts.

use std::{
    future::{Future, ready},
    ops::ControlFlow::{self, Break, Continue},
    pin::Pin,
    sync::Arc,
};

use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next};

use crate::{
    call::{Begun, Call, Ending, FailedAttempt, Repeat, Step},
    config_error::ConfigError,
    decide::{KeyAction, Stop},
    outgoing::Outgoing,
    request::Overrides,
    service::{Service, Services},
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
        let begun = Begun { service, operation, overrides, clock: &*self.clock, span: span.clone() };
        telemetry::within(&span, Box::pin(carry(begun, Outgoing::Whole(request), extensions, next)))
    }
}

/// The loop: send, learn, and where the attempt has failed, read and [`recover`]; until there is an answer, or no further
/// attempt. Every step is a method of [`Call`]. What few calls come to is in a box, so that the others need no room for it.
#[allow(clippy::manual_async_fn)] // An `async fn` would have room for each of its arguments twice.
fn carry<'a>(
    begun: Begun<'a>,
    mut outgoing: Outgoing,
    extensions: &'a mut Extensions,
    next: Next<'a>,
) -> impl Future<Output = Ending> + Send + 'a {
    async move {
        let mut call = Call::begin(&begun, outgoing.target());
        if let Some(request) = outgoing.whole() {
            call.choose_key(request, extensions)?;
        }
        if call.may_buffer() {
            Box::pin(call.buffer(&mut outgoing)).await?;
        }
        let given = extensions.clone();
        let mut repeat = None;
        loop {
            if !call.try_enter() {
                if let Break(ended) = Box::pin(call.queue(outgoing.target())).await {
                    return ended;
                }
            }
            if let Some(repeat) = repeat.take() {
                call.begin_repeat(repeat);
                // An attempt must not see what the one before has left.
                extensions.clone_from(&given);
            }
            let arrived = call.send(&mut outgoing, extensions, next.clone()).await;
            let missed = match call.learn(arrived, outgoing.target()) {
                Break(ended) => return ended,
                Continue(missed) => missed,
            };
            let failed = Box::pin(call.read(missed, outgoing.target())).await;
            match Box::pin(recover(&mut call, failed, &outgoing)).await {
                Break(ended) => return ended,
                Continue(decided) => repeat = Some(decided),
            }
        }
    }
}

/// What follows an attempt that did not succeed: decide, wait, verify.
async fn recover<'a>(
    call: &mut Call<'a>,
    failed: Box<FailedAttempt>,
    outgoing: &Outgoing,
) -> ControlFlow<Ending, Repeat<'a>> {
    let target = outgoing.target();
    let repeat = match call.decide(&failed, target) {
        Step::Retry(_) if !outgoing.can_depart() => {
            return Break(Box::pin(call.fail(Stop::BodyNotReplayable, failed, target)).await);
        }
        Step::Retry(repeat) => repeat,
        Step::Fail(stop) => return Break(Box::pin(call.fail(stop, failed, target)).await),
    };
    // Only a question to the verifier can still end the call with what is known now.
    let in_doubt = (repeat.key == KeyAction::VerifyThenRotate).then_some(failed);
    time::sleep(repeat.delay).await;
    call.woken();
    if let Some(failed) = in_doubt {
        match call.verify(target).await {
            Verdict::NotApplied => {}
            Verdict::Applied(response) => return Break(call.reconcile(response, failed, target)),
            Verdict::Unknown => return Break(Box::pin(call.fail(Stop::Unverified, failed, target)).await),
        }
    }
    Continue(repeat)
}
