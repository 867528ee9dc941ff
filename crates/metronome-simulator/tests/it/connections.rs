//! Connections: dropped, stalled, truncated.

use std::time::Duration;

use metronome_simulator::{Close, Fault, Moment, RateLimit};
use reqwest::Client;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{CUSTOMERS, INGEST, SHORT, Setup, acme, event};

#[tokio::test]
async fn dropped_connection_is_not_a_connect_error() {
    for (close, text) in [
        (Close::Orderly, "IncompleteMessage"),
        (Close::Half, "IncompleteMessage"),
        (Close::Reset, "ConnectionReset"),
        (Close::Midway, "ConnectionReset"),
    ] {
        for (moment, effects) in [(Moment::Before, 0), (Moment::After, 1)] {
            let setup = Setup::with(Fault::dropped(close, moment)).await;
            let error = setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap_err();
            assert!(error.is_request() && !error.is_connect() && !error.is_timeout(), "{error:?}");
            assert!(format!("{error:?}").contains(text), "{close:?} {moment:?}: {error:?}");
            assert_eq!(setup.effects(CUSTOMERS), effects, "{close:?} {moment:?}");
            let again = setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
            assert_eq!(again.status(), 200, "{close:?} {moment:?}");
            assert_eq!(setup.effects(CUSTOMERS), 1, "{close:?} {moment:?}");
        }
    }
}

#[tokio::test]
async fn pooled_connection_can_be_dropped() {
    for close in [Close::Orderly, Close::Half, Close::Reset, Close::Midway] {
        let setup = Setup::new().await;
        setup.ok(CUSTOMERS, acme()).await;
        setup.metronome.script([Some(Fault::dropped(close, Moment::After))]);
        setup.post(CUSTOMERS, acme()).send().await.unwrap_err();
        assert_eq!(setup.metronome.requests().len(), 2, "{close:?}: the client does not retry");
    }
}

/// Sends a valid request over a TCP connection. Returns what was read, how reading ended, and the stream.
async fn raw(setup: &Setup) -> (Vec<u8>, std::io::Result<usize>, tokio::net::TcpStream) {
    let authority = setup.metronome.base_url().strip_prefix("http://").unwrap().to_owned();
    let mut stream = tokio::net::TcpStream::connect(&authority).await.unwrap();
    let token = setup.metronome.token();
    let body = acme().to_string();
    let head = format!("POST {CUSTOMERS} HTTP/1.1\r\nhost: {authority}\r\nauthorization: Bearer {token}\r\n");
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    let end = stream.read_to_end(&mut seen).await;
    (seen, end, stream)
}

#[tokio::test]
async fn connection_closes_as_configured() {
    for (close, first_bytes, is_reset) in [
        (Close::Orderly, "", false),
        (Close::Half, "", false),
        (Close::Reset, "", true),
        (Close::Midway, "HTTP/1.1 200 OK\r\n", true),
    ] {
        let setup = Setup::with(Fault::dropped(close, Moment::After)).await;
        let (seen, end, mut stream) = raw(&setup).await;
        assert_eq!(String::from_utf8(seen).unwrap(), first_bytes, "{close:?}");
        assert_eq!(end.is_err(), is_reset, "{close:?}: {end:?}");
        // Writing fails once the server has closed its socket. A half-closed one still reads.
        let mut takes_more = true;
        for _ in 0..3 {
            takes_more &= stream.write_all(b"more").await.is_ok();
            tokio::time::sleep(SHORT / 5).await;
        }
        assert_eq!(takes_more, close == Close::Half, "{close:?}");
    }
}

#[tokio::test]
async fn stalled_request_times_out() {
    for (moment, effects) in [(Moment::Before, 0), (Moment::After, 1)] {
        let setup = Setup::with(Fault::stalled(moment)).await;
        let error = setup.keyed(CUSTOMERS, "k", acme()).timeout(SHORT).send().await.unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        assert_eq!(setup.effects(CUSTOMERS), effects, "{moment:?}");
        assert_eq!(setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap().status(), 200);
        assert_eq!(setup.effects(CUSTOMERS), 1, "{moment:?}");
    }
}

#[tokio::test]
async fn truncated_response_has_half_of_its_body() {
    let setup = Setup::with(Fault::truncated()).await;
    let mut response = setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let whole = setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    assert_eq!(response.content_length(), whole.content_length());
    let whole = whole.bytes().await.unwrap();
    let mut seen = Vec::new();
    let error = loop {
        match response.chunk().await {
            Ok(chunk) => seen.extend_from_slice(&chunk.expect("the body ends with an error")),
            Err(error) => break error,
        }
    };
    assert!(error.is_body() || error.is_decode(), "{error:?}");
    assert_eq!(seen, whole[..whole.len() / 2]);
    assert_eq!(setup.effects(CUSTOMERS), 1);
    setup.metronome.script([Some(Fault::truncated())]);
    let empty = setup.post(INGEST, json!([event("t")])).send().await.unwrap();
    assert!(empty.bytes().await.unwrap().is_empty(), "no body to truncate");
}

#[tokio::test]
async fn error_can_be_truncated() {
    let (before, after) = (Moment::Before, Moment::After);
    for (fault, status, effects) in [
        (Fault::gateway(502, before), 502, 0),
        (Fault::gateway(504, after).with_html_body(), 504, 1),
        (Fault::stored_500(after), 500, 1),
        (Fault::rate_limited(RateLimit::Client, None), 429, 0),
        (Fault::late(SHORT, after), 200, 1),
    ] {
        let setup = Setup::with(fault.with_truncated_body()).await;
        let response = setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
        assert_eq!(response.status(), status, "{fault}");
        assert!(response.bytes().await.is_err(), "{fault}");
        assert_eq!(setup.effects(CUSTOMERS), effects, "{fault}");
        let again = setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
        assert!(again.bytes().await.is_ok(), "{fault}: the stored response is whole");
    }
}

#[tokio::test]
async fn drop_closes_port_and_connections() {
    let setup = Setup::with(Fault::late(Duration::from_secs(60), Moment::After)).await;
    let url = format!("{}{CUSTOMERS}", setup.metronome.base_url());
    let waiting = tokio::spawn(setup.post(CUSTOMERS, acme()).send());
    setup.received(1).await;
    drop(setup);
    assert!(waiting.await.unwrap().unwrap_err().is_request());
    let refused = Client::new().get(url).send().await.unwrap_err();
    assert!(refused.is_connect(), "{refused:?}");
}
