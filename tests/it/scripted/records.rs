//! What a failed call leaves for a later one: advice, and a record to go on from.

use std::time::Duration;

use http::Method;
use reqwest_middleware::ClientWithMiddleware;
use reqwest_safe_retry::{
    Advice, Applied, Effect, Error, ErrorKind, Idempotency, IdempotencyKey, KeyKind, Meaning, RequestBuilderExt,
    RetryPolicy, SafeRetry, Service, ServiceBuilder, StopReason, Verdict, durable::InMemoryJournal,
};

use super::{CHARGE, CONTRACTS, FIRST, LIST, NEXT, facts, owned_failure};
use crate::support::{
    clock::FixedClock,
    transport::{Reply, Transport, reply, status},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn keyed(kind: KeyKind) -> ServiceBuilder {
    let idempotency = Idempotency::header("Idempotency-Key", kind).retention(DAY).replay_header("idempotent-replayed");
    Service::builder("metronome", "https://api.metronome.com").idempotency(idempotency)
}

fn storing() -> ServiceBuilder {
    keyed(KeyKind::ReplayAll)
}

fn not_applied() -> ServiceBuilder {
    storing().verifier_fn(|_| async { Verdict::NotApplied })
}

fn client(transport: &Transport, service: ServiceBuilder) -> ClientWithMiddleware {
    transport.client(service.build().unwrap())
}

async fn failed(service: ServiceBuilder, replies: impl IntoIterator<Item = Reply>) -> Error {
    let transport = Transport::new(replies);
    owned_failure(client(&transport, service).post(CONTRACTS).operation(CHARGE)).await
}

/// What is advised, with the seconds of the wait and of the time that is left.
#[derive(Debug, PartialEq)]
enum Advised {
    Done,
    Never,
    Again(f64, Option<u64>),
    LookFirst,
}

fn advised(error: &Error) -> Advised {
    let first_sent = error.attempts().keys().last().and_then(IdempotencyKey::first_sent_at);
    match error.advice() {
        Advice::Done => Advised::Done,
        Advice::Never => Advised::Never,
        Advice::SameKeyAfter { wait, not_after } => {
            let left = not_after.map(|until| until.duration_since(first_sent.unwrap()).unwrap().as_secs());
            Advised::Again(wait.as_secs_f64(), left)
        }
        Advice::LookFirst => Advised::LookFirst,
    }
}

/// The retention without its margin.
const PROTECTED: Option<u64> = Some(24 * 3600 - 24 * 180);

async fn check(cases: impl IntoIterator<Item = (ServiceBuilder, Vec<Reply>, Advised)>) {
    for (service, replies, advice) in cases {
        let error = failed(service, replies).await;
        assert_eq!(advised(&error), advice, "{error}");
        assert_eq!(error.record().advice(), error.advice());
    }
}

fn once(service: ServiceBuilder) -> ServiceBuilder {
    service.retry_policy(RetryPolicy::never())
}

fn replayed() -> Reply {
    reply(500, &[("idempotent-replayed", "true")], "")
}

#[tokio::test(start_paused = true)]
async fn advice_follows_from_the_last_answer() {
    let found = || storing().verifier_fn(|_| async { Verdict::Applied(None) });
    check([
        (storing(), vec![status(404)], Advised::Never),
        (once(storing()), vec![reply(429, &[("retry-after", "7")], "")], Advised::Again(7.0, None)),
        (once(storing()), vec![status(429)], Advised::Again(1.0, None)),
        (once(storing()), vec![status(503)], Advised::Again(0.5, PROTECTED)),
        (storing(), [503, 503, 503].map(status).into(), Advised::Again(2.0, PROTECTED)),
        (storing(), vec![status(501)], Advised::LookFirst),
        // Refused after a doubt: the same key brings back what the first attempt may have done.
        (storing(), [503, 400].map(status).into(), Advised::Again(1.0, PROTECTED)),
        // Another process may be at it.
        (storing(), [409, 409, 409].map(status).into(), Advised::Again(2.0, PROTECTED)),
        // Unless it is known what the conflict means.
        (storing().response(409, Meaning::Final), vec![status(409)], Advised::Never),
        // Without a proof that the key is used up a later call may find more.
        (storing(), vec![status(500), status(500)], Advised::Again(1.0, PROTECTED)),
        (storing(), vec![replayed()], Advised::LookFirst),
        (not_applied(), vec![replayed(), replayed()], Advised::Never),
        (found(), vec![status(501)], Advised::Done),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn advice_follows_from_what_a_repeat_does() {
    let key = |kind| once(storing().idempotency(Idempotency::header("k", kind)));
    let effect = |effect| once(storing().route(Method::POST, "/v1/contracts/create", effect));
    check([
        (key(KeyKind::ResourceKey), vec![status(503)], Advised::Again(0.5, None)),
        (key(KeyKind::ReplayAll), vec![status(503)], Advised::LookFirst),
        (effect(Effect::Idempotent), vec![status(503)], Advised::Again(0.5, None)),
        (effect(Effect::Read), vec![status(503)], Advised::Again(0.5, None)),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn key_that_only_one_call_has_is_looked_up() {
    let transport = Transport::new([status(503), status(503), status(503)]);
    let client = client(&transport, storing().retry_policy(RetryPolicy::never()));
    assert_eq!(advised(&owned_failure(client.post(CONTRACTS)).await), Advised::LookFirst);
    assert_eq!(
        advised(&owned_failure(client.post(CONTRACTS).idempotency_key("own")).await),
        Advised::Again(0.5, PROTECTED)
    );
    assert_eq!(advised(&owned_failure(client.get(LIST)).await), Advised::Again(0.5, None));
}

/// Where errors are not stored, the same key executes again. Where they are, it gets the stored error.
#[tokio::test(start_paused = true)]
async fn same_key_is_advised_while_it_executes_again() {
    let found_nothing = keyed(KeyKind::ReplaySuccess).verifier_fn(|_| async { Verdict::NotApplied });
    for (service, applied, advice) in [
        (keyed(KeyKind::ReplaySuccess), Applied::Unknown, Advised::Again(2.0, PROTECTED)),
        (keyed(KeyKind::ReplayAll), Applied::Unknown, Advised::LookFirst),
        (found_nothing, Applied::No, Advised::Again(2.0, None)),
    ] {
        let transport = Transport::new([500; 3].map(status));
        let error = owned_failure(client(&transport, service).post(CONTRACTS).idempotency_key("own")).await;
        assert_eq!((error.applied(), advised(&error)), (applied, advice), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn journal_says_when_to_run_again() {
    let (transport, clock) =
        (Transport::new([Reply::never(), status(500), status(500), status(500), status(500)]), FixedClock::at(1.0));
    let journal = InMemoryJournal::default().clock(clock.clone());
    let client = || {
        let service = not_applied().build().unwrap().journal(journal.clone());
        transport.layered(SafeRetry::new([service]).clock(clock.clone()))
    };
    let first = tokio::spawn(client().post(CONTRACTS).operation(CHARGE).send());
    tokio::time::sleep(Duration::from_secs(20)).await;
    let error = owned_failure(client().post(CONTRACTS).operation(CHARGE)).await;
    assert_eq!((error.stop(), advised(&error)), (StopReason::RunningElsewhere, Advised::Again(100.0, None)));
    first.abort();
    tokio::time::sleep(Duration::from_secs(100)).await;
    // The process before may still be at work for ten minutes.
    let error = owned_failure(client().post(CONTRACTS).operation(CHARGE)).await;
    assert_eq!(error.stop(), StopReason::DeadlineExceeded);
    assert_eq!(advised(&error), Advised::Again(599.5, None));
}

/// A later call sends the key only if it lasts for the whole call.
#[tokio::test(start_paused = true)]
async fn journal_needs_the_time_of_a_call() {
    let (transport, clock) = (Transport::new([status(503)]), FixedClock::at(1.0));
    let journal = InMemoryJournal::default().clock(clock.clone());
    let policy = RetryPolicy::never().deadline(Duration::from_secs(100));
    let service = storing().retry_policy(policy).build().unwrap().journal(journal);
    let client = transport.layered(SafeRetry::new([service]).clock(clock));
    let error = owned_failure(client.post(CONTRACTS).operation(CHARGE)).await;
    assert_eq!(advised(&error), Advised::Again(0.5, PROTECTED.map(|seconds| seconds - 100)));
}

#[tokio::test(start_paused = true)]
async fn call_goes_on_from_its_record() {
    // A key of the call's own: in another process nothing else would know it.
    let transport = Transport::new([status(503), Reply::never(), status(200)]);
    let client = client(&transport, storing().retry_policy(RetryPolicy::never()));
    let error = owned_failure(client.post(CONTRACTS).body("{}")).await;
    let record = error.record();
    assert_eq!((record.service(), record.method(), record.path()), ("metronome", "POST", "/v1/contracts/create"));
    assert_eq!((record.kind(), record.stop(), record.applied()), facts(&error));
    assert_eq!((record.keys(), record.keys()[0].generation()), (error.attempts().keys(), Some(1)));
    assert_eq!(record.protected_until(), record.keys()[0].first_sent_at().unwrap().checked_add(DAY - DAY / 20));
    let again = owned_failure(client.post(CONTRACTS).body("{}").resume(&record)).await;
    assert_eq!(again.attempts().keys()[0].first_sent_at(), record.keys()[0].first_sent_at(), "the same window");
    client.post(CONTRACTS).body("{}").resume(&again.record()).send().await.unwrap();
    let keys = transport.keys();
    assert!(keys[0].is_some() && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
}

#[tokio::test(start_paused = true)]
async fn resumed_call_is_in_the_same_doubt() {
    let error = failed(storing(), [503, 503, 503].map(status)).await;
    let transport = Transport::new([500, 500, 409, 409, 409].map(status));
    let client = client(&transport, not_applied());
    let again = owned_failure(client.post(CONTRACTS).resume(&error.record())).await;
    assert_eq!(
        (again.stop(), again.applied()),
        (StopReason::Unverified, Applied::Unknown),
        "another process may have sent it"
    );
    // What was never applied is in no doubt.
    let error = failed(storing(), [status(404)]).await;
    assert_eq!(error.record().operation().map(|operation| operation.id()), Some(CHARGE));
    let conflict = owned_failure(client.post(CONTRACTS).resume(&error.record())).await;
    assert_eq!(conflict.applied(), Applied::Unknown, "a conflict may be with the work of another process");
}

/// A record of a call whose key was replaced goes on with the new one.
#[tokio::test(start_paused = true)]
async fn resumed_call_sends_the_replaced_key() {
    let replayed = reply(500, &[("idempotent-replayed", "true")], "");
    let error = failed(not_applied(), [replayed, status(503), status(503)]).await;
    let keys: Vec<_> = error.record().keys().iter().map(|key| (key.as_str().to_owned(), key.generation())).collect();
    assert_eq!(keys, [(FIRST.to_owned(), Some(1)), (NEXT.to_owned(), Some(2))]);
    let transport = Transport::new([status(200)]);
    client(&transport, storing()).post(CONTRACTS).resume(&error.record()).send().await.unwrap();
    assert_eq!(transport.keys(), [Some(NEXT.to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn record_of_something_else_is_refused() {
    let transport = Transport::new([status(503), status(503)]);
    let once = || storing().retry_policy(RetryPolicy::never());
    let own = client(&transport, once());
    let record = owned_failure(own.post(CONTRACTS).operation(CHARGE).body("{}")).await.record();
    let renamed = Service::builder("other", "https://api.metronome.com").build().unwrap();
    for (request, kind, message) in [
        (own.post(CONTRACTS).body("{\"a\":1}").resume(&record), ErrorKind::PayloadMismatch, "of another request"),
        (transport.client(renamed).post(CONTRACTS).resume(&record), ErrorKind::InvalidKey, "to another service"),
        (own.post(CONTRACTS).operation(CHARGE).resume(&record), ErrorKind::InvalidKey, "leave one out"),
    ] {
        let error = owned_failure(request).await;
        assert_eq!((error.kind(), error.attempts().count()), (kind, 0));
        assert_eq!((error.applied(), error.advice()), (Applied::Unknown, Advice::LookFirst), "as the record says");
        assert!(error.to_string().contains(message), "{error}");
    }
    // A write without a key is not sent again.
    let plain = Service::builder("metronome", "https://api.metronome.com").build().unwrap();
    let plain = transport.client(plain);
    let record = owned_failure(plain.post(CONTRACTS)).await.record();
    let error = owned_failure(plain.post(CONTRACTS).resume(&record)).await;
    assert_eq!((error.stop(), error.applied()), (StopReason::NotIdempotent, Applied::Unknown));
    assert_eq!(transport.sent().len(), 2);
}

/// A journal knows more than the record.
#[tokio::test(start_paused = true)]
async fn journal_counts_more_than_a_record() {
    let error = failed(storing(), [503, 503, 503].map(status)).await;
    let transport = Transport::new([status(200)]);
    let service = storing().build().unwrap().journal(InMemoryJournal::default());
    transport.client(service).post(CONTRACTS).resume(&error.record()).send().await.unwrap();
    assert_eq!(transport.keys(), [Some(FIRST.to_owned())]);
}

/// A key of the caller's that was never sent is the one that a later call sends.
#[tokio::test(start_paused = true)]
async fn unsent_key_is_in_the_record() {
    let transport = Transport::new([status(200), status(200)]);
    let client = client(&transport, storing());
    for (request, key) in
        [(client.post(CONTRACTS).idempotency_key("own"), "own"), (client.post(CONTRACTS).operation(CHARGE), FIRST)]
    {
        let record = owned_failure(request.deadline(Duration::ZERO)).await.record();
        assert_eq!((record.applied(), record.attempts().count()), (Applied::No, 0));
        client.post(CONTRACTS).resume(&record).send().await.unwrap();
        assert_eq!(transport.keys().pop().unwrap().as_deref(), Some(key));
    }
}

#[cfg(feature = "serde")]
mod stored {
    use reqwest_safe_retry::Record;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn record_is_the_same_after_it_was_stored() {
        let replayed = reply(500, &[("idempotent-replayed", "true")], "");
        let transport = Transport::new([replayed, Reply::never()]);
        let request = client(&transport, not_applied()).post(CONTRACTS).body("{\"card\":\"4242\"}");
        let record = owned_failure(request.operation(CHARGE).bearer_auth("t0k3n")).await.record();
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
        assert!(text.starts_with("{\"format\":1,"), "{text}");
        assert!(!text.contains("4242") && !text.contains("t0k3n"), "{text}");
    }

    /// What a version before this one has stored.
    const OLD: &str = include_str!("record-1.json");

    #[tokio::test(start_paused = true)]
    async fn old_record_is_read() {
        let record: Record = serde_json::from_str(OLD).unwrap();
        assert_eq!((record.stop(), record.applied()), (StopReason::DeadlineExceeded, Applied::Unknown));
        assert_eq!(record.keys().iter().map(IdempotencyKey::as_str).collect::<Vec<_>>(), [FIRST, NEXT]);
        let attempts = record.attempts().to_string();
        assert_eq!(
            attempts,
            "500 (replayed) > waited 500ms > verified: not applied > new key > no response, in 120000ms"
        );
        assert!(matches!(record.advice(), Advice::SameKeyAfter { not_after: Some(_), .. }));
        let error = serde_json::from_str::<Record>(&OLD.replacen("\"format\":1", "\"format\":2", 1)).unwrap_err();
        assert!(error.to_string().contains("has the format 2, but this version reads 1"), "{error}");
    }

    #[test]
    fn damaged_records_are_refused() {
        assert!(OLD.len() > 100);
        for end in 0..OLD.trim_end().len() {
            assert!(serde_json::from_str::<Record>(&OLD[..end]).is_err(), "{end}");
        }
    }
}

/// The record knows that the write took effect: no later call sends it with another key, or says less.
#[tokio::test(start_paused = true)]
async fn what_was_applied_is_not_resumed_with_another_key() {
    let found = || storing().verifier_fn(|_| async { Verdict::Applied(None) });
    let record = failed(found(), [replayed()]).await.record();
    assert_eq!(record.applied(), Applied::Yes);
    let transport = Transport::new([replayed(), replayed()]);
    let error = owned_failure(client(&transport, not_applied()).post(CONTRACTS).resume(&record)).await;
    assert_eq!((error.applied(), error.advice()), (Applied::Yes, Advice::Done));
    assert!(transport.keys().iter().all(|key| key.as_deref() == Some(FIRST)), "{:?}", transport.keys());
}

/// A record of a call that the journal has stopped has a key that was never sent, and is in doubt all the same.
#[tokio::test(start_paused = true)]
async fn doubt_of_a_record_outlives_its_journal() {
    let keyed = || storing().idempotency(Idempotency::header("Idempotency-Key", KeyKind::ReplayAll));
    let plain = || Service::builder("metronome", "https://api.metronome.com");
    for service in [&keyed as &dyn Fn() -> ServiceBuilder, &plain] {
        let journal = InMemoryJournal::default();
        let transport = Transport::new([Reply::never(), status(404)]);
        let journaled = || client(&transport, service().journal(journal.clone()));
        let first = tokio::spawn(journaled().post(CONTRACTS).operation(CHARGE).send());
        tokio::time::sleep(Duration::from_secs(1)).await;
        let record = owned_failure(journaled().post(CONTRACTS).operation(CHARGE)).await.record();
        assert_eq!((record.kind(), record.applied()), (ErrorKind::RunningElsewhere, Applied::Unknown));
        first.abort();
        let error = owned_failure(client(&transport, service()).post(CONTRACTS).resume(&record)).await;
        assert_eq!(error.applied(), Applied::Unknown, "{error}");
    }
}
