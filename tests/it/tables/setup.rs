//! A service that cannot work is refused when it is built, with every error and its field.

use std::time::Duration;

use http::Method;
use reqwest_safe_retry::{
    Backoff, BooleanHeader, ConfigError, Effect, ErrorFormat, Idempotency, KeyKind, Meaning, Probe, RateLimiting,
    RetryAfterSource, RetryPolicy, Route, SafeRetry, Service, ServiceBuilder, StatusSet,
};

const SECOND: Duration = Duration::from_secs(1);

fn billing() -> ServiceBuilder {
    Service::builder("billing", "https://billing.internal")
}

fn keys(kind: KeyKind) -> Idempotency {
    Idempotency::header("Idempotency-Key", kind)
}

/// A place for keys, for what does not depend on the kind.
fn header(name: &'static str) -> ServiceBuilder {
    billing().idempotency(Idempotency::header(name, KeyKind::ReplayAll))
}

fn policy(policy: RetryPolicy) -> ServiceBuilder {
    billing().retry_policy(policy)
}

fn route(route: Route) -> ServiceBuilder {
    billing().routes([route])
}

/// Each service has this one error.
#[track_caller]
pub(super) fn assert_refused(table: impl IntoIterator<Item = (ServiceBuilder, &'static str)>) {
    for (service, expected) in table {
        let error = service.build().expect_err(expected);
        assert_eq!(error.to_string(), format!("services.billing.{expected}"));
        assert_eq!(error.errors().len(), 1, "{error}");
    }
}

#[test]
fn bad_base_urls_are_refused() {
    const NOT_ALONE: &str =
        "base_url: has a query, a fragment or user information: give scheme, host, port and path only";
    assert_refused(
        [
            ("", "base_url: is missing"),
            ("billing.internal", "base_url: is not a URL: relative URL without a base"),
            ("https://", "base_url: is not a URL: empty host"),
            ("unix:/run/billing", "base_url: has the scheme unix: use http or https"),
            ("ftp://billing", "base_url: has the scheme ftp: use http or https"),
            ("https://u:p@billing?x#y", NOT_ALONE),
            ("https://billing?x", NOT_ALONE),
            ("https://billing#y", NOT_ALONE),
            ("https://u@billing", NOT_ALONE),
            ("https://:p@billing", NOT_ALONE),
        ]
        .map(|(url, expected)| (billing().base_url(url), expected)),
    );
}

#[test]
fn empty_name_is_refused() {
    let error = Service::builder(" ", "https://billing").build().unwrap_err();
    assert_eq!(error.to_string(), "services. .name: is empty");
}

#[test]
fn contradicting_policies_are_refused() {
    let second = Backoff::new(SECOND, 2 * SECOND);
    let above_cap = Backoff::new(5 * SECOND, 2 * SECOND);
    let short = RetryPolicy::new().deadline(SECOND / 2);
    assert_refused([
        (
            policy(RetryPolicy::new().max_attempts(0)),
            "retry_policy.max_attempts: is 0, but the first attempt counts: use at least 1",
        ),
        (
            policy(RetryPolicy::new().deadline(Duration::ZERO)),
            "retry_policy.deadline: is 0, which leaves no time for an attempt",
        ),
        (
            policy(RetryPolicy::new().transient(above_cap.clone())),
            "retry_policy.transient.base: 5s is above the cap 2s",
        ),
        (policy(RetryPolicy::new().throttled(above_cap)), "retry_policy.throttled.base: 5s is above the cap 2s"),
        (
            policy(RetryPolicy::new().transient(Backoff::new(Duration::ZERO, SECOND))),
            "retry_policy.transient.base: is 0: repeats without a wait make an outage worse",
        ),
        (
            policy(short.clone().transient(second.clone())),
            "retry_policy.transient.base: 1s is above the deadline 500ms",
        ),
        (policy(short.clone().throttled(second)), "retry_policy.throttled.base: 1s is above the deadline 500ms"),
        (policy(short.verify_timeout(SECOND)), "retry_policy.verify_timeout: 1s is above the deadline 500ms"),
        (
            policy(RetryPolicy::new().retry_after_jitter(-0.5, SECOND)),
            "retry_policy.retry_after_jitter.share: -0.5 is not a share from 0 to 1",
        ),
        (
            policy(RetryPolicy::new().retry_after_jitter(f64::NAN, SECOND)),
            "retry_policy.retry_after_jitter.share: NaN is not a share from 0 to 1",
        ),
    ]);
}

#[test]
fn route_policy_is_checked_against_the_service() {
    let slow = RetryPolicy::new().transient(Backoff::new(5 * SECOND, 8 * SECOND)).verify_timeout(5 * SECOND);
    let write = |policy| Route::new(Method::POST, "/a", Effect::Write).retry_policy(policy);
    assert_refused([
        (
            route(write(RetryPolicy::new().max_attempts(0))),
            "routes[0].retry_policy.max_attempts: is 0, but the first attempt counts: use at least 1",
        ),
        (
            policy(RetryPolicy::new().deadline(2 * SECOND))
                .routes([write(RetryPolicy::new().verify_timeout(3 * SECOND))]),
            "routes[0].retry_policy.verify_timeout: 3s is above the deadline 2s",
        ),
        (
            billing()
                .idempotency(keys(KeyKind::ReplayAll).retention(180 * SECOND))
                .routes([write(RetryPolicy::new().deadline(181 * SECOND))]),
            "routes[0].retry_policy.deadline: 181s is above the retention 180s of keys",
        ),
    ]);
    // What the service sets is its own business.
    policy(slow).routes([write(RetryPolicy::new().max_attempts(2))]).build().unwrap();
}

/// Only what was set is refused: nobody is told off for a default.
#[test]
fn defaults_fit_into_a_short_deadline() {
    policy(RetryPolicy::new().deadline(SECOND / 10)).build().unwrap();
    let equal = RetryPolicy::new().deadline(SECOND).verify_timeout(SECOND).transient(Backoff::new(SECOND, SECOND));
    policy(equal).build().unwrap();
}

#[test]
fn statuses_that_are_no_errors_are_refused() {
    let expected = "retryable: has 399, which is not an error: use statuses from 400";
    assert_refused([(billing().retryable(StatusSet::of(&[503, 404, 399])), expected)]);
    let expected = "retry_policy.retry_on: has 200, which is not an error: use statuses from 400";
    assert_refused([(policy(RetryPolicy::new().retry_on(StatusSet::of(&[200, 204]))), expected)]);
    let expected = "routes[0].retry_policy.retry_on: has 101, which is not an error: use statuses from 400";
    let retry_on = RetryPolicy::new().retry_on(StatusSet::of(&[101]));
    assert_refused([(route(Route::new(Method::GET, "/a", Effect::Read).retry_policy(retry_on)), expected)]);
    billing().retryable(StatusSet::of(&[]).with(400..=599)).build().unwrap();
}

#[test]
fn budget_below_the_cheapest_repeat_is_refused() {
    assert_refused([
        (
            billing().retry_budget(4),
            "retry_budget: 4 is below the cheapest repeat (5): raise it, or use 0 for no repeats",
        ),
        (
            billing().retry_budget(1).retry_costs(2, 3),
            "retry_budget: 1 is below the cheapest repeat (2): raise it, or use 0 for no repeats",
        ),
    ]);
    for accepted in [billing().retry_budget(0), billing().retry_budget(5), billing().retry_budget(1).retry_costs(0, 9)]
    {
        accepted.build().unwrap();
    }
}

#[test]
fn bad_places_for_keys_are_refused() {
    assert_refused([
        (header("no header"), "idempotency.header: \"no header\" is not a header name"),
        (header("Authorization"), "idempotency.header: \"authorization\" cannot carry a key"),
        (header("Cookie"), "idempotency.header: \"cookie\" cannot carry a key"),
        (header("Content-Length"), "idempotency.header: \"content-length\" cannot carry a key"),
        (header("Host"), "idempotency.header: \"host\" cannot carry a key"),
        (
            billing().idempotency(Idempotency::body_member("key", KeyKind::ReplaySuccess)),
            "idempotency.body_member: \"key\" is not a JSON pointer: it must start with a slash",
        ),
        (
            billing().idempotency(keys(KeyKind::ReplayAll).methods([])),
            "idempotency.methods: is empty, and no route is `keyed`: for a service without keys use the kind `unsupported`",
        ),
        (
            billing().idempotency(keys(KeyKind::ReplayAll).max_length(35)),
            "idempotency.max_length: 35 is too short for a UUID (36): set `callers_keys_only`",
        ),
        (
            billing().idempotency(keys(KeyKind::ReplayAll).retention(60 * SECOND)),
            "retry_policy.deadline: 120s is above the retention 60s of keys",
        ),
    ]);
}

#[test]
fn contradicting_key_rules_are_refused() {
    let body = Idempotency::body_member("/key", KeyKind::InvalidatedByError);
    assert_refused([
        (
            billing().idempotency(keys(KeyKind::Signalled)),
            "idempotency.transient_header: is missing: the kind `signalled` reads it after an error",
        ),
        (
            billing().idempotency(keys(KeyKind::Signalled).transient_header("a b")),
            "idempotency.transient_header: \"a b\" is not a header name",
        ),
        (
            billing().idempotency(keys(KeyKind::ReplayAll).replay_header("")),
            "idempotency.replay_header: \"\" is not a header name",
        ),
        (
            billing().idempotency(keys(KeyKind::Unsupported)),
            "idempotency.kind: is `unsupported`, but a place for keys is given: choose another kind",
        ),
        (
            billing().idempotency(keys(KeyKind::ReplaySuccess).probe(Probe::Once)),
            "idempotency.probe: does not apply to the kind `replay_success`, which stores no error",
        ),
        (
            billing().idempotency(keys(KeyKind::ReplaySuccess)).response(400, Meaning::KeyInvalidated),
            "responses[0].meaning: 400 cannot ask for a new key: a new key would double the write",
        ),
        (
            billing().idempotency(body).response(409, Meaning::NotApplied),
            "responses[0].meaning: 409 cannot ask for a new key: a key in the body is never replaced",
        ),
    ]);
}

#[test]
fn bad_header_names_and_pointers_are_refused() {
    let limits = RateLimiting::new;
    assert_refused([
        (
            billing().retry_signal(BooleanHeader::new("x-retry").values("yes", "YES")),
            "retry_signal: has the value \"yes\" for both yes and no",
        ),
        (billing().retry_signal("a:b"), "retry_signal: \"a:b\" is not a header name"),
        (
            billing().rate_limiting(limits().retry_after([RetryAfterSource::header("a b")])),
            "rate_limiting.retry_after[0]: \"a b\" is not a header name",
        ),
        (
            billing().rate_limiting(limits().scope_header("a b", ["customer"])),
            "rate_limiting.scope_header: \"a b\" is not a header name",
        ),
        (
            billing().error_format(ErrorFormat::new().message(["message"])),
            "error_format.message: \"message\" is not a JSON pointer: it must start with a slash",
        ),
        (
            billing().error_format(ErrorFormat::new().request_id_headers(["a b"])),
            "error_format.request_id_headers: \"a b\" is not a header name",
        ),
    ]);
}

#[test]
fn bad_routes_are_refused() {
    let write = |path: &'static str| Route::new(Method::POST, path, Effect::Write);
    let method = |name: &str| name.parse::<Method>().unwrap();
    assert_refused([
        (billing().routes([write("/a"), write("/a")]), "routes[1]: POST /a is given twice"),
        (route(write("a")), "routes[0].path: \"a\" does not start with a slash"),
        (
            billing().routes([write("/a"), write("/s/:id")]),
            "routes[1].path: \":id\" would match only itself: write `{id}` for a parameter",
        ),
        (
            route(write("/a").deduplicated_by("key")),
            "routes[0].deduplicated_by: \"key\" is not a JSON pointer: it must start with a slash",
        ),
        (
            route(Route::new(Method::POST, "/a", Effect::Read).deduplicated_by("/key")),
            "routes[0].deduplicated_by: does not apply to a route that only reads",
        ),
        (
            route(Route::new(method("PSOT"), "/a", Effect::Write)),
            "routes[0].method: \"PSOT\" is not a known method: use one of GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, \
             TRACE, PATCH, QUERY",
        ),
        (
            // Methods are compared with regard to case.
            billing().idempotency(keys(KeyKind::ReplayAll).methods([Method::POST, method("post")])),
            "idempotency.methods: \"post\" is not a known method: use one of GET, HEAD, POST, PUT, DELETE, CONNECT, \
             OPTIONS, TRACE, PATCH, QUERY",
        ),
    ]);
    let error = billing().route(Method::POST, "/{", Effect::Read).build().unwrap_err();
    assert!(error.to_string().starts_with("services.billing.routes[0].path: /{: "), "{error}");
}

#[test]
fn all_errors_are_reported_together() {
    let error = Service::builder("billing", "nowhere")
        .retry_policy(RetryPolicy::new().max_attempts(0))
        .idempotency(Idempotency::header("", KeyKind::Signalled))
        .build()
        .unwrap_err();
    let paths: Vec<_> = error.errors().iter().map(|error| error.path()).collect();
    let expected = ["base_url", "retry_policy.max_attempts", "idempotency.header", "idempotency.transient_header"]
        .map(|field| format!("services.billing.{field}"));
    assert_eq!(paths, expected);
}

#[test]
fn secrets_in_a_base_url_are_not_shown() {
    for url in ["https://user:c4n4ry@billing?c4n4ry", "https://user:c4n4ry@bil ling"] {
        let error = billing().base_url(url).build().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("c4n4ry"), "{error}");
    }
}

#[test]
fn shared_base_url_is_refused() -> Result<(), ConfigError> {
    let same = Service::builder("other", "https://billing.internal/").build()?;
    let error = SafeRetry::try_new([billing().build()?, same]).unwrap_err();
    let expected = "services.other.base_url: is also the base URL of billing: requests could belong to either";
    assert_eq!(error.to_string(), expected);
    SafeRetry::try_new([billing().build()?, billing().base_url("https://billing.internal/v2").build()?])?;
    Ok(())
}

#[test]
fn what_works_is_accepted() {
    let short = keys(KeyKind::ReplayAll).max_length(20).callers_keys_only();
    billing().idempotency(short).build().unwrap();
    billing().idempotency(keys(KeyKind::ReplayAll).retention(120 * SECOND)).build().unwrap();
    let changed = Service::metronome().at("http://127.0.0.1:8080/metronome/").unwrap();
    assert_eq!((changed.name(), changed.base_url()), ("metronome", "http://127.0.0.1:8080/metronome/"));
}

/// Names every public type, so that one that stops being `Send` and `Sync` is noticed here.
macro_rules! assert_send_and_sync {
    ($($type:ty),* $(,)?) => {{
        fn check<T: Send + Sync + ?Sized>() {}
        $(check::<$type>();)*
    }};
}

#[test]
fn public_types_are_send_and_sync() {
    use reqwest_safe_retry::{decide::*, *};

    assert_send_and_sync![Applied, Attempt, AttemptOutcome, Attempts, Backoff, BooleanHeader, CallError, ConfigError];
    assert_send_and_sync![ConcurrencyLimit, Deadline, Effect, Error, ErrorFormat, ErrorKind, ErrorStatusHandling];
    assert_send_and_sync![Evidence, Explanation, Failure, FieldError, Header, Health, Idempotency, IdempotencyKey];
    assert_send_and_sync![InDoubtWrite<'_>, Jitter, KeyAction, KeyCharacters, KeyFormat, KeyKind, Meaning, Probe];
    assert_send_and_sync![RateLimiting, Redirect, RequestFacts<'_>, RequestVerifier, RetryAfterSource];
    assert_send_and_sync![RetryAfterJitter, RetryAfterUnit, RetryPolicy, Route, Rule, SafeRetry, ScopeHeader, Service];
    assert_send_and_sync![ServiceBuilder, Source, StatusSet, StopReason, VerdictKind, VerifierFn];
    assert_send_and_sync![dyn Clock, dyn Verifier];
    assert_send_and_sync![Decision, History, KeyPlace, Moment, Outcome, OutcomeClass, ResolvedPolicy, ResponseFacts];
    assert_send_and_sync![LimitGroupHealth, LimitKeySource, RetryCosts, Rules<'_>, Step, WaitSource];
    #[cfg(feature = "config")]
    assert_send_and_sync![ServicesConfig];
    // A verdict may have a response, whose body can be read by one task at a time.
    fn is_send<T: Send>() {}
    is_send::<Verdict>();
}
