//! The layer and its retry loop: the only code that knows that there are several attempts.

use std::{
    future::{Future, ready},
    ops::ControlFlow::{Break, Continue},
    pin::Pin,
    sync::Arc,
};

use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};

use crate::{
    call::{
        call::{Call, Redirects},
        carried::{self, Carried},
        finish::Ending,
        plan::Plan,
    },
    observer::{Observer, Observers},
    service::{config_error::ConfigError, registry::Registry, service::Service},
    telemetry::{
        recorder::Recorder,
        spans::{self, Target},
    },
    time::{self, Clock, SystemClock},
    unknown_hosts::UnknownHosts,
};

/// The layer: a [`Middleware`] that carries calls to the services it knows to a response or a typed error.
///
/// ```
/// use reqwest_safe_retry::{SafeRetry, Service};
///
/// let layer = SafeRetry::new([Service::metronome()]);
/// assert_eq!(layer.services()[0].name(), "metronome");
/// let client = layer.client(reqwest::Client::builder())?;
/// # let _: reqwest_middleware::ClientWithMiddleware = client;
/// # Ok::<_, reqwest::Error>(())
/// ```
///
/// Requests to other hosts pass through as they are, unless they are [refused](Self::refuse_unknown_hosts) or a service
/// covers [any host](Service::any_host). Put the layer outside (before) authentication, signing and tracing, so
/// that each attempt is authenticated, signed and traced; and do not combine it with another layer that retries. If a
/// request passes through two of these layers that both know its service, the outer one carries it and the inner one
/// passes it through.
///
/// Clones share their services, and so the retry budgets and concurrency limits.
#[derive(Clone, Debug)]
pub struct SafeRetry {
    services: Registry,
    clock: Arc<dyn Clock>,
    redirects: Redirects,
    unknown_hosts: UnknownHosts,
    observers: Observers,
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
        let services = Registry::new(services)?;
        let clock = Arc::new(SystemClock);
        let (redirects, unknown_hosts) = (Redirects::MayBeFollowed, UnknownHosts::default());
        Ok(Self { services, clock, redirects, unknown_hosts, observers: Observers::default() })
    }

    /// The services of the layer, in the order in which they were given.
    ///
    /// ```
    /// use reqwest_safe_retry::{SafeRetry, Service};
    ///
    /// let layer = SafeRetry::new([Service::metronome()]);
    /// assert_eq!(layer.services()[0].health().in_flight, 0);
    /// ```
    pub fn services(&self) -> &[Service] {
        self.services.services()
    }

    /// Refuses a request that no service covers with [`ErrorKind::UnknownHost`](crate::ErrorKind::UnknownHost): for clients
    /// that talk to the services of this layer only, where another address is a mistake.
    ///
    /// ```
    /// use reqwest_safe_retry::{Error, ErrorKind, SafeRetry, Service};
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let layer = SafeRetry::new([Service::metronome()]).refuse_unknown_hosts();
    /// let client = layer.client(reqwest::Client::builder())?;
    /// let error = client.post("https://api.metronom.com/v1/ingest").send().await.unwrap_err();
    /// let error = Error::find(&error).expect("the layer's error");
    /// assert_eq!(error.kind(), ErrorKind::UnknownHost);
    /// assert_eq!(error.attempts().count(), 0, "nothing was sent");
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(example()).unwrap();
    /// ```
    ///
    /// Without it such a request passes through, without a key and without retries, and the first one to each host is
    /// reported by an event at INFO.
    #[must_use]
    pub fn refuse_unknown_hosts(mut self) -> Self {
        self.unknown_hosts = UnknownHosts::Refused;
        self
    }

    /// Shows each call of all services to this observer, after those that were given before; see [`Observer`].
    #[must_use]
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observers.add(observer);
        self
    }

    /// Takes wall clock and jitter from here; for tests.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// A client with this layer around it, built the safe way: it follows no redirects and does not use reqwest's own
    /// protocol retries.
    ///
    /// A followed redirect to another origin would take the key and the body along, reqwest does not tell which hop failed,
    /// and a redirect back to the same URL cannot be seen at all. A 3xx is returned as a response instead.
    ///
    /// # Errors
    ///
    /// As [`reqwest::ClientBuilder::build`].
    pub fn client(self, builder: reqwest::ClientBuilder) -> reqwest::Result<ClientWithMiddleware> {
        Ok(self.client_builder(builder)?.build())
    }

    /// As [`client`](Self::client), for a client with more middleware below this layer: authentication, signing, tracing.
    ///
    /// # Errors
    ///
    /// As [`reqwest::ClientBuilder::build`].
    pub fn client_builder(mut self, builder: reqwest::ClientBuilder) -> reqwest::Result<ClientBuilder> {
        let http = builder.redirect(reqwest::redirect::Policy::none()).retry(reqwest::retry::never()).build()?;
        // A URL that a middleware below has changed is then not a redirect.
        self.redirects = Redirects::NotFollowed;
        Ok(ClientBuilder::new(http).with(self))
    }
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Middleware for SafeRetry {
    // Written by hand instead of with `async_trait`: a request that passes through needs no future of its own.
    fn handle<'layer, 'extensions, 'next, 'call>(
        &'layer self,
        request: Request,
        extensions: &'extensions mut Extensions,
        next: Next<'next>,
    ) -> BoxFuture<'call, reqwest_middleware::Result<Response>>
    where
        'layer: 'call,
        'extensions: 'call,
        'next: 'call,
        Self: 'call,
    {
        let Some((service, path)) = self.services.find(request.url()) else {
            return match self.unknown_hosts.check(&request) {
                Ok(()) => next.run(request, extensions),
                Err(refused) => Box::pin(ready(Err(reqwest_middleware::Error::middleware(refused)))),
            };
        };
        if carried::is_carried(extensions) {
            return next.run(request, extensions);
        }
        let plan = Plan::resolve(service, request.method(), path, extensions);
        let (now, method, url) = (time::now(), request.method(), request.url());
        let target = Target { method, url, template: || service.template(method, url) };
        let span = spans::if_traced(|| spans::call(service.name(), plan.effect, &target));
        let carried = Carried::begin(extensions);
        let recorder = Recorder::new(&self.observers, span.clone());
        let call = Call::new(plan, carried, recorder, &self.clock, self.redirects, now, request);
        spans::within(span.as_ref(), Box::pin(retry_loop(call, next)))
    }
}

/// Sends, reads the response, and if the attempt has failed recovers; until there is a response, or no further attempt.
/// Every step is a method of [`Call`]. Steps that few calls take are in a box, so that the others need no room for them.
#[inline(always)]
#[allow(clippy::manual_async_fn)] // An `async fn` would have room for each of its arguments twice.
fn retry_loop<'a>(mut call: Call<'a>, next: Next<'a>) -> impl Future<Output = Ending> + Send + 'a {
    async move {
        if call.needs_preparation() {
            Box::pin(call.prepare()).await?;
        }
        call.choose_key()?;
        if call.key_may_be_in_use() {
            Box::pin(call.wait_for_earlier_request()).await?;
        }
        loop {
            while call.needs_lease() {
                if let Break(ending) = Box::pin(call.begin_operation()).await {
                    return ending;
                }
            }
            if !call.try_admit() {
                if let Break(ending) = Box::pin(call.wait_for_permit()).await {
                    return ending;
                }
            }
            if call.key_has_expired() {
                return Box::pin(call.expire()).await;
            }
            call.begin_attempt();
            let arrived = call.send(next.clone()).await;
            let arrived = if call.needs_whole() { call.read_whole(arrived).await } else { arrived };
            let failed = match call.read_head(arrived) {
                Break(ending) if call.holds_operation() => return Box::pin(call.end_with_response(ending)).await,
                Break(ending) => return ending,
                Continue(failed) => failed,
            };
            let failed = call.read(failed);
            if let Break(ending) = call.recover(failed).await {
                return ending;
            }
        }
    }
}
