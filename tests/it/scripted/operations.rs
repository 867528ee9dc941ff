//! Writes that name what they are to achieve, and so have the same key in every process.

use http::Method;
use reqwest_middleware::{ClientWithMiddleware, RequestBuilder};
use reqwest_safe_retry::{
    Applied, Attempts, Effect, Error, ErrorKind, Idempotency, IdempotencyKey, KeyCharacters, KeyKind, Meaning,
    Operation, RequestBuilderExt, RetryPolicy, Service, StopReason, Verdict, services,
};

use super::{CHARGE, CONTRACTS, FIRST, LEDGER, LIST, NEXT, owned_failure};
use crate::support::transport::{Reply, Transport, reply, status};

fn charge(client: &ClientWithMiddleware) -> RequestBuilder {
    client.post(CONTRACTS).operation(CHARGE)
}

/// A service under the name of the known keys that stores every result, with a verifier that finds nothing.
fn storing() -> Service {
    let idempotency = Idempotency::header("Idempotency-Key", KeyKind::ReplayAll).replay_header("idempotent-replayed");
    let service = Service::builder("metronome", "https://api.metronome.com")
        .idempotency(idempotency)
        .response(409, Meaning::AlreadyExists)
        .response(423, Meaning::InProgress)
        .response(422, Meaning::PayloadMismatch);
    service.build().unwrap().verifier_fn(|_| async { Verdict::NotApplied })
}

async fn charged(service: Service, replies: impl IntoIterator<Item = Reply>) -> (Transport, Error) {
    let transport = Transport::new(replies);
    let error = owned_failure(charge(&transport.client(service))).await;
    assert_eq!(transport.left(), 0);
    (transport, error)
}

#[tokio::test(start_paused = true)]
async fn every_run_sends_the_same_key() {
    let transport = Transport::new([503, 200, 200, 200].map(status));
    let client = transport.client(Service::metronome());
    let response = charge(&client).send().await.unwrap();
    let keys = response.extensions().get::<Attempts>().unwrap().keys();
    assert_eq!(keys, [IdempotencyKey::new(FIRST)]);
    assert!(keys[0].first_sent_at().is_some());
    charge(&client).send().await.unwrap();
    let other = Operation::new(CHARGE).scope("account-12");
    client.post(CONTRACTS).operation(other.clone()).send().await.unwrap();
    let scoped = other.key("metronome").as_str().to_owned();
    assert_eq!(transport.keys(), [FIRST, FIRST, FIRST, &scoped].map(|key| Some(key.to_owned())));
}

/// An earlier process may have sent the first key so that it is still executed: two errors of the service prove nothing.
#[tokio::test(start_paused = true)]
async fn key_is_not_rotated_without_proof() {
    let (transport, error) = charged(storing(), [500, 500].map(status)).await;
    assert_eq!((error.stop(), error.applied()), (StopReason::Unverified, Applied::Unknown));
    assert_eq!(transport.keys(), [FIRST, FIRST].map(|key| Some(key.to_owned())));

    // The same with a key that the layer makes: nobody else has it.
    let transport = Transport::new([500, 500, 200].map(status));
    transport.client(storing()).post(CONTRACTS).send().await.unwrap();
    assert_eq!(transport.left(), 0);
}

#[tokio::test(start_paused = true)]
async fn replayed_error_proves_that_the_key_is_used_up() {
    let replayed = || reply(500, &[("idempotent-replayed", "true")], "");
    let transport = Transport::new([replayed(), status(200)]);
    let response = charge(&transport.client(storing())).send().await.unwrap();
    assert_eq!(transport.keys(), [FIRST, NEXT].map(|key| Some(key.to_owned())));
    let keys = response.extensions().get::<Attempts>().unwrap().keys();
    assert_eq!(keys, [FIRST, NEXT].map(IdempotencyKey::new));
    assert!(keys.iter().all(|key| key.first_sent_at().is_some()));
    let (_, error) = charged(storing(), [replayed(), status(400)]).await;
    assert_eq!(error.attempts().keys(), [FIRST, NEXT].map(IdempotencyKey::new));
}

/// What exists, what is in progress and what was sent before may be the work of an earlier process.
#[tokio::test(start_paused = true)]
async fn conflicts_leave_the_write_in_doubt() {
    let never = || storing().into_builder().retry_policy(RetryPolicy::never()).build().unwrap();
    for code in [409, 422, 423] {
        let (_, error) = charged(never(), [status(code)]).await;
        assert_eq!(error.applied(), Applied::Unknown, "{error}");
    }
    let (_, error) = charged(Service::metronome(), [status(404)]).await;
    assert_eq!(error.applied(), Applied::No);
    // A key of this call alone: what exists is not its work.
    let transport = Transport::new([status(409)]);
    let error = owned_failure(transport.client(never()).post(CONTRACTS)).await;
    assert_eq!(error.applied(), Applied::No);
}

#[tokio::test(start_paused = true)]
async fn absurd_operation_is_refused_unsent() {
    let transport = Transport::new([]);
    let client = transport.client(Service::metronome());
    for (request, message) in [
        (client.post(CONTRACTS).operation(""), "has no id"),
        (client.post(CONTRACTS).operation("x".repeat(10_000)), "has 10000 bytes"),
        (client.post(CONTRACTS).operation("a\nb"), "control character"),
        (charge(&client).idempotency_key("other"), "has an operation and an idempotency key"),
        (charge(&client).header("idempotency-key", "other"), "differ"),
    ] {
        let error = owned_failure(request).await;
        assert_eq!((error.kind(), error.applied(), error.attempts().count()), (ErrorKind::InvalidKey, Applied::No, 0));
        assert!(format!("{:#}", anyhow::Error::new(error)).contains(message), "{message}");
    }
}

/// Where no key protects, an operation does not either.
#[tokio::test(start_paused = true)]
async fn operation_of_a_write_without_a_key_is_refused() {
    let service = Service::builder("plain", "https://api.metronome.com").build().unwrap();
    let transport = Transport::new([status(200)]);
    let client = transport.client(service);
    assert_eq!(owned_failure(client.post(CONTRACTS).operation(CHARGE)).await.kind(), ErrorKind::InvalidKey);
    client.get(LIST).operation(CHARGE).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn key_is_written_into_the_body() {
    let url = "https://connect.squareup.com/v2/payments";
    let transport = Transport::new([503, 200].map(status));
    let client = transport.client(services::square());
    let request = client.post(url).operation(CHARGE).header("content-length", "17").body("{\"amount\":1.000}");
    request.send().await.unwrap();
    let key = Operation::new(CHARGE).key("square");
    let expected = format!("{{\"idempotency_key\":\"{}\",\"amount\":1.000}}", key.as_str());
    for sent in transport.sent() {
        assert_eq!(String::from_utf8(sent.body).unwrap(), expected);
        assert!(!sent.headers.contains_key("content-length"), "that of another body");
    }
    for body in ["", "[]", "{\"idempotency_key\":\"other\"}"] {
        let error = owned_failure(client.post(url).operation(CHARGE).body(body)).await;
        assert_eq!((error.kind(), error.attempts().count()), (ErrorKind::InvalidKey, 0), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn write_without_an_operation_can_be_refused() {
    let service = || Service::metronome().into_builder().require_operation().build().unwrap();
    let transport = Transport::new([200, 200, 200, 200].map(status));
    let client = transport.client(service());
    for url in [CONTRACTS, LEDGER] {
        let error = owned_failure(client.post(url)).await;
        assert_eq!((error.kind(), error.stop()), (ErrorKind::OperationRequired, StopReason::Permanent), "{url}");
        assert_eq!((error.applied(), error.attempts().count()), (Applied::No, 0));
    }
    charge(&client).send().await.unwrap();
    client.post(CONTRACTS).idempotency_key("own").send().await.unwrap();
    client.post(CONTRACTS).header("idempotency-key", "own").send().await.unwrap();
    client.post(LIST).send().await.unwrap();
}

/// An effect that the description knows needs no operation.
#[tokio::test(start_paused = true)]
async fn harmless_repeat_needs_no_operation() {
    let service = Service::builder("plain", "https://api.metronome.com")
        .route(Method::POST, "/v1/usage", Effect::Deduplicated)
        .require_operation()
        .build()
        .unwrap();
    let transport = Transport::new([503, 200].map(status));
    transport.client(service).post("https://api.metronome.com/v1/usage").send().await.unwrap();
    assert_eq!(transport.left(), 0);
}

/// An internal error has made the key unusable: that of an earlier process, which may have been applied.
#[tokio::test(start_paused = true)]
async fn key_that_an_earlier_process_has_used_up_leaves_the_write_in_doubt() {
    let idempotency = Idempotency::header("Idempotency-Key", KeyKind::InvalidatedByError);
    let service = Service::builder("metronome", "https://api.metronome.com").idempotency(idempotency);
    let (_, error) = charged(service.response(410, Meaning::KeyInvalidated).build().unwrap(), [status(410)]).await;
    assert_eq!((error.stop(), error.applied()), (StopReason::Unverified, Applied::Unknown));
}

/// That an attempt had no effect proves nothing about that of an earlier process, which may be what it has lost to.
#[tokio::test(start_paused = true)]
async fn attempt_without_effect_does_not_prove_that_the_key_is_used_up() {
    let idempotency = Idempotency::header("Idempotency-Key", KeyKind::ReplayAll);
    let service = Service::builder("metronome", "https://api.metronome.com").idempotency(idempotency);
    let (transport, error) = charged(service.response(409, Meaning::NotApplied).build().unwrap(), [status(409)]).await;
    assert_eq!(error.stop(), StopReason::Unverified);
    assert_eq!(transport.keys(), [Some(FIRST.to_owned())]);
}

/// A service that demands another version has it in the first key and in the next one.
#[tokio::test(start_paused = true)]
async fn keys_have_the_version_that_the_service_demands() {
    let replayed = || reply(500, &[("idempotent-replayed", "true")], "");
    let version = |key: &Option<String>| uuid::Uuid::parse_str(key.as_deref().unwrap()).unwrap().get_version_num();
    for (characters, expected, refused) in [(KeyCharacters::UuidV4, 4, FIRST), (KeyCharacters::UuidV5, 5, V4)] {
        let service = || storing().into_builder().map_idempotency(|keys| keys.characters(characters)).build().unwrap();
        let transport = Transport::new([replayed(), status(200), status(200)]);
        let client = transport.client(service());
        charge(&client).send().await.unwrap();
        client.post(CONTRACTS).send().await.unwrap();
        assert!(transport.keys().iter().all(|key| version(key) == expected), "{:?}", transport.keys());
        let first = transport.keys().remove(0).unwrap();
        assert_eq!((&first[..14], &first[15..]), (&FIRST[..14], &FIRST[15..]), "the rest is that of the recipe");
        let error = owned_failure(client.post(CONTRACTS).idempotency_key(refused)).await;
        assert_eq!(error.kind(), ErrorKind::InvalidKey);
    }
}

const V4: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
