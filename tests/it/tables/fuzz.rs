//! Anything from outside: headers, bodies and descriptions made of arbitrary bytes. Nothing panics, the status is kept,
//! and what is bounded stays so.
//!
//! `PROPTEST_CASES=100000 cargo test --test it fuzz` looks longer.

use std::{future::Future, time::Duration};

use http::{HeaderValue, Method};
use proptest::{prelude::*, strategy::ValueTree as _};
use reqwest_safe_retry::{
    Attempts, Backoff, Effect, Error, ErrorFormat, HintHeader, Idempotency, Jitter, KeyCharacters, KeyFormat, KeyKind,
    Meaning, Probe, RateLimiting, RetryPolicy, Route, Service, ServiceBuilder, Signal, StatusSet, Stop,
};

use crate::support::transport::{Reply, Transport, status};

const URL: &str = "https://service.test/";
const MOST: usize = 64 * 1024;
/// In the order in which they are looked at.
const HINTS: [&str; 3] = ["retry-after-ms", "x-retry-after", "retry-after"];

/// Runs a call under a paused clock.
fn run<T>(call: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(call)
}

fn response(status: u16, headers: &[(&'static str, Vec<u8>)], body: Vec<u8>) -> Reply {
    let mut response = http::Response::builder().status(status);
    for (name, value) in headers {
        // What cannot be sent cannot arrive either.
        if let Ok(value) = HeaderValue::from_bytes(value) {
            response = response.header(*name, value);
        }
    }
    Reply::Response(response.body(body.into()).unwrap())
}

/// Numbers, dates, items of `RateLimit`, what is nearly one of them, and anything at all.
fn header_values() -> impl Strategy<Value = Vec<u8>> {
    let dates = (0..4_102_444_800_u64)
        .prop_map(|seconds| httpdate::fmt_http_date(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)));
    let text = prop_oneof![
        4 => "[ \t]?[0-9]{1,25}[ ,;.a-z]?",
        2 => "-?[0-9]{1,5}(\\.[0-9]{1,25})?(e[0-9]{1,4})?",
        2 => dates,
        2 => "(Mon|Sunday|Foo), [0-9]{1,3}[ -](Jan|Feb|Bar)[ -][0-9]{1,5} [0-9]{1,2}:[0-9]{2}:[0-9]{2}( GMT)?",
        1 => "Sun Nov [ 0-9][0-9] 08:49:37 [0-9]{4}",
        3 => "\"[a-z]{0,5}\";r=-?[0-9]{1,20};t=[0-9]{1,20}(, ?\"[a-z]{1,3}\";t=[0-9.]{1,5};r=0)?",
        2 => "[\"\\\\;=,:?() a-z0-9]{0,40}",
    ];
    prop_oneof![4 => text.prop_map(String::into_bytes), 1 => prop::collection::vec(any::<u8>(), 0..40)]
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    let names = prop::sample::select(
        [&HINTS[..], &["ratelimit", "ratelimit-policy", "date", "x-scope", "x-should-retry", "x-request-id"]].concat(),
    );
    prop::collection::vec((names, header_values()), 0..5)
}

fn hinted() -> ServiceBuilder {
    let hints = [HintHeader::millis(HINTS[0]), HintHeader::seconds(HINTS[1]), HintHeader::retry_after()];
    Service::builder("fuzz")
        .base_url(URL)
        .rate_limiting(RateLimiting::new().hints(hints).scope_header("x-scope"))
        .retry_signal(Signal::new("x-should-retry"))
}

/// JSON, what is nearly JSON, and anything at all; short and long.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<f64>().prop_map(|number| number.to_string()),
        "\"[ -~]{0,20}\"",
        "\"\\\\u[0-9a-f]{4}[^\u{0}]{0,9}\"",
        "[0-9]{1,400}",
    ];
    let members = prop::sample::select(vec!["message", "code", "error", "type", "detail", "", "a", "0", "~1"]);
    let json = leaf.prop_recursive(5, 20, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((members.clone(), inner), 0..4).prop_map(|members| {
                let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", members.join(" ,"))
            }),
        ]
    });
    let deep = (prop::sample::select(vec!["[", "{\"message\":", "{\"error\":{\"a\":[", "\""]), 0..30_000_usize)
        .prop_map(|(part, times)| part.repeat(times));
    let cut = (json.clone(), any::<prop::sample::Index>()).prop_map(|(json, at)| {
        let at = at.index(json.len());
        json.as_bytes()[..at].to_vec()
    });
    let long = (any::<u8>(), MOST - 2..MOST + 3).prop_map(|(byte, length)| vec![byte; length]);
    prop_oneof![
        4 => json.prop_map(String::into_bytes),
        2 => cut,
        2 => deep.prop_map(String::into_bytes),
        1 => long,
        2 => prop::collection::vec(any::<u8>(), 0..2_000),
    ]
}

/// Names, pointers, paths and URLs, what is nearly one of them, and anything at all.
///
/// Boxed, as the others are that a description is made of: by value they are too large for a test's stack.
fn texts() -> BoxedStrategy<String> {
    prop_oneof![
        4 => "[a-zA-Z-]{1,12}",
        3 => "(/[a-z0-9~{}*]{0,6}){0,4}",
        2 => "(https?|ftp)://[a-z.:@0-9\\[\\]]{0,12}(/[a-z]{0,4}){0,2}[?#]?",
        1 => "\\PC{0,12}",
        1 => any::<String>(),
    ]
    .boxed()
}

fn names() -> BoxedStrategy<String> {
    prop_oneof![12 => "[a-z]{1,6}(-[a-z]{1,6})?", 1 => texts()].boxed()
}

fn pointers() -> BoxedStrategy<String> {
    prop_oneof![12 => "(/[a-z0-9]{1,5}){1,3}", 1 => texts()].boxed()
}

fn paths() -> BoxedStrategy<String> {
    prop_oneof![12 => "/[a-z]{1,3}(/\\{[a-z]\\}){0,2}", 1 => texts()].boxed()
}

fn durations() -> BoxedStrategy<Duration> {
    prop_oneof![
        20 => (1..100_000_u64).prop_map(Duration::from_millis),
        2 => any::<Duration>(),
        1 => Just(Duration::MAX),
        1 => Just(Duration::ZERO),
    ]
    .boxed()
}

/// A base and a cap.
fn waits() -> BoxedStrategy<(Duration, Duration)> {
    let ordered = (durations(), durations()).prop_map(|(one, other)| (one.min(other), one.max(other)));
    prop_oneof![12 => ordered, 1 => (durations(), durations())].boxed()
}

fn effects() -> impl Strategy<Value = Effect> {
    prop::sample::select(vec![Effect::Read, Effect::Idempotent, Effect::Deduplicated, Effect::Write])
}

fn methods() -> impl Strategy<Value = Method> {
    prop::sample::select(vec![Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH])
}

fn statuses() -> impl Strategy<Value = u16> {
    prop_oneof![12 => 400..500_u16, 1 => any::<u16>()]
}

fn signals() -> BoxedStrategy<Signal> {
    let signal = (names(), prop::option::of((names(), names()))).prop_map(|(header, words)| match words {
        Some((yes, no)) => Signal::new(header).saying(yes, no),
        None => Signal::new(header),
    });
    signal.boxed()
}

prop_compose! {
    fn idempotencies()(
        place in prop_oneof![
            4 => names().prop_map(|name| (Some(true), name)),
            1 => pointers().prop_map(|pointer| (Some(false), pointer)),
            1 => Just((None, String::new())),
        ],
        kind in prop::sample::select(vec![
            KeyKind::ReplaySuccess, KeyKind::ReplayAll, KeyKind::Signalled, KeyKind::Poisoned, KeyKind::ResourceKey,
            KeyKind::None,
        ]),
        structured in any::<bool>(),
        uuids in any::<bool>(),
        max_length in prop_oneof![6 => 36..300_usize, 1 => any::<usize>()],
        retention in prop::option::of(durations()),
        only_the_callers in any::<bool>(),
        probe in any::<bool>(),
        keyed in prop::collection::vec(methods(), 0..3),
        conflicts in prop::collection::vec((statuses(), prop::option::of(names()), prop::sample::select(vec![
            Meaning::InProgress, Meaning::OtherParameters, Meaning::AlreadyExists, Meaning::Burnt,
            Meaning::RotateAtOnce,
        ])), 0..3),
        transient in prop::option::of(signals()),
        replay in prop::option::of(signals()),
    ) -> Idempotency {
        let mut made = match place {
            (Some(true), name) => Idempotency::header(name, kind),
            (Some(false), pointer) => Idempotency::body_member(pointer, kind),
            (None, _) => Idempotency::none(),
        };
        made = made
            .format(if structured { KeyFormat::StructuredString } else { KeyFormat::Raw })
            .characters(if uuids { KeyCharacters::Uuid } else { KeyCharacters::VisibleAscii })
            .max_length(max_length)
            .probe(if probe { Probe::Once } else { Probe::Never })
            .keyed(keyed);
        if let Some(retention) = retention {
            made = made.retention(retention);
        }
        if only_the_callers {
            made = made.callers_keys_only();
        }
        for (status, text, meaning) in conflicts {
            made = match text {
                Some(text) => made.conflict_saying(status, text, meaning),
                None => made.conflict(status, meaning),
            };
        }
        if let Some(signal) = transient {
            made = made.transient_signal(signal);
        }
        if let Some(signal) = replay {
            made = made.replay_marker(signal);
        }
        made
    }
}

prop_compose! {
    fn policies()(
        attempts in prop_oneof![8 => 1..5_u32, 1 => any::<u32>()],
        (transient, throttled) in (waits(), waits()),
        jitter in prop::sample::select(vec![Jitter::None, Jitter::Equal, Jitter::Full]),
        hint_cap in durations(),
        hint_jitter in (prop_oneof![12 => 0.0..=1.0_f64, 1 => any::<f64>()], durations()),
        deadline in durations(),
        verify_timeout in durations(),
        body_timeout in durations(),
        budget in prop_oneof![2 => Just(500_u32), 1 => any::<u32>()],
        costs in (any::<u32>(), any::<u32>()),
        cheap in any::<bool>(),
        sizes in (any::<usize>(), any::<usize>()),
        retry_on in prop::option::of(prop::collection::vec(any::<u16>(), 0..5)),
    ) -> RetryPolicy {
        let mut policy = RetryPolicy::new()
            .max_attempts(attempts)
            .transient(Backoff::new(transient.0, transient.1).jitter(jitter))
            .throttled(Backoff::new(throttled.0, throttled.1).jitter(jitter))
            .hint_cap(hint_cap)
            .hint_jitter(hint_jitter.0, hint_jitter.1)
            .deadline(deadline)
            .verify_timeout(verify_timeout)
            .error_body_timeout(body_timeout)
            .max_error_body(sizes.0)
            .buffer_bodies(sizes.1)
            .budget(budget);
        if !cheap {
            policy = policy.retry_costs(costs.0, costs.1);
        }
        if let Some(statuses) = retry_on {
            policy = policy.retry_on(StatusSet::of(&statuses));
        }
        policy
    }
}

prop_compose! {
    fn descriptions()(
        name in prop_oneof![12 => Just("fuzz".to_owned()), 1 => texts()],
        base_url in prop_oneof![12 => Just(URL.to_owned()), 1 => texts()],
        idempotency in prop::option::of(idempotencies().boxed()),
        policy in prop::option::of(policies().boxed()),
        routes in prop::collection::vec((methods(), paths(), effects(), prop::option::of(pointers()), any::<bool>()), 0..4),
        pointers in prop::collection::vec(pointers(), 0..3),
        ids in prop::collection::vec(pointers(), 0..2),
        id_headers in prop::collection::vec(names(), 0..2),
        hints in prop::option::of(prop::collection::vec((names(), any::<bool>()), 0..3)),
        scope in prop::option::of(names()),
        signal in prop::option::of(signals()),
        retryable in prop::option::of((any::<u16>(), any::<u16>())),
    ) -> ServiceBuilder {
        let mut builder = Service::builder(name).base_url(base_url);
        if let Some(idempotency) = idempotency {
            builder = builder.idempotency(idempotency);
        }
        if let Some(policy) = policy {
            builder = builder.retry(policy);
        }
        builder = builder.routes(routes.into_iter().map(|(method, path, effect, guard, keyed)| {
            let mut route = Route::new(method, path, effect);
            if let Some(guard) = guard {
                route = route.deduplicated_by(guard);
            }
            if keyed { route } else { route.unkeyed() }
        }));
        if !pointers.is_empty() {
            let format = ErrorFormat::new().message(pointers.clone()).code(pointers.clone()).error_type(pointers);
            builder = builder.error_format(format.request_id_headers(id_headers).request_id(ids));
        }
        let mut limits = RateLimiting::new();
        if let Some(hints) = hints {
            let made = hints.into_iter().map(|(name, millis)| {
                if millis { HintHeader::millis(name) } else { HintHeader::seconds(name) }
            });
            limits = limits.hints(made);
        }
        if let Some(scope) = scope {
            limits = limits.scope_header(scope);
        }
        builder = builder.rate_limiting(limits);
        if let Some(signal) = signal {
            builder = builder.retry_signal(signal);
        }
        if let Some((first, last)) = retryable {
            builder = builder.retryable(StatusSet::of(&[]).with(first..=last));
        }
        builder
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_hint_makes_a_call_panic_or_wait_longer_than_is_allowed(number in 400..600_u16, headers in headers()) {
        run(async {
            let transport = Transport::new([response(number, &headers, Vec::new()), status(200)]);
            let started = tokio::time::Instant::now();
            let ended = transport.client(hinted().build().unwrap()).get(URL).send().await;
            let waited = started.elapsed();
            match ended {
                Ok(response) => {
                    // The cap of a hint, and what is added to it.
                    prop_assert!(waited <= Duration::from_secs(61), "{waited:?}");
                    let attempts = response.extensions().get::<Attempts>().unwrap();
                    prop_assert_eq!(attempts.iter().next().unwrap().status().unwrap().as_u16(), number);
                }
                Err(outer) => {
                    let error = Error::find(&outer).unwrap();
                    prop_assert_eq!(error.status().unwrap().as_u16(), number);
                    prop_assert_eq!(waited, Duration::ZERO);
                    if error.stop() == Stop::RetryAfter {
                        prop_assert!(error.retry_after().unwrap() > Duration::from_secs(60));
                    } else {
                        prop_assert_eq!(error.stop(), Stop::Permanent);
                    }
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn no_body_makes_a_call_panic_or_hides_its_status(
        number in 400..600_u16,
        headers in headers(),
        body in bodies(),
        shipped in prop::sample::select(vec![Service::metronome, Service::stripe_v1, Service::adyen, Service::openai]),
    ) {
        run(async {
            let service = shipped().into_builder().base_url(URL).retry(RetryPolicy::never()).build().unwrap();
            let transport = Transport::new([response(number, &headers, body.clone())]);
            let outer = transport.client(service).post(URL).body("{}").send().await.unwrap_err();
            let error = Error::find(&outer).unwrap();
            prop_assert_eq!(error.status().unwrap().as_u16(), number);
            prop_assert!(error.body() == &body[..body.len().min(MOST)]);
            prop_assert_eq!(error.is_truncated(), body.len() > MOST);
            let shown = format!("{error}");
            prop_assert!(shown.len() < 4_000 && !shown.contains(char::is_control), "{}", shown);
            let shown = format!("{error:?}");
            prop_assert!(shown.len() < 8_000, "{}", shown);
            let _: Option<serde_json::Value> = error.detail();
            Ok(())
        })?;
    }

    /// What is accepted also works.
    #[test]
    fn no_description_panics_whether_it_is_accepted_or_not(
        description in descriptions().boxed(),
        number in 400..600_u16,
        headers in headers(),
        body in bodies(),
        method in methods(),
    ) {
        match description.build() {
            Err(error) => {
                prop_assert!(!error.mistakes().is_empty());
                prop_assert!(error.mistakes().iter().all(|mistake| !mistake.path().is_empty()));
            }
            Ok(service) => run(async {
                let url = service.base_url().to_owned();
                let script = [response(number, &headers, body)].into_iter().chain((0..9).map(|_| status(200)));
                let ended = Transport::new(script).client(service).request(method, url).body("{}").send().await;
                if let Err(outer) = ended {
                    let shown = Error::find(&outer).unwrap().to_string();
                    prop_assert!(!shown.is_empty());
                }
                Ok(())
            })?,
        }
    }
}

/// The descriptions above are of some use: both kinds come up.
#[test]
fn descriptions_are_accepted_and_refused() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let accepted = (0..200).filter(|_| descriptions().new_tree(&mut runner).unwrap().current().build().is_ok()).count();
    assert!((20..=180).contains(&accepted), "{accepted} of 200 are accepted");
}
