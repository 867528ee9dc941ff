//! Spans and events: their fields, levels and nesting.

use std::time::Duration;

use reqwest_middleware::ClientBuilder;
use reqwest_safe_retry::{Effect, IdempotencyKey, RetryPolicy, Route, SafeRetry, Service, Verdict};
use reqwest_tracing::TracingMiddleware;
use tokio::time::Instant;
use tracing::Level;

use super::{CONTRACTS, LEDGER, LIST, failure, metronome};
use crate::support::{
    clock::FixedClock,
    collector::{Collector, Span},
    transport::{Reply, Transport, reply, status, unused},
};

const OURS: &str = "reqwest_safe_retry";

fn collected(collector: &Collector, name: &str) -> Vec<Span> {
    collector.spans().into_iter().filter(|span| span.name == name).collect()
}

/// These fields of a span, without those that were not recorded.
fn fields_of(span: &Span, fields: &[&str]) -> String {
    let recorded = fields.iter().filter_map(|field| Some(format!("{field}={}", span.get(field)?)));
    recorded.collect::<Vec<_>>().join(" ")
}

fn messages(collector: &Collector, max_level: Level) -> Vec<(Level, String)> {
    let events = collector.events().into_iter().filter(|event| event.level <= max_level);
    events.map(|event| (event.level, event.get("message").unwrap_or_default().to_owned())).collect()
}

const REQUEST: [&str; 4] = ["http.request.method", "server.address", "server.port", "url.template"];
const ATTEMPT: [&str; 11] = [
    "http.request.resend_count",
    "safe_retry.key",
    "http.response.status_code",
    "error.type",
    "otel.status_code",
    "safe_retry.decision",
    "safe_retry.reason",
    "safe_retry.stop_reason",
    "safe_retry.wait_ms",
    "safe_retry.wait_source",
    "safe_retry.replayed",
];
const CALL: [&str; 8] = [
    "safe_retry.verdict",
    "http.response.status_code",
    "error.type",
    "otel.status_code",
    "safe_retry.outcome",
    "safe_retry.attempts",
    "safe_retry.stop_reason",
    "safe_retry.applied",
];

#[tokio::test(start_paused = true)]
async fn spans_describe_call_and_attempts() {
    let collector = Collector::of(OURS);
    let transport = Transport::new([status(503), reply(429, &[("retry-after", "3")], ""), status(200)]);
    transport.client(Service::metronome()).post(LEDGER).send().await.unwrap();

    let [call] = &collected(&collector, "safe_retry.call")[..] else { panic!("{}", collector.text()) };
    let request = "http.request.method=POST server.address=api.metronome.com server.port=443 \
                   url.template=/v1/contracts/addManualBalanceLedgerEntry";
    assert_eq!(fields_of(call, &REQUEST), request);
    assert_eq!(
        fields_of(call, &["safe_retry.service", "safe_retry.effect"]),
        "safe_retry.service=metronome safe_retry.effect=write"
    );
    assert_eq!(
        fields_of(call, &CALL),
        "http.response.status_code=200 safe_retry.outcome=recovered safe_retry.attempts=3"
    );
    assert_eq!(call.level, Level::INFO);

    let attempts = collected(&collector, "safe_retry.attempt");
    assert!(attempts.iter().all(|attempt| fields_of(attempt, &REQUEST) == request && attempt.level == Level::DEBUG));
    assert_eq!(
        attempts.iter().map(|attempt| fields_of(attempt, &ATTEMPT)).collect::<Vec<_>>(),
        [
            "safe_retry.key=first http.response.status_code=503 error.type=503 otel.status_code=ERROR \
             safe_retry.decision=retry safe_retry.reason=gateway safe_retry.wait_ms=500 safe_retry.wait_source=backoff",
            "http.request.resend_count=1 safe_retry.key=preserved http.response.status_code=429 error.type=429 \
             otel.status_code=ERROR safe_retry.decision=retry safe_retry.reason=rate_limited safe_retry.wait_ms=3300 \
             safe_retry.wait_source=retry_after",
            "http.request.resend_count=2 safe_retry.key=preserved http.response.status_code=200 \
             safe_retry.decision=return",
        ]
    );
    let ended = (Level::DEBUG, "attempt ended".to_owned());
    let recovered = (Level::INFO, "call recovered".to_owned());
    assert_eq!(messages(&collector, Level::TRACE), [ended.clone(), ended.clone(), ended, recovered]);
    let last = collector.events().pop().unwrap();
    assert_eq!(last.get("attempts"), Some("503 > waited 500ms > 429 > waited 3300ms > 200, in 3800ms"));
    assert_eq!(last.within.map(|within| collector.spans()[within].name), Some("safe_retry.call"));
}

#[tokio::test(start_paused = true)]
async fn attempt_span_excludes_the_wait() {
    let collector = Collector::of(OURS);
    let began = Instant::now();
    let transport = Transport::new([status(503).after(Duration::from_millis(70)), status(200)]);
    transport.client(Service::metronome()).post(LEDGER).send().await.unwrap();
    let closed = |span: &Span| (span.closed.expect("a span that is closed") - began).as_millis();
    let spans: Vec<_> = collector.spans().iter().map(|span| (span.name, closed(span))).collect();
    assert_eq!(spans, [("safe_retry.call", 570), ("safe_retry.attempt", 70), ("safe_retry.attempt", 570)]);
}

#[tokio::test(start_paused = true)]
async fn rotation_changes_the_key_digest() {
    let collector = Collector::of(OURS);
    let service = Service::metronome().verifier_fn(|_| async { Verdict::NotApplied });
    let transport = Transport::new([500, 500, 200].map(status));
    transport.client(service).post(LEDGER).send().await.unwrap();
    let attempts = collected(&collector, "safe_retry.attempt");
    let keys: Vec<_> = attempts.iter().map(|attempt| attempt.get("safe_retry.key").unwrap()).collect();
    assert_eq!(keys, ["first", "preserved", "rotated"]);
    let digests: Vec<_> =
        transport.keys().into_iter().flatten().map(|key| IdempotencyKey::new(key).digest().to_string()).collect();
    let recorded: Vec<_> = attempts.iter().map(|attempt| attempt.get("safe_retry.key_digest").unwrap()).collect();
    assert_eq!(recorded, digests);
    assert_eq!(collected(&collector, "safe_retry.call")[0].get("safe_retry.verdict"), Some("not_applied"));
}

#[tokio::test(start_paused = true)]
async fn read_has_no_key_and_unknown_path_no_template() {
    let collector = Collector::of(OURS);
    let transport = Transport::new([200, 200].map(status));
    let client = transport.client(Service::metronome());
    client.post(LIST).send().await.unwrap();
    client.get("https://api.metronome.com/v1/nothing/c4n4ry").send().await.unwrap();
    let attempts = collected(&collector, "safe_retry.attempt");
    assert_eq!(
        fields_of(&attempts[0], &ATTEMPT),
        "safe_retry.key=none http.response.status_code=200 safe_retry.decision=return"
    );
    assert_eq!(attempts[0].get("safe_retry.key_digest"), None);
    assert_eq!((attempts[1].get("url.template"), collector.count("c4n4ry")), (None, 0));
    assert_eq!(messages(&collector, Level::INFO), [], "an immediate success logs nothing");
}

#[tokio::test(start_paused = true)]
async fn each_outcome_is_logged_at_its_level() {
    let applied =
        || Service::metronome().verifier_fn(|_| async { Verdict::Applied(Some(http::Response::new("{}").into())) });
    let in_doubt = "error.type=503 otel.status_code=ERROR safe_retry.outcome=in_doubt safe_retry.attempts=3 \
                 safe_retry.stop_reason=attempts_exhausted safe_retry.applied=unknown";
    let (warn, info) = ((Level::WARN, "call ended in doubt"), (Level::INFO, "call recovered"));
    for (service, url, script, events, ending) in [
        (
            Service::metronome(),
            LEDGER,
            vec![200],
            vec![],
            "http.response.status_code=200 safe_retry.outcome=ok safe_retry.attempts=1".to_owned(),
        ),
        (Service::metronome(), LEDGER, vec![503; 3], vec![warn], format!("http.response.status_code=503 {in_doubt}")),
        (
            Service::metronome(),
            LEDGER,
            vec![404],
            vec![],
            "http.response.status_code=404 error.type=404 otel.status_code=ERROR safe_retry.outcome=failed \
             safe_retry.attempts=1 safe_retry.stop_reason=permanent safe_retry.applied=no"
                .to_owned(),
        ),
        (
            applied(),
            CONTRACTS,
            vec![500, 500],
            vec![info],
            "safe_retry.verdict=applied http.response.status_code=500 safe_retry.outcome=verified_applied \
             safe_retry.attempts=2"
                .to_owned(),
        ),
    ] {
        let collector = Collector::of(OURS);
        let _ = Transport::new(script.into_iter().map(status)).client(service).post(url).body("{}").send().await;
        let [call] = &collected(&collector, "safe_retry.call")[..] else { panic!("{}", collector.text()) };
        assert_eq!(fields_of(call, &CALL), ending);
        let events: Vec<_> = events.into_iter().map(|(level, text)| (level, text.to_owned())).collect();
        assert_eq!(messages(&collector, Level::INFO), events, "{ending}");
    }
}

#[tokio::test(start_paused = true)]
async fn rejected_key_and_timeout_close_the_span() {
    let collector = Collector::of(OURS);
    let request = Transport::new([]).client(Service::metronome()).post(LEDGER);
    failure!(request.with_extension(IdempotencyKey::new("")), |error| assert_eq!(error.attempts().count(), 0));
    let transport = Transport::new([Reply::never()]);
    failure!(transport.client(metronome(RetryPolicy::never())).post(LEDGER), |error| assert!(error.is_timeout()));
    let calls: Vec<_> = collected(&collector, "safe_retry.call").iter().map(|call| fields_of(call, &CALL)).collect();
    assert_eq!(
        calls,
        [
            "error.type=permanent otel.status_code=ERROR safe_retry.outcome=failed safe_retry.attempts=0 \
             safe_retry.stop_reason=permanent safe_retry.applied=no",
            "error.type=no_response otel.status_code=ERROR safe_retry.outcome=in_doubt safe_retry.attempts=1 \
             safe_retry.stop_reason=attempts_exhausted safe_retry.applied=unknown",
        ]
    );
    assert_eq!(messages(&collector, Level::INFO).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn dropped_call_is_cancelled() {
    let collector = Collector::of(OURS);
    let call = Transport::new([Reply::never()]).client(Service::metronome()).post(LEDGER).send();
    assert!(tokio::time::timeout(Duration::from_secs(1), call).await.is_err());
    let spans = collector.spans();
    assert_eq!(spans[0].get("safe_retry.outcome"), Some("cancelled"));
    assert!(spans.iter().all(|span| span.closed.is_some()));
}

/// The warnings of a call that is dropped after a second.
async fn warnings_of_a_dropped_call(replies: [Reply; 2], read: bool) -> Vec<String> {
    let collector = Collector::of(OURS);
    let transport = Transport::new(replies);
    let client = transport.client(Service::metronome());
    let call = if read { client.get(LIST) } else { client.post(LEDGER) };
    let call = call.with_extension(IdempotencyKey::new("c4n4ry")).send();
    assert!(tokio::time::timeout(Duration::from_secs(1), call).await.is_err());
    assert!(!collector.text().contains("c4n4ry"));
    let warnings = collector.events().into_iter().filter(|event| event.level == Level::WARN);
    let fields = ["request", "safe_retry.key_digest"];
    warnings.map(|event| fields.map(|field| event.get(field).unwrap_or("none").to_owned()).join(" ")).collect()
}

#[tokio::test(start_paused = true)]
async fn dropped_write_that_may_be_applied_is_a_warning() {
    let digest = IdempotencyKey::new("c4n4ry").digest().to_string();
    let warning = format!("POST /v1/contracts/addManualBalanceLedgerEntry {digest}");
    let late = |number| status(number).after(Duration::from_millis(999));
    for replies in [[Reply::never(), status(200)], [late(504), status(200)], [late(500), Reply::never()]] {
        assert_eq!(warnings_of_a_dropped_call(replies, false).await, [warning.as_str()]);
    }
    let none: [&str; 0] = [];
    assert_eq!(
        warnings_of_a_dropped_call([late(429), status(200)], false).await,
        none,
        "refused, and never sent again"
    );
    assert_eq!(warnings_of_a_dropped_call([Reply::never(), status(200)], true).await, none, "a read");
}

#[tokio::test(start_paused = true)]
async fn reqwest_tracing_below_is_within_attempts() {
    let collector = Collector::of("reqwest_");
    let client = ClientBuilder::new(unused())
        .with(SafeRetry::new([Service::metronome()]).clock(FixedClock::at(1.0)))
        .with(TracingMiddleware::default())
        .with(Transport::new([503, 200].map(status)))
        .build();
    client.post(LEDGER).send().await.unwrap();
    assert_eq!(
        collector.paths(),
        [
            "safe_retry.call",
            "safe_retry.call/safe_retry.attempt",
            "safe_retry.call/safe_retry.attempt/HTTP request",
            "safe_retry.call/safe_retry.attempt",
            "safe_retry.call/safe_retry.attempt/HTTP request",
        ]
    );
    assert_eq!(collector.spans()[4].parent, Some(3), "each in its own attempt");
}

#[tokio::test(start_paused = true)]
async fn reqwest_tracing_above_is_around_the_call() {
    let collector = Collector::of("reqwest_");
    let client = ClientBuilder::new(unused())
        .with(TracingMiddleware::default())
        .with(SafeRetry::new([Service::metronome()]).clock(FixedClock::at(1.0)))
        .with(Transport::new([503, 200].map(status)))
        .build();
    client.post(LEDGER).send().await.unwrap();
    let attempt = "HTTP request/safe_retry.call/safe_retry.attempt";
    assert_eq!(collector.paths(), ["HTTP request", "HTTP request/safe_retry.call", attempt, attempt]);
}

#[tokio::test(start_paused = true)]
async fn verifiers_request_is_a_nested_call() {
    let collector = Collector::of(OURS);
    let lookup = Transport::new([status(200)]).client(Service::metronome());
    let service = Service::metronome().verifier_fn(move |_| {
        let response = lookup.post(LIST).send();
        async move { response.await.map_or(Verdict::Unknown, |_| Verdict::NotApplied) }
    });
    Transport::new([500, 500, 200].map(status)).client(service).post(LEDGER).send().await.unwrap();
    let within = "safe_retry.call/safe_retry.call";
    let paths = collector.paths();
    assert_eq!(paths.iter().filter(|path| path.starts_with(within)).count(), 2, "{paths:?}");
}

/// At a level without the layer's spans, the event is within the caller's span.
#[tokio::test(start_paused = true)]
async fn warning_stays_in_the_callers_span() {
    let collector = Collector::up_to(Level::WARN, "");
    let callers = tracing::warn_span!("callers");
    let transport = Transport::new([503; 3].map(status));
    let request = transport.client(Service::metronome()).post(LEDGER).send();
    assert!(tracing::Instrument::instrument(request, callers).await.is_err());
    assert_eq!(collector.paths(), ["callers"]);
    let [event] = &collector.events()[..] else { panic!("{}", collector.text()) };
    assert_eq!((event.level, event.within), (Level::WARN, Some(0)));
    let digest = IdempotencyKey::new(transport.keys()[0].clone().unwrap()).digest().to_string();
    assert_eq!(event.get("safe_retry.key_digest"), Some(&*digest));
}

#[tokio::test(start_paused = true)]
async fn closing_and_reopening_limit_is_an_event_each() {
    let collector = Collector::of("reqwest_safe_retry");
    let transport = Transport::new((0..16).map(|_| status(503)).chain([200, 200].map(status)));
    let client = transport.client(metronome(RetryPolicy::never()));
    for _ in 0..16 {
        assert_eq!(collector.count("concurrency limit closed"), 0);
        assert!(client.post(LIST).send().await.is_err());
    }
    assert_eq!((collector.count("limit closed"), collector.count("limit reopened")), (1, 0), "{}", collector.text());
    for _ in 0..2 {
        client.post(LIST).send().await.unwrap();
    }
    assert_eq!((collector.count("limit closed"), collector.count("limit reopened")), (1, 1));
    assert!(!collector.text().contains("limit_group"), "{}", collector.text());
}

#[tokio::test(start_paused = true)]
async fn closed_limit_of_a_group_is_named() {
    let collector = Collector::of("reqwest_safe_retry");
    let transport = Transport::new((0..16).map(|_| status(503)));
    let lists = Route::new(http::Method::POST, "/v1/contracts/list", Effect::Read).limit_group("lists");
    let service = metronome(RetryPolicy::never()).into_builder().routes([lists]).build().unwrap();
    let client = transport.client(service);
    for _ in 0..16 {
        assert!(client.post(LIST).send().await.is_err());
    }
    let groups: Vec<_> =
        collector.events().iter().filter_map(|event| event.get("limit_group").map(str::to_owned)).collect();
    assert_eq!(groups, ["lists"], "{}", collector.text());
}
