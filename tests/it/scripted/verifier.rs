//! When the verifier is asked, what it is told, and what its verdict leads to.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use http::Method;
use reqwest_safe_retry::{
    Applied, Attempts, Doubt, Effect, ErrorKind, Idempotency, IdempotencyKey, KeyAction, KeyKind, Meaning, RetryPolicy,
    Route, Service, Stop, Verdict, VerdictKind, Verifier,
};
use tokio::time::Instant;

use super::{CONTRACTS, LEDGER, LIST, facts, failure, metronome};
use crate::support::transport::{Reply, Transport, reply, status};

/// A verifier of the user's own type: answers by rote and keeps what it was told.
#[derive(Clone, Default)]
struct Rote {
    verdicts: Arc<Mutex<Vec<Verdict>>>,
    told: Arc<Mutex<Vec<String>>>,
}

impl Rote {
    fn saying(verdicts: impl IntoIterator<Item = Verdict>) -> Self {
        Self { verdicts: Arc::new(Mutex::new(verdicts.into_iter().collect())), ..Self::default() }
    }

    fn asked(&self) -> usize {
        self.told.lock().unwrap().len()
    }
}

#[async_trait]
impl Verifier for Rote {
    async fn verify(&self, doubt: &Doubt<'_>) -> Verdict {
        let told = format!(
            "{} {} {} {:?} {} [{}]",
            doubt.service(),
            doubt.method(),
            doubt.url(),
            doubt.json("/name"),
            doubt.key().map_or("no key", IdempotencyKey::as_str),
            doubt.attempts().iter().map(|attempt| attempt.met().to_string()).collect::<Vec<_>>().join(" "),
        );
        self.told.lock().unwrap().push(told);
        self.verdicts.lock().unwrap().remove(0)
    }
}

fn found() -> Verdict {
    Verdict::Applied(Some(http::Response::new("found").into()))
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_not_applied_goes_out_once_more_under_a_new_key() {
    let verifier = Rote::saying([Verdict::NotApplied]);
    let transport = Transport::new([status(500), status(500), status(200)]);
    let client = transport.client(Service::metronome().verifier(verifier.clone()));
    let started = Instant::now();
    let request = client.post(format!("{LEDGER}?q=1")).header("idempotency-key", "mine").body(r#"{"name":"n"}"#);
    let response = request.send().await.unwrap();
    let keys: Vec<_> = transport.keys().into_iter().flatten().collect();
    assert_eq!(keys[..2], ["mine", "mine"]);
    assert!(uuid::Uuid::parse_str(&keys[2]).is_ok(), "a key of the layer's own");
    assert!(transport.sent().iter().all(|sent| sent.body == br#"{"name":"n"}"#));
    let told = format!("metronome POST {LEDGER}?q=1 Some(\"n\") mine [500 500]");
    assert_eq!(*verifier.told.lock().unwrap(), [told]);
    let attempts = response.extensions().get::<Attempts>().unwrap();
    let story: Vec<_> = attempts.iter().map(|a| (a.key_generation(), a.key_action(), a.verdict())).collect();
    assert_eq!(
        story,
        [
            (1, KeyAction::Preserve, None),
            (1, KeyAction::VerifyThenRotate, Some(VerdictKind::NotApplied)),
            (2, KeyAction::Preserve, None)
        ]
    );
    assert_eq!(started.elapsed(), Duration::from_millis(1500), "asked after the wait, and no further wait");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_applied_ends_in_the_verifiers_response() {
    let verifier = Rote::saying([found()]);
    let transport = Transport::new([status(500), status(500)]);
    let response = transport.client(Service::metronome().verifier(verifier)).post(LEDGER).send().await.unwrap();
    assert!(response.extensions().get::<Attempts>().unwrap().is_reconciled());
    assert_eq!(response.text().await.unwrap(), "found");
    assert_eq!(transport.sent().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn applied_without_a_response_is_an_error_that_says_so() {
    let verifier = Rote::saying([Verdict::Applied(None)]);
    let transport = Transport::new([status(500), reply(500, &[], r#"{"message":"m"}"#)]);
    failure!(transport.client(Service::metronome().verifier(verifier)).post(LEDGER), |error| {
        assert_eq!(facts(error), (ErrorKind::Server, Stop::Permanent, Applied::Yes));
        assert_eq!(error.message(), "m");
    });
}

#[tokio::test(start_paused = true)]
async fn who_cannot_tell_fails_or_is_slow_never_leads_to_a_new_key() {
    let unknown = Service::metronome().verifier(|_: &Doubt<'_>| async { Verdict::Unknown });
    let failing = Service::metronome().verifier(|_: &Doubt<'_>| async { Err(std::io::Error::other("down")) });
    let slow = Service::metronome().verifier(|_: &Doubt<'_>| async {
        tokio::time::sleep(Duration::from_secs(11)).await;
        Verdict::NotApplied
    });
    let silent = Service::metronome().verifier(|_: &Doubt<'_>| std::future::pending::<Verdict>());
    for (name, service, waited) in
        [("unknown", unknown, 1500), ("failing", failing, 1500), ("slow", slow, 11_500), ("silent", silent, 11_500)]
    {
        let transport = Transport::new([status(500), status(500)]);
        let started = Instant::now();
        failure!(transport.client(service).post(LEDGER), |error| {
            assert_eq!(facts(error), (ErrorKind::Server, Stop::Unverified, Applied::Unknown), "{name}");
            assert_eq!(error.attempts().iter().last().unwrap().verdict(), Some(VerdictKind::Unknown), "{name}");
        });
        let keys = transport.keys();
        assert!(keys.len() == 2 && keys[0] == keys[1], "{name}");
        assert_eq!(started.elapsed(), Duration::from_millis(waited), "{name}: asked once, for 10 s at most");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_is_asked_about_once_before_it_ends_in_doubt() {
    for (script, stop, applied, asked) in [
        (vec![504, 504, 504], Stop::Attempts, Applied::Unknown, 1),
        (vec![500, 504, 500], Stop::Attempts, Applied::Unknown, 1),
        (vec![501], Stop::Permanent, Applied::Unknown, 1),
        (vec![504, 404], Stop::Permanent, Applied::Unknown, 1),
        (vec![404], Stop::Permanent, Applied::No, 0),
        (vec![429, 429, 429], Stop::Attempts, Applied::No, 0),
    ] {
        let verifier = Rote::saying([Verdict::NotApplied]);
        let transport = Transport::new(script.iter().map(|number| status(*number)));
        failure!(transport.client(Service::metronome().verifier(verifier.clone())).post(LEDGER), |error| {
            assert_eq!((error.stop(), error.applied()), (stop, applied), "{script:?}");
        });
        assert_eq!(verifier.asked(), asked, "{script:?}");
    }
    // Two internal errors settle the key: at the end, too, the verdict is final then.
    let verifier = Rote::saying([Verdict::NotApplied]);
    let transport = Transport::new([status(500), status(500)]);
    let service = metronome(RetryPolicy::new().max_attempts(2)).verifier(verifier);
    failure!(transport.client(service).post(LEDGER), |error| {
        assert_eq!(facts(error), (ErrorKind::Server, Stop::Attempts, Applied::No));
    });
    // And what was found at the end is a success like any other.
    let verifier = Rote::saying([found()]);
    let transport = Transport::new((0..3).map(|_| status(504)));
    let response = transport.client(Service::metronome().verifier(verifier)).post(LEDGER).send().await.unwrap();
    assert!(response.extensions().get::<Attempts>().unwrap().is_reconciled());
}

#[tokio::test(start_paused = true)]
async fn a_read_is_never_asked_about() {
    let verifier = Rote::saying([]);
    let transport = Transport::new((0..3).map(|_| status(500)));
    failure!(transport.client(Service::metronome().verifier(verifier.clone())).post(LIST), |error| {
        assert_eq!(error.applied(), Applied::No);
    });
    assert_eq!(verifier.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_rotation_a_call_and_each_question_about_something_new() {
    let verifier = Rote::saying([Verdict::NotApplied, Verdict::NotApplied]);
    let transport = Transport::new((0..3).map(|_| status(500)));
    let service = metronome(RetryPolicy::new().max_attempts(9)).verifier(verifier.clone());
    failure!(transport.client(service).post(LEDGER), |error| {
        assert_eq!(facts(error), (ErrorKind::Server, Stop::Unverified, Applied::Unknown));
        assert_eq!(error.key().unwrap().as_str(), transport.keys()[2].as_deref().unwrap());
    });
    assert_eq!(verifier.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_guards_itself_rotates_without_being_asked_about() {
    let verifier = Rote::saying([]);
    let transport = Transport::new([status(500), status(500), status(200)]);
    let client = transport.client(Service::metronome().verifier(verifier.clone()));
    client.post(CONTRACTS).body(r#"{"uniqueness_key":"u-1"}"#).send().await.unwrap();
    let keys = transport.keys();
    assert!(keys[0] == keys[1] && keys[1] != keys[2]);
    assert_eq!(verifier.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_a_half_done_write_lacks_is_none_after_an_internal_error() {
    const CUSTOMERS: &str = "https://api.metronome.com/v1/customers";
    let aliased = r#"{"name":"n","ingest_aliases":["a"]}"#;
    // The customer may be there without its alias: a second one would not be refused.
    let transport = Transport::new([status(500), status(500)]);
    failure!(transport.client(Service::metronome()).post(CUSTOMERS).body(aliased), |error| {
        assert_eq!(facts(error), (ErrorKind::Server, Stop::Unverified, Applied::Unknown));
    });
    let verifier = Rote::saying([Verdict::NotApplied]);
    let transport = Transport::new([status(500), status(500), status(200)]);
    transport
        .client(Service::metronome().verifier(verifier.clone()))
        .post(CUSTOMERS)
        .body(aliased)
        .send()
        .await
        .unwrap();
    assert_eq!(verifier.asked(), 1);
    // Where a key remembers what was lost, it guards; without one nothing tells whether the write is half done.
    let service = Service::metronome().into_builder().map_idempotency(|keys| keys.callers_keys_only()).build().unwrap();
    for number in [500, 504] {
        let transport = Transport::new([status(number)]);
        failure!(transport.client(service.clone()).post(CUSTOMERS).body(aliased), |error| {
            assert_eq!(facts(error), (ErrorKind::Server, Stop::NotIdempotent, Applied::Unknown));
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_burnt_key_tells_of_an_internal_error_that_has_left_the_write_half_done() {
    // The answer of the internal error itself was lost: only the key remembers it.
    let keys = Idempotency::header("Idempotency-Key", KeyKind::Poisoned).conflict(400, Meaning::Burnt);
    let route = Route::new(Method::POST, "/v1/contracts/create", Effect::Write);
    let service = Service::builder("poisoned").base_url("https://api.metronome.com").idempotency(keys);
    let service = service.routes([route.deduplicated_unless_half_done_by("/id")]).build().unwrap();
    for (verifier, stop, sent) in [(None, Stop::Unverified, 2), (Some(()), Stop::Permanent, 3)] {
        let transport = Transport::new([status(504), status(400), status(404)].into_iter().take(sent));
        let service = match verifier {
            Some(()) => service.clone().verifier(Rote::saying([Verdict::NotApplied])),
            None => service.clone(),
        };
        failure!(transport.client(service).post(CONTRACTS).body(r#"{"id":"1"}"#), |error| {
            assert_eq!(error.stop(), stop);
        });
        assert_eq!(transport.sent().len(), sent);
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_without_a_key_is_asked_about_but_no_verdict_settles_it() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let service = Service::builder("unkeyed").base_url("https://api.metronome.com").build().unwrap();
    let service = service.verifier(move |doubt: &Doubt<'_>| {
        assert!(doubt.key().is_none());
        counted.fetch_add(1, Ordering::Relaxed);
        async { Verdict::NotApplied }
    });
    let transport = Transport::new([status(504)]);
    failure!(transport.client(service).post(LEDGER), |error| {
        assert_eq!(facts(error), (ErrorKind::Server, Stop::NotIdempotent, Applied::Unknown));
    });
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_streamed_body_is_not_in_memory_and_a_missing_one_is_empty() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = seen.clone();
    let service = metronome(RetryPolicy::never()).verifier(move |doubt: &Doubt<'_>| {
        kept.lock().unwrap().push(doubt.body().map(<[u8]>::to_vec));
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
async fn nobody_is_asked_when_no_time_is_left() {
    let verifier = Rote::saying([]);
    let transport = Transport::new([Reply::Silence]);
    let service = metronome(RetryPolicy::new().deadline(Duration::from_secs(3))).verifier(verifier.clone());
    failure!(transport.client(service).post(LEDGER), |error| {
        assert_eq!(facts(error), (ErrorKind::Transport, Stop::Deadline, Applied::Unknown));
    });
    assert_eq!(verifier.asked(), 0);
}
