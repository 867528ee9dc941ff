//! When the verifier is called, what it sees, and what its verdict leads to.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use reqwest_safe_retry::{
    Applied, Attempts, Backoff, Error, ErrorKind, IdempotencyKey, InDoubtWrite, Jitter, KeyAction, RequestBuilderExt,
    RetryPolicy, Service, StopReason, Verdict, VerdictKind, Verifier, VerifierFn,
};
use tokio::time::Instant;

use super::{CONTRACTS, LEDGER, LIST, facts, failure, metronome};
use crate::support::transport::{Reply, Transport, reply, status};

/// Returns scripted verdicts and records each write it was called for.
#[derive(Clone, Default)]
struct ScriptedVerifier {
    verdicts: Arc<Mutex<Vec<Verdict>>>,
    writes: Arc<Mutex<Vec<String>>>,
}

impl ScriptedVerifier {
    fn returning(verdicts: impl IntoIterator<Item = Verdict>) -> Self {
        Self { verdicts: Arc::new(Mutex::new(verdicts.into_iter().collect())), ..Self::default() }
    }

    fn calls(&self) -> usize {
        self.writes.lock().unwrap().len()
    }
}

#[async_trait]
impl Verifier for ScriptedVerifier {
    async fn verify(&self, write: &InDoubtWrite<'_>) -> Verdict {
        let facts = format!(
            "{} {} {} {:?} {} [{}]",
            write.service(),
            write.method(),
            write.url(),
            write.json("/name"),
            write.key().map_or("no key", IdempotencyKey::as_str),
            write.attempts().iter().map(|attempt| attempt.outcome().to_string()).collect::<Vec<_>>().join(" "),
        );
        self.writes.lock().unwrap().push(facts);
        self.verdicts.lock().unwrap().remove(0)
    }
}

fn found() -> Verdict {
    Verdict::Applied(Some(http::Response::new("found").into()))
}

#[tokio::test(start_paused = true)]
async fn not_applied_write_is_sent_with_a_new_key() {
    let verifier = ScriptedVerifier::returning([Verdict::NotApplied]);
    let transport = Transport::new([status(500), status(500), status(200)]);
    let client = transport.client(Service::metronome().verifier(verifier.clone()));
    let started = Instant::now();
    let request = client.post(format!("{LEDGER}?q=1")).header("idempotency-key", "mine").body(r#"{"name":"n"}"#);
    let response = request.send().await.unwrap();
    let keys: Vec<_> = transport.keys().into_iter().flatten().collect();
    assert_eq!(keys[..2], ["mine", "mine"]);
    assert!(uuid::Uuid::parse_str(&keys[2]).is_ok(), "a key made by the layer");
    assert!(transport.sent().iter().all(|sent| sent.body == br#"{"name":"n"}"#));
    let facts = format!("metronome POST {LEDGER}?q=1 Some(\"n\") mine [500 500]");
    assert_eq!(*verifier.writes.lock().unwrap(), [facts]);
    let attempts = response.extensions().get::<Attempts>().unwrap();
    let history: Vec<_> = attempts.iter().map(|a| (a.key_generation(), a.key_action(), a.verdict())).collect();
    assert_eq!(
        history,
        [
            (1, KeyAction::Preserve, None),
            (1, KeyAction::VerifyThenRotate, Some(VerdictKind::NotApplied)),
            (2, KeyAction::Preserve, None)
        ]
    );
    assert_eq!(started.elapsed(), Duration::from_millis(1500), "verified after the wait, and no further wait");
}

#[tokio::test(start_paused = true)]
async fn applied_write_returns_the_verifiers_response() {
    let verifier = ScriptedVerifier::returning([found()]);
    let transport = Transport::new([status(500), status(500)]);
    let response = transport.client(Service::metronome().verifier(verifier)).post(LEDGER).send().await.unwrap();
    assert!(response.extensions().get::<Attempts>().unwrap().is_verified_applied());
    assert_eq!(response.text().await.unwrap(), "found");
    assert_eq!(transport.sent().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn applied_without_a_response_is_an_error() {
    let verifier = ScriptedVerifier::returning([Verdict::Applied(None)]);
    let transport = Transport::new([status(500), reply(500, &[], r#"{"message":"m"}"#)]);
    failure!(transport.client(Service::metronome().verifier(verifier)).post(LEDGER), |error| {
        assert_eq!(facts(error), (ErrorKind::Server, StopReason::Permanent, Applied::Yes));
        assert_eq!(error.message(), "m");
    });
}

#[tokio::test(start_paused = true)]
async fn inconclusive_verifier_never_rotates() {
    let unknown = Service::metronome().verifier_fn(|_| async { Verdict::Unknown });
    let failing = Service::metronome().verifier_fn(|_| async { Err(std::io::Error::other("down")) });
    let slow = Service::metronome().verifier_fn(|_| async {
        tokio::time::sleep(Duration::from_secs(11)).await;
        Verdict::NotApplied
    });
    let silent = Service::metronome().verifier_fn(|_| std::future::pending::<Verdict>());
    for (name, service, waited) in
        [("unknown", unknown, 1500), ("failing", failing, 1500), ("slow", slow, 11_500), ("silent", silent, 11_500)]
    {
        let transport = Transport::new([status(500), status(500)]);
        let started = Instant::now();
        failure!(transport.client(service).post(LEDGER), |error| {
            assert_eq!(facts(error), (ErrorKind::Server, StopReason::Unverified, Applied::Unknown), "{name}");
            assert_eq!(error.attempts().iter().last().unwrap().verdict(), Some(VerdictKind::Unknown), "{name}");
        });
        let keys = transport.keys();
        assert!(keys.len() == 2 && keys[0] == keys[1], "{name}");
        assert_eq!(started.elapsed(), Duration::from_millis(waited), "{name}: called once, for 10 s at most");
    }
}

#[tokio::test(start_paused = true)]
async fn verifier_runs_once_before_ending_in_doubt() {
    for (script, stop, applied, calls) in [
        (vec![504, 504, 504], StopReason::AttemptsExhausted, Applied::Unknown, 1),
        (vec![500, 504, 500], StopReason::AttemptsExhausted, Applied::Unknown, 1),
        (vec![501], StopReason::Permanent, Applied::Unknown, 1),
        (vec![504, 404], StopReason::Permanent, Applied::Unknown, 1),
        (vec![404], StopReason::Permanent, Applied::No, 0),
        (vec![429, 429, 429], StopReason::AttemptsExhausted, Applied::No, 0),
    ] {
        let verifier = ScriptedVerifier::returning([Verdict::NotApplied]);
        let transport = Transport::new(script.iter().map(|number| status(*number)));
        failure!(transport.client(Service::metronome().verifier(verifier.clone())).post(LEDGER), |error| {
            assert_eq!((error.stop(), error.applied()), (stop, applied), "{script:?}");
        });
        assert_eq!(verifier.calls(), calls, "{script:?}");
    }
    // After two internal errors the key is settled, so a verdict at the end is final as well.
    let verifier = ScriptedVerifier::returning([Verdict::NotApplied]);
    let transport = Transport::new([status(500), status(500)]);
    let service = metronome(RetryPolicy::new().max_attempts(2)).verifier(verifier);
    failure!(transport.client(service).post(LEDGER), |error| {
        assert_eq!(facts(error), (ErrorKind::Server, StopReason::AttemptsExhausted, Applied::No));
    });
    // A write found at the end is a success.
    let verifier = ScriptedVerifier::returning([found()]);
    let transport = Transport::new((0..3).map(|_| status(504)));
    let response = transport.client(Service::metronome().verifier(verifier)).post(LEDGER).send().await.unwrap();
    assert!(response.extensions().get::<Attempts>().unwrap().is_verified_applied());
}

#[tokio::test(start_paused = true)]
async fn reads_are_never_verified() {
    let verifier = ScriptedVerifier::returning([]);
    let transport = Transport::new((0..3).map(|_| status(500)));
    failure!(transport.client(Service::metronome().verifier(verifier.clone())).post(LIST), |error| {
        assert_eq!(error.applied(), Applied::No);
    });
    assert_eq!(verifier.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn key_rotates_once_per_call() {
    let verifier = ScriptedVerifier::returning([Verdict::NotApplied, Verdict::NotApplied]);
    let transport = Transport::new((0..3).map(|_| status(500)));
    let service = metronome(RetryPolicy::new().max_attempts(9)).verifier(verifier.clone());
    failure!(transport.client(service).post(LEDGER), |error| {
        assert_eq!(facts(error), (ErrorKind::Server, StopReason::Unverified, Applied::Unknown));
        assert_eq!(error.key().unwrap().as_str(), transport.keys()[2].as_deref().unwrap());
    });
    assert_eq!(verifier.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn deduplicated_write_rotates_without_verifier() {
    let verifier = ScriptedVerifier::returning([]);
    let transport = Transport::new([status(500), status(500), status(200)]);
    let client = transport.client(Service::metronome().verifier(verifier.clone()));
    client.post(CONTRACTS).body(r#"{"uniqueness_key":"u-1"}"#).send().await.unwrap();
    let keys = transport.keys();
    assert!(keys[0] == keys[1] && keys[1] != keys[2]);
    assert_eq!(verifier.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn customer_creation_is_a_plain_write() {
    const CUSTOMERS: &str = "https://api.metronome.com/v1/customers";
    let aliased = r#"{"name":"n","ingest_aliases":["a"]}"#;
    let transport = Transport::new([status(500), status(500)]);
    failure!(transport.client(Service::metronome()).post(CUSTOMERS).body(aliased), |error| {
        assert_eq!(facts(error), (ErrorKind::Server, StopReason::Unverified, Applied::Unknown));
    });
    let verifier = ScriptedVerifier::returning([Verdict::NotApplied]);
    let transport = Transport::new([status(500), status(500), status(200)]);
    transport
        .client(Service::metronome().verifier(verifier.clone()))
        .post(CUSTOMERS)
        .body(aliased)
        .send()
        .await
        .unwrap();
    assert_eq!(verifier.calls(), 1);
    let service = Service::metronome().into_builder().map_idempotency(|keys| keys.callers_keys_only()).build().unwrap();
    for number in [500, 504] {
        let transport = Transport::new([status(number)]);
        failure!(transport.client(service.clone()).post(CUSTOMERS).body(aliased), |error| {
            assert_eq!(facts(error), (ErrorKind::Server, StopReason::NotIdempotent, Applied::Unknown));
        });
    }
}

#[tokio::test(start_paused = true)]
async fn no_verdict_settles_an_unkeyed_write() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let service = Service::builder("unkeyed", "https://api.metronome.com").build().unwrap();
    let service = service.verifier_fn(move |write| {
        assert!(write.key().is_none());
        counted.fetch_add(1, Ordering::Relaxed);
        async { Verdict::NotApplied }
    });
    let transport = Transport::new([status(504)]);
    failure!(transport.client(service).post(LEDGER), |error| {
        assert_eq!(facts(error), (ErrorKind::Server, StopReason::NotIdempotent, Applied::Unknown));
    });
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn verifier_sees_the_body_unless_streamed() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = seen.clone();
    let service = metronome(RetryPolicy::never()).verifier_fn(move |write| {
        kept.lock().unwrap().push(write.body().map(<[u8]>::to_vec));
        async { Verdict::Unknown }
    });
    let transport = Transport::new((0..3).map(|_| status(504)));
    let client = transport.client(service);
    let stream = reqwest::Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>("s")]));
    failure!(client.post(LEDGER).body(stream), |_error| {});
    failure!(client.post(LEDGER), |_error| {});
    failure!(client.post(LEDGER).body("bytes"), |_error| {});
    assert_eq!(*seen.lock().unwrap(), [None, Some(vec![]), Some(b"bytes".to_vec())]);
}

#[tokio::test(start_paused = true)]
async fn verifier_is_skipped_after_the_deadline() {
    let verifier = ScriptedVerifier::returning([]);
    let transport = Transport::new([Reply::never()]);
    let service = metronome(RetryPolicy::new().deadline(Duration::from_secs(3))).verifier(verifier.clone());
    failure!(transport.client(service).post(LEDGER), |error| {
        assert_eq!(facts(error), (ErrorKind::Transport, StopReason::DeadlineExceeded, Applied::Unknown));
    });
    assert_eq!(verifier.calls(), 0);
}

fn not_applied() -> Verdict {
    Verdict::NotApplied
}

/// A verifier that notes when it is asked, and looks at what is a minute behind.
fn lagging(asked: &Arc<Mutex<Vec<Duration>>>, verdict: fn() -> Verdict) -> VerifierFn {
    let (asked, started) = (asked.clone(), Instant::now());
    let verify = move |_: &InDoubtWrite<'_>| {
        asked.lock().unwrap().push(started.elapsed());
        std::future::ready(verdict())
    };
    VerifierFn::new(verify).lag(Duration::from_secs(60))
}

#[tokio::test(start_paused = true)]
async fn verifier_is_asked_after_its_lag() {
    let asked = Arc::default();
    let service = || {
        let waits = Backoff::new(Duration::from_millis(500), Duration::from_millis(500)).jitter(Jitter::None);
        metronome(RetryPolicy::new().transient(waits))
    };
    // Before a new key: the second attempt began after half a second.
    let transport = Transport::new([500, 500, 200].map(status));
    let verifier = lagging(&asked, || Verdict::NotApplied);
    transport.client(service().verifier(verifier)).post(LEDGER).send().await.unwrap();
    assert_eq!(std::mem::take(&mut *asked.lock().unwrap()), [Duration::from_millis(60_500)]);
    // Before the call ends in doubt.
    let transport = Transport::new([503, 503, 503].map(status));
    let verifier = lagging(&asked, found);
    transport.client(service().verifier(verifier)).post(LEDGER).send().await.unwrap();
    assert_eq!(std::mem::take(&mut *asked.lock().unwrap()), [Duration::from_secs(61)]);
    // The deadline leaves no time: "not applied" counts for nothing, while "applied" always does.
    for (verdict, applied) in [(not_applied as fn() -> Verdict, Applied::Unknown), (found, Applied::Yes)] {
        let transport = Transport::new([status(500), reply(500, &[("retry-after", "61")], "")]);
        let verifier = lagging(&asked, verdict);
        let service = service().verifier(verifier);
        let ended = transport.client(service).post(LEDGER).deadline(Duration::from_secs(30)).send().await;
        assert_eq!(std::mem::take(&mut *asked.lock().unwrap()), [Duration::from_millis(500)]);
        match ended {
            Ok(_) => assert_eq!(applied, Applied::Yes),
            Err(outer) => assert_eq!(Error::find(&outer).unwrap().applied(), applied),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn verifier_is_asked_after_the_longest_execution() {
    let asked: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let (notes, started) = (asked.clone(), Instant::now());
    let service = Service::metronome().into_builder();
    let service = service.map_idempotency(|keys| keys.longest_execution(Duration::from_secs(30))).build().unwrap();
    let service = service.verifier_fn(move |_| {
        notes.lock().unwrap().push(started.elapsed());
        std::future::ready(Verdict::NotApplied)
    });
    // The first attempt is over by then, and the write is sent with a new key.
    let transport = Transport::new([504, 500, 500, 200].map(status));
    let policy = RetryPolicy::new().max_attempts(4);
    transport.client(service).post(LEDGER).retry_policy(policy).send().await.unwrap();
    let asked = asked.lock().unwrap();
    assert!(asked.len() == 1 && asked[0] >= Duration::from_secs(30) && asked[0] < Duration::from_secs(33), "{asked:?}");
    let keys = transport.keys();
    assert!(keys[0] == keys[2] && keys[2] != keys[3]);
}

/// What the write would create exists: the verifier finds it, and it is the call's success.
#[tokio::test(start_paused = true)]
async fn existing_resource_is_found() {
    let exists = || reply(409, &[], r#"{"message":"This uniqueness key has already been used."}"#);
    let verifier =
        ScriptedVerifier::returning([found(), Verdict::Applied(None), Verdict::NotApplied, Verdict::Unknown]);
    let transport = Transport::new([exists(), exists(), exists(), exists()]);
    let client = transport.client(Service::metronome().verifier(verifier.clone()));
    let response = client.post(CONTRACTS).send().await.unwrap();
    assert!(response.extensions().get::<Attempts>().unwrap().is_verified_applied());
    assert_eq!(response.text().await.unwrap(), "found");
    for applied in [Applied::Yes, Applied::No, Applied::No] {
        failure!(client.post(CONTRACTS), |error| {
            assert_eq!(facts(error), (ErrorKind::AlreadyExists, StopReason::Permanent, applied));
        });
    }
    assert_eq!((verifier.calls(), transport.sent().len()), (4, 4));
}
