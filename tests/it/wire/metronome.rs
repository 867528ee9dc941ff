//! The layer against the simulated Metronome: the result of a call agrees with what was applied.

use std::time::Duration;

use metronome_simulator::{Close, Fault, Metronome, Moment, RateLimit};
use reqwest::Client;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_safe_retry::{
    Applied, Attempts, Backoff, Error, ErrorKind, IdempotencyKey, InDoubtWrite, Jitter, RetryPolicy, SafeRetry,
    Service, ServiceBuilder, StopReason, Verdict,
};
use serde_json::{Value, json};

const MS: fn(u64) -> Duration = Duration::from_millis;

struct TestBed {
    metronome: Metronome,
    client: ClientWithMiddleware,
}

/// Metronome with a policy that is quick enough for a test.
fn quick(metronome: &Metronome) -> ServiceBuilder {
    let waits = Backoff::new(MS(10), MS(40)).jitter(Jitter::None);
    let policy =
        RetryPolicy::new().max_attempts(5).transient(waits.clone()).throttled(waits).deadline(Duration::from_secs(5));
    Service::metronome().into_builder().base_url(metronome.base_url().to_owned()).retry_policy(policy)
}

impl TestBed {
    async fn new(
        faults: impl IntoIterator<Item = Fault>,
        change: impl FnOnce(ServiceBuilder) -> ServiceBuilder,
    ) -> Self {
        let metronome = Metronome::start().await.unwrap();
        let service = change(quick(&metronome)).build().unwrap();
        let http = Client::builder().timeout(MS(150)).build().unwrap();
        let client = ClientBuilder::new(http).with(SafeRetry::new([service])).build();
        metronome.script(faults.into_iter().map(Some));
        Self { metronome, client }
    }

    async fn plain(faults: impl IntoIterator<Item = Fault>) -> Self {
        Self::new(faults, |builder| builder).await
    }

    async fn post(&self, path: &str, body: Value) -> reqwest_middleware::Result<reqwest::Response> {
        let url = format!("{}{path}", self.metronome.base_url());
        self.client.post(url).bearer_auth(self.metronome.token()).json(&body).send().await
    }

    async fn create(&self) -> reqwest_middleware::Result<reqwest::Response> {
        self.post("/v1/customers", json!({"name": "Ada"})).await
    }

    fn created(&self) -> usize {
        self.metronome.ledger().on("/v1/customers").count()
    }

    /// The keys of the requests that arrived, in order.
    fn keys(&self) -> Vec<Option<String>> {
        self.metronome.requests().iter().map(|request| request.idempotency_key.clone()).collect()
    }
}

#[tokio::test]
async fn recovered_fault_ends_in_one_write() {
    for fault in [
        Fault::gateway(502, Moment::Before),
        Fault::gateway(503, Moment::After),
        Fault::gateway(504, Moment::Before),
        Fault::gateway(504, Moment::After),
        Fault::gateway(504, Moment::After).taking(MS(40)),
        Fault::gateway(500, Moment::Before),
        Fault::dropped(Close::Orderly, Moment::Before),
        Fault::dropped(Close::Orderly, Moment::After),
        Fault::dropped(Close::Reset, Moment::Before),
        Fault::dropped(Close::Reset, Moment::After),
        Fault::late(MS(180), Moment::After),
        Fault::late(MS(180), Moment::Before),
        Fault::rate_limited(RateLimit::Client, None),
    ] {
        let bed = TestBed::plain([fault]).await;
        let response = bed.create().await.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!(response.status(), 200, "{fault:?}");
        assert_eq!(bed.created(), 1, "{fault:?}");
        let keys = bed.keys();
        assert!(keys.len() >= 2 && keys.iter().all(|key| key.is_some() && *key == keys[0]), "{fault:?}: {keys:?}");
    }
}

#[tokio::test]
async fn stored_500_ends_in_doubt() {
    for (moment, created) in [(Moment::Before, 0), (Moment::After, 1)] {
        let bed = TestBed::plain([Fault::stored_500(moment)]).await;
        let outer = bed.create().await.unwrap_err();
        let error = Error::find(&outer).unwrap();
        assert_eq!(
            (error.kind(), error.stop(), error.applied()),
            (ErrorKind::Server, StopReason::Unverified, Applied::Unknown)
        );
        assert_eq!((bed.created(), bed.metronome.requests().len()), (created, 2));
        assert_eq!(error.key().map(IdempotencyKey::as_str), bed.keys()[0].as_deref());
    }
}

/// Looks for the customer with its own client, as a user's verifier would.
fn lookup(
    metronome: &Metronome,
) -> impl Fn(&InDoubtWrite<'_>) -> std::pin::Pin<Box<dyn Future<Output = reqwest::Result<Verdict>> + Send>>
+ Send
+ Sync
+ 'static
+ use<> {
    let (url, token) = (format!("{}/v1/customers", metronome.base_url()), metronome.token().to_owned());
    move |write| {
        let name = write.json("/name");
        let request = Client::new().get(&url).bearer_auth(&token);
        Box::pin(async move {
            let page: Value = request.send().await?.error_for_status()?.json().await?;
            // What is not the whole list, or has another form than it should, says nothing.
            let (Some(listed), Some(Value::Null)) = (page["data"].as_array(), page.get("next_page")) else {
                return Ok(Verdict::Unknown);
            };
            let names: Option<Vec<_>> = listed.iter().map(|customer| customer["name"].as_str()).collect();
            Ok(match (names, name.as_deref()) {
                (Some(names), Some(name)) if names.contains(&name) => {
                    Verdict::Applied(Some(http::Response::new("found").into()))
                }
                (Some(_), Some(_)) => Verdict::NotApplied,
                _ => Verdict::Unknown,
            })
        })
    }
}

#[tokio::test]
async fn verified_500_ends_in_one_write() {
    for (moment, verified_applied, sent) in [(Moment::Before, false, 3), (Moment::After, true, 2)] {
        let metronome = Metronome::start().await.unwrap();
        let service = quick(&metronome).verifier_fn(lookup(&metronome)).build().unwrap();
        let client = ClientBuilder::new(Client::new()).with(SafeRetry::new([service])).build();
        let bed = TestBed { metronome, client };
        bed.metronome.script([Some(Fault::stored_500(moment))]);
        let response = bed.create().await.unwrap();
        assert_eq!(response.extensions().get::<Attempts>().unwrap().is_verified_applied(), verified_applied);
        let writes: Vec<_> = bed.metronome.requests().into_iter().filter(|request| request.method == "POST").collect();
        assert_eq!((writes.len(), bed.created()), (sent, 1), "{moment:?}");
        assert_eq!(writes[0].idempotency_key, writes[1].idempotency_key, "the probe has the same key");
        assert!(writes.get(2).is_none_or(|third| third.idempotency_key != writes[0].idempotency_key));
    }
}

#[tokio::test]
async fn duplicate_uniqueness_key_already_exists() {
    let bed = TestBed::plain([]).await;
    let created = bed.create().await.unwrap().json::<Value>().await.unwrap();
    let contract =
        json!({"customer_id": created["data"]["id"], "starting_at": "2026-01-01T00:00:00Z", "uniqueness_key": "u-1"});
    bed.post("/v1/contracts/create", contract.clone()).await.unwrap();
    let outer = bed.post("/v1/contracts/create", contract).await.unwrap_err();
    let error = Error::find(&outer).unwrap();
    assert_eq!(
        (error.kind(), error.applied(), error.status().unwrap().as_u16()),
        (ErrorKind::AlreadyExists, Applied::No, 409)
    );
}

#[tokio::test]
async fn errors_are_typed() {
    let bed = TestBed::plain([Fault::rate_limited(RateLimit::Customer, Some(90))]).await;
    let outer = bed.create().await.unwrap_err();
    let error = Error::find(&outer).unwrap();
    assert_eq!((error.stop(), error.rate_limit_scope()), (StopReason::RetryAfterTooLong, Some("customer")));

    let url = format!("{}/v1/customers/unknown", bed.metronome.base_url());
    let outer = bed.client.get(&url).bearer_auth(bed.metronome.token()).send().await.unwrap_err();
    let error = Error::find(&outer).unwrap();
    assert_eq!((error.kind(), error.message()), (ErrorKind::NotFound, "Customer not found"));

    let outer = bed.client.get(&url).bearer_auth("wrong").send().await.unwrap_err();
    assert_eq!(Error::find(&outer).unwrap().kind(), ErrorKind::Unauthorized);
}

#[tokio::test]
async fn reused_key_is_a_conflict() {
    let bed = TestBed::plain([]).await;
    let url = format!("{}/v1/customers", bed.metronome.base_url());
    let send = |name| {
        let request = bed.client.post(&url).bearer_auth(bed.metronome.token()).json(&json!({"name": name}));
        request.with_extension(IdempotencyKey::new("reused")).send()
    };
    send("Ada").await.unwrap();
    send("Ada").await.unwrap();
    let outer = send("Grace").await.unwrap_err();
    assert_eq!(Error::find(&outer).unwrap().kind(), ErrorKind::Conflict);
    assert_eq!(bed.created(), 1);
}
