//! Events as a person reads them: one line each, that says enough alone and repeats nothing of its span.

use std::time::Duration;

use reqwest_safe_retry::{Idempotency, IdempotencyKey, KeyKind, RetryPolicy, Service};
use tracing::Level;

use super::{LEDGER, LIST, metronome};
use crate::support::{
    collector::Collector,
    transport::{Reply, Transport, reply, status},
};

/// The events at INFO and above, each as a line, without what differs from run to run.
fn lines(collector: &Collector) -> Vec<String> {
    let events = collector.events().into_iter().filter(|event| event.level <= Level::INFO);
    let line = |fields: &[(&str, String)]| {
        let fields = fields.iter().map(|(name, value)| match *name {
            "message" => value.clone(),
            "safe_retry.key_digest" => format!("{name}=<digest>"),
            _ => format!("{name}={value}"),
        });
        fields.collect::<Vec<_>>().join(" ")
    };
    events.map(|event| format!("{} {}", event.level, line(&event.fields))).collect()
}

/// A call that recovers, one in doubt, one that is dropped, and one that closes the limit.
async fn run() {
    let client = |script: Vec<Reply>| Transport::new(script).client(metronome(RetryPolicy::new()));
    client([504, 200].map(status).into()).post(LEDGER).send().await.unwrap();
    let gateway = || reply(504, &[], r#"{"message":"Endpoint request timed out"}"#);
    client(vec![gateway(), gateway(), gateway()]).post(LEDGER).send().await.unwrap_err();
    let dropped = client(vec![status(503), Reply::never()]).post(LEDGER).send();
    assert!(tokio::time::timeout(Duration::from_secs(1), dropped).await.is_err());
    let down = Transport::new((0..16).map(|_| status(503)).chain([200, 200].map(status)));
    let down = down.client(metronome(RetryPolicy::never()));
    for _ in 0..16 {
        down.post(LIST).send().await.unwrap_err();
    }
    down.post(LIST).send().await.unwrap();
    down.post(LIST).send().await.unwrap();
}

const REQUEST: &str = "POST /v1/contracts/addManualBalanceLedgerEntry";

/// What each warning says beside its service.
fn warnings() -> [String; 2] {
    [
        format!(
            "error={REQUEST}: 504 Gateway Timeout \"Endpoint request timed out\" (3 attempts, 1500 ms); all attempts are \
             used up advice=find out whether it took effect before it is sent again \
             safe_retry.stop_reason=attempts_exhausted safe_retry.key_digest=<digest>"
        ),
        format!("request={REQUEST} attempts=503 > waited 500ms, in 1000ms safe_retry.key_digest=<digest>"),
    ]
}

const IN_DOUBT: &str = "WARN call ended in doubt";
const DROPPED: &str =
    "WARN call dropped in doubt: its write may have been applied, check before it is sent with another key";

#[tokio::test(start_paused = true)]
async fn event_does_not_repeat_the_service_of_its_span() {
    let collector = Collector::of("reqwest_safe_retry");
    run().await;
    let [in_doubt, dropped] = warnings();
    assert_eq!(
        lines(&collector),
        [
            format!("INFO call recovered request={REQUEST} attempts=504 > waited 500ms > 200, in 500ms"),
            format!("{IN_DOUBT} {in_doubt}"),
            format!("{DROPPED} {dropped}"),
            "INFO concurrency limit closed: calls wait, and one probe at a time finds out when the service is back"
                .into(),
            "INFO concurrency limit reopened".into(),
        ]
    );
    let spans = collector.spans();
    for event in collector.events().iter().filter(|event| event.level <= Level::INFO) {
        let within = &spans[event.within.expect("an event within its call")];
        assert_eq!((within.name, within.get("safe_retry.service")), ("safe_retry.call", Some("metronome")));
        assert!(event.fields.iter().all(|(_, value)| !value.contains("metronome")), "{event:?}");
    }
}

/// The layer's spans are at INFO: a subscriber of warnings has none.
#[tokio::test(start_paused = true)]
async fn event_without_a_span_names_the_service_once() {
    let collector = Collector::up_to(Level::WARN, "reqwest_safe_retry");
    run().await;
    assert!(collector.spans().is_empty());
    let [in_doubt, dropped] = warnings();
    let service = "safe_retry.service=metronome";
    assert_eq!(
        lines(&collector),
        [format!("{IN_DOUBT} {service} {in_doubt}"), format!("{DROPPED} {service} {dropped}")]
    );
    for line in lines(&collector) {
        assert_eq!(line.matches("metronome").count(), 1, "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn path_without_a_route_is_shown_without_secrets() {
    let collector = Collector::of("reqwest_safe_retry");
    let service = Service::builder("orders", "https://orders.internal")
        .idempotency(Idempotency::header("Idempotency-Key", KeyKind::ReplaySuccess))
        .build()
        .unwrap();
    for script in [vec![status(503), status(200)], vec![Reply::never()]] {
        let client = Transport::new(script).client(service.clone());
        let request = client.post("https://orders.internal/orders/my-key-7/t0k3n?user=us3r").bearer_auth("t0k3n");
        let call = request.with_extension(IdempotencyKey::new("my-key-7")).send();
        let _ = tokio::time::timeout(Duration::from_secs(1), call).await;
    }
    let lines = lines(&collector);
    assert_eq!(lines.len(), 2);
    for line in &lines {
        assert!(line.contains("request=POST /orders/<key>/<hidden>"), "{line}");
    }
    for secret in ["my-key-7", "t0k3n", "us3r"] {
        assert_eq!(collector.count(secret), 0, "{secret}: {}", collector.text());
    }
}
