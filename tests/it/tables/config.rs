//! The services of a layer from a file: every mistake with its path, all formats alike, and back again.

use std::{fmt::Write as _, time::Duration};

use proptest::prelude::*;
use reqwest_safe_retry::{
    Backoff, ConfigError, Doubt, Effect, ErrorFormat, HintHeader, Idempotency, Jitter, KeyFormat, KeyKind, Meaning,
    Probe, RateLimiting, RetryPolicy, Route, SafeRetry, Service, ServicesConfig, Signal, StatusSet, Verdict, Window,
};

const EXAMPLE: &str = include_str!("../../../examples/services.toml");
const SECOND: Duration = Duration::from_secs(1);

fn toml(text: &str) -> ServicesConfig {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn unknown(_: &Doubt<'_>) -> impl Future<Output = Verdict> + Send + use<> {
    std::future::ready(Verdict::Unknown)
}

fn mistakes(built: Result<Vec<Service>, ConfigError>) -> Vec<String> {
    built.err().map(|error| error.mistakes().iter().map(ToString::to_string).collect()).unwrap_or_default()
}

fn billing(more: &str) -> Result<Vec<Service>, ConfigError> {
    toml(&format!("[services.billing]\nbase_url = 'https://billing.internal'\n{more}")).build()
}

/// Everything that makes two services behave alike.
fn behaviour(services: &[Service]) -> Vec<String> {
    services
        .iter()
        .map(|service| {
            let mut text = format!("{} {} {:?}\n", service.name(), service.base_url(), service.window());
            writeln!(text, "{:?}\n{:?}", service.retry_policy(), service.idempotency()).unwrap();
            writeln!(text, "{:?}\n{:?}", service.error_format(), service.rate_limiting()).unwrap();
            writeln!(text, "{:?}\n{:?}", service.retry_signal(), service.routes()).unwrap();
            write!(text, "{:?}", service.sources()).unwrap();
            text
        })
        .collect()
}

#[test]
fn every_mistake_is_named_with_its_path() {
    const BASE: &str = "services.billing.";
    for (given, expected) in [
        // What cannot be read.
        (
            "base_url_ = 1",
            "base_url_: is no field: there are from, base_url, window, retryable, retry_signal, retry, idempotency, rate_limiting, error_format, routes",
        ),
        ("window = 'wide'", "window: is an unknown variant `wide`, expected `adaptive` or `off`"),
        ("window = -1", "window: is -1: expected 0 to 4294967295"),
        ("window = 1.5", "window: has a fraction: expected a whole number"),
        ("window = true", "window: is true or false: expected \"adaptive\", \"off\" or a number"),
        ("retry = 5", "retry: is a number: expected a table"),
        ("retry.max_attempts = 'five'", "retry.max_attempts: is text: expected a whole number"),
        (
            "retry.max_attemps = 5",
            "retry.max_attemps: is no field: there are max_attempts, transient, throttled, hint_cap, hint_jitter, deadline, budget, retry_costs, retry_on, verify_timeout, max_error_body, error_body_timeout, buffer_bodies",
        ),
        ("retry.deadline = 30", "retry.deadline: is a number without a unit: expected text such as \"500ms\""),
        (
            "retry.deadline = '30'",
            "retry.deadline: is no duration such as \"500ms\": time unit needed, for example 30sec or 30ms",
        ),
        (
            "retry.deadline = '30 parsecs'",
            "retry.deadline: is no duration such as \"500ms\": unknown time unit \"parsecs\", supported units: ns, us/µs, ms, sec, min, hours, days, weeks, months, years (and few variations)",
        ),
        ("retry.deadline = 2026-01-01", "retry.deadline: is a date: expected a duration such as \"500ms\""),
        ("retry.transient = '1s'", "retry.transient: is text: expected a table"),
        (
            "retry.transient.base = 'soon'",
            "retry.transient.base: is no duration such as \"500ms\": expected number at 0",
        ),
        (
            "retry.transient.jitter = 'some'",
            "retry.transient.jitter: is an unknown variant `some`, expected one of `full`, `equal`, `none`",
        ),
        ("retry.hint_jitter.share = '10 %'", "retry.hint_jitter.share: is text: expected a share such as 0.1"),
        ("retry.hint_jitter.share = nan", "retry.hint_jitter.share: is NaN: expected 0 to 1"),
        ("retry.retry_on = 500", "retry.retry_on: is a number: expected a list"),
        ("retry.retry_on = [99]", "retry.retry_on[0]: is 99: expected 100 to 599"),
        (
            "retry.retry_on = [429, '6xx']",
            "retry.retry_on[1]: \"6xx\" is no range of statuses such as \"5xx\" or \"500-599\"",
        ),
        (
            "retry.retry_on = ['599-500']",
            "retry.retry_on[0]: \"599-500\" is no range of statuses such as \"5xx\" or \"500-599\"",
        ),
        (
            "retry.retry_on = [true]",
            "retry.retry_on[0]: is true or false: expected a status, or a range such as \"5xx\" or \"500-599\"",
        ),
        ("retry.budget = 5_000_000_000", "retry.budget: is 5000000000: expected 0 to 4294967295"),
        (
            "idempotency = { header = 'Idempotency-Key', kind = 'replay' }",
            "idempotency.kind: is an unknown variant `replay`, expected one of `replay_success`, `replay_all`, `signalled`, `poisoned`, `resource_key`, `none`",
        ),
        ("idempotency = { header = 7, kind = 'replay_all' }", "idempotency.header: is a number: expected text"),
        (
            "idempotency = { header = 'k', kind = 'replay_all', keyed = ['post'] }",
            "idempotency.keyed[0]: \"post\" is no method such as \"POST\", in capitals",
        ),
        (
            "idempotency = { header = 'k', kind = 'replay_all', callers_keys_only = 'yes' }",
            "idempotency.callers_keys_only: is text: expected true or false",
        ),
        (
            "idempotency = { header = 'k', kind = 'replay_all', conflicts = [{ status = 409 }] }",
            "idempotency.conflicts[0].meaning: is missing",
        ),
        (
            "idempotency = { header = 'k', kind = 'replay_all', conflicts = [{ status = 600, meaning = 'burnt' }] }",
            "idempotency.conflicts[0].status: is 600: expected 100 to 599",
        ),
        (
            "idempotency = { header = 'k', kind = 'signalled', transient_signal = { yes = 'y' } }",
            "idempotency.transient_signal.header: is missing",
        ),
        (
            "idempotency = { header = 'k', kind = 'replay_all', replay_marker = ['x'] }",
            "idempotency.replay_marker: is a list: expected a header's name or a table",
        ),
        (
            "rate_limiting.hints = [{ header = 'x', unit = 'minutes' }]",
            "rate_limiting.hints[0].unit: is an unknown variant `minutes`, expected `seconds` or `milliseconds`",
        ),
        ("error_format.message = '/message'", "error_format.message: is text: expected a list"),
        ("error_format.message = [1]", "error_format.message[0]: is a number: expected text"),
        ("routes = [{ method = 'POST', path = '/a' }]", "routes[0].effect: is missing"),
        (
            "routes = [{ method = 'POST', path = '/a', effect = 'reads' }]",
            "routes[0].effect: is an unknown variant `reads`, expected one of `read`, `idempotent`, `deduplicated`, `write`",
        ),
        (
            "routes = [{ method = 'A B', path = '/a', effect = 'read' }]",
            "routes[0].method: \"A B\" is no method such as \"POST\", in capitals",
        ),
        // What contradicts itself.
        ("retry.max_attempts = 0", "retry.max_attempts: is 0: at least the first attempt must be allowed"),
        ("retry.transient = { base = '5s', cap = '2s' }", "retry.transient.base: 5s is above the cap 2s"),
        ("retry.throttled.base = '0s'", "retry.throttled.base: is 0: a repeat at once makes an outage worse"),
        ("retry.transient.cap = '100ms'", "retry.transient.base: 500ms is above the cap 100ms"),
        ("retry.deadline = '0s'", "retry.deadline: is 0: no attempt fits into it"),
        ("retry.hint_jitter.share = 2", "retry.hint_jitter.share: is 2: expected 0 to 1"),
        ("window = 0", "window: is fixed at 0: no attempt could ever be sent"),
        ("idempotency.header = 'Idempotency-Key'", "idempotency.kind: is missing"),
        ("idempotency.kind = 'replay_all'", "idempotency.header: is missing: name it, or a `body_member`"),
        (
            "idempotency = { kind = 'none', header = 'k' }",
            "idempotency.kind: is `none` although keys are described: leave the other fields out",
        ),
        (
            "idempotency = { kind = 'replay_all', header = 'k', body_member = '/k' }",
            "idempotency.body_member: is given besides a header: keys have one place",
        ),
        (
            "idempotency = { kind = 'replay_all', body_member = '/k', callers_keys_only = false }",
            "idempotency.callers_keys_only: is false, but a key is never written into a body",
        ),
        (
            "idempotency = { kind = 'replay_all', body_member = 'k' }",
            "idempotency.body_member: \"k\" is no JSON pointer: it must begin with a slash",
        ),
        ("idempotency = { kind = 'replay_all', header = 'a b' }", "idempotency.header: \"a b\" is no header name"),
        (
            "idempotency = { kind = 'replay_all', header = 'k', retention = '1m' }",
            "idempotency.retention: 60s is below the deadline 120s",
        ),
        (
            "idempotency = { kind = 'replay_all', header = 'k', max_length = 35 }",
            "idempotency.max_length: 35 leaves no room for a UUID (36): add `callers_keys_only()`",
        ),
        (
            "idempotency = { kind = 'signalled', header = 'k' }",
            "idempotency.transient_signal: is missing: the kind `Signalled` reads it after an error",
        ),
        (
            "idempotency = { kind = 'poisoned', header = 'k', probe = 'once' }",
            "idempotency.probe: makes no sense for the kind `Poisoned`: no error is stored",
        ),
        (
            "idempotency = { kind = 'replay_success', header = 'k', conflicts = [{ status = 409, meaning = 'burnt' }] }",
            "idempotency.conflicts: 409 cannot mean `Burnt`: a new key would double the write",
        ),
        ("retry_signal = { header = 'x', yes = 'no', no = 'no' }", "retry_signal: says \"no\" for yes and for no"),
        ("rate_limiting.scope_header = 'a b'", "rate_limiting.scope_header: \"a b\" is no header name"),
        ("error_format.code = ['code']", "error_format.code: \"code\" is no JSON pointer: it must begin with a slash"),
        ("routes = [{ method = 'POST', path = 'a', effect = 'write' }]", "routes: \"a\" does not begin with a slash"),
        (
            "routes = [{ method = 'POST', path = '/a', effect = 'read', deduplicated_by = '/b' }]",
            "routes[0].deduplicated_by: makes no sense for a route that only reads",
        ),
        (
            "routes = [{ method = 'POST', path = '/a', effect = 'read' }, { method = 'POST', path = '/a', effect = 'write' }]",
            "routes: POST /a is given twice",
        ),
    ] {
        assert_eq!(mistakes(billing(given)), [format!("{BASE}{expected}")], "{given}");
    }
}

#[test]
fn mistakes_in_the_names_and_places_of_services_are_named() {
    for (given, expected) in [
        ("", &["services: is missing"][..]),
        ("services = 5", &["services: is a number: expected a table"]),
        ("port = 80\n[services]", &["port: is no field: there are $schema, services"]),
        ("services.billing = 5", &["services.billing: is a number: expected a table"]),
        ("[services.billing]", &["services.billing.base_url: is missing"]),
        ("[services.billing]\nfrom = 'idempotency_key_draft'", &["services.billing.base_url: is missing"]),
        ("[services.billing]\nbase_url = 5", &["services.billing.base_url: is a number: expected text"]),
        (
            "[services.billing]\nbase_url = 'billing.internal'",
            &["services.billing.base_url: is no URL: relative URL without a base"],
        ),
        (
            "[services.billing]\nbase_url = 'ftp://billing.internal'",
            &["services.billing.base_url: has the scheme ftp: only http and https can be sent to"],
        ),
        ("[services.' ']\nbase_url = 'https://a'", &["services. .name: is empty"]),
        (
            "[services.a]\nbase_url = 'https://a/x/'\n[services.b]\nbase_url = 'https://A:443/x'",
            &["services.b.base_url: is also the base URL of a: requests could belong to either"],
        ),
        (
            "[services.a]\nfrom = 'orb'\n[services.b]\nfrom = 'orb'",
            &["services.b.base_url: is also the base URL of a: requests could belong to either"],
        ),
        // The longest path wins, so a path below another's is no mistake.
        ("[services.a]\nbase_url = 'https://a'\n[services.b]\nbase_url = 'https://a/b'", &[]),
        (
            "[services.a]\nfrom = 'orb'\n[services.b]\nfrom = 'orb'\nbase_url = 7",
            &["services.b.base_url: is a number: expected text"],
        ),
    ] {
        assert_eq!(mistakes(toml(given).build()), expected, "{given}");
    }
    let unknown = mistakes(toml("[services.billing]\nfrom = 'stripe'").build());
    assert_eq!(unknown.len(), 1, "the base URL is missing only because the description is unknown: {unknown:?}");
    assert!(unknown[0].starts_with("services.billing.from: is an unknown variant `stripe`, expected one of `adyen`, "));
    assert!(unknown[0].contains("`stripe_v1`, `stripe_v2`"), "{unknown:?}");
    let list: ServicesConfig = serde_json::from_str("[]").unwrap();
    assert_eq!(mistakes(list.build()), ["the file: is a list: expected a table"]);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = "
        [services.billing]
        base_url = 'nowhere'
        retry = { max_attempts = 0, deadline = 30, transient = { base = '5s', cap = '2s' }, hint_cap = 'x' }
        idempotency = { header = 'a b', kind = 'signalled', retention = '1s', replay_marker = 'c d' }
        routes = [{ method = 'POST', path = 'a', effect = 'write' }, { path = '/b', effekt = 'read' }]
        colour = 'blue'
        [services.orb]
        from = 'orb'
        idempotency = { kind = 'sometimes', max_length = 'long' }
        error_format = { code = ['x'] }
        [services.other]
        from = 'orb'
    ";
    let found = mistakes(toml(text).build());
    let paths: Vec<_> = found.iter().map(|mistake| mistake.split(": ").next().unwrap()).collect();
    assert_eq!(
        paths,
        [
            "services.billing.base_url",
            "services.billing.colour",
            "services.billing.idempotency.header",
            "services.billing.idempotency.replay_marker",
            "services.billing.idempotency.transient_signal",
            "services.billing.retry.deadline",
            "services.billing.retry.hint_cap",
            "services.billing.retry.max_attempts",
            "services.billing.retry.transient.base",
            "services.billing.routes",
            "services.billing.routes[1].effect",
            "services.billing.routes[1].effekt",
            "services.billing.routes[1].method",
            "services.orb.error_format.code",
            "services.orb.idempotency.kind",
            "services.orb.idempotency.max_length",
            "services.other.base_url",
        ]
    );
}

#[test]
fn what_only_follows_from_an_unreadable_value_is_not_told() {
    for given in [
        "retry.transient = { base = '5s', cap = 2 }",
        "retry.transient = { base = 1, cap = '100ms' }",
        "retry.deadline = 5\nidempotency = { header = 'k', kind = 'replay_all', retention = '1m' }",
        "idempotency = { header = 'k', kind = 7, probe = 'once' }",
        "idempotency = { header = 'k', kind = 'replay_all', keyed = [5] }",
        "idempotency = { header = 'k', kind = 'replay_all', max_length = 9, callers_keys_only = 1 }",
        "idempotency = { header = 'k', kind = 'signalled', transient_signal = 1 }",
        "retry_signal = { header = 'x', yes = 1, no = 'true' }",
        "idempotency = 1",
        "retry = 1",
    ] {
        assert_eq!(mistakes(billing(given)).len(), 1, "{given}: {:?}", mistakes(billing(given)));
    }
}

#[test]
fn secrets_are_refused_and_not_repeated() {
    for name in
        ["token", "api_key", "api-key", "apiKey", "authorization", "headers", "default_headers", "password", "Cookie"]
    {
        for (place, text) in [
            ("", format!("{name} = 'c4n4ry'\n[services]")),
            ("services.billing.", format!("[services.billing]\nbase_url = 'https://billing'\n{name} = 'c4n4ry'")),
            (
                "services.billing.retry.",
                format!("[services.billing]\nbase_url = 'https://billing'\nretry.{name} = ['c4n4ry']"),
            ),
        ] {
            let file = toml(&text);
            assert!(!format!("{file:?}").contains("c4n4ry"), "{file:?}");
            assert_eq!(
                mistakes(file.build()),
                [format!(
                    "{place}{name}: is no field, and secrets have no place in this file: set them on the reqwest client, for \
                 example with `default_headers`"
                )]
            );
        }
    }
    let file = toml("[services.billing]\nbase_url = 'https://user:c4n4ry@billing?c4n4ry'");
    assert!(!format!("{file:?}").contains("c4n4ry"));
    let error = file.build().unwrap_err();
    assert!(error.to_string().contains("has a query, a fragment or user information"));
    assert!(!format!("{error} {error:?}").contains("c4n4ry"));
}

#[test]
fn what_is_given_twice_is_refused_where_the_format_lets_it_through() {
    let expected = ["services.billing: is given twice", "services.billing.window: is given twice"];
    let json = r#"{"services": {
        "billing": {"base_url": "https://a", "window": 1, "window": 2},
        "billing": {"base_url": "https://a"}
    }}"#;
    assert_eq!(mistakes(serde_json::from_str::<ServicesConfig>(json).unwrap().build()), expected);
    let yaml =
        "services:\n  billing: {base_url: 'https://a', window: 1, window: 2}\n  billing: {base_url: 'https://a'}\n";
    assert_eq!(mistakes(serde_yaml_ng::from_str::<ServicesConfig>(yaml).unwrap().build()), expected);
    assert!(toml::from_str::<ServicesConfig>("[services.a]\n[services.a]").is_err(), "TOML refuses it itself");
}

#[test]
fn values_that_only_yaml_or_json_have_are_refused() {
    for (yaml, expected) in [
        ("retry:", "services.a.retry: is nothing: expected a table"),
        ("window: ~", "services.a.window: is nothing: expected \"adaptive\", \"off\" or a number"),
        ("7: x", "services.a.7: is no field"),
        ("true: x", "services.a.true: is no field"),
        ("window: 99999999999999999999999", "services.a.window: is 99999999999999999999999: expected 0 to 4294967295"),
    ] {
        let file: ServicesConfig =
            serde_yaml_ng::from_str(&format!("services:\n  a:\n    base_url: https://a\n    {yaml}\n")).unwrap();
        let found = mistakes(file.build());
        assert!(found.len() == 1 && found[0].starts_with(expected), "expected {expected}\nfound    {found:?}");
    }
}

/// The service `billing` of the example, written in code.
fn billing_in_code() -> Service {
    let policy = RetryPolicy::new()
        .max_attempts(4)
        .transient(Backoff::new(SECOND / 5, 5 * SECOND).jitter(Jitter::Full))
        .throttled(Backoff::new(SECOND, 20 * SECOND).jitter(Jitter::Equal))
        .hint_cap(60 * SECOND)
        .hint_jitter(0.1, SECOND)
        .deadline(120 * SECOND)
        .budget(500)
        .retry_costs(14, 5)
        .retry_on(StatusSet::of(&[429]).with(500..=599))
        .verify_timeout(10 * SECOND)
        .max_error_body(65_536)
        .error_body_timeout(2 * SECOND)
        .buffer_bodies(1_048_576);
    let keys = Idempotency::header("Idempotency-Key", KeyKind::ReplayAll)
        .keyed([http::Method::POST, http::Method::PATCH])
        .max_length(64)
        .retention(24 * 3600 * SECOND)
        .probe(Probe::Once)
        .conflict(409, Meaning::InProgress)
        .conflict_saying(422, "idempotency", Meaning::OtherParameters)
        .transient_signal("x-transient")
        .replay_marker(Signal::new("x-cache").saying("replayed", "executed"));
    let limits = RateLimiting::new()
        .hints([HintHeader::millis("retry-after-ms"), HintHeader::retry_after()])
        .ignore_rate_limit_header()
        .scope_header("x-limit-scope");
    let errors = ErrorFormat::new()
        .message(["/error/message", "/message"])
        .code(["/error/code"])
        .error_type(["/error/type"])
        .request_id_headers(["x-request-id"])
        .request_id(["/request_id"]);
    Service::builder("billing")
        .base_url("https://billing.internal/api")
        .window(Window::Fixed(16))
        .retryable(StatusSet::of(&[408, 425, 429, 500]).with(502..=504))
        .retry_signal("x-should-retry")
        .retry(policy)
        .idempotency(keys)
        .rate_limiting(limits)
        .error_format(errors)
        .routes([
            Route::new(http::Method::POST, "/search", Effect::Read),
            Route::new(http::Method::POST, "/contracts/{id}", Effect::Write).deduplicated_by("/uniqueness_key"),
            Route::new(http::Method::POST, "/events/{*kind}", Effect::Deduplicated).unkeyed(),
        ])
        .build()
        .unwrap()
}

#[test]
fn the_example_gives_what_the_same_calls_in_code_give() {
    let services = toml(EXAMPLE).build().unwrap();
    let names: Vec<_> = services.iter().map(Service::name).collect();
    assert_eq!(names, ["billing", "metronome", "metronome_sandbox", "payments"]);
    assert_eq!(behaviour(&services[..1]), behaviour(&[billing_in_code()]));
    let policy = RetryPolicy::new().max_attempts(5).deadline(30 * SECOND);
    let metronome = Service::metronome().into_builder().retry(policy).build().unwrap();
    assert_eq!(behaviour(&services[1..2]), behaviour(&[metronome]));
    assert_eq!(services[3].idempotency().key_format(), KeyFormat::StructuredString);
    SafeRetry::try_new(services).unwrap();
}

#[test]
fn the_formats_give_equal_services() {
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
fn what_is_written_is_in_one_form() {
    let file = toml(
        "
        [services.b]
        base_url = 'https://b'
        retry = { retry_on = ['5xx', 429, '500-500'], deadline = '90s' }
        retry_signal = { header = 'x' }
        [services.a]
        from = 'orb'
    ",
    );
    assert_eq!(
        serde_json::to_string(&file).unwrap(),
        r#"{"services":{"a":{"from":"orb"},"b":{"base_url":"https://b","retry_signal":"x","#.to_owned()
            + r#""retry":{"deadline":"1m 30s","retry_on":["500-599",429,500]}}}}"#
    );
    let wrong = toml("[services.b]\nwindow = 'wide'");
    assert!(serde_json::to_string(&wrong).unwrap_err().to_string().contains("services.b.window: "));
}

#[test]
fn every_shipped_description_can_be_changed_in_one_thing() {
    for service in super::services::shipped() {
        let name = service.name();
        let base_url = if name == "idempotency_key_draft" { "base_url = 'https://api.example.com'\n" } else { "" };
        let with = |more: &str| toml(&format!("[services.{name}]\nfrom = '{name}'\n{base_url}{more}")).build().unwrap();
        let expect = |found: Vec<Service>, expected: Service| {
            assert_eq!(behaviour(&found), behaviour(&[expected]), "{name}");
        };
        let changed = || service.clone().into_builder();
        expect(with(""), service.clone());
        let policy = service.retry_policy().clone();
        expect(with("retry.max_attempts = 9"), changed().retry(policy.clone().max_attempts(9)).build().unwrap());
        let waits = Backoff::new(SECOND / 10, 8 * SECOND);
        expect(with("retry.transient.base = '100ms'"), changed().retry(policy.transient(waits)).build().unwrap());
    }
}

#[test]
fn a_file_changes_keys_routes_and_limits_of_a_description_in_part() {
    let one = |text: &str| toml(text).build().unwrap().remove(0);
    let metronome = Service::metronome();
    let longer = one("[services.metronome]\nfrom = 'metronome'\nidempotency.retention = '48h'");
    let expected = metronome.idempotency().clone().retention(48 * 3600 * SECOND);
    assert_eq!(longer.idempotency(), &expected);

    let none = one("[services.orb]\nfrom = 'orb'\nidempotency.kind = 'none'");
    assert_eq!(none.idempotency(), &Idempotency::none());

    let orb = Service::orb();
    let moved = one("[services.orb]\nfrom = 'orb'\nidempotency.header = 'x-key'");
    assert_eq!(moved.idempotency().header_name().unwrap(), "x-key");
    assert_eq!(moved.idempotency().kind(), orb.idempotency().kind());

    let given = one("[services.openai]\nfrom = 'openai'\nidempotency = { header = 'k', kind = 'replay_all' }");
    assert_eq!(given.idempotency(), &Idempotency::header("k", KeyKind::ReplayAll));

    let first = metronome.routes()[0].clone();
    let text = toml::to_string(&toml::Table::from_iter([("path".to_owned(), toml::Value::from("/own"))])).unwrap();
    let routes = one(&format!(
        "[services.metronome]\nfrom = 'metronome'\n[[services.metronome.routes]]\nmethod = 'POST'\neffect = 'read'\n{text}"
    ));
    assert_eq!(routes.routes().len(), metronome.routes().len() + 1);
    assert!(routes.routes().contains(&first));
}

#[test]
fn a_route_of_the_file_replaces_that_of_the_description() {
    let metronome = Service::metronome();
    let (method, path) = (http::Method::POST, "/v1/customers");
    let is = |route: &&Route| format!("{route:?}").contains(&format!("method: {method}, path: \"{path}\","));
    assert_eq!(metronome.routes().iter().filter(is).count(), 1);
    let file = toml(&format!(
        "[services.metronome]\nfrom = 'metronome'\nroutes = [{{ method = '{method}', path = '{path}', effect = 'read' }}]"
    ));
    let services = file.build().unwrap();
    let found: Vec<_> = services[0].routes().iter().filter(is).collect();
    assert_eq!(found, [&Route::new(method.clone(), path, Effect::Read)]);
    assert_eq!(services[0].routes().len(), metronome.routes().len());
}

#[test]
fn verifiers_and_functions_are_given_by_name() {
    let file = toml(EXAMPLE).verifier("billing", unknown).unwrap();
    let file = file.customer("metronome", |request| request.json("/customer_id")).unwrap();
    let services = file.clone().build().unwrap();
    let verified: Vec<_> = services.iter().map(|service| format!("{service:?}").contains("verifier: true")).collect();
    assert_eq!(verified, [true, false, false, false]);

    let error = file.clone().verifier("biling", unknown).unwrap_err();
    let expected = "services.biling: is not in the file, which has billing, metronome, metronome_sandbox, payments";
    assert_eq!(error.to_string(), expected);
    assert_eq!(file.customer("biling", |_| None).unwrap_err().to_string(), expected);
    let error = ServicesConfig::default().customer("a", |_| None).unwrap_err();
    assert_eq!(error.to_string(), "services.a: is not in the file, which has no service");
}

/// Written anew with `UPDATE_SCHEMA=1 cargo test --test it the_schema`.
#[cfg(feature = "schema")]
#[test]
fn the_schema_is_what_the_file_may_have() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/services.schema.json");
    let schema = format!("{:#}\n", ServicesConfig::json_schema());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, schema).unwrap();
        return;
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == schema, "schema/services.schema.json has drifted: run the test with UPDATE_SCHEMA=1");
}

#[cfg(feature = "schema")]
#[test]
fn the_schema_asks_for_what_the_reader_asks_for() {
    let schema = ServicesConfig::json_schema();
    let tables = schema["definitions"].as_object().unwrap();
    assert_eq!(schema["required"], serde_json::json!(["services"]));
    for (table, required) in [
        ("RouteTable", serde_json::json!(["method", "path", "effect"])),
        ("ConflictTable", serde_json::json!(["status", "meaning"])),
        ("FullSignal", serde_json::json!(["header"])),
        ("FullHint", serde_json::json!(["header"])),
        ("ServiceTable", serde_json::Value::Null),
    ] {
        assert_eq!(tables[table]["required"], required, "{table}");
    }
    for (name, table) in tables.iter().filter(|(_, table)| table["type"] == "object") {
        assert_eq!(table["additionalProperties"], false, "{name}");
        for (field, of) in table["properties"].as_object().unwrap() {
            assert!(of["description"].is_string(), "{name}.{field} says nothing of itself");
        }
    }
    assert!(!schema.to_string().contains("null"), "a field is left out, not empty");
}

fn word(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(words).prop_map(|word| format!("'{word}'"))
}

fn span() -> impl Strategy<Value = String> {
    (0..u64::from(u32::MAX), prop::sample::select(&["ns", "us", "ms", "s", "m", "h", "days", "weeks"][..]))
        .prop_map(|(number, unit)| format!("'{number}{unit}'"))
}

fn list(item: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::vec(item, 0..4).prop_map(|items| format!("[{}]", items.join(", ")))
}

fn statuses() -> impl Strategy<Value = String> {
    list(prop_oneof![
        (100..600_u16).prop_map(|status| status.to_string()),
        (1..6_u16).prop_map(|hundred| format!("'{hundred}xx'")),
        (100..400_u16, 0..200_u16).prop_map(|(first, more)| format!("'{first}-{}'", first + more)),
    ])
}

fn text() -> impl Strategy<Value = String> {
    "[^'\\p{Cc}]{0,12}".prop_map(|text| format!("'{text}'"))
}

fn number() -> impl Strategy<Value = String> {
    any::<u32>().prop_map(|number| number.to_string())
}

fn signal() -> impl Strategy<Value = String> {
    prop_oneof![text(), table(vec![("header", text().boxed()), ("yes", text().boxed()), ("no", text().boxed())], 1)]
}

/// A table with the first `needed` fields and any of the others.
fn table(fields: Vec<(&'static str, BoxedStrategy<String>)>, needed: usize) -> BoxedStrategy<String> {
    let fields: Vec<_> = fields
        .into_iter()
        .enumerate()
        .map(|(index, (name, value))| {
            let given = if index < needed { Just(true).boxed() } else { any::<bool>().boxed() };
            (given, value).prop_map(move |(given, value)| given.then(|| format!("{name} = {value}")))
        })
        .collect();
    fields.prop_map(|fields| format!("{{ {} }}", fields.into_iter().flatten().collect::<Vec<_>>().join(", "))).boxed()
}

fn bool() -> impl Strategy<Value = String> {
    any::<bool>().prop_map(|value| value.to_string())
}

fn retry() -> BoxedStrategy<String> {
    let waits = || {
        let jitter = word(&["full", "equal", "none"]);
        table(vec![("base", span().boxed()), ("cap", span().boxed()), ("jitter", jitter.boxed())], 0)
    };
    let share = (0.0..=1.0_f64).prop_map(|share| format!("{share:?}"));
    table(
        vec![
            ("max_attempts", number().boxed()),
            ("transient", waits()),
            ("throttled", waits()),
            ("hint_cap", span().boxed()),
            ("hint_jitter", table(vec![("share", share.boxed()), ("cap", span().boxed())], 0)),
            ("deadline", span().boxed()),
            ("budget", number().boxed()),
            ("retry_costs", table(vec![("transient", number().boxed()), ("throttled", number().boxed())], 0)),
            ("retry_on", statuses().boxed()),
            ("verify_timeout", span().boxed()),
            ("max_error_body", number().boxed()),
            ("error_body_timeout", span().boxed()),
            ("buffer_bodies", number().boxed()),
        ],
        0,
    )
}

fn idempotency() -> BoxedStrategy<String> {
    let meaning = word(&["in_progress", "other_parameters", "already_exists", "burnt", "rotate_at_once"]);
    let status = (100..600_u16).prop_map(|status| status.to_string());
    let rule = table(vec![("status", status.boxed()), ("meaning", meaning.boxed()), ("text", text().boxed())], 2);
    table(
        vec![
            ("header", text().boxed()),
            ("body_member", text().boxed()),
            ("kind", word(&["replay_success", "replay_all", "signalled", "poisoned", "resource_key", "none"]).boxed()),
            ("keyed", list(word(&["POST", "PUT", "PURGE"])).boxed()),
            ("format", word(&["raw", "structured_string"]).boxed()),
            ("characters", word(&["visible_ascii", "uuid"]).boxed()),
            ("max_length", number().boxed()),
            ("retention", span().boxed()),
            ("callers_keys_only", bool().boxed()),
            ("probe", word(&["once", "never"]).boxed()),
            ("conflicts", list(rule).boxed()),
            ("transient_signal", signal().boxed()),
            ("replay_marker", signal().boxed()),
        ],
        0,
    )
}

fn service() -> BoxedStrategy<String> {
    let unit = word(&["seconds", "milliseconds"]);
    let hint = prop_oneof![text(), table(vec![("header", text().boxed()), ("unit", unit.boxed())], 1)];
    let route = vec![
        ("method", word(&["POST", "PATCH"]).boxed()),
        ("path", text().boxed()),
        ("effect", word(&["read", "idempotent", "deduplicated", "write"]).boxed()),
        ("deduplicated_by", text().boxed()),
        ("keyed", bool().boxed()),
    ];
    let limits = vec![
        ("hints", list(hint).boxed()),
        ("ignore_rate_limit_header", bool().boxed()),
        ("scope_header", text().boxed()),
        ("limiter_follows_execution", bool().boxed()),
    ];
    let errors = ["message", "code", "error_type", "request_id_headers", "request_id"];
    table(
        vec![
            ("from", word(&["metronome", "stripe_v1", "openai", "lago", "idempotency_key_draft"]).boxed()),
            ("base_url", prop_oneof![text(), "'https://[a-c]'"].boxed()),
            ("window", prop_oneof![number(), word(&["adaptive", "off"])].boxed()),
            ("retryable", statuses().boxed()),
            ("retry_signal", signal().boxed()),
            ("retry", retry()),
            ("idempotency", idempotency()),
            ("rate_limiting", table(limits, 0)),
            ("error_format", table(errors.map(|field| (field, list(text()).boxed())).to_vec(), 0)),
            ("routes", list(table(route, 3)).boxed()),
        ],
        0,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reading_what_was_written_changes_nothing(services in prop::collection::vec(("[a-z .]{1,8}", service()), 0..3)) {
        let services: std::collections::BTreeMap<_, _> = services.into_iter().collect();
        let text: String = services.iter().map(|(name, table)| format!("services.'{name}' = {table}\n")).collect();
        let file = toml(if services.is_empty() { "services = {}" } else { &text });
        let written = toml::to_string(&file).unwrap();
        prop_assert!(toml(&written) == file, "{}", written);
        prop_assert_eq!(toml::to_string(&toml(&written)).unwrap(), written);
        let written = serde_json::to_string(&file).unwrap();
        prop_assert!(serde_json::from_str::<ServicesConfig>(&written).unwrap() == file, "{}", written);
        let written = serde_yaml_ng::to_string(&file).unwrap();
        let yaml: ServicesConfig = serde_yaml_ng::from_str(&written).unwrap();
        prop_assert!(yaml == file, "{}", written);
        prop_assert_eq!(mistakes(yaml.build()), mistakes(file.build()));
    }

    #[test]
    fn whatever_the_file_says_the_answer_is_services_or_mistakes(text in "(\\[services\\.a\\]\n)?([a-z_]{1,9}(\\.[a-z]{1,5})? = ('[a-z0-9]{0,5}'|[0-9]{1,20}|\\[[0-9]{1,3}\\]|\\{\\}|true)\n){0,4}") {
        if let Ok(file) = toml::from_str::<ServicesConfig>(&text) {
            let written = serde_json::to_string(&file).is_ok();
            let built = mistakes(file.build());
            prop_assert!(written || !built.is_empty());
        }
    }
}
