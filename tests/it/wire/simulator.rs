//! Wire: the simulator itself, over real sockets; each test breaks if the documented behaviour does.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::HashSet;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use reqwest_safe_retry::simulator::{Close, Fault, Faults, Metronome, Moment, RateLimit};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const CUSTOMERS: &str = "/v1/customers";
const CONTRACTS: &str = "/v1/contracts/create";
const EDIT: &str = "/v2/contracts/edit";
const BALANCE: &str = "/v1/contracts/addManualBalanceLedgerEntry";
const INGEST: &str = "/v1/ingest";
const SHORT: Duration = Duration::from_millis(100);

struct Bench {
    metronome: Metronome,
    client: Client,
}

impl Bench {
    async fn new() -> Self {
        Self { metronome: Metronome::start().await.unwrap(), client: Client::new() }
    }

    async fn with(fault: Fault) -> Self {
        let bench = Self::new().await;
        bench.metronome.script([Some(fault)]);
        bench
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.metronome.base_url());
        self.client.request(method, url).bearer_auth(self.metronome.token())
    }

    fn post(&self, path: &str, body: Value) -> RequestBuilder {
        self.request(Method::POST, path).json(&body)
    }

    fn keyed(&self, path: &str, key: &str, body: Value) -> RequestBuilder {
        self.post(path, body).header("Idempotency-Key", key)
    }

    async fn ok(&self, path: &str, body: Value) -> Value {
        let response = self.post(path, body).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    async fn customer(&self) -> String {
        id(&self.ok(CUSTOMERS, json!({ "name": "Acme" })).await)
    }

    async fn contract(&self, customer: &str) -> String {
        id(&self.ok(CONTRACTS, json!({ "customer_id": customer, "starting_at": "2026-01-01T00:00:00Z" })).await)
    }

    fn effects(&self, path: &str) -> usize {
        self.metronome.ledger().on(path).count()
    }
}

fn id(answer: &Value) -> String {
    answer["data"]["id"].as_str().unwrap().to_owned()
}

fn acme() -> Value {
    json!({ "name": "Acme" })
}

fn event(transaction_id: &str) -> Value {
    json!({ "transaction_id": transaction_id, "customer_id": "c", "event_type": "e", "timestamp": "2026-01-01T00:00:00Z" })
}

async fn message(response: Response) -> (StatusCode, String) {
    let status = response.status();
    let body: Value = response.json().await.unwrap();
    (status, body["message"].as_str().unwrap().to_owned())
}

// Idempotency keys

#[tokio::test]
async fn a_success_is_replayed_to_the_same_key_and_parameters() {
    let bench = Bench::new().await;
    let mut ids = HashSet::new();
    for _ in 0..3 {
        let response = bench.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
        ids.insert(id(&response.json().await.unwrap()));
    }
    assert_eq!((ids.len(), bench.effects(CUSTOMERS)), (1, 1));
    bench.post(CUSTOMERS, acme()).send().await.unwrap();
    assert_eq!(bench.effects(CUSTOMERS), 2, "without a key a repeat is another customer");
}

#[tokio::test]
async fn a_stored_500_is_replayed_with_the_effect_or_without() {
    for (moment, effects) in [(Moment::Before, 0), (Moment::After, 1)] {
        let bench = Bench::with(Fault::stored_500(moment)).await;
        for _ in 0..2 {
            let response = bench.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
            assert_eq!(
                message(response).await,
                (StatusCode::INTERNAL_SERVER_ERROR, "Unexpected internal error".into())
            );
        }
        assert_eq!(bench.effects(CUSTOMERS), effects, "{moment:?}");
        let fresh = bench.keyed(CUSTOMERS, "k2", acme()).send().await.unwrap();
        assert_eq!(fresh.status(), 200, "{moment:?}: another key executes");
    }
}

#[tokio::test]
async fn a_key_with_other_parameters_conflicts() {
    let bench = Bench::new().await;
    bench.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    let other_body = bench.keyed(CUSTOMERS, "k", json!({ "name": "Other" })).send().await.unwrap();
    assert_eq!(message(other_body).await.0, 409);
    let other_path = bench.keyed("/v1/packages/create", "k", acme()).send().await.unwrap();
    assert_eq!(message(other_path).await.0, 409);
    assert_eq!(bench.metronome.ledger().entries().len(), 1);
}

#[tokio::test]
async fn a_concurrent_request_with_the_same_key_conflicts_and_is_not_stored() {
    let bench = Bench::with(Fault::late(SHORT, Moment::Before)).await;
    let first = tokio::spawn(bench.keyed(CUSTOMERS, "k", acme()).send());
    tokio::time::sleep(SHORT / 3).await;
    let second = bench.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    assert_eq!(message(second).await.0, 409);
    assert_eq!(bench.effects(CUSTOMERS), 0, "not yet");
    let first = first.await.unwrap().unwrap();
    assert_eq!(first.status(), 200);
    let third = bench.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    assert_eq!(first.bytes().await.unwrap(), third.bytes().await.unwrap());
    assert_eq!(bench.effects(CUSTOMERS), 1);
}

#[tokio::test]
async fn a_validation_failure_is_not_stored() {
    let bench = Bench::new().await;
    let invalid = bench.keyed(CUSTOMERS, "k", json!({})).send().await.unwrap();
    assert_eq!(message(invalid).await.0, 400);
    let valid = bench.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    assert_eq!(valid.status(), 200);
    let long = json!({ "uniqueness_key": "x".repeat(129) });
    assert_eq!(message(bench.post("/v1/packages/create", long).send().await.unwrap()).await.0, 400);
}

#[tokio::test]
async fn a_read_by_post_is_frozen_by_its_key() {
    let bench = Bench::new().await;
    let customer = bench.customer().await;
    let list = || bench.keyed("/v2/contracts/list", "k", json!({ "customer_id": customer })).send();
    let before: Value = list().await.unwrap().json().await.unwrap();
    bench.contract(&customer).await;
    let after: Value = list().await.unwrap().json().await.unwrap();
    assert_eq!((before["data"].as_array().unwrap().len(), after), (0, before));
}

// Faults and their moments

#[tokio::test]
async fn a_gateway_answer_is_never_stored() {
    for status in [502, 503, 504] {
        for (moment, effects) in [(Moment::Before, 0), (Moment::After, 1)] {
            let bench = Bench::with(Fault::gateway(status, moment)).await;
            let seen = message(bench.keyed(CUSTOMERS, "k", acme()).send().await.unwrap()).await;
            let text = if status == 504 { "Endpoint request timed out" } else { "Internal server error" };
            assert_eq!((seen.0.as_u16(), seen.1.as_str()), (status, text));
            assert_eq!(bench.effects(CUSTOMERS), effects, "{status} {moment:?}");
            let again = bench.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
            assert_eq!(again.status(), 200, "{status} {moment:?}");
            assert_eq!(bench.effects(CUSTOMERS), 1, "{status} {moment:?}");
        }
    }
}

#[tokio::test]
async fn a_key_untouched_by_a_gateway_answer_takes_other_parameters() {
    for (moment, status) in [(Moment::Before, 200), (Moment::After, 409)] {
        let bench = Bench::with(Fault::gateway(504, moment)).await;
        bench.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
        let other = bench.keyed(CUSTOMERS, "k", json!({ "name": "Other" })).send().await.unwrap();
        assert_eq!(other.status(), status, "{moment:?}");
    }
}

#[tokio::test]
async fn a_slow_write_goes_on_behind_the_gateways_answer() {
    let bench = Bench::with(Fault::gateway(504, Moment::After).taking(SHORT)).await;
    let create = || bench.keyed(CUSTOMERS, "k", acme()).send();
    assert_eq!(create().await.unwrap().status(), 504);
    assert_eq!(bench.effects(CUSTOMERS), 0);
    assert_eq!(create().await.unwrap().status(), 409, "the key is claimed meanwhile");
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(create().await.unwrap().status(), 200);
    assert_eq!(bench.effects(CUSTOMERS), 1);
}

#[tokio::test]
async fn a_dropped_connection_is_no_connect_error() {
    for (close, text) in [
        (Close::Orderly, "IncompleteMessage"),
        (Close::Half, "IncompleteMessage"),
        (Close::Reset, "ConnectionReset"),
        (Close::Midway, "ConnectionReset"),
    ] {
        for (moment, effects) in [(Moment::Before, 0), (Moment::After, 1)] {
            let bench = Bench::with(Fault::dropped(close, moment)).await;
            let error = bench.keyed(CUSTOMERS, "k", acme()).send().await.unwrap_err();
            assert!(error.is_request() && !error.is_connect() && !error.is_timeout(), "{error:?}");
            assert!(format!("{error:?}").contains(text), "{close:?} {moment:?}: {error:?}");
            assert_eq!(bench.effects(CUSTOMERS), effects, "{close:?} {moment:?}");
            let again = bench.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
            assert_eq!(again.status(), 200, "{close:?} {moment:?}");
            assert_eq!(bench.effects(CUSTOMERS), 1, "{close:?} {moment:?}");
        }
    }
}

#[tokio::test]
async fn a_pooled_connection_can_be_dropped_too() {
    for close in [Close::Orderly, Close::Half, Close::Reset, Close::Midway] {
        let bench = Bench::new().await;
        bench.ok(CUSTOMERS, acme()).await;
        bench.metronome.script([Some(Fault::dropped(close, Moment::After))]);
        bench.post(CUSTOMERS, acme()).send().await.unwrap_err();
        assert_eq!(bench.metronome.requests().len(), 2, "{close:?}: nothing below sends again");
    }
}

#[tokio::test]
async fn a_late_execution_goes_on_after_the_client_gave_up() {
    let bench = Bench::with(Fault::late(SHORT, Moment::Before)).await;
    let create = bench.keyed(CUSTOMERS, "k", acme()).timeout(SHORT / 2).send();
    assert!(create.await.unwrap_err().is_timeout());
    assert_eq!(bench.effects(CUSTOMERS), 0);
    tokio::time::sleep(SHORT).await;
    assert_eq!(bench.effects(CUSTOMERS), 1);
    let again = bench.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    assert_eq!((again.status().as_u16(), bench.effects(CUSTOMERS)), (200, 1));
}

#[tokio::test]
async fn a_late_answer_follows_a_prompt_effect() {
    let bench = Bench::with(Fault::late(SHORT, Moment::After)).await;
    let create = bench.post(CUSTOMERS, acme()).timeout(SHORT / 2).send();
    assert!(create.await.unwrap_err().is_timeout());
    assert_eq!(bench.effects(CUSTOMERS), 1);
}

#[tokio::test]
async fn a_queued_request_claims_its_key_late() {
    let bench = Bench::with(Fault::queued(SHORT)).await;
    let first = tokio::spawn(bench.keyed(CUSTOMERS, "k", acme()).send());
    tokio::time::sleep(SHORT / 3).await;
    assert_eq!(bench.effects(CUSTOMERS), 0, "still on its way");
    let second = bench.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    assert_eq!(second.status(), 200, "the repeat executes");
    let first = first.await.unwrap().unwrap();
    assert_eq!(first.bytes().await.unwrap(), second.bytes().await.unwrap(), "the held up one replays");
    assert_eq!(bench.effects(CUSTOMERS), 1);
}

/// What arrives on a bare connection when a well-formed request is sent over it, and the stream.
async fn raw(bench: &Bench) -> (Vec<u8>, std::io::Result<usize>, tokio::net::TcpStream) {
    let authority = bench.metronome.base_url().strip_prefix("http://").unwrap().to_owned();
    let mut stream = tokio::net::TcpStream::connect(&authority).await.unwrap();
    let token = bench.metronome.token();
    let body = acme().to_string();
    let head = format!("POST {CUSTOMERS} HTTP/1.1\r\nhost: {authority}\r\nauthorization: Bearer {token}\r\n");
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    let end = stream.read_to_end(&mut seen).await;
    (seen, end, stream)
}

#[tokio::test]
async fn a_connection_ends_in_the_way_that_was_asked_for() {
    for (close, first_bytes, is_reset) in [
        (Close::Orderly, "", false),
        (Close::Half, "", false),
        (Close::Reset, "", true),
        (Close::Midway, "HTTP/1.1 200 OK\r\n", true),
    ] {
        let bench = Bench::with(Fault::dropped(close, Moment::After)).await;
        let (seen, end, mut stream) = raw(&bench).await;
        assert_eq!(String::from_utf8(seen).unwrap(), first_bytes, "{close:?}");
        assert_eq!(end.is_err(), is_reset, "{close:?}: {end:?}");
        // A closed connection resets what is still sent to it, one that is closed by half reads it.
        let mut takes_more = true;
        for _ in 0..3 {
            takes_more &= stream.write_all(b"more").await.is_ok();
            tokio::time::sleep(SHORT / 5).await;
        }
        assert_eq!(takes_more, close == Close::Half, "{close:?}");
    }
}

#[tokio::test]
async fn a_stalled_request_is_never_answered() {
    for (moment, effects) in [(Moment::Before, 0), (Moment::After, 1)] {
        let bench = Bench::with(Fault::stalled(moment)).await;
        let error = bench.keyed(CUSTOMERS, "k", acme()).timeout(SHORT).send().await.unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        assert_eq!(bench.effects(CUSTOMERS), effects, "{moment:?}");
        assert_eq!(bench.keyed(CUSTOMERS, "k", acme()).send().await.unwrap().status(), 200);
        assert_eq!(bench.effects(CUSTOMERS), 1, "{moment:?}");
    }
}

#[tokio::test]
async fn a_truncated_answer_has_its_status_and_half_of_its_body() {
    let bench = Bench::with(Fault::truncated()).await;
    let mut cut = bench.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    assert_eq!(cut.status(), 200);
    let whole = bench.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    assert_eq!(cut.content_length(), whole.content_length());
    let whole = whole.bytes().await.unwrap();
    let mut seen = Vec::new();
    let error = loop {
        match cut.chunk().await {
            Ok(chunk) => seen.extend_from_slice(&chunk.expect("the end is an error")),
            Err(error) => break error,
        }
    };
    assert!(error.is_body() || error.is_decode(), "{error:?}");
    assert_eq!(seen, whole[..whole.len() / 2]);
    assert_eq!(bench.effects(CUSTOMERS), 1);
    bench.metronome.script([Some(Fault::truncated())]);
    let empty = bench.post(INGEST, json!([event("t")])).send().await.unwrap();
    assert!(empty.bytes().await.unwrap().is_empty(), "there is nothing to cut");
}

#[tokio::test]
async fn a_partial_creation_is_a_stored_500_after_a_part_of_the_effect() {
    let with_alias = json!({ "name": "Acme", "ingest_aliases": ["a"] });
    let bench = Bench::with(Fault::partial_500()).await;
    for _ in 0..2 {
        let answer = bench.keyed(CUSTOMERS, "k", with_alias.clone()).send().await.unwrap();
        assert_eq!(answer.status(), 500);
    }
    let parts: Vec<_> =
        bench.metronome.ledger().on(CUSTOMERS).map(|entry| (entry.partial, entry.body.clone())).collect();
    assert_eq!(parts, [(true, acme())], "the customer is there, its alias is not");
    let fresh = bench.keyed(CUSTOMERS, "k2", with_alias.clone()).send().await.unwrap();
    assert_eq!((fresh.status().as_u16(), bench.effects(CUSTOMERS)), (200, 2), "the alias was free: nothing guards it");
    bench.metronome.script([Some(Fault::partial_500())]);
    assert_eq!(bench.post(CUSTOMERS, with_alias).send().await.unwrap().status(), 500);
    assert_eq!(bench.effects(CUSTOMERS), 2, "where the alias is taken there is no part of it");
    bench.metronome.script([Some(Fault::partial_500())]);
    assert_eq!(bench.post(CUSTOMERS, acme()).send().await.unwrap().status(), 500);
    let ledger = bench.metronome.ledger();
    assert_eq!((ledger.entries().len(), ledger.entries()[2].partial), (3, false), "without an alias it is whole");
}

#[tokio::test]
async fn a_part_of_a_batch_is_its_first_half_and_of_what_has_no_parts_all() {
    let bench = Bench::with(Fault::partial_500()).await;
    let batch = json!([event("t1"), event("t2"), event("t3"), event("t4"), event("t5")]);
    assert_eq!(bench.post(INGEST, batch.clone()).send().await.unwrap().status(), 500);
    let ids = |ledger: reqwest_safe_retry::simulator::Ledger| -> Vec<(String, bool)> {
        ledger.on(INGEST).map(|entry| (entry.id.clone(), entry.partial)).collect()
    };
    assert_eq!(ids(bench.metronome.ledger()), [("t1".into(), true), ("t2".into(), true), ("t3".into(), true)]);
    bench.post(INGEST, batch).send().await.unwrap();
    let all: Vec<_> = ids(bench.metronome.ledger());
    assert_eq!((all.len(), all.iter().filter(|(_, partial)| *partial).count()), (5, 3));
    let customer = bench.customer().await;
    bench.metronome.script([Some(Fault::partial_500())]);
    let entry = json!({ "customer_id": customer, "id": "b", "segment_id": "s", "amount": 1, "reason": "r" });
    assert_eq!(bench.post(BALANCE, entry).send().await.unwrap().status(), 500);
    let whole: Vec<_> = bench.metronome.ledger().on(BALANCE).map(|entry| entry.partial).collect();
    assert_eq!(whole, [false]);
}

#[tokio::test]
async fn a_request_delivered_twice_takes_effect_twice_unless_something_guards_it() {
    let with_alias = json!({ "name": "Acme", "ingest_aliases": ["a"] });
    for (key, body, status, effects) in [
        (None, acme(), 200, 2),
        (Some("k"), acme(), 200, 1),
        (None, with_alias.clone(), 409, 1),
        (Some("k"), with_alias, 200, 1),
    ] {
        let bench = Bench::with(Fault::duplicated()).await;
        let request = bench.post(CUSTOMERS, body.clone());
        let request = match key {
            Some(key) => request.header("Idempotency-Key", key),
            None => request,
        };
        assert_eq!(request.send().await.unwrap().status(), status, "{key:?} {body}");
        assert_eq!(bench.effects(CUSTOMERS), effects, "{key:?} {body}");
        assert_eq!(bench.metronome.requests().len(), 1, "the client has sent it once");
    }
}

#[tokio::test]
async fn a_slow_request_delivered_twice_conflicts_with_itself() {
    let bench = Bench::with(Fault::duplicated().taking(SHORT)).await;
    let answer = bench.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    assert_eq!((message(answer).await.0.as_u16(), bench.effects(CUSTOMERS)), (409, 0));
    bench.metronome.settle().await;
    assert_eq!(bench.effects(CUSTOMERS), 1);
}

#[tokio::test]
async fn a_restart_forgets_the_claim_and_the_effect_never_comes() {
    let bench = Bench::with(Fault::restarted().taking(SHORT)).await;
    let first = tokio::spawn(bench.keyed(CUSTOMERS, "k", acme()).send());
    tokio::time::sleep(SHORT / 3).await;
    let meanwhile = bench.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    assert_eq!(meanwhile.status(), 409, "the claim holds until then");
    let error = first.await.unwrap().unwrap_err();
    assert!(format!("{error:?}").contains("ConnectionReset"), "{error:?}");
    assert_eq!(bench.effects(CUSTOMERS), 0);
    let again = bench.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    assert_eq!((again.status().as_u16(), bench.effects(CUSTOMERS)), (200, 1), "the same key executes");
}

#[tokio::test]
async fn a_restart_of_everything_keeps_what_is_stored() {
    let bench = Bench::new().await;
    bench.keyed(CUSTOMERS, "stored", acme()).send().await.unwrap();
    let long = Duration::from_secs(60);
    bench.metronome.script([Fault::late(long, Moment::Before), Fault::queued(long)].map(Some));
    let executing = tokio::spawn(bench.keyed(CUSTOMERS, "executing", acme()).send());
    tokio::time::sleep(SHORT / 3).await;
    let queued = tokio::spawn(bench.keyed(CUSTOMERS, "queued", acme()).send());
    tokio::time::sleep(SHORT / 3).await;
    bench.metronome.restart();
    for waiting in [executing, queued] {
        let error = waiting.await.unwrap().unwrap_err();
        assert!(format!("{error:?}").contains("ConnectionReset"), "{error:?}");
    }
    bench.metronome.settle().await;
    assert_eq!(bench.effects(CUSTOMERS), 1);
    for (key, effects) in [("stored", 1), ("executing", 2), ("queued", 3)] {
        assert_eq!(bench.keyed(CUSTOMERS, key, acme()).send().await.unwrap().status(), 200, "{key}");
        assert_eq!(bench.effects(CUSTOMERS), effects, "{key}");
    }
}

#[tokio::test]
async fn a_pruned_key_executes_again_unless_it_is_in_use() {
    let bench = Bench::new().await;
    bench.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    bench.metronome.script([Some(Fault::late(SHORT, Moment::Before))]);
    let executing = tokio::spawn(bench.keyed(CUSTOMERS, "in use", acme()).send());
    tokio::time::sleep(SHORT / 3).await;
    bench.metronome.prune_keys();
    assert_eq!(bench.keyed(CUSTOMERS, "in use", acme()).send().await.unwrap().status(), 409);
    assert_eq!(executing.await.unwrap().unwrap().status(), 200);
    assert_eq!(bench.effects(CUSTOMERS), 2);
    bench.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    bench.keyed(CUSTOMERS, "in use", acme()).send().await.unwrap();
    assert_eq!(bench.effects(CUSTOMERS), 3, "only the pruned one executes again");
}

#[tokio::test]
async fn a_key_is_kept_for_its_retention() {
    let bench = Bench::new().await;
    bench.metronome.retain_keys_for(SHORT * 2);
    let create = || bench.keyed(CUSTOMERS, "k", acme()).send();
    for (wait, effects) in [(Duration::ZERO, 1), (Duration::ZERO, 1), (SHORT * 3, 2), (Duration::ZERO, 2)] {
        tokio::time::sleep(wait).await;
        assert_eq!(create().await.unwrap().status(), 200);
        assert_eq!(bench.effects(CUSTOMERS), effects, "after another {wait:?}");
    }
}

#[tokio::test]
async fn it_settles_when_nothing_executes() {
    let bench = Bench::with(Fault::late(SHORT, Moment::Before)).await;
    bench.post(CUSTOMERS, acme()).timeout(SHORT / 3).send().await.unwrap_err();
    assert_eq!(bench.effects(CUSTOMERS), 0);
    bench.metronome.settle().await;
    assert_eq!(bench.effects(CUSTOMERS), 1);
}

#[tokio::test]
async fn a_429_names_the_limit_and_is_never_stored() {
    let bench = Bench::new().await;
    let faults = [(RateLimit::Client, Some(2)), (RateLimit::Customer, None)];
    bench.metronome.script(faults.map(|(limit, after)| Some(Fault::rate_limited(limit, after))));
    for (limit, after) in [("client", Some("2")), ("customer", None)] {
        let response = bench.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("X-Metronome-Rate-Limit-Type"), Some(limit));
        assert_eq!(header("Retry-After"), after);
        assert_eq!(message(response).await.0, 429);
        assert_eq!(bench.effects(CUSTOMERS), 0);
    }
    assert_eq!(bench.keyed(CUSTOMERS, "k", acme()).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_fault_does_not_replace_a_refusal() {
    let bench = Bench::with(Fault::stored_500(Moment::After)).await;
    assert_eq!(bench.keyed(CUSTOMERS, "k", json!({})).send().await.unwrap().status(), 400);
}

// Uniqueness keys and aliases

#[tokio::test]
async fn a_used_uniqueness_key_refuses_another_contract() {
    let bench = Bench::new().await;
    let customer = bench.customer().await;
    let body = json!({ "customer_id": customer, "starting_at": "2026-01-01T00:00:00Z", "uniqueness_key": "u", "net_payment_terms_days": 30 });
    bench.ok(CONTRACTS, body.clone()).await;
    for _ in 0..2 {
        let again = bench.keyed(CONTRACTS, "k", body.clone()).send().await.unwrap();
        assert_eq!(message(again).await, (StatusCode::CONFLICT, "This uniqueness key has already been used.".into()));
    }
    let ledger = bench.metronome.ledger();
    assert_eq!(ledger.count(|entry| entry.uniqueness_key.as_deref() == Some("u")), 1);
    assert!(ledger.applied(|entry| entry.body == body));
}

#[tokio::test]
async fn a_conflict_found_in_execution_is_stored_under_the_key() {
    let bench = Bench::with(Fault::gateway(504, Moment::After)).await;
    let unknown = json!({ "customer_id": "nobody", "starting_at": "2026-01-01T00:00:00Z" });
    assert_eq!(bench.keyed(CONTRACTS, "k", unknown.clone()).send().await.unwrap().status(), 504);
    bench.metronome.script([Some(Fault::stored_500(Moment::Before))]);
    let replay = bench.keyed(CONTRACTS, "k", unknown).send().await.unwrap();
    assert_eq!(message(replay).await, (StatusCode::NOT_FOUND, "Customer not found".into()), "not executed again");
}

#[tokio::test]
async fn edits_add_up_and_a_used_uniqueness_key_answers_422() {
    let bench = Bench::new().await;
    let customer = bench.customer().await;
    let contract = bench.contract(&customer).await;
    let seats = json!([{ "subscription_id": "s", "quantity_updates": [{ "quantity_delta": 137 }] }]);
    let edit = |key: Value| json!({ "customer_id": customer, "contract_id": contract, "update_subscriptions": seats, "uniqueness_key": key });
    let which = json!({ "customer_id": customer, "contract_id": contract });
    bench.ok(EDIT, edit("e1".into())).await;
    let again = bench.post(EDIT, edit("e1".into())).send().await.unwrap();
    assert_eq!(again.status(), 422);
    let body: Value = again.json().await.unwrap();
    assert_eq!(body["message"], "Uniqueness key already exists: e1");
    assert!(body["code"].is_string());
    let document = bench.ok("/v2/contracts/get", which.clone()).await;
    assert_eq!((&document["data"]["id"], &document["data"]["seats"]), (&json!(contract), &json!(137)));
    bench.ok(EDIT, edit("e2".into())).await;
    let listed = bench.ok("/v2/contracts/list", json!({ "customer_id": customer })).await;
    assert_eq!(listed["data"][0]["seats"], 274);
    let history = bench.ok("/v2/contracts/getEditHistory", which).await;
    let keys: Vec<_> = history["data"].as_array().unwrap().iter().map(|edit| &edit["uniqueness_key"]).collect();
    assert_eq!(keys, ["e1", "e2"]);
}

#[tokio::test]
async fn edits_without_a_uniqueness_key_stack() {
    let bench = Bench::new().await;
    let customer = bench.customer().await;
    let contract = bench.contract(&customer).await;
    for _ in 0..2 {
        bench.ok(EDIT, json!({ "customer_id": customer, "contract_id": contract })).await;
    }
    assert_eq!(bench.effects(EDIT), 2);
    let unknown = bench.post(EDIT, json!({ "customer_id": customer, "contract_id": "none" })).send().await.unwrap();
    assert_eq!(message(unknown).await, (StatusCode::BAD_REQUEST, "Contract not found".into()));
}

#[tokio::test]
async fn an_ingest_alias_belongs_to_one_customer() {
    let bench = Bench::new().await;
    let with_alias = json!({ "name": "Acme", "ingest_aliases": ["a&b", "c"] });
    let created = bench.ok(CUSTOMERS, with_alias).await;
    let again = bench.post(CUSTOMERS, json!({ "name": "Other", "ingest_aliases": ["c"] })).send().await.unwrap();
    assert_eq!(message(again).await.0, 409);
    bench.customer().await;
    for (query, found) in [("", 2), ("?ingest_alias=a%26b", 1), ("?ingest_alias=z", 0)] {
        let list = bench.request(Method::GET, &format!("{CUSTOMERS}{query}")).send().await.unwrap();
        let list: Value = list.json().await.unwrap();
        assert_eq!(list["data"].as_array().unwrap().len(), found, "{query}");
        assert!(list["next_page"].is_null());
    }
    let one = bench.request(Method::GET, &format!("{CUSTOMERS}/{}", id(&created))).send().await.unwrap();
    assert_eq!(one.json::<Value>().await.unwrap(), created);
    let none = bench.request(Method::GET, "/v1/customers/none").send().await.unwrap();
    assert_eq!(message(none).await, (StatusCode::NOT_FOUND, "Customer not found".into()));
}

// Ingest

#[tokio::test]
async fn ingest_ignores_duplicates_and_answers_nothing() {
    let bench = Bench::new().await;
    for batch in [json!([event("t1"), event("t2"), event("t1")]), json!([event("t2"), event("t3")])] {
        let response = bench.post(INGEST, batch).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.bytes().await.unwrap().is_empty());
    }
    let ids: Vec<_> = bench.metronome.ledger().on(INGEST).map(|entry| entry.id.clone()).collect();
    assert_eq!(ids, ["t1", "t2", "t3"]);
    let found = bench.ok("/v1/events/search", json!({ "transactionIds": ["t3", "t9"] })).await;
    assert_eq!(found, json!([event("t3")]));
}

#[tokio::test]
async fn one_invalid_event_fails_its_whole_batch() {
    let bench = Bench::new().await;
    let long = event(&"x".repeat(129));
    let (none, many) = (json!([]), Value::from(vec![event("t"); 101]));
    let incomplete = json!([event("t"), { "transaction_id": "u", "customer_id": "c", "event_type": "e" }]);
    for batch in [json!([event("t"), long]), json!([event("t"), event("")]), incomplete, none, many, event("t")] {
        let response = bench.post(INGEST, batch.clone()).send().await.unwrap();
        assert_eq!(message(response).await.0, 400, "{batch}");
    }
    assert_eq!(bench.effects(INGEST), 0);
    let full: Vec<_> = (0..100).map(|n| event(&format!("{n:0128}"))).collect();
    assert_eq!(bench.post(INGEST, full.into()).send().await.unwrap().status(), 200);
}

// The rest of the API

#[tokio::test]
async fn a_wrong_token_is_refused() {
    let bench = Bench::new().await;
    let url = format!("{}{CUSTOMERS}", bench.metronome.base_url());
    let without = bench.client.post(&url).json(&acme());
    let wrong = bench.client.post(&url).json(&acme()).bearer_auth("wrong");
    for request in [without, wrong] {
        assert_eq!(message(request.send().await.unwrap()).await, (StatusCode::UNAUTHORIZED, "Unauthorized".into()));
    }
    assert_eq!(bench.effects(CUSTOMERS), 0);
}

#[tokio::test]
async fn unknown_paths_and_malformed_json_are_refused() {
    let bench = Bench::new().await;
    for (method, path) in
        [(Method::POST, "/v1/nothing"), (Method::GET, "/v1/customers/a/b/c"), (Method::PUT, CUSTOMERS)]
    {
        let response = bench.request(method, path).send().await.unwrap();
        assert_eq!(message(response).await, (StatusCode::NOT_FOUND, "Not Found".into()), "{path}");
    }
    for path in [CUSTOMERS, EDIT] {
        let malformed = bench.request(Method::POST, path).body("{\"name\":").send().await.unwrap();
        assert_eq!(malformed.status(), 400);
        let body: Value = malformed.json().await.unwrap();
        assert_eq!((body["message"].is_string(), body["code"].is_string()), (true, path == EDIT));
    }
}

#[tokio::test]
async fn a_manual_balance_entry_is_a_delta_with_an_empty_answer() {
    let bench = Bench::new().await;
    let customer = bench.customer().await;
    let entry = json!({ "customer_id": customer, "id": "b", "segment_id": "s", "amount": -5.5, "reason": "r" });
    for _ in 0..2 {
        let response = bench.post(BALANCE, entry.clone()).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.bytes().await.unwrap().len()), (200, 0));
    }
    let balances = "/v1/contracts/customerBalances/list";
    let list = bench.ok(balances, json!({ "customer_id": customer, "id": "b", "include_ledgers": true })).await;
    assert_eq!(list["data"][0]["balance"], -11.0);
    assert_eq!(list["data"][0]["ledger"][1]["reason"], "r");
    let other = bench.ok(balances, json!({ "customer_id": customer, "id": "other" })).await;
    assert_eq!(other["data"], json!([]));
}

#[tokio::test]
async fn removing_a_custom_field_answers_null_once() {
    let bench = Bench::new().await;
    let field = json!({ "entity": "customer", "key": "tier" });
    let remove = || bench.post("/v1/customFields/removeKey", field.clone()).send();
    assert_eq!(remove().await.unwrap().text().await.unwrap(), "null");
    assert_eq!(message(remove().await.unwrap()).await.0, 404);
    bench.ok("/v1/customFields/addKey", field.clone()).await;
    assert_eq!(remove().await.unwrap().status(), 200);
}

#[tokio::test]
async fn any_other_documented_write_is_recorded() {
    let bench = Bench::new().await;
    for path in ["/v1/payments/attempt", "/v1/customers/c1/setName", "/v2/contracts/commits/edit"] {
        let created = bench.keyed(path, path, json!({ "n": 1 })).send().await.unwrap();
        let created: Value = created.json().await.unwrap();
        let ledger = bench.metronome.ledger();
        let entry = ledger.on(path).next().unwrap();
        assert_eq!((&entry.id, entry.idempotency_key.as_deref()), (&id(&created), Some(path)));
        assert_eq!(entry.body, json!({ "n": 1 }));
    }
    let credit = json!({ "uniqueness_key": "u" });
    bench.ok("/v1/contracts/customerCredits/create", credit.clone()).await;
    let again = bench.post("/v1/contracts/customerCredits/create", credit).send().await.unwrap();
    assert_eq!(again.status(), 409);
}

// The controls

#[tokio::test]
async fn the_script_is_met_in_order_and_told() {
    let bench = Bench::new().await;
    let fault = Fault::gateway(503, Moment::Before);
    bench.metronome.script([None, Some(fault)]);
    bench.metronome.script([None]);
    let mut statuses = Vec::new();
    for key in ["a", "b", "c"] {
        statuses.push(bench.keyed(CUSTOMERS, key, acme()).send().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [200, 503, 200]);
    let told = bench.metronome.requests();
    let faults: Vec<_> = told.iter().map(|request| request.fault).collect();
    assert_eq!(faults, [None, Some(fault), None]);
    let keys: Vec<_> = told.iter().map(|request| request.idempotency_key.as_deref()).collect();
    assert_eq!(keys, [Some("a"), Some("b"), Some("c")]);
    assert!(told.iter().all(|request| request.method == Method::POST && request.path == CUSTOMERS));
}

async fn drawn(faults: Faults) -> Vec<Option<Fault>> {
    let bench = Bench::new().await;
    bench.metronome.inject(faults);
    for _ in 0..40 {
        // A dropped connection is one of the things drawn.
        let _ = bench.post(CUSTOMERS, acme()).send().await;
        let _ = bench.request(Method::GET, CUSTOMERS).send().await;
    }
    bench.metronome.requests().into_iter().map(|request| request.fault).collect()
}

#[tokio::test]
async fn seeded_faults_are_the_same_for_the_same_seed() {
    let first = drawn(Faults::seeded(42).rate(0.5)).await;
    assert_eq!(first, drawn(Faults::seeded(42).rate(0.5)).await);
    assert_ne!(first, drawn(Faults::seeded(43).rate(0.5)).await);
    let struck = first.iter().flatten().count();
    assert!((20..=60).contains(&struck), "{struck} of 80");
}

#[tokio::test]
async fn seeded_faults_spare_what_they_are_told_to() {
    let only = Fault::gateway(502, Moment::Before);
    let all = drawn(Faults::seeded(1).rate(1.0).kinds([only])).await;
    assert!(all.iter().all(|fault| *fault == Some(only)));
    let writes = drawn(Faults::seeded(1).rate(1.0).kinds([only]).only_writes()).await;
    assert!(writes.chunks(2).all(|pair| pair == [Some(only), None]));
    assert!(drawn(Faults::seeded(1).rate(0.0)).await.iter().all(Option::is_none));
    assert!(drawn(Faults::seeded(1).rate(1.0).kinds([])).await.iter().all(Option::is_none));
}

#[tokio::test]
async fn the_script_can_be_asked_for_and_cleared() {
    let bench = Bench::new().await;
    let fault = Fault::gateway(503, Moment::Before);
    bench.metronome.script([Some(fault), None, Some(fault)]);
    bench.post(CUSTOMERS, acme()).send().await.unwrap();
    assert_eq!(bench.metronome.script_left(), 2);
    bench.metronome.inject(Faults::seeded(1).rate(1.0));
    bench.metronome.clear_faults();
    assert_eq!(bench.metronome.script_left(), 0);
    for _ in 0..2 {
        assert_eq!(bench.post(CUSTOMERS, acme()).send().await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn seeded_faults_spare_a_header_and_a_path() {
    let bench = Bench::new().await;
    let faults = Faults::seeded(1).rate(1.0).kinds([Fault::gateway(502, Moment::Before)]);
    bench.metronome.inject(faults.sparing_header("X-Spare").sparing_path("/v1/packages"));
    for (request, status) in [
        (bench.post(CUSTOMERS, acme()), 502),
        (bench.post(CUSTOMERS, acme()).header("x-spare", ""), 200),
        (bench.post("/v1/packages/create", json!({})), 200),
        (bench.request(Method::GET, CUSTOMERS), 502),
    ] {
        assert_eq!(request.send().await.unwrap().status(), status);
    }
}

/// The faults that three requests with each of four identities met, by identity.
async fn drawn_by_identity(seed: u64, order: impl IntoIterator<Item = usize>) -> Vec<Vec<Option<Fault>>> {
    let bench = Bench::new().await;
    bench.metronome.inject(Faults::seeded(seed).rate(0.5).drawn_by_header("x-call"));
    let mut met = vec![Vec::new(); 4];
    for call in order {
        let _ = bench.request(Method::GET, CUSTOMERS).send().await;
        let _ = bench.post(CUSTOMERS, acme()).header("x-call", format!("call {call}")).send().await;
        met[call].push(bench.metronome.requests().last().unwrap().fault);
    }
    met
}

#[tokio::test]
async fn faults_drawn_by_a_header_do_not_depend_on_the_order_of_arrival() {
    let one_by_one = drawn_by_identity(7, (0..24).map(|n| n / 6)).await;
    assert_eq!(one_by_one, drawn_by_identity(7, (0..24).map(|n| 3 - n % 4)).await);
    assert_ne!(one_by_one, drawn_by_identity(8, (0..24).map(|n| n / 6)).await);
    let distinct: HashSet<String> = one_by_one.iter().map(|faults| format!("{faults:?}")).collect();
    assert_eq!(distinct.len(), 4, "every identity has a weather of its own");
    assert!(one_by_one.iter().any(|faults| faults.windows(2).any(|pair| pair[0] != pair[1])), "which changes");
}

#[test]
fn faults_are_told_in_short_words() {
    let (before, after) = (Moment::Before, Moment::After);
    for (fault, words) in [
        (Fault::gateway(504, after), "504 after the effect"),
        (Fault::gateway(504, after).taking(SHORT), "504 100ms ahead of the effect"),
        (Fault::gateway(502, before), "502 before the effect"),
        (Fault::stored_500(before), "stored 500 before the effect"),
        (Fault::stored_500(after), "stored 500 after the effect"),
        (Fault::partial_500(), "stored 500 after a part of the effect"),
        (Fault::dropped(Close::Orderly, before), "connection closed before the effect"),
        (Fault::dropped(Close::Half, after), "connection half-closed after the effect"),
        (Fault::dropped(Close::Reset, after), "connection reset after the effect"),
        (Fault::dropped(Close::Midway, after), "connection reset after the status line after the effect"),
        (Fault::stalled(before), "stalled before the effect"),
        (Fault::truncated(), "answer cut short"),
        (Fault::duplicated(), "delivered twice"),
        (Fault::restarted(), "restart before the effect"),
        (Fault::late(SHORT, before), "slow by 100ms"),
        (Fault::late(SHORT, after), "answer 100ms late"),
        (Fault::queued(SHORT), "queued for 100ms"),
        (Fault::rate_limited(RateLimit::Client, Some(1)), "429 (client)"),
    ] {
        assert_eq!(fault.to_string(), words);
    }
}

#[tokio::test]
async fn dropping_it_closes_the_port_and_the_connections() {
    let bench = Bench::with(Fault::late(Duration::from_secs(60), Moment::After)).await;
    let url = format!("{}{CUSTOMERS}", bench.metronome.base_url());
    let waiting = tokio::spawn(bench.post(CUSTOMERS, acme()).send());
    tokio::time::sleep(SHORT / 2).await;
    drop(bench);
    assert!(waiting.await.unwrap().unwrap_err().is_request());
    let refused = Client::new().get(url).send().await.unwrap_err();
    assert!(refused.is_connect(), "{refused:?}");
}
