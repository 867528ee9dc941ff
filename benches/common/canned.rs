//! The chains that are compared, and what they are put through.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Extensions, HeaderValue, Method, header::CONTENT_TYPE};
use reqwest::{Client, Request, Response, ResponseBuilderExt, Url};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next, Result};
use reqwest_retry::{RetryTransientMiddleware, policies::ExponentialBackoff};
use reqwest_safe_retry::{Backoff, Clock, Effect, RetryPolicy, SafeRetry, Service};
use reqwest_tracing::TracingMiddleware;

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $($variant),* }

        impl $name {
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),*];

            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            pub(crate) fn of_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }
        }
    };
}

named! {
    /// What stands between the client and the canned answer.
    Chain { Floor = "floor", Empty = "empty", Retry = "reqwest-retry", Tracing = "reqwest-tracing", SafeRetry = "safe-retry" }
}

named! {
    /// What the calls meet.
    Case {
        Ok = "ok",
        OkNoRetry = "ok-no-retry",
        UnknownHost = "unknown-host",
        UnavailableOk = "503-ok",
        ThrottledOk = "429-ok",
        NotFound = "404",
        OkTwentyServices = "ok-20-services",
    }
}

named! {
    /// GET, or POST with 200 bytes of JSON and, where the layer knows the service, a fresh key.
    Verb { Get = "GET", Post = "POST" }
}

/// The answers without a socket, one after the other and then again.
struct Canned {
    answers: &'static [(u16, &'static str)],
    next: AtomicUsize,
}

const NO_CUSTOMER: &str = r#"{"message":"Customer not found"}"#;

#[async_trait]
impl Middleware for Canned {
    async fn handle(&self, request: Request, _: &mut Extensions, _: Next<'_>) -> Result<Response> {
        let (status, body) = self.answers[self.next.fetch_add(1, Relaxed) % self.answers.len()];
        let answer = http::Response::builder().status(status).url(request.url().clone());
        // Nothing is wrong with the head, since the statuses are.
        Ok(answer.body(body).map(Response::from).expect("a response"))
    }
}

/// A middleware that does nothing, as it is usually written.
struct Empty;

#[async_trait]
impl Middleware for Empty {
    async fn handle(&self, request: Request, extensions: &mut Extensions, next: Next<'_>) -> Result<Response> {
        next.run(request, extensions).await
    }
}

/// Waits of no length, for both that wait.
#[derive(Debug)]
struct NoJitter;

impl Clock for NoJitter {
    fn jitter(&self) -> f64 {
        0.0
    }
}

impl Case {
    fn answers(self) -> &'static [(u16, &'static str)] {
        match self {
            Self::UnavailableOk => &[(503, ""), (200, "")],
            Self::ThrottledOk => &[(429, ""), (200, "")],
            Self::NotFound => &[(404, NO_CUSTOMER)],
            _ => &[(200, "")],
        }
    }
}

pub(crate) fn client(chain: Chain, case: Case) -> ClientWithMiddleware {
    let client = ClientBuilder::new(Client::new());
    let client = match chain {
        Chain::Floor => client,
        Chain::Empty => client.with(Empty),
        Chain::Retry => {
            let policy = ExponentialBackoff::builder()
                .retry_bounds(Duration::ZERO, Duration::ZERO)
                .jitter(reqwest_retry::Jitter::None)
                .build_with_max_retries(if case == Case::OkNoRetry { 0 } else { 3 });
            client.with(RetryTransientMiddleware::new_with_policy(policy))
        }
        Chain::Tracing => client.with(TracingMiddleware::default()),
        Chain::SafeRetry => client.with(SafeRetry::new(services(case)).clock(NoJitter)),
    };
    client.with(Canned { answers: case.answers(), next: AtomicUsize::new(0) }).build()
}

fn services(case: Case) -> Vec<Service> {
    let wait = Backoff::new(Duration::from_millis(1), Duration::from_millis(1));
    let policy = if case == Case::OkNoRetry { RetryPolicy::never() } else { RetryPolicy::new() };
    let policy = policy.transient(wait).throttled(wait);
    let host = if case == Case::UnknownHost { "https://elsewhere.example" } else { "https://api.metronome.com" };
    let metronome = Service::metronome().into_builder().base_url(host).retry(policy).build().expect("a service");
    let mut services = vec![metronome];
    if case == Case::OkTwentyServices {
        let (mut missing, others) = (151 - services[0].routes().len(), 19);
        for number in 0..others {
            let routes = missing / (others - number);
            missing -= routes;
            services.push(other_service(number, routes));
        }
        assert_eq!(services.iter().map(|service| service.routes().len()).sum::<usize>(), 151);
    }
    services
}

fn other_service(number: usize, routes: usize) -> Service {
    let service =
        Service::builder(format!("service-{number}")).base_url(format!("https://api-{number}.example.com/v1"));
    let service = (0..routes)
        .fold(service, |service, route| service.route(Method::POST, format!("/things-{route}/search"), Effect::Read));
    service.build().expect("a service")
}

/// A request of a kind, over and over.
pub(crate) struct Template {
    method: Method,
    url: Url,
    body: Option<Bytes>,
}

impl Template {
    pub(crate) fn of(verb: Verb) -> Arc<Self> {
        let of_customer =
            "https://api.metronome.com/v1/customers/d7abd0cd-4ae9-4db7-8676-e986a4ebd8dc/invoices?limit=50";
        let (method, url, body) = match verb {
            Verb::Get => (Method::GET, of_customer, None),
            Verb::Post => (Method::POST, "https://api.metronome.com/v1/contracts/create", Some(contract())),
        };
        Arc::new(Self { method, url: url.parse().expect("a URL"), body })
    }

    pub(crate) fn request(&self) -> Request {
        let mut request = Request::new(self.method.clone(), self.url.clone());
        if let Some(body) = &self.body {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            // As `json` makes it.
            *request.body_mut() = Some(body.to_vec().into());
        }
        request
    }
}

/// 200 bytes.
fn contract() -> Bytes {
    let customer = r#"{"customer_id":"d7abd0cd-4ae9-4db7-8676-e986a4ebd8dc","rate_card_alias":"standard","name":""#;
    let rest = r#"","starting_at":"2026-01-01T00:00:00.000Z"}"#;
    let name = "n".repeat(200 - customer.len() - rest.len());
    format!("{customer}{name}{rest}").into()
}
