//! Tests that the verifier is never fooled into a second write, whatever shape a list has and however far it is behind.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use metronome_simulator::{Fault, Metronome, Moment};
use reqwest_middleware::ClientBuilder;
use reqwest_safe_retry::{Applied, Backoff, Error, Jitter, RetryPolicy, SafeRetry, Service};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{endpoint::Endpoint, story::CUSTOMERS, verifier::LookUp};

const SHORT: Duration = Duration::from_millis(100);

/// Changes a page of a list.
type Distort = fn(&mut Value);

/// A server that passes lists on from the simulator, in another shape.
async fn distorted(simulator: &Metronome, distort: Distort) -> Endpoint {
    let real = Arc::new(endpoint(simulator, simulator.base_url()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let real = Arc::clone(&real);
            let service = service_fn(move |request| answer(Arc::clone(&real), request, distort));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    endpoint(simulator, &base_url)
}

async fn answer(
    real: Arc<Endpoint>,
    request: Request<Incoming>,
    distort: Distort,
) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!(request.method(), Method::GET);
    let answer = real.http.get(format!("{}{}", real.base_url, request.uri())).send().await.unwrap();
    let mut page: Value = answer.json().await.unwrap();
    distort(&mut page);
    let whole = request.into_body().collect().await;
    assert!(whole.is_ok());
    Ok(Response::new(page.to_string().into()))
}

fn endpoint(simulator: &Metronome, base_url: &str) -> Endpoint {
    Endpoint::new(base_url, simulator.token(), Duration::from_secs(5)).unwrap()
}

/// Creates a customer, without an alias that would reject a second one. The first response is a stored 500, before or after
/// the write took effect. Returns what the error says of the write, and how often the customer was created.
async fn created(simulator: &Metronome, moment: Moment, verifier: LookUp) -> (Applied, usize) {
    simulator.script([Some(Fault::stored_500(moment))]);
    let waits = Backoff::new(Duration::from_millis(5), Duration::from_millis(10)).jitter(Jitter::None);
    let service = Service::metronome().into_builder().base_url(simulator.base_url().to_owned());
    let service = service.retry_policy(RetryPolicy::new().transient(waits)).verifier(verifier).build().unwrap();
    let client = ClientBuilder::new(reqwest::Client::new()).with(SafeRetry::new([service])).build();
    let request = client.post(format!("{}{CUSTOMERS}", simulator.base_url())).bearer_auth(simulator.token());
    let told = match request.json(&json!({ "name": "Ada", "ingest_aliases": [] })).send().await {
        Ok(_) => Applied::Yes,
        Err(error) => Error::find(&error).unwrap().applied(),
    };
    let ledger = simulator.ledger();
    (told, ledger.on(CUSTOMERS).filter(|entry| entry.body["name"] == "Ada").count())
}

/// A simulator with more customers than a page has.
async fn simulator() -> Metronome {
    let simulator = Metronome::start().await.unwrap();
    let endpoint = endpoint(&simulator, simulator.base_url());
    for number in 0..101 {
        let body = json!({ "name": format!("other-{number}") });
        endpoint.http.post(format!("{}{CUSTOMERS}", endpoint.base_url)).json(&body).send().await.unwrap();
    }
    simulator
}

fn rename(item: &mut Value, from: &str, to: &str) {
    let fields = item.as_object_mut().unwrap();
    if let Some(value) = fields.remove(from) {
        fields.insert(to.to_owned(), value);
    }
}

fn items(page: &mut Value) -> impl Iterator<Item = &mut Value> {
    page["data"].as_array_mut().unwrap().iter_mut()
}

#[tokio::test]
async fn list_of_another_shape_never_leads_to_a_second_write() {
    let shapes: [(&str, Distort); 7] = [
        ("a missing field", |page| items(page).for_each(|item| rename(item, "name", "dropped"))),
        ("another name", |page| items(page).for_each(|item| rename(item, "name", "display_name"))),
        ("a field of another type", |page| items(page).for_each(|item| item["name"] = json!({ "text": item["name"] }))),
        ("the write in another notation", |page| {
            items(page).for_each(|item| rename(item, "ingest_aliases", "aliases"));
        }),
        ("only the first page", |page| rename(page, "next_page", "dropped")),
        ("another cursor", |page| rename(page, "next_page", "cursor")),
        ("items under another name", |page| rename(page, "data", "items")),
    ];
    for (what, distort) in shapes {
        let simulator = simulator().await;
        let endpoint = distorted(&simulator, distort).await;
        let told = created(&simulator, Moment::After, LookUp { endpoint, lag: Some(Duration::ZERO) }).await;
        assert_eq!(told, (Applied::Unknown, 1), "{what}");
    }
}

#[tokio::test]
async fn list_of_the_documented_shape_tells() {
    for moment in [Moment::After, Moment::Before] {
        let simulator = simulator().await;
        let endpoint = distorted(&simulator, |_| {}).await;
        let told = created(&simulator, moment, LookUp { endpoint, lag: Some(Duration::ZERO) }).await;
        assert_eq!(told, (Applied::Yes, 1), "{moment:?}");
    }
}

#[tokio::test]
async fn list_that_is_behind_tells_after_its_lag() {
    for moment in [Moment::After, Moment::Before] {
        let simulator = simulator().await;
        simulator.set_list_lag(SHORT);
        let endpoint = endpoint(&simulator, simulator.base_url());
        let told = created(&simulator, moment, LookUp { endpoint, lag: Some(SHORT * 4) }).await;
        assert_eq!(told, (Applied::Yes, 1), "{moment:?}");
    }
}

#[tokio::test]
async fn list_that_may_be_behind_never_leads_to_a_second_write() {
    for (moment, times) in [(Moment::After, 1), (Moment::Before, 0)] {
        let simulator = simulator().await;
        simulator.set_list_lag(Duration::from_secs(600));
        let endpoint = endpoint(&simulator, simulator.base_url());
        let told = created(&simulator, moment, LookUp { endpoint, lag: None }).await;
        assert_eq!(told, (Applied::Unknown, times), "{moment:?}");
    }
}
