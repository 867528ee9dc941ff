//! A file, the same calls in code, and the other formats are all alike.

use reqwest_safe_retry::{
    Backoff, BooleanHeader, ConcurrencyLimit, ConcurrentRequests, Effect, ErrorFormat, Idempotency, Jitter, KeyFormat,
    KeyKind, LimitKeySource, Meaning, Probe, RateLimiting, ResponseRule, RetryAfterSource, RetryAfterUnit, RetryPolicy,
    Route, Rule, SafeRetry, Service, ServicesConfig, Source, StatusSet,
};

use super::{EXAMPLE, SECOND, behaviour, toml};

fn billing_policy() -> RetryPolicy {
    RetryPolicy::new()
        .max_attempts(4)
        .transient(Backoff::new(SECOND / 5, 5 * SECOND).jitter(Jitter::Full))
        .throttled(Backoff::new(SECOND, 20 * SECOND).jitter(Jitter::Equal))
        .max_retry_after(60 * SECOND)
        .retry_after_jitter(0.1, SECOND)
        .deadline(120 * SECOND)
        .retry_on(StatusSet::of(&[429]).with(500..=599))
        .verify_timeout(10 * SECOND)
        .max_error_body(65_536)
        .error_body_timeout(2 * SECOND)
        .buffer_bodies(1_048_576)
        .buffer_responses(1_048_576)
}

fn billing_keys() -> Idempotency {
    Idempotency::header("Idempotency-Key", KeyKind::ReplayAll)
        .methods([http::Method::POST, http::Method::PATCH])
        .max_length(64)
        .retention(24 * 3600 * SECOND)
        .probe(Probe::Once)
        .longest_execution(120 * SECOND)
        .concurrent_requests(ConcurrentRequests::Refused)
        .in_progress_for(30 * SECOND)
        .transient_header("x-transient")
        .replay_header(BooleanHeader::presence("x-replayed"))
}

fn billing_limits() -> RateLimiting {
    RateLimiting::new()
        .retry_after([
            RetryAfterSource::header("retry-after-ms").unit(RetryAfterUnit::Milliseconds),
            RetryAfterSource::header("x-ratelimit-reset")
                .unit(RetryAfterUnit::EpochSeconds)
                .only_on([429])
                .only_where_zero("x-ratelimit-remaining"),
            RetryAfterSource::member("/error/retry_in").unit(RetryAfterUnit::Text),
            RetryAfterSource::default(),
        ])
        .ignore_rate_limit_header()
        .scope_header("x-limit-scope", ["customer"])
}

fn billing_error_format() -> ErrorFormat {
    ErrorFormat::new()
        .message(["/error/message", "/message"])
        .code(["/error/code"])
        .error_type(["/error/type"])
        .request_id_headers(["x-request-id"])
        .request_id(["/request_id"])
}

/// The service `billing` of the example, written in code.
fn billing_in_code() -> Service {
    let search = RetryPolicy::new().max_attempts(2).transient(Backoff::new(SECOND / 20, 5 * SECOND));
    Service::builder("billing", "https://billing.internal/api")
        .concurrency_limit(ConcurrencyLimit::Fixed(16))
        .retryable(StatusSet::of(&[408, 425, 429, 500]).with(502..=504))
        .retry_signal("x-should-retry")
        .retry_policy(billing_policy())
        .idempotency(billing_keys())
        .response(409, Meaning::InProgress)
        .response_matching(422, "idempotency", Meaning::PayloadMismatch)
        .responses([
            ResponseRule::new(429, Meaning::Final).text("quota").at("/errors/*/code"),
            ResponseRule::new(403, Meaning::Throttled).header_value("x-ratelimit-remaining", "0"),
        ])
        .rate_limiting(billing_limits())
        .limit_key_from([
            LimitKeySource::path_parameter("customer"),
            LimitKeySource::body_member("/customer/id"),
            LimitKeySource::header("x-customer"),
        ])
        .error_format(billing_error_format())
        .routes([
            Route::new(http::Method::POST, "/search", Effect::Read).retry_policy(search),
            Route::new(http::Method::POST, "/contracts/{id}", Effect::Write)
                .deduplicated_by("/uniqueness_key")
                .limit_key_from([LimitKeySource::body_member("/customer_id")]),
            Route::new(http::Method::GET, "/customers/{customer}/usage", Effect::Read)
                .responses([ResponseRule::new(409, Meaning::Unavailable)])
                .limit_group("usage"),
            Route::new(http::Method::POST, "/events/{*kind}", Effect::Deduplicated).unkeyed(),
            Route::new(http::Method::POST, "/refunds", Effect::Write)
                .idempotency(billing_keys().max_length(40).retention(12 * 3600 * SECOND)),
        ])
        .sources([Source::new(
            "https://docs.billing.internal/idempotency",
            "2026-07-13",
            [Rule::Key, Rule::Stored, Rule::Retention],
        )])
        .build()
        .unwrap()
}

#[test]
fn example_equals_the_same_calls_in_code() {
    let services = toml(EXAMPLE).build().unwrap();
    let names: Vec<_> = services.iter().map(Service::name).collect();
    assert_eq!(names, ["billing", "invoicing", "ledger", "metronome", "metronome_sandbox", "payments", "shops"]);
    assert_eq!(behaviour(&services[..1]), behaviour(&[billing_in_code()]));
    let keys = Idempotency::body_member("/idempotency_key", KeyKind::ReplaySuccess);
    assert_eq!(services[1].idempotency(), &keys);
    let in_query = Idempotency::query("requestid", KeyKind::ReplaySuccess).max_length(50).replay_status(409);
    assert_eq!(services[2].idempotency(), &in_query);
    let policy = RetryPolicy::new().max_attempts(5).deadline(30 * SECOND);
    let metronome = Service::metronome().into_builder().retry_policy(policy).build().unwrap();
    assert_eq!(behaviour(&services[3..4]), behaviour(&[metronome]));
    assert_eq!(services[5].idempotency().format, KeyFormat::StructuredString);
    SafeRetry::try_new(services).unwrap();
}

#[test]
fn formats_give_equal_services() {
    let file = toml(EXAMPLE);
    let json: ServicesConfig = serde_json::from_str(&serde_json::to_string_pretty(&file).unwrap()).unwrap();
    let yaml: ServicesConfig = serde_yaml_ng::from_str(&serde_yaml_ng::to_string(&file).unwrap()).unwrap();
    let back = toml(&toml::to_string(&file).unwrap());
    assert!(file == json && file == yaml && file == back);
    let expected = behaviour(&file.build().unwrap());
    for other in [json, yaml, back] {
        assert_eq!(behaviour(&other.build().unwrap()), expected);
    }
}

#[test]
fn serialising_gives_the_same_tables_sorted() {
    let file = toml(
        "
        [services.b]
        retry_policy = { retry_on = ['5xx', 429], deadline = '90s' }
        base_url = 'https://b'
        [services.a]
        from = 'orb'
    ",
    );
    assert_eq!(
        serde_json::to_string(&file).unwrap(),
        r#"{"services":{"a":{"from":"orb"},"b":{"base_url":"https://b","#.to_owned()
            + r#""retry_policy":{"deadline":"90s","retry_on":["5xx",429]}}}}"#
    );
}

#[test]
fn public_types_serialise_in_one_form() {
    let policy = RetryPolicy::new().deadline(90 * SECOND).retry_on(StatusSet::of(&[429, 500, 501]).with(502..=599));
    let text = r#"{"deadline":"1m 30s","retry_on":[429,"500-599"]}"#;
    assert_eq!(serde_json::to_string(&policy).unwrap(), text);
    assert_eq!(serde_json::from_str::<RetryPolicy>(text).unwrap(), policy);
    for (header, text) in [
        (BooleanHeader::new("x-a"), r#""x-a""#),
        (BooleanHeader::new("x-a").values("1", "0"), r#"{"header":"x-a","yes":"1","no":"0"}"#),
        (BooleanHeader::presence("x-a"), r#"{"header":"x-a","presence":true}"#),
    ] {
        assert_eq!(serde_json::to_string(&header).unwrap(), text);
        assert_eq!(serde_json::from_str::<BooleanHeader>(text).unwrap(), header);
    }
    for (limit, text) in [
        (ConcurrencyLimit::Adaptive, r#""adaptive""#),
        (ConcurrencyLimit::Fixed(3), "3"),
        (ConcurrencyLimit::Off, r#""off""#),
    ] {
        assert_eq!(serde_json::to_string(&limit).unwrap(), text);
        assert_eq!(serde_json::from_str::<ConcurrencyLimit>(text).unwrap(), limit);
    }
}
