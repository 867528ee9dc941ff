//! The limit opens again once the service answers.

use std::time::Duration;

use reqwest_safe_retry::{ErrorResponse, Idempotency, KeyKind, RequestBuilderExt, Service, ServiceBuilder};

use crate::support::transport::{Reply, Transport, status};

const URL: &str = "https://billing.internal/charge";

fn billing() -> ServiceBuilder {
    Service::builder("billing", "https://billing.internal")
}

/// What the limit shows after each call, of which none is made again.
async fn limit_after(service: ServiceBuilder, replies: impl IntoIterator<Item = Reply>) -> Vec<String> {
    let service = service.build().unwrap();
    let transport = Transport::new(replies);
    let client = transport.client(service.clone());
    let mut shown = Vec::new();
    while transport.left() > 0 {
        let _ = client.post(URL).no_retries().deadline(Duration::from_secs(600)).send().await;
        let health = service.health();
        shown.push(format!("{:?} {:?}", health.concurrency_limit, health.paused));
    }
    shown
}

/// A success says that the service is back, whether or not a classifier is asked about errors.
#[tokio::test(start_paused = true)]
async fn success_reopens_the_limit_beside_a_classifier() {
    let replies = || [[503; 30], [200; 30]].concat().into_iter().map(status);
    let silent = |_: &ErrorResponse<'_>| None;
    let plain = limit_after(billing(), replies()).await;
    assert!(plain[29].ends_with(')') && plain[59].ends_with("None"), "{plain:?}");
    assert_eq!(limit_after(billing().classifier(silent), replies()).await, plain);
    let stored =
        billing().idempotency(Idempotency::header("Idempotency-Key", KeyKind::ReplaySuccess).replay_status(409));
    let replies = || [[503; 30], [409; 30]].concat().into_iter().map(status);
    assert_eq!(limit_after(stored.clone(), replies()).await, plain);
    assert_eq!(limit_after(stored.classifier(silent), replies()).await, plain);
}
