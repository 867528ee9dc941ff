//! The canned answers, and what a chain above them is put through.
#![allow(dead_code)] // Each uses a part of it.

use std::{
    future::poll_fn,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    task::Poll,
    time::Duration,
};

use async_trait::async_trait;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method};
use reqwest::{Request, Response, ResponseBuilderExt};
use reqwest_middleware::{ClientWithMiddleware, Middleware, Next, Result};
use reqwest_safe_retry::{Effect, Service};

use crate::common::{Chain, Waits, layered, named};

named! {
    /// What the calls meet.
    Case {
        Ok = "ok",
        OkNoRetry = "ok-no-retry",
        // Each answer takes two more polls, so that the timers of deadlines are set.
        OkPending = "ok-pending",
        OkTenHeaders = "ok-10-headers",
        // All but the first call of a client.
        OkWarm = "ok-warm",
        UnknownHost = "unknown-host",
        // A call to each of two services.
        OkTwoServices = "ok-2-services",
        OkTwentyServices = "ok-20-services",
        OkThousandServices = "ok-1000-services",
        UnavailableOk = "503-ok",
        ThrottledOk = "429-ok",
        NotFound = "404",
        NotFoundTenHeaders = "404-10-headers",
        // Somebody listens: to spans and events at INFO, or to metrics.
        OkSubscriber = "ok-subscriber",
        OkRecorder = "ok-recorder",
    }
}

/// The answers without a socket, one after the other and then again.
struct Canned {
    answers: &'static [(u16, &'static str)],
    headers: HeaderMap,
    polls: usize,
    next: AtomicUsize,
}

const NO_CUSTOMER: &str = r#"{"message":"Customer not found"}"#;

#[async_trait]
impl Middleware for Canned {
    async fn handle(&self, request: Request, _: &mut Extensions, _: Next<'_>) -> Result<Response> {
        let (status, body) = self.answers[self.next.fetch_add(1, Relaxed) % self.answers.len()];
        for _ in 0..self.polls {
            yield_once().await;
        }
        let mut answer = http::Response::builder().status(status).url(request.url().clone());
        if let Some(headers) = answer.headers_mut().filter(|_| !self.headers.is_empty()) {
            headers.clone_from(&self.headers);
        }
        // Nothing is wrong with the head, since the statuses are.
        Ok(answer.body(body).map(Response::from).expect("a response"))
    }
}

/// Pending once.
async fn yield_once() {
    let mut is_ready = false;
    poll_fn(|context| {
        if std::mem::replace(&mut is_ready, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// What a service behind a content delivery network sends.
const TEN_HEADERS: &[(&str, &str)] = &[
    ("date", "Thu, 01 Jan 2026 00:00:00 GMT"),
    ("content-type", "application/json"),
    ("x-request-id", "d7abd0cd-4ae9-4db7-8676-e986a4ebd8dc"),
    ("cache-control", "no-store"),
    ("strict-transport-security", "max-age=31536000"),
    ("x-ratelimit-limit", "100"),
    ("x-ratelimit-remaining", "99"),
    ("server", "cloudflare"),
    ("vary", "accept-encoding"),
    ("cf-cache-status", "DYNAMIC"),
];

impl Case {
    /// The calls of this case run with whoever listens as long as this is kept.
    pub(crate) fn listener(self) -> Option<Box<dyn std::any::Any>> {
        match self {
            Self::OkSubscriber => {
                let subscriber = tracing_subscriber::fmt().with_writer(std::io::sink).finish();
                Some(Box::new(tracing::subscriber::set_default(subscriber)))
            }
            #[cfg(feature = "metrics")]
            Self::OkRecorder => {
                let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
                Some(Box::new(metrics::set_default_local_recorder(Box::leak(Box::new(recorder)))))
            }
            _ => None,
        }
    }

    /// The cases that this build can show.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let cases = Self::ALL.iter().copied();
        cases.filter(|case| cfg!(feature = "metrics") || *case != Self::OkRecorder)
    }

    /// Where its calls go, one after the other.
    pub(crate) fn hosts(self) -> &'static [&'static str] {
        if self == Self::OkTwoServices { &[HOST, OTHER_HOST] } else { &[HOST] }
    }

    fn answers(self) -> &'static [(u16, &'static str)] {
        match self {
            Self::UnavailableOk => &[(503, ""), (200, "")],
            Self::ThrottledOk => &[(429, ""), (200, "")],
            Self::NotFound | Self::NotFoundTenHeaders => &[(404, NO_CUSTOMER)],
            _ => &[(200, "")],
        }
    }

    fn headers(self) -> HeaderMap {
        if !matches!(self, Self::OkTenHeaders | Self::NotFoundTenHeaders) {
            return HeaderMap::new();
        }
        let text = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        TEN_HEADERS.iter().map(text).collect()
    }
}

/// Where the requests go.
pub(crate) const HOST: &str = "https://api.metronome.com";
const OTHER_HOST: &str = "https://api.other.example";

pub(crate) fn client(chain: Chain, case: Case) -> ClientWithMiddleware {
    let retries = if case == Case::OkNoRetry { 0 } else { 3 };
    let waits = Waits { retries, each: Duration::ZERO };
    let client = layered(chain, services(case, waits), waits);
    let polls = if case == Case::OkPending { 2 } else { 0 };
    let (answers, headers) = (case.answers(), case.headers());
    client.with(Canned { answers, headers, polls, next: AtomicUsize::new(0) }).build()
}

fn services(case: Case, waits: Waits) -> Vec<Service> {
    let metronome = |host: &'static str| {
        let metronome = Service::metronome().into_builder().base_url(host).retry_policy(waits.policy());
        metronome.build().expect("a service")
    };
    let elsewhere: &[_] = &["https://elsewhere.example"];
    let hosts = if case == Case::UnknownHost { elsewhere } else { case.hosts() };
    let mut services: Vec<_> = hosts.iter().map(|host| metronome(host)).collect();
    match case {
        Case::OkTwentyServices => {
            let (mut missing, others) = (200 - services[0].routes().len(), 19);
            for number in 0..others {
                let routes = missing / (others - number);
                missing -= routes;
                services.push(other_service(number, routes));
            }
            assert_eq!(services.iter().map(|service| service.routes().len()).sum::<usize>(), 200);
        }
        Case::OkThousandServices => services.extend((0..999).map(|number| other_service(number, 1))),
        _ => {}
    }
    services
}

fn other_service(number: usize, routes: usize) -> Service {
    let service = Service::builder(format!("service-{number}"), format!("https://api-{number}.example.com/v1"));
    let service = (0..routes)
        .fold(service, |service, route| service.route(Method::POST, format!("/things-{route}/search"), Effect::Read));
    service.build().expect("a service")
}
