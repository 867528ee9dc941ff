//! Runs one case through the middleware.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::Method;
use reqwest::Body;
use reqwest_middleware::{ClientWithMiddleware, RequestBuilder};
use reqwest_safe_retry::{Attempts, Error, IdempotencyKey, SafeRetry, Service, Verdict};
use serde_json::Value;
use tokio::time::Instant;

use super::case::{Case, Step};
use crate::support::{
    clock::FixedClock,
    transport::{Reply, Transport},
};

/// The result of a run, in the terms of the cases.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) attempts: usize,
    pub(super) outcome: &'static str,
    pub(super) kind: Option<String>,
    pub(super) stop: Option<String>,
    pub(super) applied: Option<String>,
    pub(super) keys: Vec<Option<String>>,
    pub(super) waited: Duration,
    pub(super) verify_calls: usize,
    pub(super) typed: BTreeMap<String, Value>,
    pub(super) unread: usize,
}

pub(super) async fn run(
    case: &Case,
    path: &str,
    service: Service,
    jitter_sample: f64,
    mut faults: Vec<reqwest::Error>,
) -> Found {
    let verify_calls = Arc::new(AtomicUsize::new(0));
    let service = verifier(service, case.config.verify.as_deref(), verify_calls.clone());
    let header = service.idempotency().header.as_ref().map(|header| header.as_str().to_owned());
    let url = format!("{}{path}", service.base_url().trim_end_matches('/'));
    let transport = Transport::new(case.script.iter().map(|step| reply(step, &mut faults)));
    let client = transport.layered(SafeRetry::new([service]).clock(FixedClock::at(jitter_sample)));
    let request = request(case, &client, url);

    let started = Instant::now();
    let limit = case.config.cancel_at_ms.map_or(Duration::MAX, Duration::from_millis);
    let ended = tokio::time::timeout(limit, request.send()).await;
    let waited = started.elapsed();
    // A cancelled call must not send anything later either.
    tokio::time::sleep(Duration::from_secs(300)).await;

    let found = Found {
        attempts: transport.sent().len(),
        outcome: "cancelled",
        kind: None,
        stop: None,
        applied: None,
        keys: header.map_or_else(Vec::new, |name| transport.header(&name)),
        waited,
        verify_calls: verify_calls.load(Ordering::Relaxed),
        typed: BTreeMap::new(),
        unread: transport.left(),
    };
    match ended {
        Err(_) => found,
        Ok(result) => found.with_result(&case.id, result),
    }
}

impl Found {
    fn with_result(mut self, id: &str, result: reqwest_middleware::Result<reqwest::Response>) -> Self {
        match result {
            Ok(response) => {
                let attempts = response.extensions().get::<Attempts>().expect("the attempts");
                assert_eq!(attempts.count(), self.attempts, "{id}: listed attempts");
                // `reconciled` is what the cases call a write that the verifier has found.
                self.outcome = if attempts.is_verified_applied() { "reconciled" } else { "ok" };
            }
            Err(error) => {
                let error = Error::find(&error).expect("the layer's error");
                assert_eq!(error.attempts().count(), self.attempts, "{id}: listed attempts");
                self.outcome = "error";
                self.kind = Some(case_name(error.kind()));
                self.stop = Some(case_name(error.stop()));
                self.applied = Some(case_name(error.applied()));
                self.typed = typed(error);
            }
        }
        self
    }
}

fn request(case: &Case, client: &ClientWithMiddleware, url: String) -> RequestBuilder {
    let method: Method = case.request.method.parse().unwrap();
    let has_body = !matches!(method, Method::GET | Method::DELETE);
    let mut request = client.request(method, url);
    for (name, values) in &case.request.headers {
        for value in values.values() {
            request = request.header(name, value);
        }
    }
    if let Some(key) = &case.request.idempotency_key {
        request = request.with_extension(IdempotencyKey::new(key.as_str()));
    }
    if case.config.body_replayable == Some(false) {
        request.body(streamed("{}"))
    } else if let Some(body) = &case.request.body {
        request.json(body)
    } else if has_body {
        request.json(&Value::Object(Default::default()))
    } else {
        request
    }
}

/// A body that can be sent only once.
fn streamed(text: &'static str) -> Body {
    Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(text)]))
}

fn reply(step: &Step, faults: &mut Vec<reqwest::Error>) -> Reply {
    if step.fault.is_some() {
        return Reply::error(faults.remove(0));
    }
    let mut response = http::Response::builder().status(step.status.expect("a status or a fault"));
    for (name, values) in &step.headers {
        for value in values.values() {
            response = response.header(name, value);
        }
    }
    if step.body.is_object() && !step.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) {
        response = response.header("content-type", "application/json");
    }
    Reply::from(response.body(Body::from(step.body_text())).unwrap())
}

fn verifier(service: Service, verdict: Option<&str>, calls: Arc<AtomicUsize>) -> Service {
    let Some(verdict) = verdict.map(str::to_owned) else { return service };
    service.verifier_fn(move |_| {
        calls.fetch_add(1, Ordering::Relaxed);
        let verdict = match verdict.as_str() {
            "applied" => Verdict::Applied(Some(http::Response::new("found").into())),
            "not_applied" => Verdict::NotApplied,
            "unknown" => Verdict::Unknown,
            other => panic!("unknown verdict {other}"),
        };
        async move { verdict }
    })
}

/// The fields of the error, by the names of the cases.
fn typed(error: &Error) -> BTreeMap<String, Value> {
    [
        ("status", error.status().map(|status| status.as_u16().into())),
        ("message", Some(error.message().into())),
        ("code", error.code().map(Into::into)),
        ("type", error.error_type().map(Into::into)),
        ("request_id", error.request_id().map(Into::into)),
        ("retry_after_ms", error.retry_after().map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).into())),
        ("rate_limit_scope", error.rate_limit_scope().map(Into::into)),
        ("truncated", Some(error.is_truncated().into())),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.unwrap_or(Value::Null)))
    .collect()
}

/// A variant of the crate by its name in the cases.
fn case_name(variant: impl std::fmt::Debug) -> String {
    let name = snake_case(variant);
    match name.as_str() {
        "attempts_exhausted" => "attempts",
        "budget_exhausted" => "budget",
        "deadline_exceeded" => "deadline",
        "retry_after_too_long" => "retry_after",
        "payload_mismatch" => "key_reused",
        "key_invalidated" => "key_burnt",
        same => same,
    }
    .to_owned()
}

/// `NotFound` as `not_found`.
fn snake_case(variant: impl std::fmt::Debug) -> String {
    let mut snake = String::new();
    for char in format!("{variant:?}").chars() {
        if char.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(char.to_lowercase());
    }
    snake
}
