//! No secret is shown in errors, spans, events or metrics.

use std::{fmt::Write as _, time::Duration};

use metrics_exporter_prometheus::PrometheusBuilder;
use reqwest::Body;
use reqwest_middleware::{ClientWithMiddleware, RequestBuilder};
use reqwest_safe_retry::{Attempts, Error, Idempotency, IdempotencyKey, RetryPolicy, Service, Verdict};
use tokio::time::timeout;

use super::{LEDGER, LIST, failure, metronome, with_budget};
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
        vec![Reply::never()],
        vec![Reply::error(anyhow::anyhow!("a layer below"))],
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

/// What a service repeats of the request is hidden: credentials and keys, in whatever capitals.
#[tokio::test(start_paused = true)]
async fn repeated_credentials_and_keys_are_hidden() {
    let echo = |code| {
        let seen = "BEARER T0K3N, session c00kie, X-Api-Key ap1key, key MY-KEY-7, of another layer Bearer 0ther-t0ken";
        reply(code, &[], format!(r#"{{"message":"rejected: {seen}, user us3r-id, passw0rd","code":"c_T0K3N"}}"#))
    };
    for (attempts, url, script) in [
        (1, LEDGER, vec![echo(401)]),
        (3, LEDGER, vec![echo(503), echo(503), echo(401)]),
        // The key is not used for a read, but the caller has sent it.
        (1, LIST, vec![echo(404)]),
    ] {
        let transport = Transport::new(script);
        let client = transport.client(metronome(RetryPolicy::new().max_attempts(attempts)));
        let request =
            client.post(format!("{url}?user=us3r-id")).bearer_auth("t0k3n").header("cookie", "session=c00kie");
        let request = request.header("x-api-key", "ap1key").header("idempotency-key", "my-key-7");
        let request = request.header("proxy-authorization", "Basic dXMzci1pZDpwYXNzdzByZA==");
        failure!(request, |error| {
            let shown = format!("{error} {error:?} {error:#?}").to_lowercase();
            for secret in ["t0k3n", "c00kie", "ap1key", "my-key-7", "0ther-t0ken", "us3r-id", "passw0rd"] {
                assert!(!shown.contains(secret), "{secret}: {shown}");
            }
            assert!(error.to_string().contains("key <key>, of another layer Bearer <hidden>"), "{error}");
            assert!(error.message().contains("my-key-7") || error.message().contains("MY-KEY-7"), "as it came");
        });
    }
}

#[tokio::test(start_paused = true)]
async fn repeated_key_that_was_rotated_away_is_hidden() {
    let first_key = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let keep = first_key.clone();
    let service = Service::metronome().verifier_fn(move |write| {
        *keep.lock().unwrap() = write.key().unwrap().as_str().to_owned();
        async { Verdict::NotApplied }
    });
    let transport = Transport::new([status(500), status(500), Reply::never()]);
    let client = transport.client(service);
    let call = tokio::spawn(client.post(LEDGER).header("idempotency-key", "old-key-1").send());
    let outer = call.await.unwrap().unwrap_err();
    assert_eq!(*first_key.lock().unwrap(), "old-key-1");
    let error = Error::find(&outer).unwrap();
    assert_ne!(error.key().unwrap().as_str(), "old-key-1");

    let repeated = reply(404, &[], r#"{"message":"OLD-KEY-1 has failed"}"#);
    let transport = Transport::new([status(500), status(500), repeated]);
    let service = Service::metronome().verifier_fn(|_| async { Verdict::NotApplied });
    failure!(transport.client(service).post(LEDGER).header("idempotency-key", "old-key-1"), |error| {
        assert!(error.to_string().contains("\"<key> has failed\""), "{error}");
    });
}

#[tokio::test(start_paused = true)]
async fn token_in_the_path_is_hidden_by_the_template() {
    let service = Service::builder("hooks", "https://hooks.example.com/v1")
        .route(http::Method::POST, "/hooks/{token}", reqwest_safe_retry::Effect::Write)
        .verifier_fn(|write| {
            assert!(!format!("{write:?}").contains("s3cret"), "{write:?}");
            async { Verdict::Unknown }
        })
        .build()
        .unwrap();
    let transport = Transport::new([reply(504, &[], r#"{"message":"Cannot POST /v1/hooks/s3cret"}"#)]);
    failure!(transport.client(service).post("https://hooks.example.com/v1/hooks/s3cret"), |error| {
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("hooks: POST /v1/hooks/{token}: 504") && !shown.contains("s3cret"), "{shown}");
        assert_eq!(error.path(), "/v1/hooks/s3cret");
    });
}

/// A request whose body comes out of another response shows that one's URL if it fails.
#[tokio::test(start_paused = true)]
async fn url_behind_a_failing_body_is_hidden() {
    let other = reqwest::Client::new().get("http://[::1]:1/?token=s3cret").send().await.unwrap_err();
    assert!(format!("{other:?}").contains("s3cret"));
    let body = Body::wrap_stream(futures_util::stream::iter([Err::<&str, _>(other)]));
    let client = Transport::new([]).client(metronome(RetryPolicy::new().buffer_bodies(100)));
    let outer = client.post(LEDGER).header("content-length", "10").body(body).send().await.unwrap_err();
    let error = Error::find(&outer).unwrap();
    let chain: String = std::iter::successors(Some(error as &dyn std::error::Error), |cause| cause.source())
        .map(|cause| format!("{cause} {cause:?} "))
        .collect();
    assert!(chain.contains("the URL of another request") && !chain.contains("s3cret"), "{chain}");
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
    let client = Transport::new([Reply::never()]).client(Service::metronome());
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
