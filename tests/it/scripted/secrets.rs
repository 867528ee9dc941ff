//! No secret is shown in errors, spans, events or metrics.

use std::{fmt::Write as _, time::Duration};

use metrics_exporter_prometheus::PrometheusBuilder;
use reqwest::Body;
use reqwest_middleware::{ClientWithMiddleware, RequestBuilder};
use reqwest_safe_retry::{Attempts, Error, Idempotency, IdempotencyKey, RetryPolicy, Service, Verdict};
use tokio::time::timeout;

use super::{LEDGER, metronome, with_budget};
use crate::support::{
    collector::Collector,
    transport::{Reply, Transport, reply, status},
};

const CANARY: &str = "c4n4ry";

/// Every way in which a call can end, with responses that repeat the key and other secrets.
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
        Service::metronome().verifier_fn(move |write| {
            assert!(!format!("{write:?}").contains(CANARY));
            async move { verdict() }
        })
    });
    let unkeyed = Service::metronome().into_builder().idempotency(Idempotency::none()).build().unwrap();
    let small_budget = with_budget(5, RetryPolicy::new());
    [Service::metronome(), unkeyed, small_budget, metronome(RetryPolicy::never())].into_iter().chain(verified).collect()
}

/// A request with a secret in every place that can hold one.
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

/// Everything that the result of a call can show.
async fn visible_output(request: RequestBuilder) -> String {
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
async fn no_secret_is_shown() {
    let collector = Collector::of("");
    let recorder = PrometheusBuilder::new().build_recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let mut all = String::new();
    for at in 0..services().len() {
        let keyed = *services()[at].idempotency() != Idempotency::none();
        for script in scripts(&if keyed { format!("{CANARY}-key") } else { "k".to_owned() }) {
            let service = services().swap_remove(at);
            let client = Transport::new(script).client(service.clone());
            all += &visible_output(request(&client, format!(r#"{{"secret":"{CANARY}"}}"#))).await;
            write!(all, "{service:?} {:?}", service.health()).unwrap();
        }
        let client = Transport::new([status(503)]).client(services().swap_remove(at));
        all += &visible_output(request(&client, stream())).await;
    }
    // An invalid key is not shown either, and neither is anything of a dropped call.
    let client = Transport::new([Reply::Silence]).client(Service::metronome());
    all += &visible_output(client.post(LEDGER).with_extension(IdempotencyKey::new(format!("{CANARY}\n")))).await;
    assert!(timeout(Duration::from_secs(1), request(&client, CANARY).send()).await.is_err());

    let (traced, measured) = (collector.text(), recorder.handle().render());
    for outcome in ["ok", "recovered", "verified_applied", "failed", "in_doubt", "cancelled"] {
        assert!(traced.contains(&format!("safe_retry.outcome={outcome}\n")), "no call is {outcome}");
        let is_measured = measured.contains(&format!("outcome=\"{outcome}\""));
        assert_eq!(is_measured, cfg!(feature = "metrics"), "no call is {outcome}");
    }
    assert!(traced.contains("may have been applied") && traced.contains("safe_retry.key_digest="), "{traced}");
    for text in [&all, &traced, &measured] {
        let at = text.find(CANARY).map(|at| &text[at.saturating_sub(200)..at + 6]);
        assert_eq!(at, None, "a secret is shown");
    }
}
