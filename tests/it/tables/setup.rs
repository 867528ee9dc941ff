//! A set-up that cannot work is refused when the service is built, with every mistake and its field.

use std::time::Duration;

use http::Method;
use reqwest_safe_retry::{
    Backoff, ConfigError, Effect, ErrorFormat, HintHeader, Idempotency, KeyKind, Meaning, Probe, RateLimiting,
    RetryPolicy, Route, Service, ServiceBuilder, Signal,
};

const SECOND: Duration = Duration::from_secs(1);

fn billing() -> ServiceBuilder {
    Service::builder("billing").base_url("https://billing.internal")
}

fn keys(kind: KeyKind) -> Idempotency {
    Idempotency::header("Idempotency-Key", kind)
}

fn policy(policy: RetryPolicy) -> Result<Service, ConfigError> {
    billing().retry(policy).build()
}

#[test]
fn every_mistake_is_named_with_its_field() {
    for (built, expected) in [
        (Service::builder("billing").build(), "services.billing.base_url: is no URL: relative URL without a base"),
        (
            billing().base_url("billing.internal").build(),
            "services.billing.base_url: is no URL: relative URL without a base",
        ),
        (billing().base_url("unix:/run/billing").build(), "services.billing.base_url: has the scheme unix"),
        (billing().base_url("https://").build(), "services.billing.base_url: is no URL: empty host"),
        (billing().base_url("ftp://billing").build(), "services.billing.base_url: has the scheme ftp"),
        (billing().base_url("https://u:p@billing?x#y").build(), "services.billing.base_url: has a query"),
        (Service::builder(" ").base_url("https://billing").build(), "services. .name: is empty"),
        (policy(RetryPolicy::new().max_attempts(0)), "services.billing.retry.max_attempts: is 0"),
        (policy(RetryPolicy::new().deadline(Duration::ZERO)), "services.billing.retry.deadline: is 0"),
        (
            policy(RetryPolicy::new().transient(Backoff::new(5 * SECOND, 2 * SECOND))),
            "services.billing.retry.transient.base: 5s is above the cap 2s",
        ),
        (
            policy(RetryPolicy::new().throttled(Backoff::new(5 * SECOND, 2 * SECOND))),
            "services.billing.retry.throttled.base: 5s is above the cap 2s",
        ),
        (
            policy(RetryPolicy::new().transient(Backoff::new(Duration::ZERO, SECOND))),
            "services.billing.retry.transient.base: is 0",
        ),
        (policy(RetryPolicy::new().hint_jitter(-0.5, SECOND)), "services.billing.retry.hint_jitter: -0.5 is no share"),
        (
            policy(RetryPolicy::new().hint_jitter(f64::NAN, SECOND)),
            "services.billing.retry.hint_jitter: NaN is no share",
        ),
        (
            billing().idempotency(Idempotency::header("no header", KeyKind::ReplayAll)).build(),
            "services.billing.idempotency.header: \"no header\" is no header name",
        ),
        (
            billing().idempotency(keys(KeyKind::ReplayAll).keyed([])).build(),
            "services.billing.idempotency.keyed: names no method",
        ),
        (
            billing().idempotency(keys(KeyKind::ReplayAll).retention(60 * SECOND)).build(),
            "services.billing.idempotency.retention: 60s is below the deadline 120s",
        ),
        (
            billing().idempotency(keys(KeyKind::ReplayAll).max_length(35)).build(),
            "services.billing.idempotency.max_length: 35 leaves no room for a UUID (36)",
        ),
        (
            billing().idempotency(keys(KeyKind::Signalled)).build(),
            "services.billing.idempotency.transient_signal: is missing: the kind `Signalled` reads it",
        ),
        (
            billing().idempotency(keys(KeyKind::Signalled).transient_signal("a b")).build(),
            "services.billing.idempotency.transient_signal: \"a b\" is no header name",
        ),
        (
            billing().idempotency(keys(KeyKind::ReplayAll).replay_marker("")).build(),
            "services.billing.idempotency.replay_marker: \"\" is no header name",
        ),
        (
            billing().idempotency(keys(KeyKind::None)).build(),
            "services.billing.idempotency.kind: is `None` although keys are sent",
        ),
        (
            billing().idempotency(keys(KeyKind::ReplaySuccess).probe(Probe::Once)).build(),
            "services.billing.idempotency.probe: makes no sense for the kind `ReplaySuccess`: no error is stored",
        ),
        (
            billing().idempotency(keys(KeyKind::ReplaySuccess).conflict(400, Meaning::Burnt)).build(),
            "services.billing.idempotency.conflicts: 400 cannot mean `Burnt`: a new key would double the write",
        ),
        (
            billing()
                .idempotency(Idempotency::body_member("/key", KeyKind::Poisoned).conflict(409, Meaning::RotateAtOnce))
                .build(),
            "services.billing.idempotency.conflicts: 409 cannot mean `RotateAtOnce`: a key in the body is never replaced",
        ),
        (
            billing().idempotency(Idempotency::body_member("key", KeyKind::ReplaySuccess)).build(),
            "services.billing.idempotency.body_member: \"key\" is no JSON pointer",
        ),
        (
            billing().retry_signal(Signal::new("x-retry").saying("yes", "YES")).build(),
            "services.billing.retry_signal: says \"yes\" for yes and for no",
        ),
        (billing().retry_signal("a:b").build(), "services.billing.retry_signal: \"a:b\" is no header name"),
        (
            billing().rate_limiting(RateLimiting::new().hints([HintHeader::millis("a b")])).build(),
            "services.billing.rate_limiting.hints: \"a b\" is no header name",
        ),
        (
            billing().rate_limiting(RateLimiting::new().scope_header("a b")).build(),
            "services.billing.rate_limiting.scope_header: \"a b\" is no header name",
        ),
        (
            billing().error_format(ErrorFormat::new().message(["message"])).build(),
            "services.billing.error_format.message: \"message\" is no JSON pointer",
        ),
        (
            billing().error_format(ErrorFormat::new().request_id_headers(["a b"])).build(),
            "services.billing.error_format.request_id_headers: \"a b\" is no header name",
        ),
        (
            billing().route(Method::POST, "/a", Effect::Read).route(Method::POST, "/a", Effect::Write).build(),
            "services.billing.routes: POST /a is given twice",
        ),
        (billing().route(Method::POST, "/{", Effect::Read).build(), "services.billing.routes: /{: "),
        (
            billing().routes([Route::new(Method::POST, "/a", Effect::Write).deduplicated_by("key")]).build(),
            "services.billing.routes: /a: \"key\" is no JSON pointer",
        ),
    ] {
        let error = built.expect_err(expected);
        assert!(error.to_string().starts_with(expected), "expected {expected}\nfound    {error}");
        assert_eq!(error.mistakes().len(), 1, "{error}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let error = Service::builder("billing")
        .base_url("nowhere")
        .retry(RetryPolicy::new().max_attempts(0))
        .idempotency(Idempotency::header("", KeyKind::Signalled))
        .build()
        .unwrap_err();
    let paths: Vec<_> = error.mistakes().iter().map(|mistake| mistake.path()).collect();
    let expected = ["base_url", "retry.max_attempts", "idempotency.header", "idempotency.transient_signal"]
        .map(|field| format!("services.billing.{field}"));
    assert_eq!(paths, expected);
}

#[test]
fn secrets_in_a_base_url_are_not_repeated() {
    let error = billing().base_url("https://user:c4n4ry@billing?c4n4ry").build().unwrap_err();
    assert!(!format!("{error} {error:?}").contains("c4n4ry"));
}

#[test]
fn what_works_is_accepted() {
    let short = keys(KeyKind::ReplayAll).max_length(20).callers_keys_only();
    billing().idempotency(short).build().unwrap();
    billing().idempotency(keys(KeyKind::ReplayAll).retention(120 * SECOND)).build().unwrap();
    let changed = Service::metronome().into_builder().base_url("http://127.0.0.1:8080/metronome/").build().unwrap();
    assert_eq!((changed.name(), changed.base_url()), ("metronome", "http://127.0.0.1:8080/metronome/"));
}
