//! No secret shows, wherever it was.

use std::{fmt::Write as _, time::Duration};

use metrics_exporter_prometheus::PrometheusBuilder;
use reqwest::Body;
use reqwest_middleware::{ClientWithMiddleware, RequestBuilder};
use reqwest_safe_retry::{Attempts, Doubt, Error, Idempotency, IdempotencyKey, RetryPolicy, Service, Verdict};
use tokio::time::timeout;

use super::{LEDGER, metronome};
use crate::support::{
    collector::Collector,
    transport::{Reply, Transport, reply, status},
};

const CANARY: &str = "c4n4ry";

/// Every way in which a call can end; a service that was sent a key may name it.
fn scripts(key: &str) -> Vec<Vec<Reply>> {
    let echo = |number| reply(number, &[("x-echo", CANARY)], format!(r#"{{"message":"m","other":"{CANARY}"}}"#));
    let conflict = |text: &str| reply(409, &[], format!(r#"{{"message":"{text}"}}"#));
    vec![
        vec![echo(200)],
        vec![echo(404)],
        vec![echo(501)],
        vec![echo(503), echo(503), echo(503)],
        vec![echo(500), echo(500), echo(500)],
        vec![echo(500), echo(500), echo(200)],
        vec![conflict(&format!("key {key} is taken")), echo(404), echo(404)],
        vec![echo(503), conflict(&format!("key {key} is taken")), echo(200)],
        vec![reply(429, &[("retry-after", "900")], format!("<html>{CANARY}"))],
        vec![reply(429, &[("retry-after", "1")], ""), echo(302)],
        vec![Reply::Silence],
        vec![Reply::Failure(anyhow::anyhow!("a layer below").into())],
        vec![status(503), status(200)],
    ]
}

fn services() -> Vec<Service> {
    let verdicts: [fn() -> Verdict; 4] = [
        || Verdict::Unknown,
        || Verdict::NotApplied,
        || Verdict::Applied(None),
        || Verdict::Applied(Some(http::Response::new(CANARY).into())),
    ];
    let verified = verdicts.map(|verdict| {
        Service::metronome().verifier(move |doubt: &Doubt<'_>| {
            assert!(!format!("{doubt:?}").contains(CANARY));
            async move { verdict() }
        })
    });
    let unkeyed = Service::metronome().into_builder().idempotency(Idempotency::none()).build().unwrap();
    let poor = metronome(RetryPolicy::new().budget(1));
    [Service::metronome(), unkeyed, poor, metronome(RetryPolicy::never())].into_iter().chain(verified).collect()
}

/// A request that has a secret wherever one can be.
fn request(client: &ClientWithMiddleware, body: impl Into<Body>) -> RequestBuilder {
    client
        .post(format!("{}?token={CANARY}", LEDGER.replace("//", &format!("//user:{CANARY}@"))))
        .bearer_auth(CANARY)
        .header("cookie", CANARY)
        .with_extension(IdempotencyKey::new(format!("{CANARY}-key")))
        .body(body)
}

fn stream() -> Body {
    Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(CANARY)]))
}

/// All that a call shows of itself to who made it.
async fn shown(request: RequestBuilder) -> String {
    match request.send().await {
        Ok(response) => format!("{:?}", response.extensions().get::<Attempts>()),
        Err(outer) => {
            let error = Error::find(&outer).unwrap();
            format!(
                "{outer} {outer:?} {error} {error:?} {error:#?} {:?} {:?} {}",
                error.key(),
                error.attempts(),
                error.attempts()
            )
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_secret_in_display_debug_spans_events_or_metrics() {
    let collector = Collector::of("");
    let recorder = PrometheusBuilder::new().build_recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let mut all = String::new();
    for at in 0..services().len() {
        let keyed = *services()[at].idempotency() != Idempotency::none();
        for script in scripts(&if keyed { format!("{CANARY}-key") } else { "k".to_owned() }) {
            let service = services().swap_remove(at);
            let client = Transport::new(script).client(service.clone());
            all += &shown(request(&client, format!(r#"{{"secret":"{CANARY}"}}"#))).await;
            write!(all, "{service:?} {:?}", service.health()).unwrap();
        }
        let client = Transport::new([status(503)]).client(services().swap_remove(at));
        all += &shown(request(&client, stream())).await;
    }
    // A key that cannot be sent is not shown either, nor is what a call had that was dropped.
    let client = Transport::new([Reply::Silence]).client(Service::metronome());
    all += &shown(client.post(LEDGER).with_extension(IdempotencyKey::new(format!("{CANARY}\n")))).await;
    assert!(timeout(Duration::from_secs(1), request(&client, CANARY).send()).await.is_err());

    let (traced, measured) = (collector.text(), recorder.handle().render());
    for outcome in ["success", "recovered", "reconciled", "failed", "in_doubt", "cancelled"] {
        assert!(traced.contains(&format!("safe_retry.outcome={outcome}\n")), "no call is {outcome}");
        let is_measured = measured.contains(&format!("outcome=\"{outcome}\""));
        assert_eq!(is_measured, cfg!(feature = "metrics"), "no call is {outcome}");
    }
    assert!(traced.contains("may have been applied") && traced.contains("safe_retry.key_digest="), "{traced}");
    for text in [&all, &traced, &measured] {
        let at = text.find(CANARY).map(|at| &text[at.saturating_sub(200)..at + 6]);
        assert_eq!(at, None, "a secret shows");
    }
}
