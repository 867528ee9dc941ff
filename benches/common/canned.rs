//! The canned answers, and what a chain above them is put through.
#![allow(dead_code)] // Each uses a part of it.

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use async_trait::async_trait;
use http::{Extensions, Method};
use reqwest::{Client, Request, Response, ResponseBuilderExt};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next, Result};
use reqwest_safe_retry::{Effect, Service};

use crate::common::{Chain, Waits, layered, named};

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

/// Where the requests go.
pub(crate) const HOST: &str = "https://api.metronome.com";

pub(crate) fn client(chain: Chain, case: Case) -> ClientWithMiddleware {
    let retries = if case == Case::OkNoRetry { 0 } else { 3 };
    let waits = Waits { retries, each: Duration::ZERO };
    let client = layered(ClientBuilder::new(Client::new()), chain, services(case, waits), waits);
    client.with(Canned { answers: case.answers(), next: AtomicUsize::new(0) }).build()
}

fn services(case: Case, waits: Waits) -> Vec<Service> {
    let host = if case == Case::UnknownHost { "https://elsewhere.example" } else { HOST };
    let metronome = Service::metronome().into_builder().base_url(host).retry_policy(waits.policy());
    let metronome = metronome.build().expect("a service");
    let mut services = vec![metronome];
    if case == Case::OkTwentyServices {
        let (mut missing, others) = (200 - services[0].routes().len(), 19);
        for number in 0..others {
            let routes = missing / (others - number);
            missing -= routes;
            services.push(other_service(number, routes));
        }
        assert_eq!(services.iter().map(|service| service.routes().len()).sum::<usize>(), 200);
    }
    services
}

fn other_service(number: usize, routes: usize) -> Service {
    let service = Service::builder(format!("service-{number}"), format!("https://api-{number}.example.com/v1"));
    let service = (0..routes)
        .fold(service, |service, route| service.route(Method::POST, format!("/things-{route}/search"), Effect::Read));
    service.build().expect("a service")
}
